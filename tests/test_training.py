import dataclasses
import json
import shutil
from itertools import chain

import numpy as np
import pytest
import soundfile
import torch

from emotrace import audio, corpora, metrics
from emotrace.annotation import Ratings, fusion
from emotrace.corpora import recola, stitched
from emotrace.errors import CorpusError
from emotrace.features import cache, logmel
from emotrace.features.normalisation import Normalisation, Statistics
from emotrace.training import batches, dataset, loop
from emotrace.training.augmentation import Strength
from emotrace.training.config import Config, Normalising
from emotrace.training.dataset import Dataset, Example, prepare

torch.set_num_threads(1)

BINS = 8
TINY = Config(
    network="dilated",
    arguments={"size": BINS, "layers": 3, "width": 8, "dropout": 0.1},
    epochs=8,
    patience=8,
    learning_rate=5e-3,
    schedule="cosine",
    averaging=0.5,
    l2=1e-5,
)


class KilledError(Exception):
    """Stands for the power cut."""


def changed(**settings):
    return dataclasses.replace(TINY, **settings)


def example(seed, frames=250):
    """A recording whose gold standard is its level, smoothed over a second."""
    rng = np.random.default_rng(seed)
    level = np.convolve(rng.normal(size=frames + 49), np.hanning(52)[1:-1] / 25, "valid")
    rows = level[:, None] + np.linspace(-1, 1, BINS) + 0.3 * rng.normal(size=(frames, BINS))
    return Example(f"R{seed}", rows.astype(np.float32), (0.5 * level).astype(np.float32), BINS)


@pytest.fixture(scope="module")
def toy():
    return Dataset(
        [[example(seed), example(10 + seed)] for seed in range(3)], [example(20), example(21)], Normalisation()
    )


def run(config, seed, data, folder, **settings):
    return loop.fit(config, seed, data, folder / "checkpoint.npz", **settings)


def told(history):
    """A history without the clock."""
    return [{key: value for key, value in record.items() if key != "seconds"} for record in history]


def same_weights(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(one[key], other[key]) for key in one)


def dies_after(epochs):
    def report(record):
        if record["epoch"] == epochs - 1:
            raise KilledError

    return report


