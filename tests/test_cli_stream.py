"""`emotrace stream`: lines as sound comes, and how it ends."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from emotrace import audio
from emotrace.cli import main
from emotrace.cli.stream import _Interrupts, _is_mp3
from emotrace.inference.streaming import Stream

ROOT = Path(__file__).parents[1]
RATE_HZ = 16000
COMMAND = [sys.executable, "-m", "emotrace", "stream", "--model"]


@pytest.fixture(scope="module")
def speech():
    return audio.load(ROOT / "examples" / "demo.flac")[: 2 * RATE_HZ]


def call(data, *arguments):
    return CliRunner().invoke(main, ["stream", "--model", "downup", *arguments], input=data, catch_exceptions=False)


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_a_frame_with_its_latency(speech):
    given = rows(call(speech.astype("<f4").tobytes(), "--format", "f32le").stdout)
    stream = Stream("downup")
    stream.push(speech)
    trace = stream.finish()
    assert [row["time_s"] for row in given] == pytest.approx([0.04 * n for n in range(50)])
    assert set(given[0]) == {"time_s", "arousal", "valence", "arousal_sd", "valence_sd", "latency_s"}
    assert [row["arousal"] for row in given] == pytest.approx(trace["arousal"], abs=1e-4)
    assert given[0]["latency_s"] == pytest.approx(stream.latency_s, abs=1e-4)


def test_rate_channels_and_integers(speech):
    both = np.repeat((speech * 32767).astype("<i2"), 2)
    assert len(rows(call(both.tobytes(), "--channels", "2").stdout)) == 50
    assert len(rows(call(both.tobytes(), "--rate", "32000").stdout)) == 50
    assert call(b"").stdout == ""


def test_an_input_that_ends_within_a_sample_is_reported(speech):
    result = call((speech * 32767).astype("<i2").tobytes() + b"\0", "--channels", "2")
    assert result.exit_code == 0
    assert len(rows(result.stdout)) == 25
    assert "its last 1 of 4 bytes are left out" in result.stderr


def test_a_bad_sample_is_named(speech):
    bad = speech.copy()
    bad[8000] = np.inf
    result = call(bad.astype("<f4").tobytes(), "--format", "f32le")
    assert result.exit_code == 2
    assert "the sample at 0.500 s is inf" in result.stderr
    assert "or give another --format than f32le" in result.stderr
    assert result.stderr.count("\n") == 1


def test_integers_that_are_read_as_floats_are_an_error_that_names_the_format(speech):
    result = call((speech * 32767).astype("<i2").tobytes(), "--format", "f32le")
    assert result.exit_code == 2
    assert result.stderr.endswith("or give another --format than f32le\n")


def test_a_bad_sample_of_a_microphone_is_no_question_of_format(monkeypatch):
    broken = Microphone(RATE_HZ, 640, None, 1, "float32")
    broken.read = lambda frames: (np.full((frames, 1), np.nan, np.float32), False)
    sounddevice(monkeypatch, lambda *_: broken)
    result = call(None, "--microphone")
    assert result.exit_code == 2
    assert result.stderr == "emotrace: live audio: the sample at 0.000 s is nan; repair or export it again\n"


def test_what_is_no_speech_is_said_once_and_when_it_is_over():
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(21 * RATE_HZ) / RATE_HZ)
    sound = np.concatenate([tone, audio.load(ROOT / "examples" / "demo.flac")[: 16 * RATE_HZ]])
    result = call((sound * 32767).astype("<i2").tobytes(), "--model", "live")
    assert result.exit_code == 0
    assert len(rows(result.stdout)) == 37 * 25
    began, over = result.stderr.splitlines()
    assert began.startswith("warning: at 10.0 s: no speech found: 0.0 s of 10.0 s are louder")
    assert re.fullmatch(r"at (2\d|3[01])\.\d s: the warning is over", over)


def encoded(kind, rate_hz=RATE_HZ, **settings):
    file = io.BytesIO()
    tone = 0.3 * np.sin(np.arange(rate_hz) * 0.1)
    soundfile.write(file, tone, rate_hz, format=kind, **settings)
    return file.getvalue()


@pytest.mark.parametrize(
    "kind", ["a WAV", "an RF64", "a W64", "an AIFF", "a CAF", "an AU", "a FLAC", "an Ogg", "an MP3"]
)
def test_a_file_is_not_taken_for_samples(kind):
    result = call(encoded(kind.split()[1].upper()))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"standard input is {kind} file, not raw PCM" in result.stderr


@pytest.mark.parametrize(("suffix", "kind"), [("mp4", "an MP4"), ("mov", "an MP4"), ("webm", "a Matroska or WebM")])
def test_a_video_is_not_taken_for_samples(tmp_path, suffix, kind):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / f"a.{suffix}"), "w") as muxer:
        stream = muxer.add_stream("libopus" if suffix == "webm" else "aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            muxer.mux(packet)
    assert f"standard input is {kind} file" in call((tmp_path / f"a.{suffix}").read_bytes()).stderr


@pytest.mark.parametrize("rate_hz", [8000, 11025, 22050, 24000, 32000, 44100, 48000])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_an_mp3_without_tags_is_known_by_its_frames(rate_hz, mode):
    data = encoded("MP3", rate_hz, bitrate_mode=mode)
    assert data[0] == 0xFF
    assert _is_mp3(data)
    assert not _is_mp3(data[:100]), "one frame alone may be samples"


@pytest.mark.parametrize(
    "start",
    [
        [-1025],
        # As a header: layer III of version 1 at 48 kHz with 128 kbit/s, which makes a frame of 384 bytes.
        [-1025, 0x6494],
        [-1025, 0x6494, 0, 0],
    ],
)
def test_samples_that_begin_like_an_mp3_are_samples(start):
    sound = np.tile(np.array(start, "<i2"), RATE_HZ // 10)
    noise = np.random.default_rng(0).integers(-2000, 2000, RATE_HZ, "<i2")
    noise[: len(start)] = start
    assert sound.tobytes()[:2] == b"\xff\xfb"
    for samples in (sound, noise):
        result = call(samples.astype("<i2").tobytes())
        assert result.exit_code == 0
        assert len(rows(result.stdout)) == len(samples) // 640


def test_lines_come_while_sound_does_and_control_c_gives_the_rest(live_model, speech):
    process = subprocess.Popen([*COMMAND, live_model], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=False)
    process.stdin.write((speech * 32767).astype("<i2").tobytes())
    process.stdin.flush()
    first = json.loads(process.stdout.readline())
    # Standard input stays open: the line above came before its end.
    process.send_signal(signal.SIGINT)
    rest = rows(process.stdout.read().decode())
    process.stdin.close()
    process.stdout.close()
    assert process.wait(60) == 0
    assert first["time_s"] == 0
    # What a pipe still holds was not heard; what was heard is told to its last frame, the 0.4 s of look-ahead with it.
    assert len(rest) >= 10
    assert [row["time_s"] for row in rest] == pytest.approx([0.04 * (n + 1) for n in range(len(rest))])


def test_control_c_just_before_the_wait_ends_it(monkeypatch):
    nothing, writer = os.pipe()
    with os.fdopen(nothing) as silent, os.fdopen(writer, "w"), _Interrupts() as interrupts:
        monkeypatch.setattr(sys, "stdin", silent)
        signal.raise_signal(signal.SIGINT)
        interrupts.wait_for_input()
    assert list(interrupts.until_asked(iter([np.zeros(1)]))) == []


def heard(before):
    """The pieces that are given where Ctrl-C comes after so many instructions, and whether it came."""
    left = before

    def press(frame, event, argument):
        nonlocal left
        if frame.f_code is not _Interrupts.until_asked.__code__:
            return None
        frame.f_trace_opcodes = True
        left -= event == "opcode"
        if event == "opcode" and left == -1:
            signal.raise_signal(signal.SIGINT)
        return press

    def pieces():
        for number in range(3):
            assert left >= 0, "this would wait for sound after Ctrl-C"
            yield number

    with _Interrupts() as interrupts:
        sys.settrace(press)
        try:
            return list(interrupts.until_asked(pieces())), left < 0
        finally:
            sys.settrace(None)


def test_control_c_between_any_two_instructions_ends_it():
    before = 0
    while (given := heard(before)) and given[1]:
        before += 1
    assert given[0] == [0, 1, 2]
    assert before > 30


def test_a_reader_that_leaves_ends_it_quietly(live_model):
    process = subprocess.Popen(
        [*COMMAND, live_model], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdin.write(bytes(2 * RATE_HZ))
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    for _ in range(100):
        try:
            process.stdin.write(bytes(2 * RATE_HZ))
            process.stdin.flush()
        except BrokenPipeError:
            break
        if process.poll() is not None:
            break
        time.sleep(0.02)
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    assert process.wait(60) == 0
    with process.stderr as complaints:
        assert complaints.read() == b""


class Microphone:
    """What sounddevice's InputStream does, for three blocks; the second one reports an overrun, the end Ctrl-C."""

    def __init__(self, *settings):
        self.settings, self.reads = settings, 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def read(self, frames):
        self.reads += 1
        if self.reads > 3:
            signal.raise_signal(signal.SIGINT)
        return np.zeros((frames, self.settings[3]), np.float32), self.reads == 2


def sounddevice(monkeypatch, stream):
    fake = types.SimpleNamespace(InputStream=stream, PortAudioError=type("PortAudioError", (Exception,), {}))
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def test_a_microphone_is_listened_to_until_control_c(monkeypatch):
    made = []
    sounddevice(monkeypatch, lambda *settings: made.append(Microphone(*settings)) or made[0])
    result = call(None, "--rate", "48000", "--channels", "2", "--microphone", "7")
    assert result.exit_code == 0
    assert made[0].settings == (48000, 1920, 7, 2, "float32")
    assert len(rows(result.stdout)) == 3
    assert "the microphone overran before 0.04 s: sound is lost" in result.stderr


def test_a_microphone_that_is_not_there_is_one_line(monkeypatch):
    def missing(*settings):
        raise fake.PortAudioError("Error querying device -1")

    fake = sounddevice(monkeypatch, missing)
    result = call(None, "--microphone")
    assert result.exit_code == 2
    assert result.stderr == (
        "emotrace: microphone: Error querying device -1; check --microphone, --rate and --channels\n"
    )


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    result = call(None, "--microphone", "")
    assert result.exit_code == 2
    assert 'pip install "emotrace[live]"' in result.stderr
