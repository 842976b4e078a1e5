from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from emotrace.training import augmentation
from emotrace.training.augmentation import Strength, augment

RATE_HZ = 16000
ODDS = [f.name for f in fields(Strength) if isinstance(f.default, float) and not f.name.endswith("_db")]


def generator(seed=0):
    return np.random.default_rng(seed)


def sine(hz, seconds=2.0, level=0.3):
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def speech(seconds=4.0, seed=0):
    """Bursts of noise of 0.3 s with pauses of 0.2 s between them, each as loud as it likes."""
    rng = generator(seed)
    count = round(seconds * RATE_HZ)
    burst = (np.arange(count) % 8000) < 4800
    loudness = np.repeat(rng.uniform(0.02, 0.2, -(-count // 8000)), 8000)[:count]
    return (burst * loudness * rng.normal(size=count)).astype(np.float32)


def rms(samples):
    return np.sqrt(np.mean(np.square(samples, dtype=np.float64)))


def db(ratio):
    return 20 * np.log10(ratio)


def level_at(samples, hz):
    """Level of a tone in the middle of samples."""
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    window = np.hanning(len(middle))
    turn = np.exp(-2j * np.pi * hz * np.arange(len(middle)) / RATE_HZ)
    return 2 * np.abs(np.sum(middle * window * turn)) / window.sum()


STEPS = {
    "level": lambda samples, rng: augmentation.level(samples, 0.7),
    "gate": lambda samples, rng: augmentation.gate(samples, 30.0),
    "drifting gain": lambda samples, rng: samples * augmentation.drifting_gain(len(samples), 4.0, rng),
    "room": lambda samples, rng: augmentation.room(samples, 0.3, rng),
    "tilt": lambda samples, rng: augmentation.tilt(samples, -6.0),
    "noise": lambda s, rng: augmentation.mix(s, augmentation.coloured_noise(len(s), rng), 10.0),
    "babble": lambda s, rng: augmentation.mix(s, augmentation.babble([speech(1.0, 9)], len(s), rng), 10.0),
    "band": lambda samples, rng: augmentation.band_limit(samples, 300, 3400),
}


@pytest.mark.parametrize("step", STEPS)
class TestEveryStep:
    @pytest.mark.parametrize("count", [320, 321, 640, 12345, 64000])
    def test_keeps_length_and_number_type(self, step, count):
        heard = STEPS[step](speech()[:count], generator())
        assert heard.shape == (count,)
        assert heard.dtype == np.float32
        assert np.isfinite(heard).all()

    def test_silence_stays_silent(self, step):
        assert not STEPS[step](np.zeros(16000, dtype=np.float32), generator()).any()

    def test_the_generator_decides(self, step):
        first, again = (STEPS[step](speech(), generator(3)) for _ in range(2))
        assert (first == again).all()

    def test_leaves_its_input_alone(self, step):
        samples = speech()
        STEPS[step](samples, generator())
        assert (samples == speech()).all()

    def test_does_something(self, step):
        samples = speech() + sine(200, 4.0, level=1e-3)
        assert np.abs(STEPS[step](samples, generator()) - samples).max() > 5e-4


def strength(odds):
    return replace(Strength(), **dict.fromkeys(ODDS, odds))


class TestChain:
    OTHERS = (speech(2.0, 5), speech(2.0, 6))

    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 2**31), st.integers(2000, 20000))
    def test_is_sound_of_the_length_that_its_speed_says(self, seed, count):
        heard, speed = augment(speech()[:count], self.OTHERS, Strength(), generator(seed))
        assert heard.dtype == np.float32
        assert np.isfinite(heard).all()
        assert np.abs(heard).max() <= 1
        assert len(heard) == pytest.approx(count / speed, abs=1)
        assert 0.9 <= speed <= 1.1

    def test_the_generator_decides(self):
        first, again, other = (augment(speech(), self.OTHERS, Strength(), generator(seed)) for seed in (1, 1, 2))
        assert (first[0] == again[0]).all()
        assert first[1] == again[1]
        assert len(first[0]) != len(other[0]) or (first[0] != other[0]).any()

    def test_odds_are_all_there_are(self):
        assert {"speed", "noise", "babble", "band", "room"} <= set(ODDS)

    def test_everything_at_once_on_silence(self):
        heard, _ = augment(np.zeros(16000, dtype=np.float32), self.OTHERS, strength(1.0), generator())
        assert not heard.any()

    def test_everything_at_once_on_speech(self):
        heard, speed = augment(speech(), self.OTHERS, strength(1.0), generator())
        assert speed != 1
        assert rms(heard) > 1e-4

    @pytest.mark.parametrize("seed", range(5))
    def test_odds_of_zero_leave_all_but_the_gain_alone(self, seed):
        heard, speed = augment(speech(), self.OTHERS, strength(0.0), generator(seed))
        gain = rms(heard) / rms(speech())
        assert speed == 1
        assert -20.01 <= db(gain) <= 6.01
        np.testing.assert_allclose(heard, np.clip(gain * speech(), -1, 1), atol=0.01)

    def test_without_other_voices_there_is_no_babble(self):
        heard, _ = augment(speech(), [], strength(1.0), generator())
        assert np.isfinite(heard).all()

    def test_leaves_its_input_alone(self):
        samples = speech()
        augment(samples, self.OTHERS, strength(1.0), generator())
        assert (samples == speech()).all()

    def test_steps_that_do_not_move_sound_do_not(self):
        # The envelope of what comes out peaks where that of what went in does.
        gentle = Strength(speed=0.0, room_s=(0.1, 0.2), noise_snr_db=(20.0, 35.0), babble_snr_db=(20.0, 25.0))
        envelope = np.abs(speech()).reshape(-1, 320).mean(axis=1)
        for seed in range(10):
            heard, _ = augment(speech(), self.OTHERS, gentle, generator(seed))
            after = np.abs(heard).reshape(-1, 320).mean(axis=1)
            lags = signal.correlate(after - after.mean(), envelope - envelope.mean())
            assert abs(int(np.argmax(lags)) - (len(envelope) - 1)) <= 1


class TestSpeed:
    @pytest.mark.parametrize("speed", [0.9, 0.97, 1.0, 1.03, 1.1])
    def test_what_was_at_t_is_at_t_over_speed(self, speed):
        clicks = np.zeros(48000, dtype=np.float32)
        at = np.array([6000, 16000, 31000, 45000])
        clicks[at] = 0.5
        heard = augmentation.change_speed(clicks, speed)
        assert len(heard) == pytest.approx(48000 / speed, abs=1)
        for click in at / speed:
            near = slice(round(click) - 100, round(click) + 101)
            assert abs(np.argmax(np.abs(heard[near])) - 100) <= 1

    def test_pitch_goes_with_it(self):
        heard = augmentation.change_speed(sine(1000), 1.1)
        assert level_at(heard, 1100) == pytest.approx(0.3, rel=0.02)
        assert level_at(heard, 1000) < 0.01


class TestMix:
    @pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 30.0])
    def test_reaches_its_ratio_to_the_level_of_speech_without_pauses(self, snr_db):
        samples = speech()
        noise = augmentation.coloured_noise(len(samples), generator())
        added = augmentation.mix(samples, noise, snr_db) - samples
        powers = np.square(samples.reshape(-1, 320), dtype=np.float64).mean(axis=1)
        spoken = np.sqrt(powers[powers > 0].mean())
        assert db(spoken / rms(added)) == pytest.approx(snr_db, abs=0.1)

    def test_longer_pauses_make_no_less_noise(self):
        padded = np.concatenate([speech(), np.zeros(64000, dtype=np.float32)])
        assert augmentation.speech_rms(padded) == pytest.approx(augmentation.speech_rms(speech()), rel=0.01)

    @pytest.mark.parametrize("seed", range(5))
    def test_noise_and_babble_have_an_rms_of_one(self, seed):
        assert rms(augmentation.coloured_noise(32000, generator(seed))) == pytest.approx(1, rel=0.02)
        voices = [speech(1.0, 7), speech(3.0, 8)]
        assert rms(augmentation.babble(voices, 32000, generator(seed))) == pytest.approx(1, rel=0.02)

    def test_babble_of_voices_that_say_nothing(self):
        babble = augmentation.babble([np.zeros(8000, dtype=np.float32)], 16000, generator())
        assert not babble.any()


