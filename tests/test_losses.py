import numpy as np
import pytest
import torch

from emotrace import metrics, models
from emotrace.training.losses import ccc_loss, l2_penalty

torch.set_num_threads(1)


def traces(batch=1, frames=200, seed=0):
    rng = np.random.default_rng(seed)
    gold = 0.05 * rng.normal(size=(batch, frames)).cumsum(axis=1)
    prediction = 0.5 * gold + 0.1 + 0.1 * rng.normal(size=(batch, frames))
    return torch.tensor(prediction), torch.tensor(gold)


def gradient(prediction, gold, mask=None, **settings):
    prediction = prediction.clone().requires_grad_()
    loss = ccc_loss(prediction, gold, mask, **settings)
    loss.backward()
    return loss.item(), prediction.grad


def literal_ccc(prediction, gold):
    x, y = prediction.tolist(), gold.tolist()
    n = len(x)
    mx, my = sum(x) / n, sum(y) / n
    covariance = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / n
    variances = sum((a - mx) ** 2 for a in x) / n + sum((b - my) ** 2 for b in y) / n
    return 2 * covariance / (variances + (mx - my) ** 2)


class TestCCC:
    @pytest.mark.parametrize("frames", [2, 3, 200])
    def test_is_one_minus_the_literal_ccc(self, frames):
        prediction, gold = traces(frames=frames)
        loss = ccc_loss(prediction, gold, stabiliser=0).item()
        assert loss == pytest.approx(1 - literal_ccc(prediction[0], gold[0]), abs=1e-12)
        assert loss == pytest.approx(1 - metrics.ccc_population(gold[0], prediction[0]), abs=1e-12)

    def test_is_averaged_over_recordings(self):
        prediction, gold = traces(batch=3)
        each = [1 - literal_ccc(p, g) for p, g in zip(prediction, gold, strict=True)]
        assert ccc_loss(prediction, gold, stabiliser=0).item() == pytest.approx(np.mean(each), abs=1e-12)

    def test_stabiliser_is_added_to_the_denominator(self):
        gold = torch.tensor([[0.2, -0.2] * 50], dtype=torch.double)
        assert ccc_loss(gold, gold).item() == pytest.approx(1 - 0.08 / 0.081, abs=1e-12)
        assert ccc_loss(gold, gold, stabiliser=0).item() == pytest.approx(0, abs=1e-12)
        assert ccc_loss(-gold, gold, stabiliser=0).item() == pytest.approx(2, abs=1e-12)

    def test_gradient_is_that_of_the_formula(self):
        prediction, gold = traces(batch=2, frames=9)
        assert torch.autograd.gradcheck(lambda p: ccc_loss(p, gold), prediction.requires_grad_())

    def test_descending_reaches_the_gold_standard(self):
        prediction, gold = traces(frames=60)
        for _ in range(300):
            prediction = prediction - 0.5 * gradient(prediction, gold)[1]
        assert metrics.ccc_population(gold[0], prediction[0]) > 0.99


class TestConstants:
    SHAPES = pytest.mark.parametrize("kind", [torch.float32, torch.float64])

    @SHAPES
    @pytest.mark.parametrize("own_sd", [0.0, 1e-20, 1e-7, 1e-3, 0.2])
    @pytest.mark.parametrize("true_sd", [0.0, 1e-20, 1e-7, 1e-3, 0.2])
    @pytest.mark.parametrize("offset", [0.0, 1e-4, 0.5])
    def test_loss_and_gradient_stay_finite_and_bounded(self, kind, own_sd, true_sd, offset):
        rng = np.random.default_rng(0)
        prediction = torch.tensor(offset + own_sd * rng.normal(size=(1, 100)), dtype=kind)
        gold = torch.tensor(0.1 + true_sd * rng.normal(size=(1, 100)), dtype=kind)
        loss, slope = gradient(prediction, gold)
        assert 0 <= loss <= 2
        assert slope.isfinite().all()
        # With S the spread, 2 |cov| <= S and both |grad 2 cov| and |grad S| <= 2 sqrt(S / frames), so that the slope is
        # at most 4 sqrt(S / frames) / (S + stabiliser), whose maximum over S this is.
        assert slope.norm().item() <= 2 / np.sqrt(1e-3 * 100) * (1 + 1e-6)

    @SHAPES
    def test_one_frame(self, kind):
        loss, slope = gradient(torch.tensor([[0.3]], dtype=kind), torch.tensor([[0.1]], dtype=kind))
        assert loss == 1
        assert not slope.any()

    def test_a_constant_target_pulls_nothing(self):
        gold = torch.full((1, 50), 0.3, dtype=torch.double)
        loss, slope = gradient(traces(frames=50)[0], gold)
        assert loss == pytest.approx(1, abs=1e-9)
        assert slope.abs().max() < 1e-12


