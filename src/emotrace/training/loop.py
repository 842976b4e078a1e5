"""Training of one network with one seed: whole recordings, the best epoch on the development part.

A run keeps a checkpoint of every epoch and its random numbers come from the seed and the epoch alone: killed at any
moment and started again, it ends with the identical result, to rounding on a graphics processor.
"""

import json
import math
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from emotrace import metrics, models
from emotrace.errors import ConfigError, ModelError
from emotrace.output import write_atomically
from emotrace.training import batches, parallel
from emotrace.training.batches import Drawn, Inputs
from emotrace.training.config import Config
from emotrace.training.dataset import Dataset, Example
from emotrace.training.losses import l2_penalty

Tensors = dict[str, torch.Tensor]
Report = Callable[[dict[str, Any]], None]

_FRAMES_AT_ONCE = 100_000
"""Of several recordings that a graphics processor predicts together: an hour."""

UNREADABLE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile)
"""What reading a damaged file of arrays can end with."""

DEVICE_FAILED: tuple[type[Exception], ...] = (
    torch.cuda.OutOfMemoryError,
    *([torch.AcceleratorError] if hasattr(torch, "AcceleratorError") else []),
)
"""What a graphics processor ends with that is no fault of what is trained."""


@dataclass(eq=False)
class Run:
    """Where a run stands.

    Attributes:
        network: the weights as the last step left them.
        optimiser: its Adam.
        averaged: the running mean of the weights, which is what is evaluated.
        best: a copy of ``averaged`` at the best epoch.
        history: a record an epoch: epoch, loss, dev_ccc, recordings and frames trained on, seconds.
        best_epoch: counted from 0, -1 before the first.
    """

    network: nn.Module
    optimiser: torch.optim.Adam
    averaged: Tensors
    best: Tensors
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = -1

    @property
    def best_ccc(self) -> float:
        """The development CCC of the best epoch."""
        return self.history[self.best_epoch]["dev_ccc"] if self.best_epoch >= 0 else -math.inf


def fit(
    config: Config,
    seed: int,
    data: Dataset,
    checkpoint: Path,
    report: Report = lambda record: None,
    order: int | None = None,
    device: str = "cpu",
) -> Run:
    """Train one network, from its checkpoint where there is one.

    Under ``torchrun`` every process must call it with the same arguments; see :mod:`emotrace.training.parallel`.

    Args:
        config: what to train; ``arguments`` must hold ``size``.
        seed: of initial weights, order and variants.
        data: see :func:`emotrace.training.dataset.prepare`.
        checkpoint: file that is written after every epoch.
        report: called with every epoch's record.
        order: seed of order and variants, where it is another one.
        device: where the network is trained, in PyTorch's words.

    Raises:
        ModelError: the checkpoint is damaged or of another network, or the loss is no longer a number.

    Returns:
        The run, its ``best`` weights those of the best epoch (of the last one where ``fit_all`` is set).
    """
    run = start(config, seed, checkpoint, device)
    inputs = Inputs(data.rule, device)
    while not over(config, run):
        began = time.perf_counter()
        loss, frames = _epoch(config, run, data, inputs, seed if order is None else order)
        conclude(config, run, seed, loss, data, inputs)
        close(run, frames, len(data.train), began, checkpoint)
        report(run.history[-1])
    return run


