"""Files that appear whole or not at all, and bytes that are kept for a while."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from emotrace.errors import EmotraceError

IN_MEMORY_BYTES = 16 << 20
"""What `spooled` holds in memory before it turns to the disk."""


def check_free(path: str | os.PathLike[str], force: bool = False) -> None:
    """Refuse a file that `write_atomically` would refuse, before the work that is written there and not after it.

    Raises:
        EmotraceError: It is a folder, or it exists and ``force`` is not given.
    """
    if Path(path).is_dir():
        raise EmotraceError(f"{path}: is a folder; name a file in it")
    if Path(path).is_file() and not force:
        raise _exists(path)


def _exists(path: str | os.PathLike[str]) -> EmotraceError:
    return EmotraceError(f"{path}: exists already; choose another name or give --force")


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
        check_free(given, force)
        if given.exists() and not given.is_file():
            _fill(given, write, mode)
        else:
            _replace(Path(os.path.realpath(given)), write, force, mode)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        if not given.absolute().parent.exists():
            raise EmotraceError(f"{path}: cannot be written, its folder is not there; make it first") from None
        reason = error.strerror or type(error).__name__
        raise EmotraceError(f"{path}: cannot be written ({reason}); check its folder and the free space") from None


def shown(name: str) -> str:
    """A file's name for people and pages; bytes that are no text, as in names on old disks, are shown as �."""
    return os.fsencode(name).decode("utf-8", "replace")


def file_names(names: Iterable[str]) -> dict[str, str]:
    """For every name of a recording, a file's name without its ending: slashes would lead into, or out of, folders.

    Raises:
        EmotraceError: two of them would be one file.
    """
    found: dict[str, str] = {}
    for name in names:
        given = name.replace("/", "_").replace(os.sep, "_")
        if given in found.values():
            raise EmotraceError(f"{name}: another recording's file would be called {given}, too; rename one of the two")
        found[name] = given
    return found


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, over an old one, its folder made if absent.

    Raises:
        EmotraceError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write(text), force=True)


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


def spooled(parts: Iterable[bytes | memoryview]) -> IO[bytes]:
    """Keep bytes for reading them again: a little in memory, much in a temporary file.

    The file has no name (on Windows it is deleted when closed), so nothing stays of it however the process ends.

    Args:
        parts: Taken one by one; only `IN_MEMORY_BYTES` of them are ever in memory.

    Returns:
        A binary file at its start; close it to free what it holds.

    Raises:
        EmotraceError: The folder for temporary files is full or cannot be written.
    """
    file = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115
    try:
        for part in parts:
            _spool(file.write, part)
        _spool(file.seek, 0)
    except BaseException:
        # Closing flushes what the full disk did not take.
        _closed(file)
        raise
    return file


def _spool(step: Callable[[Any], object], value: object) -> None:
    try:
        step(value)
    except OSError as error:
        folder = tempfile.tempdir or "the folder for temporary files"
        raise EmotraceError(
            f"{folder}: no room for the temporary file of a long recording ({error.strerror or error}); "
            "free some space or name another folder in TMPDIR"
        ) from None


def _closed(file: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        file.close()
