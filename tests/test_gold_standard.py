"""Fusion of incomplete ratings, weights, uncertainty, lags, warping, resampling, spectrum, and methods by name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emotrace import metrics
from emotrace.annotation import Ratings, activity, agreement, fusion, lag, resampling, spectrum, standard, warping
from emotrace.errors import AudioError, TraceError

RATE_HZ = 25.0
PANELS = arrays(np.float64, st.tuples(st.integers(2, 20), st.integers(2, 6)), elements=st.floats(-1, 1, width=32))


def course(seconds=120.0, seed=0, rate_hz=RATE_HZ):
    """A slow, smooth trace, as a sum of sines."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    hz = rng.uniform(0.01, 0.12, 12)[:, None]
    return np.sin(2 * np.pi * (hz * time_s + rng.uniform(0, 1, (12, 1)))).sum(axis=0) / 8


def panel(lags_s, noise=0.05, seed=0, seconds=120.0):
    """Raters who follow `course` each with a lag of their own."""
    truth = course(seconds + 20, seed)
    rng = np.random.default_rng([seed, 1])
    columns = [lag.shift(truth, -late_s, RATE_HZ)[250 : 250 + round(seconds * RATE_HZ)] for late_s in lags_s]
    values = np.column_stack(columns)
    return truth[250 : 250 + len(values)], values + noise * rng.normal(size=values.shape)


class TestIncomplete:
    def test_the_mean_is_of_those_who_rated(self):
        values = [[0.0, 1.0, np.nan], [np.nan, np.nan, np.nan], [np.nan, 0.5, 0.7]]
        np.testing.assert_allclose(fusion.mean(values), [0.5, np.nan, 0.6], atol=1e-15)

    def test_avec2016_by_hand(self):
        # Means 1/2 (both frames) and 3/2 (the one that was rated); who shares one frame only with everybody weighs 1.
        np.testing.assert_allclose(fusion.gold_standard_avec2016([[0.0, np.nan], [1.0, 1.5]]), [0.5, 1.25], atol=1e-12)

    @given(PANELS, st.data())
    @settings(max_examples=40, deadline=None)
    def test_a_frame_is_nan_where_nobody_rated_and_only_there(self, values, data):
        gaps = data.draw(arrays(bool, values.shape))
        values = np.where(gaps, np.nan, values)
        if gaps.all():
            return
        for fuse in (fusion.mean, fusion.gold_standard_avec2016):
            assert (np.isnan(fuse(values)) == gaps.all(axis=1)).all()
        centred = fusion.centre_avec2016(values)
        assert (np.isnan(centred) == gaps).all()

    @given(PANELS)
    @settings(max_examples=30, deadline=None)
    def test_a_rater_who_rated_nothing_changes_nothing(self, values):
        absent = np.column_stack([values, np.full(len(values), np.nan)])
        np.testing.assert_allclose(
            fusion.gold_standard_avec2016(absent), fusion.gold_standard_avec2016(values), atol=1e-12
        )
        np.testing.assert_allclose(fusion.ewe(absent), fusion.ewe(values), atol=1e-9)

    def test_complete_ratings_go_the_old_way_bit_for_bit(self):
        values = np.random.default_rng(0).uniform(-1, 1, (50, 6))
        levels = values.mean(axis=0)
        weights = fusion.rater_weights_avec2016(values)
        assert (fusion.mean(values) == values.mean(axis=1)).all()
        by_hand = (values - levels + np.average(levels, weights=weights)).mean(axis=1)
        assert (fusion.gold_standard_avec2016(values) == by_hand).all()


