"""What of this package works on this machine: packages, programs, hardware, folders, and a short self-test.

Every package is imported in a process of its own (``child.py``), so that one that raises, ends the process or hangs is
reported like any other. What runs here needs the standard library alone.
"""
