"""Pages that stand alone: everything is inside, nothing is fetched, what was given cannot run."""

import base64
import gzip
import io
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from emotrace import report
from emotrace.cli import main
from emotrace.errors import EmotraceError
from emotrace.inference import model
from emotrace.trace import Trace

pytest.importorskip("plotly", reason="needs emotrace[web]")

ROOT = Path(__file__).parents[1]
EVIL = "</script><img src=x onerror=alert(1)>.wav"


def example(frames=250, **kwargs):
    phase = np.linspace(0, 9, frames)
    values = 0.9 * np.column_stack([np.sin(phase), np.cos(phase)])
    return Trace(np.arange(frames) * 0.04, values, spread=np.full((frames, 2), 0.1), **kwargs)


def inside(page, name):
    return re.search(rf'<script type="application/octet-stream" id="{name}">([^<]*)</script>', page)[1].strip()


def data(page):
    return json.loads(gzip.decompress(base64.b64decode(inside(page, "data"))))


def call(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments], catch_exceptions=False)


def test_content_is_the_trace_and_what_is_said_of_it():
    trace = example()
    told = report.content(trace, "a.wav", model.load(), ["odd"], np.array([[-0.5, 0.5]]))
    np.testing.assert_allclose(told["arousal"], trace["arousal"], atol=5.1e-5)
    assert told["summary"]["valence"]["spread"] == pytest.approx(0.1)
    assert told["waveform"] == {"low": [-0.5], "high": [0.5]}
    assert told["warnings"] == ["odd"]
    assert told["model"]["sees_after_s"] == 12.8
    json.dumps(told)


def test_a_page_holds_trace_sound_and_plotting_and_fetches_nothing():
    trace = example()
    sound = np.sin(np.arange(160_000) / 8).astype(np.float32) * 0.3
    page = report.recording(report.content(trace, "a.wav"), [sound[:70_000], sound[70_000:]])
    assert data(page)["valence"] == report.content(trace, "a.wav")["valence"]
    assert gzip.decompress(base64.b64decode(inside(page, "plotting"))) == report.plotting_code()
    heard, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(inside(page, "sound"))))
    assert rate_hz == 16000
    assert len(heard) == pytest.approx(160_000, abs=4000)
    outside = re.sub(r"<script type.*?</script>", "", page, flags=re.DOTALL)
    assert not re.findall(r'(?:src|href)="(?!data:)', outside)
    assert "http" not in re.sub(r"http-equiv", "", outside)


def test_a_minute_costs_a_third_of_a_megabyte():
    minute = np.random.default_rng(0).normal(scale=0.1, size=60 * 16000).astype(np.float32)
    small = report.recording(report.content(example(), "a"), [minute[:16000]])
    large = report.recording(report.content(example(1500), "a"), [minute])
    assert len(small) < 2.3e6
    assert len(large) - len(small) < 0.4e6


def test_long_sound_is_left_out(monkeypatch):
    monkeypatch.setattr(report, "SOUND_LIMIT_S", 5.0)
    blocks = iter([np.zeros(16000, np.float32)])
    assert inside(report.recording(report.content(example(), "a"), blocks), "sound") == ""
    assert next(blocks, None) is not None, "nor is it read"


def test_names_and_warnings_cannot_become_code():
    page = report.recording(report.content(example(speaker=[EVIL.replace("\n", "")] * 250), EVIL, None, [EVIL]))
    assert "<img src=x" not in page
    entry = report.study_entry(example(), EVIL, 'x" onclick="alert(1)')
    study = report.study([entry], EVIL)
    assert "<img src=x" not in study
    assert '" onclick="' not in study


def test_a_study_counts_frames_and_keeps_courses():
    entry = report.study_entry(example(1000), "a")
    assert sum(entry["counts"]["arousal"]) == 1000
    assert len(entry["course"]["valence"]) == 120
    assert len(report.study_entry(example(7), "a")["course"]["valence"]) == 7
    page = report.study([entry, report.study_entry(example(), "b", "b.html")], "Study")
    assert page.count("<polyline") == 4
    assert '<a href="b.html">b</a>' in page
    assert [each["name"] for each in data(page)] == ["a", "b"]


