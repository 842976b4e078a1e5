"""Runs: one network, one target, one configuration, several seeds, a JSON record of each.

A run's folder holds ``checkpoint.npz`` while it trains and ``record.json`` once it is done; a run with a record is
not run again, and one that was killed goes on from its checkpoint.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import torch

from emotrace import features, models, provenance
from emotrace.errors import ConfigError, ModelError
from emotrace.output import write_text
from emotrace.training import batched, loop, parallel
from emotrace.training.config import Config
from emotrace.training.dataset import Dataset, prepare


def train(config: Config, out: Path, jobs: int = 1, show: bool = True, device: str = "cpu") -> list[dict[str, Any]]:
    """Train every seed of a configuration; under ``torchrun`` all processes together train one seed after another.

    Args:
        config: what to train.
        out: folder of the runs, made if absent; features are kept in ``features`` beside it.
        jobs: runs at once, a process with one thread each; threads, where all seeds are trained together.
        show: progress bars on standard error.
        device: where networks are trained, in PyTorch's words.

    Returns:
        The records, by seed.

    Raises:
        ConfigError: ``out`` holds runs of another configuration, an argument does not suit the network, or there is no
            such device.
        CorpusError: the corpus is malformed.
        ModelError: a record is damaged; or seeds cannot be trained, once all others are done.
    """
    out, config = Path(out), _complete(config)
    with parallel.group():
        _check(config, out, device)
        todo = [seed for seed in range(config.seeds) if read_record(_folder(out, seed)) is None]
        # Nobody writes a record before everybody has looked which there are.
        parallel.wait()
        if todo:
            _train(Job(config, out.absolute(), made_with(), parallel.local(device)), todo, jobs, show)
        parallel.wait()
    return [record for seed in range(config.seeds) if (record := read_record(_folder(out, seed))) is not None]


@dataclass(frozen=True)
class Job:
    """What the seeds of a configuration share: configuration, folder, what it is made with, device."""

    config: Config
    out: Path
    made_with: dict[str, str | None]
    device: str


def _check(config: Config, out: Path, device: str) -> None:
    if (out / "config.yaml").exists() and read_config(out) != config:
        raise ConfigError(f"{out}: holds runs of another configuration; name a new folder")
    if config.together and parallel.world() > 1:
        raise ConfigError("together=true trains in one process; start it without torchrun, or set together=false")
    if parallel.world() > 1 and loop.normalises_over_batches(config):
        raise ConfigError(
            f"network {config.network} normalises over its batch, which the processes of torchrun do not share; "
            "start it without torchrun"
        )
    loop.check_device(device)


def _train(job: Job, todo: list[int], jobs: int, show: bool) -> None:
    config, features_folder = job.config, job.out.parent / "features"
    jobs, show = (jobs if parallel.world() == 1 else 1), show and parallel.first()
    with parallel.in_turn():
        # The first process computes, the others find all in the cache.
        data = prepare(config, features_folder, jobs, _bar("features", show))
    if parallel.first():
        _claim(job.out, config)
    if config.together:
        _run_together(job, todo, data, jobs, show)
        return
    failed = joblib.Parallel(n_jobs=jobs)(
        joblib.delayed(_run)(job, seed, data, position if show else None) for position, seed in enumerate(todo)
    )
    if any(failed):
        raise ModelError(f"{job.out}: {'; '.join(filter(None, failed))} (the other seeds are done)")


def read_config(out: Path) -> Config:
    """The configuration that the runs in a folder were trained with."""
    from emotrace.training import config

    path = Path(out) / "config.yaml"
    if not path.exists():
        raise ConfigError(f"{out}: holds no config.yaml; name the folder that 'emotrace train -o' made")
    return config.read(path)


def read_record(folder: Path) -> dict[str, Any] | None:
    """What a run left in its folder, or None where it is still to be done.

    Raises:
        ModelError: the record is damaged.
    """
    path = folder / "record.json"
    if not path.exists():
        return None
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}); delete its folder to run it anew") from None
    return record


def located(out: Path, config: Config) -> Config:
    """A run's configuration, its root the folder that it was trained on, wherever this is called from.

    ``config.yaml`` keeps the root as it was given, since a project that is moved keeps its runs.

    Raises:
        ConfigError: the corpus is not there.
    """
    told = (read_record(_folder(Path(out), 0)) or {}).get("root", config.root)
    for root in (Path(told), config.root):
        if root.exists():
            return replace(config, root=root)
    raise ConfigError(f"{out}: its corpus is not at {told}; put it there, or call this from where it was trained")


def weights(out: Path, seed: int) -> loop.Tensors:
    """The best epoch's weights of a run."""
    return loop.best_weights(_folder(Path(out), seed) / "checkpoint.npz")


