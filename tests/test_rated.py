"""TAVA and EMO-DB-47: one rating for a whole utterance."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from trees import emodb47 as emodb47_tree
from trees import tava as tava_tree

from emotrace.corpora import emodb47, tava
from emotrace.errors import CorpusError

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def root(tmp_path):
    return tava_tree.make(tmp_path)


def test_the_rating_holds_all_along(root):
    recording = next(r for r in tava.load(root) if r.id == "s01_happy")
    assert (recording.speaker, recording.partition, recording.load_ratings) == ("s01", "train", None)
    frames = int(tava_tree.SECONDS / 0.04)
    assert recording.gold_frames("valence", frames).tolist() == [0.302549020] * frames
    assert np.isfinite(recording.gold_frames("dominance", frames)).all()


def test_speakers_keep_to_one_partition(root):
    found = {(r.speaker, r.partition) for r in tava.load(root)}
    assert found == {("s01", "train"), ("s23", "dev"), ("s38", "test"), ("s99", None)}


def test_spread_and_number_of_raters(root):
    utterance = tava.utterances(root)[0]
    assert utterance.sd == {"arousal": 0.25, "valence": 0.3, "dominance": 0.4}
    assert utterance.raters == 153


def test_emodb47_states_no_raters(tmp_path):
    utterance = emodb47.utterances(emodb47_tree.make(tmp_path))[0]
    assert (utterance.sd, utterance.raters) == ({}, None)
    recording = emodb47.load(tmp_path)[0]
    assert (recording.speaker, recording.partition) == ("03", None)
    assert recording.gold_frames("arousal", 25).tolist() == [0.7] * 25
    with pytest.raises(CorpusError, match="no dominance"):
        recording.gold("dominance")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("file,speaker", "file;speaker", "ratings.csv, line 1: the header lacks file, speaker"),
        ("arousal_mean", "arousal", "ratings.csv, line 1: the header lacks arousal_mean"),
        ("0.190718954", "1.9", r"ratings.csv, line 2: arousal_mean is 1.9, outside of \[-1, 1\]"),
        ("0.190718954", "", r"ratings.csv, line 2: arousal_mean is ''"),
        ("audio/s01_dark.flac,s01", "audio/s01_dark.flac,", "line 3: file or speaker is empty"),
        ("audio/s01_dark.flac", "audio/s01_grim.flac", "line 3: no file .*s01_grim.flac"),
        ("audio/s01_dark.flac", "audio/s01_happy.flac", "line 3: s01_happy is listed before"),
    ],
)
def test_faults_in_the_table(root, old, new, message):
    path = root / "ratings.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(CorpusError, match=message):
        tava.load(root)


def test_sounds_that_cannot_be_measured(root):
    (root / "audio/s01_dark.flac").write_bytes(b"fLaC")
    with pytest.raises(CorpusError, match=r"s01_dark.flac: is no sound"):
        tava.load(root)[0].gold("arousal")
    soundfile.write(root / "audio/s01_dark.flac", np.zeros(100), 16000)
    with pytest.raises(CorpusError, match=r"s01_dark.flac: is shorter than a frame"):
        tava.load(root)[0].gold("arousal")


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
class TestRealData:
    def test_tava(self):
        recordings = tava.load(DATA / "tava")
        assert len(recordings) == 288
        speakers = {p: {r.speaker for r in recordings if r.partition == p} for p in tava.SPEAKERS}
        assert {partition: len(names) for partition, names in speakers.items()} == {"train": 10, "dev": 4, "test": 4}
        frames = sum(len(r.gold("arousal").time_s) for r in recordings)
        assert frames * 0.04 == pytest.approx(558.6, abs=288 * 0.04)
        raters = [utterance.raters for utterance in tava.utterances(DATA / "tava")]
        assert (min(raters), max(raters)) == (149, 982)

    def test_emodb47(self):
        recordings = emodb47.load(DATA / "emodb47")
        assert len(recordings) == 47
        assert len({r.speaker for r in recordings}) == 10
        assert sum(len(r.gold("valence").time_s) for r in recordings) * 0.04 == pytest.approx(134.1, abs=47 * 0.04)