class TestWeights:
    def test_ewe_by_hand(self):
        values = np.random.default_rng(3).normal(size=(30, 4)) + course(seed=1)[:30, None]
        weights = [max(np.corrcoef(values[:, r], values.mean(axis=1))[0, 1], 0) for r in range(4)]
        np.testing.assert_allclose(fusion.rater_weights_ewe(values), weights, atol=1e-12)
        np.testing.assert_allclose(fusion.ewe(values), values @ weights / np.sum(weights), atol=1e-12)

    def test_who_goes_against_all_is_an_outlier_and_has_no_say(self):
        truth, values = panel([0, 0, 0, 0, 0, 0])
        values[:, 2] = -values[:, 2]
        found = fusion.robust_weights(values)
        assert found.outlier.tolist() == [False, False, True, False, False, False]
        assert found.weights[2] == 0.0
        assert found.weights.sum() == pytest.approx(1.0)
        robust = fusion.weighted_mean(values, found.weights)
        assert metrics.pearson(truth, robust) > metrics.pearson(truth, fusion.mean(values))

    def test_noise_is_an_outlier_too(self):
        _, values = panel([0] * 5)
        values[:, 4] = np.random.default_rng(1).normal(size=len(values))
        assert fusion.robust_weights(values).outlier.tolist() == [False] * 4 + [True]

    def test_a_panel_that_agrees_has_no_outlier(self):
        _, values = panel([0] * 6, noise=0.3)
        found = fusion.robust_weights(values)
        assert not found.outlier.any()
        assert found.weights.min() > 0.5 / 6

    def test_two_raters_have_no_majority(self):
        found = fusion.robust_weights(np.column_stack([course(), -course()]))
        assert found.weights.tolist() == [0.5, 0.5]

    @given(PANELS)
    @settings(max_examples=40, deadline=None)
    def test_weights_are_a_share_each(self, values):
        found = fusion.robust_weights(values)
        assert found.weights.sum() == pytest.approx(1.0)
        assert (found.weights >= 0).all()

    @pytest.mark.parametrize("weights", [[1.0], [0.0, 0.0], [1.0, -1.0], [1.0, np.nan]])
    def test_weights_that_are_none(self, weights):
        with pytest.raises(TraceError, match="weights"):
            fusion.weighted_mean([[0.0, 1.0]], weights)

    def test_uncertainty_of_equal_raters_is_the_textbook_one(self):
        values = np.random.default_rng(2).normal(size=(9, 5))
        found = fusion.uncertainty(values, np.ones(5))
        np.testing.assert_allclose(found.sd, values.std(axis=1, ddof=1), atol=1e-12)
        np.testing.assert_allclose(found.standard_error, values.std(axis=1, ddof=1) / np.sqrt(5), atol=1e-12)

    def test_uncertainty_counts_only_who_has_a_say(self):
        values = np.array([[0.0, 1.0, 9.0], [0.0, np.nan, 9.0]])
        found = fusion.uncertainty(values, [1.0, 1.0, 0.0])
        np.testing.assert_allclose(found.sd, [np.sqrt(0.5), np.nan], atol=1e-12)
        np.testing.assert_allclose(found.effective_raters, [2, 1], atol=1e-12)


