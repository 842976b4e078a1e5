"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from emotrace.errors import EmotraceError


def write_atomically(
    path: str | os.PathLike[str],
    write: Callable[[IO[Any]], object],
    *,
    force: bool = False,
    mode: str = "w",
) -> None:
    """Write a file under a temporary name beside it and move it into place once it is complete.

    Whatever goes wrong, nothing half-written stays. A device or pipe (``/dev/stdout``) is written directly.
    Without ``force`` two processes cannot overwrite each other's file, except where the file system knows no
    hard links: there the check comes just before the move.

    Args:
        path: The output; a link is followed.
        write: Called once with the open file; text is UTF-8 with line ends left as they are.
        force: Replace an existing file.
        mode: ``"w"`` for text or ``"wb"`` for bytes.

    Raises:
        EmotraceError: The file exists and ``force`` is not given, or it cannot be written.
        ValueError: Another mode.
    """
    if mode not in ("w", "wb"):
        raise ValueError(f"mode is {mode!r}; it must be 'w' or 'wb'")
    given = Path(path)
    try:
        if given.is_dir():
            raise EmotraceError(f"{path}: is a folder; name a file in it")
        if given.exists() and not given.is_file():
            _fill(given, write, mode)
        else:
            _replace(Path(os.path.realpath(given)), write, force, mode)
    except FileExistsError:
        raise EmotraceError(f"{path}: exists already; choose another name or give --force") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise EmotraceError(f"{path}: cannot be written ({reason}); check its folder and the free space") from None


def _fill(path: Path, write: Callable[[IO[Any]], object], mode: str) -> None:
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    with open(path, mode, **text) as file:  # type: ignore[call-overload]
        write(file)


def _replace(target: Path, write: Callable[[IO[Any]], object], force: bool, mode: str) -> None:
    if target.exists() and not force:
        raise FileExistsError
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        _fill(temporary, write, mode.replace("w", "x"))
        if force:
            os.replace(temporary, target)
        else:
            _publish(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _publish(temporary: Path, target: Path) -> None:
    """Name the file unless the name is taken, which a hard link notices and a move does not."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        if target.exists():
            raise FileExistsError from None
        os.replace(temporary, target)
