"""The measurements behind docs/gold-standard.md: on a toy, and on the real data where it is there."""

import json
from pathlib import Path

import numpy as np
import pytest

from emotrace.annotation import files, lag, resampling
from emotrace.errors import CorpusError
from emotrace.experiments import gold, gold_tables

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
RESULTS = ROOT / "experiments" / "results"


def write(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")


def test_green_on_a_toy(tmp_path):
    time_s = np.arange(600) / 10
    rng = np.random.default_rng(0)
    for task, late_s in (("A", (0.5, 1.0, 1.5)), ("B", (0.1, 0.2, 0.3))):
        truth = 0.5 + 0.3 * np.sin(time_s / 2) + 0.1 * np.sin(time_s / 0.9)
        folder = tmp_path / "green" / f"Task{task}"
        write(folder / "objective_truth" / f"Task{task}_normalized_30hz.csv", "t,v", zip(time_s, truth, strict=True))
        for rater, late in enumerate(late_s):
            moved = np.interp(time_s - late, time_s, truth) + 0.01 * rng.normal(size=600)
            rows = zip(time_s, np.clip(moved, 0, 1), strict=True)
            write(folder / "annotations_30hz" / f"ann{rater}.csv", "t,v", rows)
    found = gold.green(tmp_path)
    assert list(found["tasks"]["A"]["lag_by_driver_s"].values()) == pytest.approx([0.5, 1.0, 1.5], abs=0.05)
    assert found["tasks"]["A"]["lag_difference_rms_s"] < 0.05
    for task in found["tasks"].values():
        for name in gold.METHODS:
            assert task["methods"][name]["ccc_driver"] > task["methods"][name]["ccc_as_rated"]
            assert task["methods"][name]["pearson_driver"] > 0.98
    assert found["chosen"] == max(found["left_out"], key=found["left_out"].get)


def test_observers_by_the_written_rule(tmp_path):
    header = "start,end,character,arousal,valence"
    write(
        tmp_path / "av1.csv", header, [(1, 2, "A", "HIGH", "POS"), (1.5, 3, "B", "LOW", "POS"), (4, 5, "A", "", "POS")]
    )
    ratings = gold.observers(tmp_path, "arousal", "HIGH", "LOW")
    at = {
        time_s: ratings.values[round(time_s * 25), 0] for time_s in (0.96, 1.0, 1.48, 1.52, 1.96, 2.0, 2.96, 3.0, 4.5)
    }
    assert list(at.values()) == [0, 1, 1, 0, 0, -1, -1, 0, 0]
    with pytest.raises(CorpusError, match="--root"):
        gold.observers(tmp_path / "none", "arousal", "HIGH", "LOW")


@pytest.mark.skipif(not (DATA / "green").exists(), reason="../shared/data/green is not here")
@pytest.mark.parametrize(("task", "low_s", "high_s"), [("A", 1.1, 2.4), ("B", 0.09, 0.69)])
def test_real_lags_lie_where_they_were_found_before(task, low_s, high_s):
    folder = DATA / "green" / f"Task{task}"
    ratings = files.ratings(files.read(sorted((folder / "annotations_30hz").glob("*.csv"))), "green")
    (truth,) = files.read([folder / "objective_truth" / f"Task{task}_normalized_30hz.csv"])
    driver = resampling.onto_grid(truth.time_s, truth.values, ratings.time_s)
    found = [each.lag_s for each in lag.to_driver(ratings.values, driver, 25.0)]
    assert low_s < min(found) < max(found) < high_s


def test_committed_results_hold_what_the_page_says_of_them():
    green = json.loads((RESULTS / "gold-green.json").read_text())
    task_a, task_b = (green["tasks"][task]["methods"] for task in "AB")
    assert green["chosen"] == "robust_opened"
    assert task_b[green["chosen"]]["ccc_driver"] > 0.95
    assert task_a[green["chosen"]]["ccc_driver"] < 0.90 < task_a[green["chosen"]]["ccc_level_and_scale_told"]
    for task in green["tasks"].values():
        gain = task["agreement_warped"]["raw"]["ccc"] - task["agreement_lags_out"]["raw"]["ccc"]
        nearer = task["methods"]["robust_warped"]["ccc_driver"] - task["methods"]["robust"]["ccc_driver"]
        assert gain > 0.03
        assert nearer < 0.01
    assert set(gold_tables._METHODS) == set(gold.METHODS)
