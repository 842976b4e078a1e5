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
