"""The program `cassata` as a process."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

BINARY = (
    os.environ.get("CASSATA_BINARY")
    or shutil.which("cassata", path=str(Path(sys.executable).parent))
    or shutil.which("cassata")
)


def run(*arguments, code=0, **options):
    """A finished process of that exit code."""
    assert BINARY, "cassata is neither beside this Python nor on PATH; CASSATA_BINARY can name it"
    options = {"capture_output": True, "timeout": 120, **options}
    done = subprocess.run([BINARY, *map(os.fspath, map(_text, arguments))], check=False, **options)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


def _text(argument):
    return argument if isinstance(argument, (str, bytes, os.PathLike)) else str(argument)


def output(*arguments, **options):
    done = run(*arguments, **options)
    assert done.stderr == b""  # no progress bar where no terminal is
    return done.stdout.decode()


def refusal(*arguments, code=2, **options):
    """The one line on stderr."""
    done = run(*arguments, code=code, **options)
    assert re.fullmatch(rb"cassata[^\n]*: [^\n]+\n", done.stderr), done.stderr
    return done.stderr.decode(errors="surrogateescape")
