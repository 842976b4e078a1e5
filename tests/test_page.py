"""The page of `emotrace serve` and the pages of reports in a real browser."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

import emotrace
from emotrace.inference import model as saved

pytest.importorskip("fastapi", reason="needs emotrace[web]")
playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright, which drives the browser")

from emotrace.server.limits import Limits  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)")

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "examples" / "demo.flac"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PATIENT_MS = 90_000  # for the busiest machine; on a quiet one nothing takes 5 s


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Ten seconds of speech."""
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    samples, rate_hz = soundfile.read(DEMO, frames=10 * 16000)
    soundfile.write(path, samples, rate_hz)
    return path


@pytest.fixture(scope="module")
def browser(clip):
    microphone = (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={clip}",
    )
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *microphone], timeout=PATIENT_MS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(serving, quick):
    # The page stops a live recording before it is larger: 8 MB are 80 s of waiting for its first values.
    with serving(Limits(workers=1, max_mb=8), model=str(quick)) as http:
        yield http


@contextlib.contextmanager
def opened(browser, url, **settings):
    """A page that asks no other host for anything and has no error in its scripts."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | settings)
    context.set_default_timeout(PATIENT_MS)
    page = context.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url, timeout=PATIENT_MS)
    try:
        yield page
    except BaseException:
        print("the page said:", page.evaluate("document.body.innerText"))
        raise
    context.close()
    own = url.split("/")[2]
    assert [each for each in asked if not re.match(rf"(blob:|data:|file:|(http|ws)://{re.escape(own)}/)", each)] == []
    assert errors == []


@pytest.fixture
def page(browser, address):
    with opened(browser, address) as page:
        yield page


def until(page, expression):
    """Wait until JavaScript says true; Playwright's own way of it would need a page that lets strings be run."""
    deadline = time.monotonic() + PATIENT_MS / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def give(page, *files):
    page.set_input_files("#files", [str(file) for file in files])


