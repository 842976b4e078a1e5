"""``python -m emotrace``: the command line."""

from emotrace.cli import main

if __name__ == "__main__":  # worker processes read the main module too
    main()
