"""How commands end when something is wrong."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, NoReturn

import click

from emotrace.errors import EmotraceError


def fail(text: str) -> NoReturn:
    """One line on standard error, exit code 2."""
    click.echo(f"emotrace: {text}", err=True)
    sys.exit(2)


@contextmanager
def plain_warnings() -> Iterator[None]:
    """What users are warned of, as one line on standard error and not as a line of source."""

    def show(message: Warning | str, category: type[Warning], *others: Any, **more: Any) -> None:
        click.echo(f"warning: {message}", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield


@contextmanager
