"""Ratings and traces in the files of other programs, one module a format.

Every module has `write(path, ratings, *, force)` and `read(path)`, and takes and gives a list of `Ratings`, one a
target. A trace of one rater and target is a tier (or column) called ``target/rater``. Values are written as the
shortest decimal number that reads back as the same float64, so no value changes; how times are kept is said in each
module.
"""

import importlib
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from emotrace.annotation import Ratings
from emotrace.errors import EmotraceError, TraceError
from emotrace.output import write_atomically
from emotrace.trace import Trace

__all__ = ["SUFFIXES", "UNNAMED", "Tier", "of_trace", "read", "write"]

PathLike = str | os.PathLike[str]
Tier = tuple[str, str, np.ndarray, np.ndarray]
"""Target, rater, times (N,), values (N,)."""

SUFFIXES = {".csv": "table", ".eaf": "elan", ".textgrid": "praat", ".annotation": "nova", ".audformat": "audb"}
"""Ending of the file (of the folder, with audformat) to module."""

UNNAMED = "rater"
"""Who rated a tier that names a target alone."""


def write(path: PathLike, ratings: Sequence[Ratings], *, force: bool = False) -> None:
    """Write in the format that the ending says.

    Raises:
        EmotraceError: the ending is unknown, the format's library is missing, the file exists and `force` is not given,
            or it cannot be written.
        TraceError: the format cannot hold these ratings.
    """
    _module(path).write(path, ratings, force=force)


def read(path: PathLike) -> list[Ratings]:
    """Read what `write` writes, or another program did in the same shape.

    Raises:
        EmotraceError: the ending is unknown, or the format's library is missing.
        TraceError: the file is missing or malformed.
    """
    found: list[Ratings] = _module(path).read(path)
    return found


def of_trace(trace: Trace, rater: str = "emotrace") -> list[Ratings]:
    """A trace's targets, rounded as in its CSV, as ratings of one rater; spreads become targets called ``*_sd``."""
    columns = trace.columns()
    names = [name for name in columns if name not in ("time_s", "speaker")]
    time_s = np.array(columns["time_s"])
    return [Ratings(time_s, np.array(columns[name])[:, None], (rater,), name) for name in names]


def tiers(path: PathLike, ratings: Sequence[Ratings]) -> list[Tier]:
    """The ratings taken apart into tiers.

    Raises:
        TraceError: there are none, a target holds a slash, or two have one name.
    """
    found = [(r.target, name, r.time_s, r.values[:, i]) for r in ratings for i, name in enumerate(r.raters)]
    names = [f"{target}/{rater}" for target, rater, *_ in found]
    if not found or len(set(names)) < len(names):
        raise TraceError(f"{path}: takes at least one trace, and each rater of a target once")
    for target, rater, *_ in found:
        if "/" in target or _unwritable(target) or _unwritable(rater):
            raise TraceError(f"{path}: {target!r} by {rater!r} cannot name a tier; no slash, quotes or line breaks")
    return found


def _unwritable(name: str) -> bool:
    return not name or not name.isprintable() or name != name.strip() or '"' in name


def joined(path: PathLike, found: Iterable[Tier]) -> list[Ratings]:
    """The opposite of `tiers`: the raters of a target side by side, on the times that they share.

    Raises:
        TraceError: the raters of one target have different times, or times do not increase.
    """
    by_target: dict[str, list[Tier]] = {}
    for tier in found:
        by_target.setdefault(tier[0], []).append(tier)
    if not by_target:
        raise TraceError(f"{path}: holds no tier of numbers; check that it is the right file")
    return [_side_by_side(path, target, own) for target, own in by_target.items()]


def _side_by_side(path: PathLike, target: str, own: list[Tier]) -> Ratings:
    time_s = own[0][2]
    for _, rater, at, _ in own[1:]:
        if len(at) != len(time_s) or (at != time_s).any():
            raise TraceError(f"{path}: {rater} and {own[0][1]} rated {target} at different times; export them apart")
    try:
        return Ratings(time_s, np.column_stack([tier[3] for tier in own]), tuple(tier[1] for tier in own), target)
    except TraceError as error:
        raise TraceError(f"{path}: {error}") from None


def named(path: PathLike, tier: str) -> tuple[str, str]:
    """``target/rater`` taken apart; a name without a slash is a target's, rated by `UNNAMED`."""
    target, slash, rater = tier.partition("/")
    if not target or (slash and not rater):
        raise TraceError(f"{path}: the tier {tier!r} is not called target/rater; rename it")
    return target, rater or UNNAMED


def number(path: PathLike, text: str, where: str) -> float:
    """A value as it stands in a tier; NaN, Praat's ``--undefined--`` and nothing at all are frames not rated.

    Raises:
        TraceError: it is none of these.
    """
    if text.strip().lower() in ("", "nan", "--undefined--"):
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        value = float("inf")
    if not np.isfinite(value):
        raise TraceError(f"{path}: {where} is {text[:20]!r}, not a number; leave out tiers that hold words")
    return value


def library(name: str) -> ModuleType:
    """The package that a format needs.

    Raises:
        EmotraceError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.split(".")[0]
        raise EmotraceError(
            f'this format needs the package {package}; install it with: pip install "emotrace[export]"'
        ) from None


def save_by(save: Callable[[str], object], path: PathLike, force: bool) -> None:
    """Let a library write a file of its own, which then appears whole or not at all.

    Raises:
        EmotraceError: the file exists and `force` is not given, or it cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "file"
        save(str(whole))
        write_atomically(path, lambda file: file.write(whole.read_bytes()), force=force, mode="wb")


def load_by(load: Callable[[str], Any], path: PathLike, kind: str) -> Any:
    """What a library reads, with its complaints in one line.

    Raises:
        TraceError: the file is missing or not of this kind.
    """
    if not Path(path).exists():
        raise TraceError(f"{path}: does not exist; check the path")
    try:
        return load(os.fspath(path))
    except EmotraceError:
        raise
    except Exception as error:  # whatever a parser stumbles over in a damaged file
        why = " ".join(str(error).split())[:80] or type(error).__name__
        raise TraceError(f"{path}: not {kind}, or damaged ({why}); export it again") from None


def _module(path: PathLike) -> Any:
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise EmotraceError(f"{path}: ratings are {', '.join(SUFFIXES)}; choose one of these endings")
    return importlib.import_module(f"{__name__}.{SUFFIXES[suffix]}")