class TestBand:
    @pytest.mark.parametrize(("low_hz", "high_hz"), sorted(set(augmentation._BANDS)))
    def test_keeps_what_is_inside_and_takes_what_is_outside(self, low_hz, high_hz):
        def gain_db(hz):
            return db(level_at(augmentation.band_limit(sine(hz), low_hz, high_hz), hz) / 0.3)

        assert gain_db(np.sqrt(low_hz * high_hz)) == pytest.approx(0, abs=0.5)
        assert gain_db(low_hz) == pytest.approx(-3, abs=0.5)
        assert gain_db(high_hz) == pytest.approx(-3, abs=0.5)
        assert gain_db(low_hz / 2) < -20
        assert gain_db((high_hz + 8000) / 2) < -6

    @pytest.mark.parametrize("order", sorted(set(augmentation._ORDERS)))
    def test_falls_by_6_db_an_octave_for_each_order(self, order):
        heard = [db(level_at(augmentation.band_limit(sine(hz), 300, 7900, order), hz)) for hz in (50, 100)]
        assert heard[1] - heard[0] == pytest.approx(6.02 * order, rel=0.1)

    def test_a_telephone_passes_nothing_at_6_khz(self):
        heard = augmentation.band_limit(sine(6000), 300, 3400)
        assert db(level_at(heard, 6000) / 0.3) < -30


