"""Runs of a network on several targets made into one saved model, as :mod:`emotrace.inference.model` reads it."""

import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from emotrace import evaluation, models
from emotrace.corpora import stitched
from emotrace.errors import ConfigError, ModelError
from emotrace.inference import familiarity, model
from emotrace.output import write_atomically
from emotrace.training import loop, run
from emotrace.training.config import Config
from emotrace.training.dataset import Dataset, Example, prepare

TOLERANCE = 1e-4
_FEATURES_KEPT = "features"


class Ensemble(nn.Module):
    """The members of one target side by side: (1, frames, size) to (members, frames), frames on the grid."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Every member's trace."""
        return torch.cat([member.core(features) for member in self.members])  # type: ignore[operator]


def export(
    runs: Sequence[Path],
    out: Path,
    name: str,
    card: Mapping[str, Any],
    calibration: Mapping[str, tuple[float, float]] | None = None,
    jobs: int = 1,
    force: bool = False,
) -> model.Model:
    """Make a model's folder out of finished runs, one folder a target.

    Args:
        runs: folders that :func:`emotrace.training.run.train` filled; same network, front end and normalisation.
        out: the model's folder; replaced if it holds a model.
        name: for people.
        card: data, licence, command, scores.
        calibration: gain and offset by target; fitted on the development part where it is not given
            (:func:`calibrate`). The card says which; runs of ``fit_all`` have seen that part.
        jobs: processes, for features that are no longer in the cache.
        force: replace a model that is there; a folder that holds anything else is never replaced.

    Returns:
        The model, loaded from ``out``.

    Raises:
        ConfigError: the runs do not belong together or are not finished, or their corpus is no longer there.
        ModelError: the exported graph does not give what PyTorch gives, within 1e-4.
    """
    configs = {config.target: (Path(folder), config) for folder in runs for config in [run.read_config(folder)]}
    shared = [_shared(config) for _, config in configs.values()]
    if len(configs) != len(runs) or any(other != shared[0] for other in shared):
        raise ConfigError(f"{', '.join(map(str, runs))}: one folder a target, all else the same, makes a model")
    _check_bounded(shared[0])
    _check_free(Path(out), force)
    folder = Path(tempfile.mkdtemp(dir=_parent(out), prefix=".export-"))
    try:
        note = _export(configs, folder, name, card, calibration or {}, jobs)
        text = json.dumps(note, indent=1) + "\n"
        write_atomically(folder / "model.json", lambda file: file.write(text))
        _replace(folder, Path(out))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return model.load(out)


def _shared(config: Config) -> Config:
    """What must not differ between the targets of a model; the width may (paper, section 6.1)."""
    arguments = {key: value for key, value in config.arguments.items() if key != "width"}
    same: dict[str, Any] = {
        "target": "",
        "lag_s": 0.0,
        "shuffled_share": 0.0,
        "l2": 0.0,
        "learning_rate": 0.0,
        "epochs": 1,
        "stop_after": 0,
        "patience": 0,
        "together": False,
    }
    return replace(config, arguments=arguments, **same)


def _check_bounded(config: Config) -> None:
    """Prediction works on pieces of a recording, and a stream on what has been heard."""
    network: Any = loop.build(config)
    if network.reach() is None:
        raise ConfigError(
            f"network {config.network} sees whole recordings and cannot be exported; choose a network of bounded reach"
        )


def _parent(out: Path) -> Path:
    parent = Path(out).absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    return parent


def _replace(folder: Path, out: Path) -> None:
    """Put a new model in place of an old one, which is gone only once the new one is there."""
    folder.chmod(0o755)
    old = folder.with_name(folder.name + "-old")
    if out.exists():
        out.rename(old)
    folder.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _check_free(out: Path, force: bool) -> None:
    if not out.exists():
        return
    names = {path.name for path in out.iterdir()} if out.is_dir() else {""}
    if not all(name in ("model.json", "CARD.md") or name.endswith(".onnx") for name in names):
        raise ConfigError(f"{out}: exists and is no model; name another folder")
    if not force:
        raise ConfigError(f"{out}: exists already; name another folder or give --force")


def _export(
    configs: Mapping[str, tuple[Path, Config]],
    folder: Path,
    name: str,
    card: Mapping[str, Any],
    calibration: Mapping[str, tuple[float, float]],
    jobs: int,
) -> dict[str, Any]:
    targets: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for target, (runs, config) in configs.items():
        networks = load_networks(runs, config)
        there = run.located(runs, config)
        data = prepare(there, runs.parent / _FEATURES_KEPT, jobs)
        gain, offset = calibration.get(target) or calibrate(there, networks, data)
        origins[target] = _origin(config, target in calibration)
        graph = folder / f"{target}.onnx"
        write_graph(networks, graph, config.arguments["size"], models.get(config.network))
        targets[target] = {"graph": graph.name, "members": len(networks), "gain": gain, "offset": offset}
        if ages := _ages(networks[0]):
            live = folder / f"{target}-live.onnx"
            write_live_graph(models.get(config.network).Live(networks), live, len(ages[0]), config.arguments["size"])
            targets[target]["live"] = live.name
    first = networks[0]
    return {
        "format": model.FORMAT,
        "name": name,
        "targets": targets,
        "front_end": config.front_end,
        "normalisation": data.rule.as_dict(),
        "grid_frames": first.grid_frames,
        "reach": max(_reach(config) for _, config in configs.values()),
        "ages": _ages(first),
        "ranges": familiarity.fit([m for variants in data.train for e in variants for m in _measures(e, data)]),
        "card": {
            **card,
            "calibration": origins,
            # A model goes to others, whom the folders of the machine that trained it do not concern.
            "configuration": {t: {**c.as_dict(), "root": Path(c.root).name} for t, (_, c) in configs.items()},
            "made_with": run.made_with(),
        },
    }


