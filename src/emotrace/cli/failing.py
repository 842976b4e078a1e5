"""How commands end when something is wrong."""

import sys
from typing import NoReturn

import click


def fail(text: str) -> NoReturn:
    """One line on standard error, exit code 2."""
    click.echo(f"emotrace: {text}", err=True)
    sys.exit(2)
