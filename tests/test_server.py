"""The HTTP interface: equal to predict, limits that hold, and an answer that helps for everything that goes wrong."""

import asyncio
import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import soundfile

import emotrace
from emotrace.trace import Trace

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi", reason="needs emotrace[web]")

from starlette.requests import ClientDisconnect  # noqa: E402

from emotrace.server import desk, serving, work  # noqa: E402
from emotrace.server.app import accepted  # noqa: E402
from emotrace.server.limits import Limits  # noqa: E402

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "examples" / "demo.flac"
# Patient: nothing here depends on how busy the machine is. A connection that is kept may be closed as it is used again.
CLIENT = httpx.Client(timeout=300, limits=httpx.Limits(max_keepalive_connections=0))


def encoded(samples, rate_hz=16000, kind="WAV", subtype=None):
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=kind, subtype=subtype)
    return file.getvalue()


def noise(seconds=2.0, channels=1, rate_hz=16000):
    return 0.1 * np.random.default_rng(0).normal(size=(round(seconds * rate_hz), channels))


def post(server, data, **query):
    return CLIENT.post(f"{server}/v1/trace", content=data, params=query)


def offline_csv(data):
    text = io.StringIO()
    emotrace.predict(data).to_csv(text)
    return text.getvalue()


def metric(server, name):
    lines = CLIENT.get(f"{server}/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def wait_until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def raw_connection(server):
    host, port = server.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=300)
    return connection


def begin_upload(server, sent=b"x" * 100, length=1000):
    connection = raw_connection(server)
    head = f"POST /v1/trace HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    connection.sendall(head.encode() + sent)
    return connection


@pytest.mark.filterwarnings("ignore::emotrace.FamiliarityWarning")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(DEMO.read_bytes(), id="flac"),
        pytest.param(encoded(noise(2, 2, 48000), 48000), id="48 kHz stereo"),
        pytest.param(encoded(noise(1, 8)), id="8 channels"),
        pytest.param(encoded(noise(1), kind="MP3"), id="mp3"),
        pytest.param(encoded(noise(2))[:40000], id="truncated"),
    ],
)
def test_the_answer_is_what_predict_gives(server, data):
    assert post(server, data, format="csv").text == offline_csv(data)
    form = CLIENT.post(f"{server}/v1/trace?format=csv", files={"file": ("talk.wav", data)})
    assert form.text == offline_csv(data)


def test_json_holds_the_trace_and_what_a_page_needs(server):
    told = post(server, DEMO.read_bytes(), name="demo.flac", waveform=50).json()
    trace = emotrace.predict(DEMO)
    np.testing.assert_allclose(Trace.from_json(io.StringIO(json.dumps(told))).values, trace.values, atol=5.1e-5)
    assert (told["name"], told["duration_s"], told["warnings"]) == ("demo.flac", trace.duration_s, [])
    assert told["summary"]["arousal"]["mean"] == pytest.approx(trace["arousal"].mean(), abs=1e-4)
    assert len(told["waveform"]["low"]) == len(told["waveform"]["high"]) == 50
    assert told["model"]["name"] == "downup"
    assert "waveform" not in post(server, DEMO.read_bytes()).json()


def test_silence_is_answered_with_a_warning(server):
    told = post(server, encoded(np.zeros(16000))).json()
    assert told["warnings"] == ["almost no sound: 0.0 s of 1.0 s are louder than silence; the trace means nothing"]


def test_warnings_of_one_recording_are_not_told_of_the_next(server):
    post(server, encoded(np.zeros(16000)))
    assert post(server, DEMO.read_bytes()).json()["warnings"] == []


