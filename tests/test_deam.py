"""DEAM: wide, ragged tables of music."""

import shutil

import numpy as np
import pytest
from trees import deam as tree

from emotrace import audio
from emotrace.corpora import deam
from emotrace.errors import CorpusError


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tree.make(tmp_path_factory.mktemp("deam"))


@pytest.fixture
def root(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "deam")


def averaged(root, target="arousal"):
    return root / tree.AVERAGED / f"{target}.csv"


def test_songs_and_their_partitions(whole):
    recordings = deam.load(whole)
    assert [(r.id, r.partition) for r in recordings] == [("10", "train"), ("2", "train"), ("2001", "test")]
    assert "music" in deam.INFO.title


def test_labels_begin_at_15_s_and_end_with_the_song(whole):
    for recording in deam.load(whole):
        gold = recording.gold("valence")
        assert gold.time_s == pytest.approx(15 + 0.5 * np.arange(tree.labels_of(recording.id)))
    frames = len(audio.load(recording.audio)) // 640
    trace = recording.gold_frames("valence", frames)
    assert np.isnan(trace[:375]).all()
    assert np.isfinite(trace[375:]).all()
    assert trace[375] == pytest.approx(gold.values[0, 0])


def test_every_rater_is_read(whole):
    _, first, last = deam.load(whole)
    assert first.ratings("arousal").raters == ("rater 1", "rater 2", "rater 3")
    assert last.ratings("arousal").raters == ("w0", "w1", "w2")
    assert first.ratings("arousal").values.shape == (tree.labels_of("2"), 3)


def test_raters_of_other_lengths(root):
    (root / tree.RATERS / "arousal" / "2.csv").write_text("sample_15000ms,sample_15500ms\n0.1,0.2\n0.3\n")
    np.testing.assert_array_equal(deam.load(root)[1].ratings("arousal").values, [[0.1, 0.3], [0.2, np.nan]])


def test_without_raters_or_sound(root):
    shutil.rmtree(root / "DEAM_Annotations/annotations/annotations per each rater")
    shutil.rmtree(root / "MEMD_audio")
    recording = deam.load(root)[1]
    assert recording.audio is None
    assert recording.gold("arousal").values.shape == (tree.labels_of("2"), 1)
    with pytest.raises(CorpusError, match="no raters"):
        recording.ratings("arousal")


def test_a_cell_missing_in_the_middle_is_not_rated(root):
    averaged(root).write_text("song_id,sample_15000ms,sample_15500ms,sample_16000ms\n2,0.1,,0.2\n10,0\n2001,0\n")
    np.testing.assert_array_equal(deam.load(root)[1].gold("arousal").values[:, 0], [0.1, np.nan, 0.2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("song_id;sample_15000ms\n2;0.1\n", r"arousal.csv, line 1: the header"),
        ("song_id,15.0\n2,0.1\n", r"arousal.csv, line 1: no column as sample_15000ms"),
        ("song_id,sample_15000ms\n", r"arousal.csv: no rows"),
        ("song_id,sample_15000ms\nx,0.1\n", r"arousal.csv, line 2: song_id is 'x'"),
        ("song_id,sample_15000ms\n2,0.1\n2,0.1\n", r"arousal.csv, line 3: song_id 2 .*listed before"),
        ("song_id,sample_15000ms\n2,0.1,0.2\n", r"arousal.csv, line 2: 3 cells rather than 2"),
        ("song_id,sample_15000ms\n2,0.1\n", r"arousal.csv: lacks song 10; add its row \(1 more"),
        (b"song_id,sample_15000ms\n2,\xff\n", r"arousal.csv, line 2: not UTF-8"),
    ],
)
def test_faults_of_a_whole_table(root, text, message):
    averaged(root).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CorpusError, match=message):
        deam.load(root)


def test_a_table_that_cannot_be_read_leaves_the_other_one(root):
    averaged(root).write_text("nothing\n")
    survey = deam.survey(root)
    assert [(song.id, song.targets) for song in survey.recordings] == [(s, ("valence",)) for s in ("10", "2", "2001")]
    assert survey.recordings[0].gold("valence").values.size
    with pytest.raises(CorpusError, match="no averaged arousal"):
        survey.recordings[0].gold("arousal")


def test_a_fault_in_one_song_is_named_when_it_is_read(root):
    averaged(root).write_text("song_id,sample_15000ms,sample_15500ms\n2,0.1,0.2\n10,0.1,loud\n2001,0,2\n")
    bad, good, outside = deam.load(root)
    assert good.gold("arousal").values[:, 0].tolist() == [0.1, 0.2]
    with pytest.raises(CorpusError, match=r"arousal.csv, line 3: sample_15500ms is 'loud'"):
        bad.gold("arousal")
    with pytest.raises(CorpusError, match=r"2001: arousal goes from 0 to 2"):
        outside.gold("arousal")


def test_raters_of_one_target_alone(root):
    (root / tree.RATERS / "valence" / "10.csv").unlink()
    with pytest.raises(CorpusError, match=r"valence/10.csv: no such file"):
        deam.load(root)


def test_a_missing_sound(root):
    (root / "MEMD_audio/10.mp3").unlink()
    with pytest.raises(CorpusError, match=r"MEMD_audio/10.mp3: no such file"):
        deam.load(root)