class TestLags:
    @given(st.floats(-3, 3))
    @settings(max_examples=25, deadline=None)
    def test_a_lag_is_found_finer_than_a_frame(self, late_s):
        truth, values = panel([late_s], noise=0.0)
        found = lag.between(truth, values[:, 0], RATE_HZ)
        assert found.lag_s == pytest.approx(late_s, abs=0.2 / RATE_HZ)
        assert found.correlation > 0.999
        assert not found.at_edge

    def test_it_is_the_slow_definition(self):
        truth, values = panel([0.6], noise=0.5)
        truth[40:90] = np.nan
        values[300:350, 0] = np.nan

        def slow(frames):
            one, two = truth[: len(truth) - frames], values[frames:, 0]
            both = np.isfinite(one) & np.isfinite(two)
            return np.corrcoef(one[both], two[both])[0, 1]

        lags = np.arange(0, 40)
        fast = lag._cross_correlation(truth, values[:, 0], lags)
        np.testing.assert_allclose(fast, [slow(int(frames)) for frames in lags], atol=1e-9)

    def test_sharpness_is_where_five_percent_are_lost(self):
        time_s = np.arange(2500) / RATE_HZ
        wave = np.sin(2 * np.pi * 0.1 * time_s)
        found = lag.between(wave, wave, RATE_HZ, (-4, 4))
        assert found.half_width_s == pytest.approx(np.arccos(0.95) / (2 * np.pi * 0.1), abs=0.05)

    def test_no_maximum_is_said_to_be_none(self):
        truth, values = panel([3.0], noise=0.0)
        assert lag.between(truth, values[:, 0], RATE_HZ, (0, 1)).at_edge
        assert lag.between(truth, -truth, RATE_HZ, (-0.2, 0.2)).at_edge
        assert lag.between(truth, np.zeros(len(truth)), RATE_HZ).at_edge

    def test_raters_alone_tell_who_is_later_and_no_more(self):
        late_s = np.array([0.2, 1.0, 0.5, 1.8, 0.9])
        _, values = panel(late_s, noise=0.1)
        found = np.array([each.lag_s for each in lag.among_raters(values, RATE_HZ)])
        np.testing.assert_allclose(found, late_s - late_s.mean(), atol=0.1)
        again = np.array([each.lag_s for each in lag.among_raters(values[25:], RATE_HZ)])
        np.testing.assert_allclose(again, found, atol=0.1)

    def test_without_evidence_a_rater_is_not_moved(self):
        late_s = np.array([0.2, 1.0, 0.6])
        _, values = panel(late_s, noise=0.1)
        strange = np.column_stack([course(seed=seed)[: len(values)] for seed in (5, 6)])
        found = lag.among_raters(np.column_stack([values, strange]), RATE_HZ)
        np.testing.assert_allclose([each.lag_s for each in found[:3]], late_s - late_s.mean(), atol=0.1)
        assert [(each.lag_s, each.at_edge) for each in found[3:]] == [(0.0, True)] * 2
        assert [(lag.Lag(s, 0.3, 1.0, False).known) for s in (0.5, -3.9, 4.1)] == [True, True, False]

    def test_a_driver_tells_all(self):
        late_s = [0.4, 1.2, 2.0]
        truth, values = panel(late_s, noise=0.1)
        found = [each.lag_s for each in lag.to_driver(5 + 30 * values, truth, RATE_HZ)]
        np.testing.assert_allclose(found, late_s, atol=0.04)

    def test_shifting_back_gives_the_truth_again(self):
        truth, values = panel([1.3], noise=0.0)
        moved = lag.shift(values[:, 0], 1.3, RATE_HZ)
        inside = np.isfinite(moved)
        assert (~inside).sum() == 33
        assert np.abs(moved[inside] - truth[inside]).max() < 1e-3
        held = lag.shift(values[:, 0], 1.3, RATE_HZ, hold_ends=True)
        assert (held[~inside] == values[-1, 0]).all()

    @given(arrays(np.float64, st.integers(1, 30), elements=st.floats(-1, 1)), st.integers(0, 40))
    @settings(max_examples=40, deadline=None)
    def test_whole_frames_are_shift_back(self, trace, frames):
        np.testing.assert_array_equal(
            lag.shift(trace, frames / RATE_HZ, RATE_HZ, hold_ends=True), lag.shift_back(trace, frames)
        )

    def test_refusals(self):
        with pytest.raises(TraceError, match="one length"):
            lag.between(np.zeros(5), np.zeros(6), RATE_HZ)
        with pytest.raises(TraceError, match="in common"):
            lag.between(np.arange(10.0), np.arange(10.0), 1.0, (8, 9))


