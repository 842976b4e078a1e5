"""All seeds of a configuration trained at once as one batched network: their parameters stacked, one Adam on the stack.

On a graphics processor these networks are so small that starting their kernels takes longer than running them; stacked,
five seeds start as many kernels as one, and the steps of one length of recording are captured in a CUDA graph. On a
processor the work itself is what takes the time, and separate processes are as fast.

All seeds see the recordings in one order, that of the first: what differs is how they start, and dropout. Weights,
scores, early stopping and checkpoints stay each seed's own, so that every seed's result is that of
:func:`emotrace.training.loop.fit` with the same order, to rounding.
"""

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from emotrace.errors import ConfigError
from emotrace.training import batches, loop
from emotrace.training.batches import Drawn, Inputs
from emotrace.training.config import Config
from emotrace.training.dataset import Dataset
from emotrace.training.losses import held_back

Report = Callable[[int, dict[str, Any]], None]


def fit(
    config: Config,
    checkpoints: Mapping[int, Path],
    data: Dataset,
    report: Report = lambda seed, record: None,
    device: str = "cpu",
) -> dict[int, loop.Run]:
    """Train one network a seed, from their checkpoints where there are some.

    Args:
        config: what to train; ``arguments`` must hold ``size``.
        checkpoints: file that is written after every epoch, by seed.
        data: see :func:`emotrace.training.dataset.prepare`.
        report: called with seed and record of every epoch.
        device: where, in PyTorch's words.

    Raises:
        ConfigError: the network cannot be stacked.
        ModelError: a checkpoint is damaged or of another network, or a loss is no longer a number.

    Returns:
        The runs by seed, as :func:`emotrace.training.loop.fit` gives them.
    """
    runs = {seed: loop.start(config, seed, path, device) for seed, path in checkpoints.items()}
    inputs = Inputs(data.rule, device)
    stack: Stack | None = None
    while due := _due(config, runs):
        began = time.perf_counter()
        epoch = len(next(iter(due.values())).history)
        members = [run for run in runs.values() if run in due.values() or len(run.history) > epoch]
        if stack is None or stack.runs != members:
            stack = Stack(config, members, device)
        losses, frames = _epoch(config, stack, data, inputs, epoch)
        for seed, run in due.items():
            stack.give_back(run)
            loop.conclude(config, run, seed, losses[members.index(run)], data, inputs)
        for seed, run in due.items():
            loop.close(run, frames, len(data.train), began, checkpoints[seed])
            report(seed, run.history[-1])
        if len(due) < len(members):
            stack = None
    return runs


def _due(config: Config, runs: Mapping[int, loop.Run]) -> dict[int, loop.Run]:
    """The runs that are least far: a kill between two checkpoints leaves some an epoch ahead.

    Those take part in the epoch again, so that the others' random numbers are what they were, and forget it.
    """
    going = {seed: run for seed, run in runs.items() if not loop.over(config, run)}
    least = min((len(run.history) for run in going.values()), default=0)
    return {seed: run for seed, run in going.items() if len(run.history) == least}


def _epoch(config: Config, stack: "Stack", data: Dataset, inputs: Inputs, epoch: int) -> tuple[list[float], int]:
    """One pass over the training recordings; every run's mean loss, and the frames seen."""
    losses, frames = [], 0
    for done, batch in batches.batches(config, data, epoch, 0):
        losses.append(stack.step(batch, inputs, done))
        frames += sum(drawn.frames for drawn in batch)
    mean: list[float] = torch.stack(losses).double().mean(dim=0).tolist()
    return mean, frames