@pytest.mark.parametrize(
    ("kind", "media", "magic"),
    [
        ("json", "application/json", b"{"),
        ("csv", "text/csv", b"time_s,"),
        ("png", "image/png", b"\x89PNG"),
        ("html", "text/html", b"<!doctype html>"),
    ],
)
def test_forms_by_parameter_and_by_accept(server, kind, media, magic):
    data = encoded(noise(1))
    by_parameter = post(server, data, format=kind, name="my talk.wav")
    by_accept = CLIENT.post(f"{server}/v1/trace", content=data, headers={"accept": media})
    for answer in (by_parameter, by_accept):
        assert answer.status_code == 200
        assert answer.headers["content-type"].split(";")[0] == media
        assert answer.content.startswith(magic)
    assert by_parameter.headers["content-disposition"] == f"attachment; filename*=UTF-8''my%20talk.{kind}"


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("*/*", "json"),
        ("text/csv", "csv"),
        ("text/*", "csv"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "html"),
        ("application/json;q=0.2, image/png;q=0.9", "png"),
        ("text/csv;q=0, */*;q=0.5", "json"),
        ("audio/wav", None),
        ("nonsense;;q=x,", None),
        ("*/*;q=many", None),
    ],
)
def test_accept(header, form):
    assert accepted(header) == form


def nan_wav():
    samples = noise(1).astype(np.float32)
    samples[8000] = np.nan
    return encoded(samples, subtype="FLOAT")


@pytest.mark.parametrize(
    ("data", "status", "text"),
    [
        (b"", 422, "talk.wav: is empty (0 bytes); record or download it again"),
        (b"Not a sound at all. " * 100, 415, "talk.wav: is not audio that can be decoded; convert it to"),
        (nan_wav(), 422, "talk.wav: the sample at 0.500 s is nan; repair or export it again"),
        (encoded(np.zeros(0)), 422, "talk.wav: holds no audio samples; record or export it again"),
        (encoded(noise(0.01)), 422, "talk.wav: is 10 ms long; a trace needs at least 40 ms"),
        (encoded(noise(1))[:60], 422, "talk.wav: "),
    ],
    ids=["empty", "text", "NaN", "header alone", "too short", "eight samples"],
)
def test_bad_audio_is_one_line(server, data, status, text):
    pytest.importorskip("av")
    answer = CLIENT.post(f"{server}/v1/trace", files={"file": ("../../talk.wav", data)})
    assert answer.status_code == status
    assert list(answer.json()) == ["detail"]
    assert answer.json()["detail"].startswith(text)
    assert "\n" not in answer.json()["detail"]


@pytest.mark.parametrize(
    ("request_", "status", "text"),
    [
        ({"params": {"format": "bmp"}}, 422, "format: "),
        ({"params": {"waveform": -1}}, 422, "waveform: "),
        ({"params": {"model": "../../etc"}}, 422, "'../../etc': no model of that name; there is "),
        ({"headers": {"accept": "audio/wav"}}, 406, "the forms of an answer are "),
        ({"data": {"file": "not a file"}, "files": {"other": b""}}, 422, "the form has no file"),
        ({"files": [("file", b"a"), ("file", b"b")]}, 400, "Too many files"),
        ({"headers": {"content-type": "multipart/form-data"}, "content": b"x"}, 400, "Missing boundary"),
        ({"headers": {"content-type": "multipart/form-data; boundary=a"}, "content": b"--b\r\n"}, 400, ""),
        ({"headers": {"content-type": "multipart/form-data; boundary=a"}, "content": b""}, 422, ""),
    ],
)
def test_bad_requests_are_one_line(server, request_, status, text):
    answer = CLIENT.post(f"{server}/v1/trace", **request_)
    assert (answer.status_code, answer.json()["detail"][: len(text)]) == (status, text)


def test_what_is_not_there(server):
    assert CLIENT.get(f"{server}/nothing").json() == {"detail": "Not Found"}
    assert CLIENT.get(f"{server}/v1/trace").status_code == 405
    assert CLIENT.get(f"{server}/static/../app.py").status_code == 404
    assert CLIENT.get(f"{server}/static/%2e%2e/app.py").status_code == 404