def position_s(page, nth=0):
    return float(page.locator(".course").nth(nth).get_attribute("aria-valuenow"))


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def contrast(page, selector):
    """WCAG's contrast of an element's text with what is behind it."""
    text, *grounds = page.evaluate(
        """(selector) => {
          const shades = [getComputedStyle(document.querySelector(selector)).color];
          for (let each = document.querySelector(selector); each; each = each.parentElement)
            shades.push(getComputedStyle(each).backgroundColor);
          return shades;
        }""",
        selector,
    )
    ground = next(each for each in grounds if not each.startswith("rgba"))
    lighter, darker = sorted((luminance(text), luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(shade):
    """Of a colour such as rgb(0, 95, 150), as WCAG defines it."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in np.array(numbers(shade)) / 255]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def numbers(shade):
    return [int(each) for each in re.findall(r"\d+", shade)[:3]]


def test_an_upload_is_drawn_played_and_saved(page, clip, quick, tmp_path):
    give(page, clip)
    page.wait_for_selector(".course .main-svg")
    trace = emotrace.predict(clip, model=quick)
    assert page.locator("h2", has_text="clip.wav").count() == 1
    mean = page.locator(".numbers tbody tr").first.locator("td").first.inner_text()
    assert float(mean.replace("−", "-")) == pytest.approx(trace["arousal"].mean(), abs=0.0051)
    assert "clip.wav is done" in page.locator("#status").inner_text()

    page.get_by_role("button", name="Play").click()
    until(page, "Number(document.querySelector('.course').getAttribute('aria-valuenow')) > 0.3")
    assert page.locator(".cursor").evaluate("e => e.style.transform") != "translateX(0px)"
    page.get_by_role("button", name="Pause").click()
    at_s = "document.querySelector('.course').getAttribute('aria-valuenow')"
    until(page, f"Math.abs({at_s} - document.querySelector('audio').currentTime) < 0.1")

    box = page.locator(".course").bounding_box()
    point = page.locator(".here").evaluate("e => e.style.transform")
    page.mouse.click(box["x"] + 40 + (box["width"] - 106) * 0.75, box["y"] + 60)
    assert position_s(page) == pytest.approx(7.5, abs=0.1)
    assert page.evaluate("document.querySelector('audio').currentTime") == pytest.approx(7.5, abs=0.1)
    assert page.locator(".here").evaluate("e => e.style.transform") != point

    with page.expect_download() as saving:
        page.get_by_role("button", name="Save CSV of clip.wav").click()
    assert saving.value.suggested_filename == "clip.csv"
    trace.to_csv(tmp_path / "own.csv")
    assert Path(saving.value.path()).read_text() == (tmp_path / "own.csv").read_text()


def test_the_keyboard_does_everything(page, clip):
    page.wait_for_selector("#model option", state="attached")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "files"
    assert page.locator("#choose").evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "record"
    give(page, clip)
    course = page.get_by_role("slider", name="Position in clip.wav")
    course.focus()
    for keys, at_s in (("ArrowRight", 1), ("Shift+ArrowRight", 10), ("ArrowLeft", 9), ("Home", 0)):
        page.keyboard.press(keys)
        assert position_s(page) == pytest.approx(at_s, abs=0.02)
    assert re.match(r"0:00\.0, arousal [+−]\d\.\d\d ± \d\.\d\d, valence ", course.get_attribute("aria-valuetext"))
    marks = page.locator(".xtick").all_text_contents()
    page.keyboard.press("+")
    assert page.locator(".xtick").all_text_contents() != marks
    page.keyboard.press("0")
    assert page.locator(".xtick").all_text_contents() == marks
    page.keyboard.press("Space")
    page.wait_for_selector("button:has-text('Pause')")
    reached = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText")
        )
    assert {"Pause", "Speed", "Zoom in", "Zoom out", "The model"} <= reached
    page.get_by_role("button", name="Remove clip.wav").press("Enter")
    assert page.locator(".course").count() == 0


def test_what_cannot_be_done_is_said(page, clip, tmp_path):
    page.wait_for_selector("#model option", state="attached")
    (tmp_path / "text.wav").write_text("It was the best of times. " * 100)
    (tmp_path / "large.wav").write_bytes(bytes(8_500_000))
    give(page, tmp_path / "text.wav", tmp_path / "large.wav", clip)
    page.wait_for_selector(".course .main-svg")
    until(page, "document.querySelectorAll('.waiting li.bad').length === 2")
    told = " ".join(page.locator(".waiting li").all_inner_texts())
    assert "larger than 8 MB, the most that is taken" in told
    assert "is not" in told
    page.get_by_role("button", name="Dismiss text.wav").click()
    page.get_by_role("button", name="Dismiss large.wav").click()
    assert page.locator(".waiting li").count() == 0


def test_a_recording_may_come_before_the_list_of_models(page, clip):
    page.route("**/v1/about", lambda route: None)
    page.reload()
    give(page, clip)
    page.wait_for_selector(".course .main-svg")


def test_several_recordings_stand_side_by_side(page, clip, tmp_path):
    shutil.copy(clip, tmp_path / "<b>other.wav")
    give(page, clip, tmp_path / "<b>other.wav")
    until(page, "document.querySelectorAll('.course .main-svg').length >= 2")
    page.wait_for_selector("#table:not([hidden])")
    names = page.locator("#table td.name")
    assert sorted(names.all_inner_texts()) == ["<b>other.wav", "clip.wav"]
    page.get_by_role("button", name="Recording", exact=True).click()
    assert names.all_inner_texts() == ["<b>other.wav", "clip.wav"]
    page.get_by_role("button", name="Recording", exact=True).click()
    assert names.all_inner_texts() == ["clip.wav", "<b>other.wav"]


def test_the_microphone_is_drawn_while_one_speaks_and_kept_afterwards(page):
    page.get_by_role("button", name="Speak now").click()
    until(page, "/behind/.test(document.getElementById('live-delay').textContent)")
    assert page.locator("#live .course .main-svg").count() > 0
    assert "before they answer" in page.locator("#live-note").inner_text()
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector("#recordings .course .main-svg")
    assert page.locator("h2", has_text="microphone").count() == 1
    low, high = page.evaluate(
        "[Math.min, Math.max].map((f) => f(...document.querySelector('.js-plotly-plot').data[0].y))"
    )
    assert high - low > 0.001, "the speech that the browser was fed is in it"


READY = {"type": "ready", "targets": ["arousal", "valence"], "frame_s": 0.04, "unit_range": [-1, 1], "latency_s": 1.0}


@contextlib.contextmanager
def spoken_to(page):
    """Speaking to a server whose part the test takes: what is yielded sends its messages."""
    sockets = []
    page.route_web_socket("**/v1/stream", lambda socket: sockets.append(socket))
    page.get_by_role("button", name="Speak now").click()
    page.wait_for_selector("#live:not([hidden])")
    yield lambda message: sockets[-1].send(json.dumps(message))
    page.get_by_role("button", name="Stop").click()


def warning(*texts):
    return {"type": "warning", "time_s": 10.0, "warnings": texts}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_no_speech_is_shown_while_it_is(browser, address, scheme):
    with opened(browser, address, viewport={"width": 390, "height": 844}, color_scheme=scheme) as page:
        shown = page.locator("#live-warning")
        with spoken_to(page) as tell:
            tell(READY)
            page.wait_for_selector("#live .course .main-svg")
            assert not shown.is_visible()
            tell(warning("almost no sound: <b>the trace means nothing"))
            shown.wait_for()
            assert shown.inner_text() == "almost no sound: <b>the trace means nothing"
            assert shown.get_attribute("role") == "alert"
            assert contrast(page, "#live-warning") >= 4.5
            assert fits(page)
            tell(warning())
            shown.wait_for(state="hidden")
            tell(warning("no speech found"))
            shown.wait_for()
        shown.wait_for(state="hidden")
        tell(warning("no speech found at the end"))
        with spoken_to(page) as tell:
            tell(READY)
            page.wait_for_selector("#live .course .main-svg")
            assert shown.text_content() == "", "that of the recording before is gone"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_room_for_all_of_it(browser, address, clip, scheme):
    with opened(browser, address, viewport={"width": 390, "height": 844}, color_scheme=scheme) as page:
        give(page, clip)
        page.wait_for_selector(".course .main-svg")
        assert fits(page)
        for selector in ("h2", ".soft", ".key span", ".now dt", ".now dt:nth-of-type(2)", "button.main", "thead th"):
            assert contrast(page, selector) >= 4.5, selector


def test_the_server_goes_and_comes_back(browser, clip, quick, tmp_path):
    def start(port):
        command = [
            sys.executable,
            "-m",
            "emotrace",
            "serve",
            "--port",
            str(port),
            "--model",
            str(quick),
            "--workers",
            "1",
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        return process, process.stdout.readline().split()[3]

    def stop(process):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()

    process, url = start(0)
    try:
        with opened(browser, url) as page:
            page.wait_for_selector("#model option", state="attached")
            stop(process)
            give(page, clip)
            page.wait_for_selector("#down:not([hidden])")
            assert "the server does not answer" in page.locator(".waiting li").inner_text()
            process, _ = start(url.split(":")[2].strip("/"))
            page.wait_for_selector(".course .main-svg")
            assert not page.locator("#down").is_visible()
    finally:
        stop(process)


def test_a_report_opens_from_a_file_and_plays(browser, tmp_path, clip):
    from emotrace import report

    report.write(emotrace.predict(clip), clip, tmp_path / "clip.html", saved.load(), ["take care"])
    with opened(browser, (tmp_path / "clip.html").as_uri()) as page:
        page.wait_for_selector(".course .main-svg")
        assert page.locator("h1", has_text="clip.wav").count() == 1
        assert page.locator(".note:visible").inner_text() == "take care"
        until(page, "document.querySelector('audio').duration > 9.9")
        page.locator(".course").press("ArrowRight")
        page.get_by_role("button", name="Play").click()
        until(page, "Number(document.querySelector('.course').getAttribute('aria-valuenow')) > 1.2")


def test_a_study_opens_from_a_file_and_sorts(browser, tmp_path):
    from emotrace import report

    rng = np.random.default_rng(0)
    traces = {name: emotrace.Trace(np.arange(50) * 0.04, rng.uniform(-1, 1, (50, 2))) for name in "abc"}
    page_text = report.study([report.study_entry(trace, name) for name, trace in traces.items()], "Study")
    (tmp_path / "study.html").write_text(page_text)
    with opened(browser, (tmp_path / "study.html").as_uri(), viewport={"width": 390, "height": 844}) as page:
        page.wait_for_selector("#frames .main-svg")
        assert fits(page)
        page.get_by_role("button", name="Mean of arousal").click()
        shown = page.locator("tbody td.name").all_inner_texts()
        assert shown == sorted(traces, key=lambda name: -traces[name]["arousal"].mean())
