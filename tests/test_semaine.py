"""SEMAINE as AVEC 2012 distributed it."""

import numpy as np
import pytest
from trees import semaine as tree
from trees import sound

from emotrace import audio
from emotrace.corpora import semaine
from emotrace.errors import CorpusError


@pytest.fixture
def root(tmp_path):
    return tree.make(tmp_path)


def test_recordings_are_paired_by_partition_and_number(root):
    recordings = {r.id: r for r in semaine.load(root)}
    assert list(recordings) == ["dev001", "test001", "train001", "train002"]
    assert [r.partition for r in recordings.values()] == ["dev", "test", "train", "train"]
    assert recordings["dev001"].audio.name == "devel_audio001.wav"
    assert recordings["test001"].load_gold is None
    assert all(r.load_ratings is None for r in recordings.values())


def test_lines_are_video_frames(root):
    recording = semaine.load(root)[-1]
    gold = recording.gold("arousal")
    assert gold.time_s == pytest.approx(np.arange(tree.ROWS) / 49.979)
    written = np.loadtxt(tree.label(root, "train002", "arousal"))
    assert gold.values[:, 0].tolist() == written.tolist()
    frames = len(audio.load(recording.audio)) // 640
    assert np.isfinite(recording.gold_frames("arousal", frames)).all()


@pytest.mark.parametrize("target", ["expectancy", "power"])
def test_a_scale_to_a_hundred_is_mapped(root, target):
    tree.label(root, "train001", target).write_text("0\n50\n100\n")
    assert semaine.load(root)[2].gold(target).values[:, 0].tolist() == [-1.0, 0.0, 1.0]
    tree.label(root, "train001", target).write_text("-1\n0\n1\n")
    assert semaine.load(root)[2].gold(target).values[:, 0].tolist() == [-1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("target", "text", "message"),
    [
        ("arousal", "0\n1.5\n", r"train001: arousal goes from 0 to 1.5.*between -1 and 1"),
        ("power", "-3\n50\n", r"train001_power.dat: goes from -3 to 50, neither"),
        ("valence", "", r"train001_valence.dat: no rows"),
        ("valence", "0.1\nx\n", r"train001_valence.dat, line 2: label is 'x', not a number"),
        ("valence", "0.1\nnan\n", r"line 2: label is 'nan', not a finite number"),
        ("valence", "0.1,0.2\n", r"line 1: 2 cells rather than 1"),
        ("valence", "0.1\n\n0.2\n", r"line 2: is blank"),
    ],
)
def test_faults_in_a_label_file(root, target, text, message):
    tree.label(root, "train001", target).write_text(text)
    with pytest.raises(CorpusError, match=message):
        semaine.load(root)[2].gold(target)


def test_labels_that_are_longer_than_the_recording(root):
    recording = semaine.load(root)[2]
    with pytest.raises(CorpusError, match=r"train001, arousal: labels from 0.00 to 2.00 s do not fit 1.00 s"):
        recording.gold_frames("arousal", 25)


def test_labels_that_are_shorter_leave_the_rest_unrated(root):
    gold = semaine.load(root)[2].gold_frames("arousal", 75)
    assert np.flatnonzero(np.isnan(gold)).tolist() == list(range(51, 75))


def test_an_unknown_target(root):
    with pytest.raises(CorpusError, match="no dominance"):
        semaine.load(root)[2].gold("dominance")


def test_files_that_do_not_pair(root):
    sound(root / "elsewhere/train_audio9.wav", 0.1)
    with pytest.raises(CorpusError, match=r"FC_train_labels/labels_continuous_train009_arousal.dat: no such file"):
        semaine.load(root)
    (root / "elsewhere/train_audio9.wav").unlink()
    sound(root / "elsewhere/train_audio1.wav", 0.1)
    with pytest.raises(CorpusError, match=r"train_audio0*1.wav: .*train_audio0*1.wav is the same recording, train001"):
        semaine.load(root)
    for path in root.rglob("train_audio*1.wav"):
        path.unlink()
    with pytest.raises(CorpusError, match=r"train_audio001.wav: no such file"):
        semaine.load(root)


def test_a_target_without_its_file(root):
    tree.label(root, "devel001", "power").unlink()
    with pytest.raises(CorpusError, match=r"labels_continuous_devel001_power.dat: no such file"):
        semaine.load(root)
