import math

import audmetric
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from emotrace import metrics

PAIRED = [metrics.ccc_population, metrics.ccc_avec2016, metrics.pearson, metrics.rmse]
CCCS = [metrics.ccc_population, metrics.ccc_avec2016]

VALUE = st.floats(-1.0, 1.0, width=32)


@st.composite
def pairs(draw, min_frames=1, value=VALUE):
    frames = draw(st.integers(min_frames, 40))
    trace = st.lists(value, min_size=frames, max_size=frames).map(np.array)
    return draw(trace), draw(trace)


def random_pair(frames=500, seed=0):
    rng = np.random.default_rng(seed)
    gold = rng.standard_normal(frames).cumsum() / 20
    return gold, 0.6 * gold + 0.2 + 0.3 * rng.standard_normal(frames)


def literal_ccc(gold, prediction, ddof):
    frames = len(gold)
    mean_gold, mean_prediction = sum(gold) / frames, sum(prediction) / frames
    covariance = sum((g - mean_gold) * (p - mean_prediction) for g, p in zip(gold, prediction, strict=True)) / frames
    variance_gold = sum((g - mean_gold) ** 2 for g in gold) / (frames - ddof)
    variance_prediction = sum((p - mean_prediction) ** 2 for p in prediction) / (frames - ddof)
    return 2 * covariance / (variance_gold + variance_prediction + (mean_gold - mean_prediction) ** 2)


class TestAgainstOthers:
    @pytest.mark.parametrize(
        ("ccc", "ddof"),
        [(metrics.ccc_population, 0), (metrics.ccc_avec2016, 1)],
        ids=["population", "avec2016"],
    )
    @pytest.mark.parametrize("frames", [2, 3, 500])
    def test_ccc_is_the_literal_formula(self, ccc, ddof, frames):
        gold, prediction = random_pair(frames)
        assert ccc(gold, prediction) == pytest.approx(literal_ccc(gold, prediction, ddof), abs=1e-12)

    def test_ccc_by_hand(self):
        # Means 1 and 2, covariance 2/3; variances 2/3 over N and 1 over N - 1.
        assert metrics.ccc_population([0, 1, 2], [1, 2, 3]) == pytest.approx((4 / 3) / (4 / 3 + 1))
        assert metrics.ccc_avec2016([0, 1, 2], [1, 2, 3]) == pytest.approx((4 / 3) / (2 + 1))

    def test_ccc_population_is_audmetric_s(self):
        gold, prediction = random_pair()
        assert metrics.ccc_population(gold, prediction) == pytest.approx(
            audmetric.concordance_cc(gold, prediction), abs=1e-12
        )

    def test_pearson_is_audmetric_s(self):
        gold, prediction = random_pair()
        assert metrics.pearson(gold, prediction) == pytest.approx(audmetric.pearson_cc(gold, prediction), abs=1e-12)

    def test_rmse_by_hand(self):
        assert metrics.rmse([0.0, 0.0], [3.0, 4.0]) == pytest.approx(math.sqrt(12.5))

    def test_roughness_by_hand(self):
        assert metrics.roughness([0.0, 1.0, 0.0, 1.0]) == pytest.approx(2.0)
        assert metrics.roughness([0.0, 1.0, 2.0]) == pytest.approx(1 / math.sqrt(2 / 3))

    def test_roughness_of_white_noise(self):
        noise = np.random.default_rng(0).standard_normal(100_000)
        assert metrics.roughness(noise) == pytest.approx(2 / math.sqrt(math.pi), rel=0.01)


