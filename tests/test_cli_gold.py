"""`emotrace gold` as a user calls it."""

import importlib

import numpy as np
import pytest
from click.testing import CliRunner
from trees import avec2016 as avec2016_tree
from trees import manifest as manifest_tree

from emotrace.annotation import Ratings, files, fusion, lag, standard
from emotrace.cli import main
from emotrace.corpora import recola
from emotrace.trace import Trace

RATE_HZ = 25.0


@pytest.fixture
def panel(tmp_path):
    """Five raters of a minute, one of them reversed, each late in their own way: paths and the truth's path."""
    time_s = np.arange(1500) / RATE_HZ
    truth = 0.6 * np.sin(2 * np.pi * time_s / 13) + 0.3 * np.sin(2 * np.pi * time_s / 5.5)
    rng = np.random.default_rng(0)
    paths = []
    for rater, late_s in enumerate([0.5, 1.0, 1.5, 2.0, 1.0]):
        values = lag.shift(truth, -late_s, RATE_HZ, hold_ends=True) + 0.05 * rng.normal(size=len(truth))
        paths.append(save(tmp_path / f"r{rater}.csv", time_s, -values if rater == 4 else values))
    return paths, save(tmp_path / "driver.csv", time_s, truth)


def save(path, time_s, values):
    rows = "".join(f"{t:.2f},{v:.5f}\n" for t, v in zip(time_s, values, strict=True))
    path.write_text("time,value\n" + rows)
    return path


def call(*arguments):
    return CliRunner().invoke(main, ["gold", *map(str, arguments)])


def test_files_to_a_gold_standard(panel, tmp_path):
    paths, driver = panel
    out = tmp_path / "gold.csv"
    done = call(*paths, "-o", out, "--png", "--driver", driver)
    assert done.exit_code == 0, done.output
    assert "Cronbach's alpha" in done.output
    assert "centred" in done.output
    assert "warning: r4 does not go with the others" in done.output
    lines = out.read_text().splitlines()
    assert lines[0] == "time_s,value"
    assert lines[1].startswith("0.00,")
    assert len(lines) == 1501
    assert (tmp_path / "gold.png").read_bytes().startswith(b"\x89PNG")
    (gold,), (truth,) = files.read([out]), files.read([driver])
    assert np.corrcoef(gold.values[:1400], truth.values[:1400])[0, 1] > 0.99


def test_a_driver_that_goes_with_the_ratings_by_chance_moves_nobody(panel, tmp_path):
    time_s = np.arange(1500) / RATE_HZ
    unrelated = save(tmp_path / "film.csv", time_s, np.random.default_rng(3).normal(size=1500).cumsum())
    done = call(*panel[0], "-o", tmp_path / "gold.csv", "--driver", unrelated)
    assert done.exit_code == 2, done.output
    assert f"{unrelated}: goes with the ratings too little (r = 0.1" in done.output
    assert "give the lag with --lag instead" in done.output
    assert not (tmp_path / "gold.csv").exists()


@pytest.mark.parametrize(("share", "warned"), [(0.6, True), (0.95, False)])
def test_a_driver_of_another_length_is_told(panel, tmp_path, share, warned):
    paths, driver = panel
    rows = driver.read_text().splitlines(keepends=True)
    shorter = tmp_path / "shorter.csv"
    shorter.write_text("".join(rows[: round(share * len(rows))]))
    done = call(*paths, "-o", tmp_path / "gold.csv", "--driver", shorter)
    assert done.exit_code == 0, done.output
    assert (f"warning: {shorter} ends at 36.0 s, the ratings at 60.0 s" in done.output) is warned
    assert ("check that they are of one recording" in done.output) is warned


def test_the_lag_of_all_is_named_as_unknown(panel, tmp_path):
    done = call(*panel[0], "-o", tmp_path / "gold.csv")
    assert "raters alone" in done.output


@pytest.mark.parametrize("method", ["mean", "avec2016", "ewe"])
def test_methods(panel, tmp_path, method):
    out = tmp_path / "gold.csv"
    assert call(*panel[0], "-o", out, "--method", method).exit_code == 0
    ratings = files.ratings(files.read(panel[0]), "x")
    function = {"mean": fusion.mean, "avec2016": fusion.gold_standard_avec2016, "ewe": fusion.ewe}[method]
    (found,) = files.read([out])
    np.testing.assert_allclose(found.values, function(ratings.values), atol=1e-6)