class TestFit:
    def test_learns(self, toy, tmp_path):
        arguments = {**TINY.arguments, "dropout": 0.0}
        config = changed(arguments=arguments, epochs=20, patience=20, learning_rate=0.02, averaging=0.0)
        done = run(config, 0, toy, tmp_path)
        losses = [record["loss"] for record in done.history]
        assert np.mean(losses[-3:]) < 0.5 * losses[0]
        assert done.best_ccc > 0.6

    def test_keeps_the_best_epoch(self, toy, tmp_path):
        done = run(TINY, 0, toy, tmp_path)
        scores = [record["dev_ccc"] for record in done.history]
        assert done.best_epoch == int(np.argmax(scores))
        assert done.best_ccc == max(scores)
        assert loop.score(TINY, done.best, toy) == max(scores)

    def test_score_is_the_ccc_of_the_joined_recordings(self, toy, tmp_path):
        done = run(changed(epochs=3), 0, toy, tmp_path)
        network = loop.build(TINY)
        network.load_state_dict(done.best)
        traces = [loop.predict(network, e.normalised(toy.rule)) for e in toy.dev]
        gold = np.concatenate([e.gold for e in toy.dev])
        assert done.best_ccc == metrics.ccc_population(gold, np.concatenate(traces))

    def test_same_seed_same_result_and_another_another(self, toy, tmp_path):
        first, again, other = (run(TINY, seed, toy, tmp_path / name) for seed, name in ((3, "a"), (3, "b"), (4, "c")))
        assert same_weights(first.best, again.best)
        assert same_weights(first.network.state_dict(), again.network.state_dict())
        assert told(first.history) == told(again.history)
        assert not same_weights(first.best, other.best)

    def test_does_not_depend_on_random_numbers_drawn_before(self, toy, tmp_path):
        first = run(TINY, 0, toy, tmp_path / "a")
        torch.rand(100)
        np.random.default_rng().random()
        assert same_weights(run(TINY, 0, toy, tmp_path / "b").best, first.best)

    def test_reports_every_epoch(self, toy, tmp_path):
        records = []
        done = run(changed(epochs=4), 0, toy, tmp_path, report=records.append)
        assert records == done.history
        assert [record["epoch"] for record in records] == [0, 1, 2, 3]
        assert all(np.isfinite(record["loss"]) and record["seconds"] >= 0 for record in records)

    def test_the_learning_rate_follows_its_schedule(self, toy, tmp_path, monkeypatch):
        rates = []
        step = torch.optim.Adam.step

        def watched(self, *arguments):
            rates.append(self.param_groups[0]["lr"])
            return step(self, *arguments)

        monkeypatch.setattr(torch.optim.Adam, "step", watched)
        run(changed(epochs=4), 0, toy, tmp_path / "a")
        np.testing.assert_allclose(rates, 5e-3 * (0.5 + 0.5 * np.cos(np.pi * np.arange(12) / 12)))
        rates.clear()
        run(changed(epochs=4, schedule="constant"), 0, toy, tmp_path / "b")
        assert rates == [5e-3] * 12

    def test_averaging_is_the_running_mean_of_the_weights(self, toy, tmp_path):
        plain = run(changed(averaging=0.0, epochs=2), 0, toy, tmp_path / "a")
        assert same_weights(plain.averaged, plain.network.state_dict())
        slow = run(changed(averaging=1.0, epochs=2), 0, toy, tmp_path / "b")
        torch.manual_seed(0)
        assert same_weights(slow.averaged, loop.build(TINY).state_dict())

    def test_averaging_takes_counts_as_they_are(self, toy, tmp_path, monkeypatch):
        class Normed(loop.build(TINY).__class__):
            def __init__(self, **arguments):
                super().__init__(**arguments)
                self.norm = torch.nn.BatchNorm1d(BINS)

            def forward(self, features, lengths=None):
                return super().forward(self.norm(features.mT).mT, lengths)

        monkeypatch.setattr(loop, "build", lambda config: Normed(**config.arguments))
        done = run(changed(epochs=2), 0, toy, tmp_path)
        assert done.averaged["norm.num_batches_tracked"] == 2 * 3
        assert not torch.equal(done.averaged["norm.running_mean"], done.network.norm.running_mean)

    def test_l2_shrinks_the_weights(self, toy, tmp_path):
        def size(l2, name):
            return sum(v.square().sum() for v in run(changed(l2=l2), 0, toy, tmp_path / name).averaged.values())

        assert size(0.1, "heavy") < 0.9 * size(0.0, "none")

    def test_every_variant_has_its_turn(self, toy, tmp_path, monkeypatch):
        seen = set()
        normalised = Example.normalised

        def watched(self, *arguments):
            seen.add(self.recording)
            return normalised(self, *arguments)

        monkeypatch.setattr(Example, "normalised", watched)
        run(changed(epochs=8), 0, toy, tmp_path)
        assert seen == {"R0", "R1", "R2", "R10", "R11", "R12", "R20", "R21"}


