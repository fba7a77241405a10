"""Search in what this machine offers: ``cassata demo``, or ``python -m cassata.demo``.

The descriptions of all packages in the machine's package lists (or, where there are none, the docstrings of Python's standard library)
become vectors, the vectors an index file, and typed questions are answered from it. Needs scipy: ``pip install cassata[demo]``.
"""
