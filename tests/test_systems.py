"""One contract for every system of the tables."""

import pickle
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from trees import studyforrest as studyforrest_tree

from emotrace import systems
from emotrace.corpora import studyforrest
from emotrace.errors import ConfigError, CorpusError, SoundlessError
from emotrace.systems import Choice, Range, Task, blstm_discretised, he, materials

QUICK = {
    "dilated": {"arguments": {"layers": 3, "width": 4}, "epochs": 2},
    "downup": {"arguments": {"layers": 2, "width": 4}, "epochs": 2},
    "blstm_discretised": {"arguments": {"layers": 1, "width": 4}, "resolutions": (2, 3, 4, 5), "epochs": 2},
    "avec2016": {"window_s": 2.0, "search_step_frames": 2},
    "brady": {"atoms": 8, "window_s": 1.0, "epochs": 1},
    "le_provost": {"levels": 3, "context_s": 0.5, "width": 8, "delay_s": 0.4, "epochs": 3},
    "povolny": {"window_s": 2.0, "bottleneck": {"clusters": 4, "width": 8, "units": 3, "epochs": 2}},
    "ridge": {"windows_s": [0.2, 1.0, 2.0, 5.0]},
    "blstm": {"arguments": {"layers": 1, "width": 4}, "epochs": 2},
    "single_filter": {"arguments": {"filter_frames": 16}, "epochs": 2},
    "trigeorgis": {"arguments": {"filters": 10, "width": 8, "layers": 1, "segments": 1}, "epochs": 2},
    "cardinal": {"arguments": {"context_frames": 5, "width": 4}, "epochs": 2},
    "sercu": {"arguments": {"blocks": 2, "layers": 1, "width": 4}, "epochs": 2},
    "sinc": {"arguments": {"layers": 2, "width": 4, "delays": 4, "window_frames": 64}, "epochs": 2},
    "lru": {"arguments": {"layers": 1, "width": 4, "states": 4}, "epochs": 2},
    "he": {"arguments": {"layers": 1, "width": 4}, "features": 20, "epochs": 2},
}
"""Settings that make a system small enough to be fitted in a test."""


@pytest.fixture(scope="module")
def recordings(stitched_root, tmp_path_factory):
    return materials.load("recola", stitched_root, "arousal", tmp_path_factory.mktemp("features"))


@pytest.fixture
def task(recordings, tmp_path):
    parts = {name: tuple(m for m in recordings if m.partition == name) for name in ("train", "dev")}
    return Task("arousal", parts["train"], parts["dev"], 0, tmp_path / "run")


def quick(name):
    return systems.settings(name, QUICK.get(name, {}))


@pytest.mark.parametrize("name", systems.names())
class TestContract:
    def test_traces(self, name, task, recordings):
        predict = systems.get(name).fit(task, quick(name))
        shown = recordings[-1]
        trace = predict(shown)
        assert trace.shape == (shown.frames,)
        assert np.isfinite(trace).all()
        assert trace.std() > 0
        hidden = replace(shown, gold=np.full(shown.frames, np.nan))
        np.testing.assert_array_equal(predict(hidden), trace)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(predict))(shown), trace)  # noqa: S301

    def test_a_seed_gives_one_trace(self, name, task, recordings, tmp_path):
        system, shown = systems.get(name), recordings[-1]
        traces = {
            seed: [
                system.fit(replace(task, seed=seed, folder=tmp_path / f"{seed}-{run}"), quick(name))(shown)
                for run in range(2)
            ]
            for seed in (0, 1)
        }
        np.testing.assert_array_equal(*traces[0])
        assert np.array_equal(traces[0][0], traces[1][0]) != system.SEEDED

    def test_what_is_said_of_it(self, name, task):
        system = systems.get(name)
        assert system.TITLE
        assert system.SOURCE
        assert system.__doc__
        known = {field.name for field in fields(system.Settings)}
        for key, choices in system.SPACE.items():
            assert key.split(".")[0] in known
            values = choices.values if isinstance(choices, Choice) else (choices.low, choices.high)
            assert not isinstance(choices, Range) or choices.low < choices.high
            for value in values:
                systems.settings(name, {key: value})


def test_an_unknown_system_is_named():
    with pytest.raises(ConfigError, match=r"no system is called 'lstn'; there are: .*downup"):
        systems.get("lstn")


def test_unknown_settings_are_named():
    with pytest.raises(ConfigError, match=r"table\.yaml: unknown key depth"):
        systems.settings("downup", {"depth": 3}, "table.yaml")
    with pytest.raises(ConfigError, match="lag_s wants float"):
        systems.settings("downup", {"lag_s": "late"})


@pytest.mark.parametrize(
    ("name", "values", "fault"),
    [
        ("downup", {"epochs": 0}, "epochs is 0; it must be at least 1"),
        ("sinc", {"learning_rate": -1e-3}, "learning_rate is -0.001; it must be above 0"),
        ("cardinal", {"delay_s": -2.8}, "delay_s is -2.8; it must be at least 0"),
        ("ridge", {"delays_s": [8.0, 0.0]}, r"delays_s is \[8.0, 0.0\]; it must be two numbers, the lower one first"),
        ("povolny", {"bottleneck.epochs": 0}, "bottleneck.epochs is 0"),
    ],
)
def test_settings_out_of_range_are_named(name, values, fault):
    with pytest.raises(ConfigError, match=fault):
        systems.settings(name, values)


