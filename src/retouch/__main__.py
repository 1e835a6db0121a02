"""``python -m retouch``: the command line."""

from retouch.cli import main

main()
