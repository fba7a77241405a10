"""Runs the command line, as the program ``cassata`` does: ``python -m cassata COMMAND [ARGUMENTS]``."""

import os
import shutil
import sys
import sysconfig


def main() -> None:
    """Becomes the program, which is beside this Python or on PATH."""
    program = shutil.which("cassata", path=sysconfig.get_path("scripts")) or shutil.which("cassata")
    if program is None:
        print("cassata: the program of this name is neither beside this Python nor on PATH", file=sys.stderr)
        sys.exit(2)
    os.execv(program, [program, *sys.argv[1:]])


if __name__ == "__main__":
    main()