class TestMask:
    def masked(self, fill):
        prediction, gold = traces(batch=2)
        mask = torch.ones_like(gold, dtype=torch.bool)
        mask[0, 150:] = False
        mask[1, ::3] = False
        return prediction.where(mask, fill), gold.where(mask, fill), mask

    @pytest.mark.parametrize("fill", [0.7, -1e6, float("inf"), float("nan")])
    def test_what_lies_under_it_does_not_count(self, fill):
        wanted_loss, wanted_slope = gradient(*self.masked(0.0))
        loss, slope = gradient(*self.masked(fill))
        assert loss == wanted_loss
        assert torch.equal(slope, wanted_slope)

    def test_nothing_is_learned_from_it(self):
        prediction, gold, mask = self.masked(0.7)
        assert not gradient(prediction, gold, mask)[1][~mask].any()
        assert gradient(prediction, gold, mask)[1][mask].all()

    def test_is_the_loss_of_the_frames_that_count(self):
        prediction, gold, mask = self.masked(float("nan"))
        loss, slope = gradient(prediction, gold, mask)
        alone = [gradient(p[m][None], g[m][None]) for p, g, m in zip(prediction, gold, mask, strict=True)]
        assert loss == pytest.approx(np.mean([loss for loss, _ in alone]), abs=1e-12)
        for row, counts, (_, wanted) in zip(slope, mask, alone, strict=True):
            torch.testing.assert_close(row[counts], wanted[0] / 2)

    def test_recordings_of_different_lengths(self):
        lengths = (40, 7, 200)
        pairs = [traces(frames=frames, seed=frames) for frames in lengths]
        prediction, gold = (torch.zeros(3, 200, dtype=torch.double) for _ in range(2))
        mask = torch.zeros(3, 200, dtype=torch.bool)
        for row, (p, g) in enumerate(pairs):
            prediction[row, : lengths[row]], gold[row, : lengths[row]] = p[0], g[0]
            mask[row, : lengths[row]] = True
        wanted = np.mean([ccc_loss(p, g).item() for p, g in pairs])
        assert ccc_loss(prediction, gold, mask).item() == pytest.approx(wanted, abs=1e-12)

    def test_all_true_is_none(self):
        prediction, gold = traces(batch=2)
        everything = torch.ones_like(gold, dtype=torch.bool)
        assert gradient(prediction, gold, everything)[0] == gradient(prediction, gold)[0]

    def test_a_recording_without_a_frame_that_counts(self):
        prediction, gold = traces()
        loss, slope = gradient(prediction, gold * float("nan"), torch.zeros_like(gold, dtype=torch.bool))
        assert loss == 1
        assert not slope.any()


class TestL2:
    def test_is_the_sum_of_squares_of_all_weights_and_biases(self):
        torch.manual_seed(0)
        network = models.get("downup").Network(size=3, layers=1, width=4)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.normal_()
        literal = sum(float(value) ** 2 for p in network.parameters() for value in p.detach().double().flatten())
        assert l2_penalty(network).item() == pytest.approx(literal, rel=1e-5)

    def test_its_gradient_is_twice_the_parameter(self):
        layer = torch.nn.Linear(3, 2)
        l2_penalty(layer).backward()
        torch.testing.assert_close(layer.weight.grad, 2 * layer.weight.detach())
        torch.testing.assert_close(layer.bias.grad, 2 * layer.bias.detach())

    def test_leaves_memories_alone(self):
        network = models.get("lru").Network(size=4, layers=1, width=3, states=2)
        l2_penalty(network).backward()
        ungraded = {name.rpartition(".")[2] for name, p in network.named_parameters() if p.grad is None}
        assert ungraded == {"log_decay", "turn"}
