import numpy as np
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from emotrace.features import cache, waveform
from emotrace.features.normalisation import Normalisation, Statistics

SAMPLES = np.random.default_rng(0).normal(scale=0.1, size=5000).astype(np.float32)


@given(cuts=st.lists(st.integers(0, 5000), max_size=5), count=st.integers(640, 5000))
def test_pieces_are_the_whole(cuts, count):
    stream = waveform.Stream()
    pieces = np.split(SAMPLES[:count], sorted(cut for cut in cuts if cut < count))
    rows = np.concatenate([*(stream.push(piece) for piece in pieces), stream.finish()])
    frames = waveform.trace_frames(stream.samples)
    np.testing.assert_array_equal(waveform.stack(rows[: waveform.STACK * frames]), waveform.extract(SAMPLES[:count]))


def test_is_the_samples():
    np.testing.assert_array_equal(waveform.extract(SAMPLES).ravel(), 32768 * SAMPLES[: 7 * 640])


def test_kept_on_disk(tmp_path):
    soundfile.write(tmp_path / "a.wav", SAMPLES, 16000, subtype="FLOAT")
    (entry,) = cache.entries(tmp_path / "features", "waveform", [cache.Sound(tmp_path / "a.wav")])
    np.testing.assert_array_equal(entry.features, waveform.extract(SAMPLES))


def test_a_quiet_recording_is_normalised_to_what_a_loud_one_is():
    def normal(samples):
        rows = waveform.extract(samples).reshape(-1, 1)
        return Normalisation().apply(rows, Statistics(1).update(rows))

    np.testing.assert_allclose(normal(1e-3 * SAMPLES), normal(SAMPLES), atol=1e-3)
    np.testing.assert_allclose(normal(SAMPLES).std(), 1.0, atol=1e-4)
