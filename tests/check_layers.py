#!/usr/bin/env python3
"""Allowed includes. docs/architecture.md ("Layers") explains the table; `check_layers.py ROOT` checks the sources under
ROOT.

A source includes its own header before anything else, so that compiling it compiles the header alone; headers_test does
the others.
"""

import re
import sys
from pathlib import Path

TYPES = ("cassata/bitmap.h", "cassata/types.h", "cassata/metric.h")
PUBLIC = tuple(
    f"cassata/{part}.h"
    for part in (
        "bitmap",
        "checksum",
        "error",
        "manifest",
        "metric",
        "replace",
        "residency",
        "rows",
        "schema",
        "stream",
        "types",
    )
)
FORMAT = (*PUBLIC, "format/")
FACADE = tuple(
    f"cassata/{part}.h"
    for part in (
        "archive",
        "clean",
        "condition",
        "documents",
        "exact",
        "facts",
        "fuse",
        "hits",
        "index",
        "index_source",
        "measure",
        "parameters",
        "params",
        "payload",
        "recommend",
        "two_level",
    )
)
# The parts of a traversal.
TRAVERSAL = (
    "engine/search/",
    "engine/lists/",
    "engine/graph/",
    "engine/codec/codec.h",
    "engine/codec/codes.h",
    "engine/codec/packed_rows.h",
    "engine/kernels/",
    "format/file/row_reads.h",
)
# Files by the start of their path (the first line that fits counts): what they may include, by the start of its path.
LAYERS = [
    ("format/include/", PUBLIC),
    ("format/base/", (*PUBLIC, "format/base/")),
    ("format/os/", (*PUBLIC, "format/base/", "format/os/")),
    ("format/input/", (*PUBLIC, "format/base/", "format/os/", "format/input/", "format/file/section.h")),
    ("format/file/", (*PUBLIC, "format/base/", "format/os/", "format/file/")),
    ("engine/include/", (*FACADE, *PUBLIC)),
    ("engine/kernels/", ("engine/kernels/", *TYPES)),
    ("engine/base/", ("engine/base/",)),
    ("engine/train/", ("engine/train/", "engine/codec/codes.h", "engine/kernels/", "engine/base/", *FORMAT)),
    ("engine/codec/", ("engine/codec/", "engine/train/", "engine/kernels/", "engine/base/", *FORMAT)),
    ("engine/graph/", ("engine/graph/", "engine/kernels/", *FORMAT)),
    ("engine/lists/", ("engine/lists/", "engine/kernels/", *FORMAT)),
    ("engine/archive/", ("cassata/archive.h", "engine/base/", *FORMAT)),
    ("engine/search/", (*TRAVERSAL, *TYPES)),
    (
        "engine/payload/",
        (
            "engine/payload/",
            "engine/kernels/",
            "engine/base/",
            "cassata/condition.h",
            "cassata/documents.h",
            "cassata/payload.h",
            *FORMAT,
        ),
    ),
    (
        "engine/build/",
        (
            "engine/build/",
            "engine/search/",
            "engine/lists/",
            "engine/graph/",
            "engine/codec/codes.h",
            "engine/base/",
            *FORMAT,
        ),
    ),
    # The only file that names concrete encodings, but for those of tokens.
    ("engine/index/registry.cc", ("engine/", *FACADE, *FORMAT)),
    ("engine/index/build_encoders.cc", ("engine/", *FACADE, *FORMAT)),
    ("engine/multivector/join.cc", ("engine/", *FACADE, *FORMAT)),
    (
        "engine/",
        (
            *FACADE,
            "engine/base/",
            "engine/index/",
            "engine/multivector/",
            "engine/eval/",
            "engine/payload/checked_payload.h",
            "engine/payload/stored_documents.h",
            "engine/build/",
            *TRAVERSAL,
            *FORMAT,
        ),
    ),
    ("tools/", ("tools/", *FACADE, *FORMAT)),
    ("bindings/", ("bindings/", *FACADE, *FORMAT)),
]
# Builders are included only by builds, so that no search compiles against it (the first line that fits counts).
BUILDS = {
    "engine/build/": (
        "engine/build/",
        "engine/index/build_",
        "engine/index/clean.cc",
        "engine/eval/exact.cc",
        "engine/multivector/",
    ),
    "engine/index/build_index.h": ("engine/index/build_index.cc", "engine/index/index.cc"),
    "engine/index/build_": ("engine/index/build_",),
}
# Headers of other libraries stay where they are used.
LIBRARIES = {
    "boost/interprocess/": ("format/os/mapping.cc",),
    "boost/program_options": ("tools/",),
    "flatbuffers/": ("format/file/manifest.cc",),
    "manifest_generated.h": ("format/file/manifest.cc",),
    "hwy/": ("engine/kernels/",),
    "nlohmann/": ("tools/",),
    "pybind11/": ("bindings/",),
    "sanitizer/": ("format/file/mapped_file.cc",),
    "tbb/": ("engine/base/parallel.cc",),
    "xxhash.h": ("format/base/checksum.cc",),
    "zdict.h": ("engine/payload/stored_documents.cc",),
    "zstd.h": ("engine/base/zstd.h",),
}
SYSTEM = re.compile(r"[a-z0-9_]+|sys/\w+\.h|(fcntl|unistd|poll|sched|signal|pthread|linux/\w+)\.h")
# What must be refused: shows, on every run, that the check can fail.
WRONG = [
    ("format/file/section.h", "cassata/index.h"),
    ("engine/kernels/dense_distance.cc", "format/file/section.h"),
    ("engine/codec/dense.cc", "engine/graph/hierarchy.h"),
    ("engine/graph/hierarchy.cc", "engine/codec/codes.h"),
    ("engine/payload/fields.cc", "cassata/index.h"),
    ("engine/search/beam_walk.cc", "format/file/mapped_file.h"),
    ("engine/search/beam_walk.h", "engine/codec/dense.h"),
    ("engine/include/cassata/index.h", "engine/codec/codes.h"),
    ("engine/index/index.cc", "engine/codec/dense.h"),
    ("engine/index/hnsw.cc", "engine/build/pipeline.h"),
    ("engine/index/searcher.h", "engine/index/build_kind.h"),
    ("engine/index/index.cc", "engine/build/graph_builder.h"),
    ("tools/build_command.cc", "engine/index/registry.h"),
    ("bindings/module.cc", "engine/search/beam_walk.h"),
    ("engine/codec/dense.cc", "hwy/highway.h"),
    ("engine/codec/dense.cc", "engine/kernels/float16-inl.h"),
    ("format/include/cassata/manifest.h", "manifest_generated.h"),
    ("tools/main.cc", "unknown/library.h"),
]
# So must a source, here of codes.cc, or its header.
WRONG_ORDER = [
    ('#include <vector>\n#include "engine/codec/codes.h"', "#pragma once"),
    ('#include "engine/codec/codes.h"', "#include <vector>"),
]


