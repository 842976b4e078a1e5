import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emotrace.annotation import Ratings, agreement, fusion, lag
from emotrace.errors import TraceError

TOY = [
    # FM1, FM2, FM3, FF1, FF2, FF3: five follow one course at their own level and gain, one goes against it.
    [0.00, 0.10, -0.20, 0.30, 0.05, 0.40],
    [0.10, 0.30, -0.10, 0.30, 0.15, 0.30],
    [0.25, 0.60, 0.00, 0.45, 0.20, 0.20],
    [0.40, 0.70, 0.05, 0.60, 0.45, 0.05],
    [0.35, 0.50, 0.10, 0.55, 0.40, 0.10],
    [0.20, 0.20, -0.05, 0.40, 0.10, 0.25],
]

SIX_RATERS = arrays(np.float64, st.tuples(st.integers(2, 20), st.integers(2, 6)), elements=st.floats(-1, 1, width=32))


def column(values, rater):
    return [row[rater] for row in values]


def slow_ccc(first, second):
    n = len(first)
    mean_first, mean_second = sum(first) / n, sum(second) / n
    covariance = variance_first = variance_second = 0.0
    for a, b in zip(first, second, strict=True):
        covariance += (a - mean_first) * (b - mean_second) / n
        variance_first += (a - mean_first) ** 2 / n
        variance_second += (b - mean_second) ** 2 / n
    return 2 * covariance / (variance_first + variance_second + (mean_first - mean_second) ** 2)


def slow_weights(values):
    raters = range(len(values[0]))
    weights = []
    for rater in raters:
        scores = [slow_ccc(column(values, rater), column(values, other)) for other in raters if other != rater]
        weights.append(max(sum(scores) / len(scores), 0.0))
    return weights


def slow_gold_standard(values):
    levels = [sum(column(values, rater)) / len(values) for rater in range(len(values[0]))]
    weights = slow_weights(values)
    centre = sum(w * level for w, level in zip(weights, levels, strict=True)) / sum(weights)
    return [sum(r - level + centre for r, level in zip(row, levels, strict=True)) / len(row) for row in values]


