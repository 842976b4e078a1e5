import gc
import inspect
import pathlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace import models
from emotrace.errors import ConfigError
from emotrace.features.normalisation import Normalisation
from emotrace.models import convolution, lru, sercu, trigeorgis
from emotrace.training import batched, batches
from emotrace.training.config import Config
from emotrace.training.dataset import Dataset, Example
from emotrace.training.losses import ccc_loss

torch.set_num_threads(1)

SIZE = 3
NETWORKS = [
    ("dilated", {}),
    ("dilated", {"layers": 1, "width": 4, "kernel_frames": 1}),
    ("dilated", {"layers": 3, "width": 4, "kernel_frames": 5}),
    ("dilated", {"layers": 3, "width": 4, "dilation_base": 3, "residual": True}),
    ("dilated", {"look_ahead_frames": 25}),
    ("dilated", {"layers": 4, "width": 4, "look_ahead_frames": 0}),
    ("dilated", {"layers": 3, "width": 4, "kernel_frames": 5, "look_ahead_frames": 28}),
    ("dilated", {"layers": 3, "width": 4, "dilation_base": 3, "residual": True, "look_ahead_frames": 7}),
    ("downup", {}),
    ("downup", {"layers": 1, "width": 8}),
    ("downup", {"layers": 2, "width": 8, "kernel_frames": 1, "up_kernel_frames": 3}),
    ("downup", {"layers": 2, "width": 8, "factor": 2, "kernel_frames": 3, "up_kernel_frames": 4}),
    ("downup", {"layers": 2, "width": 8, "factor": 2, "middle_kernel_frames": 3, "up_kernel_frames": 2}),
    ("downup", {"layers": 2, "width": 8, "factor": 4, "kernel_frames": 3, "up_kernel_frames": 10}),
    ("single_filter", {}),
    ("single_filter", {"filter_frames": 1}),
    ("single_filter", {"filter_frames": 2}),
    ("single_filter", {"filter_frames": 33}),
    ("downup", {"layers": 3, "width": 8, "middle_kernel_frames": 5, "up_kernel_frames": 15}),
    ("context_dnn", {"context_frames": 4, "step_frames": 3}),
    ("context_dnn", {"context_frames": 0, "layers": 1}),
    ("sercu", {"blocks": 3}),
    ("sercu", {"blocks": 2, "layers": 1, "kernel_frames": 5, "pooled_frames": 3}),
    ("sinc", {"window_frames": 64}),
    ("sinc", {"layers": 1, "kernel_frames": 3, "window_frames": 33, "delays": 2}),
]
IDS = [f"{name} {' '.join(f'{key}={value}' for key, value in arguments.items())}" for name, arguments in NETWORKS]


SMALL = {"trigeorgis": {"filters": 20, "width": 8}}
"""Of networks that take long at the size of their source."""


def build(name, seed=0, **arguments):
    torch.manual_seed(seed)
    return models.get(name).Network(**{"size": SIZE, **SMALL.get(name, {}), **arguments}).eval()


def features(frames, seed=0, batch=1):
    return torch.randn(batch, frames, SIZE, generator=torch.Generator().manual_seed(seed))