class TestUnrated:
    """Frames that nobody rated: NaN in the gold standard."""

    def without(self, whole, stop=80):
        gold = whole.gold.copy()
        gold[:stop] = np.nan
        return dataclasses.replace(whole, gold=gold)

    def test_what_would_stand_there_does_not_matter(self, toy, tmp_path, monkeypatch):
        def masked(values):
            def change(whole):
                gold = whole.gold.copy()
                gold[:80] = values
                return dataclasses.replace(whole, gold=gold)

            return Dataset([[change(e) for e in v] for v in toy.train], [change(e) for e in toy.dev], toy.rule)

        unrated = run(TINY, 0, masked(np.nan), tmp_path / "a")
        assert all(np.isfinite(record["loss"]) for record in unrated.history)
        monkeypatch.setattr(Example, "rated", property(lambda self: np.arange(len(self.gold)) >= 80))
        for number, value in enumerate((0.0, 9.0)):
            other = run(TINY, 0, masked(value), tmp_path / f"b{number}")
            assert told(other.history) == told(unrated.history)
            assert same_weights(other.best, unrated.best)

    def test_the_score_is_that_of_the_rated_frames(self, toy, tmp_path):
        data = dataclasses.replace(toy, dev=[self.without(toy.dev[0]), toy.dev[1]])
        done = run(changed(epochs=2), 0, data, tmp_path)
        network = loop.build(TINY)
        network.load_state_dict(done.best)
        traces = [loop.predict(network, e.normalised(toy.rule)) for e in toy.dev]
        gold = np.concatenate([toy.dev[0].gold[80:], toy.dev[1].gold])
        assert done.best_ccc == metrics.ccc_population(gold, np.concatenate([traces[0][80:], traces[1]]))

    def test_pieces_without_a_rated_frame(self, toy, tmp_path):
        config = changed(normalisation=Normalising(cut_share=1.0, cut_s=(1.0, 2.0)))
        whole = self.without(toy.train[0][0], 200)
        assert any(not piece.rated.any() for piece in whole.cut((1.0, 2.0), np.random.default_rng(0)))
        done = run(config, 0, dataclasses.replace(toy, train=[[whole]]), tmp_path)
        assert all(np.isfinite(record["loss"]) for record in done.history)
        assert not same_weights(done.best, loop._weights(loop._start(config, 0).network))


class TestResuming:
    @pytest.mark.parametrize("after", [1, 2, 5])
    def test_killed_and_resumed_is_uninterrupted(self, toy, tmp_path, after):
        whole = run(TINY, 0, toy, tmp_path / "whole")
        with pytest.raises(KilledError):
            run(TINY, 0, toy, tmp_path / "killed", report=dies_after(after))
        resumed = run(TINY, 0, toy, tmp_path / "killed")
        assert told(resumed.history) == told(whole.history)
        assert resumed.best_epoch == whole.best_epoch
        for name in ("best", "averaged"):
            assert same_weights(getattr(resumed, name), getattr(whole, name))
        assert same_weights(resumed.network.state_dict(), whole.network.state_dict())
        ours, theirs = (r.optimiser.state_dict()["state"] for r in (resumed, whole))
        assert all(torch.equal(ours[i][k], theirs[i][k]) for i in theirs for k in theirs[i])

    def test_killed_within_an_epoch(self, toy, tmp_path, monkeypatch):
        whole = run(TINY, 0, toy, tmp_path / "whole")
        steps = []
        step = loop._step

        def short(*arguments):
            steps.append(1)
            if len(steps) == 8:
                raise KilledError
            return step(*arguments)

        monkeypatch.setattr(loop, "_step", short)
        with pytest.raises(KilledError):
            run(TINY, 0, toy, tmp_path / "killed")
        monkeypatch.undo()
        assert same_weights(run(TINY, 0, toy, tmp_path / "killed").best, whole.best)

    def test_with_pieces_too(self, toy, tmp_path):
        config = changed(normalisation=Normalising(cut_share=0.5, cut_s=(1.0, 5.0)))
        whole = run(config, 0, toy, tmp_path / "whole")
        with pytest.raises(KilledError):
            run(config, 0, toy, tmp_path / "killed", report=dies_after(3))
        assert same_weights(run(config, 0, toy, tmp_path / "killed").best, whole.best)

    def test_a_run_that_is_over_is_not_touched(self, toy, tmp_path):
        done = run(TINY, 0, toy, tmp_path)
        before = (tmp_path / "checkpoint.npz").read_bytes()
        again = run(TINY, 0, toy, tmp_path, report=dies_after(1))
        assert again.history == done.history
        assert same_weights(again.best, done.best)
        assert (tmp_path / "checkpoint.npz").read_bytes() == before