class TestAgreement:
    def test_pairwise_ccc(self):
        scores = agreement.pairwise_ccc(TOY)
        for first in range(6):
            for second in range(6):
                expected = slow_ccc(column(TOY, first), column(TOY, second))
                assert scores[first, second] == pytest.approx(expected, abs=1e-12)

    def test_mean_pairwise_ccc(self):
        pairs = [(a, b) for a in range(6) for b in range(a)]
        expected = sum(slow_ccc(column(TOY, a), column(TOY, b)) for a, b in pairs) / 15
        assert agreement.mean_pairwise_ccc(TOY) == pytest.approx(expected, abs=1e-12)

    def test_every_column_of_the_table(self):
        found = agreement.agreement(TOY)
        pairs = [(np.array(column(TOY, a)), np.array(column(TOY, b))) for a in range(6) for b in range(a)]
        assert found.ccc == agreement.mean_pairwise_ccc(TOY)
        assert found.rmse == pytest.approx(np.mean([math.sqrt(np.mean((a - b) ** 2)) for a, b in pairs]), abs=1e-12)
        assert found.pearson == pytest.approx(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]), abs=1e-12)
        assert found.icc_2k == agreement.icc_2k(TOY)
        assert found.cronbach_alpha == agreement.cronbach_alpha(TOY)

    def test_icc_by_shrout_and_fleiss_s_own_example(self):
        # Table 2 of their paper: six targets, four judges; table 4 gives ICC(2,4) = .62 and ICC(3,4) = .91.
        judged = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
        assert agreement.icc_2k(judged) == pytest.approx(0.62, abs=0.005)
        assert agreement.cronbach_alpha(judged) == pytest.approx(0.91, abs=0.005)

    def test_alpha_is_the_literal_formula(self):
        values = np.array(TOY)
        expected = 6 / 5 * (1 - values.var(axis=0, ddof=1).sum() / values.sum(axis=1).var(ddof=1))
        assert agreement.cronbach_alpha(TOY) == pytest.approx(expected, abs=1e-12)

    def test_raters_who_say_the_same(self):
        same = np.repeat(np.array(TOY)[:, :1], 4, axis=1)
        found = dataclasses.asdict(agreement.agreement(same))
        assert found == pytest.approx(dict(rmse=0, ccc=1, pearson=1, icc_2k=1, cronbach_alpha=1), abs=1e-12)

    def test_raters_who_never_move(self):
        found = dataclasses.asdict(agreement.agreement(np.full((7, 3), 0.1)))
        assert found == pytest.approx(dict(rmse=0, ccc=0, pearson=0, icc_2k=0, cronbach_alpha=0), abs=1e-12)

    @given(SIX_RATERS)
    def test_finite_symmetric_and_bounded(self, values):
        scores = agreement.pairwise_ccc(values)
        assert (scores == scores.T).all()
        assert (np.abs(scores) <= 1 + 1e-12).all()
        found = agreement.agreement(values)
        assert all(math.isfinite(number) for number in dataclasses.astuple(found))
        assert found.icc_2k <= 1 + 1e-9
        assert found.cronbach_alpha <= 1 + 1e-9

    @pytest.mark.parametrize("values", [np.zeros((5, 1)), np.zeros((1, 3)), np.zeros(5), np.zeros((0, 0))])
    def test_needs_two_raters_and_two_frames(self, values):
        with pytest.raises(TraceError, match="at least 2 raters"):
            agreement.agreement(values)

    def test_infinity(self):
        with pytest.raises(TraceError, match="infinite"):
            agreement.mean_pairwise_ccc([[0.0, 1.0], [np.inf, 1.0]])

    def test_pairs_take_the_frames_that_both_rated(self):
        values = np.array(TOY)
        values[0, 1] = values[3, 2] = np.nan
        scores = agreement.pairwise_ccc(values)
        kept = [row for number, row in enumerate(TOY) if number not in (0, 3)]
        assert scores[1, 2] == pytest.approx(slow_ccc(column(kept, 1), column(kept, 2)), abs=1e-12)
        assert scores[0, 3] == pytest.approx(slow_ccc(column(TOY, 0), column(TOY, 3)), abs=1e-12)

    def test_panels_take_the_frames_that_all_rated(self):
        values = np.array(TOY)
        values[2, 4] = np.nan
        whole = np.delete(np.array(TOY), 2, axis=0)
        assert agreement.icc_2k(values) == agreement.icc_2k(whole)
        assert agreement.cronbach_alpha(values) == agreement.cronbach_alpha(whole)
        assert math.isnan(agreement.icc_2k([[0.0, np.nan], [1.0, 1.0], [np.nan, 0.0]]))

    def test_raters_who_share_no_frames_are_left_out_of_the_mean(self):
        values = np.array(TOY)[:, :3]
        values[:3, 0] = values[3:, 1] = np.nan
        scores = agreement.pairwise_ccc(values)
        assert math.isnan(scores[0, 1])
        assert agreement.mean_pairwise_ccc(values) == pytest.approx((scores[0, 2] + scores[1, 2]) / 2, abs=1e-12)
        with pytest.raises(TraceError, match="no two raters"):
            agreement.mean_pairwise_ccc(values[:, :2])

    def test_the_table_is_raw_beside_centred(self):
        values = np.array(TOY)
        table = agreement.agreement_table(values)
        assert table.raw == agreement.agreement(values)
        assert dataclasses.astuple(table.centred) == pytest.approx(
            dataclasses.astuple(agreement.agreement(fusion.centre_avec2016(values))), abs=1e-12
        )
        assert table.centred.rmse < table.raw.rmse


class TestFusion:
    def test_weights(self):
        np.testing.assert_allclose(fusion.rater_weights_avec2016(TOY), slow_weights(TOY), atol=1e-12)

    def test_the_one_against_all_has_no_say_in_the_level(self):
        weights = fusion.rater_weights_avec2016(TOY)
        assert weights[5] == 0.0
        assert (weights[:5] > 0.0).all()

    def test_gold_standard(self):
        np.testing.assert_allclose(fusion.gold_standard_avec2016(TOY), slow_gold_standard(TOY), atol=1e-12)

    def test_gold_standard_of_two_by_hand(self):
        # Means 1/2 and 3/2; two raters weigh the same: the centre is 1 and both traces become 0.5, 1.5.
        np.testing.assert_allclose(fusion.gold_standard_avec2016([[0, 1], [1, 2]]), [0.5, 1.5], atol=1e-12)

    def test_mean(self):
        np.testing.assert_allclose(fusion.mean(TOY), [sum(row) / 6 for row in TOY], atol=1e-12)

    @given(SIX_RATERS)
    def test_the_centre_lies_among_the_raters_means(self, values):
        centred = fusion.centre_avec2016(values)
        levels = values.mean(axis=0)
        np.testing.assert_allclose(centred.mean(axis=0), centred.mean(), atol=1e-9)
        assert levels.min() - 1e-9 <= centred.mean() <= levels.max() + 1e-9
        np.testing.assert_allclose(np.diff(centred, axis=0), np.diff(values, axis=0), atol=1e-9)

    @given(SIX_RATERS, st.randoms(use_true_random=False))
    def test_the_order_of_raters_does_not_matter(self, values, random):
        order = list(range(values.shape[1]))
        random.shuffle(order)
        np.testing.assert_allclose(
            fusion.gold_standard_avec2016(values[:, order]), fusion.gold_standard_avec2016(values), atol=1e-9
        )

    @given(SIX_RATERS)
    def test_raters_who_agree_are_returned(self, values):
        same = np.repeat(values[:, :1], 6, axis=1)
        np.testing.assert_allclose(fusion.gold_standard_avec2016(same), values[:, 0], atol=1e-9)

    def test_raters_who_all_disagree_weigh_the_same(self):
        opposed = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
        assert fusion.rater_weights_avec2016(opposed).tolist() == [1.0, 1.0]
        np.testing.assert_allclose(fusion.gold_standard_avec2016(opposed), opposed.mean(axis=1), atol=1e-12)

    @pytest.mark.parametrize("shape", [(5, 1), (1, 3), (1, 1)])
    def test_one_rater_or_one_frame_is_the_plain_mean(self, shape):
        values = np.random.default_rng(0).uniform(-1, 1, shape)
        np.testing.assert_allclose(fusion.gold_standard_avec2016(values), values.mean(axis=1), atol=1e-12)

    @pytest.mark.parametrize("fuse", [fusion.mean, fusion.gold_standard_avec2016, fusion.rater_weights_avec2016])
    def test_refusals(self, fuse):
        with pytest.raises(TraceError, match="shape"):
            fuse(np.zeros(5))
        with pytest.raises(TraceError, match="shape"):
            fuse(np.zeros((0, 6)))
        with pytest.raises(TraceError, match="infinite"):
            fuse([[0.0, np.inf]])
        with pytest.raises(TraceError, match="no frame is rated"):
            fuse([[np.nan, np.nan]])