class TestWarping:
    def test_a_lag_that_drifts_is_followed(self):
        truth = course(200)
        drift_s = np.linspace(-0.8, 0.8, len(truth))
        late = np.interp(np.arange(len(truth)) - drift_s * RATE_HZ, np.arange(len(truth)), truth)
        found = warping.local_lags(truth, late, RATE_HZ, stiffness=0.05)
        middle = slice(500, -500)
        assert np.abs(found[middle] - drift_s[middle]).mean() < 0.15
        before = np.abs(late - truth)[middle].mean()
        assert np.abs(warping.warp(late, found, RATE_HZ) - truth)[middle].mean() < before / 3

    def test_time_never_runs_backwards(self):
        rng = np.random.default_rng(0)
        found = warping.local_lags(rng.normal(size=2000), rng.normal(size=2000), RATE_HZ, stiffness=0.0)
        assert (np.diff(np.arange(2000) + found * RATE_HZ) > 0).all()

    def test_infinitely_stiff_is_constant(self):
        found = warping.local_lags(course(), course(seed=5), RATE_HZ, stiffness=1e12)
        assert np.ptp(found) == 0.0

    def test_what_is_common_to_all_is_left_at_zero(self):
        _, values = panel([0.0, 0.3, 0.6], noise=0.1, seconds=60.0)
        np.testing.assert_allclose(warping.align(lag.standardised(values), RATE_HZ).mean(axis=1), 0, atol=1e-12)

    def test_where_nothing_is_known_nothing_is_late(self):
        assert not warping.local_lags(np.zeros(500), np.zeros(500), RATE_HZ).any()
        same = np.column_stack([course(20)] * 3 + [np.full(len(course(20)), np.nan)])
        np.testing.assert_allclose(warping.align(same, RATE_HZ), 0, atol=1e-12)


class TestResampling:
    def test_what_a_slider_logged_holds(self):
        grid_s = resampling.grid(0.0, 2.0, 2.0)
        found = resampling.onto_grid([0.4, 0.6, 1.7], [1.0, 2.0, 3.0], grid_s, "hold", max_gap_s=0.2)
        np.testing.assert_array_equal(found, [np.nan, 1, 2, 2, np.nan])

    def test_samples_are_joined_by_lines(self):
        found = resampling.onto_grid([0.0, 1.0, 2.0], [0.0, 1.0, 0.0], [0.0, 0.25, 1.5, 2.0], "linear")
        np.testing.assert_allclose(found, [0, 0.25, 0.5, 0], atol=1e-12)

    def test_a_gap_that_is_too_long_stays_one(self):
        at = np.r_[np.arange(0, 2, 0.1), np.arange(5, 7, 0.1)]
        found = resampling.onto_grid(at, at, np.arange(0, 7, 0.5), "linear", max_gap_s=1.0)
        np.testing.assert_allclose(found[[0, 3, 10, 12]], [0, 1.5, 5, 6], atol=1e-9)
        assert np.isnan(found[[4, 6, 9]]).all()
        assert np.isfinite(resampling.onto_grid(at, at, np.arange(0, 7, 0.5), "linear", max_gap_s=4.0)).all()

    def test_auto_tells_logs_from_samples(self):
        assert resampling.is_regular(np.arange(10) * 0.04)
        assert resampling.is_regular([0.0, 0.1, 0.2, 0.5, 0.6])
        assert not resampling.is_regular([0.0, 0.1, 0.13, 0.5])

    def test_two_entries_are_no_rate(self):
        found = resampling.onto_grid([0.0, 50.0], [0.0, 1.0], np.arange(4) * 20.0)
        np.testing.assert_array_equal(found, [0, 0, 0, np.nan])
        np.testing.assert_array_equal(resampling.onto_grid([0.0], [0.5], [0.0, 0.5, 1.0]), [0.5, 0.5, 0.5])

    @given(arrays(np.float64, st.integers(1, 40), elements=st.floats(-1, 1)))
    @settings(max_examples=30, deadline=None)
    def test_its_own_times_give_a_trace_back(self, values):
        time_s = np.arange(len(values)) / RATE_HZ
        for how in ("auto", "hold", "linear"):
            np.testing.assert_array_equal(resampling.onto_grid(time_s, values, time_s, how), values)

    def test_gaps_are_filled_up_to_a_limit(self):
        values = [np.nan, 0.0, np.nan, np.nan, 3.0, np.nan, np.nan, np.nan, 4.0, np.nan]
        found = resampling.fill_gaps(values, 1.0, max_gap_s=2.0)
        np.testing.assert_allclose(found, [np.nan, 0, 1, 2, 3, np.nan, np.nan, np.nan, 4, np.nan])

    @pytest.mark.parametrize("rate_hz", [0.0, -1.0, np.nan, np.inf])
    def test_rates(self, rate_hz):
        with pytest.raises(TraceError, match="rate"):
            resampling.grid(0, 1, rate_hz)

    def test_a_grid_of_milliseconds_taken_for_seconds(self):
        with pytest.raises(TraceError, match="seconds"):
            resampling.grid(0, 1e9, RATE_HZ)


