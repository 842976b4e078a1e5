"""Databases in audformat."""

import os
import shutil
import sys

import numpy as np
import pytest
from trees import audformat as tree

from emotrace.corpora import audformat as reader
from emotrace.errors import CorpusError

pytest.importorskip("audformat")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tree.make(tmp_path_factory.mktemp("audformat"))


@pytest.fixture
def root(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "audformat")


def test_files_partitions_and_speakers(whole):
    found = [(r.id, r.partition, r.speaker, r.audio.name) for r in reader.load(whole)]
    assert found == [
        ("audio/anna.wav", "train", "A", "anna.wav"),
        ("audio/bert.wav", "dev", "B", "bert.wav"),
        ("audio/cora.wav", "test", None, "cora.wav"),
        ("audio/dora.wav", None, "D", "dora.wav"),
    ]


def test_human_raters_and_the_vote_are_told_apart(whole):
    anna = reader.load(whole)[0]
    assert anna.label_rate_hz == 10.0
    assert anna.ratings("arousal").raters == ("r1", "r2")
    gold = anna.gold("arousal")
    assert gold.raters == ("gold standard",)
    written = np.genfromtxt(whole / "db.emotion.train.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    assert gold.values[:, 0] == pytest.approx(2 * written["arousalgold"] - 1)
    assert anna.gold("valence").values[:, 0] == pytest.approx((written["valence"] - 3) / 2)
    assert np.isfinite(anna.gold_frames("valence", 50)).all()
    with pytest.raises(CorpusError, match=r"anna.wav: no loudness; the database has arousal, valence of it"):
        anna.gold("loudness")


def test_a_target_with_raters_or_a_gold_standard_alone(whole):
    anna, _, cora, dora = reader.load(whole)
    assert anna.ratings("valence").raters == ("gold standard",)
    assert cora.ratings("valence").raters == ("r1",)
    assert cora.gold("valence").raters == ("gold standard",)
    np.testing.assert_array_equal(cora.gold("valence").values, cora.ratings("valence").values)
    assert dora.load_ratings is None


def test_times_that_cannot_be(root):
    path = root / "db.turns.csv"
    text = path.read_text()
    path.write_text(text.replace("0 days 00:00:01.4", "9 days 00:00:01.4"))
    with pytest.raises(CorpusError, match=r"cora.wav: a segment ends at 777601 s, after more than a day"):
        reader.load(root)[2].gold("arousal")
    path.write_text(text.replace("0 days 00:00:00.200000", "", 1))
    with pytest.raises(CorpusError, match=r"db.yaml: (table turns, .* has no start|audformat cannot read)"):
        reader.load(root)


def test_segments_of_other_lengths_hold_their_value(whole):
    gold = reader.load(whole)[2].gold_frames("arousal", 50)
    assert gold[[5, 19]].tolist() == [-0.5, -0.5]
    assert gold[[25, 34]].tolist() == [1.0, 1.0]
    assert np.isnan(gold[[0, 4, 20, 24, 35, 49]]).all()


def test_a_file_rated_as_a_whole(whole):
    dora = reader.load(whole)[3]
    assert dora.gold_frames("arousal", 50).tolist() == [0.5] * 50


def test_parquet_is_read_alike(tmp_path, whole):
    pytest.importorskip("pyarrow")
    other = tree.make(tmp_path, "parquet")
    for first, second in zip(reader.load(whole), reader.load(other), strict=True):
        np.testing.assert_array_equal(first.gold("arousal").values, second.gold("arousal").values)


def test_sounds_that_are_not_on_disk(root):
    shutil.rmtree(root / "audio")
    recordings = reader.load(root)
    assert {r.audio for r in recordings} == {None}
    assert recordings[0].gold("arousal").values.shape == (tree.ROWS, 1)
    with pytest.raises(CorpusError, match=r"dora.wav: its length is needed"):
        recordings[3].gold("arousal")


def test_pickled_tables_are_refused(root):
    (root / "db.turns.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(CorpusError, match=r"db.turns.pkl: a pickled table is not read"):
        reader.load(root)


def test_a_header_that_runs_code_is_refused(root):
    made = root / "made"
    header = root / "db.yaml"
    header.write_text(header.read_text() + f"meta: !!python/object/apply:os.mkdir ['{made}']\n")
    with pytest.raises(CorpusError, match=r"db.yaml: audformat cannot read this database"):
        reader.load(root)
    assert not os.path.exists(made)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "arousal: {dtype: float, minimum: 0, maximum: 1}",
            "arousal: {dtype: float, minimum: 0.5, maximum: 1}",
            "outside",
        ),
        ("split_id: dev", "split_id: nobody", "db.yaml: audformat cannot read"),
        ("tables:", "tables: [", "db.yaml: audformat cannot read"),
    ],
)
def test_faults_in_the_header(root, old, new, message):
    header = root / "db.yaml"
    assert old in header.read_text()
    header.write_text(header.read_text().replace(old, new, 1))
    with pytest.raises(CorpusError, match=message):
        reader.load(root)


def test_schemes_without_limits_are_no_targets(root):
    header = root / "db.yaml"
    text = header.read_text().replace(", minimum: 0, maximum: 1}", "}").replace(", minimum: 1, maximum: 5}", "}")
    header.write_text(text)
    with pytest.raises(CorpusError, match=r"db.yaml: no float scheme has a minimum and a maximum"):
        reader.load(root)


def test_a_table_that_is_missing_or_cut_off(root):
    path = root / "db.turns.csv"
    path.write_text(path.read_text()[:60])
    with pytest.raises(CorpusError, match=r"db.turns.csv: audformat cannot read this table"):
        reader.load(root)
    path.unlink()
    with pytest.raises(CorpusError, match=r"db.turns.csv: no such file"):
        reader.load(root)
    assert [each.id for each in reader.survey(root).recordings] == [f"audio/{n}.wav" for n in ("anna", "bert", "dora")]


def test_without_any_table(root):
    for path in root.glob("db.*.csv"):
        path.unlink()
    with pytest.raises(CorpusError, match=r"db.emotion.*.csv: no such file.* \(4 more"):
        reader.survey(root)


def test_a_file_in_two_partitions(root):
    path = root / "db.emotion.dev.csv"
    path.write_text(path.read_text().replace("bert", "anna"))
    with pytest.raises(CorpusError, match=r"puts audio/anna.wav into (dev|train), another into (dev|train)"):
        reader.load(root)


def test_without_audformat(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "audformat", None)
    with pytest.raises(CorpusError, match=r'pip install "emotrace\[corpora\]"'):
        reader.load(root)


def test_no_database(tmp_path):
    with pytest.raises(CorpusError, match=r"db.yaml: no such file"):
        reader.load(tmp_path)
