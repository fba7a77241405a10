"""Where files are written: what may be replaced, odd file systems, descriptors, what a failure leaves behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import cassata
import numpy as np
import pytest
from cli import BINARY, output, refusal, run
from conftest import at_size, clustered, run_python, topics, write_sparse

USERS = b"a file of the user's\n"

# Calls that an odd file system answers otherwise; FAULTS in the environment names which.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int faulty(const char* what) { const char* all = getenv("FAULTS"); return all && strstr(all, what); }
static mode_t kept(mode_t mode) { return faulty("sticky") ? mode & ~S_ISVTX : mode; }

#define OPEN(name) \
  int name(const char* path, int flags, ...) { \
    va_list more; va_start(more, flags); \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; va_end(more); \
    return ((int (*)(const char*, int, ...))dlsym(RTLD_NEXT, #name))(path, flags, kept(mode)); \
  }
OPEN(open)
OPEN(open64)

int fchmod(int fd, mode_t mode) {
  if (faulty("fchmod")) { errno = EPERM; return -1; }
  return ((int (*)(int, mode_t))dlsym(RTLD_NEXT, "fchmod"))(fd, kept(mode));
}

int flock(int fd, int operation) {
  if (faulty("flock")) { errno = faulty("nolck") ? ENOLCK : EOPNOTSUPP; return -1; }
  if (faulty("badlock")) { errno = EIO; return -1; }
  return ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(fd, operation);
}

int fsync(int fd) {
  struct stat status;
  if (faulty("folder") && fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) { errno = EIO; return -1; }
  if (faulty("slow")) sleep(30);
  return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}
"""


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM)
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", folder / "shim.so", folder / "shim.c", "-ldl"], check=True
    )
    return folder / "shim.so"


@pytest.fixture
def faults(shim):
    """The environment of a process to which these calls answer otherwise."""
    return lambda *names: {**os.environ, "LD_PRELOAD": str(shim), "FAULTS": " ".join(names)}


def names(folder):
    return sorted(os.listdir(folder))


# --- what may be replaced ---------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path):
    """Vectors of all shapes, indexes of them and token vectors, beside a file of the user's."""
    np.save(tmp_path / "vectors.npy", clustered(300, 16, seed=1))
    np.save(tmp_path / "queries.npy", clustered(5, 16, seed=2))
    write_sparse(tmp_path / "vectors.bin", topics(300, 400, seed=3))
    (tmp_path / "tokens").mkdir()
    np.save(tmp_path / "tokens/doclens.npy", np.full(300, 3, "i4"))
    np.save(tmp_path / "tokens/documents.npy", clustered(900, 8, seed=4))
    run("build", tmp_path / "vectors.npy", "-o", tmp_path / "index.cassata", "-m", "4", "-q")
    (tmp_path / "users").write_bytes(USERS)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ("build", "vectors.npy", "-o"),
        ("build", "vectors.bin", "-o"),
        ("build", "vectors.npy", "--kind", "flat", "-o"),
        ("build", "vectors.npy", "--memory-budget", "49MiB", "-o"),
        ("build", "vectors.npy", "--target-recall", "0.5", "--sample", "200", "-q", "-o"),
        ("build", "index.cassata", "--multivec", "tokens", "-o"),
        ("search", "index.cassata", "queries.npy", "-o"),
        ("bench", "index.cassata", "--queries", "queries.npy", "--ef-search", "10", "--repeat", "1", "--save-truth"),
    ],
    ids=lambda command: " ".join(command[:4]),
)
def test_a_file_of_another_kind_stays(place, command):
    others = {
        "users": USERS,
        "vectors2.npy": (place / "vectors.npy").read_bytes(),
        "index2": (place / "index.cassata").read_bytes(),
    }
    for name, content in others.items():
        (place / name).write_bytes(content)
    builds = command[0] == "build"
    refused = [name for name in others if not builds or name != "index2"]
    for name in refused:
        message = refusal(*command, name, cwd=place)
        assert name in message
        assert message.rstrip().endswith("to replace it anyway: --force")
        assert (place / name).read_bytes() == others[name]
        assert not list(place.glob("*.partial*")) + list(place.glob("*.build"))
    run(*command, "users", "--force", cwd=place)
    assert (place / "users").read_bytes() != USERS
    run(*command, "users", cwd=place)  # now it is one that such a command writes
    (place / "empty").touch()
    run(*command, "empty", cwd=place)
    assert (place / "empty").stat().st_size


