"""From rater traces to a gold standard: what the methods of `emotrace.annotation` reach where the truth is known.

Three sets: people who followed a green patch whose intensity is known; nine observers of a film, without a truth; and
simulated raters of stitched recordings, who followed known ratings. The truth scores; it chooses nothing. The method is
chosen by how well the fusion of the others goes with a rater who was left out (`left_out`), measured by rank
correlation, which no method can raise by its scale.
"""

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from emotrace import metrics
from emotrace.annotation import Ratings, agreement, files, lag, resampling, spectrum, standard, warping
from emotrace.annotation.lag import Lag
from emotrace.corpora import stitched
from emotrace.errors import CorpusError
from emotrace.output import write_text
from emotrace.training import run

COMMAND = "emotrace reproduce gold --root DATA"
RATE_HZ = 25.0
GREEN_SLIDER = (0.0, 1.0)
PRIORS_S = (0.0, 0.5, 1.0, 1.5, 2.0)
SEED = 1
STITCHED_RECORDINGS = 10
STITCHED_S = 300.0
FILM_S = 5342.36

Values = NDArray[np.float64]
Fuse = Callable[[Ratings, NDArray[np.float64] | float], Values]


def reproduce(root: Path, results: Path, say: Callable[[str], None]) -> None:
    """Measure all three sets and write ``gold-green.json``, ``gold-studyforrest.json`` and ``gold-stitched.json``."""
    for name, measure in (("green", green), ("studyforrest", studyforrest), ("stitched", stitched_tava)):
        say(f"{name}: measuring")
        result = {"command": COMMAND, "made_with": run.made_with(), **measure(root)}
        write_text(results / f"gold-{name}.json", json.dumps(_rounded(result), indent=1) + "\n")


def green(root: Path) -> dict[str, Any]:
    """The green intensity tasks A and B: ten raters and the truth."""
    tasks = {}
    for task in ("A", "B"):
        folder = root / "green" / f"Task{task}"
        raters = sorted((folder / "annotations_30hz").glob("*.csv"), key=lambda path: (len(path.name), path.name))
        if not raters:
            raise CorpusError(f"{folder}: no annotations_30hz/*.csv; name the folder that holds green/ with --root")
        ratings = _until_the_last_entry(files.read(raters))
        (truth,) = files.read([folder / "objective_truth" / f"Task{task}_normalized_30hz.csv"])
        tasks[task] = _green_task(ratings, resampling.onto_grid(truth.time_s, truth.values, ratings.time_s))
    scores = {name: float(np.mean([t["methods"][name]["left_out"] for t in tasks.values()])) for name in METHODS}
    return {"chosen": max(scores, key=lambda name: scores[name]), "left_out": scores, "tasks": tasks}


def _until_the_last_entry(traces: list[files.RaterTrace]) -> Ratings:
    """At 25 Hz; for as long as the last entry still holds after its time, there is no truth to compare with."""
    ratings = files.ratings(traces, "green", RATE_HZ)
    kept = ratings.time_s <= max(trace.time_s[-1] for trace in traces) + 1e-6
    return Ratings(ratings.time_s[kept], ratings.values[kept], ratings.raters, ratings.target)


def _green_task(ratings: Ratings, truth: Values) -> dict[str, Any]:
    alone = _lags(lag.among_raters(ratings.values, RATE_HZ))
    followed = lag.to_driver(ratings.values, truth, RATE_HZ)
    driven = _lags(followed)
    common = float(np.mean(driven - alone))
    others = lags_of_others(ratings)
    methods = {}
    for name, fuse in METHODS.items():
        fused = fuse(ratings, alone + common)
        methods[name] = {
            "ccc_as_rated": _ccc(truth, fuse(ratings, 0.0)),
            "ccc_prior": {f"{prior:g}": _ccc(truth, fuse(ratings, alone + prior)) for prior in PRIORS_S},
            "ccc_driver": _ccc(truth, fused),
            "pearson_driver": _pearson(truth, fused),
            "ccc_level_and_scale_told": _ccc(truth, _matched(fused, truth)),
            "left_out": left_out(ratings, fuse, others),
        }
    return {
        "raters": ratings.raters,
        "lag_by_driver_s": dict(zip(ratings.raters, driven.tolist(), strict=True)),
        "lag_half_width_s": float(np.mean([found.half_width_s for found in followed])),
        "lag_among_raters_s": dict(zip(ratings.raters, alone.tolist(), strict=True)),
        "lag_difference_rms_s": float(np.sqrt(np.mean(np.square(alone + common - driven)))),
        "common_lag_s": common,
        "agreement": _table(ratings.values),
        "agreement_lags_out": _table(lag.shift_raters(ratings.values, alone, RATE_HZ)),
        "agreement_warped": _table(_warped(ratings, alone)),
        "methods": methods,
        "spectrum": _spectrum(METHODS["avec2016"](ratings, 0.0)),
    }


