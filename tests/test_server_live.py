"""Live traces over a WebSocket: equal to a stream, and every way that a client can go wrong."""

import asyncio
import contextlib
import json
import re
import time
from pathlib import Path
from socket import SHUT_RDWR

import numpy as np
import pytest
import soundfile

import emotrace
from emotrace import audio

pytest.importorskip("fastapi", reason="needs emotrace[web]")
pytest.importorskip("websockets", reason="needs emotrace[web]")
httpx = pytest.importorskip("httpx")

from websockets.exceptions import ConnectionClosed, InvalidStatus  # noqa: E402
from websockets.sync.client import connect  # noqa: E402

from emotrace.server import live  # noqa: E402
from emotrace.server.counts import Counts  # noqa: E402
from emotrace.server.limits import Limits  # noqa: E402

ROOT = Path(__file__).parents[1]
START = {"rate_hz": 16000, "format": "s16le"}


@pytest.fixture(scope="module")
def address(serving, quick):
    limits = Limits(workers=1, streams=2, max_minutes=0.5)
    with serving(limits, model=str(quick)) as http:
        yield http


@pytest.fixture(scope="module")
def speech():
    return (audio.load(ROOT / "examples" / "demo.flac")[: 8 * 16000] * 32767).astype(np.int16)


@contextlib.contextmanager
def talk(address, start=START, **settings):
    with connect(f"{address.replace('http', 'ws')}/v1/stream", open_timeout=300, **settings) as socket:
        if start is not None:
            socket.send(json.dumps(start) if isinstance(start, dict) else start)
        yield socket


def answers(socket):
    """All that a server says, and the code that it closes with."""
    told = []
    try:
        while True:
            told.append(json.loads(socket.recv(timeout=300)))
    except ConnectionClosed as closed:
        return told, closed.rcvd.code if closed.rcvd else 1006


def complaint(socket):
    told, code = answers(socket)
    assert told[-1]["type"] == "error"
    assert "\n" not in told[-1]["detail"]
    return told[-1]["detail"], code


def streams_open(address):
    lines = httpx.get(f"{address}/metrics", timeout=300).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("emotrace_streams_open "))


def wait_until_closed(address):
    deadline = time.monotonic() + 60
    while streams_open(address):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("form", ["s16le", "f32le"])
def test_frames_are_those_of_a_stream(address, quick, speech, form):
    sound = speech if form == "s16le" else (speech / 32768).astype(np.float32)
    stream = emotrace.Stream(quick, 16000)
    own = [stream.push(piece) for piece in np.array_split(sound, 40)] + [stream.finish()]
    expected = np.concatenate([trace.values for trace in own])
    with talk(address, START | {"format": form}) as socket:
        ready = json.loads(socket.recv())
        for piece in np.array_split(sound, 40):
            socket.send(piece.tobytes())
        socket.send(json.dumps({"type": "finish"}))
        told, code = answers(socket)
    assert code == 1000
    assert told[-1] == {"type": "end"}
    assert ready["targets"] == ["arousal", "valence"]
    assert ready["latency_s"] == pytest.approx(stream.latency_s, abs=1e-3)
    assert len(told) > 2, "frames come while one speaks, not all at the end"
    times = np.concatenate([part["time_s"] for part in told[:-1]])
    np.testing.assert_allclose(times, np.arange(200) * 0.04, atol=1e-9)
    for i, target in enumerate(ready["targets"]):
        np.testing.assert_allclose(np.concatenate([p[target] for p in told[:-1]]), expected[:, i], atol=5.1e-5)


def test_what_is_no_speech_is_told_where_it_begins_and_ends(address, speech):
    tone = (9000 * np.sin(2 * np.pi * 440 * np.arange(12 * 16000) / 16000)).astype(np.int16)
    sound = np.concatenate([tone, speech, speech])
    with talk(address) as socket:
        for start in range(0, len(sound), 16000):
            socket.send(sound[start : start + 16000].tobytes())
        socket.send(json.dumps({"type": "finish"}))
        told, code = answers(socket)
    assert code == 1000
    began, over = (part for part in told if part["type"] == "warning")
    assert set(began) == {"type", "time_s", "warnings"}
    assert began["time_s"] == 10.0
    assert began["warnings"][0].startswith("no speech found: 0.0 s of 10.0 s are louder")
    assert 12 < over["time_s"] < 24
    assert over["warnings"] == []
    assert told.index(began) < told.index(over) < len(told) - 1, "they come while one speaks, not all at the end"


def frames(told):
    return [arousal for part in told[:-1] for arousal in part["arousal"]]


