"""Bytes of stored documents and time to read a random one: this library, zstd of single documents, and Parquet.

    python tests/bench/documents_bench.py FILE...

FILE has a document a line. Needs pyarrow and zstandard.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cassata
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

READS, REPEATS, LEVEL, GROUP = 2000, 3, 12, 1024  # GROUP: rows of a row group of Parquet


def microseconds(read: Callable[[int], str], rows: list[int], texts: list[str]) -> float:
    """The best of a few rounds, a read on average."""
    assert all(read(row) == texts[row] for row in rows[:50])
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for row in rows:
            read(row)
        times.append(time.perf_counter() - start)
    return min(times) / len(rows) * 1e6


def single_frames(texts: list[str], dictionary: bytes) -> tuple[int, Callable[[int], str]]:
    held = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
    compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=held)
    frames = [compressor.compress(text.encode()) for text in texts]
    reader = zstandard.ZstdDecompressor(dict_data=held)
    return sum(map(len, frames)) + len(dictionary), lambda row: reader.decompress(frames[row]).decode()


def parquet(texts: list[str], path: Path) -> tuple[int, Callable[[int], str]]:
    pq.write_table(pa.table({"text": texts}), path, compression="zstd", compression_level=LEVEL, row_group_size=GROUP)
    file = pq.ParquetFile(path, memory_map=True)
    return path.stat().st_size, lambda row: file.read_row_group(row // GROUP)["text"][row % GROUP].as_py()


def stored(texts: list[str], path: Path) -> tuple[int, bytes, Callable[[int], str], float]:
    start = time.perf_counter()
    index = cassata.build(np.ones((len(texts), 1), "f4"), path, kind="flat", documents=texts)
    seconds = time.perf_counter() - start
    parts = {part["name"]: part for part in index.info["sections"] if part["name"].startswith("documents.")}
    held = parts.get("documents.dictionary")
    dictionary = path.read_bytes()[held["offset"] :][: held["length"]] if held else b""
    return sum(p["length"] for p in parts.values()), dictionary, lambda row: index.documents([row])[0], seconds


def main() -> None:
    for name in sys.argv[1:]:
        texts = Path(name).read_text().split("\n")[:-1]
        rows = np.random.default_rng(0).integers(0, len(texts), READS).tolist()
        raw = sum(len(text.encode()) for text in texts)
        with tempfile.TemporaryDirectory() as folder:
            size, dictionary, read, seconds = stored(texts, Path(folder) / "index")
            forms = {"Cassata": (size, read)}
            forms["zstd, one frame a document"] = single_frames(texts, b"")
            forms["the same, with Cassata's dictionary"] = single_frames(texts, dictionary)
            forms[f"Parquet, zstd, row groups of {GROUP}"] = parquet(texts, Path(folder) / "parquet")
            print(f"{os.path.basename(name)}: {len(texts)} documents of {raw / len(texts):.1f} bytes")
            print(f"  built in {seconds:.1f} s")
            for form, (total, read_one) in forms.items():
                each = microseconds(read_one, rows, texts)
                print(f"  {form:36} {total / len(texts):7.1f} bytes a document  {each:8.1f} us a read")


if __name__ == "__main__":
    main()