def test_pages_and_description(server):
    page = CLIENT.get(server)
    assert "<title>emotrace</title>" in page.text
    for name in ("app.js", "app.css", "worklet.js", "plotly.js", "report/view.js", "report/style.css"):
        assert CLIENT.get(f"{server}/static/{name}").status_code == 200, name
    about = CLIENT.get(f"{server}/v1/about").json()
    assert about["default"] == "downup"
    assert {model["name"] for model in about["models"]} >= {"downup", "dilated"}
    description = CLIENT.get(f"{server}/openapi.json").json()
    assert set(description["paths"]) == {"/v1/trace", "/v1/about", "/health", "/metrics"}
    assert "429" in description["paths"]["/v1/trace"]["post"]["responses"]


def test_headers_keep_a_page_to_itself(server):
    for path in ("/", "/health", "/static/app.js", "/nothing"):
        headers = CLIENT.get(server + path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


@pytest.fixture(scope="module")
def strict(serving):
    """A server with small limits and no queue."""
    limits = Limits(workers=1, queue=0, max_mb=1, max_minutes=0.1)
    with serving(limits) as address:
        yield address


def test_too_large_is_refused_before_it_is_read(strict):
    connection = begin_upload(strict, b"", length=10**12)
    assert connection.recv(64).startswith(b"HTTP/1.1 413 ")
    connection.close()


def test_too_large_is_refused_where_no_length_is_stated(strict):
    answer = CLIENT.post(f"{strict}/v1/trace", content=(bytes(100_000) for _ in range(20)))
    assert answer.status_code == 413
    assert answer.json()["detail"] == "the recording is larger than 1 MB, the most that is taken; compress or cut it"
    form = CLIENT.post(f"{strict}/v1/trace", files={"file": ("a.wav", bytes(2_000_000))})
    assert form.status_code == 413


def test_too_long_is_refused_however_small(strict):
    # A minute of silence in a few kB.
    answer = CLIENT.post(f"{strict}/v1/trace", content=encoded(np.zeros(60 * 16000), kind="FLAC"))
    assert answer.status_code == 413
    assert "lasts longer than 0.1 minutes" in answer.json()["detail"]


@pytest.mark.parametrize("limits", [{"idle_s": 0.3}, {"upload_s": 0.3}])
def test_a_slow_sender_is_let_go(serving, limits):
    with serving(Limits(workers=1, **limits)) as address:
        connection = begin_upload(address)
        assert connection.recv(64).startswith(b"HTTP/1.1 408 ")
        connection.close()
        assert metric(address, "emotrace_recordings_inside") == 0


def test_without_room_clients_are_told_when_to_come_back(strict):
    connection = begin_upload(strict)
    wait_until(lambda: metric(strict, "emotrace_recordings_inside") == 1)
    answer = post(strict, encoded(noise(1)))
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    connection.close()
    wait_until(lambda: metric(strict, "emotrace_recordings_inside") == 0)
    assert post(strict, encoded(noise(1))).status_code == 200


def test_a_half_sent_body_leaves_nothing_behind(server):
    for head in (b"", b"--a\r\nContent-Disposition: form-data; name=file; filename=a.wav\r\n\r\nRIFF"):
        connection = begin_upload(server, head)
        wait_until(lambda: metric(server, "emotrace_recordings_inside") == 1)
        connection.close()
        wait_until(lambda: metric(server, "emotrace_recordings_inside") == 0)
    assert post(server, encoded(noise(1))).status_code == 200


def test_nonsense_instead_of_http(server):
    for junk in (
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\n" * 50,
        b"POST /v1/trace\r\n\r\n",
    ):
        connection = raw_connection(server)
        connection.sendall(junk)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
        connection.close()
    assert CLIENT.get(f"{server}/health").json() == {"status": "ok"}


def test_a_connection_with_nothing_going_on_is_dropped(serving, monkeypatch):
    from emotrace.server import serving as module

    monkeypatch.setattr(module, "_PATIENCE_S", 1.0)
    with serving(Limits(workers=1)) as address:
        connection = raw_connection(address)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: local")
        connection.settimeout(300)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(10) == b""
        connection.close()


def test_a_request_under_way_may_wait_longer_than_a_connection_with_nothing_going_on(serving, monkeypatch):
    from emotrace.server import serving as module

    monkeypatch.setattr(module, "_PATIENCE_S", 1.0)
    data = encoded(noise(1))
    with serving(Limits(workers=1)) as address:
        connection = begin_upload(address, data[:100], len(data))
        wait_until(lambda: metric(address, "emotrace_recordings_inside") == 1)
        time.sleep(1.5)
        connection.sendall(data[100:])
        assert connection.recv(64).startswith(b"HTTP/1.1 200 ")
        connection.close()


def endless(*arguments):
    """Stands for work that takes too long on any machine; a worker process imports it by name."""
    time.sleep(600)


def test_work_that_takes_too_long_is_stopped_and_the_next_is_done(serving, monkeypatch):
    limits = Limits(workers=1)
    with serving(limits) as address:
        assert post(address, encoded(noise(1))).status_code == 200
        with monkeypatch.context() as patch:
            patch.setattr(work, "work", endless)
            object.__setattr__(limits, "timeout_s", 0.3)
            long = post(address, encoded(noise(1)))
        assert long.status_code == 503
        assert "took longer than 0.3 s" in long.json()["detail"]
        assert metric(address, "emotrace_recordings_inside") == 0
        object.__setattr__(limits, "timeout_s", 120.0)
        assert post(address, encoded(noise(1))).status_code == 200


def test_nothing_is_kept(serving, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = []
    with serving(Limits(workers=1)) as address:
        done = threading.Event()

        def watch():
            while not done.is_set():
                for path in tmp_path.rglob("*"):
                    with contextlib.suppress(FileNotFoundError):
                        # Python tries its folder for temporary files with a few bytes.
                        seen.extend([path] if path.stat().st_size > 100 else [])
                time.sleep(0.01)

        watcher = threading.Thread(target=watch)
        watcher.start()
        post(address, encoded(np.tile(noise(60), (2, 1))))
        CLIENT.post(f"{address}/v1/trace", files={"file": ("a.wav", encoded(noise(60)))})
        done.set()
        watcher.join()
    assert seen == list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "localhost:8000", "[::1]:80", "192.168.1.7"])
