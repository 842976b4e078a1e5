import csv
import io
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from emotrace.cli import main
from emotrace.trace import Trace

RATE_HZ = 16000


def sound(seconds=1.0, channels=1, rate_hz=RATE_HZ):
    rng = np.random.default_rng(1)
    values = 0.1 * rng.normal(size=(round(seconds * rate_hz), channels))
    return np.clip(values, -1, 1)


def write(path, samples=None, rate_hz=RATE_HZ, subtype="PCM_16"):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound() if samples is None else samples, rate_hz, subtype=subtype)
    return path


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def failing(*arguments, code=2):
    """The one line that a failing call prints on standard error."""
    result = call(*arguments)
    assert result.exit_code == code, result.output
    lines = [line for line in result.stderr.splitlines() if line.strip() and not line.startswith("warning: ")]
    assert "Traceback" not in result.output
    return lines


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_recording_becomes_a_csv_where_one_stands(here):
    write(here / "in" / "talk.wav", sound(2))
    result = call("predict", "in/talk.wav")
    assert result.exit_code == 0
    assert "talk.wav  0:02  arousal" in result.stdout
    assert "-> talk.csv" in result.stdout
    rows = list(csv.DictReader((here / "talk.csv").open()))
    assert list(rows[0]) == ["time_s", "arousal", "valence", "arousal_sd", "valence_sd"]
    assert len(rows) == 50
    assert [row["time_s"] for row in rows[:3]] == ["0.00", "0.04", "0.08"]


def test_existing_output_is_kept_without_force(here):
    write(here / "talk.wav")
    (here / "talk.csv").write_text("mine")
    assert failing("predict", "talk.wav") == [
        "emotrace: talk.csv: exists already; choose another name with -o or give --force"
    ]
    assert (here / "talk.csv").read_text() == "mine"
    assert call("predict", "talk.wav", "--force").exit_code == 0
    assert len(Trace.from_csv("talk.csv")) == 25


@pytest.mark.parametrize("kind", ["csv", "json", "png"])
def test_formats_by_ending_and_by_option(here, kind):
    write(here / "talk.wav")
    assert call("predict", "talk.wav", "-o", f"a.{kind}").exit_code == 0
    assert call("predict", "talk.wav", "-o", "b", "--format", kind).exit_code == 0
    assert (here / f"a.{kind}").read_bytes() == (here / "b").read_bytes()


def test_several_formats_at_once(here):
    write(here / "talk.wav")
    assert call("predict", "talk.wav", "-o", "out/", "--format", "csv", "--format", "png").exit_code == 0
    assert files(here) == ["out/talk.csv", "out/talk.png", "talk.wav"]


def test_json_holds_what_csv_holds(here):
    write(here / "talk.wav")
    assert call("predict", "talk.wav", "--format", "csv", "--format", "json").exit_code == 0
    np.testing.assert_allclose(Trace.from_json("talk.json").values, Trace.from_csv("talk.csv").values)


def test_folders_keep_their_tree_and_globs_work(here):
    for name in ("a/one.wav", "b/one.wav", "b/two.flac"):
        write(here / "in" / name)
    assert call("predict", "in", "-o", "out").exit_code == 0
    assert files(here / "out") == ["a/one.csv", "b/one.csv", "b/two.csv"]
    assert call("predict", "in/b/*", "-o", "flat").exit_code == 0
    assert files(here / "flat") == ["one.csv", "two.csv"]


def test_two_inputs_never_share_an_output(here):
    write(here / "a" / "one.wav")
    write(here / "b" / "one.wav")
    result = call("predict", "a/one.wav", "b/one.wav")
    assert result.exit_code == 2
    assert "would both be written to one.csv" in result.stderr
    assert not (here / "one.csv").exists()


def test_an_input_given_twice_is_done_once(here):
    write(here / "one.wav")
    assert call("predict", "one.wav", "one.wav", "-o", "out/").stdout.count("one.wav") == 1
    assert files(here / "out") == ["one.csv"]


