"""studyforrest: episodes that become traces."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from trees import studyforrest as tree

from emotrace.corpora import studyforrest
from emotrace.errors import CorpusError

DATA = Path(__file__).parents[2] / "shared" / "data" / "studyforrest"


@pytest.fixture
def root(tmp_path):
    return tree.make(tmp_path)


def write(root, *episodes):
    (root / "observers/av1o01.csv").write_text(tree.HEADER + "".join(episodes))


def observer(root, target, run="1"):
    recording = next(r for r in studyforrest.load(root) if r.id == f"av_run-{run}")
    return recording.ratings(target).values[:, 0]


def test_audiences_are_kept_apart(root):
    recordings = studyforrest.load(root)
    assert [r.id for r in recordings] == ["ao_run-1", "ao_run-2", "av_run-1", "av_run-2"]
    assert {(r.audio, r.partition, r.speaker) for r in recordings} == {(None, None, None)}
    assert recordings[0].ratings("arousal").raters == ("ao1o01", "ao1o02", "ao1o03")
    assert recordings[2].ratings("arousal").raters == tuple(f"av1o0{number}" for number in range(1, 10))


def test_features_have_a_row_for_every_label(root):
    recording = studyforrest.load(root)[2]
    features = recording.load_features()
    assert features.shape == (tree.FRAMES, 2)
    assert features[3].tolist() == [0.003, -0.0003]
    assert len(recording.ratings("valence").time_s) == tree.FRAMES


def test_an_episode_counts_in_the_frames_that_begin_within_it(root):
    write(root, tree.episode(1.0, 1.12), tree.episode(2.01, 2.05, "LOW", "NEG"))
    arousal, valence = observer(root, "arousal"), observer(root, "valence")
    assert np.flatnonzero(arousal).tolist() == [25, 26, 27, 51]
    assert arousal[[25, 51]].tolist() == valence[[25, 51]].tolist() == [1.0, -1.0]


def test_episodes_of_one_kind_do_not_add_up_and_of_both_cancel(root):
    write(root, tree.episode(1, 4), tree.episode(2, 3, "HIGH", "NEG"))
    arousal, valence = observer(root, "arousal"), observer(root, "valence")
    assert arousal[[24, 25, 50, 75, 99, 100]].tolist() == [0, 1, 1, 1, 1, 0]
    assert valence[[24, 25, 50, 75, 99, 100]].tolist() == [0, 1, 0, 1, 1, 0]


def test_runs_begin_where_they_do_in_the_film_and_overlap(root):
    write(root, tree.episode(8.0, 9.0))
    assert np.flatnonzero(observer(root, "arousal")).tolist() == list(range(200, 225))
    assert np.flatnonzero(observer(root, "arousal", "2")).tolist() == list(range(25))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (tree.episode(1, 2, "MIDDLE"), r"av1o01.csv, line 2: arousal is 'MIDDLE', not HIGH or LOW"),
        (tree.episode(2, 1), r"line 2: the episode ends before it starts"),
        (tree.episode("soon", 1), r"line 2: start is 'soon', not a number"),
        ("1,2,FORREST,HI\n", r"line 2: 4 cells rather than 9"),
        ("", r"av1o01.csv: no rows"),
    ],
)
def test_faults_in_episodes(root, row, message):
    write(root, row)
    with pytest.raises(CorpusError, match=message):
        observer(root, "arousal")


def test_faults_in_features(root):
    path = root / "audio_features/av_run-1.tsv.gz"
    content = path.read_bytes()
    path.write_bytes(content[:-200])
    with pytest.raises(CorpusError, match=r"av_run-1.tsv.gz: not a gzip file, or cut off"):
        observer(root, "arousal")
    tree.features(path)
    rows = gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)
    path.write_bytes(gzip.compress("".join(rows[:5] + rows[6:]).encode()))
    with pytest.raises(CorpusError, match=r"av_run-1.tsv.gz, line 6: onset is 0.2 s where 0.16 s should follow"):
        studyforrest.read_features(path)
    path.write_bytes(b"onset\tduration\n")
    with pytest.raises(CorpusError, match="not a gzip file"):
        observer(root, "arousal")


def test_missing_runs_observers_and_targets(root):
    with pytest.raises(CorpusError, match="no dominance in this corpus"):
        studyforrest.load(root)[0].ratings("dominance")
    (root / "runs.csv").write_text("run,film_start_s\n1,0\n")
    with pytest.raises(CorpusError, match=r"runs.csv: no row for run-2"):
        studyforrest.load(root)
    for path in (root / "observers").glob("ao*"):
        path.unlink()
    with pytest.raises(CorpusError, match=r"observers/ao1o01.csv: no such file.* \(3 more"):
        studyforrest.load(root)
    with pytest.raises(CorpusError, match=r"runs.csv: no row for run-2"):
        studyforrest.survey(root).recordings[1].ratings("arousal")


def test_an_audience_may_be_left_out_as_a_whole(root):
    for path in root.glob("*/ao*"):
        path.unlink()
    assert [r.id for r in studyforrest.load(root)] == ["av_run-1", "av_run-2"]


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data/studyforrest")
class TestRealData:
    def test_recordings_observers_and_durations(self):
        recordings = studyforrest.load(DATA)
        assert len(recordings) == 12
        rated = {r.id: r.ratings("arousal") for r in recordings}
        assert rated["av_run-1"].time_s[-1] + 0.04 == pytest.approx(906.12)
        assert sum(len(ratings.time_s) for name, ratings in rated.items() if name.startswith("av")) == 136576
        assert {len(ratings.raters) for name, ratings in rated.items() if name.startswith("av")} == {9}
        assert {len(ratings.raters) for name, ratings in rated.items() if name.startswith("ao")} == {3}
        assert recordings[6].load_features().shape == (len(rated["av_run-1"].time_s), 2)

    @pytest.mark.parametrize(("target", "agreement"), [("arousal", 0.54), ("valence", 0.72)])
    def test_one_observer_against_the_mean_of_the_others(self, target, agreement):
        scores = []
        for recording in studyforrest.load(DATA):
            if recording.id.startswith("av"):
                values = recording.ratings(target).values
                others = [np.delete(values, rater, axis=1).mean(axis=1) for rater in range(9)]
                scores += [np.corrcoef(values[:, rater], others[rater])[0, 1] for rater in range(9)]
        # Correlations are averaged as Fisher's z, over runs and observers.
        assert np.tanh(np.mean(np.arctanh(scores))) == pytest.approx(agreement, abs=0.01)