def test_hosts_that_are_this_machine(server, host):
    assert CLIENT.get(f"{server}/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example", "", "a:b:c"])
def test_another_host_name_is_refused(server, host):
    answer = CLIENT.get(f"{server}/health", headers={"host": host})
    assert answer.status_code in (400, 421)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "http://[", "file://"])
def test_pages_of_other_sites_are_refused(server, origin):
    answer = CLIENT.post(f"{server}/v1/trace", content=b"x", headers={"origin": origin})
    assert (answer.status_code, answer.json()) == (403, {"detail": "requests from other sites' pages are refused"})


def test_the_servers_own_page_may_post(server):
    answer = CLIENT.post(f"{server}/v1/trace", content=encoded(noise(1)), headers={"origin": server})
    assert answer.status_code == 200


def test_a_token_is_needed_and_known_from_header_or_cookie(serving):
    with serving(Limits(workers=1), token="sesam") as address:
        assert CLIENT.get(f"{address}/health").status_code == 200
        for headers in ({}, {"authorization": "Bearer Sesam"}, {"authorization": "Basic sesam"}, {"cookie": "a=b; c"}):
            answer = CLIENT.get(f"{address}/v1/about", headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        assert CLIENT.get(f"{address}/v1/about", headers={"authorization": "bearer sesam"}).status_code == 200
        assert (
            CLIENT.get(f"{address}/v1/about", headers={"authorization": "Bearer \xe4".encode("latin-1")}).status_code
            == 401
        )
        assert CLIENT.get(f"{address}/?token=wrong").status_code == 401
        with httpx.Client(base_url=address, timeout=300) as client:
            welcome = client.get("/?token=sesam")
            assert welcome.status_code == 303
            assert "HttpOnly" in welcome.headers["set-cookie"]
            assert "SameSite=strict" in welcome.headers["set-cookie"]
            assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("host", "own"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("10.0.0.1", False)]
)
def test_only_loopback_does_without_a_token(monkeypatch, host, own):
    announced = []
    monkeypatch.setattr(serving, "_listen", lambda host, port: socket.create_server(("127.0.0.1", 0)))
    monkeypatch.setattr(serving.uvicorn.Server, "run", lambda self, sockets: [each.close() for each in sockets])
    serving.serve(host, 0, Limits(), "downup", None, (), announced.append)
    assert ("?token=" in announced[0]) is not own