def allowed(file: str, include: str) -> bool:
    for library, users in LIBRARIES.items():
        if include.startswith(library):
            return file.startswith(users)
    if not next((file.startswith(users) for builder, users in BUILDS.items() if include.startswith(builder)), True):
        return False
    if SYSTEM.fullmatch(include):
        return True
    if include.endswith("-inl.h") and Path(include).parent != Path(file).parent:
        return False
    return include.startswith(next(targets for layer, targets in LAYERS if file.startswith(layer)))


def stands_alone(name: str, source: str, header: str) -> bool:
    """Whether `source` shows that the header `name` compiles after nothing else, and does so twice."""
    first = re.search(r"^\s*#\s*include.*", source, re.MULTILINE)
    return (
        first is not None
        and first[0].strip() == f'#include "{name}"'
        and re.search("^#pragma once$", header, re.MULTILINE) is not None
    )


def main(root: Path) -> int:
    failures = [
        f"check_layers.py: {file} may include {include}, which its table should refuse"
        for file, include in WRONG
        if allowed(file, include)
    ]
    failures += [
        f"check_layers.py: {texts} should be refused"
        for texts in WRONG_ORDER
        if stands_alone("engine/codec/codes.h", *texts)
    ]
    sources = sorted(
        path
        for folder in ("format", "engine", "tools", "bindings")
        for path in (root / folder).rglob("*")
        if path.suffix in (".h", ".cc")
    )
    names: dict[str, Path] = {}
    for path in sources:
        if names.setdefault(path.name, path) != path:
            failures.append(f"{path.relative_to(root)}: {names[path.name].relative_to(root)} has the same name")
    for path in sources:
        file = path.relative_to(root).as_posix()
        source = names.get(path.with_suffix(".cc").name)
        included = re.sub("^(engine|format)/include/", "", file)
        if path.suffix == ".h" and source and not stands_alone(included, source.read_text(), path.read_text()):
            failures.append(
                f"{file}: {source.name} has to include {included} before anything else, and it needs a #pragma once"
            )
        for number, line in enumerate(path.read_text().splitlines(), 1):
            include = re.match(r'\s*#\s*include\s*["<]([^">]+)', line)
            if include and not allowed(file, include[1]):
                failures.append(f"{file}:{number}: includes {include[1]}, which its layer may not")
    print(*failures or [f"{len(sources)} files include only what they may"], sep="\n")
    return bool(failures) or not sources


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