def test_spread_is_in_further_columns(panel, tmp_path):
    call(*panel[0], "-o", tmp_path / "gold.csv", "--spread")
    assert (tmp_path / "gold.csv").read_text().startswith("time_s,value,sd,standard_error,effective_raters\n")


def test_milliseconds_without_a_name_are_told(tmp_path):
    rows = "".join(f"{250 * i},{np.sin(i / 4):.4f},{np.sin(i / 4 - 0.1):.4f}\n" for i in range(41))
    (tmp_path / "1.csv").write_text("timestamp,1,2\n" + rows)
    done = call(tmp_path / "1.csv", "-o", tmp_path / "gold.csv", "--method", "mean")
    assert f"{tmp_path / '1.csv'}: no unit of time, steps of milliseconds" in done.output
    assert "2 raters, 257 frames at 25 Hz" in done.output


def test_what_was_predicted_is_no_panel(tmp_path):
    time_s = np.arange(500) * 0.04
    trace = Trace(time_s, np.sin(np.column_stack([time_s, time_s / 3])), spread=np.full((500, 2), 0.1))
    trace.to_csv(tmp_path / "trace.csv")
    done = call(tmp_path / "trace.csv", "-o", tmp_path / "gold.csv")
    assert done.exit_code == 2
    assert "arousal, valence, arousal_sd, valence_sd, which are no raters; choose one with --target" in done.output
    done = call(tmp_path / "trace.csv", "-o", tmp_path / "gold.csv", "--target", "valence")
    assert "1 rater, 500 frames" in done.output
    (gold,) = files.read([tmp_path / "gold.csv"])
    np.testing.assert_allclose(gold.values, np.sin(time_s / 3), atol=1e-4)


def test_frames_that_nobody_rated_are_empty(tmp_path):
    time_s = np.r_[np.arange(0, 4, 0.04), np.arange(10, 14, 0.04)]
    paths = [save(tmp_path / f"{name}.csv", time_s, np.sin(time_s) + i) for i, name in enumerate("abc")]
    assert call(*paths, "-o", tmp_path / "gold.csv", "--method", "mean").exit_code == 0
    rows = dict(line.split(",") for line in (tmp_path / "gold.csv").read_text().splitlines())
    assert rows["7.00"] == ""
    assert float(rows["11.00"]) == pytest.approx(np.sin(11.0) + 1, abs=1e-4)


def test_raters_who_disagree_are_warned_of(tmp_path):
    time_s, rng = np.arange(500) / RATE_HZ, np.random.default_rng(0)
    paths = [save(tmp_path / f"{name}.csv", time_s, rng.normal(size=500)) for name in "abcd"]
    done = call(*paths, "-o", tmp_path / "gold.csv", "--method", "mean")
    assert done.exit_code == 0
    assert "warning: Cronbach's alpha" in done.output


def test_who_never_moves_is_told_as_such(tmp_path):
    time_s = np.arange(500) / RATE_HZ
    paths = [save(tmp_path / f"{name}.csv", time_s, np.full(500, 0.3)) for name in "abc"]
    done = call(*paths, "-o", tmp_path / "gold.csv")
    assert done.exit_code == 0, done.output
    assert [f"warning: {name} never moves" in done.output for name in "abc"] == [True] * 3
    assert "outlier)" not in done.output


def test_agreement_that_is_not_known_is_no_figure(tmp_path):
    time_s, rng = np.arange(1500) / RATE_HZ, np.random.default_rng(0)
    for rater, name in enumerate("abc"):
        values = np.sin(time_s) + 0.1 * rng.normal(size=1500)
        kept = np.arange(1500) // 500 != rater
        save(tmp_path / f"{name}.csv", time_s[kept], values[kept])
    done = call(*(tmp_path / f"{name}.csv" for name in "abc"), "-o", tmp_path / "gold.csv")
    assert done.exit_code == 0, done.output
    assert "Cronbach's alpha       -        -\n  -: no two frames were rated by all" in done.output
    assert "nan" not in done.output
    assert "warning" not in done.output


