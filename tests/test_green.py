"""Green intensity: raters and the truth that they followed."""

from pathlib import Path

import numpy as np
import pytest
from trees import green as tree

from emotrace.annotation import Ratings
from emotrace.corpora import green
from emotrace.errors import CorpusError
from emotrace.metrics import ccc_population

DATA = Path(__file__).parents[2] / "shared" / "data" / "green"


@pytest.fixture
def root(tmp_path):
    return tree.make(tmp_path)


def test_ten_raters_in_the_order_of_their_numbers(root):
    task_a, task_b = green.load(root)
    assert (task_a.id, task_b.id) == ("TaskA", "TaskB")
    assert task_a.ratings("intensity").raters == tuple(f"ann{number}" for number in range(1, 11))
    assert task_a.load_gold is None
    assert task_b.ratings("intensity").values.shape == (tree.ROWS["TaskB"], 10)


def test_a_file_that_ends_early_is_not_rated_from_there(root):
    values = green.load(root)[0].ratings("intensity").values
    assert np.isnan(values).sum(axis=0).tolist() == [0, 0, 0, 0, 0, 7, 0, 0, 0, 0]
    assert np.isnan(values[-7:, 5]).all()


def test_sliders_from_0_to_1_are_mapped(root):
    recording = green.load(root)[1]
    raw = green.read_ratings(root, "TaskB").values
    assert recording.ratings("intensity").values == pytest.approx(2 * raw - 1)


def test_truth_and_the_other_rates(root):
    truth = green.truth(root, "TaskB")
    assert isinstance(truth, Ratings)
    assert (truth.raters, truth.values.shape) == (("truth",), (40, 1))
    assert truth.time_s[7] == 0.7
    assert green.read_ratings(root, "TaskB", 30).values.shape == (120, 10)
    assert np.isnan(green.truth(root, "TaskB", 30).values).sum() == 3


def test_the_last_event_of_a_moment_holds(root):
    events = green.read_raw(root, "TaskA")["ann6"]
    assert events.time_s.tolist() == [0.0, 0.3, 1.0]
    assert events.values[:, 0].tolist() == [0.51, 0.62, 0.7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Time(sec),Data\n0.0,0.5\n0.2,0.5\n", r"ann3.csv, line 3: Time\(sec\) is 0.2 s where 0.10 s should follow"),
        ("Time(sec);Data\n0.0;0.5\n", r"ann3.csv, line 1: the header"),
        ("Time(sec),Data\n0.0,green\n", r"ann3.csv, line 2: Data is 'green'"),
        ("Time(sec),Data\n0.0,0.5\n0.1\n", r"ann3.csv, line 3: 1 cells rather than 2"),
        ("Time(sec),Data\n0.0,5\n", r"TaskA: intensity goes from 0 to 5, .*between 0 and 1"),
        ("", r"ann3.csv, line 1"),
    ],
)
def test_faults(root, text, message):
    (root / "TaskA/annotations_10hz/TaskA_ann3.csv").write_text(text)
    with pytest.raises(CorpusError, match=message):
        green.load(root)[0].ratings("intensity")


def test_what_is_not_there(root):
    with pytest.raises(CorpusError, match="no arousal"):
        green.load(root)[0].ratings("arousal")
    with pytest.raises(CorpusError, match=r"TaskC_normalized_10hz.csv"):
        green.truth(root, "TaskC")
    (root / "TaskA/annotations_raw/TaskA_ann2.csv").write_text("Time(sec),Data\n0.2,0\n0.1,0\n")
    with pytest.raises(CorpusError, match=r"ann2.csv, line 3: the time goes back"):
        green.read_raw(root, "TaskA")
    for path in (root / "TaskB/annotations_10hz").iterdir():
        path.unlink()
    with pytest.raises(CorpusError, match=r"annotations_10hz/TaskB_ann1.csv: no such file, .*9 more"):
        green.load(root)
    for path in root.glob("TaskB/*/TaskB_ann*.csv"):
        path.unlink()
    with pytest.raises(CorpusError, match=r"annotations_10hz: no file TaskB_ann\*.csv"):
        green.load(root)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data/green")
class TestRealData:
    @pytest.mark.parametrize(("task", "rows", "agreement"), [("TaskA", 2676, 0.64), ("TaskB", 1780, 0.91)])
    def test_the_mean_of_the_raters_against_the_truth(self, task, rows, agreement):
        recording = next(r for r in green.load(DATA) if r.id == task)
        ratings, truth = recording.load_ratings("intensity"), green.truth(DATA, task)
        assert ratings.values.shape == (rows, 10)
        common = min(len(ratings.values), len(truth.values))
        mean = np.nanmean(ratings.values[:common], axis=1)
        assert ccc_population(truth.values[:common, 0], mean) == pytest.approx(agreement, abs=0.01)

    def test_every_rater_has_events(self):
        for task in green.TASKS:
            events = green.read_raw(DATA, task)
            assert len(events) == 10
            assert all(len(ratings.time_s) > 1000 for ratings in events.values())
