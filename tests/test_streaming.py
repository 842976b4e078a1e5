"""A stream gives one trace, however the sound is cut, each frame no later than it says."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emotrace
from emotrace import audio, features
from emotrace.errors import AudioError, EmotraceError, ModelError
from emotrace.features.normalisation import Running
from emotrace.inference import model

ROOT = Path(__file__).parents[1]
RATE_HZ = 16000


@pytest.fixture(scope="module")
def speech():
    return audio.load(ROOT / "examples" / "demo.flac")[: 9 * RATE_HZ]


@pytest.fixture(scope="module", params=["downup", "frame by frame"])
def saved(request, live_model):
    return model.load("downup" if request.param == "downup" else live_model)


def streamed(saved, samples, cuts, rate_hz=RATE_HZ, channels=1):
    stream = emotrace.Stream(saved, rate_hz, channels)
    traces = [stream.push(piece) for piece in np.split(samples, cuts)]
    traces.append(stream.finish())
    assert stream.frames == sum(map(len, traces))
    return traces


def joined(traces):
    return np.concatenate([trace.values for trace in traces])


@given(st.lists(st.integers(0, 9 * RATE_HZ), max_size=40).map(sorted))
@settings(max_examples=10, deadline=None)
def test_how_the_sound_is_cut_does_not_matter(saved, speech, cuts):
    traces = streamed(saved, speech, cuts)
    np.testing.assert_allclose(joined(traces), joined(streamed(saved, speech, [])), rtol=0, atol=1e-5)
    times = np.concatenate([trace.time_s for trace in traces])
    np.testing.assert_array_equal(times, np.arange(len(speech) // 640) * 0.04)


def test_it_is_the_network_on_running_statistics(saved, speech):
    front_end = features.get(saved.front_end)
    rows = front_end.extract(speech).reshape(-1, front_end.bins)
    members = saved.members(front_end.stack(Running(saved.rule, bins=front_end.bins).push(rows)))
    traces = streamed(saved, speech, [])
    spread = np.concatenate([trace.spread for trace in traces])
    np.testing.assert_allclose(joined(traces), np.clip(members.mean(axis=0), -1, 1), rtol=0, atol=1e-5)
    np.testing.assert_allclose(spread, members.std(axis=0, ddof=1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100, 48000])
def test_frames_come_no_later_than_stated(saved, speech, rate_hz):
    sound = np.resize(speech, 26 * rate_hz)
    stream = emotrace.Stream(saved, rate_hz)
    step = rate_hz // 50
    for start in range(0, len(sound), step):
        stream.push(sound[start : start + step])
        heard_s = (start + step) / rate_hz
        assert stream.time_s + stream.latency_s > heard_s - 1e-9
    assert stream.frames > 0


def test_channels_are_averaged_and_integers_scaled(saved, speech):
    whole = (speech[: 2 * RATE_HZ] * 32767).astype(np.int16)
    both = np.column_stack([whole, whole])
    one = streamed(saved, whole / np.float32(32768), [])
    two = streamed(saved, both, [], channels=2)
    np.testing.assert_allclose(joined(one), joined(two), atol=1e-5)


def test_a_sound_shorter_than_a_frame_is_a_trace_without_frames(saved):
    for samples, frames in ((639, 0), (640, 1)):
        assert [len(trace) for trace in streamed(saved, np.zeros(samples, np.float32), [])] == [0, frames]
    assert len(emotrace.Stream(saved).finish()) == 0


def test_bad_samples_are_named_and_not_taken(saved, speech):
    stream = emotrace.Stream(saved)
    traces = [stream.push(speech[:8000])]
    bad = speech[8000:16000].copy()
    bad[1600] = np.nan
    with pytest.raises(AudioError, match=r"sample at 0\.600 s is nan"):
        stream.push(bad)
    traces += [stream.push(speech[8000:]), stream.finish()]
    np.testing.assert_allclose(joined(traces), joined(streamed(saved, speech, [])), atol=1e-5)


TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(24 * RATE_HZ) / RATE_HZ)).astype(np.float32)


def test_a_warning_comes_once_and_goes(speech):
    stream = emotrace.Stream()
    told = {}
    for piece in np.split(np.concatenate([TONE, speech, speech, speech]), range(RATE_HZ, 51 * RATE_HZ, RATE_HZ)):
        trace = stream.push(piece)
        if stream.changes:
            told[stream.changes[0].time_s] = (trace.warnings, stream.warnings)
    (began_s, (began, holding)), (over_s, over) = told.items()
    assert began_s == 10.0
    assert began == holding
    assert began[0].startswith("no speech found: 0.0 s of 10.0 s")
    assert 24 < over_s < 34
    assert over == ((), ())
    assert stream.finish().warnings == ()


def test_a_large_push_tells_all_that_began_in_it(speech):
    sound = np.concatenate([TONE, speech, speech, speech])
    stream = emotrace.Stream()
    trace = stream.push(sound)
    assert len(trace.warnings) == 1
    assert [len(change.warnings) for change in stream.changes] == [1, 0]
    assert stream.warnings == ()
    stream.push(speech)
    assert stream.changes == []


@pytest.mark.parametrize("sound", [TONE, np.zeros_like(TONE), None], ids=["tone", "silence", "speech"])
@pytest.mark.parametrize("length_s", [0.04, 0.03, 3, 10])
@pytest.mark.filterwarnings("ignore::emotrace.inference.predictor.FamiliarityWarning")
def test_a_short_sound_is_judged_as_a_recording_is(speech, sound, length_s):
    sound = np.resize(speech if sound is None else sound, round(length_s * RATE_HZ))
    traces = streamed("live", sound, range(0, len(sound), 640))
    told = sum((trace.warnings for trace in traces), ())
    assert told == (emotrace.predict(sound, RATE_HZ, model="live").warnings if length_s >= 0.04 else ())


@pytest.mark.parametrize(
    ("samples", "match"),
    [
        (np.zeros((3, 2), np.float32), r"shape \(3, 2\); it must be \(n,\)"),
        (np.zeros((2, 2, 2)), "shape"),
        (np.zeros(3, complex), "holds complex128"),
        (["a"], "holds"),
    ],
)
def test_what_is_no_sound_is_refused(saved, samples, match):
    with pytest.raises(AudioError, match=match):
        emotrace.Stream(saved).push(samples)


def test_a_finished_stream_is_finished(saved):
    stream = emotrace.Stream(saved)
    stream.finish()
    for again in (stream.finish, lambda: stream.push(np.zeros(10))):
        with pytest.raises(EmotraceError, match="is finished; start a new one"):
            again()


def test_what_cannot_be_streamed_is_said():
    with pytest.raises(AudioError, match="sample rate"):
        emotrace.Stream("downup", rate_hz=10)
    with pytest.raises(AudioError, match="0 channels"):
        emotrace.Stream("downup", channels=0)
    with pytest.raises(ModelError, match="no model"):
        emotrace.Stream("nonesuch")
