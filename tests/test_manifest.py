"""Anyone's recordings, listed in a CSV."""

import numpy as np
import pytest
from trees import manifest as tree
from trees import sound

from emotrace.annotation import Ratings, standard
from emotrace.corpora import inspection, manifest
from emotrace.errors import CorpusError, TraceError


@pytest.fixture
def root(tmp_path):
    return tree.make(tmp_path)


def replace(path, old, new):
    path.write_text(path.read_text().replace(old, new, 1))


def test_the_root_is_the_folder_or_the_file(root):
    found = [(r.id, r.partition, r.speaker) for r in manifest.load(root)]
    assert found == [("anna", "train", "A"), ("bert", "dev", "B"), ("cora", None, None), ("dora", "test", None)]
    (root / "manifest.csv").rename(root / "mine.csv")
    assert [r.id for r in manifest.load(root / "mine.csv")] == ["anna", "bert", "cora", "dora"]


def test_raters_and_gold_standards_of_any_delimiter_rate_and_unit(root):
    anna, bert, cora, dora = manifest.load(root)
    assert anna.ratings("arousal").raters == bert.ratings("arousal").raters == ("R0", "R1", "R2")
    assert (anna.label_rate_hz, cora.label_rate_hz) == (25.0, 10.0)
    assert anna.gold_frames("valence", 50).shape == (50,)
    assert cora.load_ratings is None
    gold = cora.gold_frames("arousal", 50)
    assert np.flatnonzero(np.isnan(gold)).tolist() == list(range(38, 50))
    assert np.nanmin(gold) >= -1
    assert (dora.load_ratings, dora.load_gold) == (None, None)


def test_partly_rated_has_to_be_said(root):
    replace(root / "manifest.csv", "1,5,yes", "1,5,no")
    with pytest.raises(CorpusError, match=r"cora, arousal: labels from 0.00 to 1.50 s .* 2.00 s.* partly_rated=yes$"):
        manifest.load(root)[2].gold_frames("arousal", 50)
    with pytest.raises(CorpusError, match=r"anna, arousal: 50 label rows .* 60 frames .* partly_rated=yes$"):
        manifest.load(root)[0].gold_frames("arousal", 60)
    replace(root / "manifest.csv", "train,A,,,,", "train,A,,,yes,")
    assert np.isnan(manifest.load(root)[0].gold_frames("arousal", 60)).sum() == 10


def test_as_many_labels_as_frames_fit_only_from_the_start_on(root):
    rows = "".join(f"{1 + row / 25:.2f},0.{row % 10}\n" for row in range(50))
    (root / "late.csv").write_text(f"time_s,value\n{rows}")
    (root / "manifest.csv").write_text("id,partly_rated,arousal\nz,no,late.csv\n")
    with pytest.raises(
        CorpusError, match=r"z, arousal: labels begin at 1.00 s, not with the sound; .*partly_rated=yes"
    ):
        manifest.load(root)[0].gold_frames("arousal", 50)


@pytest.mark.parametrize("name", ["anna", "cora"])
def test_labels_that_are_too_long_are_not_cured_by_partly_rated(root, name):
    recording = next(each for each in manifest.load(root) if each.id == name)
    with pytest.raises(CorpusError, match=r"do not fit .* of the same recording$"):
        recording.gold_frames("arousal", 30)


def test_few_columns_and_any_target(root):
    (root / "manifest.csv").write_text("id;tension\nx;traces/anna_arousal.csv\n")
    recording = manifest.load(root)[0]
    assert (recording.audio, recording.partition, recording.speaker) == (None, None, None)
    assert recording.ratings("tension").target == "tension"
    assert recording.targets == ("tension",)
    (report,) = inspection.inspect([recording], manifest.INFO.targets)
    assert [labels.target for labels in report.labels] == ["tension"]
    with pytest.raises(CorpusError, match="x: no arousal; the manifest lists tension"):
        recording.ratings("arousal")


def test_a_prediction_can_be_a_gold_standard(root):
    (root / "p.csv").write_text("time_s,arousal,valence,arousal_sd\n0.00,0.1,0.3,0\n0.04,0.2,0.4,0\n")
    (root / "manifest.csv").write_text("id,arousal,valence\nx,p.csv,p.csv\n")
    recording = manifest.load(root)[0]
    assert recording.gold("arousal").values[:, 0].tolist() == [0.1, 0.2]
    assert recording.gold("valence").values[:, 0].tolist() == [0.3, 0.4]