class TestLag:
    def test_back_duplicates_the_last(self):
        assert lag.shift_back([1, 2, 3, 4], 2).tolist() == [3, 4, 4, 4]

    def test_forward_duplicates_the_first(self):
        assert lag.shift_forward([1, 2, 3, 4], 2).tolist() == [1, 1, 1, 2]

    @pytest.mark.parametrize("frames", [4, 5, 10**12])
    def test_beyond_the_end(self, frames):
        assert lag.shift_back([1, 2, 3, 4], frames).tolist() == [4] * 4
        assert lag.shift_forward([1, 2, 3, 4], frames).tolist() == [1] * 4

    def test_columns_move_together(self):
        values = np.arange(8.0).reshape(4, 2)
        assert lag.shift_back(values, 3).tolist() == [[6, 7]] * 4

    @given(arrays(np.float64, st.integers(1, 30), elements=st.floats(-1, 1)), st.integers(0, 40))
    def test_mirror_images_and_round_trip(self, trace, frames):
        back = lag.shift_back(trace, frames)
        assert (back[::-1] == lag.shift_forward(trace[::-1], frames)).all()
        there_and_back = lag.shift_forward(back, frames)
        assert len(there_and_back) == len(trace)
        assert (there_and_back[frames:] == trace[frames:]).all()

    def test_zero_leaves_alone(self):
        assert lag.shift_back([1, 2], 0).tolist() == lag.shift_forward([1, 2], 0).tolist() == [1, 2]

    @pytest.mark.parametrize("shift", [lag.shift_back, lag.shift_forward])
    def test_refusals(self, shift):
        with pytest.raises(ValueError, match="0 or more"):
            shift([1.0], -1)
        with pytest.raises(ValueError, match="at least one frame"):
            shift([], 1)
        with pytest.raises(TypeError):
            shift([1.0], 0.5)


GOOD = dict(time_s=[0.0, 0.04], values=[[0.0, 1.0], [0.5, 0.5]], raters=("a", "b"), target="arousal")


class TestRatings:
    def test_holds_read_only_float64_copies(self):
        source = np.zeros((2, 2), dtype=np.float32)
        ratings = Ratings(**{**GOOD, "values": source})
        source[:] = 1
        assert ratings.values.dtype == np.float64
        assert not ratings.values.any()
        with pytest.raises(ValueError, match="read-only"):
            ratings.values[0, 0] = 1
        with pytest.raises(dataclasses.FrozenInstanceError):
            ratings.target = "valence"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (dict(time_s=[0.0]), "do not fit"),
            (dict(time_s=[[0.0, 0.04]]), "do not fit"),
            (dict(values=[0.0, 1.0]), "do not fit"),
            (dict(raters=("a",)), "do not fit"),
            (dict(time_s=[], values=np.zeros((0, 2))), "no values"),
            (dict(raters=(), values=np.zeros((2, 0))), "no values"),
            (dict(values=[[0.0, 1.0], [np.inf, 0.5]]), "infinite"),
            (dict(values=[[np.nan, np.nan], [np.nan, np.nan]]), "no frame is rated"),
            (dict(time_s=[0.0, np.inf]), "NaN"),
            (dict(time_s=[0.04, 0.0]), "increase"),
            (dict(time_s=[0.0, 0.0]), "increase"),
            (dict(raters=("a", "a")), "same name"),
            (dict(target=""), "no name"),
        ],
    )
    def test_refusals(self, change, message):
        with pytest.raises(TraceError, match=message) as error:
            Ratings(**{**GOOD, **change})
        assert "\n" not in str(error.value)