class TestProperties:
    @pytest.mark.parametrize("metric", PAIRED)
    @given(pair=pairs())
    def test_symmetric(self, metric, pair):
        gold, prediction = pair
        assert metric(gold, prediction) == metric(prediction, gold)

    @given(pair=pairs(value=st.floats(-1e6, 1e6)))
    def test_bounds(self, pair):
        pearson = metrics.pearson(*pair)
        assert -1.0 <= pearson <= 1.0
        assert abs(metrics.ccc_population(*pair)) <= abs(pearson) + 1e-9
        assert abs(metrics.ccc_avec2016(*pair)) <= abs(metrics.ccc_population(*pair)) + 1e-12
        assert metrics.rmse(*pair) >= 0.0

    @given(pair=pairs(min_frames=2))
    def test_the_conventions_differ_by_at_most_one_frame_s_share(self, pair):
        frames = len(pair[0])
        population, avec2016 = (ccc(*pair) for ccc in CCCS)
        assert abs(avec2016) >= abs(population) * (frames - 1) / frames - 1e-12

    @given(pair=pairs())
    def test_ccc_of_a_trace_with_itself(self, pair):
        gold, _ = pair
        expected = 1.0 if np.ptp(gold) > 0 else 0.0
        assert metrics.ccc_population(gold, gold) == pytest.approx(expected, abs=1e-12)
        assert metrics.ccc_avec2016(gold, gold) == pytest.approx(expected * (len(gold) - 1) / len(gold), abs=1e-12)

    @given(pair=pairs(), offset=st.floats(-10, 10), scale=st.floats(0.1, 10))
    def test_a_common_change_of_unit_leaves_ccc_alone(self, pair, offset, scale):
        gold, prediction = pair
        assume(np.ptp(gold) > 1e-3)
        moved = metrics.ccc_population(scale * gold + offset, scale * prediction + offset)
        assert moved == pytest.approx(metrics.ccc_population(gold, prediction), abs=1e-6)

    @given(pair=pairs(), offset=st.floats(-10, 10), scale=st.floats(0.1, 10))
    def test_pearson_ignores_offset_and_scale_of_one_side(self, pair, offset, scale):
        gold, prediction = pair
        assume(np.ptp(gold) > 1e-3 and np.ptp(prediction) > 1e-3)
        expected = metrics.pearson(gold, prediction)
        assert metrics.pearson(gold, scale * prediction + offset) == pytest.approx(expected, abs=1e-6)
        assert metrics.pearson(gold, -scale * prediction + offset) == pytest.approx(-expected, abs=1e-6)

    @given(pair=pairs(min_frames=2), offset=st.floats(0.1, 2))
    def test_ccc_punishes_an_offset(self, pair, offset):
        gold, _ = pair
        assume(np.ptp(gold) > 1e-3)
        assert metrics.ccc_population(gold, gold + offset) < 1.0
        assert metrics.ccc_population(gold, gold + offset) > metrics.ccc_population(gold, gold + 2 * offset)

    @given(pair=pairs(), offset=st.floats(-10, 10), scale=st.floats(0.1, 10))
    def test_roughness_ignores_offset_scale_and_direction(self, pair, offset, scale):
        trace, _ = pair
        assume(np.ptp(trace) > 1e-3)
        expected = pytest.approx(metrics.roughness(trace), rel=1e-6)
        assert metrics.roughness(scale * trace + offset) == expected
        assert metrics.roughness(trace[::-1]) == expected

    @pytest.mark.parametrize("metric", PAIRED)
    @given(pair=pairs(value=st.floats(-1e100, 1e100)))
    @settings(max_examples=200)
    def test_never_nan(self, metric, pair):
        assert math.isfinite(metric(*pair))
        assert math.isfinite(metrics.roughness(pair[0]))


class TestNumerics:
    @pytest.mark.parametrize("offset", [1e3, 1e6, 1e9])
    def test_a_large_common_offset_costs_little(self, offset):
        gold, prediction = random_pair()
        # What adding the offset rounds away is the data's loss, so it is taken off before comparing.
        far_gold, far_prediction = gold + offset, prediction + offset
        near = literal_ccc(far_gold - offset, far_prediction - offset, 0)
        assert metrics.ccc_population(far_gold, far_prediction) == pytest.approx(near, abs=1e-9)
        assert metrics.pearson(far_gold, far_prediction) == pytest.approx(
            metrics.pearson(far_gold - offset, far_prediction - offset), abs=1e-9
        )

    @pytest.mark.parametrize("scale", [1e-200, 1e-300, 1e150])
    def test_squares_neither_underflow_nor_overflow(self, scale):
        gold, prediction = random_pair()
        for metric in (*CCCS, metrics.pearson):
            assert metric(scale * gold, scale * prediction) == pytest.approx(metric(gold, prediction), rel=1e-9)
        assert metrics.roughness(scale * gold) == pytest.approx(metrics.roughness(gold), rel=1e-9)

    def test_float32_is_computed_in_float64(self):
        gold, prediction = (trace.astype(np.float32) for trace in random_pair())
        for metric in PAIRED:
            assert metric(gold, prediction) == metric(gold.astype(np.float64), prediction.astype(np.float64))


class TestConstants:
    @pytest.mark.parametrize("constant", [0.0, 0.1, -1 / 3, 1e9 + 0.1])
    @pytest.mark.parametrize("frames", [1, 2, 7, 1000])
    def test_no_covariance_scores_zero(self, constant, frames):
        gold, flat = random_pair(frames)[0], np.full(frames, constant)
        for metric in (*CCCS, metrics.pearson):
            assert metric(gold, flat) == 0.0
            assert metric(flat, flat) == 0.0
            assert metric(flat, flat + 1) == 0.0
        assert metrics.roughness(flat) == 0.0
        assert metrics.rmse(flat, flat) == 0.0