def up_to(frames, grid):
    return -(-frames // grid) * grid


def seen(network, draws=5):
    """Farthest input frames before and after that change an output, found from gradients over one grid step.

    A maximum passes the gradient on from one frame of several, so that one input may not show the whole reach.
    """
    grid, (before, after) = network.grid_frames, network.reach()
    start = up_to(before, grid) + grid
    outputs = start + torch.arange(grid)
    farthest = [0, 0]
    for seed in range(draws):
        inputs = features(start + up_to(after, grid) + 2 * grid, seed).double().repeat(grid, 1, 1).requires_grad_()
        network.core(inputs)[torch.arange(grid), outputs].sum().backward()
        for output, gradient in zip(outputs.tolist(), inputs.grad, strict=True):
            frames = gradient.abs().sum(dim=1).nonzero()
            farthest = [max(farthest[0], output - int(frames[0])), max(farthest[1], int(frames[-1]) - output)]
    return tuple(farthest)


def test_lists_networks_and_only_networks():
    assert {"blstm", "dilated", "downup", "single_filter"} <= set(models.names())
    assert not {"convolution", "initialisation"} & set(models.names())
    assert models.names() == sorted(models.names())


def test_unknown_name_lists_the_known():
    with pytest.raises(ConfigError, match=r"'dilatd'.*dilated, downup, .*single_filter") as error:
        models.get("dilatd")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", models.names())
class TestEveryNetwork:
    def test_as_many_frames_out_as_in(self, name):
        network = build(name)
        with torch.inference_mode():
            for frames in range(1, 301):
                trace = network(features(frames))
                assert trace.shape == (1, frames)
                assert trace.isfinite().all()

    def test_recordings_of_a_batch_do_not_meet(self, name):
        network, batch = build(name).double(), features(100, batch=3).double()
        with torch.inference_mode():
            together, alone = network(batch), torch.cat([network(row[None]) for row in batch])
        torch.testing.assert_close(together, alone, rtol=0, atol=1e-10)

    @given(lengths=st.lists(st.integers(1, 200), min_size=1, max_size=4), seed=st.integers(0, 99))
    @settings(max_examples=15)
    def test_filled_up_with_zeros_a_recording_is_what_it_is_alone(self, name, lengths, seed):
        network = build(name, seed).double()
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        batch = torch.zeros(len(lengths), max(lengths), SIZE, dtype=torch.double)
        for row, length in enumerate(lengths):
            batch[row, :length] = features(length, seed + row).double()[0]
        together = network(batch, torch.tensor(lengths))
        for row, length in enumerate(lengths):
            alone = network(batch[row : row + 1, :length])[0]
            torch.testing.assert_close(together[row, :length], alone, rtol=0, atol=1e-9)

    def test_core_is_forward_on_the_grid(self, name):
        network = build(name)
        inputs = features(3 * network.grid_frames)
        with torch.inference_mode():
            torch.testing.assert_close(network.core(inputs), network(inputs), rtol=0, atol=1e-5)

    def test_builds_without_arguments(self, name):
        torch.manual_seed(0)
        size = inspect.signature(models.get(name).Network).parameters["size"].default
        assert size == (640 if name == "trigeorgis" else 160)
        assert models.get(name).Network().eval()(torch.randn(1, 30, size)).shape == (1, 30)

    def test_the_generator_s_seed_decides_how_it_starts(self, name):
        first, again, other = (build(name, seed).state_dict() for seed in (0, 0, 1))
        assert all(torch.equal(first[key], again[key]) for key in first)
        assert any(not torch.equal(first[key], other[key]) for key in first)

    def test_every_parameter_learns(self, name):
        network = build(name)
        network(features(300)).square().sum().backward()
        without = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()]
        assert without == []

    def test_evaluation_drops_nothing(self, name):
        if "dropout" not in models.get(name).Network.__init__.__annotations__:
            pytest.skip(f"{name} has no dropout")
        network, inputs = build(name, dropout=0.5), features(120)
        with torch.no_grad():
            assert torch.equal(network(inputs), network(inputs))
            assert not torch.equal(network.train()(inputs), network(inputs))

    def test_rebuilds_from_its_arguments_and_weights(self, name):
        network, other = build(name), build(name, seed=1)
        other.load_state_dict(network.state_dict())
        with torch.inference_mode():
            assert torch.equal(other(features(50)), network(features(50)))

    def test_says_which_frames_it_needs(self, name):
        network = build(name)
        assert network.grid_frames >= 1
        assert all(isinstance(frames, int) and frames >= 0 for frames in network.reach() or ())


@pytest.mark.parametrize(("name", "arguments"), NETWORKS, ids=IDS)
class TestReach:
    def test_is_what_gradients_show(self, name, arguments):
        network = build(name, **arguments).double()
        assert seen(network) == network.reach()

    def test_pieces_on_the_grid_with_reach_around_them_are_the_whole(self, name, arguments):
        network = build(name, **arguments)
        grid, (before, after) = network.grid_frames, network.reach()
        length = up_to(150, grid)
        whole = features(up_to(2 * max(before, after) + 4 * length, grid))
        frames = whole.shape[1]
        with torch.inference_mode():
            wanted = network(whole)[0]
            for start in range(0, frames, length):
                stop = min(start + length, frames)
                first, last = max(0, start - up_to(before, grid)), min(frames, stop + up_to(after, grid))
                piece = network.core(whole[:, first:last])[0, start - first : stop - first]
                torch.testing.assert_close(piece, wanted[start:stop], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "arguments"), NETWORKS, ids=IDS)
