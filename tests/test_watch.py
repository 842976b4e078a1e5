"""What is said of sound that goes on coming, when it begins and when it is over."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emotrace import audio
from emotrace.features import logmel
from emotrace.inference import familiarity, model
from emotrace.inference.familiarity import Doubt
from emotrace.inference.watch import Watch

ROOT = Path(__file__).parents[1]
RATE_HZ = audio.RATE_HZ


@pytest.fixture(scope="module")
def live():
    return model.load("live")


@pytest.fixture(scope="module")
def speech():
    return audio.load(ROOT / "examples" / "demo.flac")


def tone(length_s):
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(length_s * RATE_HZ) / RATE_HZ)).astype(np.float32)


def watched(chosen, samples, step=4):
    """All changes, and what the end adds."""
    watch, rows = Watch(chosen), logmel.log_mel(samples)
    changes = [change for first in range(0, len(rows), step) for change in watch.update(rows[first : first + step])]
    return changes, watch.finish()


def beginnings(changes):
    """Time and first words of every change."""
    return [(time_s, [text.split(":")[0].split(" (")[0] for text in warnings]) for time_s, warnings in changes]


def test_speech_is_nothing_to_tell_of(live, speech):
    assert watched(live, np.concatenate([speech, speech])) == ([], [])


@pytest.mark.parametrize(
    ("samples", "kind"),
    [
        (np.zeros(30 * RATE_HZ, np.float32), "almost no sound"),
        (tone(30), "no speech found"),
        (0.1 * np.random.default_rng(0).normal(size=30 * RATE_HZ), "no speech found"),
    ],
)
def test_what_is_no_speech_is_told_of_once_after_ten_seconds(live, samples, kind):
    changes, rest = watched(live, samples)
    assert beginnings(changes) == [(10.0, [kind])]
    assert rest == []


def test_it_is_over_when_speech_comes(live, speech):
    changes, _ = watched(live, np.concatenate([speech[: 20 * RATE_HZ], tone(20), speech[: 30 * RATE_HZ]]))
    (began_s, began), (over_s, over) = beginnings(changes)
    assert (began, over) == (["no speech found"], [])
    assert 30 < began_s < 36
    assert 40 < over_s < 50


def test_how_rows_are_cut_does_not_matter(live, speech):
    samples = np.concatenate([tone(14), speech[: 25 * RATE_HZ], np.zeros(15 * RATE_HZ, np.float32)])
    expected = watched(live, samples)
    assert len(expected[0]) == 3
    for step in (1, 37, 1000, 10_000):
        assert watched(live, samples, step) == expected


@pytest.mark.parametrize("length_s", [0.5, 3, 9.9])
def test_what_is_over_sooner_is_judged_at_its_end(live, length_s):
    changes, rest = watched(live, tone(10)[: round(length_s * RATE_HZ)])
    assert changes == []
    (change,) = rest
    assert change.time_s == pytest.approx(length_s, abs=0.03)
    assert change.warnings[0].startswith("no speech found")


def test_nothing_is_no_reason_to_warn(live):
    watch = Watch(live)
    assert watch.update(np.empty((0, 40), np.float32)) == []
    assert watch.finish() == []


A, B = Doubt("a", "a: 1"), Doubt("b", "b: 1")


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([A, A, A], {0: ("a: 1",)}),
        ([None, A, None, A, None], {}),
        ([None, A, A], {2: ("a: 1",)}),
        ([None, A, B, B], {2: ("b: 1",)}),
        ([A, None, A, None], {0: ("a: 1",)}),
        ([A, None, None, A, A], {0: ("a: 1",), 2: (), 4: ("a: 1",)}),
        ([A, B, A, B, B], {0: ("a: 1",), 4: ("b: 1",)}),
        ([A, Doubt("a", "a: 2"), None, Doubt("a", "a: 3")], {0: ("a: 1",)}),
    ],
)
def test_what_holds_is_given_up_when_two_judgements_deny_it(live, monkeypatch, found, told):
    judged = iter(found)
    monkeypatch.setattr(familiarity, "doubt", lambda *_: next(judged))
    changes = Watch(live).update(np.zeros((1000 + 256 * (len(found) - 1), 40), np.float32))
    assert next(judged, "all were asked for") == "all were asked for"
    assert {round((time_s - 10) / 2.56): warnings for time_s, warnings in changes} == told


def test_what_holds_is_to_be_asked_for(live, speech):
    watch = Watch(live)
    assert watch.warnings == ()
    (change,) = watch.update(logmel.log_mel(tone(12)))
    assert watch.warnings == change.warnings
    watch.update(logmel.log_mel(speech))
    assert watch.warnings == ()


def test_without_ranges_only_the_lack_of_sound_is_told_of(live):
    beat = np.sin(np.arange(20 * RATE_HZ) / 20) * (np.arange(20 * RATE_HZ) % 8000 < 2000)
    beat = (0.3 * beat + 1e-3 * np.random.default_rng(0).normal(size=len(beat))).astype(np.float32)
    assert beginnings(watched(live, beat)[0]) == [(10.0, ["this does not sound like speech"])]
    unknown = replace(live, ranges={})
    assert watched(unknown, beat)[0] == []
    assert beginnings(watched(unknown, np.zeros(20 * RATE_HZ))[0]) == [(10.0, ["almost no sound"])]


def test_other_front_ends_are_not_judged(live):
    assert watched(replace(live, front_end="mfcc"), np.zeros(20 * RATE_HZ)) == ([], [])


@pytest.mark.parametrize("name", model.names())
def test_models_in_the_package_know_their_speech(name):
    shipped = model.load(name)
    assert shipped.front_end in familiarity.FRONT_ENDS
    assert set(shipped.ranges) == {"loud_db", "rhythm", "movement", "change", "beat", "shape"}
