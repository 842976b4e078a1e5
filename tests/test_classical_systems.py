"""The parts of systems that are no networks on whole recordings, against small cases worked out by hand."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from test_regression import late, material, task

from emotrace import metrics, systems
from emotrace.errors import ConfigError, CorpusError
from emotrace.systems import avec2016, bottleneck, brady, extra, le_provost, materials, povolny, ridge
from emotrace.systems.le_provost import Markov

rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def recordings(stitched_root, tmp_path_factory):
    return materials.load("recola", stitched_root, "arousal", tmp_path_factory.mktemp("features"))


def hidden(whole):
    return replace(whole, hidden=((20, 60), (250, 300)))


def spoilt(shown, describe):
    """What describes a recording, nothing being known of the stretches that are not to be learned from."""

    def described(*told):
        values = np.array(describe(*told))
        for begin, end in shown.hidden:
            values[begin:end] = np.nan
        return values

    return described


class TestBrady:
    def test_shifted_deltas_by_hand(self):
        # Coefficient c of row t is t^2 + c; over one row to each side it grows by 4 t, k blocks later by 4 (t + 3 k).
        rows = np.arange(60.0)[:, None] ** 2 + np.arange(13)
        deltas = brady.shifted_deltas(rows)
        assert deltas.shape == (60, 49)
        np.testing.assert_array_equal(deltas[5], np.repeat(4.0 * (5 + 3 * np.arange(7)), 7))

    def test_shifted_deltas_hold_the_ends(self):
        deltas = brady.shifted_deltas(np.arange(10.0)[:, None] * np.ones(13))
        assert deltas[0, 0] == 1  # of rows 0 (held) and 1
        assert (deltas[9, 7:] == 0).all()

    def test_frames_are_described_every_40_ms(self, recordings):
        described = brady.describe(recordings[0])
        assert described.shape == (300, 65)
        np.testing.assert_allclose(described.mean(axis=0), 0, atol=1e-6)

    def test_codes_are_positive_and_pooled(self, recordings):
        coded = brady.Coded(np.eye(65)[:10], 0.5, 2.0)(recordings[0])
        assert coded.shape == (300, 20)
        assert coded.min() > -1e-9
        # With atoms of one value each, the lasso shrinks every value by the penalty.
        described = brady.describe(recordings[0])[:, :10]
        whole = brady.Coded(np.eye(65)[:10], 0.5, 1e3)(recordings[0])
        np.testing.assert_allclose(whole[0, :10], np.maximum(described - 0.5, 0).mean(axis=0), atol=1e-4)
        np.testing.assert_allclose(whole[0, 10:], np.maximum(-described - 0.5, 0).mean(axis=0), atol=1e-4)

    def test_the_dictionary_is_of_what_is_shown(self, recordings, tmp_path, monkeypatch):
        shown = hidden(recordings[0])
        monkeypatch.setattr(brady, "describe", spoilt(shown, brady.describe))
        atoms = brady._dictionary(task((shown,), (shown,), tmp_path), brady.Settings(atoms=4))
        assert np.isfinite(atoms).all()


class TestMarkov:
    def test_moves_by_hand(self):
        # 0-0, 0-1, 1-1 are seen, nothing across the gap (-1), and every move once more.
        course, gold = np.array([0, 0, 1, 1, -1, 0]), np.array([0.0, 2, 5, 7, np.nan, 4])
        markov = Markov.of([course], [gold], 2)
        np.testing.assert_allclose(markov.moves, [[2 / 4, 2 / 4], [1 / 3, 2 / 3]])
        np.testing.assert_allclose(markov.values, [2, 6])
        np.testing.assert_allclose(markov.share, [0.6, 0.4])

    def test_two_frames_by_hand(self):
        # Courses 00 01 10 11: start .5, moves .9 and .1, likelihoods (.8 .2)/.5 and (.3 .7)/.5, the .5s cancel.
        markov = Markov(np.array([0.0, 1.0]), np.array([0.5, 0.5]), np.array([[0.9, 0.1], [0.1, 0.9]]))
        posteriors = np.array([[0.8, 0.2], [0.3, 0.7]])
        weights = {(a, b): markov.moves[a, b] * posteriors[0, a] * posteriors[1, b] for a in (0, 1) for b in (0, 1)}
        total = sum(weights.values())
        wanted = [(weights[1, 0] + weights[1, 1]) / total, (weights[0, 1] + weights[1, 1]) / total]
        np.testing.assert_allclose(markov.trace(posteriors, 1.0, "mean"), wanted)
        np.testing.assert_array_equal(markov.trace(posteriors, 1.0, "viterbi"), [0, 0])

    def test_frequent_levels_are_no_evidence(self):
        markov = Markov(np.array([0.0, 1.0]), np.array([0.9, 0.1]), np.full((2, 2), 0.5))
        # Started from the shares, moved by chance: the second frame says what its likelihoods say, .5/.9 to .5/.1.
        assert markov.trace(np.full((2, 2), 0.5), 1.0, "mean")[1] == pytest.approx(0.9)

    def test_a_small_exponent_leaves_the_moves(self):
        markov = Markov(np.array([0.0, 1.0]), np.array([0.5, 0.5]), np.array([[0.9, 0.1], [0.1, 0.9]]))
        np.testing.assert_allclose(markov.trace(np.array([[0.9, 0.1]] * 3), 0.0, "mean"), 0.5)

    def test_levels_hold_as_many_frames(self):
        (course,), levels = le_provost._courses([np.r_[rng.permutation(np.arange(100.0)), np.nan]], 5)
        assert levels == 5
        assert course[-1] == -1
        np.testing.assert_array_equal(np.bincount(course[:-1]), 20)

    def test_repeated_values_share_a_level(self):
        (course,), levels = le_provost._courses([np.r_[np.zeros(90), np.arange(1.0, 11)]], 5)
        assert levels == len(np.unique(course))
        assert len(np.unique(course[:90])) == 1

    @pytest.mark.parametrize("decoding", ["mean", "viterbi"])
    def test_learns_from_given_features(self, tmp_path, decoding):
        chosen = systems.settings(
            "le_provost",
            {"front_end": "given", "levels": 5, "context_s": 0.4, "width": 16, "examples": 1000, "decoding": decoding},
        )
        predict = le_provost.fit(task(late(70, (1, 2, 5)), late(70, (3,)), tmp_path), chosen)
        shown = late(70, (4,))[0]
        assert metrics.ccc_population(shown.gold, predict(shown)) > 0.6

    @pytest.mark.parametrize(
        "gold",
        [
            np.full(300, 0.2),  # one level
            np.r_[np.full(200, 0.2), -0.5, np.full(99, 0.2)],  # a level of one frame, which is not drawn
            np.r_[np.linspace(-1, 1, 5), np.full(295, np.nan)],  # nothing is left once the delay is taken out
        ],
    )
    def test_recordings_that_say_little(self, tmp_path, gold):
        features = np.random.default_rng(1).normal(size=(300, 2))
        train = (*late(0, (1,)), material(features, gold)) if np.isnan(gold).any() else (material(features, gold),)
        chosen = systems.settings("le_provost", {"front_end": "given", "width": 8, "examples": 50, "epochs": 2})
        trace = le_provost.fit(task(train, late(0, (2,)), tmp_path), chosen)(late(0, (3,))[0])
        assert np.isfinite(trace).all()

    def test_nobody_rated_anything(self, tmp_path):
        silent = (material(rng.normal(size=(50, 2)), np.full(50, np.nan)),)
        with pytest.raises(CorpusError, match="no frame of the training part is rated"):
            le_provost.fit(task(silent, silent, tmp_path), le_provost.Settings(front_end="given"))


class TestBottleneck:
    SHAPE = bottleneck.Shape(clusters=4, width=8, units=3, context_frames=1, examples=400, epochs=3)

    def test_says_each_frame_in_few_numbers(self, recordings):
        units = bottleneck.train(recordings[:2], self.SHAPE, 0)(recordings[3])
        assert units.shape == (300, 3)
        assert (units.std(axis=0) > 0).any()

    def test_does_not_look_at_ratings(self, recordings):
        blind = [replace(m, gold=np.full(m.frames, np.nan)) for m in recordings[:2]]
        pair = [bottleneck.train(shown, self.SHAPE, 0)(recordings[3]) for shown in (recordings[:2], blind)]
        np.testing.assert_array_equal(*pair)

    def test_learns_from_what_is_shown(self, recordings, monkeypatch):
        shown = hidden(recordings[0])
        monkeypatch.setattr(bottleneck, "_inputs", spoilt(shown, bottleneck._inputs))
        assert all(np.isfinite(weights).all() for weights, _ in bottleneck.train([shown], self.SHAPE, 0).layers)

    @pytest.mark.parametrize(("context", "size"), [("statistics", 3 * 88 + 4 * 2 * 3), ("stacking", 3 * 88 + 9 * 3)])
    def test_povolny_sees_context(self, recordings, context, size):
        made = bottleneck.train(recordings[:1], self.SHAPE, 0)
        assert povolny.Represented(made, 4.0, context)(recordings[0]).shape == (300, size)


class TestAvec2016:
    def test_distributed_functionals_are_taken_as_they_are(self):
        table = rng.normal(size=(50, 88))
        shown = material(table, np.zeros(50))
        np.testing.assert_array_equal(avec2016.Functionals("given", 1.0)(shown), table.astype(np.float32))

    def test_of_other_distributed_features_the_window_is_summed_up(self):
        table = rng.normal(size=(50, 2))
        made = avec2016.Functionals("given", 10.0)(material(table, np.zeros(50)))
        np.testing.assert_allclose(made[25], np.r_[table.mean(axis=0), table.std(axis=0)], atol=1e-5)

    def test_the_source_s_windows(self, recordings, monkeypatch):
        asked = []
        monkeypatch.setattr(
            avec2016.regression, "fit_svr", lambda task, represents, *rest, **more: asked.append(represents)
        )
        for target, search in (("arousal", False), ("valence", False), ("valence", True)):
            avec2016.fit(task((), (), None, target), avec2016.Settings(search=search))
        lengths_s = [[each.window_s for each in represents] for represents in asked]
        assert lengths_s == [[4.0], [6.0], [4.0, 6.0, 8.0, 10.0, 12.0, 14.0]]


class TestRidge:
    def test_windows_of_given_features(self, tmp_path):
        shown = late(0, (1,))[0]
        assert ridge.Summed("given", (1.0, 5.0), False)(shown).shape == (1500, 8)

    def test_rows_of_a_frame_count_as_one(self, recordings):
        made = ridge.Summed("logmel", (0.04,), False)(recordings[0])
        rows = recordings[0].features("logmel").reshape(300, 4, 40)
        np.testing.assert_allclose(made[:, :40], rows.mean(axis=1), atol=1e-4)


@pytest.mark.parametrize(("module", "package"), [("sklearn.svm", "scikit-learn"), ("hmmlearn.base", "hmmlearn")])
def test_a_package_that_is_missing_is_named(monkeypatch, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"needs {package}; pip install 'emotrace\[baselines\]'"):
        extra.package(module)
