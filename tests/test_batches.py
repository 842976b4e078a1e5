import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_training import BINS, TINY, changed, example, run, same_weights

from emotrace.features.normalisation import Normalisation
from emotrace.models import blstm_discretised
from emotrace.training import batches, loop
from emotrace.training.batches import Drawn, Inputs
from emotrace.training.dataset import Dataset, Example
from emotrace.training.losses import ccc_loss

torch.set_num_threads(1)

NETWORKS = {
    "blstm": {"layers": 1, "width": 4},
    "dilated": {"layers": 3, "width": 4},
    "downup": {"layers": 2, "width": 4},
    "single_filter": {"filter_frames": 32},
}


def network_of(name):
    torch.manual_seed(0)
    return loop.build(changed(network=name, arguments={"size": BINS, **NETWORKS[name]})).double()


def doubled(given):
    return dataclasses.replace(given, features=given.features.astype(float), gold=given.gold.astype(float))


def partly_rated(given, until):
    gold = given.gold.copy()
    gold[:until] = np.nan
    return dataclasses.replace(given, gold=gold)


@pytest.mark.parametrize("name", NETWORKS)
@given(lengths=st.lists(st.integers(20, 150), min_size=1, max_size=4), unrated=st.integers(0, 19))
def test_loss_and_gradients_of_a_batch_are_the_mean_of_those_alone(name, lengths, unrated):
    network, inputs = network_of(name), Inputs(Normalisation())
    recordings = [partly_rated(doubled(example(n, length)), unrated) for n, length in enumerate(lengths)]
    together = batches.loss(network, [Drawn(each, None) for each in recordings], inputs)
    losses = []
    for each in recordings:
        gold = torch.from_numpy(each.gold)[None]
        losses.append(ccc_loss(network(inputs.features(each)), gold, ~gold.isnan()))
    alone = torch.stack(losses).mean()
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-10)
    ours, theirs = (torch.autograd.grad(loss, list(network.parameters())) for loss in (together, alone))
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("cut", [False, True])
def test_answers_of_several_values_are_filled_up_in_time(cut):
    torch.manual_seed(0)
    network = blstm_discretised.Network(size=BINS, layers=1, width=4).double()
    inputs = Inputs(Normalisation())
    recordings = [doubled(example(seed, length)) for seed, length in enumerate((60, 90))]
    drawn = [Drawn(each, [each] if cut else None) for each in recordings]
    alone = [batches.loss(network, [each], inputs) for each in drawn]
    torch.testing.assert_close(batches.loss(network, drawn, inputs), torch.stack(alone).mean())


def test_whole_recordings_and_cut_ones_in_one_batch():
    network, inputs = network_of("dilated"), Inputs(Normalisation())
    first, second = (doubled(example(seed, 120 + 30 * seed)) for seed in (0, 1))
    pieces = second.cut((1.0, 2.0), np.random.default_rng(0))
    together = batches.loss(network, [Drawn(second, pieces), Drawn(first, None)], inputs)
    alone = [batches.loss(network, [drawn], inputs) for drawn in (Drawn(second, pieces), Drawn(first, None))]
    torch.testing.assert_close(together, torch.stack(alone).mean())


@pytest.mark.parametrize("batch_recordings", [1, 2, 3, 5])
def test_every_recording_once_an_epoch(batch_recordings):
    data = Dataset([[example(seed)] for seed in range(5)], [], Normalisation())
    config = changed(batch_recordings=batch_recordings)
    drawn = list(batches.batches(config, data, 2, 0))
    assert sorted(d.example.recording for _, batch in drawn for d in batch) == [f"R{seed}" for seed in range(5)]
    assert [len(batch) for _, batch in drawn[:-1]] == [batch_recordings] * (len(drawn) - 1)
    assert all(2 / config.epochs <= done < 3 / config.epochs for done, _ in drawn)


def test_trains_on_batches(tmp_path):
    data = Dataset([[example(seed, 150 + 40 * seed)] for seed in range(5)], [example(20)], Normalisation())
    done = run(changed(batch_recordings=2, epochs=3), 0, data, tmp_path / "a")
    assert [record["frames"] for record in done.history] == [sum(150 + 40 * seed for seed in range(5))] * 3
    assert [record["recordings"] for record in done.history] == [5] * 3
    again = run(changed(batch_recordings=2, epochs=3), 0, data, tmp_path / "b")
    assert same_weights(done.best, again.best)


class TestInputs:
    def test_keeps_what_there_is_room_for(self):
        recordings = [example(seed, 100) for seed in range(3)]
        inputs = Inputs(Normalisation(), room=2 * recordings[0].features.nbytes)
        first, again = ([inputs.features(each) for each in recordings] for _ in range(2))
        assert [one is other for one, other in zip(first, again, strict=True)] == [True, True, False]

    def test_pieces_are_not_kept(self, monkeypatch):
        inputs = Inputs(Normalisation())
        inputs.features(example(0), keep=False)
        assert inputs._kept == {}

    def test_results_do_not_depend_on_the_room(self, tmp_path, monkeypatch):
        data = Dataset([[example(seed)] for seed in range(3)], [example(20)], Normalisation())
        whole = run(TINY, 0, data, tmp_path / "a")
        calls = []
        normalised = Example.normalised
        monkeypatch.setattr(Example, "normalised", lambda self, rule: calls.append(1) or normalised(self, rule))
        monkeypatch.setattr(Inputs.__init__, "__defaults__", ("cpu", 0))
        assert same_weights(run(TINY, 0, data, tmp_path / "b").best, whole.best)
        assert len(calls) == 4 * TINY.epochs


@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_graphics_processor_scores_at_once_is_scored_as_alone(name, monkeypatch):
    monkeypatch.setattr(loop, "_FRAMES_AT_ONCE", 200)
    network = network_of(name).float().eval()
    examples = [example(seed, frames) for seed, frames in enumerate((100, 150, 100, 250, 100, 150))]
    # PyTorch's name for the one processor there is everywhere, which is not the name by which it is recognised.
    together = loop._traces(network, examples, Inputs(Normalisation(), "cpu:0"))
    alone = loop._traces(network, examples, Inputs(Normalisation()))
    for ours, theirs in zip(together, alone, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_graphics_processor_keeps_what_there_is_room_for(monkeypatch):
    free = {"cuda": 80 << 30, "cuda:1": 8 << 30}
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free[device], 80 << 30))
    assert Inputs(Normalisation(), "cuda").room == 2 << 30
    assert Inputs(Normalisation(), "cuda:1").room == 1 << 30
    assert Inputs(Normalisation(), "cuda", room=7).room == 7
