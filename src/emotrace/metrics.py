"""How well a predicted trace follows its gold standard, in NumPy and float64.

Two conventions of the concordance correlation coefficient (CCC; Lin 1989) are in use and differ by the factor
(N - 1) / N on one of its terms, so the name of every function says which one it is. Scores over several
recordings differ much more by how they are aggregated, so that is a function with a name, too:
`concatenated` (AVEC 2016) or `per_recording` (AVEC 2018's gold-standard sub-challenge).

No trace gives a NaN: where a statistic is undefined because a trace is constant, it is 0.0, the score of
a prediction that says nothing.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Metric = Callable[..., float]
"""`metric(gold, prediction) -> score`; aggregating with masks calls `metric(gold, prediction, mask)`."""


def ccc_population(gold: ArrayLike, prediction: ArrayLike, mask: ArrayLike | None = None) -> float:
    """CCC with covariance and variances all divided by N.

    2 cov(g, p) / (var(g) + var(p) + (mean(g) - mean(p))^2); Lin (1989), "A concordance correlation
    coefficient to evaluate reproducibility".

    Args:
        gold: the reference trace, (T,).
        prediction: the trace to be judged, (T,), in the same unit.
        mask: bool (T,), True for the frames that count; values elsewhere may be NaN. None counts all.

    Returns:
        The score in [-1, 1]; 0.0 where there is no covariance, so also for two identical constants.

    Raises:
        ValueError: the lengths differ, no frame counts, or a frame that counts is not finite.
    """
    return _ccc(*_paired(gold, prediction, mask), variance_ddof=0)


def ccc_avec2016(gold: ArrayLike, prediction: ArrayLike, mask: ArrayLike | None = None) -> float:
    """CCC as in the AVEC 2016 scoring script: covariance divided by N, variances by N - 1.

    A perfect prediction of N frames scores (N - 1) / N, and no score shrinks by more than that factor.
    Arguments, result and errors are those of `ccc_population`.
    """
    return _ccc(*_paired(gold, prediction, mask), variance_ddof=1)


def pearson(gold: ArrayLike, prediction: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Pearson's correlation coefficient, in [-1, 1]; 0.0 where either trace is constant.

    Arguments and errors are those of `ccc_population`.
    """
    gold_deviation, prediction_deviation = (
        _over_largest(_deviation(trace)) for trace in _paired(gold, prediction, mask)
    )
    norm = np.linalg.norm(gold_deviation) * np.linalg.norm(prediction_deviation)
    if norm == 0.0:
        return 0.0
    return float(np.clip(gold_deviation @ prediction_deviation / norm, -1.0, 1.0))


