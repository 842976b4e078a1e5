"""Aff-Wild2: labels a video frame, the frame rate from the video or a table."""

import shutil

import numpy as np
import pytest
from trees import affwild2 as tree

from emotrace import audio
from emotrace.corpora import affwild2
from emotrace.errors import CorpusError

pytest.importorskip("av")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tree.make(tmp_path_factory.mktemp("affwild2"))


@pytest.fixture
def root(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "affwild2")


def test_partitions_rates_and_sounds(whole):
    found = {r.id: (r.partition, round(r.label_rate_hz, 3), r.audio.name) for r in affwild2.load(whole)}
    assert found == {
        "1-30-640x480": ("train", 29.97, "1-30-640x480.mp4"),
        "8-30": ("dev", 25.0, "8-30.wav"),
        "video5_left": ("train", 29.97, "video5.mp4"),
        "video5_right": ("train", 29.97, "video5.mp4"),
    }


def test_valence_comes_first_and_minus_five_is_not_rated(whole):
    recording = affwild2.load(whole)[0]
    lines = np.loadtxt(whole / "VA_Estimation_Challenge/Train_Set/1-30-640x480.txt", delimiter=",", skiprows=1)
    for column, target in enumerate(("valence", "arousal")):
        gold = recording.gold(target)
        expected = np.where(lines[:, column] == -5, np.nan, lines[:, column])
        np.testing.assert_allclose(gold.values[:, 0], expected, atol=1e-12)
        assert np.flatnonzero(np.isnan(gold.values[:, 0])).tolist() == list(tree.INVALID)
        assert gold.time_s[30] == pytest.approx(30 * 1001 / 30000)


def test_the_sound_of_a_video_fits_its_labels(whole):
    recording = affwild2.load(whole)[0]
    frames = len(audio.load(recording.audio)) // 640
    assert frames == 50
    # Frame 0 is invalid, and so is the label at 1.001 s that frame 25 (1.00 s) lies beside.
    assert np.flatnonzero(np.isnan(recording.gold_frames("arousal", frames))).tolist() == [0, 25]


def test_an_extracted_sound_is_preferred_to_the_video(root):
    shutil.copy(root / "audio/8-30.wav", root / "audio/video5.wav")
    assert affwild2.load(root)[2].audio == root / "audio/video5.wav"


def test_a_video_in_which_nobody_is_rated(root):
    (root / "VA_Estimation_Challenge/Validation_Set/8-30.txt").write_text("valence,arousal\n-5,-5\n-5,-5\n")
    with pytest.raises(Exception, match="no frame is rated"):
        affwild2.load(root)[1].gold("arousal")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("valence,arousal\n0.1,0.2\n0.1,3\n", r"8-30.txt, line 3: arousal is 3, neither in \[-1, 1\] nor -5"),
        ("valence,arousal\n0.1\n", r"8-30.txt, line 2: 1 cells rather than 2"),
        ("valence;arousal\n0.1;0.2\n", r"8-30.txt, line 1: the header"),
        ("valence\n0.1\n", r"8-30.txt, line 1: the header"),
        ("valence,arousal\n0.1,nan\n", r"8-30.txt, line 2: arousal is 'nan'"),
        ("valence,arousal\n0.1,0.2\n\n0.1,0.2\n", r"8-30.txt, line 3: is blank"),
        ("valence,arousal\n", r"8-30.txt: no rows"),
        ("", r"8-30.txt, line 1"),
    ],
)
def test_faults_in_a_label_file(root, text, message):
    (root / "VA_Estimation_Challenge/Validation_Set/8-30.txt").write_text(text)
    with pytest.raises(CorpusError, match=message):
        affwild2.load(root)[1].gold("arousal")


def test_a_frame_rate_that_nobody_knows(root):
    (root / "frame_rates.csv").unlink()
    with pytest.raises(CorpusError, match=r"the frame rate of 8-30 is not known; add the video, or a row 8-30,RATE"):
        affwild2.load(root)
    (root / "videos/8-30.mp4").write_bytes(b"no film")
    with pytest.raises(CorpusError, match=r"8-30.mp4: is no video that can be read"):
        affwild2.load(root)


def test_the_sound_of_one_recording_alone_may_not_be_missing(root):
    (root / "audio/8-30.wav").unlink()
    with pytest.raises(CorpusError, match=r"no video or sound 8-30, though there are those of others"):
        affwild2.load(root)
    for path in (root / "videos").iterdir():
        path.unlink()
    (root / "frame_rates.csv").write_text("video,frames_per_second\n8-30,25\nvideo5,15\n1-30-640x480,30\n")
    with pytest.raises(CorpusError, match=r"the frame rate of video5_left is not known"):
        affwild2.load(root)


def test_frame_rates_must_be_positive_numbers(root):
    (root / "frame_rates.csv").write_text("video,frames_per_second\n8-30,0\n")
    with pytest.raises(CorpusError, match=r"frame_rates.csv, line 2: frames_per_second must be positive"):
        affwild2.load(root)


def test_the_table_wins_over_the_video(root):
    (root / "frame_rates.csv").write_text("video,frames_per_second\n8-30,25\nvideo5,15\n")
    assert [r.label_rate_hz for r in affwild2.load(root)[2:]] == [15.0, 15.0]


def test_the_same_name_twice(root):
    shutil.copy(root / "videos/video5.mp4", root / "videos/video5.avi")
    with pytest.raises(CorpusError, match=r"video5.mp4: .*video5.avi has the same name"):
        affwild2.load(root)


def test_labels_of_another_length_than_the_sound(root):
    recording = affwild2.load(root)[1]
    with pytest.raises(CorpusError, match=r"8-30, valence: labels from 0.00 to 1.60 s do not fit 1.20 s"):
        recording.gold_frames("valence", 30)
