import csv
import io
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from emotrace import running
from emotrace.cli import main
from emotrace.inference import predictor
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
    rows = list(csv.DictReader((here / "talk.csv").read_text().splitlines()))
    assert list(rows[0]) == ["time_s", "arousal", "valence", "arousal_sd", "valence_sd"]
    assert len(rows) == 50
    assert [row["time_s"] for row in rows[:3]] == ["0.00", "0.04", "0.08"]


def test_existing_output_is_kept_without_force(here):
    write(here / "talk.wav")
    (here / "talk.csv").write_text("mine")
    assert failing("predict", "talk.wav") == ["emotrace: talk.csv: exists already; choose another name or give --force"]
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
    assert "would both be written to one.wav.csv; give them to separate calls, with a folder each" in result.stderr
    assert files(here) == ["a/one.wav", "b/one.wav"]


def test_recordings_that_differ_in_their_ending_alone_keep_it(here):
    for name in ("one.wav", "one.flac", "two.wav"):
        write(here / "in" / name)
    assert call("predict", "in", "-o", "out").exit_code == 0
    assert files(here / "out") == ["one.flac.csv", "one.wav.csv", "two.csv"]


def test_a_recording_that_exists_is_no_pattern(here):
    write(here / "interview [final].wav")
    assert call("predict", "interview [final].wav", "-o", "interview.csv").exit_code == 0
    assert (here / "interview.csv").is_file()


@pytest.mark.parametrize("given", [["a.wav", "b.wav"], ["*.wav"], ["."]])
def test_several_recordings_do_not_go_into_one_file(here, given):
    write(here / "a.wav")
    write(here / "b.wav")
    result = call("predict", *given, "-o", "both.csv")
    assert result.exit_code == 2
    assert "-o both.csv: names a file, and these go into a folder; name one, such as -o traces" in result.stderr
    assert files(here) == ["a.wav", "b.wav"]


def test_a_dot_in_an_output_s_name_is_no_ending(here):
    write(here / "talk.wav")
    both = ("--format", "csv", "--format", "json")
    for out in ("P01.session2", "P01.session3", "P01.session4.csv"):
        assert call("predict", "talk.wav", "-o", out, *both).exit_code == 0
    names = [f"P01.session{number}.{kind}" for number in (2, 3, 4) for kind in ("csv", "json")]
    assert files(here) == [*names, "talk.wav"]


def test_an_ending_that_is_not_the_format(here):
    write(here / "talk.wav")
    result = call("predict", "talk.wav", "-o", "x.csv", "--format", "png")
    assert result.exit_code == 2
    assert "-o x.csv: its ending and --format png differ" in result.stderr


def test_what_is_no_output_is_not_kept_by_resume(here):
    for name in ("a", "b"):
        write(here / "in" / f"{name}.wav")
    (here / "out" / "a.csv").mkdir(parents=True)
    (here / "out" / "b.csv").touch()
    lines = failing("predict", "in", "-o", "out", "--resume", code=1)
    assert lines[-1].strip() == "out/a.csv: is a folder; name a file in it"
    assert len(Trace.from_csv("out/b.csv")) == 25


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
    assert files(here) == ["a.wav", "b.wav", "who.csv"]


def rttm(*turns):
    return "".join(f"SPEAKER {file} 1 0 9 <NA> <NA> {who} <NA> <NA>\n" for file, who in turns)


@pytest.mark.parametrize("backend", [[], ["--jobs", 2], ["--jobs", 2, "--backend", "ray"]])
def test_an_rttm_of_many_serves_a_folder(here, backend):
    if "ray" in backend:
        pytest.importorskip("ray", reason="the extra emotrace[ray] is not installed")
    for name in ("a.wav", "sub/b.flac"):
        write(here / "in" / name)
    (here / "all.rttm").write_text(rttm(("a", "Ann"), ("b.flac", "Bob"), ("c", "Cleo")))
    result = call("predict", "in", "-o", "out", "--speakers", "all.rttm", *backend)
    if "Ray cannot be started" in result.stderr:
        pytest.skip(result.stderr)
    assert result.exit_code == 0, result.output
    assert "speaker" not in result.stderr
    assert set(Trace.from_csv("out/a.csv").speaker) == {"Ann"}
    assert set(Trace.from_csv("out/sub/b.csv").speaker) == {"Bob"}


@pytest.mark.parametrize("others", [[], [("c", "Cleo")]])
def test_a_recording_that_the_rttm_does_not_name_fails_alone(here, others):
    for name in ("a", "b"):
        write(here / "in" / f"{name}.wav")
    (here / "all.rttm").write_text(rttm(("a", "Ann"), *others))
    lines = failing("predict", "in", "-o", "out", "--speakers", "all.rttm", code=1)
    assert lines[0] == "1 of 2 recordings failed:"
    assert "b.wav: all.rttm has no segment of a recording called b; rename the file or the field" in lines[1]
    assert files(here / "out") == ["a.csv"]