def test_recordings_of_different_lengths_in_one_batch(name, arguments):
    network, lengths = build(name, **arguments).double(), [37, 200, 1]
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    rows = [features(length, length).double() for length in lengths]
    filled = torch.cat([torch.nn.functional.pad(row, (0, 0, 0, 200 - row.shape[1])) for row in rows])
    with torch.no_grad():
        together = network(filled, torch.tensor(lengths))
        for row, trace, length in zip(rows, together, lengths, strict=True):
            torch.testing.assert_close(trace[:length], network(row)[0], rtol=0, atol=1e-9)


def test_a_piece_off_the_grid_is_another_trace():
    # What makes the grid part of the contract: pooling elsewhere finds other maxima.
    network, whole = build("downup"), features(81 * 12)
    with torch.inference_mode():
        piece = network.core(whole[:, 40 : 40 + 81 * 11])
        assert (piece[0, 405:486] - network(whole)[0, 445:526]).abs().max() > 1e-3


class TestThePaperSDilatedNetwork:
    def convolutions(self):
        return [m for m in models.get("dilated").Network().modules() if isinstance(m, torch.nn.Conv1d)]

    def test_ten_layers_of_32_whose_dilation_doubles_and_a_1x1_output(self):
        *layers, output = self.convolutions()
        assert [layer.dilation for layer in layers] == [(2**n,) for n in range(10)]
        assert [layer.out_channels for layer in layers] == [32] * 10
        assert [layer.kernel_size for layer in layers] == [(3,)] * 10
        assert (output.in_channels, output.out_channels, output.kernel_size) == (32, 1, (1,))

    def test_parameters(self):
        network = models.get("dilated").Network()
        by_hand = (160 * 3 + 1) * 32 + 9 * (32 * 3 + 1) * 32 + 33
        assert sum(p.numel() for p in network.parameters()) == by_hand == 43361

    def test_sees_82_seconds(self):
        assert sum(models.get("dilated").Network().reach()) + 1 == 2047

    def test_residual_adds_the_input_of_every_layer_but_the_first(self):
        network = build("dilated", layers=2, width=4, residual=True)
        inputs = features(20)
        with torch.inference_mode():
            first = torch.relu(network.convolutions[0](inputs.transpose(1, 2)))
            second = torch.relu(network.convolutions[1](first)) + first
            torch.testing.assert_close(network(inputs), network.output(second)[:, 0])

    @pytest.mark.parametrize("kernel_frames", [0, 2, 4])
    def test_refuses_even_kernels(self, kernel_frames):
        with pytest.raises(ValueError, match=f"kernel_frames must be odd.* not {kernel_frames}"):
            build("dilated", kernel_frames=kernel_frames)


class TestLookingAheadLess:
    def test_is_the_same_network_moved(self):
        arguments = {"layers": 3, "width": 4}
        paper, live = (build("dilated", **arguments, look_ahead_frames=n) for n in (None, 7))
        assert paper.reach() == live.reach() == (7, 7)
        inputs = features(60)
        with torch.inference_mode():
            torch.testing.assert_close(live(inputs)[:, 7:-7], paper(inputs)[:, 7:-7], rtol=0, atol=1e-6)

    @pytest.mark.parametrize(
        "arguments",
        [
            {"look_ahead_frames": 25},
            {"layers": 1, "width": 4, "look_ahead_frames": 0},
            {"layers": 4, "width": SIZE, "residual": True, "look_ahead_frames": 3},
            {"layers": 3, "width": 4, "kernel_frames": 5, "dilation_base": 3, "look_ahead_frames": 9},
            {"layers": 3, "width": 4, "kernel_frames": 1, "look_ahead_frames": 0},
        ],
    )
    def test_going_on_by_a_frame_gives_the_whole(self, arguments):
        networks = [build("dilated", seed, **arguments) for seed in (0, 1)]
        for network in networks:
            for parameter in network.parameters():
                torch.nn.init.normal_(parameter, std=0.2)
        live, frames = models.get("dilated").Live(networks), features(40)
        padded = torch.nn.functional.pad(frames[0], (0, 0, 0, arguments["look_ahead_frames"]))
        ages = networks[0].ages()
        heard = [[torch.zeros(SIZE)] * 2000] + [[torch.zeros(live.output.shape[::2])] * 2000 for _ in ages[1:]]
        taps = len(ages[0])
        given = []
        with torch.inference_mode():
            for frame in padded:
                past = [
                    torch.stack([layer[-age] for age in old]) for layer, old in zip(heard, ages, strict=True) if old
                ]
                first = past[0] if past else torch.zeros(0, SIZE)
                rest = torch.stack(past[1:]) if past[1:] else torch.zeros(len(ages) - 1, taps, *live.output.shape[::2])
                trace, inputs = live(frame[None], first, rest)
                given.append(trace)
                for layer, new in zip(heard, [frame, *inputs], strict=True):
                    layer.append(new)
            wanted = torch.cat([network(frames) for network in networks])
        given = torch.stack(given, dim=1)[:, arguments["look_ahead_frames"] :]
        torch.testing.assert_close(given, wanted, rtol=0, atol=1e-5)

    @pytest.mark.parametrize("look_ahead_frames", [-1, 15])
    def test_refuses_more_than_the_receptive_field(self, look_ahead_frames):
        with pytest.raises(ValueError, match=f"between 0 and 14, not {look_ahead_frames}"):
            build("dilated", layers=3, look_ahead_frames=look_ahead_frames)