def studyforrest(root: Path) -> dict[str, Any]:
    """Nine observers who marked emotional episodes in a film; there is no truth to score against."""
    targets = {}
    for target, (high, low) in {"arousal": ("HIGH", "LOW"), "valence": ("POS", "NEG")}.items():
        ratings = observers(root / "studyforrest" / "observers", target, high, low)
        found = lag.among_raters(ratings.values, RATE_HZ)
        fused = standard.gold_standard(ratings, "avec2016")
        targets[target] = {
            "observers": len(ratings.raters),
            "frames": len(ratings.time_s),
            "agreement": _table(ratings.values),
            "agreement_lags_out": _table(lag.shift_raters(ratings.values, _lags(found), RATE_HZ)),
            "one_against_the_others_pearson": _others_pearson(ratings.values),
            "lag_among_raters_s": {name: each.lag_s for name, each in zip(ratings.raters, found, strict=True)},
            "lag_half_width_s": float(np.mean([each.half_width_s for each in found])),
            "left_out": {name: left_out(ratings, METHODS[name]) for name in ("mean", "ewe", "robust")},
            "outliers": fused.outliers,
            "spectrum": _spectrum(fused.values),
        }
    return {"targets": targets}


def observers(folder: Path, target: str, high: str, low: str) -> Ratings:
    """The audio-visual observers at 25 Hz: +1 where only `high` episodes go on, -1 where only `low` ones do, else 0."""
    paths = sorted(folder.glob("av*.csv"))
    if not paths:
        raise CorpusError(f"{folder}: no av*.csv; name the folder that holds studyforrest/ with --root")
    time_s = resampling.grid(0.0, FILM_S, RATE_HZ)
    columns = []
    for path in paths:
        marked = {high: np.zeros(len(time_s)), low: np.zeros(len(time_s))}
        with path.open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                begin, end = np.searchsorted(time_s, [float(row["start"]) - 1e-9, float(row["end"]) - 1e-9])
                if row[target] in marked:
                    marked[row[target]][begin:end] = 1.0
        columns.append(marked[high] - marked[low])
    return Ratings(time_s, np.column_stack(columns), tuple(path.stem for path in paths), target)


def stitched_tava(root: Path) -> dict[str, Any]:
    """Ten stitched recordings of as many speakers: fused simulated raters against the ratings that they followed."""
    settings = stitched.Settings(duration_s=STITCHED_S)
    utterances = stitched.read_utterances(root / "tava" / "ratings.csv")
    speakers = sorted({each.speaker for each in utterances})[:STITCHED_RECORDINGS]
    truths = []
    for number, speaker in enumerate(speakers):
        own = [each for each in utterances if each.speaker == speaker]
        truths.append(
            stitched.truth(stitched.place(own, settings, np.random.default_rng([SEED, number])), settings.duration_s)
        )
    targets = {}
    for column, target in enumerate(stitched.TARGETS):
        clean = [truth[:, column] for truth in truths]
        rated, _ = stitched.simulate_raters(clean, settings.raters[target], [SEED, column])
        targets[target] = _stitched_target(target, rated, clean, settings.raters[target].lag_s)
    return {"recordings": len(speakers), "duration_s": STITCHED_S, "seed": SEED, "targets": targets}


def _stitched_target(target: str, rated: list[Values], clean: list[Values], lag_s: float) -> dict[str, Any]:
    panels = [Ratings(np.arange(len(values)) / RATE_HZ, values, stitched.RATERS, target) for values in rated]
    tables = [_table(values) for values in rated]
    rows: dict[str, dict[str, list[float]]] = {name: {"as_rated": [], "lag_told": []} for name in METHODS}
    for panel, truth in zip(panels, clean, strict=True):
        found = _lags(lag.among_raters(panel.values, RATE_HZ))
        for name, fuse in METHODS.items():
            relative = found if name in ALIGNED else 0.0
            rows[name]["as_rated"].append(_ccc(truth, fuse(panel, 0.0)))
            rows[name]["lag_told"].append(_ccc(truth, fuse(panel, relative + lag_s)))
    return {
        "mean_lag_told_s": lag_s,
        "pairwise_ccc_raw": float(np.mean([table["raw"]["ccc"] for table in tables])),
        "methods": {name: {key: _mean_sd(values) for key, values in row.items()} for name, row in rows.items()},
        "spectrum": _spectrum(METHODS["avec2016"](panels[0], 0.0)),
    }