class TestStopping:
    def scored(self, monkeypatch, scores):
        scores = iter(scores)
        monkeypatch.setattr(loop, "score", lambda *arguments: next(scores))

    def test_waits_as_long_as_its_patience(self, toy, tmp_path, monkeypatch):
        self.scored(monkeypatch, [0.1, 0.3, 0.2, 0.3, 0.1, 0.9])
        done = run(changed(patience=3, epochs=50), 0, toy, tmp_path)
        assert [record["dev_ccc"] for record in done.history] == [0.1, 0.3, 0.2, 0.3, 0.1]
        assert (done.best_epoch, done.best_ccc) == (1, 0.3)

    def test_a_better_epoch_starts_the_wait_anew(self, toy, tmp_path, monkeypatch):
        self.scored(monkeypatch, [0.1, 0.0, 0.2, 0.0, 0.3, 0.0, 0.0])
        assert len(run(changed(patience=2, epochs=50), 0, toy, tmp_path).history) == 7

    def test_patience_holds_across_a_resumption(self, toy, tmp_path, monkeypatch):
        self.scored(monkeypatch, [0.5, 0.1, 0.1, 0.1, 0.1])
        config = changed(patience=3, epochs=50)
        with pytest.raises(KilledError):
            run(config, 0, toy, tmp_path, report=dies_after(2))
        assert len(run(config, 0, toy, tmp_path).history) == 4

    def test_fit_all_runs_every_epoch_and_keeps_the_last(self, toy, tmp_path):
        config = changed(fit_all=True, patience=1, epochs=6)
        done = run(config, 0, dataclasses.replace(toy, dev=[]), tmp_path)
        assert len(done.history) == 6
        assert [record["dev_ccc"] for record in done.history] == [None] * 6
        assert done.best_epoch == 5
        assert same_weights(done.best, done.averaged)

    def test_stop_after_keeps_the_schedule(self, toy, tmp_path):
        short = run(changed(stop_after=3), 0, toy, tmp_path / "short")
        long = run(TINY, 0, toy, tmp_path / "long")
        assert told(short.history) == told(long.history[:3])


class TestCheckpoint:
    def test_is_plain_arrays(self, toy, tmp_path):
        done = run(changed(epochs=2), 0, toy, tmp_path)
        with np.load(tmp_path / "checkpoint.npz", allow_pickle=False) as arrays:
            kinds = {arrays[key].dtype.kind for key in arrays.files}
            assert kinds <= set("fiuU")
            assert json.loads(str(arrays["history"]))["history"] == done.history
        assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]

    def test_best_weights_are_read_from_it(self, toy, tmp_path):
        done = run(changed(epochs=3), 0, toy, tmp_path)
        assert same_weights(loop.best_weights(tmp_path / "checkpoint.npz"), done.best)


class TestCut:
    @pytest.mark.parametrize("seed", range(20))
    @pytest.mark.parametrize("frames", [10, 74, 75, 76, 250, 1000])
    def test_pieces_are_the_whole_and_none_is_too_short(self, seed, frames):
        whole = example(0, frames)
        pieces = whole.cut((3.0, 10.0), np.random.default_rng(seed))
        np.testing.assert_array_equal(np.concatenate([p.features for p in pieces]), whole.features)
        np.testing.assert_array_equal(np.concatenate([p.gold for p in pieces]), whole.gold)
        assert all(len(piece.gold) >= min(75, frames) for piece in pieces)
        assert all(len(piece.gold) <= 250 for piece in pieces[:-1])

    def test_each_is_normalised_on_its_own(self):
        for piece in example(0, 1000).cut((3.0, 10.0), np.random.default_rng(0)):
            np.testing.assert_allclose(piece.normalised(Normalisation()).mean(axis=0), 0, atol=1e-4)