def test_recordings_of_one_name_share_no_speakers(here):
    for name in ("x/a", "y/a"):
        write(here / "in" / f"{name}.wav")
    (here / "all.rttm").write_text(rttm(("a", "Ann"), ("b", "Bob")))
    (line,) = failing("predict", "in", "-o", "out", "--speakers", "all.rttm")
    assert line.startswith("emotrace: all.rttm: a may be in/x/a.wav or in/y/a.wav")
    assert not (here / "out").exists()


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
        lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
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
    rows = list(csv.DictReader((here / "talk.csv").read_text().splitlines()))
    assert [rows[0]["speaker"], rows[-1]["speaker"]] == ["Ann", "Bob"]
    assert "who.wav" in failing("predict", "talk.wav", "--speakers", "who.wav", "--force")[0]


def test_speakers_of_another_recording_are_warned_of(here):
    write(here / "talk.wav", sound(4))
    (here / "far.csv").write_text("start_s,end_s,speaker\n100,200,Ann\n")
    (here / "other.rttm").write_text(rttm(("other", "Ann")))
    for name, says in (("far.csv", "no frame has a speaker"), ("other.rttm", "of a recording called other;")):
        result = call("predict", "talk.wav", "--speakers", name, "--force")
        assert result.exit_code == 0, result.output
        assert [says in line for line in result.stderr.splitlines() if "speaker" in line] == [True]


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
    # One utterance a speaker: nothing for raters to agree on.
    assert [line.split(":")[:2] for line in result.stderr.splitlines() if "agreement" in line] == [
        ["warning", " arousal"],
        ["warning", " valence"],
    ]
    assert failing("stitch", "ratings.csv", "corpus")[0].endswith("name a new folder")
    assert call("stitch", "ratings.csv", "other", "--split", "all").exit_code == 2
    assert failing("stitch", "none.csv", "other")[0].startswith("emotrace: none.csv: ")
    assert not (here / "other").exists()


def process(arguments, **kwargs):
    """A process of its own, whose standard streams are real ones."""
    return subprocess.run([sys.executable, "-m", "emotrace", "predict", *arguments], stderr=subprocess.PIPE, **kwargs)


@pytest.mark.parametrize("backend", ["processes", "ray"])
def test_jobs_change_nothing_but_the_time(here, backend):
    if backend == "ray":
        pytest.importorskip("ray", reason="the extra emotrace[ray] is not installed")
    for seed in range(3):
        write(here / "in" / f"{seed}.wav", sound(2 + seed))
    (here / "in" / "bad.wav").write_text("no sound")
    assert call("predict", "in", "-o", "one").exit_code == 1
    result = call("predict", "in", "-o", "two", "--jobs", 2, "--backend", backend)
    if "Ray cannot be started" in result.stderr:
        pytest.skip(result.stderr)
    assert result.exit_code == 1
    assert "1 of 4 recordings failed:" in result.stderr
    assert "bad.wav: is not audio" in result.stderr
    assert result.stdout.count("  arousal ") == 3
    assert files(here / "two") == ["0.csv", "1.csv", "2.csv"]
    for name in files(here / "two"):
        assert (here / "two" / name).read_bytes() == (here / "one" / name).read_bytes()


def test_resume_keeps_what_exists_and_writes_what_is_missing(here):
    for name in ("a", "b"):
        write(here / "in" / f"{name}.wav")
    (here / "a.csv").write_text("mine")
    result = call("predict", "in", "--resume")
    assert result.exit_code == 0
    assert "1 of 2 recordings were done before and are kept" in result.stderr
    assert (here / "a.csv").read_text() == "mine"
    assert len(Trace.from_csv("b.csv")) == 25
    assert call("predict", "in", "--resume", "--format", "csv", "--format", "json").exit_code == 0
    assert (here / "a.csv").read_text() == "mine"
    assert files(here) == ["a.csv", "a.json", "b.csv", "b.json", "in/a.wav", "in/b.wav"]
    assert call("predict", "in", "--resume").stdout == ""
    assert "one of the two" in call("predict", "in", "--resume", "--force").stderr