def test_the_spread_of_a_gold_standard_is_no_rater(root):
    header = "time_s,value,sd,standard_error,effective_raters\n"
    (root / "g.csv").write_text(header + "0.00,0.1,0.2,0.1,3.6\n0.04,0.2,0.2,0.1,3.6\n")
    (root / "manifest.csv").write_text("id,arousal\nx,g.csv\n")
    (recording,) = manifest.load(root)
    assert recording.load_ratings is None
    assert recording.gold("arousal").values.tolist() == [[0.1], [0.2]]


def test_cells_without_a_rating(root):
    (root / "t.csv").write_text("time_s,a,b\n0,0.1,\n0.04,nan,0.2\n")
    ratings = manifest.read_trace(root / "t.csv", "arousal")
    assert isinstance(ratings, Ratings)
    np.testing.assert_array_equal(ratings.values, [[0.1, np.nan], [np.nan, 0.2]])
    (root / "t.csv").write_text("time_s,a,b\n0,,\n0.04,,\n")
    with pytest.raises(TraceError, match="no frame is rated"):
        manifest.read_trace(root / "t.csv", "arousal")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,arousal\nx,t.csv\n", r"manifest.csv, line 1: the header"),
        ("id,audio\nx,\n", r"manifest.csv, line 1: no target"),
        ("id,arousal\n", r"manifest.csv: no rows"),
        ("", r"manifest.csv, line 1"),
        ("id,arousal\nx,\n,\nx,\n", r"manifest.csv, line 4: x is listed before"),
        ("id,arousal,audio\n,,audio/anna.wav\n", r"manifest.csv, line 2: id is empty"),
        ("id,arousal\nx,none.csv\n", r"manifest.csv, line 2: no arousal file .*none.csv; paths are relative"),
        ("id,audio,arousal\nx,none.wav,\n", r"manifest.csv, line 2: no audio file .*none.wav"),
        ("id,partition,arousal\nx,devel,\n", r"manifest.csv, line 2: partition 'devel'; write one of train, dev, test"),
        ("id,unit_low,unit_high,arousal\nx,1,1,\n", r"line 2: unit_low 1 and unit_high 1"),
        ("id,unit_low,arousal\nx,low,\n", r"line 2: unit_low low and unit_high 1"),
        ("id,partly_rated,arousal\nx,perhaps,\n", r"line 2: partly_rated is 'perhaps'; write yes or no"),
        ("id,arousal\nx,traces/anna_arousal.csv,y\n", r"line 2: 3 cells rather than 2"),
        (b"id,arousal\n\xe4,\n", r"manifest.csv, line 2: not UTF-8"),
        (
            "id,arousal,valence\nx,traces/anna_arousal.csv,traces/cora_valence.csv\n",
            r"line 2: of arousal and valence, one has raters and one a gold standard",
        ),
    ],
)
def test_faults_in_the_manifest(root, text, message):
    (root / "manifest.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CorpusError, match=message):
        manifest.load(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t,a,b\n0,0,0\n1,0,0\n", r"anna_arousal.csv, line 1: no column time_s or time"),
        ("time_s\n0\n1\n", r"anna_arousal.csv, line 1: no column beside the time"),
        ("time_s,a,b\n0,0,0\n", r"anna_arousal.csv: one row alone tells no label rate"),
        ("time_s,a,b\n0,0,0\n0,0,0\n", r"anna_arousal.csv, line 3: time_s 0 does not come after 0"),
        ("time_s,a,b\n0,0,0\n0.1,0\n", r"anna_arousal.csv, line 3: 2 cells rather than 3"),
        (tree.raters(rate_hz=10), r"manifest.csv, line 2: arousal has 10 labels a second and valence 25"),
    ],
)
def test_faults_in_a_trace_that_loading_finds(root, text, message):
    (root / "traces/anna_arousal.csv").write_text(text)
    with pytest.raises(CorpusError, match=message):
        manifest.load(root)