class TestThePaperSDownsamplingNetwork:
    def test_four_layers_down_one_between_and_four_up(self):
        modules = list(models.get("downup").Network().modules())
        down = [m for m in modules if isinstance(m, torch.nn.Conv1d)]
        up = [m for m in modules if isinstance(m, torch.nn.ConvTranspose1d)]
        assert [m.out_channels for m in down] == [32] * 5
        assert down[-1].kernel_size == (1,)
        assert [m.stride for m in up] == [(3,)] * 4
        assert [m.out_channels for m in up] == [32, 32, 32, 1]
        assert models.get("downup").Network().grid_frames == 3**4

    @pytest.mark.parametrize(("width", "count"), [(32, 86561), (128, 948353)])
    def test_parameters(self, width, count):
        network = models.get("downup").Network(width=width)
        down = (160 * 7 + 1) * width + 3 * (width * 7 + 1) * width
        up = 3 * (width * 9 + 1) * width + width * 9 + 1
        assert sum(p.numel() for p in network.parameters()) == down + (width + 1) * width + up == count

    def test_the_output_is_not_squashed(self):
        network = build("downup")
        with torch.no_grad():
            network.up[-1].bias.fill_(7.0)
            assert network(features(90)).min() > 5

    def test_a_pulse_is_not_moved_in_time(self):
        # Cropped anywhere but at the centre, a pulse would come back early or late.
        network = build("downup", layers=2, width=1, kernel_frames=1, up_kernel_frames=3)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
            for layer in [*network.down, network.middle, *network.up]:
                layer.weight.fill_(1.0)
            inputs = torch.zeros(1, 81, SIZE)
            inputs[0, 36:45] = 1.0
            trace = network(inputs)[0]
        assert trace.nonzero()[:, 0].tolist() == list(range(36, 45))

    @pytest.mark.parametrize(
        "arguments",
        [
            {"kernel_frames": 4},
            {"middle_kernel_frames": 2},
            {"up_kernel_frames": 4},
            {"up_kernel_frames": 1},
            {"factor": 2, "up_kernel_frames": 5},
        ],
    )
    def test_refuses_kernels_that_change_the_length(self, arguments):
        with pytest.raises(ValueError, match="must be"):
            build("downup", **arguments)


