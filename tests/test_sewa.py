import pytest
import trees

from emotrace.corpora import sewa
from emotrace.errors import CorpusError

TREE = trees.get("sewa")
MAKERS = {2017: TREE.make_2017, 2018: TREE.make_2018, 2019: TREE.make}


def refusal(call, *arguments):
    with pytest.raises(CorpusError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("year", MAKERS)
def test_every_year_s_layout(tmp_path, year):
    recordings = sewa.load(MAKERS[year](tmp_path / "sewa"))
    assert {r.partition for r in recordings} == {"train", "dev", "test"}
    for recording in recordings:
        assert recording.partition == {"Tr": "train", "De": "dev", "Te": "test"}[recording.id[:2]]
        if recording.partition == "test":
            assert "no labels" in refusal(recording.gold, "arousal")
            continue
        path = tmp_path / "sewa/labels" / f"{recording.id}.csv"
        *_, last = path.read_text().splitlines()
        for column, target in enumerate(("arousal", "valence", "liking"), 2):
            gold = recording.gold(target)
            assert gold.values.shape == (30, 1)
            assert gold.values[-1, 0] == float(last.split(";")[column])
        assert recording.gold_frames("liking", 75).shape == (75,)
        assert "no raters" in refusal(recording.ratings, "arousal")


def test_languages():
    assert [sewa.language(name) for name in ("Train_01", "Devel_HU_02", "Test_CN_70")] == ["DE", "HU", "CN"]
    assert "DE, HU, CN" in refusal(sewa.language, "Train_FR_01")
    assert "DE, HU, CN" in refusal(sewa.language, "P16")


def test_two_years_side_by_side_are_refused(tmp_path):
    root = TREE.make_2017(TREE.make(tmp_path / "sewa"))
    assert "Devel_01 is a name of AVEC 2017" in refusal(sewa.load, root)


def test_labels_that_begin_at_a_tenth_of_a_second(tmp_path):
    path, recording = one(tmp_path)
    lines = [f"'Train_01';{(row + 1) / 10};0.5;0;0\n" for row in range(30)]
    path.write_text("".join(lines))
    assert recording.gold("arousal").time_s[0] == 0.1
    assert len(recording.gold_frames("arousal", 75)) == 75


def one(tmp_path):
    root = TREE.make_2017(tmp_path / "sewa")
    (recording,) = [r for r in sewa.load(root) if r.id == "Train_01"]
    return root / "labels/Train_01.csv", recording


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("'Train_01';0.1;", "'Train_01';0.0;", "line 2: timestamp is 0 s where 0.10 s should follow"),
        ("'Train_01';0.1;", "'Train_01';0.3;", "line 2: timestamp is 0.3 s where 0.10 s should follow"),
        ("'Train_01';0.1;", "'Train_02';0.1;", "line 2: the name is 'Train_02' here and 'Train_01' above"),
        ("'Train_01';0.1;", "'Train_01';0.1;nan;", "line 2: 6 cells rather than 5"),
        ("'Train_01';0.1;", "'Train_01,0.1;", "line 2: a quote ' is not closed"),
        ("'Train_01';0.0;", "'Train_01';time;", "line 1: neither a row nor the header"),
    ],
)
def test_malformed_labels(tmp_path, old, new, message):
    path, recording = one(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    found = refusal(recording.gold, "arousal")
    assert found.startswith(str(path))
    assert message in found


def test_other_malformed_files(tmp_path):
    path, recording = one(tmp_path)
    text = path.read_text()
    for content, message in (
        ("", "no rows"),
        (text.replace(";", ","), "line 1: 1 cells rather than 5"),
        ("name;timestamp;valence;liking\n", "line 1: the header lacks arousal"),
        ("\n".join(text.split("\n")[:5])[:-20], "cells rather than 5"),
        ("'Train_01';7.0;0;0;0\n'Train_01';7.1;0;0;0\n", "the first time is 7 s, neither 0 nor 0.1 s"),
        ("'Train_01';0.0;NaN;0;0\n", "line 1: arousal is 'NaN', not a finite number"),
    ):
        path.write_text(content)
        found = refusal(recording.gold, "arousal")
        assert found.startswith(str(path))
        assert message in found
    path.write_text("'Train_01';0.0;1.5;0;0\n")
    assert "1.5" in refusal(recording.gold, "arousal")
    assert "choose one of: arousal, valence, liking" in refusal(recording.gold, "dominance")


def test_files_that_are_missing(tmp_path):
    root = TREE.make(tmp_path / "sewa")
    (root / "labels/Train_DE_01.csv").unlink()
    (root / "audio/Devel_HU_01.wav").unlink()
    found = refusal(sewa.load, root)
    assert "Devel_HU_01.wav: no such file" in found
    assert "(1 more: emotrace check lists them)" in found
    assert len(sewa.survey(root).recordings) == 7


def test_labels_that_do_not_fit_the_sound(tmp_path):
    _, recording = one(tmp_path)
    assert "labels from 0.00 to 3.00 s do not fit 4.00 s" in refusal(recording.gold_frames, "arousal", 100)