def test_a_corpus(tmp_path):
    time_s = np.arange(251) * 0.04
    rng = np.random.default_rng(0)
    for recording in ("P16", "P17"):
        for target in ("arousal", "valence"):
            values = np.clip(np.sin(time_s)[:, None] * 0.5 + 0.1 * rng.normal(size=(251, 6)), -1, 1)
            folder = tmp_path / "root" / recola.LABELS_FOLDER / target
            recola.write_ratings(folder / f"{recording}.csv", Ratings(time_s, values, recola.RATERS, target))
        (tmp_path / "root" / recola.AUDIO_FOLDER).mkdir(exist_ok=True, parents=True)
        (tmp_path / "root" / recola.AUDIO_FOLDER / f"{recording}.wav").touch()
    arguments = ["--corpus", "recola", tmp_path / "root", "-o", tmp_path / "out", "--method", "avec2016"]
    done = call(*arguments, "--target", "arousal")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["P16.csv", "P17.csv"]
    again = call(*arguments, "--target", "arousal")
    assert again.exit_code == 1
    assert "2 of 2 recordings failed" in again.output
    assert call(*arguments).exit_code == 2
    assert "--target arousal or valence" in call(*arguments).output
    lost = tmp_path / "root" / recola.LABELS_FOLDER / "valence" / "P16.csv"
    lost.unlink()
    partly = call(*arguments[:3], "-o", tmp_path / "valence", "--method", "avec2016", "--target", "valence")
    assert partly.exit_code == 1
    assert f"1 of 2 recordings failed:\n  {lost}: " in partly.output
    assert [path.name for path in (tmp_path / "valence").iterdir()] == ["P17.csv"]


def test_a_corpus_of_any_targets(tmp_path):
    manifest_tree.make(tmp_path)
    (tmp_path / "manifest.csv").write_text("id,dominance\nanna,traces/anna_arousal.csv\n")
    arguments = ["--corpus", "manifest", tmp_path / "manifest.csv", "-o", tmp_path / "out", "--method", "mean"]
    assert "--corpus manifest: add --target dominance" in call(*arguments, "--target", "arousal").output
    done = call(*arguments, "--target", "dominance")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "anna.csv").exists()


def test_mistakes_are_one_line(panel, tmp_path):
    broken = tmp_path / "broken.csv"
    broken.write_text("time,value\n0,1\n0.04,oops\n")
    for arguments in (
        [broken, "-o", tmp_path / "a.csv"],
        [tmp_path / "none.csv", "-o", tmp_path / "a.csv"],
        [*panel[0], "-o", panel[0][0]],
        [*panel[0], "-o", tmp_path / "a.csv", "--scale", "0", "1"],
        [*panel[0], "-o", tmp_path / "a.csv", "--driver", broken],
        [*panel[0], "-o", tmp_path / "a.csv", "--rate-hz", "0"],
        [*panel[0], "-o", tmp_path / "a.csv", "--rate-hz", "-3"],
        [*panel[0], "-o", tmp_path / "a.csv", "--rate-hz", "nan"],
        [*panel[0], "-o", tmp_path / "a.csv", "--max-gap-s", "nan"],
        [*panel[0], "-o", tmp_path / "a.csv", "--lag", "nan"],
        [*panel[0], "-o", tmp_path / "a.csv", "--lag", "inf"],
        [*panel[0], "-o", tmp_path / "a.csv", "--scale", "-inf", "inf"],
        [panel[1], "-o", tmp_path / "a.csv", "--corpus", "nothing"],
    ):
        done = call(*arguments)
        assert done.exit_code == 2, done.output
        assert done.output.count("\n") <= 1, done.output
        assert done.output.startswith("emotrace: ")
    assert not (tmp_path / "a.csv").exists()


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("name", ["fresh.png", "fresh.PNG"])
def test_the_csv_is_never_its_own_picture(panel, tmp_path, name, force):
    done = call(*panel[0], "-o", tmp_path / name, "--png", *force)
    assert done.exit_code == 2, done.output
    assert done.output.startswith(f"emotrace: {tmp_path / name}: -o names the CSV, such as ")
    assert done.output.count("\n") == 1
    assert not list(tmp_path.glob("fresh*"))