class TestTheSingleFilter:
    @given(frames=st.integers(1, 120), length=st.integers(1, 70), batch=st.integers(1, 3), seed=st.integers(0, 99))
    def test_by_transforms_is_the_sum_and_so_are_its_gradients(self, frames, length, batch, seed):
        inputs = features(frames, seed, batch).requires_grad_()
        taps = torch.randn(SIZE, length, generator=torch.Generator().manual_seed(seed)).requires_grad_()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(convolution, "_FFT_FRAMES", 0)
            fast = convolution.filtered(inputs, taps)
        slow = convolution.directly(inputs, taps)
        torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-4)
        ours, theirs = (torch.autograd.grad(out.tanh().sum(), (inputs, taps)) for out in (fast, slow))
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)

    def test_gradients_are_where_the_features_are(self):
        inputs = torch.zeros(1, 60, SIZE, device="meta", requires_grad=True)
        network = build("single_filter", filter_frames=20).to("meta")
        network(inputs).sum().backward()
        assert inputs.grad.device.type == "meta"

    def test_a_filter_of_the_paper_s_greatest_length(self):
        network, inputs = build("single_filter", filter_frames=2048), features(3000)
        slow, fast = network.core(inputs), network(inputs)
        torch.testing.assert_close(fast, slow, rtol=0, atol=1e-5)
        ours, theirs = (torch.autograd.grad(out.square().mean(), [*network.parameters()]) for out in (fast, slow))
        for mine, wanted in zip(ours, theirs, strict=True):
            assert (mine - wanted).abs().max() <= 1e-4 * wanted.abs().max()

    def test_features_that_are_changed_in_place_are_transformed_again(self):
        network, inputs = build("single_filter"), features(400)
        with torch.no_grad():
            network(inputs)
            inputs.mul_(-2)
            torch.testing.assert_close(network(inputs), network.core(inputs), rtol=0, atol=1e-5)

    def test_transforms_are_kept_as_long_as_the_features(self):
        network, inputs = build("single_filter"), features(400)
        before = len(convolution._known)
        network(inputs)
        network(inputs)
        assert len(convolution._known) == before + 1
        del inputs
        gc.collect()
        assert len(convolution._known) == before

    @pytest.mark.parametrize("filter_frames", [64, 1024])
    def test_starts_from_a_normal_distribution_that_leaves_the_tanh_its_slope(self, filter_frames):
        network = build("single_filter", size=160, filter_frames=filter_frames)
        taps = network.convolution.weight.flatten()
        sd = (2 / (161 * filter_frames)) ** 0.5
        assert taps.std().item() == pytest.approx(sd, rel=0.05)
        assert (taps.abs() < sd).double().mean().item() == pytest.approx(0.683, abs=0.02)
        assert not network.convolution.bias.any()

    def test_refuses_no_filter(self):
        with pytest.raises(ValueError, match="at least 1, not 0"):
            build("single_filter", filter_frames=0)


class TestTheRecurrentNetwork:
    def test_nothing_bounds_what_it_sees(self):
        network, inputs = build("blstm").double(), features(300).double().requires_grad_()
        assert network.reach() is None
        network(inputs)[0, 150].backward()
        assert inputs.grad.abs().sum(dim=2).ne(0).all()

    def test_parameters(self):
        network = models.get("blstm").Network(layers=1, width=10)
        assert sum(p.numel() for p in network.parameters()) == 2 * 4 * 10 * (160 + 10 + 2) + 21

    def test_forget_gates_start_open(self):
        bias = build("blstm", width=5).recurrent.bias_ih_l0
        assert bias.tolist() == [0] * 5 + [1] * 5 + [0] * 10


class TestTheDiscretisedNetwork:
    LEVELS = ([-0.5, 0.5], [-1.0, 0.0, 1.0])

    def network(self, **arguments):
        return build("blstm_discretised", layers=1, width=4, levels=self.LEVELS, **arguments)

    def logits(self, *cells):
        """Of a frame that is certain of a cell at each resolution."""
        logits = torch.full((1, 1, 5), -50.0)
        logits[0, 0, cells[0]], logits[0, 0, 2 + cells[1]] = 50.0, 50.0
        return logits

    def test_a_frame_is_the_mean_of_what_the_resolutions_say(self):
        assert self.network().decoded(self.logits(1, 2)).item() == pytest.approx((0.5 + 1.0) / 2)
        assert self.network().decoded(torch.zeros(1, 1, 5)).item() == pytest.approx(0.0)

    def test_the_right_cells_cost_nothing_and_unrated_frames_do_not_count(self):
        gold = torch.tensor([[0.7, float("nan")]])
        logits = torch.cat([self.logits(1, 2), self.logits(0, 0)], dim=1)
        assert self.network().loss(logits, gold, ~gold.isnan()).item() == pytest.approx(0.0, abs=1e-6)
        wrong = logits.flip(1)
        assert self.network().loss(wrong, gold, ~gold.isnan()).item() == pytest.approx(100.0)

    def test_costs_weigh_the_cells(self):
        gold, even = torch.tensor([[0.7, -0.7]]), torch.zeros(1, 2, 5)
        even[0, 0, 1] = 1.0
        right, blind = torch.log1p(torch.exp(torch.tensor(-1.0))), torch.log(torch.tensor(2.0))
        other = 2 * self.network().loss(even, gold, ~gold.isnan()) - (right + blind) / 2
        weighed = self.network(costs=[[3.0, 1.0], [1.0, 1.0, 1.0]])
        wanted = ((right + 3 * blind) / 4 + other) / 2
        torch.testing.assert_close(weighed.loss(even, gold, ~gold.isnan()), wanted)

    def test_an_unrated_recording_has_no_loss(self):
        gold = torch.full((1, 3), float("nan"))
        network = self.network().train()
        loss = network.loss(network(features(3)), gold, ~gold.isnan())
        loss.backward()
        assert loss.item() == 0.0
        assert all(p.grad.isfinite().all() for p in network.parameters())


