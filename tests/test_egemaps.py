"""eGeMAPS over sliding windows, against openSMILE's own descriptors and its own pass over one window."""

import sys
from pathlib import Path

import numpy as np
import pytest

from emotrace import audio, features
from emotrace.errors import ConfigError
from emotrace.features import cache, egemaps

opensmile = pytest.importorskip("opensmile", reason="needs emotrace[baselines]")

DEMO = Path(__file__).parents[1] / "examples" / "demo.flac"
RATE_HZ = 16000


@pytest.fixture(scope="module")
def speech():
    return audio.load(DEMO)[: 10 * RATE_HZ]


@pytest.fixture(scope="module")
def names():
    level = opensmile.FeatureLevel.Functionals
    return opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, level).feature_names


@pytest.fixture(scope="module")
def rows(speech):
    return egemaps.extract(speech)


@pytest.mark.parametrize(
    ("functional", "descriptor", "voiced"),
    [
        ("loudness_sma3_amean", "Loudness_sma3", False),
        ("spectralFlux_sma3_amean", "spectralFlux_sma3", False),
        ("mfcc1_sma3_amean", "mfcc1_sma3", False),
        ("F0semitoneFrom27.5Hz_sma3nz_amean", "F0semitoneFrom27.5Hz_sma3nz", True),
    ],
)
def test_a_row_is_about_the_descriptors_in_its_window(speech, rows, names, functional, descriptor, voiced):
    level = opensmile.FeatureLevel.LowLevelDescriptors
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, level)
    all_of_it = smile.process_signal(speech, RATE_HZ)[descriptor].to_numpy()
    for frame in (50, 51, 120, 190):
        # 4 s around the frame: 200 rows of 10 ms to both sides.
        window = all_of_it[4 * frame - 200 : 4 * frame + 200]
        expected = window[window != 0].mean() if voiced else window.mean()
        assert rows[frame, names.index(functional)] == pytest.approx(expected, rel=1e-4, abs=1e-4), frame


def test_a_row_is_nearly_a_pass_of_its_own(speech, rows, names):
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    for frame in (50, 120, 190):
        window = speech[640 * frame - 2 * RATE_HZ : 640 * frame + 2 * RATE_HZ]
        alone = smile.process_signal(window, RATE_HZ).to_numpy()[0]
        apart = np.abs(alone - rows[frame]) / np.maximum(np.abs(alone), 1e-3)
        # The pitch tracker starts anew in a cut-out window; most values do not depend on it.
        assert np.median(apart) < 0.02
        assert np.quantile(apart, 0.9) < 0.15


def test_the_ends_repeat_the_first_and_last_window(rows):
    assert (rows[:50] == rows[50]).all()
    assert (rows[51] != rows[50]).any()
    assert (rows[-50:] == rows[-50]).all()


def test_longer_windows_have_a_name_of_their_own(speech, rows):
    longer = features.get("egemaps@6s")
    six = longer.extract(speech)
    assert six.shape == rows.shape
    assert (six[:75] == six[75]).all()
    assert (six[76] != six[75]).any()
    assert features.get("egemaps@4s").extract(speech)[100] == pytest.approx(rows[100])


def test_every_window_has_one_name():
    assert [egemaps.name(window_s) for window_s in (4.0, 6.0)] == ["egemaps", "egemaps@6s"]


def test_a_sound_shorter_than_the_window_is_one_window(speech):
    short = egemaps.extract(speech[: 3 * RATE_HZ])
    assert short.shape == (75, 88)
    assert (short == short[0]).all()
    assert short.any()


def test_full_scale_does_not_turn_over():
    loud = np.tile(np.float32([1, 1, 1, 1, 0, 0, 0, 0]), 2000)
    np.testing.assert_allclose(egemaps.extract(loud), egemaps.extract(loud * np.float32(0.9999)), rtol=0.05, atol=0.05)


def test_windows_are_kept_apart_on_disk(tmp_path):
    folder, sound = tmp_path / "features", cache.Sound(DEMO)
    four, six = (cache.entries(folder, name, [sound])[0].features for name in ("egemaps", "egemaps@6s"))
    assert four.shape == six.shape
    assert (four != six).any()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("egemaps@0.1s", r"egemaps@0.1s: a window is a multiple of 0.08 s"),
        ("egemaps@long", r"front end egemaps@long: 'long' is no length; write it as in @6s"),
        ("logmel@4s", "logmel has no windows to choose; take logmel"),
    ],
)
def test_windows_that_there_are_not(name, message):
    with pytest.raises(ConfigError, match=message):
        features.get(name)


def test_without_opensmile_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(ConfigError, match=r"no commercial use; pip install 'emotrace\[baselines\]'"):
        egemaps.extract(np.zeros(RATE_HZ, np.float32))