def rmse(gold: ArrayLike, prediction: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Root of the mean squared error, in the unit of the traces.

    Arguments and errors are those of `ccc_population`.
    """
    gold_trace, prediction_trace = _paired(gold, prediction, mask)
    return float(np.sqrt(np.mean(np.square(gold_trace - prediction_trace))))


def roughness(trace: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Mean absolute step from frame to frame, divided by the trace's standard deviation over N.

    It depends on neither the offset nor the scale of the trace; gold standards are near 0, white noise is
    near 1.13.

    Args:
        trace: (T,), any unit.
        mask: bool (T,), True for the frames that count; a step counts when both of its ends do.

    Returns:
        A number >= 0; 0.0 for a constant trace, and where no two neighbouring frames count.

    Raises:
        ValueError: no frame counts, or a frame that counts is not finite.
    """
    values = _vector(trace, "trace")
    counts = _frames_that_count(mask, len(values))
    _reject_unusable(values[counts], "trace")
    both_ends = counts[1:] & counts[:-1]
    if not both_ends.any():
        return 0.0
    deviation = np.zeros_like(values)
    deviation[counts] = _over_largest(_deviation(values[counts]))
    spread = np.sqrt(np.mean(np.square(deviation[counts])))
    if spread == 0.0:
        return 0.0
    return float(np.mean(np.abs(np.diff(deviation)[both_ends])) / spread)


def concatenated(
    metric: Metric,
    golds: Sequence[ArrayLike],
    predictions: Sequence[ArrayLike],
    masks: Sequence[ArrayLike] | None = None,
) -> float:
    """One score over all recordings joined end to end, as AVEC 2016 ranks systems.

    Args:
        metric: such as `ccc_avec2016`.
        golds: one (T_i,) for each recording.
        predictions: one (T_i,) for each recording, in the same order.
        masks: one bool (T_i,) for each recording, or None to count every frame.

    Raises:
        ValueError: there are no recordings, their numbers or one's lengths differ, or `metric` says so.
    """
    joined = [np.concatenate(traces) for traces in zip(*_recordings(golds, predictions, masks), strict=True)]
    return metric(*joined)


def per_recording(
    metric: Metric,
    golds: Sequence[ArrayLike],
    predictions: Sequence[ArrayLike],
    masks: Sequence[ArrayLike] | None = None,
) -> float:
    """The plain mean of `scores_per_recording`, each recording weighing the same whatever its length."""
    return float(np.mean(scores_per_recording(metric, golds, predictions, masks)))


def scores_per_recording(
    metric: Metric,
    golds: Sequence[ArrayLike],
    predictions: Sequence[ArrayLike],
    masks: Sequence[ArrayLike] | None = None,
) -> list[float]:
    """One score for each recording; arguments and errors are those of `concatenated`."""
    return [metric(*recording) for recording in _recordings(golds, predictions, masks)]


def _ccc(gold: NDArray[np.float64], prediction: NDArray[np.float64], variance_ddof: int) -> float:
    gold_deviation, prediction_deviation = _deviation(gold), _deviation(prediction)
    # The mean of differences, not the difference of means: a large common offset cancels before it rounds.
    bias = np.mean(gold - prediction)
    # CCC does not depend on a common scale; at scale 1 no square under- or overflows.
    scale = max(np.abs(gold_deviation).max(), np.abs(prediction_deviation).max(), abs(bias))
    if scale == 0.0:
        return 0.0
    gold_deviation, prediction_deviation = gold_deviation / scale, prediction_deviation / scale
    covariance = np.mean(gold_deviation * prediction_deviation)
    if covariance == 0.0:
        return 0.0
    squares = np.sum(np.square(gold_deviation)) + np.sum(np.square(prediction_deviation))
    variances = squares / (len(gold) - variance_ddof)
    # Of equal traces rounding may leave a little more than 1.
    return float(np.clip(2.0 * covariance / (variances + (bias / scale) ** 2), -1.0, 1.0))


def _deviation(trace: NDArray[np.float64]) -> NDArray[np.float64]:
    # The mean of a constant may round to its neighbour, which would leave a variance that is not there.
    if trace.min() == trace.max():
        return np.zeros_like(trace)
    deviation = trace - trace.mean()
    # A second pass removes the rounding error of the mean, which a large offset makes visible.
    return deviation - deviation.mean()


def _over_largest(deviation: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = np.abs(deviation).max()
    return deviation / largest if largest > 0.0 else deviation


def _paired(
    gold: ArrayLike, prediction: ArrayLike, mask: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    gold_trace, prediction_trace = _vector(gold, "gold"), _vector(prediction, "prediction")
    if len(gold_trace) != len(prediction_trace):
        raise ValueError(f"gold has {len(gold_trace)} frames but prediction has {len(prediction_trace)}")
    counts = _frames_that_count(mask, len(gold_trace))
    gold_trace, prediction_trace = gold_trace[counts], prediction_trace[counts]
    _reject_unusable(gold_trace, "gold")
    _reject_unusable(prediction_trace, "prediction")
    return gold_trace, prediction_trace


def _vector(trace: ArrayLike, name: str) -> NDArray[np.float64]:
    values = np.asarray(trace, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"{name} must have the shape (T,), not {values.shape}")
    return values


def _frames_that_count(mask: ArrayLike | None, frames: int) -> NDArray[np.bool_]:
    if mask is None:
        return np.ones(frames, dtype=bool)
    counts = np.asarray(mask)
    if counts.dtype != bool or counts.shape != (frames,):
        raise ValueError(f"mask must be bool ({frames},), not {counts.dtype} {counts.shape}")
    return counts


def _reject_unusable(values: NDArray[np.float64], name: str) -> None:
    if len(values) == 0:
        raise ValueError(f"{name} has no frame that counts")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds NaN or infinity in a frame that counts; mask such frames out")


def _recordings(
    golds: Sequence[ArrayLike], predictions: Sequence[ArrayLike], masks: Sequence[ArrayLike] | None
) -> list[tuple[ArrayLike, ...]]:
    columns = [golds, predictions] if masks is None else [golds, predictions, masks]
    counts = [len(column) for column in columns]
    if len(set(counts)) != 1:
        raise ValueError(f"golds, predictions and masks must be as many as each other, not {counts}")
    if not len(golds):
        raise ValueError("golds holds no recording")
    recordings = list(zip(*columns, strict=True))
    for number, recording in enumerate(recordings):
        # Checked here because two wrong lengths that cancel would join into a wrong score without an error.
        lengths = [len(np.atleast_1d(trace)) for trace in recording]
        if len(set(lengths)) != 1:
            raise ValueError(
                f"recording {number}: gold has {lengths[0]} frames but prediction has {lengths[1]}"
                + (f" and mask {lengths[2]}" if masks is not None else "")
            )
    return recordings