class TestTheNetworkOnTheWaveform:
    def test_is_the_source_s(self):
        network = models.get("trigeorgis").Network()
        convolutions = 40 * (20 + 1) + 40 * (40 * 40 + 1)
        recurrent = 4 * 256 * (4 * 320 + 256 + 2) + 4 * 256 * (256 + 256 + 2)
        assert sum(p.numel() for p in network.parameters()) == convolutions + recurrent + 257

    @pytest.mark.parametrize(
        ("size", "taps", "second_taps"), [(640, 20, 40), (4, 20, 40), (3, 20, 40), (15, 3, 3), (16, 1, 1), (331, 4, 41)]
    )
    def test_filters_by_matrix_products_are_the_sum(self, size, taps, second_taps):
        torch.manual_seed(0)
        arguments = {"first_taps": taps, "second_taps": second_taps, "filters": 6, "pooled_filters": 3}
        network = build("trigeorgis", size=size, **arguments)
        torch.nn.init.normal_(network.first.bias)
        torch.nn.init.normal_(network.second.bias)
        frames, ways = torch.randn(5, size), []
        for way in (self.plainly, lambda *told: told[0]._filtered(told[1], trigeorgis._answers(*told[2:]))):
            network.zero_grad()
            values = way(network, frames, network.second.weight, network.analysis)
            values.square().sum().backward()
            parts = (network.first.weight, network.first.bias, network.second.weight, network.second.bias)
            ways.append([values.detach(), *(part.grad.clone() for part in parts)])
        for plain, quick in zip(*ways, strict=True):
            torch.testing.assert_close(quick, plain, rtol=1e-4, atol=1e-5 * plain.abs().max().item())

    @staticmethod
    def plainly(network, frames, *_):
        functional = torch.nn.functional
        heard = functional.conv1d(
            functional.pad(frames[:, None], convolution.sides(network.first.kernel_size[0])),
            network.first.weight,
            network.first.bias,
        )
        pairs = functional.max_pool1d(torch.relu(heard), 2, ceil_mode=True)
        maps = network.second(functional.pad(pairs, convolution.sides(network.second.kernel_size[0])))
        return maps.unflatten(1, (-1, network.pooled_filters)).amax(dim=2).flatten(1)

    def test_equals_share_the_gradient(self):
        values = torch.tensor([[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]], requires_grad=True)
        trigeorgis._peaks(values, 1).backward(torch.tensor([4.0, 5.0]))
        assert values.grad.tolist() == [[0.0, 2.0, 2.0], [5.0, 0.0, 0.0]]

    def test_a_frame_is_known_by_its_own_samples_and_the_memory(self):
        network = build("trigeorgis", size=640)
        inputs = torch.randn(1, 20, 640)
        with torch.no_grad():
            whole = network(inputs)
            torch.testing.assert_close(network(inputs[:, :9]), whole[:, :9])
            assert not torch.allclose(network(inputs[:, 3:])[:, :5], whole[:, 3:8])

    def test_training_sees_some_segments_each_from_an_empty_memory(self):
        network, inputs = build("trigeorgis", segment_frames=10, segments=2), features(47)
        with torch.no_grad():
            trace = network.train()(inputs)[0]
            starts = [start for start in range(0, 47, 10) if not trace[start].isinf()]
            assert len(starts) == 2
            for start in starts:
                stop = min(start + 10, 47)
                alone = network.core(inputs[:, start:stop])[0]
                torch.testing.assert_close(trace[start:stop], alone)
            assert trace.isinf().sum() == 47 - sum(min(10, 47 - start) for start in starts)
            draws = {tuple(network(inputs)[0].isinf().tolist()) for _ in range(20)}
            assert len(draws) > 5

    def test_segments_lie_within_recordings(self):
        network = build("trigeorgis", segment_frames=10, segments=2).train()
        with torch.no_grad():
            traces = network(features(47, batch=3), torch.tensor([47, 5, 20]))
        seen = ~traces.isinf()
        assert (~seen[0]).any()
        assert seen[1, :5].all()
        assert seen[2, :20].all()
        assert not seen[1, 10:].any()
        assert not seen[2, 20:].any()

    def test_loss_counts_what_was_seen(self):
        network = build("trigeorgis", segment_frames=10, segments=1).train()
        inputs, gold = features(30), torch.randn(1, 30)
        trace = network(inputs)
        seen = ~trace[0].isinf()
        loss = network.loss(trace, gold, torch.ones(1, 30, dtype=torch.bool), ccc_loss)
        torch.testing.assert_close(loss, ccc_loss(trace[:, seen], gold[:, seen]))
        loss.backward()
        assert all(p.grad.isfinite().all() for p in network.parameters())

    def test_divergence_is_not_taken_for_unseen(self):
        network, gold = build("trigeorgis", segment_frames=10).train(), torch.randn(1, 30)
        loss = network.loss(network(torch.full((1, 30, SIZE), torch.nan)), gold, gold.isfinite(), ccc_loss)
        assert loss.isnan()

    def test_refuses_filters_that_cannot_be_pooled(self):
        with pytest.raises(ValueError, match="not 15 of 10"):
            build("trigeorgis", filters=15)


