"""The tables of options in docs/cli.md, which come from the table of parameters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GENERATOR = Path(__file__).parents[2] / "tools" / "option_tables.py"


def test_tables_are_up_to_date():
    if not GENERATOR.exists():
        pytest.skip("an installed package has no docs")
    done = subprocess.run([sys.executable, GENERATOR, "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
