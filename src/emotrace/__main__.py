"""``python -m emotrace``: the command line."""

from emotrace.cli import main

main()