def _complete(config: Config) -> Config:
    """With the input size, which the front end decides, and what the network's source has for the target."""
    size, stated = features.get(config.front_end).size, models.stated(config.network, config.target)
    config = replace(config, arguments={"size": size, **stated, **config.arguments})
    try:
        loop.build(config)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"arguments of {config.network}: {error}") from None
    return config


def _claim(out: Path, config: Config) -> None:
    import yaml

    write_text(out / "config.yaml", yaml.safe_dump(_plain(config.as_dict()), sort_keys=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple) else value


def _folder(out: Path, seed: int) -> Path:
    return out / f"seed-{seed}"


def _run(job: Job, seed: int, data: Dataset, position: int | None) -> str | None:
    """Train a seed and leave its record; what went wrong is returned, for the other seeds to go on."""
    torch.set_num_threads(1)
    bar = _bar(f"{job.out.name} seed {seed}", position is not None, position, job.config.epochs)()
    checkpoint = _folder(job.out, seed) / "checkpoint.npz"
    try:
        run = loop.fit(job.config, seed, data, checkpoint, lambda record: _advance(bar, record), None, job.device)
    except ModelError as error:
        return str(error)
    finally:
        bar.close()
    if parallel.first():
        _record(job, seed, run)
    return None


def _run_together(job: Job, seeds: list[int], data: Dataset, threads: int, show: bool) -> None:
    """Train seeds as one batched network and leave their records."""
    torch.set_num_threads(threads)
    bar = _bar(f"{job.out.name}, {len(seeds)} seeds", show, 0, job.config.epochs)()
    checkpoints = {seed: _folder(job.out, seed) / "checkpoint.npz" for seed in seeds}
    try:
        runs = batched.fit(job.config, checkpoints, data, lambda seed, record: _advance(bar, record), job.device)
    finally:
        bar.close()
    for seed, run in runs.items():
        _record(job, seed, run)


def _record(job: Job, seed: int, run: loop.Run) -> None:
    record = {
        "config": _plain(job.config.as_dict()),
        "root": str(job.config.root.absolute()),
        "seed": seed,
        "best_epoch": run.best_epoch,
        "dev_ccc": None if job.config.fit_all else run.best_ccc,
        "parameters": sum(p.numel() for p in run.network.parameters()),
        "seconds": round(sum(epoch["seconds"] for epoch in run.history), 1),
        "device": loop.device_name(job.device),
        "made_with": job.made_with,
        "history": run.history,
    }
    write_text(_folder(job.out, seed) / "record.json", json.dumps(record, indent=1))


def made_with() -> dict[str, str | None]:
    """Versions and commit ("-dirty" with changes that are not committed), for a record."""
    return provenance.made_with("torch", "numpy", "scipy")


def _bar(what: str, show: bool, position: int | None = None, total: int | None = None) -> Callable[..., Any]:
    from tqdm import tqdm

    def bar(work: Any = None) -> Any:
        return tqdm(work, desc=what, total=total, position=position, disable=not show, dynamic_ncols=True)

    return bar


def _advance(bar: Any, record: dict[str, Any]) -> None:
    """Show an epoch: how good it was, how fast it went; the bar itself adds the time left, early stopping apart."""
    shown = {"loss": record["loss"]} if record["dev_ccc"] is None else {"dev_ccc": record["dev_ccc"]}
    bar.set_postfix(
        {key: f"{value:.3f}" for key, value in shown.items()}
        | {f"{what}/s": f"{record[what] / record['seconds']:.3g}" for what in ("recordings", "frames")},
        refresh=False,
    )
    bar.update(record["epoch"] + 1 - bar.n)