class TestMaterials:
    def test_features_and_gold_are_as_long(self, recordings):
        assert {m.features("logmel").shape for m in recordings} == {(300, 160)}
        assert {m.frames for m in recordings} == {300}

    def test_labels_of_another_target_may_be_missing(self, stitched_root, tmp_path):
        root = shutil.copytree(stitched_root, tmp_path / "corpus")
        next(root.glob("RECOLA-Annotation/emotional_behaviour/valence/*.csv")).unlink()
        assert len(materials.load("recola", root, "arousal", tmp_path)) == 4
        with pytest.raises(CorpusError, match="no such file"):
            materials.load("recola", root, "valence", tmp_path)

    def test_what_a_corpus_does_not_hold_is_said(self, recordings):
        with pytest.raises(CorpusError, match="distributes no features"):
            recordings[0].features("given")
        silent = replace(recordings[0], recording=replace(recordings[0].recording, audio=None))
        with pytest.raises(
            SoundlessError, match="has no sound, which logmel needs; systems with a front_end can have given"
        ):
            silent.features("logmel")


def test_a_network_on_the_waveform_takes_nothing_else(task):
    with pytest.raises(ConfigError, match=r"front_end is logmel; .* nothing but waveform"):
        systems.get("trigeorgis").fit(task, systems.settings("trigeorgis", {"front_end": "logmel"}))
    with pytest.raises(SoundlessError, match="distributed features are no waveform"):
        systems.get("trigeorgis").fit(task, systems.settings("trigeorgis", {"front_end": "given"}))


@pytest.mark.parametrize(
    "name", ["blstm", "blstm_discretised", "cardinal", "he", "lru", "sercu", "sinc", "single_filter"]
)
def test_two_features_that_a_corpus_distributes_are_enough(name, task):
    def silent(material):
        values = np.random.default_rng(len(material.id)).normal(size=(material.frames, 2))
        gold = np.where(np.arange(material.frames) < 250, material.gold, np.nan)
        recording = replace(material.recording, audio=None, load_features=lambda: values)
        return replace(material, recording=recording, gold=gold)

    parts = {part: tuple(map(silent, getattr(task, part))) for part in ("train", "dev")}
    settings = replace(quick(name), front_end="given", epochs=1)
    trace = systems.get(name).fit(replace(task, **parts), settings)(parts["dev"][0])
    assert np.isfinite(trace).all()
    assert trace.shape == (300,)


class TestFunctionals:
    """What He's network is told of windows of sound."""

    def test_by_hand(self):
        ramp = np.arange(50.0)[:, None]
        mean, sd, least, most, slope = (column[20] for column in he.functionals(ramp, 0.2).T)
        assert (mean, least, most, slope) == (20.0, 18.0, 22.0, 1.0)
        assert sd == pytest.approx(2**0.5)

    def test_of_every_column_and_of_what_does_not_move(self):
        values = np.column_stack([np.full(30, 7.0), np.random.default_rng(0).normal(size=30)])
        found = he.functionals(values, 0.2)
        assert found.shape == (30, 10)
        np.testing.assert_allclose(found[:, ::2], np.tile([7.0, 0.0, 7.0, 7.0, 0.0], (30, 1)), atol=1e-7)
        np.testing.assert_array_equal(he.functionals(values, 0.2, [1, 4, 5, 9]), found[:, [1, 4, 5, 9]])

    def test_those_that_go_with_the_gold_standard_are_selected(self, task):
        view = he.select(task, systems.settings("he", {"features": 5}))
        assert len(set(view.selected)) == 5
        everything = he.Functionals(view.front_ends, view.window_s, None)

        def strength(seen):
            return np.abs(np.mean([he.correlations(seen(m), m.gold) for m in task.train], axis=0))

        lag_free = he.select(task, systems.settings("he", {"features": 5, "lag_s": 0.0}))
        assert sorted(strength(lag_free)) == pytest.approx(sorted(strength(everything))[-5:], abs=1e-5)

    def test_correlations_leave_out_what_is_not_rated(self):
        values = np.random.default_rng(0).normal(size=(40, 3))
        gold = np.where(np.arange(40) < 30, values[:, 1], np.nan)
        found = he.correlations(values, gold)
        assert found[1] == pytest.approx(1.0)
        assert found[0] == pytest.approx(np.corrcoef(values[:30, 0], gold[:30])[0, 1])
        assert not he.correlations(np.zeros((40, 1)), gold).any()


class TestLevels:
    """Where the discretised network puts its levels."""

    def test_by_hand(self):
        labels = np.array([0.0, 0.1, 0.2, 0.9, 1.0])
        np.testing.assert_allclose(blstm_discretised.levels(labels, 2), [0.1, 0.95])

    @given(labels=arrays(float, st.integers(1, 60), elements=st.floats(-1, 1)), cells=st.integers(1, 12))
    def test_every_level_is_the_mean_of_the_labels_nearest_to_it(self, labels, cells):
        levels = blstm_discretised.levels(labels, cells)
        assert 1 <= len(levels) <= cells
        cell = np.digitize(labels, (levels[1:] + levels[:-1]) / 2)
        for number, level in enumerate(levels):
            assert level == pytest.approx(labels[cell == number].mean(), abs=1e-9)


def test_distributed_features_are_read_once(tmp_path, monkeypatch):
    read = []
    original = studyforrest.read_features
    monkeypatch.setattr(studyforrest, "read_features", lambda path: read.append(path) or original(path))
    for recording in materials.load("studyforrest", studyforrest_tree.make(tmp_path), "arousal", tmp_path / "kept"):
        for _ in range(2):
            assert recording.features(materials.GIVEN).shape == (recording.frames, 2)
    assert read
    assert len(read) == len(set(read))