def test_channels_are_averaged(address, speech):
    given = []
    quiet = np.zeros_like(speech)
    for start, sound in ((START, speech // 2), (START | {"channels": 2}, np.stack([speech // 2 * 2, quiet], axis=1))):
        with talk(address, start) as socket:
            assert json.loads(socket.recv())["type"] == "ready"
            for piece in np.array_split(sound, 9):
                socket.send(piece.tobytes())
            socket.send(json.dumps({"type": "finish"}))
            given.append(frames(answers(socket)[0]))
    mono, stereo = given
    assert len(mono) == 200
    np.testing.assert_allclose(stereo, mono, atol=1e-3)


def test_a_part_of_a_sample_of_several_channels_is_named(address):
    with talk(address, START | {"channels": 3}) as socket:
        socket.send(bytes(10))
        detail, code = complaint(socket)
    assert detail == "10 bytes are no whole number of s16le samples of 3 channel(s); send whole ones"
    assert code == 1007


@pytest.mark.parametrize("channels", [1, 2])
def test_the_example_of_the_documentation_runs(address, speech, tmp_path, monkeypatch, capsys, channels):
    page = (ROOT / "docs" / "web.md").read_text(encoding="utf-8")
    code = next(block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "websockets" in block)
    soundfile.write(tmp_path / "interview.wav", np.repeat(speech[:, None], channels, axis=1), 16000)
    monkeypatch.chdir(tmp_path)
    exec(compile(code.replace("ws://127.0.0.1:8000", address.replace("http", "ws")), "web.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()[1:]
    assert 6 < float(lines[-1].split()[0]) < 8, "it was another length that the server heard"


@pytest.mark.parametrize(
    ("start", "text"),
    [
        ("hello", "first message: Invalid JSON"),
        (b"\0\0\0\0", "first message: "),
        ({}, "rate_hz: Field required"),
        ({"rate_hz": 1}, "rate_hz: "),
        ({"rate_hz": 16000, "format": "mp3"}, "format: "),
        ({"rate_hz": "NaN"}, "rate_hz: "),
        ({"rate_hz": 16000, "channels": 0}, "channels: "),
        ({"rate_hz": 16000, "channels": 10**30}, "channels: "),
        (
            {"rate_hz": 16000, "chanels": 2},
            "'chanels': no field of that name; there is rate_hz, format, channels, model",
        ),
        ({"rate_hz": 16000, "a\nb": 2}, "'a\\nb': no field of that name"),
        ({"rate_hz": 16000, "model": "../../etc"}, "'../../etc': no model of that name; there is "),
    ],
)
def test_a_bad_start_is_named(address, start, text):
    with talk(address, start) as socket:
        detail, code = complaint(socket)
    assert detail.startswith(text)
    assert code == 1003


@pytest.mark.parametrize(
    ("message", "text", "code"),
    [
        (b"\0\0\0", "3 bytes are no whole number of s16le samples", 1007),
        ("more", "a message is samples, or", 1003),
        ('{"type": "stop"}', "a message is samples, or", 1003),
        (bytes(31 * 32000)[: (1 << 20) - 8], "a stream lasts 0.5 minutes at most", 1009),
    ],
)
def test_a_bad_message_ends_the_stream(address, message, text, code):
    with talk(address) as socket:
        if code == 1009:
            socket.send(message[: len(message) // 2])
            socket.send(message[: len(message) // 2])
        else:
            socket.send(message)
        detail, closed = complaint(socket)
    assert detail.startswith(text)
    assert closed == code


def test_sound_that_is_not_finite_is_named(address):
    with talk(address, {"rate_hz": 16000, "format": "f32le"}) as socket:
        socket.send(np.full(1600, np.nan, np.float32).tobytes())
        detail, code = complaint(socket)
    assert "nan" in detail
    assert code == 1007


def test_a_message_that_is_too_large_is_not_read(address):
    with talk(address) as socket:
        socket.recv()
        # The head alone says how long the message is. Were its bytes under way when the server closes, the system would
        # reset the connection, and the refusal might be lost with it.
        socket.socket.sendall(b"\x82\xff" + (2 << 20).to_bytes(8, "big") + bytes(4))
        assert answers(socket)[1] == 1009
    wait_until_closed(address)


def test_silence_of_the_line_ends_the_stream(serving):
    with serving(Limits(workers=1, stream_idle_s=0.3)) as http, talk(http) as socket:
        detail, code = complaint(socket)
    assert (detail, code) == ("nothing was heard for 0.3 s; start a new stream", 1008)


def test_no_more_streams_than_there_is_room_for(address):
    wait_until_closed(address)
    with talk(address) as one, talk(address) as two:
        one.recv()
        two.recv()
        with talk(address, None) as three:
            detail, code = complaint(three)
        assert detail == "no room for another live stream (2 are open); try again later"
        assert code == 1013
    wait_until_closed(address)
    with talk(address) as four:
        assert json.loads(four.recv())["type"] == "ready"


def test_a_client_that_vanishes_leaves_room(address):
    wait_until_closed(address)
    with talk(address) as socket:
        socket.recv()
        assert streams_open(address) == 1
        socket.socket.shutdown(SHUT_RDWR)
        wait_until_closed(address)


def test_pages_of_other_sites_cannot_connect(address):
    with pytest.raises(InvalidStatus) as caught, talk(address, None, origin="http://evil.example"):
        pass
    assert caught.value.response.status_code == 403
    assert json.loads(caught.value.response.body) == {"detail": "requests from other sites' pages are refused"}


def test_the_token_is_asked_for(serving):
    with serving(Limits(workers=1), token="sesam") as http:
        with pytest.raises(InvalidStatus) as caught, talk(http, None):
            pass
        assert caught.value.response.status_code == 401
        with talk(http, additional_headers={"Authorization": "Bearer sesam"}) as socket:
            assert json.loads(socket.recv())["type"] == "ready"


def test_a_failure_of_the_server_is_said(address, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(live.Stream, "push", fail)
    with talk(address) as socket:
        socket.send(bytes(3200))
        detail, code = complaint(socket)
    assert (detail, code) == ("the server failed on this stream; its log says how", 1011)


def test_a_client_that_does_not_read_is_let_go():
    class Deaf:
        """A socket whose buffer is full."""

        async def send_text(self, text):
            await asyncio.sleep(60)

    talks = live.Talks(Limits(idle_s=0.05), Counts())
    with pytest.raises(live._EndingError) as caught:
        asyncio.run(talks._send(Deaf(), {"type": "trace"}))
    assert caught.value.code == 1008
