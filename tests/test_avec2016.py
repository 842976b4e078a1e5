import numpy as np
import pytest
import trees

from emotrace.annotation import fusion
from emotrace.corpora import avec2016
from emotrace.errors import CorpusError

TREE = trees.get("avec2016")


@pytest.fixture
def root(tmp_path):
    return TREE.make(tmp_path / "avec2016")


def recording(root, name):
    return {each.id: each for each in avec2016.load(root)}[name]


def refusal(call, *arguments):
    with pytest.raises(CorpusError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return str(path)


def test_partitions_are_those_of_the_file_names(root):
    assert [(r.id, r.partition, r.speaker) for r in avec2016.load(root)] == [
        ("dev_1", "dev", "dev_1"),
        ("test_1", "test", "test_1"),
        ("train_1", "train", "train_1"),
        ("train_2", "train", "train_2"),
    ]


def test_the_gold_standard_is_the_distributed_one_and_that_of_all_six_raters(root):
    train = recording(root, "train_1")
    gold, ratings = train.gold("valence"), train.ratings("valence")
    assert ratings.raters == ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")
    assert gold.values.shape == (51, 1)
    assert gold.values[:, 0] == pytest.approx(fusion.gold_standard_avec2016(ratings.values), abs=1e-6)
    assert train.gold_frames("valence", 50) == pytest.approx(gold.values[:50, 0])
    assert not np.allclose(gold.values, train.gold("arousal").values)


def test_the_challenge_s_centred_ratings_are_those_of_the_package_s_own_fusion(root):
    centred = avec2016.centred_ratings(root, "dev_1", "arousal")
    raw = recording(root, "dev_1").ratings("arousal")
    assert centred.values == pytest.approx(fusion.centre_avec2016(raw.values), abs=1e-5)


def test_features(root):
    features = recording(root, "test_1").load_features()
    assert features.shape == (51, 88)
    assert (features == avec2016.features(root, "test_1", "arousal")).all()
    assert "choose one of: arousal, valence" in refusal(avec2016.features, root, "test_1", "liking")


def test_a_value_that_a_feature_file_leaves_out_is_nan(root):
    path = root / "features_audio/arousal/dev_1.arff"
    head, body = path.read_text().split("@data\n")
    first, rest = body.split("\n", 1)
    path.write_text(head + "@data\n" + ",".join([*first.split(",")[:-1], "?"]) + "\n" + rest)
    features = recording(root, "dev_1").load_features()
    assert np.isnan(features).sum() == np.isnan(features[0, -1]) == 1


def test_test_labels_are_not_distributed(root):
    test = recording(root, "test_1")
    assert test.audio.is_file()
    for call in (test.gold, test.ratings):
        assert "test_1: the corpus distributes no labels of arousal" in refusal(call, "arousal")


def test_without_individual_ratings(root):
    (root / "ratings_individual").rename(root / "elsewhere")
    train = recording(root, "train_1")
    assert train.gold("arousal").values.shape == (51, 1)
    assert "no raters" in refusal(train.ratings, "arousal")


def test_a_folder_unpacked_into_one_of_its_own_name(root):
    (root / "recordings_audio").rename(root / "inner")
    (root / "recordings_audio").mkdir()
    (root / "inner").rename(root / "recordings_audio" / "recordings_audio")
    assert len(avec2016.load(root)) == 4


@pytest.mark.parametrize(
    "lost",
    [
        "recordings_audio/train_2.wav",
        "ratings_gold_standard/valence/dev_1.arff",
        "ratings_individual/arousal/dev_1.csv",
    ],
)
def test_a_file_that_is_missing(root, lost):
    (root / lost).unlink()
    assert refusal(avec2016.load, root).startswith(f"{root / lost}: no such file")
    assert len(avec2016.survey(root).recordings) == 4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("@data", "@dat", "not ARFF"),
        ("@relation GOLDSTANDARD", "", "not ARFF"),
        ("@attribute GoldStandard numeric", "@attribute Gold numeric", "no column goldstandard"),
        ("train_1,0.04,", "train_1,0.04;", "line 11: not ARFF"),
        ("train_1,0.12,", "train_1,0.04,", "line 13: frametime is 0.04 s where 0.12 s should follow"),
        ("train_1,0.12,", "train_1,x,", "line 13: not ARFF"),
        ("train_1,0.12,", "train_1,?,", "line 13: frametime is 'None', not a number"),
        ("train_1,0.12,", "train_1,nan,", "line 13: frametime is 'nan', not a finite number"),
        ("train_1,0,", "train_1,0.04,", "line 10: frametime is 0.04 s where 0.00 s should follow"),
    ],
)
def test_malformed_gold_standards(root, old, new, message):
    path = changed(root / "ratings_gold_standard/arousal/train_1.arff", old, new)
    found = refusal(recording(root, "train_1").gold, "arousal")
    assert found.startswith(path)
    assert message in found


def test_a_gold_standard_cut_off_in_a_row_or_empty(root):
    path = root / "ratings_gold_standard/arousal/train_1.arff"
    text = path.read_text()
    path.write_text(text[: text.rindex(",")])
    assert "line 60: not ARFF" in refusal(recording(root, "train_1").gold, "arousal")
    path.write_text(TREE.GOLD_HEADER)
    assert "no rows" in refusal(recording(root, "train_1").gold, "arousal")
    path.write_bytes(text.encode("utf-16"))
    assert "line 1: not UTF-8" in refusal(recording(root, "train_1").gold, "arousal")


def test_labels_that_are_shorter_than_the_sound_are_refused_with_both_lengths(root):
    path = root / "ratings_gold_standard/arousal/train_1.arff"
    path.write_text("\n".join(path.read_text().split("\n")[:-4]) + "\n")
    assert "48 label rows do not fit 50 frames" in refusal(recording(root, "train_1").gold_frames, "arousal", 50)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(";", ","), "a time and 0 raters rather than 6 separated by ';'"),
        (lambda text: text.replace("FF2 ;FF3", "FF3"), "line 2: 7 cells rather than 6"),
        (lambda text: "\n".join(line.rpartition(";")[0] for line in text.split("\n")), "a time and 5 raters"),
        (lambda text: text.replace("\n0.04;", "\n0.05;"), "line 3: time is 0.05 s where 0.04 s should follow"),
    ],
)
def test_malformed_raters(root, change, message):
    path = root / "ratings_individual/arousal/train_1.csv"
    path.write_text(change(path.read_text()))
    found = refusal(recording(root, "train_1").ratings, "arousal")
    assert found.startswith(str(path))
    assert message in found


def test_without_liac_arff_the_extra_is_named(root, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "arff", None)
    assert 'pip install "emotrace[corpora]"' in refusal(recording(root, "train_1").gold, "arousal")
