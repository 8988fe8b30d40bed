"""``python -m nephrograde``, the same as the command ``nephrograde``."""

from nephrograde.cli import main

main()
