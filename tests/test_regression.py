"""What the systems that weigh features share: delay rules by hand, the SVR against liblinear, ridge, windows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from emotrace import metrics, systems
from emotrace.corpora import Recording
from emotrace.errors import CorpusError
from emotrace.postprocessing import Chain
from emotrace.systems import Task, materials, regression, windows
from emotrace.systems.regression import FrontEnd, Scale, Weighted

rng = np.random.default_rng(0)
SMALL = {"le_provost": {"levels": 5, "context_s": 0.4, "width": 16, "examples": 1000, "delay_s": 0.0}}


def material(values, gold, partition="train", name="one"):
    recording = Recording(
        id=name,
        audio=None,
        partition=partition,
        speaker=None,
        load_ratings=None,
        unit_range=(-1.0, 1.0),
        load_features=lambda: values,
    )
    return materials.Material(name, None, partition, np.asarray(gold, float), recording, Path("none"))


def slow(seed, frames=1500):
    return np.convolve(np.random.default_rng(seed).normal(size=frames + 99), np.hanning(100), "valid") / 8


def late(delay_frames, seeds, noise=0.0):
    """Recordings of two features, whose first one the gold standard follows so many frames later."""
    made = []
    for seed in seeds:
        driver = slow(seed)
        gold = 0.3 * np.r_[np.full(delay_frames, driver[0]), driver[: len(driver) - delay_frames]]
        values = np.column_stack([driver, slow(seed + 1000)]) + noise * rng.normal(size=(len(driver), 2))
        made.append(material(values, gold, name=str(seed)))
    return tuple(made)


def task(train, dev, tmp_path, target="arousal"):
    return Task(target, train, dev, 0, tmp_path)


class TestDelay:
    def test_by_hand(self):
        # Weighed: 1 2 3 4; two frames later, the first value duplicated: 1 1 1 2.
        fitted = Weighted(FrontEnd("given"), Scale(np.zeros(1), np.ones(1)), np.ones(1), 0.0, 2)
        shown = material(np.array([[1.0], [2], [3], [4]]), [0, 0, 0, 0])
        np.testing.assert_array_equal(fitted(shown), [1, 1, 1, 2])

    def test_the_chain_comes_after_the_delay(self):
        fitted = Weighted(FrontEnd("given"), Scale(np.zeros(1), np.ones(1)), np.ones(1), 0.5, 1, Chain(gain=2.0))
        shown = material(np.array([[1.0], [2], [3]]), [0, 0, 0])
        np.testing.assert_array_equal(fitted(shown), [3, 3, 5])

    def test_the_source_s_own(self):
        assert regression.delay_s("arousal", None) == 2.8
        assert regression.delay_s("valence", None) == 3.6
        assert regression.delay_s("valence", 0.0) == 0.0
        assert regression.DELAYS_S[:3] == (0.0, 0.4, 0.8)
        assert (len(regression.DELAYS_S), regression.DELAYS_S[-1]) == (21, 8.0)

    @pytest.mark.parametrize("fit", [regression.fit_svr, regression.fit_ridge])
    def test_the_search_finds_it(self, fit, tmp_path):
        work = task(late(70, (1, 2)), late(70, (3,)), tmp_path)
        predict = fit(work, [FrontEnd("given")], regression.DELAYS_S)
        assert predict.delay_frames == 70
        assert metrics.ccc_population(work.dev[0].gold, predict(work.dev[0])) > 0.99

    def test_a_search_on_fewer_frames_is_fitted_again_on_all(self, tmp_path):
        work = task(late(70, (1, 2), noise=0.3), late(70, (3,), noise=0.3), tmp_path)
        searched, whole = (
            regression.fit_svr(work, [FrontEnd("given")], [2.8], [0.01], search_step_frames=step) for step in (5, 1)
        )
        np.testing.assert_allclose(searched.weights, whole.weights, atol=1e-4)

    def test_nobody_rated_anything(self, tmp_path):
        silent = (material(rng.normal(size=(50, 2)), np.full(50, np.nan)),)
        dev = late(0, (3,))
        for fit in (regression.fit_svr, regression.fit_ridge):
            with pytest.raises(CorpusError, match="no frame of the training part is rated"):
                fit(task(silent, dev, tmp_path), [FrontEnd("given")], [0.0])
            with pytest.raises(CorpusError, match="no frame of the development part is rated"):
                fit(task(dev, silent, tmp_path), [FrontEnd("given")], [0.0])

    def test_hidden_frames_take_no_part(self, tmp_path):
        shown = late(0, (1, 2))
        hidden = tuple(replace(m, hidden=((300, 400),)) for m in shown)
        spoilt = []
        for m in hidden:
            values = m.features("given").copy()
            values[300:400] *= 50
            spoilt.append(replace(material(values, m.gold), hidden=m.hidden))
        for fit in (regression.fit_svr, regression.fit_ridge):
            plain, same = (fit(task(t, late(0, (3,)), tmp_path), [FrontEnd("given")], [0.0]) for t in (hidden, spoilt))
            np.testing.assert_array_equal(plain.scale.sd, same.scale.sd)
            np.testing.assert_array_equal(plain.weights, same.weights)

    def test_frames_without_a_rating_take_no_part(self, tmp_path):
        whole = late(0, (1, 2))
        holed = [m.gold.copy() for m in whole]
        for gold in holed:
            gold[300:400] = np.nan
        values = [m.features("given").copy() for m in whole]
        for table in values:
            table[300:400] = 10
        train = tuple(material(v, g) for v, g in zip(values, holed, strict=True))
        for fit in (regression.fit_svr, regression.fit_ridge):
            fitted = fit(task(train, late(0, (3,)), tmp_path), [FrontEnd("given")], [0.0])
            assert metrics.ccc_population(late(0, (4,))[0].gold, fitted(late(0, (4,))[0])) > 0.95


class TestScale:
    def test_by_hand(self):
        scale = Scale.of([np.array([[1.0, 5, 2]]), np.array([[3.0, 5, np.nan]])])
        np.testing.assert_array_equal(scale.mean, [2, 5, 2])
        # What does not move in training, and NaN, is 0 everywhere.
        np.testing.assert_array_equal(scale([[4.0, 9.0, np.nan]]), [[2, 0, 0]])


class TestSvr:
    def test_the_costs_are_the_source_s(self):
        wanted = [float(f"{factor}e{power}") for power in range(-5, 0) for factor in (1, 2, 5)] + [1.0]
        assert list(regression.COSTS) == wanted

    @pytest.mark.parametrize("cost", [1e-5, 1e-3, 0.1, 1.0])
    @pytest.mark.parametrize("epsilon", [0.0, 0.1])
    def test_is_liblinear_s(self, cost, epsilon):
        svm = pytest.importorskip("sklearn.svm", reason="needs emotrace[baselines]")
        x = rng.normal(size=(600, 6)) @ rng.normal(size=(6, 6))
        y = 0.3 * np.tanh(x[:, 0] - x[:, 1]) + 0.1 * rng.normal(size=600) + 0.2
        mine = regression.svr(x, y, cost, epsilon)
        theirs = svm.LinearSVR(
            C=cost, epsilon=epsilon, loss="squared_epsilon_insensitive", dual=False, tol=1e-10, max_iter=10000
        ).fit(x, y)
        np.testing.assert_allclose(mine, np.append(theirs.coef_, theirs.intercept_), atol=1e-5)

    @settings(max_examples=30)
    @given(
        arrays.arrays(np.float64, (12, 2), elements=st.floats(-3, 3, width=32)),
        arrays.arrays(np.float64, 12, elements=st.floats(-1, 1, width=32)),
        arrays.arrays(np.float64, 3, elements=st.floats(-5, 5, width=32)),
        st.sampled_from(regression.COSTS),
    )
    def test_where_it_begins_does_not_matter(self, x, y, start, cost):
        np.testing.assert_allclose(regression.svr(x, y, cost, 0.1, start), regression.svr(x, y, cost, 0.1), atol=1e-4)

    def test_errors_within_the_tube_are_free(self):
        y = np.array([0.05, -0.05] * 10)
        np.testing.assert_array_equal(regression.svr(rng.normal(size=(20, 3)), y, 1.0, 0.1), 0)


class TestRidge:
    def test_is_the_textbook_s(self):
        x, y = rng.normal(size=(200, 3)) + 1, rng.normal(size=200)
        table = np.column_stack([x, np.ones(200)])
        (mine,) = regression._ridges(table.T @ table / 200, (table.T @ y / 200)[:, None], [(0, 0.1)])
        centred = x - x.mean(axis=0)
        weights = np.linalg.solve(centred.T @ centred + 20 * np.eye(3), centred.T @ (y - y.mean()))
        np.testing.assert_allclose(mine, np.append(weights, y.mean() - x.mean(axis=0) @ weights))


class TestWindows:
    def test_statistics_by_hand(self):
        # Windows of three frames, cut off at the ends: (1 4) (1 4 7) (4 7).
        mean_sd = windows.statistics([[1.0], [4.0], [7.0]], [0.12])
        np.testing.assert_allclose(mean_sd, [[2.5, 1.5], [4, np.sqrt(6)], [5.5, 1.5]])

    @given(arrays.arrays(np.float64, (9, 2), elements=st.floats(-1e3, 1e3)), st.integers(1, 30))
    def test_statistics_are_those_of_the_frames(self, values, length):
        made = windows.statistics(values, [0.04 * length])
        for frame in range(9):
            first = frame - length // 2
            inside = values[max(first, 0) : first + length]
            wanted = np.concatenate([inside.mean(axis=0), inside.std(axis=0)])
            np.testing.assert_allclose(made[frame], wanted, atol=1e-4)

    def test_stacked_by_hand(self):
        made = windows.stacked(np.array([[1], [2], [3]]), [-0.04, 0.0, 0.08])
        np.testing.assert_array_equal(made, [[1, 1, 3], [1, 2, 3], [2, 3, 3]])

    def test_normalised_by_hand(self):
        made = windows.normalised([[1.0, 7.0], [3.0, 7.0]])
        np.testing.assert_array_equal(made, [[-1, 0], [1, 0]])

    def test_a_missing_value_is_its_column_s_mean_and_spoils_no_other(self):
        nan = np.nan
        values = np.array([[1.0, nan], [nan, nan], [3.0, nan]])
        np.testing.assert_array_equal(windows.filled(values), [[1, 0], [2, 0], [3, 0]])
        made = windows.normalised(values)
        np.testing.assert_array_equal(made, [[-np.sqrt(1.5), 0], [0, 0], [np.sqrt(1.5), 0]])
        np.testing.assert_allclose(windows.statistics(values, [0.04])[:, :2], [[1, 0], [2, 0], [3, 0]])

    @pytest.mark.parametrize("name", ["ridge", "le_provost"])
    def test_a_missing_feature_changes_little(self, name, tmp_path):
        def given(seed, holes):
            (made,) = late(0, (seed,))
            values = np.array(made.recording.load_features())
            values[100 : 100 + holes, 0] = np.nan
            return material(values, made.gold)

        system, chosen = systems.get(name), systems.settings(name, {"front_end": "given"} | SMALL.get(name, {}))
        traces = [
            system.fit(task((given(1, holes),), (given(2, holes),), tmp_path), chosen)(given(3, holes))
            for holes in (0, 1)
        ]
        assert metrics.ccc_population(*traces) > 0.99