@pytest.mark.parametrize("png", [[], ["--png"]])
def test_outputs_that_are_folders_are_refused_before_anything_is_read(tmp_path, monkeypatch, png):
    (tmp_path / "gold.png").mkdir()
    monkeypatch.chdir(tmp_path)
    for out in (tmp_path, ".", *(["gold.csv"] if png else [])):
        done = call("none.csv", "-o", out, *png)
        assert done.exit_code == 2, done.output
        assert "is a folder; name a file in it" in done.output
        assert done.output.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["gold.png"]


def test_help_names_every_method():
    assert importlib.import_module("emotrace.cli.gold")._METHODS == standard.METHODS


def test_names_with_slashes_are_files_in_the_folder(tmp_path):
    root = manifest_tree.make(tmp_path / "root")
    rows = (root / "manifest.csv").read_text().replace("anna,", "../../evil,").replace("bert,", "audio/bert.wav,")
    (root / "manifest.csv").write_text(rows)
    done = call("--corpus", "manifest", root, "--target", "arousal", "-o", tmp_path / "a/out", "--method", "mean")
    assert sorted(path.name for path in (tmp_path / "a/out").iterdir()) == [".._.._evil.csv", "audio_bert.wav.csv"]
    assert "1 of 4 recordings failed" in done.output  # cora has a gold standard and no raters
    (root / "manifest.csv").write_text(rows.replace("cora,", "audio_bert.wav,"))
    done = call("--corpus", "manifest", root, "--target", "arousal", "-o", tmp_path / "b")
    assert (done.exit_code, (tmp_path / "b").exists()) == (2, False)
    assert "another recording's file would be called audio_bert.wav, too" in done.output


def test_recordings_without_labels_are_left_out_and_named(tmp_path):
    done = call("--corpus", "avec2016", avec2016_tree.make(tmp_path / "root"), "--target", "arousal", "-o", tmp_path)
    assert done.exit_code == 0, done.output
    assert "without ratings of arousal, left out: test_1" in done.output
    root = manifest_tree.make(tmp_path / "mine")
    (root / "manifest.csv").write_text("id,arousal,valence\nx,traces/anna_arousal.csv,\ny,,\n")
    done = call("--corpus", "manifest", root, "--target", "valence", "-o", tmp_path)
    assert done.exit_code == 2
    assert "--corpus manifest: add --target arousal" in done.output


def test_a_fault_of_a_recording_names_it(tmp_path):
    (tmp_path / "z.csv").write_text("time,a,b\n0,0,0\n0.1,0.2,0.1\n0.25,0.1,0\n")
    (tmp_path / "manifest.csv").write_text("id,arousal\nzoe,z.csv\n")
    done = call("--corpus", "manifest", tmp_path, "--target", "arousal", "-o", tmp_path / "out")
    assert "zoe: arousal: frames do not come at equal steps" in done.output


def test_a_manifest_with_a_hole_is_fused(tmp_path):
    rows = manifest_tree.raters(rate_hz=10, seconds=30).splitlines()
    kept = [row for row in rows if not (row[0].isdigit() and 8 < float(row.split(";")[0]) < 22)]
    (tmp_path / "z.csv").write_text("\n".join(kept) + "\n")
    (tmp_path / "manifest.csv").write_text("id,arousal\nzoe,z.csv\n")
    done = call("--corpus", "manifest", tmp_path, "--target", "arousal", "-o", tmp_path / "out", "--method", "mean")
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "out/zoe.csv").read_text().splitlines()
    assert (len(lines), lines[1 + 150]) == (301, "15.00,")


@pytest.mark.parametrize("option", [("--rate-hz", 25), ("--resample", "hold"), ("--max-gap-s", 2)])
def test_a_corpus_is_not_resampled_and_says_so(tmp_path, option):
    root = manifest_tree.make(tmp_path / "root")
    done = call("--corpus", "manifest", root, "--target", "arousal", "-o", tmp_path / "out", *option)
    assert (done.exit_code, (tmp_path / "out").exists()) == (2, False)
    assert f"{option[0]} does not go with --corpus" in done.output