class TestDensePrediction:
    def network(self, **arguments):
        network = build("sercu", blocks=2, layers=1, width=6, **arguments)
        for norm in network.norms:
            torch.nn.init.normal_(norm.gain)
            torch.nn.init.normal_(norm.offset)
        return network

    def test_every_frame_is_what_a_network_that_pools_makes_of_it(self):
        network, inputs = self.network(), features(80)
        with torch.no_grad():
            pooled = inputs.transpose(1, 2)
            for layer, norm in zip(network.convolutions, network.norms, strict=True):
                plain = torch.nn.functional.conv1d(pooled, layer.weight, padding=1)
                pooled = torch.nn.functional.max_pool1d(torch.relu(norm(plain, None)), 2)
            wanted = network.output(pooled)[0, 0]
            # The two poolings begin at their frame and two frames' half before it.
            torch.testing.assert_close(network(inputs)[0, 1::4][:-2], wanted[:-2])

    def test_normalises_as_pytorch_does(self):
        norm, theirs = sercu.FrameNorm(3), torch.nn.BatchNorm1d(3)
        for seed in range(4):
            signal = 2 + 3 * features(500, seed, batch=2).transpose(1, 2)
            torch.testing.assert_close(norm(signal, None), theirs(signal), rtol=1e-4, atol=1e-4)
        norm.eval()
        theirs.eval()
        torch.testing.assert_close(norm(signal, None), theirs(signal), rtol=1e-2, atol=1e-2)

    def test_what_fills_recordings_up_is_not_normalised_by(self):
        norm, signal = sercu.FrameNorm(3), features(50, batch=2).transpose(1, 2)
        filled = torch.nn.functional.pad(signal, (0, 30), value=9.0)
        wanted = norm(signal, None)
        mean = norm.mean.clone()
        norm.mean.zero_()
        torch.testing.assert_close(norm(filled, torch.tensor([50, 50]))[..., :50], wanted)
        torch.testing.assert_close(norm.mean, mean)

    def test_moments_are_kept_with_the_weights(self):
        network = self.network().train()
        before = {key: value.clone() for key, value in network.state_dict().items()}
        network(features(30))
        changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
        assert changed == {f"norms.{n}.{part}" for n in range(2) for part in ("mean", "variance")}


class TestTheSincNetwork:
    def test_moves_a_smooth_signal_by_its_delay(self):
        network = build("sinc", delays=2, window_frames=256, sharpness=0.02).double()
        zeros_frames = 0.02 * 128
        with torch.no_grad():
            network.delays.copy_(torch.tensor([10.0, 37.5]) / 128)
            at = torch.arange(600.0).double()
            bump = torch.exp(-(((at - 300) / 15) ** 2))
            early, late = network._moved(bump.expand(1, 2, -1))[0] / zeros_frames
        torch.testing.assert_close(early, torch.exp(-(((at - 310) / 15) ** 2)), rtol=0, atol=2e-2)
        torch.testing.assert_close(late, torch.exp(-(((at - 337.5) / 15) ** 2)), rtol=0, atol=2e-2)

    def test_gates_start_even_and_delays_late(self):
        network, inputs = build("sinc"), features(40)
        assert network.delays.min() > 0
        assert network.delays.max() < 0.8
        assert not network.gates.weight.any()
        with torch.no_grad():
            network.values.weight.zero_()
            network.values.bias.fill_(10.0)
            gated = network._gated(inputs, None)
        torch.testing.assert_close(gated, torch.full((1, 16, 40), 1 / 16))