class TestSpectrum:
    @pytest.mark.parametrize(("hz", "share"), [(0.2, 1.0), (5.0, 0.0)])
    def test_power_of_a_sine(self, hz, share):
        wave = np.sin(2 * np.pi * hz * np.arange(7500) / RATE_HZ)
        assert spectrum.power_below(wave, RATE_HZ) == pytest.approx(share, abs=1e-3)

    def test_white_noise_has_its_share(self):
        noise = np.random.default_rng(0).normal(size=200_000)
        assert spectrum.power_below(noise, RATE_HZ) == pytest.approx(1 / 12.5, abs=0.01)

    def test_a_constant(self):
        assert spectrum.power_below(np.full(100, 0.3), RATE_HZ) == 1.0

    def test_downsampling_loses_little_of_what_is_slow(self):
        study = spectrum.downsampling_study(course(300))
        assert list(study) == [2, 4, 8, 16, 32, 64, 128]
        assert study[2] > 0.9999
        assert study[32] > 0.99
        assert study[128] < study[32]

    def test_kept_frames_stay(self):
        trace = np.random.default_rng(0).normal(size=101)
        np.testing.assert_allclose(spectrum.resampled(trace, 4)[::4], trace[::4], atol=1e-12)
        np.testing.assert_allclose(spectrum.resampled(trace, 1), trace, atol=1e-12)
        assert np.isfinite(spectrum.resampled(trace, 1000)).all()

    @pytest.mark.parametrize("trace", [[1.0], [0.0, np.nan, 1.0], [[1.0, 2.0]]])
    def test_refusals(self, trace):
        with pytest.raises(TraceError):
            spectrum.power_below(trace, RATE_HZ)


def ratings(values, target="arousal"):
    return Ratings(np.arange(len(values)) / RATE_HZ, values, tuple(f"r{i}" for i in range(values.shape[1])), target)