def check_device(device: str) -> None:
    """Refuse one that PyTorch cannot use.

    Raises:
        ConfigError: there is no such device.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"--device {device}: PyTorch cannot use it ({reason})") from None


def device_name(device: str) -> str:
    """What a record calls a device: a graphics processor by its maker's name."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def start(config: Config, seed: int, checkpoint: Path, device: str = "cpu") -> Run:
    """A run as its checkpoint left it, or one that begins.

    Raises:
        ModelError: the checkpoint is damaged or of another network.
    """
    run = _start(config, seed, device)
    if checkpoint.exists():
        try:
            _load(run, checkpoint)
        except (*UNREADABLE, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(
                f"{checkpoint}: cannot be gone on from ({reason}); delete it to start that run anew"
            ) from None
    return run


def conclude(config: Config, run: Run, seed: int, loss: float, data: Dataset, inputs: Inputs) -> None:
    """Score the epoch that was just trained and keep its weights if they are the best.

    Raises:
        ModelError: the loss is no longer a number.
    """
    epoch = len(run.history)
    if not math.isfinite(loss):
        raise ModelError(f"seed {seed}, epoch {epoch}: the loss is {loss}; lower learning_rate")
    dev_ccc = None if config.fit_all else score(config, run.averaged, data, inputs)
    if dev_ccc is None or dev_ccc > run.best_ccc:
        run.best, run.best_epoch = {k: v.clone() for k, v in run.averaged.items()}, epoch
    run.history.append({"epoch": epoch, "loss": loss, "dev_ccc": dev_ccc})


def close(run: Run, frames: int, recordings: int, began: float, checkpoint: Path) -> None:
    """Complete the epoch's record and write the checkpoint."""
    run.history[-1] |= {"recordings": recordings, "frames": frames, "seconds": time.perf_counter() - began}
    if parallel.first():
        _save(run, checkpoint)


def build(config: Config) -> nn.Module:
    """The configuration's network."""
    network: nn.Module = models.get(config.network).Network(**config.arguments)
    return network


def normalises_over_batches(config: Config) -> bool:
    """Whether the configuration's network keeps moments of what it has seen."""
    network = build(config)
    return network.state_dict().keys() != dict(network.named_parameters()).keys()


def score(config: Config, weights: Tensors, data: Dataset, inputs: Inputs | None = None) -> float:
    """CCC (population variances) on the rated frames of the concatenated development recordings."""
    inputs = inputs or Inputs(data.rule)
    network = build(config)
    network.load_state_dict(weights)
    network.to(inputs.device).eval()
    predictions = _traces(network, data.dev, inputs)
    golds, rated = [example.gold for example in data.dev], [example.rated for example in data.dev]
    return metrics.concatenated(metrics.ccc_population, golds, predictions, rated)


def predict(network: nn.Module, features: np.ndarray) -> np.ndarray:
    """The trace (frames,) of one recording's normalised (frames, size) features."""
    device = next(network.parameters()).device
    return _trace(network.eval(), torch.from_numpy(features)[None].to(device))


def _traces(network: nn.Module, examples: Sequence[Example], inputs: Inputs) -> Sequence[np.ndarray]:
    """Of recordings; on a graphics processor those of one length at once, whose steps take no longer than one's."""
    if inputs.device == "cpu" or parallel.world() > 1:
        return parallel.spread(len(examples), lambda index: _trace(network, inputs.features(examples[index])))
    traces: dict[int, np.ndarray] = {}
    lengths = [len(example.gold) for example in examples]
    for length in sorted(set(lengths)):
        alike = [index for index, each in enumerate(lengths) if each == length]
        at_once = max(1, _FRAMES_AT_ONCE // length)
        for part in (alike[first : first + at_once] for first in range(0, len(alike), at_once)):
            seen = [inputs.features(examples[index]) for index in part]
            # The very tensor where there is one: networks know again what they have seen.
            features = torch.cat(seen) if len(seen) > 1 else seen[0]
            with torch.no_grad():
                traces.update(zip(part, network(features).cpu().numpy(), strict=True))
    return [traces[index] for index in range(len(examples))]


def _trace(network: nn.Module, features: torch.Tensor) -> np.ndarray:
    # Not inference mode: what networks keep of the features there could not be trained with.
    with torch.no_grad():
        return network(features)[0].cpu().numpy()


def _start(config: Config, seed: int, device: str = "cpu") -> Run:
    torch.manual_seed(seed)
    network = build(config).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate, fused=True)
    return Run(network, optimiser, _weights(network), _weights(network))


def _weights(network: nn.Module) -> Tensors:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def over(config: Config, run: Run) -> bool:
    """Whether a run has all its epochs, or has waited in vain for a better one."""
    done = len(run.history)
    waited = done - 1 - run.best_epoch
    return done >= (config.stop_after or config.epochs) or (not config.fit_all and waited >= config.patience)


def _epoch(config: Config, run: Run, data: Dataset, inputs: Inputs, seed: int) -> tuple[float, int]:
    """One pass over the training recordings; returns the mean loss of the steps and the frames seen."""
    run.network.train()
    losses: list[float] = []
    frames = 0
    for done, batch in batches.batches(config, data, len(run.history), seed):
        losses.append(_step(config, run, batch, inputs, done))
        frames += sum(drawn.frames for drawn in batch)
    return float(np.mean(losses)), frames


def learning_rate(config: Config, done: float) -> float:
    """Of a step, by the schedule."""
    return config.learning_rate * (0.5 + 0.5 * math.cos(math.pi * done) if config.schedule == "cosine" else 1.0)


def _step(config: Config, run: Run, batch: Sequence[Drawn], inputs: Inputs, done: float) -> float:
    """One step on the mean loss of a batch; under ``torchrun`` each process works on its share of it."""
    for group in run.optimiser.param_groups:
        group["lr"] = learning_rate(config, done)
    run.optimiser.zero_grad(set_to_none=True)
    mine = batch[parallel.rank() :: parallel.world()]
    loss = batches.loss(run.network, mine, inputs) * (len(mine) / len(batch))
    penalised = loss + config.l2 / parallel.world() * l2_penalty(run.network) if config.l2 else loss
    # A process without a share of a small batch has no gradient of its own.
    if penalised.requires_grad:
        penalised.backward()
    total = parallel.summed(loss, run.network)
    run.optimiser.step()
    _average(run, config.averaging)
    return total.item()


def _average(run: Run, kept: float) -> None:
    state = run.network.state_dict()
    numbers = [name for name in state if state[name].is_floating_point()]
    torch._foreach_lerp_([run.averaged[name] for name in numbers], [state[name] for name in numbers], 1 - kept)
    # Batch normalisation counts its batches; counts have no mean.
    for name in state.keys() - set(numbers):
        run.averaged[name].copy_(state[name])


def _save(run: Run, path: Path) -> None:
    """Everything in one file of plain arrays: nothing in it is unpickled when it is read."""
    arrays = {f"network/{k}": v.cpu().numpy() for k, v in run.network.state_dict().items()}
    arrays |= {f"averaged/{k}": v.cpu().numpy() for k, v in run.averaged.items()}
    arrays |= {f"best/{k}": v.cpu().numpy() for k, v in run.best.items()}
    for index, state in run.optimiser.state_dict()["state"].items():
        arrays |= {f"adam/{index}/{k}": v.cpu().numpy() for k, v in state.items()}
    arrays["history"] = np.array(json.dumps({"history": run.history, "best_epoch": run.best_epoch}))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: np.savez(file, **arrays), force=True, mode="wb")


