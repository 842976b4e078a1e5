"""How commands end when something is wrong."""

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, NoReturn

import click

from emotrace.errors import EmotraceError


def fail(text: str) -> NoReturn:
    """One line on standard error, exit code 2."""
    click.echo(f"emotrace: {text}", err=True)
    sys.exit(2)


def tell(failed: Sequence[str], recordings: int) -> None:
    """What went wrong with recordings, where something did."""
    if failed:
        click.echo(f"\n{len(failed)} of {recordings} recordings failed:", err=True)
    for text in failed:
        click.echo(f"  {text}", err=True)


def end_with(failed: Sequence[str], recordings: int) -> None:
    """The same, and exit code 1; nothing where all went well."""
    tell(failed, recordings)
    if failed:
        sys.exit(1)


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
def standard_output() -> Iterator[IO[str]]:
    """Standard output, written out when done with, so that a full disk is noticed here and not when Python ends.

    Raises:
        EmotraceError: It is closed, or takes no more.
        BrokenPipeError: Its reader has gone, which is no error of anybody's.
    """
    if sys.stdout is None:
        raise EmotraceError("standard output: is closed; name a file with -o")
    try:
        yield sys.stdout
        sys.stdout.flush()
    except OSError as error:
        _give_up_on_it()
        if isinstance(error, BrokenPipeError):
            raise
        raise EmotraceError(
            f"standard output: cannot be written ({error.strerror or error}); free some space or send it elsewhere"
        ) from None


def _give_up_on_it() -> None:
    """What is left in Python's buffer would be tried again at the end, and complained of again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