class TestLevel:
    def loud_and_soft(self):
        loud, soft = speech(4.0, 1), np.float32(0.1) * speech(4.0, 2)
        return np.concatenate([loud, soft]), rms(loud) / rms(soft)

    def test_takes_out_its_share_in_db(self):
        samples, ratio = self.loud_and_soft()
        for share in (0.25, 0.5, 1.0):
            heard = augmentation.level(samples, share)
            left = rms(heard[16000:48000]) / rms(heard[80000:112000])
            before = rms(samples[16000:48000]) / rms(samples[80000:112000])
            assert db(left) == pytest.approx((1 - share) * db(before), abs=4)
        assert db(ratio) > 15

    def test_share_of_nothing_changes_nothing(self):
        np.testing.assert_allclose(augmentation.level(speech(), 0.0), speech())

    def test_does_not_blow_up_what_lies_far_under(self):
        samples = np.concatenate([sine(300, 4.0), np.float32(1e-4) * sine(300, 4.0)])
        heard = augmentation.level(samples, 1.0)
        assert db(rms(heard[-16000:]) / rms(samples[-16000:])) == pytest.approx(30, abs=1)


class TestGate:
    def test_silences_what_lies_under_it_and_nothing_else(self):
        samples = np.concatenate([sine(300), np.float32(0.01) * sine(300), sine(300)])
        closed = augmentation.gate(samples, 30.0)
        assert not closed[34000:62000].any()
        assert (closed[:32000] == samples[:32000]).all()
        assert (augmentation.gate(samples, 50.0) == samples).all()


class TestDriftingGain:
    def test_wanders_by_as_much_as_it_is_told(self):
        levels = [db(augmentation.drifting_gain(20 * RATE_HZ, 4.0, generator(seed))) for seed in range(60)]
        assert np.std([level[0] for level in levels]) == pytest.approx(4, rel=0.25)
        assert abs(np.mean(levels)) < 1

    def test_changes_slowly(self):
        level_db = db(augmentation.drifting_gain(20 * RATE_HZ, 4.0, generator()))
        assert np.abs(level_db[RATE_HZ // 10 :] - level_db[: -RATE_HZ // 10]).max() < 1


class TestRoom:
    def test_the_direct_sound_comes_first_and_unchanged(self):
        click = np.zeros(16000, dtype=np.float32)
        click[1000] = 0.5
        heard = augmentation.room(click, 0.3, generator())
        assert np.abs(heard[:1000]).max() < 1e-6
        assert heard[1000] == pytest.approx(0.5, abs=1e-5)

    def test_falls_by_60_db_in_its_time(self):
        click = np.zeros(16000, dtype=np.float32)
        click[0] = 1.0
        tails = [augmentation.room(click, 0.5, generator(seed)) for seed in range(20)]
        early = np.mean([rms(tail[80:880]) / rms(tail[80:8000]) for tail in tails])
        late = np.mean([rms(tail[7120:7920]) / rms(tail[80:8000]) for tail in tails])
        assert db(early / late) == pytest.approx(60 * 7040 / 8000, abs=1.5)
        assert all(np.abs(tail[8001:]).max() < 1e-6 for tail in tails)


class TestTilt:
    @pytest.mark.parametrize("slope_db", [-6.0, 6.0])
    def test_moves_highs_against_lows(self, slope_db):
        low, high = (db(level_at(augmentation.tilt(sine(hz), slope_db), hz) / 0.3) for hz in (100, 6000))
        assert low == pytest.approx(0, abs=0.3)
        # A first-order lowpass still passes some of the highs, so that not all of the slope is reached.
        assert high == pytest.approx(slope_db, abs=2.5)