def left_out(ratings: Ratings, fuse: Fuse, lags_of_others: list[Values] | None = None) -> float:
    """Mean over raters of the rank correlation of each with the fusion of the others, who know nothing of them.

    With `lags_of_others` (see there) the rater who was left out is moved by one constant lag to where they go with the
    fusion best, but never warped, so that no method can bend a rater into agreement.
    """
    scores = []
    for rater, panel in enumerate(panels_without_one(ratings)):
        own = ratings.values[:, rater]
        if lags_of_others is None:
            fused = fuse(panel, 0.0)
        else:
            fused = fuse(panel, lags_of_others[rater])
            own = lag.shift(own, lag.between(fused, own, RATE_HZ).lag_s, RATE_HZ)
        both = np.isfinite(fused) & np.isfinite(own)
        scores.append(float(stats.spearmanr(fused[both], own[both]).statistic))
    return float(np.mean(scores))


def lags_of_others(ratings: Ratings) -> list[Values]:
    """For each rater, the lags among the others, by the others alone."""
    return [_lags(lag.among_raters(panel.values, RATE_HZ)) for panel in panels_without_one(ratings)]


def panels_without_one(ratings: Ratings) -> list[Ratings]:
    """For each rater, the ratings of all others."""
    panels = []
    for rater in range(len(ratings.raters)):
        names = tuple(name for name in ratings.raters if name != ratings.raters[rater])
        panels.append(Ratings(ratings.time_s, np.delete(ratings.values, rater, axis=1), names, ratings.target))
    return panels


def _lags(found: list[Lag]) -> Values:
    return np.array([each.lag_s for each in found])


def _fuse(method: str, opened: bool = False) -> Fuse:
    def fused(ratings: Ratings, lags_s: NDArray[np.float64] | float) -> Values:
        slider = GREEN_SLIDER if ratings.target == "green" else (-1.0, 1.0)
        unit_range = slider if opened else None
        return standard.gold_standard(ratings, method, lags_s=lags_s, unit_range=unit_range).values

    return fused


def _warped(ratings: Ratings, lags_s: NDArray[np.float64] | float) -> Values:
    moved = lag.shift_raters(ratings.values, lags_s, RATE_HZ, hold_ends=True)
    local = warping.align(lag.standardised(moved), RATE_HZ)
    return np.column_stack([warping.warp(z, own, RATE_HZ) for z, own in zip(moved.T, local.T, strict=True)])


def _fuse_warped(ratings: Ratings, lags_s: NDArray[np.float64] | float) -> Values:
    warped = Ratings(ratings.time_s, _warped(ratings, lags_s), ratings.raters, ratings.target)
    return METHODS["robust"](warped, 0.0)


METHODS: Mapping[str, Fuse] = {
    "mean": _fuse("mean"),
    "avec2016": _fuse("avec2016"),
    "ewe": _fuse("ewe"),
    "robust": _fuse("aligned"),
    "robust_opened": _fuse("aligned", opened=True),
    "robust_warped": _fuse_warped,
}
"""What is compared; `robust` with lags is the method called aligned, `robust_opened` the same on an opened scale."""

ALIGNED = ("robust", "robust_opened", "robust_warped")


def _ccc(truth: Values, fused: Values) -> float:
    return metrics.ccc_population(truth, fused, np.isfinite(truth) & np.isfinite(fused))


def _pearson(truth: Values, fused: Values) -> float:
    return metrics.pearson(truth, fused, np.isfinite(truth) & np.isfinite(fused))


def _matched(fused: Values, truth: Values) -> Values:
    """The level and the scale of the truth, where both are known: two numbers that raters cannot tell."""
    both = np.isfinite(truth) & np.isfinite(fused)
    return (fused - fused[both].mean()) / fused[both].std() * truth[both].std() + truth[both].mean()


def _others_pearson(values: Values) -> float:
    raters = range(values.shape[1])
    return float(np.mean([metrics.pearson(np.delete(values, r, axis=1).mean(axis=1), values[:, r]) for r in raters]))


def _table(values: Values) -> dict[str, dict[str, float]]:
    table = agreement.agreement_table(values)
    return {"raw": vars(table.raw), "centred": vars(table.centred)}


def _spectrum(gold: Values) -> dict[str, Any]:
    whole = gold[np.isfinite(gold)]
    study = spectrum.downsampling_study(whole)
    return {
        "power_below_1hz": spectrum.power_below(whole, RATE_HZ),
        "ccc_by_factor": {str(factor): ccc for factor, ccc in study.items()},
    }


def _mean_sd(values: list[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1))}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return round(value, 5) if isinstance(value, float) and np.isfinite(value) else value
