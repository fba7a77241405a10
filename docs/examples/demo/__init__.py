"""Search in what this machine offers: ``python docs/examples/demo``, which ``tools/quickstart`` runs.

The descriptions of all packages in the machine's package lists (or, where there are none, the docstrings of Python's
standard library) become vectors, dense ones and sparse ones, the vectors index files, and typed questions are answered
from all of them side by side. Needs cassata and scipy.
"""