def test_what_is_wrong_with_several_recordings_is_listed(root):
    (root / "traces/anna_arousal.csv").write_text("time_s\n0\n1\n")
    (root / "traces/bert_valence.csv").unlink()
    (root / "audio/cora.wav").unlink()
    survey = manifest.survey(root)
    assert [each.id for each in survey.recordings] == ["anna", "bert", "cora", "dora"]
    assert [path.name for path in survey.missing] == ["bert_valence.csv", "cora.wav"]
    assert "manifest.csv, line 3: no valence file" in next(iter(survey.missing.values()))
    (fault,) = survey.faults
    assert "anna_arousal.csv, line 1: no column beside the time" in fault
    with pytest.raises(CorpusError, match="no column beside the time"):
        survey.recordings[0].gold("valence")


def test_a_bad_trace_hinders_no_other_recording_unless_they_share_it(root):
    path = root / "traces/anna_arousal.csv"
    path.write_text("time_s,a,b\n0,0,0\n")
    recordings = {r.id: r for r in manifest.survey(root).apart()}
    assert recordings["bert"].gold("arousal").values.shape == (50, 1)
    with pytest.raises(CorpusError, match="one row alone"):
        recordings["anna"].gold("arousal")
    text = (root / "manifest.csv").read_text().replace("traces/bert_arousal.csv", "traces/anna_arousal.csv")
    (root / "manifest.csv").write_text(text)
    with pytest.raises(CorpusError, match="one row alone"):
        manifest.survey(root).apart()
    path.unlink()
    with pytest.raises(CorpusError, match="no arousal file"):
        manifest.survey(root).apart()


def test_faults_that_reading_finds(root):
    text = tree.raters(seconds=8).splitlines()
    text[150] = text[150].rpartition(";")[0] + ";high"
    (root / "traces/anna_arousal.csv").write_text("\n".join(text) + "\n")
    with pytest.raises(CorpusError, match=r"anna_arousal.csv, line 151: R2 is 'high', not a number; correct the file"):
        manifest.load(root)[0].ratings("arousal")
    (root / "traces/anna_arousal.csv").write_text("time_s,a,b\n0,7,0\n0.04,0,0\n")
    with pytest.raises(CorpusError, match=r"anna: arousal goes from 0 to 7, .*between -1 and 1"):
        manifest.load(root)[0].ratings("arousal")


def test_a_file_that_is_not_there(root):
    with pytest.raises(CorpusError, match=r"other.csv: no such file; write it"):
        manifest.load(root / "other.csv")


def test_nothing_is_made_up_in_a_hole(root):
    rows = tree.raters(rate_hz=10, seconds=30, delimiter=",").splitlines()
    kept = [row for row in rows if not (row[0].isdigit() and (8 < float(row.split(",")[0]) < 22 or row[:4] == "3.00"))]
    (root / "z.csv").write_text("\n".join(kept) + "\n")
    sound(root / "audio/z.wav", 30)
    (root / "manifest.csv").write_text("id,audio,arousal\nz,audio/z.wav,z.csv\n")
    (recording,) = manifest.load(root)
    unrated = np.flatnonzero(np.isnan(recording.gold_frames("arousal", 750))) * 0.04
    assert (unrated[0].round(2), unrated[-1].round(2), len(unrated)) == (8.04, 21.96, 349)
    ratings = recording.ratings("arousal")
    assert standard.rate_of(ratings) == 10.0
    np.testing.assert_allclose(ratings.values[30], ratings.values[[29, 31]].mean(axis=0))
    (report,) = inspection.inspect([recording], ("arousal",))
    assert "z, arousal: nothing is rated from 8.04 to 22.00 s" in report.problems[0]
    (root / "manifest.csv").write_text("id,audio,partly_rated,arousal\nz,audio/z.wav,yes,z.csv\n")
    (report,) = inspection.inspect(manifest.load(root), ("arousal",))
    assert report.problems == ()


def test_no_line_is_drawn_over_a_hole_between_irregular_rows(root):
    time_s = np.r_[np.cumsum(np.tile([0.1, 0.15], 20)), 20 + np.cumsum(np.tile([0.1, 0.15], 20))]
    (root / "z.csv").write_text("time,v\n" + "".join(f"{t:.3f},0.5\n" for t in time_s))
    (root / "manifest.csv").write_text("id,partly_rated,arousal\nz,yes,z.csv\n")
    unrated = np.isnan(manifest.load(root)[0].gold_frames("arousal", 700))
    assert (unrated[130:500].all(), unrated[3:125].any(), unrated[504:620].any()) == (True, False, False)