@pytest.mark.parametrize("format", ["tsv", "trec", "json"])
def test_results_of_any_format_are_replaced(place, format):
    for former in ("tsv", "trec", "json"):
        run("search", "index.cassata", "queries.npy", "-o", "results", "--format", former, cwd=place)
        run("search", "index.cassata", "queries.npy", "-o", "results", "--format", format, cwd=place)
    assert (place / "results").read_text() == output(
        "search", "index.cassata", "queries.npy", "--format", format, cwd=place
    )


def test_pictures(place):
    pytest.importorskip("matplotlib")
    command = (
        "bench",
        "index.cassata",
        "--queries",
        "queries.npy",
        "--ef-search",
        "10",
        "--repeat",
        "1",
        "-q",
        "--plot",
    )
    for name in at_size(("a.png", "a.svg", "a.pdf"), ("a.svg",)):  # each is drawn anew
        (place / name).write_bytes(USERS)
        assert "--force" in refusal(*command, name, cwd=place)
        assert (place / name).read_bytes() == USERS
        run(*command, name, "--force", cwd=place)
        run(*command, name, cwd=place)


def test_every_build_in_python_refuses_to_replace_another_file(place):
    vectors, sparse = np.load(place / "vectors.npy"), topics(300, 400, seed=3)
    users, quick = place / "users", {"m": 4, "ef_construction": 20}
    cassata.SparsePlainHNSW.build_from_arrays(sparse, **quick, path=place / "sparse.cassata")
    cassata.train_two_level(place / "tokens", place / "coded", pq_subspaces=4, n_centroids=16)
    dense = {"build_from_array": (vectors,), "build_from_file": (place / "vectors.npy",)}
    rows = {"build_from_arrays": (sparse,), "build_from_file": (place / "vectors.bin",)}
    builds = [
        *[(face, dense, {}) for face in (cassata.DenseFlatIndex,)],
        *[(face, dense, quick) for face in (cassata.DensePlainHNSW, cassata.DenseRerankHNSW)],
        (cassata.DensePQHNSW, dense, {"m_pq": 4, **quick}),
        *[(face, rows, {}) for face in (cassata.SparseFlatIndex, cassata.SparsePostingsIndex)],
        *[
            (face, rows, quick)
            for face in (
                cassata.SparsePlainHNSW,
                cassata.SparseFixedU8HNSW,
                cassata.SparseFixedU16HNSW,
                cassata.SparseDotVByteHNSW,
            )
        ],
        (cassata.SparseRerankHNSW, rows, {"prune_percentage": 60, **quick}),
        (cassata.DenseMultivecRerankIndex, {"build_from_file": (place / "index.cassata", place / "tokens")}, {}),
        (cassata.SparseMultivecRerankIndex, {"build_from_file": (place / "sparse.cassata", place / "tokens")}, {}),
        (
            cassata.SparseMultivecTwoLevelsPQRerankIndex,
            {"build_from_file": (place / "sparse.cassata", place / "coded", 4)},
            {},
        ),
    ]
    for face, ways, choices in builds:
        for way, arguments in ways.items():
            users.write_bytes(USERS)
            build = getattr(face, way)
            with pytest.raises(
                FileExistsError,
                match=r"users: exists and begins with 'a file of the us\.\.\.', expected .* anyway: overwrite=True$",
            ):
                build(*arguments, **choices, path=users)
            assert users.read_bytes() == USERS
            build(*arguments, **choices, path=users, overwrite=True).close()
            build(*arguments, **choices, path=users).close()
    users.write_bytes(USERS)
    index = cassata.open(place / "index.cassata")
    with pytest.raises(FileExistsError):
        index.save(users)
    with pytest.raises(TypeError, match="overwrite"):
        index.save(users, overwrite=1)
    assert users.read_bytes() == USERS
    index.save(users, overwrite=True)
    shutil.copytree(place / "tokens", place / "others")
    with pytest.raises(FileExistsError, match=r"others/doclens\.npy exists and belongs to another collection"):
        cassata.train_two_level(place / "tokens", place / "others", pq_subspaces=4, n_centroids=16)
    cassata.train_two_level(place / "tokens", place / "others", pq_subspaces=4, n_centroids=16, overwrite=True)
    users.write_bytes(USERS)
    found = cassata.recommend(vectors, target_recall=0.5, sample=200)
    with pytest.raises(FileExistsError):
        found.build(vectors, users)
    found.build(vectors, users, overwrite=True)


