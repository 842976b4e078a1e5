"""Pitch, voicing and level against signals whose own are known; cepstra against the transform by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.features import logmel, mfcc, prosody

rng = np.random.default_rng(0)
TIME_S = np.arange(16000) / 16000


def voice(hz, level=0.1):
    return level * sum(np.sin(2 * np.pi * hz * k * TIME_S) / k for k in range(1, 8))


def rows(samples):
    return prosody.extract(samples).reshape(-1, 3)[8:-8]


class TestProsody:
    @pytest.mark.parametrize("hz", [70, 110, 123.4, 220, 441])
    def test_pitch_of_a_voice(self, hz):
        pitch, voicing, _ = rows(voice(hz)).T
        np.testing.assert_allclose(pitch, 12 * np.log2(hz / 27.5), atol=0.1)
        assert voicing.min() > 0.9

    def test_a_missing_fundamental_is_heard(self):
        harmonics = sum(np.sin(2 * np.pi * 150 * k * TIME_S) for k in (3, 4, 5))
        np.testing.assert_allclose(rows(0.1 * harmonics)[:, 0], 12 * np.log2(150 / 27.5), atol=0.2)

    def test_noise_is_not_voiced(self):
        assert np.median(rows(rng.normal(size=16000))[:, 1]) < prosody.VOICED

    def test_level_by_hand(self):
        # A sine of amplitude 0.1 has a mean square of 0.005: -23.0 dB.
        level = rows(0.1 * np.sin(2 * np.pi * 200 * TIME_S))[:, 2]
        np.testing.assert_allclose(level, 10 * np.log10(0.005), atol=0.05)

    def test_pitch_is_a_line_through_a_pause(self):
        low, high = voice(100), voice(200)
        pitch, voicing, _ = prosody.extract(np.concatenate([low, np.zeros(16000), high])).reshape(-1, 3).T
        assert voicing[110:190].max() < prosody.VOICED
        steps = np.diff(pitch[110:190])
        assert (pitch[90], pitch[210]) == pytest.approx((22.35, 34.35), abs=0.1)
        np.testing.assert_allclose(steps, 12 / 100, atol=0.01)

    def test_silence_is_all_floor(self):
        assert (rows(np.zeros(16000)) == [0, 0, prosody.LEVEL_FLOOR_DB]).all()

    @given(st.floats(1e-2, 1))
    @settings(max_examples=20)
    def test_gain_moves_the_level_alone(self, gain):
        once, louder = rows(voice(130, 0.01)), rows(gain * voice(130, 0.01))
        np.testing.assert_allclose(louder[:, :2], once[:, :2], atol=1e-3)
        np.testing.assert_allclose(louder[:, 2] - once[:, 2], 20 * np.log10(gain), atol=1e-3)


class TestCepstra:
    def test_by_hand(self):
        samples = rng.normal(size=6400)
        mel = logmel.extract(samples).reshape(-1, 40)
        wanted = [
            [
                np.sqrt((1 if k == 0 else 2) / 40) * sum(row[b] * np.cos(np.pi * k * (b + 0.5) / 40) for b in range(40))
                for k in range(13)
            ]
            for row in mel[:3].astype(float)
        ]
        np.testing.assert_allclose(mfcc.extract(samples).reshape(-1, 13)[:3], wanted, atol=1e-4)

    def test_pieces_give_what_the_whole_gives(self):
        samples = rng.normal(size=16000).astype(np.float32)
        stream = mfcc.Stream()
        parts = [stream.push(samples[:5000]), stream.push(samples[5000:5100]), stream.push(samples[5100:])]
        together = np.concatenate([*parts, stream.finish()])
        np.testing.assert_allclose(mfcc.stack(together), mfcc.extract(samples), rtol=0, atol=1e-5)
        assert stream.samples == 16000
