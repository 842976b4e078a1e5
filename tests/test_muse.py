"""The two corpora in the layout of the MuSe challenges."""

import numpy as np
import pytest
import trees

from emotrace.corpora import musecar, ulm_tsst
from emotrace.errors import CorpusError

TREE = trees.get("musecar")


@pytest.fixture
def root(tmp_path):
    return TREE.make(tmp_path / "musecar")


def refusal(call, *arguments):
    with pytest.raises(CorpusError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def recording(root, name="1"):
    return {each.id: each for each in musecar.load(root)}[name]


def test_partitions_are_those_of_the_list(root):
    assert [(r.id, r.partition, r.speaker) for r in musecar.load(root)] == [
        ("1", "train", None),
        ("10", "dev", None),
        ("11", "test", None),
        ("2", "train", None),
    ]


def test_ulm_tsst_is_a_person_a_recording_at_half_the_rate(tmp_path):
    recordings = ulm_tsst.load(trees.get("ulm_tsst").make(tmp_path / "ulm"))
    assert [(r.id, r.partition, r.speaker) for r in recordings] == [
        ("1", "train", "1"),
        ("3", "dev", "3"),
        ("47", "test", "47"),
    ]
    assert recordings[0].gold("arousal").time_s[:3].tolist() == [1.0, 1.5, 2.0]
    assert "no labels of arousal" in refusal(recordings[2].gold, "arousal")


def test_nothing_is_drawn_between_two_segments(root):
    gold = recording(root).gold("arousal")
    rated = np.isfinite(gold.values[:, 0])
    assert rated.sum() == 25
    assert gold.time_s[~rated].tolist() == [2.5]
    frames = recording(root).gold_frames("arousal", 225)
    times = np.arange(225) * 0.04
    assert np.isnan(frames[times < 0.5]).all()
    assert np.isfinite(frames[(times >= 0.5) & (times <= 2.25)]).all()
    assert np.isnan(frames[(times > 2.25) & (times < 3.5)]).all()
    assert np.isfinite(frames[(times >= 3.5) & (times <= 7.5)]).all()


def test_all_raters_in_seconds_whatever_the_file_s_unit(root):
    ratings = recording(root).ratings("valence")
    assert ratings.raters == ("1", "2", "3")
    assert ratings.time_s[:3].tolist() == [0.0, 0.25, 0.5]
    path = root / "raw_annotations/valence/1.csv"
    header, *rows = path.read_text().splitlines()
    seconds = [f"{int(row.split(',')[0]) / 1000:.2f}," + row.split(",", 1)[1] for row in rows]
    path.write_text("\n".join([header, *seconds]))
    assert (recording(root).ratings("valence").time_s == ratings.time_s).all()


def test_a_rater_who_gives_no_value_for_a_while(root):
    path = root / "raw_annotations/valence/1.csv"
    lines = path.read_text().splitlines()
    lines[3] = lines[3].rsplit(",", 1)[0] + ","
    path.write_text("\n".join(lines) + "\n")
    assert np.argwhere(np.isnan(recording(root).ratings("valence").values)).tolist() == [[2, 2]]


def test_features(root):
    features = recording(root).load_features()
    assert features.shape == (25, 3)
    assert np.isnan(features[:, 2]).all()


def test_test_labels_are_kept_back_until_there_are_some(root):
    assert "no labels of arousal" in refusal(recording(root, "11").gold, "arousal")
    text = (root / "label_segments/arousal/1.csv").read_text()
    (root / "label_segments/arousal/11.csv").write_text(text)
    assert recording(root, "11").gold("arousal").values.shape == (26, 1)
    assert "no row holds a value" in refusal(recording(root, "11").gold, "valence")


def test_a_package_without_sound(root):
    (root / "audio").rename(root / "elsewhere")
    assert all(each.audio is None for each in musecar.load(root))


def test_further_targets_and_unknown_ones(root):
    (root / "label_segments/arousal").rename(root / "label_segments/trust")
    (root / "label_segments/arousal").mkdir()
    for path in (root / "label_segments/trust").iterdir():
        (root / "label_segments/arousal" / path.name).write_text(path.read_text())
    assert recording(root).gold("trust").target == "trust"
    assert "choose one of: arousal, trust, valence" in refusal(recording(root).gold, "liking")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id;partition\n1;train\n", "line 1: the header is not id, partition"),
        ("id,partition\n1,train\n1,test\n", "line 3: 1 is listed before"),
        ("id,partition\n1,training\n", "line 2: the partition is 'training', none of train, devel"),
        ("id,partition\n../1,train\n", "line 2: the id is '../1'"),
        ("id,partition\n1,train\n", "partition.csv does not list 10; list it or remove the file"),
    ],
)
def test_malformed_partitions(root, text, message):
    (root / "metadata/partition.csv").write_text(text)
    assert message in refusal(musecar.load, root)


def test_two_folders_that_may_hold_the_sound(root):
    (root / "raw/audio_norm").mkdir(parents=True)
    assert "audio_norm is there too" in refusal(musecar.load, root)


def test_files_that_are_missing(root):
    (root / "label_segments/arousal/2.csv").unlink()
    (root / "audio/1.wav").unlink()
    message = refusal(musecar.load, root)
    assert "1.wav: no such file" in message
    assert "(1 more: emotrace check lists them)" in message
    assert len(musecar.survey(root).recordings) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("timestamp;value\n0;0\n", "line 1: the header is not timestamp, value separated by ','"),
        ("timestamp,valence\n0,0\n", "line 1: the header lacks value"),
        ("", "line 1: the header is not"),
        ("timestamp,value\n", "no rows below the header"),
        ("timestamp,value\n0,0\n250,0\n250,0\n", "line 4: timestamp 250 does not come after 250"),
        ("timestamp,value\n0,0\n250,0\n500", "line 4: 1 cells rather than 2"),
        ("timestamp,value\n0,0\nNaN,0\n", "line 3: timestamp is 'NaN', not a finite number"),
        ("timestamp,value\n0,0\n250,x\n", "line 3: value is 'x', not a number"),
        ("timestamp,value\n0,0\n500,0\n1000,0\n", "a label every 0.5 s, but those of this corpus come every 0.25 s"),
    ],
)
def test_malformed_labels(root, content, message):
    path = root / "label_segments/arousal/1.csv"
    path.write_text(content)
    found = refusal(recording(root).gold, "arousal")
    assert found.startswith(str(path))
    assert message in found


def test_labels_beyond_the_sound(root):
    assert "labels from 0.50 to 7.75 s do not fit 6.00 s" in refusal(recording(root).gold_frames, "arousal", 150)
