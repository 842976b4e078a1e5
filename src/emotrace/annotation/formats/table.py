"""CSV: ``time_s`` and a column a tier, an empty cell where not rated; times and values come back bit for bit."""

from collections.abc import Sequence
from typing import IO

import numpy as np

from emotrace.annotation import Ratings, files
from emotrace.annotation.formats import PathLike, Tier, joined, named, tiers
from emotrace.errors import TraceError
from emotrace.output import write_atomically


def write(path: PathLike, ratings: Sequence[Ratings], *, force: bool = False) -> None:
    """Write one CSV; all targets must have the same times.

    Raises:
        TraceError: they have not, or a name holds a delimiter.
        EmotraceError: the file exists and `force` is not given, or it cannot be written.
    """
    columns = tiers(path, ratings)
    time_s = columns[0][2]
    if any(len(at) != len(time_s) or (at != time_s).any() for _, _, at, _ in columns):
        raise TraceError(f"{path}: the targets have different times; write a CSV for each")
    names = [f"{target}/{rater}" for target, rater, *_ in columns]
    if any(set(name) & set(',;\t"') for name in names):
        raise TraceError(f"{path}: a name of {', '.join(names)[:60]} holds a delimiter; rename it")

    def put(file: IO[str]) -> None:
        file.write(",".join(["time_s", *names]) + "\n")
        for at, *cells in zip(time_s, *(column[3] for column in columns), strict=True):
            file.write(",".join([repr(float(at)), *("" if np.isnan(c) else repr(float(c)) for c in cells)]) + "\n")

    write_atomically(path, put, force=force)


def read(path: PathLike) -> list[Ratings]:
    """Read any file that `annotation.files` can, its times as they are.

    Raises:
        TraceError: the file is missing or malformed.
    """
    found: list[Tier] = [(*named(path, t.name), t.time_s, t.values) for t in files.read_columns(path)]
    return joined(path, found)