def test_a_missing_input_does_not_stop_the_others(here):
    write(here / "good.wav")
    lines = failing("predict", "missing.wav", "good.wav", "-o", "out", code=1)
    assert files(here / "out") == ["good.csv"]
    assert "missing.wav" in lines[1]


def test_one_speakers_file_is_not_laid_over_several_recordings(here):
    write(here / "a.wav")
    write(here / "b.wav")
    (here / "who.csv").write_text("start_s,end_s,speaker\n0,2,Ann\n")
    assert "one recording" in failing("predict", "a.wav", "b.wav", "--speakers", "who.csv")[0]


def test_a_recording_is_never_written_over(here):
    path = write(here / "a.wav")
    before = path.read_bytes()
    assert "is the recording itself" in failing("predict", "a.wav", "-o", "a.wav", "--format", "csv", "--force")[0]
    assert path.read_bytes() == before


def test_odd_names(here):
    write(here / "a$\\x^^$.wav")
    assert call("predict", "a$\\x^^$.wav", "-o", "m.png").exit_code == 0
    assert len(failing("predict", "x" * 300)) == 1


def test_good_files_are_done_and_bad_ones_listed(here):
    write(here / "in" / "good.wav")
    (here / "in" / "text.wav").write_text("no sound at all")
    (here / "in" / "empty.flac").write_bytes(b"")
    lines = failing("predict", "in", "-o", "out", code=1)
    assert files(here / "out") == ["good.csv"]
    assert lines[0] == "2 of 3 recordings failed:"
    assert {"text.wav" in line or "empty.flac" in line for line in lines[1:]} == {True}
    assert len(lines) == 3


@pytest.mark.parametrize(
    "make",
    [
        lambda path: None,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("dear diary, " * 500),
        lambda path: path.write_bytes(os.urandom(5000)),
        lambda path: path.mkdir(),
        lambda path: write(path, np.zeros((0, 1))),
        lambda path: write(path, sound(0.03)),
        lambda path: write(path, np.where(np.arange(RATE_HZ) == 8000, np.nan, 0.1), subtype="FLOAT"),
        lambda path: write(path, np.where(np.arange(RATE_HZ) == 8000, np.inf, 0.1), subtype="FLOAT"),
        lambda path: path.write_bytes(write(path).read_bytes()[:20]),
    ],
    ids=["missing", "empty", "text", "noise bytes", "folder", "no samples", "30 ms", "NaN", "Inf", "cut header"],
)
def test_bad_audio_is_one_line_and_leaves_nothing(here, make):
    path = here / "bad.wav"
    make(path)
    before = files(here)
    lines = failing("predict", "bad.wav", "-o", "out.csv")
    assert len(lines) == 1
    assert lines[0].startswith("emotrace: bad.wav: ")
    assert files(here) == before


@pytest.mark.parametrize(
    ("rate_hz", "channels", "subtype"),
    [(8000, 1, "PCM_16"), (96000, 2, "PCM_24"), (44100, 8, "FLOAT"), (16000, 1, "PCM_U8"), (11025, 1, "ULAW")],
)
def test_any_rate_width_and_channel_count(here, rate_hz, channels, subtype):
    write(here / "talk.wav", sound(2, channels, rate_hz), rate_hz, subtype)
    assert call("predict", "talk.wav").exit_code == 0
    assert abs(len(Trace.from_csv("talk.csv")) - 50) <= 1


