"""From the traces of several raters to one gold standard: agreement, fusion, lag."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotrace.errors import TraceError, UnratedError

__all__ = ["Ratings"]

_UNRATED = "no frame is rated"


# Compared by identity: arrays have no single truth value for the generated __eq__ to return.
@dataclass(frozen=True, eq=False)
class Ratings:
    """What several raters said of one recording, for one target.

    Both arrays are copied to float64 and made read-only.

    Attributes:
        time_s: (T,), seconds from the start of the recording, strictly increasing.
        values: (T, raters), in the unit of whoever made the record; NaN where a rater gave no rating.
        raters: the name of each column of `values`, no two alike.
        target: what was rated, such as "arousal".

    Raises:
        TraceError: a shape, a name or a number breaks the above, or there is nothing in it.
        UnratedError: every value is NaN.
    """

    time_s: NDArray[np.float64]
    values: NDArray[np.float64]
    raters: tuple[str, ...]
    target: str

    def __post_init__(self) -> None:
        for field in ("time_s", "values"):
            array = np.array(getattr(self, field), dtype=np.float64)
            array.flags.writeable = False
            object.__setattr__(self, field, array)
        object.__setattr__(self, "raters", tuple(self.raters))
        if fault := self._fault():
            kind = UnratedError if fault == _UNRATED else TraceError
            raise kind(f"{self.target or 'unnamed'} ratings: {fault}")

    def _fault(self) -> str | None:
        shape = (self.time_s.size, len(self.raters))
        if self.time_s.ndim != 1 or self.values.shape != shape:
            return (
                f"values of shape {self.values.shape} do not fit "
                f"times of shape {self.time_s.shape} and {len(self.raters)} raters"
            )
        if self.values.size == 0:
            return "there are no values"
        if not np.isfinite(self.time_s).all() or np.isinf(self.values).any():
            return "a time is NaN, or a time or a value infinite"
        if np.isnan(self.values).all():
            return _UNRATED
        if (np.diff(self.time_s) <= 0).any():
            return "times must increase from frame to frame"
        if len(set(self.raters)) != len(self.raters):
            return f"two raters have the same name among {', '.join(self.raters)}"
        return None if self.target else "the target has no name"
