"""The paired test of the tables."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.experiments import significance

differences = st.lists(st.floats(-1, 1).filter(lambda d: abs(d) > 1e-6), min_size=1, max_size=8)


@given(differences)
def test_every_sign_pattern_is_counted(values):
    found = abs(sum(values))
    sums = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(values))
    ]
    tolerance = 1e-9 * sum(map(abs, values))
    assert significance.sign_flip(values) == pytest.approx(np.mean([s >= found - tolerance for s in sums]))


def test_by_hand():
    # Of 2^4 patterns only all-plus and all-minus reach the sum of four equal differences.
    assert significance.sign_flip([0.1, 0.1, 0.1, 0.1]) == 2 / 16
    assert significance.sign_flip([0.1, -0.1]) == 1.0
    assert significance.sign_flip([0.3, 0.6, 0.1, -1.0]) == 1.0
    assert significance.sign_flip([0.0, 0.0, 0.0]) == 1.0


def test_many_recordings_are_drawn_and_agree_with_all_patterns(monkeypatch):
    values = np.random.default_rng(0).normal(0.4, 1.0, 14)
    exact = significance.sign_flip(values)
    monkeypatch.setattr(significance, "EXACT_UP_TO", 3)
    assert significance.sign_flip(values) == pytest.approx(exact, abs=0.01)
    assert significance.sign_flip(values) == significance.sign_flip(values)


@pytest.mark.parametrize("wrong", [[], [[0.1]], [np.nan]])
def test_no_differences_no_p_value(wrong):
    with pytest.raises(ValueError):
        significance.sign_flip(wrong)


def test_holm_by_hand():
    assert significance.holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert significance.holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
    assert significance.holm({}) == {}


@given(st.dictionaries(st.text(), st.floats(0, 1), max_size=6))
def test_holm_only_raises_and_keeps_the_order(p_values):
    adjusted = significance.holm(p_values)
    assert all(p_values[name] <= adjusted[name] <= 1 for name in p_values)
    ordered = sorted(p_values, key=p_values.get)
    assert [adjusted[name] for name in ordered] == sorted(adjusted.values())


def test_a_system_is_compared_recording_by_recording():
    assert significance.compared([0.4, 0.3, 0.2], [0.5, 0.5, 0.5]) == pytest.approx({"difference": -0.2, "p": 0.25})
    assert significance.compared([0.5, 0.4], [0.5, 0.4])["p"] == 1.0
