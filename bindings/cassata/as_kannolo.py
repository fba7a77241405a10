"""Runs a program that was written for kANNolo.

    python -m cassata.as_kannolo script.py [ARGUMENTS]

`cassata.install_as` does the same from within a program.
"""

from __future__ import annotations

import os
import runpy
import sys

from cassata.renamed import install_as


def main() -> None:
    """Runs the script that the command line names."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print("usage: python -m cassata.as_kannolo SCRIPT.py [ARGUMENTS]", file=sys.stderr)
        sys.exit(0 if sys.argv[1:] in (["-h"], ["--help"]) else 2)
    script = sys.argv[1]
    if not os.path.exists(script):
        print(f"cassata.as_kannolo: {script}: No such file or directory, expected a Python script", file=sys.stderr)
        sys.exit(2)
    install_as("kannolo")
    sys.argv = sys.argv[1:]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