class TestPrepare:
    @pytest.fixture
    def config(self, stitched_root):
        return Config(root=stitched_root, normalisation=Normalising(prior_s=10.0), variants=1)

    @staticmethod
    def equal(one, other):
        assert one.rule == other.rule
        pairs = zip([*chain(*one.train), *one.dev], [*chain(*other.train), *other.dev], strict=True)
        for ours, theirs in pairs:
            assert ours.recording == theirs.recording
            np.testing.assert_array_equal(ours.features, theirs.features)
            np.testing.assert_array_equal(ours.gold, theirs.gold)

    def test_is_what_the_corpus_holds(self, config, tmp_path):
        data = prepare(config, tmp_path)
        parts = {r.id: r for r in recola.load(config.root)}
        assert sorted(v[0].recording for v in data.train) == sorted(
            i for i, r in parts.items() if r.partition == "train"
        )
        assert [e.recording for e in data.dev] == [i for i, r in parts.items() if r.partition == "dev"]
        for plain in [*(variants[0] for variants in data.train), *data.dev]:
            recording = parts[plain.recording]
            np.testing.assert_array_equal(plain.features, logmel.extract(audio.load(recording.audio)))
            gold = fusion.gold_standard_avec2016(recording.ratings("arousal").values)
            np.testing.assert_allclose(plain.gold, corpora.match_length(gold, 300, plain.recording), atol=1e-6)
            assert (len(plain.features), plain.features.dtype, plain.gold.dtype) == (300, np.float32, np.float32)

    def test_a_share_of_the_ratings_goes_into_what_is_trained_on_alone(self, config, tmp_path):
        plain, mixed = (prepare(dataclasses.replace(config, ratings_share=s), tmp_path) for s in (0.0, 0.25))
        for (before, *_), (after, *_) in zip(plain.train, mixed.train, strict=True):
            spoken = [span for span in stitched.spans(config.root, "arousal") if span[0] == before.recording]
            wanted = 0.75 * before.gold + 0.25 * stitched.held(spoken, len(before.gold) + 1)[:-1]
            np.testing.assert_allclose(after.gold, wanted, atol=1e-6)
        for before, after in zip(plain.dev, mixed.dev, strict=True):
            np.testing.assert_array_equal(before.gold, after.gold)

    def test_utterances_in_another_order_keep_their_sound_and_their_rating(self, config, tmp_path):
        data = prepare(dataclasses.replace(config, shuffled_share=1.0, variants=3), tmp_path)
        for example in (variant for variants in data.train for variant in variants):
            shuffled = example.shuffled(np.random.default_rng(0))
            frames = [np.flatnonzero((example.features == row).all(axis=1))[0] for row in shuffled.features]
            assert sorted(frames) == list(range(len(example.gold)))
            edges = 1 + np.flatnonzero(np.diff(frames) != 1)
            assert len(edges) >= len(example.utterances.ratings) // 2
            assert set(np.array(frames)[edges]) <= set(example.utterances.edges)
            speed = 300 / len(example.gold)
            spoken = [span for span in stitched.spans(config.root, "arousal") if span[0] == example.recording]
            at = (np.array(frames) + 0.5) * speed
            wanted = stitched.held(spoken, 301)[at.astype(int)]
            assert np.mean(np.abs(shuffled.gold - wanted) < 1e-6) > 0.9

    @pytest.mark.parametrize("cut_share", [0.0, 1.0])
    def test_a_share_of_recordings_is_shuffled_anew_each_time(self, config, tmp_path, cut_share):
        normalisation = Normalising(cut_share=cut_share)
        config = dataclasses.replace(config, variants=0, shuffled_share=0.5, normalisation=normalisation)
        data = prepare(config, tmp_path)
        whole = {example.recording: example.gold for (example, *_) in data.train}
        shuffled = []
        for epoch in range(40):
            for _, (drawn,) in batches.batches(config, data, epoch, 0):
                pieces = drawn.pieces or [drawn.example]
                gold = np.concatenate([piece.gold for piece in pieces])
                assert sum(len(piece.features) for piece in pieces) == len(gold) == drawn.frames
                if np.array_equal(gold, whole[drawn.example.recording]):
                    assert (drawn.pieces is None) == (cut_share == 0)
                else:
                    shuffled.append(gold.tobytes())
        assert 0.3 < len(shuffled) / (40 * len(data.train)) < 0.7
        assert len(set(shuffled)) > 0.8 * len(shuffled)

    @pytest.mark.parametrize("share", ["ratings_share", "shuffled_share"])
    def test_a_share_of_ratings_that_nobody_wrote_down(self, config, tmp_path, share):
        shutil.copytree(config.root, tmp_path / "corpus")
        (tmp_path / "corpus" / "utterances.csv").unlink()
        alone = dataclasses.replace(config, root=tmp_path / "corpus", **{share: 0.5})
        with pytest.raises(CorpusError, match=r"corpus: does not say what .* stitched from"):
            prepare(alone, tmp_path / "cache")

    def test_variants_follow_their_speed(self, config, tmp_path):
        config = dataclasses.replace(config, variants=4)
        for plain, *variants in prepare(config, tmp_path).train:
            assert len(variants) == 4
            for variant in variants:
                assert len(variant.features) == len(variant.gold)
                assert 300 / 1.1 - 1 <= len(variant.gold) <= 300 / 0.9 + 1
                speed = 300 / len(variant.gold)
                stretched = np.interp(np.arange(len(variant.gold)) * speed, np.arange(300), plain.gold)
                np.testing.assert_allclose(variant.gold, stretched, atol=0.05)

    def test_the_prior_is_that_of_the_plain_training_recordings(self, config, tmp_path):
        data = prepare(config, tmp_path)
        plain = [Statistics(40).update(variants[0].rows()) for variants in data.train]
        assert data.rule == Normalisation(prior_s=10.0).with_prior(plain)

    def test_the_second_time_everything_comes_from_the_cache(self, config, tmp_path, monkeypatch):
        first = prepare(config, tmp_path)
        names = sorted(path.name for path in tmp_path.iterdir())

        monkeypatch.setattr(cache, "_compute", lambda *given: pytest.fail("features were computed again"))
        self.equal(prepare(config, tmp_path), first)
        assert sorted(path.name for path in tmp_path.iterdir()) == names

    def test_another_cache_gives_the_same(self, config, tmp_path):
        self.equal(prepare(config, tmp_path / "a"), prepare(config, tmp_path / "b"))

    def test_other_processes_give_the_same(self, config, tmp_path):
        self.equal(prepare(config, tmp_path / "a", jobs=2), prepare(config, tmp_path / "b"))

    def test_the_cache_knows_settings_apart(self, config, tmp_path):
        first = prepare(config, tmp_path)
        louder = dataclasses.replace(config, augmentation=dataclasses.replace(config.augmentation, room=1.0, noise=1.0))
        second = prepare(louder, tmp_path)
        for (plain, variant), (also_plain, other) in zip(first.train, second.train, strict=True):
            np.testing.assert_array_equal(plain.features, also_plain.features)
            assert variant.features.shape != other.features.shape or (variant.features != other.features).any()

    def test_lag_moves_the_gold_standard_earlier(self, config, tmp_path):
        plain, moved = (prepare(dataclasses.replace(config, lag_s=lag_s), tmp_path).dev[0] for lag_s in (0.0, 2.0))
        np.testing.assert_array_equal(moved.gold[:250], plain.gold[50:])

    def test_targets_differ(self, config, tmp_path):
        arousal, valence = (
            prepare(dataclasses.replace(config, target=target), tmp_path).dev[0] for target in ("arousal", "valence")
        )
        assert (arousal.gold != valence.gold).any()

    def test_fit_all_takes_every_partition(self, config, tmp_path):
        data = prepare(dataclasses.replace(config, fit_all=True), tmp_path)
        assert len(data.train) == 4

    def test_progress_sees_every_variant(self, config, tmp_path):
        seen = []
        prepare(config, tmp_path, progress=lambda work: (seen.append(item) or item for item in work))
        assert len(seen) == 5

    def test_a_damaged_entry_is_made_again(self, config, tmp_path):
        first = prepare(config, tmp_path)
        wanted = [e.features.copy() for e in first.dev]
        for path in tmp_path.glob("*.npy"):
            # Unlinked first: the arrays of `first` are still mapped.
            path.unlink()
            path.write_bytes(b"\x93NUMPY")
        again = prepare(config, tmp_path)
        for ours, theirs in zip(again.dev, wanted, strict=True):
            np.testing.assert_array_equal(ours.features, theirs)

    def test_a_target_that_is_not_rated_is_refused_before_features_are_computed(self, config, tmp_path):
        with pytest.raises(CorpusError, match="is not rated for joy; set target to arousal or valence"):
            prepare(dataclasses.replace(config, target="joy"), tmp_path / "cache")
        assert not (tmp_path / "cache").exists()

    def test_nobody_to_choose_on(self, config, tmp_path):
        root = tmp_path / "corpus"
        root.mkdir()
        for part in config.root.iterdir():
            (root / part.name).symlink_to(part)
        (root / "partition.csv").unlink()
        (root / "partition.csv").write_text("id,partition\nP16,train\nP17,train\nP18,train\nP19,test\n")
        with pytest.raises(CorpusError, match="no recording in the train or dev partition") as error:
            prepare(dataclasses.replace(config, root=root), tmp_path / "cache")
        assert "\n" not in str(error.value)

    def test_what_training_does_not_need_may_be_missing(self, config, tmp_path):
        root = shutil.copytree(config.root, tmp_path / "corpus")
        config = dataclasses.replace(config, root=root)
        labels = root / recola.LABELS_FOLDER
        parts = {r.partition: r.id for r in recola.load(root)}
        (labels / "arousal" / f"{parts['test']}.csv").unlink()
        (labels / "valence" / f"{parts['dev']}.csv").unlink()
        assert len(prepare(config, tmp_path / "cache").dev) == 1
        with pytest.raises(CorpusError, match=rf"arousal/{parts['test']}\.csv: no such file"):
            prepare(dataclasses.replace(config, fit_all=True), tmp_path / "cache")
        with pytest.raises(CorpusError, match=rf"valence/{parts['dev']}\.csv: no such file"):
            prepare(dataclasses.replace(config, target="valence"), tmp_path / "cache")

    def test_babble_of_other_content_is_another_variant(self, config, tmp_path):
        root = shutil.copytree(config.root, tmp_path / "corpus")
        config = dataclasses.replace(config, root=root, augmentation=Strength(babble=1.0))
        first = {v[1].recording: np.array(v[1].features) for v in prepare(config, tmp_path / "cache").train}
        changed_ = sorted(first)[0]
        path = root / recola.AUDIO_FOLDER / f"{changed_}.wav"
        samples, rate_hz = soundfile.read(path)
        soundfile.write(path, samples[::-1], rate_hz, subtype="PCM_16")
        for plain, variant in prepare(config, tmp_path / "cache").train:
            assert plain.recording == variant.recording
            assert (variant.features != first[variant.recording]).any()

    def test_trains_from_end_to_end(self, config, tmp_path):
        arguments = {"size": 160, "layers": 2, "width": 4}
        tiny = dataclasses.replace(config, network="downup", arguments=arguments, epochs=2)
        done = loop.fit(tiny, 0, prepare(tiny, tmp_path), tmp_path / "run" / "checkpoint.npz")
        assert len(done.history) == 2
        assert -1 <= done.best_ccc <= 1


