"""Runs: one network, one target, one configuration, several seeds, a JSON record of each.

A run's folder holds ``checkpoint.npz`` while it trains and ``record.json`` once it is done; a run with a record is
not run again, and one that was killed goes on from its checkpoint.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import torch

from emotrace import features, provenance
from emotrace.errors import ConfigError, ModelError
from emotrace.output import write_atomically
from emotrace.training import loop
from emotrace.training.config import Config
from emotrace.training.dataset import Dataset, prepare


def train(config: Config, out: Path, jobs: int = 1, show: bool = True) -> list[dict[str, Any]]:
    """Train every seed of a configuration.

    Args:
        config: what to train.
        out: folder of the runs, made if absent; features are kept in ``features`` beside it.
        jobs: runs at once, a process with one thread each.
        show: progress bars on standard error.

    Returns:
        The records, by seed.

    Raises:
        ConfigError: ``out`` holds runs of another configuration, or an argument does not suit the network.
        CorpusError: the corpus is malformed.
        ModelError: seeds that cannot be trained, once all others are done.
    """
    out = Path(out)
    config = _complete(config)
    if (out / "config.yaml").exists() and read_config(out) != config:
        raise ConfigError(f"{out}: holds runs of another configuration; name a new folder")
    todo = [seed for seed in range(config.seeds) if not (_folder(out, seed) / "record.json").exists()]
    if todo:
        data = prepare(config, out.parent / "features", jobs, _bar("features", show))
        _claim(out, config)
        made = made_with()
        failed = joblib.Parallel(n_jobs=jobs)(
            joblib.delayed(_run)(config, seed, data, out.absolute(), position if show else None, made)
            for position, seed in enumerate(todo)
        )
        if any(failed):
            raise ModelError(f"{out}: {'; '.join(filter(None, failed))} (the other seeds are done)")
    return [json.loads((_folder(out, seed) / "record.json").read_text()) for seed in range(config.seeds)]


def read_config(out: Path) -> Config:
    """The configuration that the runs in a folder were trained with."""
    from emotrace.training import config

    path = Path(out) / "config.yaml"
    if not path.exists():
        raise ConfigError(f"{out}: holds no config.yaml; name the folder that 'emotrace train -o' made")
    return config.read(path)


def weights(out: Path, seed: int) -> loop.Tensors:
    """The best epoch's weights of a run."""
    return loop.best_weights(_folder(Path(out), seed) / "checkpoint.npz")


def _complete(config: Config) -> Config:
    """The front end decides the network's input size."""
    config = replace(config, arguments={"size": features.get(config.front_end).size, **config.arguments})
    try:
        loop.build(config)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"arguments of {config.network}: {error}") from None
    return config


def _claim(out: Path, config: Config) -> None:
    import yaml

    text = yaml.safe_dump(_plain(config.as_dict()), sort_keys=False)
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "config.yaml", lambda file: file.write(text), force=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple) else value


def _folder(out: Path, seed: int) -> Path:
    return out / f"seed-{seed}"


def _run(
    config: Config, seed: int, data: Dataset, out: Path, position: int | None, made: dict[str, str | None]
) -> str | None:
    """Train a seed and leave its record; what went wrong is returned, for the other seeds to go on."""
    torch.set_num_threads(1)
    bar = _bar(f"{out.name} seed {seed}", position is not None, position, config.epochs)()
    folder = _folder(out, seed)
    try:
        run = loop.fit(config, seed, data, folder / "checkpoint.npz", lambda record: _advance(bar, record))
    except ModelError as error:
        return str(error)
    finally:
        bar.close()
    record = {
        "config": _plain(config.as_dict()),
        "seed": seed,
        "best_epoch": run.best_epoch,
        "dev_ccc": None if config.fit_all else run.best_ccc,
        "parameters": sum(p.numel() for p in run.network.parameters()),
        "seconds": round(sum(epoch["seconds"] for epoch in run.history), 1),
        "made_with": made,
        "history": run.history,
    }
    text = json.dumps(record, indent=1)
    write_atomically(folder / "record.json", lambda file: file.write(text), force=True)
    return None


def made_with() -> dict[str, str | None]:
    """Versions and commit ("-dirty" with changes that are not committed), for a record."""
    return provenance.made_with("torch", "numpy", "scipy")


def _bar(what: str, show: bool, position: int | None = None, total: int | None = None) -> Callable[..., Any]:
    from tqdm import tqdm

    def bar(work: Any = None) -> Any:
        return tqdm(work, desc=what, total=total, position=position, disable=not show, dynamic_ncols=True)

    return bar


def _advance(bar: Any, record: dict[str, Any]) -> None:
    bar.update(record["epoch"] + 1 - bar.n)
    shown = {"loss": record["loss"]} if record["dev_ccc"] is None else {"dev_ccc": record["dev_ccc"]}
    bar.set_postfix({key: f"{value:.3f}" for key, value in shown.items()})
