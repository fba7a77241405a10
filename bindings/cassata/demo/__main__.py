"""Runs the demo, if all it needs is there."""

import importlib.util
import sys

if __name__ == "__main__":
    if importlib.util.find_spec("scipy") is None:
        print("cassata demo: scipy is not installed; 'pip install cassata[demo]' brings it", file=sys.stderr)
        sys.exit(2)
    from cassata.demo.program import main

    main()