class TestPartlyRated:
    """What `prepare` makes of corpora whose labels leave parts out."""

    @pytest.fixture
    def config(self, stitched_root):
        return Config(root=stitched_root, variants=2)

    @staticmethod
    def relabelled(monkeypatch, change):
        """The stitched corpus, every recording changed on its way in."""
        survey = recola.survey

        def changed(root):
            found = survey(root)
            return dataclasses.replace(found, recordings=[change(recording) for recording in found.recordings])

        monkeypatch.setattr(recola, "survey", changed)

    @staticmethod
    def rated_from(start_s, rate_hz=4.0, stop_s=12.0):
        """The gold standard is the time in seconds over 100, rated from some time on."""

        def change(recording):
            time_s = np.arange(round(start_s * rate_hz), round(stop_s * rate_hz)) / rate_hz
            gold = Ratings(time_s, time_s[:, None] / 100, ("gold standard",), "arousal")
            return dataclasses.replace(
                recording, load_gold=lambda target: gold, label_rate_hz=rate_hz, partly_rated=True
            )

        return change

    def test_what_is_not_rated_is_not_a_number(self, config, tmp_path, monkeypatch):
        self.relabelled(monkeypatch, self.rated_from(5.0))
        data = prepare(config, tmp_path)
        for plain in [*(variants[0] for variants in data.train), *data.dev]:
            assert plain.rated.tolist() == [False] * 125 + [True] * 175
            np.testing.assert_allclose(plain.gold[125:294], np.arange(125, 294) * 4e-4, atol=1e-6)

    def test_the_lag_moves_the_mask_too(self, config, tmp_path, monkeypatch):
        self.relabelled(monkeypatch, self.rated_from(5.0, stop_s=10.0))
        (plain,) = prepare(dataclasses.replace(config, lag_s=2.0), tmp_path).dev
        assert plain.rated.tolist() == [False] * 75 + [True] * 125 + [False] * 100
        np.testing.assert_allclose(plain.gold[75:194], (np.arange(75, 194) * 0.04 + 2) / 100, atol=1e-6)

    def test_speed_moves_the_mask_too(self, config, tmp_path, monkeypatch):
        self.relabelled(monkeypatch, self.rated_from(5.0))
        config = dataclasses.replace(config, augmentation=Strength(speed=1.0))
        for _, *variants in prepare(config, tmp_path).train:
            for variant in variants:
                speed = 300 / len(variant.gold)
                first = int(np.argmax(variant.rated))
                assert variant.rated[first:].all()
                assert first == pytest.approx(125 / speed, abs=1.5)
                # Played faster or slower, a frame's rating is that of what is heard in it.
                middle = slice(first, round(290 / speed))
                heard_s = np.arange(len(variant.gold))[middle] * 0.04 * speed
                np.testing.assert_allclose(variant.gold[middle], heard_s / 100, atol=1e-3)

    def test_a_frame_between_a_rated_and_an_unrated_one_is_not_rated(self):
        gold = np.array([np.nan, np.nan, 0.2, 0.4, np.nan])
        played = dataset._played(gold, 9, 0.5)
        np.testing.assert_allclose(played, [np.nan] * 4 + [0.2, 0.3, 0.4] + [np.nan] * 2, atol=1e-6)

    @pytest.mark.parametrize("how", ["no labels", "no value", "none inside"])
    def test_an_unrated_recording_is_left_out(self, config, tmp_path, monkeypatch, how):
        out = next(r.id for r in recola.load(config.root) if r.partition == "train")

        def no_value(target):
            return Ratings(np.arange(3), np.full((3, 1), np.nan), ("gold standard",), target)

        def change(recording):
            if recording.id != out:
                return recording
            changes = {
                "no labels": {"load_ratings": None, "load_gold": None},
                "no value": {"load_gold": no_value},
                "none inside": {"load_gold": lambda target: self.sparse(target), "partly_rated": True},
            }
            return dataclasses.replace(recording, **changes[how])

        everything = prepare(config, tmp_path)
        self.relabelled(monkeypatch, change)
        with pytest.warns(UserWarning, match=f"{out}: no frame is rated for arousal; it is left out"):
            data = prepare(config, tmp_path)
        assert [v[0].recording for v in data.train] == [
            v[0].recording for v in everything.train if v[0].recording != out
        ]

    @staticmethod
    def sparse(target):
        """Two labels about a missing one: no frame lies between two that are rated."""
        values = np.array([[np.nan], [0.1], [np.nan]])
        return Ratings(np.array([0.0, 0.02, 0.06]), values, ("gold standard",), target)

    def test_nobody_rated_is_an_error(self, config, tmp_path, monkeypatch):
        self.relabelled(
            monkeypatch, lambda recording: dataclasses.replace(recording, load_ratings=None, load_gold=None)
        )
        with (
            pytest.warns(UserWarning, match="no frame is rated"),
            pytest.raises(CorpusError, match="no arousal ratings in the train or dev"),
        ):
            prepare(config, tmp_path)

    def test_trains_from_end_to_end(self, config, tmp_path, monkeypatch):
        self.relabelled(monkeypatch, self.rated_from(5.0))
        tiny = dataclasses.replace(config, network="downup", arguments={"size": 160, "layers": 2, "width": 4}, epochs=2)
        done = loop.fit(tiny, 0, prepare(tiny, tmp_path), tmp_path / "run" / "checkpoint.npz")
        assert all(np.isfinite(record["loss"]) and -1 <= record["dev_ccc"] <= 1 for record in done.history)
