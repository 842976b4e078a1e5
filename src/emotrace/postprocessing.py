"""What is done to predicted traces before they are scored: the AVEC 2016 chain, and Gaussian smoothing.

The chain (Valstar et al. 2016; its ranges as Trigeorgis et al. 2016 write them out): median filter, centring, scaling,
time shift. Each step is fitted on the development predictions joined end to end, kept only if their CCC gains, and then
applied to any trace as it was fitted. The CCC is taken over the concatenation, but filters and shifts work on each
recording alone: no recording leaks into the one that happens to stand beside it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from emotrace import metrics

MEDIAN_FRAMES = tuple(range(11, 501, 10))
"""0.4 to 20 s in steps of 0.4 s (the step is unstated in the source); odd, since an even window moves a trace."""
SHIFT_FRAMES = tuple(range(1, 251))
"""0.04 to 10 s, later only."""
SMOOTHING_FRAMES = (5.0, 10.0, 15.0, 20.0, 25.0, 38.0, 50.0, 75.0, 100.0)
"""SDs from 0.2 to 4 s; unstated in the source."""
MEDIAN_GAIN = 0.02
"""The median filter has to gain more than this part of the CCC to be kept."""

Floats = NDArray[np.float64]
Value = TypeVar("Value", int, float)


@dataclass(frozen=True)
class Chain:
    """The AVEC 2016 chain; the defaults leave a trace as it is.

    Attributes:
        median_frames: window of the median filter, 1 for none; a trace's end values are held beyond its ends, which is
            unstated in the source.
        offset: added after the filter.
        gain: multiplied with what centring gave, about zero: the mean is scaled, too.
        shift_frames: how much later the result is made, its first value duplicated.
    """

    median_frames: int = 1
    offset: float = 0.0
    gain: float = 1.0
    shift_frames: int = 0

    def __call__(self, trace: ArrayLike) -> Floats:
        """Apply it to the (T,) trace of one recording.

        Raises:
            ValueError: the trace is empty or not one-dimensional.
        """
        filtered = _median(_trace(trace), self.median_frames)
        return _later(self.gain * (filtered + self.offset), self.shift_frames)

    @classmethod
    def fit(
        cls,
        golds: Sequence[ArrayLike],
        predictions: Sequence[ArrayLike],
        median_frames: Iterable[int] = MEDIAN_FRAMES,
        shift_frames: Iterable[int] = SHIFT_FRAMES,
    ) -> Self:
        """Fit it on development recordings, step after step.

        Args:
            golds: one (T_i,) for each recording, NaN where it is not rated: such frames are filtered, not scored.
            predictions: one (T_i,) for each recording, in the same order.
            median_frames: windows to try.
            shift_frames: shifts to try.

        Raises:
            ValueError: there is no recording, their numbers or lengths differ, or no frame is rated.
        """
        judged = _Judged(golds, predictions)
        window = judged.keep_best(_median, median_frames, otherwise=1, relative_gain=MEDIAN_GAIN)
        gold, predicted = judged.rated()
        offset = judged.keep_best(_raised, [float(gold.mean() - predicted.mean())], otherwise=0.0)
        gold, predicted = judged.rated()
        gains = [float(gold.std() / predicted.std())] if predicted.std() > 0 else []
        gain = judged.keep_best(np.multiply, gains, otherwise=1.0)
        return cls(window, offset, gain, judged.keep_best(_later, shift_frames, otherwise=0))


@dataclass(frozen=True)
class Gaussian:
    """Gaussian smoothing, which He et al. 2015 end with.

    Attributes:
        sd_frames: SD of the Gaussian, 0 for none; a trace's end values are held beyond its ends.
    """

    sd_frames: float = 0.0

    def __call__(self, trace: ArrayLike) -> Floats:
        """Smooth the (T,) trace of one recording; errors as of :class:`Chain`."""
        return _smoothed(_trace(trace), self.sd_frames)

    @classmethod
    def fit(
        cls,
        golds: Sequence[ArrayLike],
        predictions: Sequence[ArrayLike],
        sd_frames: Iterable[float] = SMOOTHING_FRAMES,
    ) -> Self:
        """The smoothing of the best CCC on development recordings, none where none gains.

        Arguments and errors are those of :meth:`Chain.fit`.
        """
        return cls(_Judged(golds, predictions).keep_best(_smoothed, sd_frames, otherwise=0.0))


class _Judged:
    """Development predictions as the steps kept so far leave them, and their CCC."""

    def __init__(self, golds: Sequence[ArrayLike], predictions: Sequence[ArrayLike]) -> None:
        self.golds = [_trace(gold) for gold in golds]
        self.traces = [_trace(prediction) for prediction in predictions]
        self.masks = [~np.isnan(gold) for gold in self.golds]
        self.ccc = self._score(self.traces)

    def keep_best(
        self,
        step: Callable[[Floats, Value], Floats],
        values: Iterable[Value],
        otherwise: Value,
        relative_gain: float = 0.0,
    ) -> Value:
        """Take the step with the value of the highest CCC, if it gains; return that value, or `otherwise`."""
        best, least = otherwise, self.ccc + relative_gain * abs(self.ccc)
        kept, ccc = self.traces, self.ccc
        for value in values:
            traces = [step(trace, value) for trace in self.traces]
            reached = self._score(traces)
            if reached > max(least, ccc):
                best, kept, ccc = value, traces, reached
        self.traces, self.ccc = kept, ccc
        return best

    def rated(self) -> tuple[Floats, Floats]:
        """The rated frames of gold standards and predictions, joined end to end."""
        rated = np.concatenate(self.masks)
        return np.concatenate(self.golds)[rated], np.concatenate(self.traces)[rated]

    def _score(self, traces: list[Floats]) -> float:
        return metrics.concatenated(metrics.ccc_avec2016, self.golds, traces, self.masks)


def _trace(values: ArrayLike) -> Floats:
    trace = np.asarray(values, dtype=np.float64)
    if trace.ndim != 1 or not len(trace):
        raise ValueError(f"a trace has the shape (T,) with T > 0, not {trace.shape}")
    return trace


def _median(trace: Floats, window_frames: int) -> Floats:
    filtered: Floats = ndimage.median_filter(trace, window_frames, mode="nearest") if window_frames > 1 else trace
    return filtered


def _raised(trace: Floats, offset: float) -> Floats:
    return trace + offset


def _later(trace: Floats, frames: int) -> Floats:
    return trace[np.maximum(np.arange(len(trace)) - frames, 0)]


def _smoothed(trace: Floats, sd_frames: float) -> Floats:
    smoothed: Floats = ndimage.gaussian_filter1d(trace, sd_frames, mode="nearest") if sd_frames else trace
    return smoothed
