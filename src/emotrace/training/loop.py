"""Training of one network with one seed: whole recordings, a batch of one, the best epoch on the development part.

A run keeps a checkpoint of every epoch and its random numbers come from the seed and the epoch alone: killed at any
moment and started again, it ends with the identical result.
"""

import json
import math
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from emotrace import metrics, models
from emotrace.errors import ModelError
from emotrace.output import write_atomically
from emotrace.training.config import Config
from emotrace.training.dataset import Dataset, Example
from emotrace.training.losses import ccc_loss, l2_penalty

Tensors = dict[str, torch.Tensor]
Report = Callable[[dict[str, Any]], None]


@dataclass
class Run:
    """Where a run stands.

    Attributes:
        network: the weights as the last step left them.
        optimiser: its Adam.
        averaged: the running mean of the weights, which is what is evaluated.
        best: a copy of ``averaged`` at the best epoch.
        history: a record an epoch: epoch, loss, dev_ccc, seconds.
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


def fit(config: Config, seed: int, data: Dataset, checkpoint: Path, report: Report = lambda record: None) -> Run:
    """Train one network, from its checkpoint where there is one.

    Args:
        config: what to train; ``arguments`` must hold ``size``.
        seed: of initial weights, order and variants.
        data: see :func:`emotrace.training.dataset.prepare`.
        checkpoint: file that is written after every epoch.
        report: called with every epoch's record.

    Raises:
        ModelError: the checkpoint is damaged or of another network.

    Returns:
        The run, its ``best`` weights those of the best epoch (of the last one where ``fit_all`` is set).
    """
    run = _start(config, seed)
    if checkpoint.exists():
        try:
            _load(run, checkpoint)
        except (OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(
                f"{checkpoint}: cannot be gone on from ({reason}); delete it to start that run anew"
            ) from None
    while not _over(config, run):
        began = time.perf_counter()
        loss = _epoch(config, run, data, seed)
        if not math.isfinite(loss):
            raise ModelError(f"seed {seed}, epoch {len(run.history)}: the loss is {loss}; lower learning_rate")
        dev_ccc = None if config.fit_all else score(config, run.averaged, data)
        epoch = len(run.history)
        if dev_ccc is None or dev_ccc > run.best_ccc:
            run.best, run.best_epoch = {k: v.clone() for k, v in run.averaged.items()}, epoch
        record = {"epoch": epoch, "loss": loss, "dev_ccc": dev_ccc, "seconds": time.perf_counter() - began}
        run.history.append(record)
        _save(run, checkpoint)
        report(record)
    return run


def build(config: Config) -> nn.Module:
    """The configuration's network."""
    network: nn.Module = models.get(config.network).Network(**config.arguments)
    return network


def score(config: Config, weights: Tensors, data: Dataset) -> float:
    """CCC (population variances) on the rated frames of the concatenated development recordings."""
    network = build(config)
    network.load_state_dict(weights)
    predictions = [predict(network, example.normalised(data.rule)) for example in data.dev]
    golds, rated = [example.gold for example in data.dev], [example.rated for example in data.dev]
    return metrics.concatenated(metrics.ccc_population, golds, predictions, rated)


def predict(network: nn.Module, features: np.ndarray) -> np.ndarray:
    """The trace (frames,) of one recording's normalised (frames, size) features."""
    network.eval()
    with torch.inference_mode():
        return network(torch.from_numpy(features)[None])[0].numpy()


def _start(config: Config, seed: int) -> Run:
    torch.manual_seed(seed)
    network = build(config)
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    return Run(network, optimiser, _weights(network), _weights(network))


def _weights(network: nn.Module) -> Tensors:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _over(config: Config, run: Run) -> bool:
    done = len(run.history)
    waited = done - 1 - run.best_epoch
    return done >= (config.stop_after or config.epochs) or (not config.fit_all and waited >= config.patience)


def _epoch(config: Config, run: Run, data: Dataset, seed: int) -> float:
    """One pass over the training recordings, each in one of its variants; returns the mean loss."""
    epoch = len(run.history)
    rng = np.random.default_rng([seed, epoch])
    torch.manual_seed(int(rng.integers(2**62)))
    run.network.train()
    losses = []
    for step, index in enumerate(rng.permutation(len(data.train))):
        variants = data.train[index]
        example = variants[rng.integers(len(variants))]
        done = (epoch + step / len(data.train)) / config.epochs
        losses.append(_step(config, run, example, data, done, rng))
    return float(np.mean(losses))


def _step(config: Config, run: Run, example: Example, data: Dataset, done: float, rng: np.random.Generator) -> float:
    for group in run.optimiser.param_groups:
        group["lr"] = config.learning_rate * _share(config.schedule, done)
    run.optimiser.zero_grad(set_to_none=True)
    cut = rng.random() < config.normalisation.cut_share
    pieces = example.cut(config.normalisation.cut_s, rng) if cut else [example]
    traces = [run.network(torch.from_numpy(piece.normalised(data.rule))[None]) for piece in pieces]
    gold, rated = (torch.from_numpy(values)[None] for values in (example.gold, example.rated))
    loss = ccc_loss(torch.cat(traces, dim=1), gold, rated)
    (loss + config.l2 * l2_penalty(run.network) if config.l2 else loss).backward()
    run.optimiser.step()
    with torch.no_grad():
        for name, value in run.network.state_dict().items():
            run.averaged[name].lerp_(value, 1 - config.averaging)
    return loss.item()


def _share(schedule: str, done: float) -> float:
    return 0.5 + 0.5 * math.cos(math.pi * done) if schedule == "cosine" else 1.0


def _save(run: Run, path: Path) -> None:
    """Everything in one file of plain arrays: nothing in it is unpickled when it is read."""
    arrays = {f"network/{k}": v.numpy() for k, v in run.network.state_dict().items()}
    arrays |= {f"averaged/{k}": v.numpy() for k, v in run.averaged.items()}
    arrays |= {f"best/{k}": v.numpy() for k, v in run.best.items()}
    for index, state in run.optimiser.state_dict()["state"].items():
        arrays |= {f"adam/{index}/{k}": v.numpy() for k, v in state.items()}
    arrays["history"] = np.array(json.dumps({"history": run.history, "best_epoch": run.best_epoch}))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: np.savez(file, **arrays), force=True, mode="wb")


def best_weights(checkpoint: Path) -> Tensors:
    """The weights of the best epoch that a checkpoint holds."""
    with np.load(checkpoint, allow_pickle=False) as arrays:
        return _part(arrays, "best/")


def _part(arrays: Any, prefix: str) -> Tensors:
    keys = [key for key in arrays.files if key.startswith(prefix)]
    return {key.removeprefix(prefix): torch.from_numpy(arrays[key]) for key in keys}


def _load(run: Run, path: Path) -> None:
    with np.load(path, allow_pickle=False) as arrays:
        run.network.load_state_dict(_part(arrays, "network/"))
        run.averaged, run.best = _part(arrays, "averaged/"), _part(arrays, "best/")
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in _part(arrays, "adam/").items():
            index, name = key.split("/")
            state.setdefault(int(index), {})[name] = value
        run.optimiser.load_state_dict({**run.optimiser.state_dict(), "state": state})
        note = json.loads(str(arrays["history"]))
    run.history, run.best_epoch = note["history"], note["best_epoch"]