def test_a_taken_port_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(emotrace.EmotraceError) as caught:
        serving.serve("127.0.0.1", taken.getsockname()[1], Limits(), "downup", None, (), print)
    assert "choose another --port" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("talk.wav", "talk.wav"),
        ("../../etc/passwd", "passwd"),
        ("C:\\talk.wav", "talk.wav"),
        ("a\r\nb\0.wav", "ab.wav"),
        ("", "recording"),
        (None, "recording"),
        ("x" * 500 + ".wav", "x" * 116 + ".wav"),
    ],
)
def test_names_are_made_plain(name, plain):
    assert desk.plain_name(name) == plain


def test_a_client_that_leaves_frees_its_place():
    async def leave():
        office = desk.Desk(Limits(workers=1), desk.Counts())
        with office.place(), tempfile.TemporaryFile() as file:
            file.write(DEMO.read_bytes())
            await office.answer(file, "demo", "json", "downup", 0, lambda: asyncio.sleep(0.05))

    with pytest.raises(ClientDisconnect):
        asyncio.run(leave())


def crashing(*arguments):
    """Stands for a decoder that a malicious file brings down; a worker process imports it by name."""
    os._exit(1)


def test_a_decoder_that_crashes_is_no_fault_of_the_server(monkeypatch):
    async def crash():
        office = desk.Desk(Limits(workers=1), desk.Counts())
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
            await office.answer(file, "bad.mp3", "json", "downup", 0, lambda: asyncio.sleep(60))

    monkeypatch.setattr(work, "work", crashing)
    with pytest.raises(work.RefusalError, match=r"bad\.mp3: its decoder crashed"):
        asyncio.run(crash())


def test_uploads_are_read_as_bytes_where_descriptors_are_not_shown(monkeypatch):
    monkeypatch.setattr(desk, "_DESCRIPTORS", "/nowhere/{pid}/{fd}")
    with tempfile.TemporaryFile() as file:
        file.write(b"abc")
        assert desk._source(file) == b"abc"


def test_metrics_count_and_name_nobody(server):
    before = metric(server, "emotrace_audio_seconds_total")
    post(server, encoded(noise(2)), name="secret.wav")
    assert metric(server, "emotrace_audio_seconds_total") == pytest.approx(before + 2)
    assert "secret" not in CLIENT.get(f"{server}/metrics").text


def test_no_request_that_fits_the_description_is_answered_with_5xx(server):
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, given, settings

    schema = schemathesis.openapi.from_url(f"{server}/openapi.json")
    statuses = []
    for operation in schema.get_all_operations():

        @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.ok().as_strategy())
        def ask(case):
            answer = case.call(timeout=300)
            statuses.append(answer.status_code)
            assert answer.status_code < 500, answer.text

        ask()
    assert len(statuses) >= 20


def test_ctrl_c_is_a_quiet_end():
    command = [sys.executable, "-m", "emotrace", "serve", "--port", "0", "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        address = re.search(r"http://\S+", process.stdout.readline())[0]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), urllib.request.urlopen(address + "v1/about", timeout=5):
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, complaints) == (0, "")