# --- descriptors, devices, pipes --------------------------------------------------------------------------------------


def shell(command, folder, code=0):
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        capture_output=True,
        check=False,
        timeout=120,
        env={**os.environ, "C": BINARY},
    )
    assert done.returncode == code, done
    return done


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_results_go_to_the_descriptor(place, name):
    expected = output("search", "index.cassata", "queries.npy", cwd=place)
    (place / "link").symlink_to("/dev/stdout")
    (place / "out").write_text("what was there\n")
    before = (place / "out").stat().st_ino
    shell(f'"$C" search index.cassata queries.npy -o {name} >> out', place)
    assert (place / "out").read_text() == "what was there\n" + expected
    shell(f'(echo first; "$C" search index.cassata queries.npy -o {name}; echo last) > out', place)
    assert (place / "out").read_text() == "first\n" + expected + "last\n"
    assert (place / "out").stat().st_ino == before
    assert shell(f'"$C" search index.cassata queries.npy -o {name} | cat', place).stdout.decode() == expected


def test_results_go_to_other_descriptors_devices_and_pipes(place):
    expected = output("search", "index.cassata", "queries.npy", cwd=place)
    for name, redirection in [("/dev/stderr", "2>"), ("/dev/fd/7", "7>"), ("/proc/self/fd/7", "7>>")]:
        (place / "out").write_text("")
        shell(f'"$C" search index.cassata queries.npy -o {name} {redirection} out', place)
        assert (place / "out").read_text() == expected
    assert b"Bad file descriptor" in shell('"$C" search index.cassata queries.npy -o /dev/fd/99', place, 2).stderr
    shell('"$C" search index.cassata queries.npy -o /dev/null', place)
    assert Path("/dev/null").is_char_device()
    assert (
        shell('mkfifo fifo; cat fifo & "$C" search index.cassata queries.npy -o fifo; wait', place).stdout.decode()
        == expected
    )


def test_help_names_standard_output():
    assert "-, /dev/stdout" in " ".join(output("search", "--help").split())


@pytest.mark.parametrize(
    "way",
    [
        ("vectors.npy",),
        ("vectors.npy", "--target-recall", "0.5"),
        ("index.cassata", "--multivec", "tokens"),
        ("tokens", "--two-level"),
    ],
)
def test_an_index_does_not_go_to_a_descriptor(place, way):
    assert "'-' given, which means standard output" in refusal("build", *way, "-o", "-", cwd=place)
    (place / "out").write_bytes(b"")
    if "--two-level" not in way:
        done = shell(f'"$C" build {" ".join(way)} -o /dev/stdout --force > out', place, 2)
        assert b"/dev/stdout: an open descriptor" in done.stderr
    assert (place / "out").read_bytes() == b""
    assert not (place / "-").exists()


# --- file systems that lack something ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lacking", [("sticky",), ("flock",), ("flock", "nolck"), ("sticky", "flock"), ("sticky", "flock", "fchmod")]
)
def test_a_file_system_without_mark_or_locks(place, faults, lacking):
    run("build", "vectors.npy", "-o", "expected", "-m", "4", "-q", cwd=place)
    for _ in range(2):  # a new file, and one that is replaced
        run("build", "vectors.npy", "-o", "out", "-m", "4", "-q", cwd=place, env=faults(*lacking))
        assert (place / "out").read_bytes() == (place / "expected").read_bytes()
        run("search", "expected", "queries.npy", "-o", "results", cwd=place, env=faults(*lacking))
        assert (place / "results").read_text() == output("search", "expected", "queries.npy", cwd=place)
    run("search", "expected", "queries.npy", "-k", "0", "-o", "empty", cwd=place, env=faults(*lacking))
    assert (place / "empty").read_bytes() == b""
    run(
        "bench",
        "out",
        "--queries",
        "queries.npy",
        "--save-truth",
        "truth.npy",
        "--ef-search",
        "10",
        "-q",
        cwd=place,
        env=faults(*lacking),
    )
    assert np.load(place / "truth.npy").shape == (5, 10)
    assert not list(place.glob("*.partial"))


def interrupted_build(place, environment):
    process = subprocess.Popen(
        [BINARY, "build", "vectors.npy", "-o", "out", "-m", "4"], cwd=place, env=environment, stdout=subprocess.PIPE
    )
    while not ((place / "out.partial").exists() and (place / "out.partial").stat().st_size > 4096):
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert (place / "out.partial").stat().st_size > 4096


