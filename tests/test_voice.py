import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace import features
from emotrace.features import logmel, voice

RATE_HZ = 16000
PITCH, VOICING = logmel.BINS, logmel.BINS + 1


def tone(hz, seconds=0.6, harmonics=range(1, 12), level=0.1):
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (level * sum(np.sin(2 * np.pi * hz * k * time_s) / k for k in harmonics)).astype(np.float32)


def rows(samples):
    return voice.extract(samples).reshape(-1, voice.bins)


def pitch_hz(semitones):
    return voice.REFERENCE_HZ * 2 ** (semitones / 12)


def middle(samples):
    found = rows(samples)
    return found[len(found) // 2]


class TestPitch:
    @settings(max_examples=40, deadline=None)
    @given(st.floats(70, 450))
    def test_of_a_tone_with_harmonics(self, hz):
        found = middle(tone(hz))
        assert pitch_hz(found[PITCH]) == pytest.approx(hz, rel=0.01)
        assert found[VOICING] > 0.9

    @pytest.mark.parametrize("hz", [90, 120, 210])
    def test_of_a_voice_whose_fundamental_a_telephone_stopped(self, hz):
        heard = [k for k in range(1, 30) if 300 < k * hz < 1900]
        assert pitch_hz(middle(tone(hz, harmonics=heard))[PITCH]) == pytest.approx(hz, rel=0.01)

    def test_does_not_depend_on_the_level(self):
        loud, quiet = (rows(tone(150, level=level))[:, PITCH:] for level in (0.3, 0.003))
        np.testing.assert_allclose(loud, quiet, atol=1e-3)

    def test_is_held_through_a_pause_and_after_the_end(self):
        pause = np.zeros(RATE_HZ, np.float32)
        found = rows(np.concatenate([pause, tone(200), pause]))
        assert (found[:80, PITCH] == voice.START_SEMITONES).all()
        np.testing.assert_allclose(pitch_hz(found[-60:, PITCH]), 200, rtol=0.02)
        assert (found[-60:, VOICING] == 0).all()

    def test_a_single_odd_frame_does_not_show(self):
        contour = voice._Contour()
        pitch = np.array([30, 30, 42, 30, 30], np.float32)
        np.testing.assert_array_equal(contour.push(pitch, np.ones(5, np.float32))[:, 0], 30)


class TestVoicing:
    def test_noise_has_none_to_speak_of(self):
        noise = np.random.default_rng(0).normal(0, 0.1, RATE_HZ * 4).astype(np.float32)
        assert np.mean(rows(noise)[:, VOICING] >= voice.VOICED) < 0.05

    def test_silence_and_its_rounding_have_none(self):
        assert (rows(np.zeros(RATE_HZ, np.float32))[:, VOICING] == 0).all()
        assert (rows(tone(100, level=1e-9))[:, VOICING] == 0).all()


class TestRows:
    SAMPLES = np.concatenate(
        [tone(130, 0.4), np.random.default_rng(1).normal(0, 0.05, 6000).astype(np.float32), tone(260, 0.5)]
    )

    def test_begin_with_the_log_mel_energies(self):
        np.testing.assert_allclose(
            rows(self.SAMPLES)[:, : logmel.BINS], logmel.extract(self.SAMPLES).reshape(-1, logmel.BINS), atol=1e-5
        )

    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, len(SAMPLES)), st.lists(st.integers(0, 3000), max_size=15))
    def test_are_the_same_for_any_split(self, count, sizes):
        samples = self.SAMPLES[:count]
        stream = voice.Stream()
        pieces = np.split(samples, np.minimum(np.cumsum(sizes, dtype=int), count))
        found = np.concatenate([*(stream.push(piece) for piece in pieces), stream.finish()])
        np.testing.assert_allclose(found, rows(samples), atol=1e-5)
        assert len(found) == 4 * (count // 640)
        assert stream.samples == count

    def test_of_a_frame_come_as_soon_as_its_last_window_is_complete(self):
        stream = voice.Stream()
        seen = [len(stream.push(self.SAMPLES[at : at + 1])) for at in range(2200)]
        assert [(at, found) for at, found in enumerate(seen) if found] == [(879, 4), (1519, 4), (2159, 4)]

    def test_hold_less_than_two_windows(self):
        stream = voice.Stream()
        for _ in range(5):
            stream.push(self.SAMPLES)
        assert len(stream._tail) < 2 * voice._WINDOW
        assert len(stream._waiting) < voice.STACK


def test_is_a_front_end_to_predict_with_that_says_what_is_no_energy():
    assert features.streaming("voice").bins == 42
    assert features.voice_values(features.get("voice")) == 2
    assert features.voice_values(features.get("logmel")) == 0
