"""Traces against gold standards, and against ratings of whole utterances."""

from collections.abc import Mapping, Sequence

import numpy as np

from emotrace import metrics
from emotrace.corpora.stitched import Span
from emotrace.trace import FRAME_S


def scores(golds: Sequence[np.ndarray], predictions: Sequence[np.ndarray]) -> dict[str, float]:
    """Scores of a set of recordings, the convention and the aggregation in each one's name.

    Args:
        golds: (T,) gold standard a recording; frames where it is NaN are not scored.
        predictions: (T,) trace a recording.

    Returns:
        CCC by either convention and aggregation, Pearson and RMSE on the concatenated recordings, and the mean
        roughness of traces and gold standards.
    """
    rated = [~np.isnan(gold) for gold in golds]
    given = golds, predictions, rated
    return {
        "ccc_population_concatenated": metrics.concatenated(metrics.ccc_population, *given),
        "ccc_avec2016_concatenated": metrics.concatenated(metrics.ccc_avec2016, *given),
        "ccc_population_per_recording": metrics.per_recording(metrics.ccc_population, *given),
        "ccc_avec2016_per_recording": metrics.per_recording(metrics.ccc_avec2016, *given),
        "pearson_concatenated": metrics.concatenated(metrics.pearson, *given),
        "rmse_concatenated": metrics.concatenated(metrics.rmse, *given),
        "roughness": float(np.mean([metrics.roughness(t, r) for t, r in zip(predictions, rated, strict=True)])),
        "roughness_gold": float(np.mean([metrics.roughness(g, r) for g, r in zip(golds, rated, strict=True)])),
    }


def recording_mean_scores(golds: Sequence[np.ndarray], predictions: Sequence[np.ndarray]) -> dict[str, float]:
    """Scores of recordings as wholes: the mean of a trace against the mean of its gold standard, over rated frames.

    Args:
        golds: (T,) gold standard a recording, NaN where it is not rated.
        predictions: (T,) trace a recording.

    Returns:
        CCC by either convention, Pearson and RMSE over the recordings. Of one recording alone, RMSE says how far off
        it is and the others are 0.
    """
    rated = [~np.isnan(gold) for gold in golds]
    gold, prediction = (
        np.array([np.mean(values[mask], dtype=np.float64) for values, mask in zip(each, rated, strict=True)])
        for each in (golds, predictions)
    )
    return {
        "ccc_population": metrics.ccc_population(gold, prediction),
        "ccc_avec2016": metrics.ccc_avec2016(gold, prediction),
        "pearson": metrics.pearson(gold, prediction),
        "rmse": metrics.rmse(gold, prediction),
    }


def span_mean(trace: np.ndarray, start_s: float, end_s: float) -> float:
    """Mean of a (T,) trace over a span of time, its ends rounded to the nearest frames, at least one frame."""
    first = min(round(start_s / FRAME_S), len(trace) - 1)
    return float(trace[first : max(first + 1, round(end_s / FRAME_S))].mean())


def utterance_means(traces: Mapping[str, np.ndarray], utterances: Sequence[Span]) -> tuple[np.ndarray, np.ndarray]:
    """Ratings of utterances, and the means of traces over them.

    Args:
        traces: (T,) trace by recording.
        utterances: an utterance that a recording holds several times counts once a recording, with the mean over its
            times.

    Returns:
        (utterances,) ratings and (utterances,) means.
    """
    heard: dict[tuple[str, str], list[float]] = {}
    rated: dict[tuple[str, str], float] = {}
    for recording, utterance, start_s, end_s, rating in utterances:
        key = recording, utterance
        heard.setdefault(key, []).append(span_mean(traces[recording], start_s, end_s))
        rated[key] = rating
    return np.array(list(rated.values())), np.array([np.mean(values) for values in heard.values()])


def utterance_scores(traces: Mapping[str, np.ndarray], utterances: Sequence[Span]) -> dict[str, float]:
    """Scores of :func:`utterance_means`: CCC (population), Pearson, RMSE, SD of the means over that of the ratings."""
    gold, prediction = utterance_means(traces, utterances)
    return {
        "ccc_population": metrics.ccc_population(gold, prediction),
        "pearson": metrics.pearson(gold, prediction),
        "rmse": metrics.rmse(gold, prediction),
        "sd_ratio": float(prediction.std() / gold.std()),
        "utterances": len(gold),
    }