def best_weights(checkpoint: Path) -> Tensors:
    """The weights of the best epoch that a checkpoint holds.

    Raises:
        ModelError: it is missing or damaged.
    """
    try:
        with np.load(checkpoint, allow_pickle=False) as arrays:
            return _part(arrays, "best/")
    except UNREADABLE as error:
        raise ModelError(f"{checkpoint}: cannot be read ({error}); delete its folder to run it anew") from None


def _part(arrays: Any, prefix: str) -> Tensors:
    keys = [key for key in arrays.files if key.startswith(prefix)]
    return {key.removeprefix(prefix): torch.from_numpy(arrays[key]) for key in keys}


def _load(run: Run, path: Path) -> None:
    with np.load(path, allow_pickle=False) as arrays:
        run.network.load_state_dict(_part(arrays, "network/"))
        device = next(run.network.parameters()).device
        averaged, best = _part(arrays, "averaged/"), _part(arrays, "best/")
        run.averaged, run.best = ({k: v.to(device) for k, v in part.items()} for part in (averaged, best))
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in _part(arrays, "adam/").items():
            index, name = key.split("/")
            state.setdefault(int(index), {})[name] = value
        run.optimiser.load_state_dict({**run.optimiser.state_dict(), "state": state})
        note = json.loads(str(arrays["history"]))
    run.history, run.best_epoch = note["history"], note["best_epoch"]
