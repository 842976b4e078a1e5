"""Section 5.2 and figure 4 (Khorram et al. 2017): how slow ratings are, and what downsampling loses of them.

Of every recording's gold standard, the longest stretch that is rated throughout: the share of its power below 1 Hz and
its CCC with itself after uniform downsampling and spline interpolation (:mod:`emotrace.annotation.spectrum`), averaged
over recordings; whether the paper does so or joins them is unstated. The same of the green traces, resampled to the
labels' 25 Hz: raters who followed a truth that is known, the truth, and the gold standard of the raters.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotrace.annotation import fusion, resampling, spectrum
from emotrace.corpora import green
from emotrace.errors import CorpusError
from emotrace.experiments.study import Study
from emotrace.trace import FRAME_S

LIMIT_HZ = 1.0
GREEN_HZ = 30
LOSS_ALLOWED = 0.05

Values = NDArray[np.float64]


def reproduce(study: Study, green_root: Path | None = None) -> dict[str, Any]:
    """Measure and write ``figure4.json``.

    Args:
        study: names the corpus.
        green_root: folder of the green intensity tasks, where it is there.

    Raises:
        CorpusError: a corpus is malformed, or none of its ratings moves within its recording.
    """
    traces = {target: [longest(material.gold) for material in study.known(target).values()] for target in study.targets}
    for target, each in traces.items():
        if not any(_moves(trace) for trace in each):
            raise CorpusError(f"{study.root}: {target} never moves within a recording; figure 4 is of ratings that do")
    result = {"targets": {target: _studied(each) for target, each in traces.items()}, "green": {}}
    if green_root is not None:
        result["green"] = {task: _green(green_root, task) for task in green.TASKS}
    return study.write("figure4", "figure4" + " --green DIR" * (green_root is not None), result)


def longest(values: Values) -> Values:
    """The longest stretch of a trace without NaN; empty where there is nothing else in it."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.isfinite(values).astype(int), [0]])))
    begins, ends = edges[::2], edges[1::2]
    place = int(np.argmax([0, *(ends - begins)]))
    return values[begins[place - 1] : ends[place - 1]] if place else values[:0]


def _moves(trace: Values) -> bool:
    return bool(trace.min() < trace.max())


def _studied(traces: Sequence[Values]) -> dict[str, Any]:
    """Power and CCC over recordings; those whose rating never moves have neither."""
    moving = [trace for trace in traces if _moves(trace)]
    shares = [spectrum.power_below(trace, 1 / FRAME_S, LIMIT_HZ) for trace in moving]
    studies = [spectrum.downsampling_study(trace) for trace in moving]
    ccc = {factor: [each[factor] for each in studies] for factor in spectrum.FACTORS}
    means = {factor: float(np.mean(each)) for factor, each in ccc.items()}
    return {
        "recordings": len(moving),
        "power_below_1hz": {"mean": float(np.mean(shares)), "lowest": float(min(shares))},
        "factors": list(ccc),
        "ccc_mean": list(means.values()),
        "ccc_sd": [float(np.std(each, ddof=1)) if len(each) > 1 else 0.0 for each in ccc.values()],
        "largest_factor_within_5_percent": max((f for f in means if means[f] >= 1 - LOSS_ALLOWED), default=1),
    }


def _green(root: Path, task: str) -> dict[str, Any]:
    ratings, truth = green.read_ratings(root, task, GREEN_HZ), green.truth(root, task, GREEN_HZ)
    grid_s = resampling.grid(0.0, float(ratings.time_s[-1]), 1 / FRAME_S)
    raters, (followed,) = (
        [resampling.onto_grid(each.time_s, column, grid_s) for column in each.values.T] for each in (ratings, truth)
    )
    fused = fusion.gold_standard_avec2016(np.column_stack(raters))
    kinds = {"truth": [followed], "raters": raters, "gold standard": [fused]}
    return {kind: _studied([longest(trace) for trace in traces]) for kind, traces in kinds.items()}
