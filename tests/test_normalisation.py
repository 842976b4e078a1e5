import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.features import logmel
from emotrace.features.normalisation import Normalisation, Running, Statistics, normalise

BINS = 40


def speech(count=400, level=-5.0, seed=0):
    """Rows of correlated bins with a slope, their levels spread over some nepers."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(1, -2, BINS)
    return (level + slope + rng.normal(size=(count, 1)) + 0.7 * rng.normal(size=(count, BINS))).astype(np.float32)


def statistics(rows, rule=None):
    return (rule or Normalisation()).statistics(rows.shape[1]).update(rows)


def same(one, other):
    np.testing.assert_allclose(one.counts, other.counts)
    np.testing.assert_allclose(one.sums, other.sums, atol=1e-9)
    np.testing.assert_allclose(one.squares, other.squares, atol=1e-9)


class TestThePaperSRule:
    def test_is_the_literal_z_norm(self):
        rows = speech()
        literal = (rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)) / rows.std(axis=0, dtype=np.float64)
        normal = normalise(rows)
        assert normal.dtype == np.float32
        np.testing.assert_allclose(normal, literal, atol=1e-5)

    def test_leaves_its_input_alone(self):
        rows = speech()
        before = rows.copy()
        normalise(rows, rule=Normalisation(clip=1.0))
        assert (rows == before).all()

    def test_a_gain_does_not_show(self):
        np.testing.assert_allclose(normalise(speech()), normalise(speech() + np.float32(2.5)), atol=1e-5)

    @pytest.mark.parametrize("bins", [1, 13, 88])
    def test_other_numbers_of_bins(self, bins):
        rows = np.random.default_rng(0).normal(-5, 2, (300, bins)).astype(np.float32)
        normal = normalise(rows)
        np.testing.assert_allclose(normal.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(normal.std(axis=0), 1, atol=1e-5)

    def test_each_speaker_on_their_own(self):
        own = {"anna": speech(200, -8), "bert": speech(150, -2, seed=1)}
        # Turn by turn, each one's rows in their order.
        names = np.random.default_rng(2).permutation(["anna"] * 200 + ["bert"] * 150)
        rows = np.empty((350, BINS), dtype=np.float32)
        for name, spoken in own.items():
            rows[names == name] = spoken
        normal = normalise(rows, names)
        for name, spoken in own.items():
            np.testing.assert_allclose(normal[names == name], normalise(spoken), atol=1e-6)

    def test_one_name_is_no_name(self):
        rows = speech()
        assert (normalise(rows, np.array(["a"] * len(rows))) == normalise(rows)).all()


class TestDegenerate:
    RULES = pytest.mark.parametrize(
        "rule",
        [
            Normalisation(),
            Normalisation(range_db=40.0),
            Normalisation(range_db=40.0, clip=3.0, prior_s=5.0, prior_mean=(0.0,) * BINS, prior_sd=(1.0,) * BINS),
        ],
        ids=["plain", "range", "prior"],
    )

    @RULES
    @pytest.mark.parametrize("value", [float(np.log(logmel.FLOOR)), -5.0, 0.1, 30.0])
    def test_constant_rows_are_zero(self, rule, value):
        normal = normalise(np.full((50, BINS), value, dtype=np.float32), rule=rule)
        np.testing.assert_allclose(normal, 0, atol=1e-4)

    def test_a_constant_bin_among_others(self):
        rows = speech()
        rows[:, 7] = 1.25
        normal = normalise(rows)
        np.testing.assert_allclose(normal[:, 7], 0, atol=1e-5)
        np.testing.assert_allclose(np.delete(normal, 7, axis=1).std(axis=0), 1, atol=1e-4)

    @RULES
    def test_digital_silence(self, rule):
        normal = normalise(logmel.log_mel(np.zeros(16000, dtype=np.float32)), rule=rule)
        np.testing.assert_allclose(normal, 0, atol=1e-4)

    @RULES
    @pytest.mark.parametrize("count", [0, 1, 2])
    def test_next_to_no_rows(self, rule, count):
        normal = normalise(speech(count), rule=rule)
        assert normal.shape == (count, BINS)
        assert np.isfinite(normal).all()

    def test_levels_outside_of_the_table_count_too(self):
        rows = np.concatenate([speech(50, -90.0), speech(50, 200.0)])
        np.testing.assert_allclose(normalise(rows), (rows - rows.mean(axis=0)) / rows.std(axis=0), atol=1e-3)


class TestStatistics:
    @settings(deadline=None)
    @given(st.lists(st.integers(0, 400), max_size=8))
    def test_pieces_are_the_whole(self, cuts):
        rows = np.concatenate([speech(200, -14), speech(200, 3)])
        whole = statistics(rows)
        pieces = np.split(rows, sorted(cuts))
        updated, merged = Statistics(), Statistics()
        for piece in pieces:
            updated.update(piece)
            merged.merge(Statistics().update(piece))
        same(updated, whole)
        same(merged, whole)

    @settings(deadline=None)
    @given(st.permutations(range(60)))
    def test_the_order_of_rows_does_not_matter(self, order):
        rows = speech(60)
        same(statistics(rows[order]), statistics(rows))

    def test_moments_of_everything(self):
        rows = speech().astype(np.float64)
        count, mean, variance = statistics(speech()).moments()
        assert count == len(rows)
        np.testing.assert_allclose(mean, rows.mean(axis=0))
        np.testing.assert_allclose(variance, rows.var(axis=0))

    def test_nothing_seen(self):
        count, mean, variance = Statistics().moments(40.0)
        assert count == 0
        assert mean.tolist() == [0.0] * BINS
        assert variance.tolist() == [1.0] * BINS


class TestPauses:
    def loud_and_pause(self, under_db):
        """Rows 0 to 1 neper under the loudest, then as many again so many dB further down."""
        loud = speech(300, 0.0) * np.float32(0.1)
        return loud, loud - np.float32(under_db * np.log(10) / 10)

    def test_are_left_out(self):
        loud, pause = self.loud_and_pause(50)
        count, mean, _ = statistics(np.concatenate([loud, pause])).moments(30.0)
        assert count == 300
        np.testing.assert_allclose(mean, loud.mean(axis=0), atol=1e-5)

    def test_are_counted_within_the_range(self):
        loud, soft = self.loud_and_pause(20)
        assert statistics(np.concatenate([loud, soft])).moments(30.0)[0] == 600

    def test_are_counted_without_a_range(self):
        loud, pause = self.loud_and_pause(50)
        assert statistics(np.concatenate([loud, pause])).moments()[0] == 600

    def test_digital_silence_is_one_however_wide_the_range(self):
        silence = np.full((1000, BINS), np.log(logmel.FLOOR), dtype=np.float32)
        assert statistics(np.concatenate([speech(300, -6), silence])).moments(200.0)[0] == 300

    def test_a_click_is_not_the_loud_level(self):
        rows = speech(300, 0.0) * np.float32(0.1)
        click = np.full((3, BINS), 40.0, dtype=np.float32)
        assert statistics(np.concatenate([rows, click])).moments(30.0)[0] == 303

    def test_normalised_speech_does_not_depend_on_how_long_the_pauses_are(self):
        loud, pause = self.loud_and_pause(50)
        rule = Normalisation(range_db=30.0)
        short = normalise(np.concatenate([loud, pause[:10]]), rule=rule)[:300]
        long = normalise(np.concatenate([loud, pause, pause, pause]), rule=rule)[:300]
        np.testing.assert_allclose(short, long, atol=1e-5)


class TestPrior:
    def rule(self, prior_s):
        return Normalisation(
            prior_s=prior_s, prior_mean=tuple(np.linspace(2, -2, BINS).tolist()), prior_sd=(2.0,) * BINS
        )

    def own(self, count):
        return np.tile(speech(100), (count // 100, 1)) if count >= 100 else speech(100)[:count]

    def test_more_speech_moves_away_from_it(self):
        target = np.linspace(2, -2, BINS)
        distances = []
        for count in (100, 400, 1600, 6400):
            mean, sd = self.rule(5.0).scale(statistics(self.own(count)))
            distances.append((np.abs(mean - mean.mean() - target).max(), np.abs(sd - 2.0).max()))
        by_mean, by_sd = zip(*distances, strict=True)
        assert list(by_mean) == sorted(by_mean)
        assert list(by_sd) == sorted(by_sd)
        assert by_mean[0] < by_mean[-1] / 3

    def test_as_much_speech_as_the_prior_weighs_half(self):
        rows = self.own(500)
        mean, sd = self.rule(5.0).scale(statistics(rows))
        own_mean = rows.mean(axis=0, dtype=np.float64)
        prior_mean = np.linspace(2, -2, BINS)
        level = np.median(own_mean - prior_mean)
        np.testing.assert_allclose(mean, (own_mean + prior_mean + level) / 2, atol=1e-5)
        np.testing.assert_allclose(sd, np.sqrt((rows.var(axis=0, dtype=np.float64) + 4) / 2), atol=1e-5)

    def test_without_speech_it_is_all_there_is(self):
        mean, sd = self.rule(5.0).scale(Statistics())
        np.testing.assert_allclose(mean, np.linspace(2, -2, BINS), atol=1e-6)
        np.testing.assert_allclose(sd, 2.0)

    def test_level_is_the_recording_s_own(self):
        quiet, loud = (normalise(speech(50) + np.float32(gain), rule=self.rule(10.0)) for gain in (0, 6))
        np.testing.assert_allclose(quiet, loud, atol=1e-4)

    def test_empty_bins_do_not_count_as_level(self):
        """As on the telephone, where nearly half of them are empty."""
        rows = speech(50)
        rows[:, :15] = -15.9
        mean, _ = self.rule(1e6).scale(statistics(rows))
        full, _ = self.rule(1e6).scale(statistics(speech(50)))
        assert np.abs(mean - full).max() < 1.5

    def test_off_by_default(self):
        rule = Normalisation(prior_mean=(5.0,) * BINS, prior_sd=(9.0,) * BINS)
        assert (normalise(speech(), rule=rule) == normalise(speech())).all()

    def test_gathered_from_recordings_each_weighing_the_same(self):
        recordings = [speech(100, -9), speech(900, -1, seed=1) * np.float32(1.5)]
        rule = Normalisation(prior_s=5.0).with_prior([statistics(rows) for rows in recordings])
        shapes = [rows.mean(axis=0) - np.median(rows.mean(axis=0)) for rows in recordings]
        np.testing.assert_allclose(rule.prior_mean, np.mean(shapes, axis=0), atol=1e-4)
        variances = [rows.var(axis=0) for rows in recordings]
        np.testing.assert_allclose(rule.prior_sd, np.sqrt(np.mean(variances, axis=0)), atol=1e-4)
        assert rule.prior_s == 5.0

    def test_survives_json(self):
        rule = Normalisation(40.0, 5.0, 10.0).with_prior([statistics(speech())])
        values = json.loads(json.dumps(rule.as_dict()))
        again = Normalisation(**values)
        assert (normalise(speech(30), rule=again) == normalise(speech(30), rule=rule)).all()


class TestStoppedBins:
    """What a telephone leaves: nothing in some bins, in speech and pauses alike."""

    RULE = Normalisation(range_db=35.0, stopped_db=(12.0, 24.0))

    def rule(self, rows):
        return self.RULE.with_prior([statistics(rows, self.RULE)])

    def recording(self):
        loud = speech(300, 0.0) * np.float32(0.1)
        return np.concatenate([loud, loud - np.float32(5 * np.log(10))])  # pauses, 50 dB under it

    def stopped(self, rows):
        heard = rows.copy()
        heard[:, :7] = heard[:, 28:] = np.log(logmel.FLOOR)
        return heard

    def test_are_always_at_their_mean_and_the_others_as_they_were(self):
        rows = self.recording()
        rule = self.rule(rows)
        whole, telephone = normalise(rows, rule=rule), normalise(self.stopped(rows), rule=rule)
        assert not telephone[:, :7].any()
        assert not telephone[:, 28:].any()
        np.testing.assert_allclose(telephone[:, 7:28], whole[:, 7:28], atol=1e-4)

    def test_without_the_setting_pauses_count_as_speech_and_move_the_others(self):
        rows = self.recording()
        rule = replace(self.rule(rows), stopped_db=None)
        whole, telephone = normalise(rows, rule=rule), normalise(self.stopped(rows), rule=rule)
        assert np.abs(telephone[:, 7:28] - whole[:, 7:28]).max() > 0.5

    @pytest.mark.parametrize(("under_db", "left"), [(6.0, 1.0), (18.0, 0.5), (30.0, 0.0)])
    def test_fade_with_how_far_they_lie_under_the_training_speech(self, under_db, left):
        rows = self.recording()
        rule = self.rule(rows)
        softer = rows.copy()
        softer[:, 35] -= np.float32(under_db * np.log(10) / 10)
        np.testing.assert_allclose(
            normalise(softer, rule=rule)[:, 35], left * normalise(rows, rule=rule)[:, 35], atol=1e-3
        )

    def test_nothing_is_stopped_where_nothing_was_heard(self):
        rule = self.rule(self.recording())
        assert np.isfinite(rule.scale(rule.statistics())[1]).all()

    def test_live_as_in_the_recording(self):
        rows = self.stopped(self.recording())
        rule = replace(self.rule(self.recording()), memory_s=0.0)
        np.testing.assert_allclose(Running(rule).push(rows)[-4:], normalise(rows, rule=rule)[-4:], atol=1e-4)


def test_clip_holds_values_within():
    rows = speech()
    rows[3] += 50
    clipped, free = normalise(rows, rule=Normalisation(clip=2.0)), normalise(rows)
    assert np.abs(clipped).max() == 2.0
    assert np.abs(free).max() > 10
    np.testing.assert_array_equal(clipped, np.clip(free, -2, 2))


class TestRunning:
    PRIOR = Normalisation(35.0, 4.0, 5.0).with_prior([statistics(speech(seed=9))])

    def by_hand(self, rows, rule):
        """A frame at a time, everything known faded before the frame is added."""
        known, normal = Statistics(), []
        fade = np.exp(-0.04 / rule.memory_s) if rule.memory_s else 1.0
        for start in range(0, len(rows), 4):
            for table in (known.counts, known.sums, known.squares):
                table *= fade
            frame = rows[start : start + 4]
            normal.append(rule.apply(frame, known.update(frame)))
        return np.concatenate(normal)

    def recording(self):
        silence = np.full((40, BINS), np.log(logmel.FLOOR), np.float32)
        parts = [silence, speech(400, -9.0), speech(200, -16.0, seed=1), speech(400, -2.0, seed=2)]
        return np.concatenate(parts)

    @pytest.mark.parametrize("memory_s", [0.0, 1.0, 300.0])
    @pytest.mark.parametrize("range_db", [None, 20.0, 35.0])
    def test_is_the_offline_rule_on_what_was_heard(self, memory_s, range_db):
        rule = replace(self.PRIOR, memory_s=memory_s, range_db=range_db)
        rows = self.recording()
        np.testing.assert_allclose(Running(rule).push(rows), self.by_hand(rows, rule), atol=1e-4)

    @given(st.lists(st.integers(0, 260), max_size=30).map(sorted))
    @settings(max_examples=20, deadline=None)
    def test_pieces_do_not_matter(self, cuts):
        rows, running = self.recording(), Running(self.PRIOR)
        pieces = [running.push(piece) for piece in np.split(rows, [4 * cut for cut in cuts])]
        np.testing.assert_allclose(np.concatenate(pieces), Running(self.PRIOR).push(rows), rtol=0, atol=1e-5)

    def test_does_not_look_ahead(self):
        rows = self.recording()
        np.testing.assert_allclose(
            Running(self.PRIOR).push(rows)[:400], Running(self.PRIOR).push(rows[:400]), rtol=0, atol=1e-6
        )

    def test_ends_at_the_statistics_of_the_recording_where_nothing_is_forgotten(self):
        rule, rows = replace(self.PRIOR, memory_s=0.0), self.recording()
        np.testing.assert_allclose(Running(rule).push(rows)[-4:], normalise(rows, rule=rule)[-4:], atol=1e-4)

    def test_the_first_frame_is_near_the_prior(self):
        rows = speech(400, -3.0, seed=5)
        first = Running(self.PRIOR).push(rows[:4])
        mean, sd = self.PRIOR.scale(statistics(rows))
        assert np.abs(first - (rows[:4] - mean) / sd).mean() < 0.6

    def test_follows_a_speaker_who_takes_over_after_hours(self):
        hours, other = np.tile(speech(6000, -12.0), (12, 1)), speech(6000, -2.0, seed=1) * np.float32(1.5)
        own = normalise(other, rule=self.PRIOR)[-100:]
        distance = []
        for memory_s in (10.0, 0.0):
            running = Running(replace(self.PRIOR, memory_s=memory_s))
            running.push(hours)
            distance.append(np.abs(running.push(other)[-100:] - own).mean())
        assert distance[0] < 0.2 < 0.5 < distance[1]

    def test_neither_drifts_nor_overflows(self):
        rule = replace(self.PRIOR, memory_s=20.0)
        running, rows = Running(rule), self.recording()
        laps = [running.push(rows) for _ in range(300)]
        np.testing.assert_allclose(laps[-1], laps[30], rtol=0, atol=1e-5)

    def test_nothing_in_nothing_out(self):
        assert Running(self.PRIOR).push(np.empty((0, BINS), np.float32)).shape == (0, BINS)


class TestVoice:
    """Two values beside the energies that a row's level and a microphone do not touch."""

    RULE = Normalisation(range_db=30.0, prior_s=20.0, stopped_db=(12.0, 24.0), voice=2)

    def rows(self, count=400, pitch=20.0, seed=0):
        rng = np.random.default_rng(seed)
        beside = np.column_stack([pitch + 3 * rng.normal(size=count), rng.uniform(size=count)])
        return np.column_stack([speech(count, seed=seed), beside]).astype(np.float32)

    def prior(self):
        known = [statistics(self.rows(3000, pitch, seed), self.RULE) for seed, pitch in enumerate((14.0, 26.0))]
        return self.RULE.with_prior(known)

    def test_energies_are_normalised_as_they_are_alone(self):
        rule = self.prior()
        alone = replace(rule, voice=0, prior_mean=rule.prior_mean[:BINS], prior_sd=rule.prior_sd[:BINS])
        rows = self.rows()
        rows[:, :5] -= 9
        both = rule.apply(rows, statistics(rows, rule))
        own = alone.apply(rows[:, :BINS], statistics(rows[:, :BINS], alone))
        np.testing.assert_allclose(both[:, :BINS], own, atol=1e-5)

    def test_prior_keeps_the_pitch_where_it_is(self):
        assert self.prior().prior_mean[BINS] == pytest.approx(20, abs=0.5)

    def test_a_gain_does_not_show(self):
        rule = self.prior()
        louder = self.rows()
        louder[:, :BINS] += np.float32(2.5)
        plain, loud = (rule.apply(rows, statistics(rows, rule)) for rows in (self.rows(), louder))
        np.testing.assert_allclose(plain[:, BINS:], loud[:, BINS:], atol=1e-5)

    def test_mean_is_soon_the_recording_s_own_and_the_scale_that_of_the_prior(self):
        rule = self.prior()
        mean, sd = rule.scale(statistics(self.rows(2000, pitch=38.0), rule))
        assert 35.5 < mean[BINS] < 37.5
        assert sd[BINS] == pytest.approx(rule.prior_sd[BINS])

    def test_live_as_whole(self):
        rule = replace(self.prior(), memory_s=0.0)
        rows = self.rows(800)
        running = Running(rule, bins=BINS + 2)
        live = np.concatenate([running.push(rows[:100]), running.push(rows[100:])])
        np.testing.assert_allclose(live[-4:, BINS:], rule.apply(rows, statistics(rows, rule))[-4:, BINS:], atol=0.3)


def test_a_steady_sd_is_the_training_speech_s_whatever_the_recording_does():
    rule = Normalisation(range_db=30.0, prior_s=20.0, steady_sd=True).with_prior([statistics(speech(3000))])
    flat = (speech(4000).mean(axis=0) + 0.1 * (speech(4000, seed=1) - speech(4000).mean(axis=0))).astype(np.float32)
    mean, sd = rule.scale(statistics(flat, rule))
    np.testing.assert_allclose(sd, rule.prior_sd, rtol=1e-5)
    np.testing.assert_allclose(mean, replace(rule, steady_sd=False).scale(statistics(flat, rule))[0])
