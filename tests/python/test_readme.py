"""What README and the help texts tell a reader to run, run in that order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli import BINARY, output, run
from conftest import clustered

README = Path(__file__).parents[2] / "README.md"
COMMANDS = ("build", "search", "fuse", "inspect", "verify", "bench", "clean", "pack", "unpack")


def blocks(language):
    text = README.read_text(encoding="utf-8") if README.exists() else pytest.skip("an installed package has no README")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_readme_blocks_run_in_their_order(tmp_path):
    """On a tenth of the rows, so that it takes seconds."""
    pytest.importorskip("scipy")
    (program,) = blocks("python")
    program = program.replace("20_000", "2_000").replace("1_800_00", "180_00")
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=300, env=environment)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cassata").symlink_to(BINARY)
    environment["PATH"] = f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{environment['PATH']}"
    (session,) = blocks("console")
    commands = re.findall(r"^\$ (.*)$", session, re.MULTILINE)
    assert len(commands) > 10
    for command in commands:
        if "--plot" in command:
            pytest.importorskip("matplotlib")
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            env=environment,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_commands_in_help_texts_run(tmp_path):
    np.save(tmp_path / "INPUT.npy", clustered(600, 8, seed=1))
    helps = {command: output(command, "--help") for command in COMMANDS}
    helps |= {
        f"build {way}": output("build", way, "--help") for way in ("--target-recall", "--multivec", "--two-level")
    }
    told = {command for text in helps.values() for command in re.findall(r"'cassata ([^']+)'", " ".join(text.split()))}
    assert len(told) > 4
    for command in told:
        words = command.split()
        if "INPUT" in words:
            run(*[f"{word}.npy" if word == "INPUT" else word for word in words], cwd=tmp_path)
            assert (tmp_path / "OUTPUT").exists()
        elif words[-1] == "--help":
            assert output(*words).startswith("Usage: cassata ")
        else:  # a command, or one of its options
            text = helps.get(" ".join(words)) or helps[words[0]]
            assert all(option in text for option in words[1:])


@pytest.mark.parametrize(
    "words",
    [
        ("build", "--target-recall", "--help"),
        ("build", "--target-recall", "-h"),
        ("build", "vectors.npy", "--target-recall", "0.9", "--help"),
        ("build", "--multivec", "--help"),
        ("build", "--multivec", "-h"),
        ("build", "--two-level", "--help"),
        ("search", "-k", "--help"),
        ("build", "-o", "--help"),
    ],
    ids=" ".join,
)
def test_help_is_given_wherever_it_is_asked_for(words):
    told = output(*words)
    assert told.startswith(f"Usage: cassata {words[0]} ")
    for way in ("--target-recall", "--multivec", "--two-level"):
        assert (way in words) == (way in told.partition("\n")[0])