def _origin(config: Config, given: bool) -> str:
    """Where gain and offset come from, for the card."""
    if given:
        return "given to the export"
    seen = "; the networks were trained on them too, so its gain may be too low" if config.fit_all else ""
    return f"fitted on the development recordings{seen}"


def _reach(config: Config) -> tuple[int, int]:
    network: Any = loop.build(config)
    before, after = network.reach()
    return before, after


def _ages(network: Any) -> list[list[int]]:
    """See :mod:`emotrace.models`; empty for a network that cannot go on by a frame."""
    ages: list[list[int]] = network.ages() if hasattr(network, "ages") else []
    return ages


def _measures(example: Example, data: Dataset) -> list[dict[str, float]]:
    return list(familiarity.excerpts(example.rows(), data.rule))


def load_networks(runs: Path, config: Config) -> list[Any]:
    """The trained networks of every seed, ready to predict.

    Raises:
        ConfigError: a seed has no record, so it is not done.
    """
    networks = []
    for seed in range(config.seeds):
        if not (Path(runs) / f"seed-{seed}" / "record.json").exists():
            raise ConfigError(f"{runs}: seed {seed} is not done; let 'emotrace train' finish it")
        network = loop.build(config)
        network.load_state_dict(run.weights(runs, seed))
        networks.append(network.eval())
    return networks


def calibrate(config: Config, networks: Sequence[nn.Module], data: Dataset) -> tuple[float, float]:
    """Gain and offset for the ensemble's traces, fitted on the development part.

    They give the traces the mean and SD of the gold standard: the centring and scaling of the AVEC 2016 chain, needed
    since the mean of several networks moves less than each. In a stitched corpus the ratings that people gave the
    utterances are known too, and their unit is wider: the simulated raters' sliders end at -1 and 1. There the gain is
    halfway, in dB, between what the gold standard and what the ratings ask for.
    """
    traces = {
        example.recording: np.mean([loop.predict(network, normalised) for network in networks], axis=0)
        for example in data.dev
        for normalised in [example.normalised(data.rule)]
    }
    gold, rated = (np.concatenate([getattr(e, name) for e in data.dev]) for name in ("gold", "rated"))
    trace, gold = np.concatenate(list(traces.values()))[rated], gold[rated]
    gain = gold.std() / trace.std()
    said = [span for span in stitched.spans(config.root, config.target) if span[0] in traces]
    if said:
        rated, heard = evaluation.utterance_means(traces, said)
        gain = np.sqrt(gain * rated.std() / heard.std())
    return round(float(gain), 4), round(float(gold.mean() - gain * trace.mean()), 4)


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's notes on packages that it does without are not for users."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def write_graph(networks: Sequence[Any], path: Path, size: int, kind: ModuleType) -> None:
    """Write an ONNX graph ``features (1, frames, size) -> trace (members, frames)`` and compare it with PyTorch.

    Args:
        networks: the members.
        path: of the graph.
        size: values a frame.
        kind: module of :mod:`emotrace.models` that the networks are of; its ``Ensemble`` is written where it has one.

    Raises:
        ModelError: a random input of another length than the one traced differs by more than 1e-4.
    """
    steps = torch.export.Dim("steps", min=2, max=1_000_000)
    grid_frames = networks[0].grid_frames
    frames = steps * grid_frames if grid_frames > 1 else steps
    example = (torch.zeros(1, 8 * grid_frames, size),)
    written: nn.Module = getattr(kind, "Ensemble", Ensemble)(networks)
    _write_onnx(written.eval(), example, path, ["features"], ["trace"], ({1: frames},))
    _compare(Ensemble(networks).eval(), (_noise(1, 21 * grid_frames, size),), path, ["features"])


def write_live_graph(live: Any, path: Path, taps: int, size: int) -> None:
    """Write the graph that goes on by one frame and compare it with PyTorch.

    Raises:
        ModelError: it gives something else, by more than 1e-4.
    """
    names = ["features", "first", "past"]
    members, width = live.output.shape[0], live.output.shape[2]
    example = (_noise(1, size), _noise(taps, size), _noise(len(live.kernels), taps, members, width))
    _write_onnx(live, example, path, names, ["trace", "inputs"])
    _compare(live, example, path, names)


def _noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def _write_onnx(
    module: nn.Module,
    example: tuple[torch.Tensor, ...],
    path: Path,
    inputs: list[str],
    outputs: list[str],
    dynamic_shapes: Any = None,
) -> None:
    with warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            example,
            str(path),
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=dynamic_shapes,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _compare(module: nn.Module, inputs: tuple[torch.Tensor, ...], path: Path, names: list[str]) -> None:
    with torch.inference_mode():
        wanted = module(*inputs)
    given = model.session(path).run(None, {name: value.numpy() for name, value in zip(names, inputs, strict=True)})
    pairs = zip(given, wanted if isinstance(wanted, tuple) else (wanted,), strict=True)
    difference = max(float(np.abs(mine - theirs.numpy()).max(initial=0.0)) for mine, theirs in pairs)
    if not difference <= TOLERANCE:
        raise ModelError(f"{path.name}: onnxruntime's output is {difference:.1e} from PyTorch's; versions do not match")