class TestLinearRecurrence:
    @given(frames=st.integers(1, 300), batch=st.integers(1, 3), states=st.integers(1, 4), seed=st.integers(0, 99))
    @settings(max_examples=25)
    def test_is_the_recurrence(self, frames, batch, states, seed):
        torch.manual_seed(seed)
        inputs = torch.randn(batch, frames, states, dtype=torch.cdouble)
        log_step = torch.complex(-torch.rand(states).double() / 10, torch.rand(states).double())
        state, wanted = torch.zeros(batch, states, dtype=torch.cdouble), []
        for frame in range(frames):
            state = torch.exp(log_step) * state + inputs[:, frame]
            wanted.append(state)
        torch.testing.assert_close(lru.scanned(inputs, log_step), torch.stack(wanted, dim=1))

    def test_sees_the_whole_recording(self):
        network, inputs = build("lru").double(), features(300).double().requires_grad_()
        assert network.reach() is None
        network(inputs)[0, 150].backward()
        assert inputs.grad.abs().sum(dim=2).ne(0).all()


@pytest.mark.parametrize("name", ["sercu", "trigeorgis"])
def test_what_cannot_be_stacked_says_so(name):
    config = Config(network=name, arguments={"size": SIZE, "filters": 20} if name == "trigeorgis" else {"size": SIZE})
    data = Dataset([[Example("a", features(30)[0].numpy(), np.zeros(30, np.float32), SIZE)]], [], Normalisation())
    with pytest.raises(ConfigError, match=f"network {name} cannot be trained with all seeds at once"):
        batched.fit(config, {0: pathlib.Path("none/0.npz"), 1: pathlib.Path("none/1.npz")}, data)


class TestChannelsLast:
    @given(
        frames=st.integers(1, 40),
        half=st.integers(0, 3),
        dilation=st.integers(1, 4),
        same=st.booleans(),
        seed=st.integers(0, 99),
    )
    def test_is_the_convolution(self, frames, half, dilation, same, seed):
        torch.manual_seed(seed)
        padding = "same" if same else dilation * half
        layer = torch.nn.Conv1d(SIZE, 4, 2 * half + 1, padding=padding, dilation=dilation)
        inputs = features(frames, seed).transpose(1, 2)
        torch.testing.assert_close(convolution.convolved(layer, inputs), layer(inputs), rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("padding", ["same", 4])
    def test_long_filters_and_their_gradients_are_those_of_the_convolution(self, padding):
        layer = torch.nn.Conv1d(60, 4, 21, padding=padding, dilation=2)
        inputs = torch.randn(2, 70, 60).transpose(1, 2)
        found, wanted = (of(inputs) for of in (lambda x: convolution.convolved(layer, x), layer))
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
        of_found, of_wanted = (torch.autograd.grad(out.square().sum(), layer.parameters()) for out in (found, wanted))
        torch.testing.assert_close(of_found, of_wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["dilated", "downup"])
def test_starts_with_glorot_kernels_and_no_bias(name):
    for layer in build(name, size=160).modules():
        if isinstance(layer, torch.nn.Conv1d | torch.nn.ConvTranspose1d):
            fan_in, fan_out = torch.nn.init._calculate_fan_in_and_fan_out(layer.weight)
            bound = (6 / (fan_in + fan_out)) ** 0.5
            assert not layer.bias.any()
            assert layer.weight.abs().max() <= bound
            if layer.weight.numel() > 200:
                assert layer.weight.abs().max() > 0.95 * bound


@pytest.mark.parametrize("layers", [1, 2])
def test_networks_side_by_side_give_what_each_gives(layers):
    members = [models.get("downup").Network(size=6, layers=layers, width=4).eval() for _ in range(3)]
    features = torch.randn(1, 4 * 3**layers, 6)
    with torch.inference_mode():
        together = models.get("downup").Ensemble(members)(features)
        alone = torch.cat([member(features) for member in members])
    assert not torch.allclose(alone[0], alone[1], atol=1e-2)
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", models.names())
def test_a_network_makes_its_tensors_where_its_input_is(name):
    own = {"levels": [[0.0, 1.0]] * 4, "costs": [[1.0, 1.0]] * 4} if name == "blstm_discretised" else {}
    network = build(name, **own).to("meta").train()
    trace = network(torch.zeros(2, 60, SIZE, device="meta"))
    gold = torch.zeros(2, 60, device="meta")
    batches.own_loss(network)(trace, gold, gold == 0).backward()
    assert network.eval()(gold[..., None].expand(2, 60, SIZE)).device.type == "meta"