def test_a_recording_whose_process_was_killed_is_listed(here, monkeypatch):
    for name in ("a", "b"):
        write(here / "in" / f"{name}.wav")

    def each(work, jobs, *_):
        yield running.Done(jobs[0], error=running.WorkerLostError())
        yield running.Done(jobs[1], work(jobs[1]))

    monkeypatch.setattr(running, "each", lambda *args: each(*args))
    lines = failing("predict", "in", "-o", "out", "--jobs", 2, code=1)
    assert lines[0] == "1 of 2 recordings failed:"
    assert "a.wav: its process was killed" in lines[1]
    assert lines[1].endswith("lower --jobs, then --resume")
    assert files(here / "out") == ["b.csv"]


def test_what_nobody_foresaw_stops_one_recording_of_many_and_is_raised_for_one(here, monkeypatch):
    for name in ("a", "b"):
        write(here / "in" / f"{name}.wav")
    predict = predictor.predict

    def moody(source, **kwargs):
        if source.name == "a.wav":
            raise ZeroDivisionError("oh")
        return predict(source, **kwargs)

    monkeypatch.setattr(predictor, "predict", moody)
    lines = failing("predict", "in", "-o", "out", code=1)
    assert "a.wav: fails unexpectedly (ZeroDivisionError: oh)" in lines[1]
    assert files(here / "out") == ["b.csv"]
    with pytest.raises(ZeroDivisionError):
        call("predict", "in/a.wav")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_leaves_nothing_half_written_and_resume_goes_on(here, jobs):
    write(here / "first.wav", sound(3))
    os.mkfifo(here / "second.wav")  # a recording that never comes: whoever opens it waits
    given = ["predict", "first.wav", "second.wav", "-o", "out", "--jobs", str(jobs)]
    command = [sys.executable, "-m", "emotrace", *given]
    at_work = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "-> out" in at_work.stdout.readline()
    at_work.send_signal(signal.SIGINT)
    _, said = at_work.communicate()
    assert at_work.returncode == 130
    lines = [line for line in said.splitlines() if line and not line.startswith("warning: ")]
    assert lines == ["stopped; what is written is whole, and the same command with --resume goes on"]
    assert files(here / "out") == ["first.csv"]
    (here / "second.wav").unlink()
    write(here / "second.wav")
    assert "1 of 2" in call(*given, "--resume").stderr
    assert files(here / "out") == ["first.csv", "second.csv"]


def test_progress_says_files_speed_and_time_left(here, monkeypatch):
    from emotrace.cli import batch

    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(batch.sys, "stderr", terminal)
    jobs = [batch.Job(write(here / f"{name}.wav"), {}) for name in "ab"]
    with batch._Progress(jobs) as progress:
        for job in jobs:
            progress.clear()
            progress.advance(job, batch.Report("", (), 3600.0))
    assert "1 of 2 files" in terminal.getvalue()
    assert "50%" in terminal.getvalue()
    assert "times real time" in terminal.getvalue()


def test_standard_input(here):
    path = write(here / "in" / "talk.wav", sound(2))
    with path.open("rb") as recording:
        assert process(["-"], stdin=recording).returncode == 0
    call("predict", "in/talk.wav")
    assert (here / "stdin.csv").read_bytes() == (here / "talk.csv").read_bytes()
    piped = process(["-", "-o", "-"], input=path.read_bytes(), stdout=subprocess.PIPE)
    assert piped.stdout == (here / "talk.csv").read_bytes()
    empty = process(["-", "-o", "none.csv"], input=b"", stdout=subprocess.PIPE)
    assert empty.returncode == 2
    assert empty.stderr.decode().startswith("emotrace: <stdin>: is empty")
    assert "separate call" in call("predict", "-", "in").stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
@pytest.mark.parametrize("arguments", [["-o", "-"], []], ids=["trace", "summary"])
def test_standard_output_on_a_full_disk_is_one_line(here, arguments):
    write(here / "talk.wav")
    with open("/dev/full", "w") as full:
        done = process(["talk.wav", *arguments], stdout=full)
    assert done.returncode == 2
    assert (
        done.stderr.decode()
        .splitlines()[-1]
        .startswith("emotrace: standard output: cannot be written (No space left on device)")
    )
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_standard_output_whose_reader_has_gone(here):
    write(here / "talk.wav", sound(30))
    reader, writer = os.pipe()
    os.close(reader)
    done = process(["talk.wav", "-o", "-"], stdout=writer)
    os.close(writer)
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if not line.startswith(b"warning: ")] == []


def test_a_damaged_recording_warns_once_with_its_picture(here):
    data = write(here / "talk.flac", sound(20)).read_bytes()
    (here / "talk.flac").write_bytes(data[: len(data) // 2])
    result = call("predict", "talk.flac", "--format", "png", "--format", "csv")
    assert result.exit_code == 0
    assert result.stderr.count("damaged after") == 1