class Stack:
    """Runs side by side for one epoch.

    Args:
        config: of all of them.
        runs: at the same epoch; they hold the result after :meth:`give_back`.
        device: where they are.
    """

    def __init__(self, config: Config, runs: Sequence[loop.Run], device: str) -> None:
        self.config, self.runs = config, runs
        networks = [run.network for run in runs]
        self.template = networks[0].train()
        self.weights = {k: v.detach().requires_grad_() for k, v in stack_module_state(networks)[0].items()}
        self.averaged = {name: torch.stack([run.averaged[name] for run in runs]) for name in self.weights}
        self.on_gpu = on_gpu = device.startswith("cuda")
        self.graphs: dict[torch.Size, Any] = {}
        # A captured step reads the learning rate from where it was, so that there it has to be a tensor.
        rate: Any = torch.tensor(config.learning_rate, device=device) if on_gpu else config.learning_rate
        self.optimiser = torch.optim.Adam(self.weights.values(), lr=rate, fused=True, capturable=on_gpu)
        for index, weights in enumerate(self.weights.values()):
            states = [run.optimiser.state_dict()["state"].get(index) for run in runs]
            if all(states):
                self.optimiser.state[weights] = _stacked(states)

    def step(self, batch: Sequence[Drawn], inputs: Inputs, done: float) -> torch.Tensor:
        """One step of every run on the same batch; their losses (runs,)."""
        for group in self.optimiser.param_groups:
            rate = loop.learning_rate(self.config, done)
            group["lr"] = group["lr"].fill_(rate) if isinstance(group["lr"], torch.Tensor) else rate
        if self.on_gpu and len(batch) == 1 and batch[0].pieces is None:
            return self._replayed(batch[0], inputs)
        return self._eager(lambda network: batches.loss(network, batch, inputs))

    def _eager(self, of: Callable[[nn.Module], torch.Tensor]) -> torch.Tensor:
        self.optimiser.zero_grad(set_to_none=True)
        losses = self._losses(of)
        # The sum, since every run's gradient is that of its own loss.
        (losses.sum() + self.config.l2 * self._penalty()).backward()
        self.optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(self.averaged.values()), list(self.weights.values()), 1 - self.config.averaging)
        return losses.detach()

    def _penalty(self) -> torch.Tensor:
        held = [weights for name, weights in self.weights.items() if held_back(self.template, name)]
        return torch.stack([weights.square().sum() for weights in held]).sum()

    def _replayed(self, drawn: Drawn, inputs: Inputs) -> torch.Tensor:
        """The same as a CUDA graph, one for every length of recording: started as a whole, not kernel by kernel."""
        features, gold = inputs.features(drawn.example), inputs.tensor(drawn.example.gold)[None]
        if features.shape not in self.graphs:
            with torch.cuda.device(features.device):
                self.graphs[features.shape] = self._captured(features.clone(), gold.clone())
        graph, (held_features, held_gold), losses = self.graphs[features.shape]
        held_features.copy_(features)
        held_gold.copy_(gold)
        graph.replay()
        return losses.clone()

    def _captured(self, features: torch.Tensor, gold: torch.Tensor) -> Any:
        def advance() -> torch.Tensor:
            return self._eager(lambda network: batches.own_loss(network)(network(features), gold, ~gold.isnan()))

        before = copy.deepcopy((self.weights, self.averaged, self.optimiser.state_dict()))
        # Libraries choose their kernels in the first steps, which must not be part of the graph; they are undone.
        with torch.cuda.stream(torch.cuda.Stream()):
            for _ in range(3):
                advance()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            losses = advance()
        self._undo(*before)
        return graph, (features, gold), losses

    def _undo(self, weights: loop.Tensors, averaged: loop.Tensors, optimiser: dict[str, Any]) -> None:
        """Old values in the places that a graph reads and writes."""
        with torch.no_grad():
            for name in weights:
                self.weights[name].copy_(weights[name])
                self.averaged[name].copy_(averaged[name])
            for index, parameter in enumerate(self.weights.values()):
                for key, value in self.optimiser.state[parameter].items():
                    value.copy_(optimiser["state"].get(index, {}).get(key, torch.zeros_like(value)))

    def _losses(self, of: Callable[[nn.Module], torch.Tensor]) -> torch.Tensor:
        def loss(weights: dict[str, torch.Tensor]) -> torch.Tensor:
            return of(_Bound(self.template, weights))

        try:
            losses: torch.Tensor = vmap(loss, randomness="different")(self.weights)
        except RuntimeError as error:
            # An operation without a rule, a choice by values, or numbers changed in place that are not stacked.
            if "atching rule" not in str(error) and "vmap" not in str(error):
                raise
            raise ConfigError(
                f"network {self.config.network} cannot be trained with all seeds at once; train without --together"
            ) from None
        return losses

    def give_back(self, run: loop.Run) -> None:
        """The run gets its part of the stack."""
        number = self.runs.index(run)
        run.network.load_state_dict({name: weights.detach()[number] for name, weights in self.weights.items()})
        run.averaged = {name: values[number].clone() for name, values in self.averaged.items()}
        state = {index: self._state(weights, number) for index, weights in enumerate(self.weights.values())}
        run.optimiser.load_state_dict({**run.optimiser.state_dict(), "state": state})

    def _state(self, weights: torch.Tensor, number: int) -> dict[str, torch.Tensor]:
        state = self.optimiser.state[weights]
        return {name: (v if v.ndim == 0 else v[number]).clone() for name, v in state.items()}


def _stacked(states: Sequence[Any]) -> dict[str, torch.Tensor]:
    """Adam's sums side by side; the count of steps is that of the runs that are least far."""
    first = min(states, key=lambda state: float(state["step"]))
    return {k: v.clone() if v.ndim == 0 else torch.stack([state[k] for state in states]) for k, v in first.items()}


class _Bound(nn.Module):
    """A network with other weights than its own, which are given and not registered."""

    def __init__(self, network: nn.Module, weights: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self._call = partial(functional_call, network, weights)
        if hasattr(network, "loss"):
            self.loss = network.loss

    def forward(self, *inputs: Any) -> torch.Tensor:
        """The network's own."""
        trace: torch.Tensor = self._call(inputs)
        return trace
