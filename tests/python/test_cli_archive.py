"""`cassata pack` and `cassata unpack`."""

from __future__ import annotations

import json

import cassata
import pytest
from cli import output, refusal
from conftest import clustered


@pytest.fixture
def folder(tmp_path):
    """The folder of an index file."""
    cassata.build(clustered(2000, 32, seed=1), tmp_path / "index", m=8, ef_construction=40)
    return tmp_path


def test_round_trip(folder):
    said = output("pack", "index", "-o", "archive", "--level", "3", cwd=folder)
    assert said.startswith("archive: ")
    assert ", from " in said
    output("unpack", "archive", "-o", "copy", cwd=folder)
    index = (folder / "index").read_bytes()
    assert (folder / "copy").read_bytes() == index
    zstandard = pytest.importorskip("zstandard")
    with (folder / "archive").open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        assert reader.read() == index


def test_json_and_quiet(folder):
    facts = json.loads(output("pack", "index", "-o", "archive", "--json", cwd=folder))
    sizes = {name: (folder / name).stat().st_size for name in ("archive", "index")}
    assert facts == {"path": "archive", "bytes": sizes["archive"], "input_bytes": sizes["index"]}
    assert output("unpack", "archive", "-o", "copy", "-q", cwd=folder) == ""


def test_refusals(folder):
    assert "--output: none given" in refusal("pack", "index", cwd=folder)
    assert "--level: 'x' given" in refusal("pack", "index", "-o", "archive", "--level", "x", cwd=folder)
    assert "level: 23 given, expected 1 to 22" in refusal("pack", "index", "-o", "archive", "--level", "23", cwd=folder)
    assert "index: byte 0: not a packed index" in refusal("unpack", "index", "-o", "copy", cwd=folder)
    (folder / "letter").write_text("Dear reader")
    assert "letter" in refusal("pack", "index", "-o", "letter", cwd=folder)
    output("pack", "index", "-o", "letter", "--force", cwd=folder)
    assert "missing" in refusal("pack", "missing", "-o", "archive", cwd=folder)
    archive = (folder / "letter").read_bytes()
    (folder / "short").write_bytes(archive[: len(archive) // 2])
    assert "short: byte " in refusal("unpack", "short", "-o", "copy", cwd=folder)
    assert not (folder / "copy").exists()
