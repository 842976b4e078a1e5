import dataclasses

import numpy as np
import pytest
import torch
from test_training import BINS, KilledError, changed, example, same_weights, told

from emotrace.errors import ConfigError
from emotrace.features.normalisation import Normalisation
from emotrace.training import batched, loop
from emotrace.training.config import Normalising
from emotrace.training.dataset import Dataset

torch.set_num_threads(1)

SETTINGS = {
    "dilated": {"layers": 3, "width": 8},
    "downup": {"layers": 2, "width": 8},
    "single_filter": {"filter_frames": 32},
}


@pytest.fixture(scope="module")
def toy():
    train = [[example(seed, 200 + 50 * seed)] for seed in range(3)]
    return Dataset(train, [example(20), example(21)], Normalisation())


def config_of(network, **settings):
    return changed(network=network, arguments={"size": BINS, **SETTINGS[network]}, seeds=3, **settings)


def paths(folder, seeds=3):
    return {seed: folder / f"seed-{seed}" / "checkpoint.npz" for seed in range(seeds)}


def close(one, other, atol):
    assert one.keys() == other.keys()
    for key in one:
        torch.testing.assert_close(one[key], other[key], rtol=0, atol=atol)


@pytest.mark.parametrize("network", SETTINGS)
@pytest.mark.parametrize(
    "settings", [{}, {"batch_recordings": 2}, {"normalisation": Normalising(cut_share=0.5, cut_s=(2.0, 5.0))}]
)
def test_every_seed_is_what_it_is_alone_in_the_same_order(network, settings, toy, tmp_path):
    config = config_of(network, epochs=4, **settings)
    together = batched.fit(config, paths(tmp_path), toy)
    for seed, run in together.items():
        alone = loop.fit(config, seed, toy, tmp_path / f"alone-{seed}" / "checkpoint.npz", order=0)
        close(dict(run.network.state_dict()), dict(alone.network.state_dict()), atol=2e-4)
        close(run.best, alone.best, atol=2e-4)
        for ours, theirs in zip(run.history, alone.history, strict=True):
            assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-4)
            assert ours["dev_ccc"] == pytest.approx(theirs["dev_ccc"], abs=1e-3)
            assert ours["frames"] == theirs["frames"]


def test_seeds_end_within_the_spread_of_sequential_ones(toy, tmp_path):
    config = config_of("dilated", epochs=15, patience=15, learning_rate=0.02)
    together = [run.best_ccc for run in batched.fit(config, paths(tmp_path), toy).values()]
    alone = [loop.fit(config, seed, toy, tmp_path / f"{seed}.npz").best_ccc for seed in range(3)]
    assert abs(np.mean(together) - np.mean(alone)) <= 3 * max(np.std(alone), np.std(together), 0.01)


def test_seeds_differ_and_drop_different_channels(toy, tmp_path):
    config = config_of("dilated", epochs=2)
    config = dataclasses.replace(config, arguments={**config.arguments, "dropout": 0.3})
    runs = batched.fit(config, paths(tmp_path), toy)
    assert not same_weights(runs[0].best, runs[1].best)


@pytest.mark.parametrize("after", [(0, 0), (0, 2), (1, 2), (2, 3)])
def test_killed_anywhere_and_resumed_is_uninterrupted(toy, tmp_path, after):
    config = config_of("dilated", epochs=6)
    config = dataclasses.replace(config, arguments={**config.arguments, "dropout": 0.1})
    whole = batched.fit(config, paths(tmp_path / "whole"), toy)

    def report(seed, record):
        if (seed, record["epoch"]) == after:
            raise KilledError

    with pytest.raises(KilledError):
        batched.fit(config, paths(tmp_path / "killed"), toy, report)
    resumed = batched.fit(config, paths(tmp_path / "killed"), toy)
    for seed, run in whole.items():
        assert told(resumed[seed].history) == told(run.history)
        assert same_weights(resumed[seed].best, run.best)
        assert same_weights(resumed[seed].network.state_dict(), run.network.state_dict())


def test_resumed_after_a_whole_epoch_is_identical(toy, tmp_path):
    config = config_of("downup", epochs=5)
    whole = batched.fit(config, paths(tmp_path / "whole"), toy)
    batched.fit(dataclasses.replace(config, stop_after=2), paths(tmp_path / "part"), toy)
    resumed = batched.fit(config, paths(tmp_path / "part"), toy)
    for seed, run in whole.items():
        assert told(resumed[seed].history) == told(run.history)
        assert same_weights(resumed[seed].best, run.best)


def test_a_seed_that_waited_in_vain_leaves_the_others(toy, tmp_path, monkeypatch):
    scores = iter([0.5, 0.1, 0.4, 0.2, 0.3, 0.3, 0.4, 0.5, 0.6])
    monkeypatch.setattr(loop, "score", lambda *given: next(scores))
    runs = batched.fit(dataclasses.replace(config_of("downup", epochs=4, patience=1), seeds=2), paths(tmp_path, 2), toy)
    assert [len(run.history) for run in runs.values()] == [2, 4]


def test_a_network_that_cannot_be_stacked(toy, tmp_path):
    config = changed(network="blstm", arguments={"size": BINS, "width": 2}, seeds=2)
    with pytest.raises(ConfigError, match="blstm cannot be trained with all seeds at once") as error:
        batched.fit(config, paths(tmp_path, 2), toy)
    assert "\n" not in str(error.value)