class TestMasks:
    @pytest.mark.parametrize("metric", PAIRED)
    def test_only_frames_that_count_do(self, metric):
        gold, prediction = random_pair(50)
        mask = np.random.default_rng(1).random(50) < 0.7
        expected = metric(gold[mask], prediction[mask])
        gold[~mask], prediction[~mask] = np.nan, np.inf
        assert metric(gold, prediction, mask) == expected

    @pytest.mark.parametrize("metric", PAIRED)
    def test_a_full_mask_changes_nothing(self, metric):
        gold, prediction = random_pair(50)
        assert metric(gold, prediction, np.ones(50, dtype=bool)) == metric(gold, prediction)

    def test_roughness_takes_no_step_across_a_gap(self):
        mask = np.array([True, True, False, True, True])
        trace = [0.0, 0.5, np.nan, 10.0, 10.5]
        assert metrics.roughness(trace, mask) == pytest.approx(0.5 / np.std([0.0, 0.5, 10.0, 10.5]))

    def test_roughness_without_neighbours_is_zero(self):
        assert metrics.roughness([0.0, np.nan, 1.0], np.array([True, False, True])) == 0.0
        assert metrics.roughness([3.0]) == 0.0


class TestRefusals:
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("metric", PAIRED)
    def test_names_the_argument_that_is_not_finite(self, metric, bad):
        with pytest.raises(ValueError, match=r"^gold .*NaN"):
            metric([0.0, bad], [0.0, 1.0])
        with pytest.raises(ValueError, match=r"^prediction .*NaN"):
            metric([0.0, 1.0], [bad, 1.0])
        with pytest.raises(ValueError, match=r"^trace .*NaN"):
            metrics.roughness([bad, 1.0])

    @pytest.mark.parametrize("metric", PAIRED)
    def test_names_both_lengths(self, metric):
        with pytest.raises(ValueError, match="gold has 3 frames but prediction has 2"):
            metric([1, 2, 3], [1, 2])

    @pytest.mark.parametrize("metric", PAIRED)
    def test_no_frames(self, metric):
        with pytest.raises(ValueError, match="no frame that counts"):
            metric([], [])
        with pytest.raises(ValueError, match="no frame that counts"):
            metric([1.0], [1.0], np.array([False]))

    @pytest.mark.parametrize("metric", PAIRED)
    def test_shape(self, metric):
        with pytest.raises(ValueError, match=r"gold must have the shape \(T,\)"):
            metric(np.zeros((2, 1)), np.zeros(2))

    @pytest.mark.parametrize("mask", [np.array([1, 0]), np.array([True]), np.array([0.5, 1.0])])
    def test_mask(self, mask):
        with pytest.raises(ValueError, match=r"^mask must be bool \(2,\)"):
            metrics.ccc_population([0, 1], [0, 1], mask)


class TestAggregation:
    GOLDS = ([0.0, 1.0, 2.0], [5.0, 6.0])
    PREDICTIONS = ([0.0, 1.0, 3.0], [6.0, 5.0])

    @pytest.mark.parametrize("metric", PAIRED)
    def test_concatenated(self, metric):
        joined = metric([0.0, 1, 2, 5, 6], [0.0, 1, 3, 6, 5])
        assert metrics.concatenated(metric, self.GOLDS, self.PREDICTIONS) == joined

    @pytest.mark.parametrize("metric", PAIRED)
    def test_per_recording(self, metric):
        scores = [metric(g, p) for g, p in zip(self.GOLDS, self.PREDICTIONS, strict=True)]
        assert metrics.scores_per_recording(metric, self.GOLDS, self.PREDICTIONS) == scores
        assert metrics.per_recording(metric, self.GOLDS, self.PREDICTIONS) == pytest.approx(sum(scores) / 2)

    def test_one_recording_is_itself_either_way(self):
        gold, prediction = random_pair()
        score = metrics.ccc_avec2016(gold, prediction)
        assert metrics.concatenated(metrics.ccc_avec2016, [gold], [prediction]) == score
        assert metrics.per_recording(metrics.ccc_avec2016, [gold], [prediction]) == score

    def test_masks(self):
        masks = [np.array([True, True, False]), np.array([True, True])]
        assert metrics.concatenated(metrics.rmse, self.GOLDS, self.PREDICTIONS, masks) == pytest.approx(math.sqrt(0.5))
        assert metrics.scores_per_recording(metrics.rmse, self.GOLDS, self.PREDICTIONS, masks) == [0.0, 1.0]

    def test_lengths_that_cancel_are_refused(self):
        with pytest.raises(ValueError, match="recording 0: gold has 3 frames but prediction has 2"):
            metrics.concatenated(metrics.rmse, [[1, 2, 3], [1, 2]], [[1, 2], [1, 2, 3]])

    def test_numbers_of_recordings(self):
        with pytest.raises(ValueError, match=r"\[2, 1\]"):
            metrics.per_recording(metrics.rmse, [[1], [2]], [[1]])
        with pytest.raises(ValueError, match="no recording"):
            metrics.per_recording(metrics.rmse, [], [])


def test_rounding_lifts_no_ccc_above_one():
    gold = np.array([0.2, 0.9, -0.6, 1.4, 0.3, 0.5, 0.5])
    assert metrics.ccc_population(gold, gold + 1e-9) <= 1.0