def test_a_truncated_wav_gives_what_is_there(here):
    data = write(here / "talk.wav", sound(4)).read_bytes()
    (here / "talk.wav").write_bytes(data[: len(data) // 2])
    assert call("predict", "talk.wav").exit_code == 0
    assert len(Trace.from_csv("talk.csv")) == 49


def test_silence_warns_and_still_gives_a_trace(here):
    write(here / "talk.wav", np.zeros(10 * RATE_HZ))
    result = call("predict", "talk.wav")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: talk.wav: ")
    assert np.isfinite(Trace.from_csv("talk.csv").values).all()


def test_unwritable_outputs(here):
    write(here / "talk.wav")
    (here / "file").write_text("")
    assert failing("predict", "talk.wav", "-o", "file/out.csv")[0].startswith("emotrace: file: cannot be made a folder")
    assert failing("predict", "talk.wav", "-o", "file/")[0].startswith("emotrace: file: cannot be made a folder")
    assert files(here) == ["file", "talk.wav"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
@pytest.mark.parametrize("kind", ["csv", "json", "png"])
def test_a_full_disk(here, kind):
    write(here / "talk.wav")
    assert failing("predict", "talk.wav", "-o", "/dev/full", "--format", kind, "--force")[0].startswith(
        "emotrace: /dev/full: cannot be written (No space left on device)"
    )


def test_usage_errors(here):
    write(here / "talk.wav")
    assert call("predict").exit_code == 2
    assert "the endings are .csv" in call("predict", "talk.wav", "-o", "out.doc").stderr
    assert "downup" in failing("predict", "talk.wav", "--model", "nonsense")[0]
    assert call("predict", "talk.wav", "--format", "doc").exit_code == 2


def test_a_folder_without_audio(here):
    (here / "in").mkdir()
    (here / "in" / "notes.txt").write_text("")
    assert failing("predict", "in")[0].startswith("emotrace: in: ")


def test_speakers(here):
    write(here / "talk.wav", sound(4))
    (here / "who.csv").write_text("start_s,end_s,speaker\n0,2,Ann\n2,4,Bob\n")
    assert call("predict", "talk.wav", "--speakers", "who.csv").exit_code == 0
    rows = list(csv.DictReader((here / "talk.csv").open()))
    assert [rows[0]["speaker"], rows[-1]["speaker"]] == ["Ann", "Bob"]
    assert "who.wav" in failing("predict", "talk.wav", "--speakers", "who.wav", "--force")[0]


def test_standard_output_carries_the_csv_alone(here):
    write(here / "talk.wav")
    done = subprocess.run(
        [sys.executable, "-m", "emotrace", "predict", "talk.wav", "-o", "-"], capture_output=True, text=True, check=True
    )
    assert len(Trace.from_csv(io.StringIO(done.stdout))) == 25
    assert "talk.wav" in done.stderr


def test_lists():
    assert "downup: arousal, valence" in call("models").stdout
    assert "logmel: 160 values at 25 Hz" in call("features").stdout
    assert "recola" in call("corpora").stdout
    assert "citation: " in call("corpora", "recola").stdout
    assert "recola" in failing("corpora", "nonsense")[0]


def test_help_and_version():
    help_text = call("--help").stdout
    assert help_text.index("predict") < help_text.index("train")
    assert call("--version").exit_code == 0


def test_predict_starts_without_what_it_does_not_need():
    code = "import sys, emotrace.cli; sys.exit(any(m in sys.modules for m in ('torch', 'matplotlib', 'onnxruntime')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_stitch_and_its_errors(here):
    for index in range(4):
        write(here / f"{index}.wav")
    rows = [f"{i}.wav,s{i},0.{i},-0.{i}" for i in range(4)]
    (here / "ratings.csv").write_text("\n".join(["file,speaker,arousal_mean,valence_mean", *rows]) + "\n")
    result = call("stitch", "ratings.csv", "corpus", "--duration", "30", "--split", "2/1/1")
    assert result.exit_code == 0, result.output
    assert "arousal: mean pairwise CCC" in result.stdout
    assert (here / "corpus" / "partition.csv").read_text().count("train") == 2
    assert failing("stitch", "ratings.csv", "corpus")[0].endswith("name a new folder")
    assert call("stitch", "ratings.csv", "other", "--split", "all").exit_code == 2
    assert failing("stitch", "none.csv", "other")[0].startswith("emotrace: none.csv: ")
    assert not (here / "other").exists()