def test_a_leftover_without_the_sticky_bit_is_known(place, faults):
    interrupted_build(place, faults("sticky", "slow"))
    assert (place / "out.partial").read_bytes().startswith(b"\x89CASSATA unfinished")
    assert (place / "out.partial").stat().st_mode & 0o7777 == 0o600
    run("build", "vectors.npy", "-o", "out", "-m", "4", "-q", cwd=place, env=faults("sticky"))
    assert not (place / "out.partial").exists()
    assert cassata.open(place / "out", verify=True).n == 300
    (place / "out.partial").write_bytes(USERS)
    assert "not left by an interrupted writer" in refusal(
        "build", "vectors.npy", "-o", "out", cwd=place, env=faults("sticky")
    )
    assert (place / "out.partial").read_bytes() == USERS


def test_a_leftover_where_there_are_no_locks_is_left_to_the_user(place, faults):
    interrupted_build(place, faults("flock", "slow"))
    assert "no locks" in refusal("build", "vectors.npy", "-o", "out", cwd=place, env=faults("flock"))
    assert (place / "out.partial").exists()
    run("build", "vectors.npy", "-o", "out", "-m", "4", "-q", cwd=place)


def test_what_was_created_goes_when_it_cannot_be_locked(place, faults):
    before = names(place)
    assert "cannot lock" in refusal("build", "vectors.npy", "-o", "out", cwd=place, env=faults("badlock"))
    assert names(place) == before


def test_permissions_that_cannot_be_kept_are_an_error(place, faults):
    before = names(place)
    assert "cannot give" in refusal("build", "vectors.npy", "-o", "out", "-m", "4", cwd=place, env=faults("fchmod"))
    assert names(place) == before
    os.chmod(place / "index.cassata", 0o600)
    former = (place / "index.cassata").read_bytes()
    refusal("build", "vectors.npy", "-o", "index.cassata", "-m", "8", cwd=place, env=faults("fchmod"))
    assert (place / "index.cassata").read_bytes() == former
    assert names(place) == before


# --- after the rename -------------------------------------------------------------------------------------------------


def test_an_error_after_the_rename_says_that_the_file_is_there(place, faults):
    message = refusal("build", "vectors.npy", "-o", "out", "-m", "4", cwd=place, env=faults("folder"))
    assert "out: published, but it may not survive a power loss: cannot sync folder" in message
    assert cassata.open(place / "out", verify=True).n == 300
    program = """
        import cassata, numpy as np
        index = cassata.DenseFlatIndex.build_from_array(np.eye(4))
        build = cassata.DenseFlatIndex.build_from_array
        for save in (lambda: index.save("saved"), lambda: build(np.eye(4), path="built")):
            try:
                save()
            except OSError as error:
                print(error.published, error.errno)
        try:
            index.save("no/such/folder")
        except OSError as error:
            print(getattr(error, "published", False))
        print(len(cassata.open("saved")), len(cassata.open("built")))
    """
    assert run_python(program, cwd=place, env=faults("folder")).split() == ["True", "5", "True", "5", "False", "4", "4"]


# --- owners -----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_is_kept_or_its_loss_is_noted(place, request):
    os.chown(place / "index.cassata", 65534, 65534)
    os.chmod(place / "index.cassata", 0o600)
    assert run("build", "vectors.npy", "-o", "index.cassata", "-m", "4", "-q", cwd=place).stderr == b""
    status = (place / "index.cassata").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (65534, 65534, 0o600)
    public = Path(tempfile.mkdtemp())  # whose parents others may enter
    request.addfinalizer(lambda: shutil.rmtree(public))
    os.chmod(public, 0o777)
    (public / "index").touch()
    os.chown(public / "index", 1234, 1234)
    os.chmod(public / "index", 0o640)
    program = """
        import os, sys, warnings, cassata, numpy as np
        os.setgroups([]); os.setegid(65534); os.seteuid(65534)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            cassata.DenseFlatIndex.build_from_array(np.eye(4), path="index", overwrite=True)
        print(*[str(warning.message) for warning in caught])
    """
    told = run_python(program, cwd=public)
    assert "belongs to user 65534, group 65534, with permissions 0600" in told
    assert "to user 1234, group 1234, with permissions 0640: its readers may lose access" in told