def test_a_study_of_nothing_or_of_different_things():
    with pytest.raises(EmotraceError, match="no recording to report"):
        report.study([], "x")
    other = Trace([0.0], [[3.0, 3.0]], unit_range=(1, 5))
    with pytest.raises(EmotraceError, match="b: has another scale than a"):
        report.study([report.study_entry(example(), "a"), report.study_entry(other, "b")], "x")


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (754, "12:34"), (3725, "1:02:05")])
def test_clock(seconds, text):
    assert report.clock(seconds) == text


def test_without_plotly_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(EmotraceError, match=r'pip install "emotrace\[web\]"'):
        report.plotting_code()


@pytest.fixture
def traces(tmp_path):
    sound = 0.1 * np.random.default_rng(0).normal(size=32000)
    for name in ("one", "deep/er two"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "in" / f"{name}.wav", sound, 16000)
    assert (
        call("predict", tmp_path / "in", "-o", tmp_path / "out", "--format", "csv", "--format", "html").exit_code == 0
    )
    return tmp_path / "out"


def test_predict_writes_pages_and_report_links_to_them(traces):
    page = (traces / "one.html").read_text()
    told = data(page)
    assert told["name"] == "one.wav"
    assert len(told["warnings"]) == 1, "noise is no speech"
    assert not told["warnings"][0].startswith("/")
    result = call("report", traces, "-o", traces / "study.html")
    assert (result.exit_code, result.stdout) == (0, f"{traces}/study.html: 2 recordings\n")
    study = (traces / "study.html").read_text()
    assert '<a href="one.html">one</a>' in study
    assert '<a href="deep/er%20two.html">deep/er two</a>' in study


def test_report_refuses_in_one_line(traces, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.csv").write_text("hello\n")
    for arguments, text in (
        ((tmp_path / "none", "-o", tmp_path / "a.html"), "no such file or folder"),
        ((tmp_path / "empty", "-o", tmp_path / "a.html"), "no .csv or .json in this folder"),
        ((tmp_path / "bad.csv", "-o", tmp_path / "a.html"), "bad.csv"),
        ((traces, "-o", traces / "one.html"), "exists already"),
    ):
        result = call("report", *arguments)
        assert result.exit_code == 2
        assert text in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "a.html").exists()


def test_json_traces_are_reported_too_and_one_recording_once(traces):
    Trace.from_csv(traces / "one.csv").to_json(traces / "one.json")
    result = call("report", traces, traces / "one.csv", "-o", traces / "study.html")
    assert "2 recordings" in result.output


def test_what_is_no_trace_in_a_folder_is_left_out(traces):
    (traces / "participants.csv").write_text("name,age\nA,30\n")
    result = call("report", traces, "-o", traces / "new" / "study.html")
    assert (result.exit_code, result.stdout) == (0, f"{traces}/new/study.html: 2 recordings\n")
    left, without = result.stderr.splitlines()
    assert left.startswith(f"left out: {traces}/participants.csv, line 1: no column time_s")
    assert without.startswith("warnings are not shown of 2 of 2 recordings")


def test_a_study_shows_the_warnings_that_json_holds(traces, tmp_path):
    result = call("predict", tmp_path / "in" / "one.wav", "-o", traces, "--format", "json")
    assert result.exit_code == 0
    (said,) = Trace.from_json(traces / "one.json").warnings
    assert said.startswith("no speech found")
    result = call("report", traces, "-o", traces / "study.html")
    assert (traces / "study.html").read_text().count('<p class="note">no speech found') == 1
    assert result.stderr.startswith("warnings are not shown of 1 of 2 recordings, whose traces are CSV")
    both = call("report", traces / "one.csv", traces / "one.json", "-o", traces / "json.html")
    assert (both.stdout, both.stderr) == (f"{traces}/json.html: 1 recording\n", "")


def test_a_name_that_is_no_text_is_shown(tmp_path):
    sound = 0.1 * np.random.default_rng(0).normal(size=32000)
    folder = tmp_path / os.fsdecode(b"Gespr\xe4che")
    folder.mkdir()
    soundfile.write(os.fsencode(folder / "eins.wav"), sound, 16000)
    os.rename(os.fsencode(folder / "eins.wav"), os.fsencode(folder) + b"/Gespr\xe4ch.wav")
    formats = (f"--format={kind}" for kind in ("json", "png", "html"))
    result = call("predict", folder, "-o", folder, *formats)
    assert (result.exit_code, "Gespr\ufffdch.wav" in result.stdout) == (0, True)
    assert call("report", folder, "-o", tmp_path / "study.html").exit_code == 0
    assert "Gespr\ufffdch" in (tmp_path / "study.html").read_text()
