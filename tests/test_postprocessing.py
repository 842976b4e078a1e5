"""The AVEC 2016 chain against small cases worked out by hand, and Gaussian smoothing."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from emotrace import metrics
from emotrace.postprocessing import MEDIAN_FRAMES, SHIFT_FRAMES, Chain, Gaussian

rng = np.random.default_rng(0)
SLOW = np.sin(np.arange(400) / 30)
TRACES = arrays.arrays(np.float64, st.integers(2, 60), elements=st.floats(-1, 1, width=32))


def ccc(golds, predictions):
    return metrics.concatenated(metrics.ccc_avec2016, golds, predictions)


class TestApplying:
    def test_nothing_is_done_by_default(self):
        np.testing.assert_array_equal(Chain()(SLOW), SLOW)

    def test_a_median_of_three_by_hand(self):
        # Windows, ends held: (5 5 1) (5 1 4) (1 4 2) (4 2 9) (2 9 9).
        np.testing.assert_array_equal(Chain(median_frames=3)([5, 1, 4, 2, 9]), [5, 4, 2, 4, 9])

    def test_scaling_is_about_zero_and_after_centring(self):
        # Of 1 and 2, centring by 1 makes 2 and 3, and twice that is 4 and 6; about the mean it were 1.5 and 3.5.
        np.testing.assert_array_equal(Chain(offset=1.0, gain=2.0)([1, 2]), [4, 6])

    def test_the_shift_is_forward_and_the_first_value_duplicated(self):
        np.testing.assert_array_equal(Chain(shift_frames=2)([1, 2, 3, 4]), [1, 1, 1, 2])
        np.testing.assert_array_equal(Chain(shift_frames=9)([1, 2, 3, 4]), [1, 1, 1, 1])

    def test_the_order(self):
        # Filtered (ends held): 0 0 6 6; centred: -2 -2 4 4; scaled: -1 -1 2 2; later by one: -1 -1 -1 2.
        trace = [0, 6, 0, 6]
        np.testing.assert_array_equal(Chain(3)(trace), [0, 0, 6, 6])
        np.testing.assert_array_equal(Chain(3, -2.0, 0.5, 1)(trace), [-1, -1, -1, 2])

    @pytest.mark.parametrize("trace", [[], [[1.0, 2.0]]])
    def test_refuses_what_is_no_trace(self, trace):
        with pytest.raises(ValueError, match="a trace has the shape"):
            Chain()(trace)


class TestFitting:
    def test_centring_and_scaling_by_hand(self):
        # Means 5 and 1: centred by 4 to 4, 6. SDs 2 and 1: scaled by 2 to 8, 12, whose CCC with 3, 7 is
        # 2 * 4 / (4 + 16 + 25) (over N - 1) < 2 * 2 / (4 + 1 + 0): centring is kept and scaling about zero is not.
        gold, predicted = np.tile([3.0, 7.0], 50), np.tile([0.0, 2.0], 50)
        chain = Chain.fit([gold], [predicted], median_frames=(), shift_frames=())
        assert chain == Chain(offset=4.0)

    def test_scaling_by_hand(self):
        # Both of mean 0, SDs 0.5 and 0.1.
        signs = np.tile([1.0, -1.0], 50)
        chain = Chain.fit([0.5 * signs], [0.1 * signs], median_frames=(), shift_frames=())
        assert chain.offset == 0.0
        assert chain.gain == pytest.approx(5.0)

    def test_a_late_gold_standard_by_hand(self):
        pulse = np.zeros(20)
        pulse[4:8] = 1
        later = np.zeros(20)
        later[7:11] = 1
        assert Chain.fit([later], [pulse], median_frames=()) == Chain(shift_frames=3)
        # Predictions that come too late stay as late: the chain only shifts forward.
        assert Chain.fit([pulse], [later], median_frames=()).shift_frames == 0

    def test_the_median_filter_takes_spikes_out(self):
        spiky = SLOW.copy()
        spiky[::20] = 5
        assert Chain.fit([SLOW], [spiky], shift_frames=()).median_frames == MEDIAN_FRAMES[0]

    @pytest.mark.parametrize(("height", "window"), [(2.0, 1), (7.0, 3)])
    def test_a_gain_under_two_percent_is_not_worth_a_filter(self, height, window):
        spiky = SLOW.copy()
        spiky[200] += height
        gained = ccc([SLOW], [Chain(3)(spiky)]) / ccc([SLOW], [spiky]) - 1
        assert (gained > 0.02) == (window == 3)
        assert gained > 0
        assert Chain.fit([SLOW], [spiky], median_frames=[3], shift_frames=()).median_frames == window

    def test_recordings_do_not_leak_into_each_other(self):
        low, high = np.zeros(30), np.ones(30)
        gold = [np.r_[low, high], np.r_[high, low]]
        late = [np.r_[low[:27], high, high[:3]], np.r_[high[:27], low, low[:3]]]
        chain = Chain.fit(gold, late, median_frames=[41])
        # Joined before they are shifted, the first recording's end would stand at the second's start.
        moved = [Chain(shift_frames=3)(trace) for trace in late]
        assert chain.shift_frames == 3
        assert ccc(gold, moved) > ccc(gold, late)
        np.testing.assert_array_equal(moved[1][:4], 1)

    def test_what_is_not_rated_is_not_scored(self):
        gold = SLOW.copy()
        gold[100:200] = np.nan
        wild = SLOW.copy()
        wild[100:200] = 50
        assert Chain.fit([gold], [wild], median_frames=()) == Chain()

    def test_a_constant_stays_finite(self):
        chain = Chain.fit([SLOW], [np.full(400, 0.3)], median_frames=[11], shift_frames=[1, 2])
        assert chain.gain == 1.0
        assert np.isfinite(chain(SLOW)).all()

    def test_its_grids_are_those_of_the_source(self):
        assert (MEDIAN_FRAMES[0], MEDIAN_FRAMES[-1]) == (11, 491)
        assert all(frames % 2 for frames in MEDIAN_FRAMES)
        assert (SHIFT_FRAMES[0], SHIFT_FRAMES[-1]) == (1, 250)

    def test_refuses_different_lengths(self):
        with pytest.raises(ValueError, match="20 frames"):
            Chain.fit([np.arange(20.0)], [np.arange(19.0)])

    @given(TRACES, st.data())
    def test_never_loses(self, gold, data):
        prediction = data.draw(arrays.arrays(np.float64, len(gold), elements=st.floats(-1, 1, width=32)))
        chain = Chain.fit([gold], [prediction], median_frames=(3, 5), shift_frames=(1, 2))
        assert ccc([gold], [chain(prediction)]) >= ccc([gold], [prediction]) - 1e-9

    @given(TRACES, st.floats(0.1, 10))
    def test_the_unit_of_the_predictions_does_not_matter(self, gold, scale):
        centred = gold - gold.mean()
        assume(centred.std() > 1e-3)
        chain = Chain.fit([centred], [scale * centred], median_frames=(), shift_frames=())
        np.testing.assert_allclose(chain(scale * centred), centred, atol=1e-6)


class TestGaussian:
    def test_none_leaves_the_trace(self):
        np.testing.assert_array_equal(Gaussian()(SLOW), SLOW)

    def test_a_pulse_becomes_the_bell(self):
        pulse = np.zeros(101)
        pulse[50] = 1
        bell = np.exp(-0.5 * (np.arange(-50, 51) / 4) ** 2)
        np.testing.assert_allclose(Gaussian(4.0)(pulse), bell / bell.sum(), atol=1e-4)

    def test_noise_is_smoothed_and_a_clean_trace_is_not(self):
        noisy = SLOW + rng.normal(size=len(SLOW))
        chosen = Gaussian.fit([SLOW], [noisy])
        assert chosen.sd_frames >= 5
        assert ccc([SLOW], [chosen(noisy)]) > ccc([SLOW], [noisy])
        assert Gaussian.fit([SLOW], [SLOW]) == Gaussian()

    @given(TRACES, st.floats(0.5, 20))
    def test_stays_within_the_trace(self, trace, sd_frames):
        smoothed = Gaussian(sd_frames)(trace)
        assert trace.min() - 1e-9 <= smoothed.min()
        assert smoothed.max() <= trace.max() + 1e-9