class TestByName:
    @pytest.mark.parametrize("method", standard.METHODS)
    def test_every_method_is_near_the_truth(self, method):
        truth, values = panel([0.0] * 6, noise=0.2)
        found = standard.gold_standard(ratings(values), method)
        assert metrics.ccc_population(truth, found.values) > 0.95
        assert found.weights.sum() == pytest.approx(1.0)

    def test_names_and_functions_agree(self):
        _, values = panel([0.0] * 6, noise=0.2)
        assert (standard.gold_standard(ratings(values), "mean").values == fusion.mean(values)).all()
        assert (standard.gold_standard(ratings(values), "ewe").values == fusion.ewe(values)).all()
        gold = standard.gold_standard(ratings(values), "avec2016").values
        assert (gold == fusion.gold_standard_avec2016(values)).all()

    def test_alignment_wins_where_raters_are_late_and_one_is_lost(self):
        late_s = [0.0, 2.5, 0.4, 3.0, 1.1, 1.8]
        truth, values = panel(late_s, noise=0.1)
        values[:, 4] = np.random.default_rng(9).normal(size=len(values)) * 0.3
        known = standard.gold_standard(ratings(values), "aligned", common_lag_s=float(np.mean(late_s)))
        plain = standard.gold_standard(ratings(values), "mean", lags_s=float(np.mean(late_s)))
        assert known.outliers == ("r4",)
        assert metrics.ccc_population(truth, known.values) > metrics.ccc_population(truth, plain.values) + 0.05

    def test_a_given_lag_is_taken_out(self):
        truth, values = panel([1.0] * 3, noise=0.0)
        found = standard.gold_standard(ratings(values), "mean", lags_s=0.6, common_lag_s=0.4)
        assert found.lags_s.tolist() == [1.0] * 3
        assert np.abs(found.values[:-25] - truth[:-25]).max() < 1e-9

    def test_an_opened_scale_keeps_middle_and_ends(self):
        found = standard.opened(np.array([-1.0, 0.0, 1.0, np.nan]), (-1.0, 1.0))
        np.testing.assert_allclose(found, [-1, 0, 1, np.nan], atol=1e-12)
        assert (np.diff(standard.opened(np.linspace(-0.99, 0.99, 200), (-1.0, 1.0))) > 0).all()
        with pytest.raises(TraceError, match="scale"):
            standard.opened(np.array([1.5]), (-1.0, 1.0))

    def test_opening_undoes_what_the_ends_of_a_slider_did(self):
        rng = np.random.default_rng(4)
        truth = np.clip(course(), -0.8, 0.8)
        gains = np.exp(rng.normal(0.5, 0.7, 7))
        values = np.clip(gains * truth[:, None] + 0.05 * rng.normal(size=(len(truth), 7)), -1, 1)
        plain = metrics.pearson(truth, fusion.mean(values))
        opened = standard.gold_standard(ratings(values), "mean", unit_range=(-1, 1)).values
        assert metrics.pearson(truth, opened) > plain
        assert np.abs(opened).max() <= 1.0

    def test_one_rater(self):
        values = course()[:, None]
        for method in standard.METHODS:
            found = standard.gold_standard(ratings(values), method)
            np.testing.assert_allclose(found.values, values[:, 0], atol=1e-12)
            assert found.outliers == ()

    def test_refusals(self):
        with pytest.raises(TraceError, match="no method"):
            standard.gold_standard(ratings(np.zeros((5, 2))), "median")
        odd = Ratings([0.0, 0.1, 0.5], np.zeros((3, 2)), ("a", "b"), "arousal")
        with pytest.raises(TraceError, match="equal steps"):
            standard.gold_standard(odd, "mean")

    def test_too_little_agreement_is_said(self):
        _, values = panel([0.0] * 4, noise=0.1)
        assert standard.too_low(agreement.agreement_table(values)) is None
        noise = np.random.default_rng(0).normal(size=(500, 4))
        assert "Cronbach" in standard.too_low(agreement.agreement_table(noise))

    @pytest.mark.parametrize(("noise", "said"), [(0.1, False), (1.0, True)])
    def test_pairs_are_judged_where_no_frame_was_rated_by_all(self, noise, said):
        _, values = panel([0.0] * 3, noise=noise)
        values[np.arange(len(values)), np.arange(len(values)) // 100 % 3] = np.nan
        found = standard.too_low(agreement.agreement_table(values))
        assert (found is not None) is said
        if said:
            assert found.startswith("Cronbach's alpha of pairs of raters (no two frames were rated by all) is 0.")

    def test_the_alpha_of_pairs_is_that_of_two(self):
        _, values = panel([0.0] * 2, noise=0.5)
        both = agreement.agreement_table((values - values.mean(axis=0)) / values.std(axis=0))
        assert standard._alpha_of_pairs(both) == pytest.approx(both.centred.cronbach_alpha)

    @pytest.mark.parametrize("method", standard.METHODS)
    @pytest.mark.parametrize("level", [0.0, 0.3, -117.0])
    def test_who_never_moves_is_no_outlier(self, method, level):
        _, values = panel([0.0] * 4, noise=0.1)
        values[:, 1] = level
        values[:100, 1] = np.nan
        found = standard.gold_standard(ratings(values), method)
        assert (found.still, found.outliers) == (("r1",), ())
        flat = standard.gold_standard(ratings(np.full((500, 3), level)), method)
        assert (flat.still, flat.outliers) == (("r0", "r1", "r2"), ())


def test_loudness_is_a_value_a_frame_and_follows_the_sound(tmp_path):
    import soundfile

    rng = np.random.default_rng(0)
    level = np.repeat([0.001, 0.3, 0.001, 0.3], 32000)
    soundfile.write(tmp_path / "a.wav", 0.3 * level * rng.normal(size=len(level)), 16000)
    found = activity.loudness(tmp_path / "a.wav")
    assert found.shape == (200,)
    assert found[75] - found[25] == pytest.approx(40, abs=1)
    soundfile.write(tmp_path / "short.wav", level[:300], 16000)
    with pytest.raises(AudioError, match=r"short.wav: is shorter than 0.04 s"):
        activity.loudness(tmp_path / "short.wav")
