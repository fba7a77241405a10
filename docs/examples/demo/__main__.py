"""Runs the demo, if all it needs is there."""

import importlib.util
import sys
from pathlib import Path

if __name__ == "__main__":
    for module in ("cassata", "scipy"):
        if importlib.util.find_spec(module) is None:
            print(
                f"demo: {module} is not installed; 'pip install .[sparse]' in the source tree brings it",
                file=sys.stderr,
            )
            sys.exit(2)
    sys.path[0] = str(Path(__file__).parents[1])  # where `demo` is found, by whatever name this was started
    from demo.program import main

    main()
