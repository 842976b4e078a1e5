"""Seconds an epoch: convolutional networks beside a BLSTM with about as many parameters (Khorram et al., section 6.2).

One epoch sees every training recording once, whole, a batch of one, as all training here does; nothing is scored. The
networks take turns, an epoch each, in one process with one thread, so that whatever else the machine does meets all of
them alike; medians are told. The first round is not counted.
"""

import bisect
import shutil
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from emotrace import provenance
from emotrace.experiments.study import Study
from emotrace.experiments.sweep import one_thread
from emotrace.systems import Task, materials, network
from emotrace.training import loop
from emotrace.training.config import Config
from emotrace.training.dataset import Dataset

REFERENCE = "downup"
CONVOLUTIONAL = ("downup", "dilated")
RECURRENT = "blstm"
ROUNDS = 5
QUICK_ROUNDS = 1
WIDTHS = range(1, 257)


def reproduce(study: Study) -> dict[str, Any]:
    """Measure and write ``timing.json``; of the first target's recordings, without tuned settings."""
    target = study.targets[0]
    known, fold = study.known(target), study.design(target).folds[0]
    train, dev = fold.part("train", known), fold.part("dev", known)
    settings = network.Settings(front_end=materials.GIVEN if materials.silent(train) else "logmel")
    task = Task(target, train, dev, 0, Path())
    size = materials.size(train, settings.front_end)
    aim = parameters(Config(network=REFERENCE, arguments={"size": size}))
    configs = {name: as_large(name, size, aim) for name in (*CONVOLUTIONAL, RECURRENT)}
    with one_thread():
        seconds = _taken(configs, network.dataset(task, settings), QUICK_ROUNDS if study.quick else ROUNDS)
    rows = {
        name: {
            "parameters": parameters(config),
            "width": config.arguments["width"],
            "seconds_an_epoch": statistics.median(seconds[name]),
            "all_seconds": seconds[name],
        }
        for name, config in configs.items()
    }
    result = {
        "machine": provenance.machine(),
        "threads": 1,
        "recordings": len(train),
        "frames": sum(m.frames for m in train),
        "rounds": len(seconds[REFERENCE]),
        "networks": rows,
        "blstm_times_downup": rows[RECURRENT]["seconds_an_epoch"] / rows[REFERENCE]["seconds_an_epoch"],
    }
    return study.write("timing", "timing", result)


def as_large(name: str, size: int, aim: int) -> Config:
    """The network's configuration with the width that gives it about `aim` parameters."""

    def wide(width: int) -> Config:
        return Config(network=name, arguments={"size": size, "width": width}, fit_all=True)

    over = bisect.bisect_left(WIDTHS, aim, key=lambda width: parameters(wide(width)))
    near = [wide(width) for width in WIDTHS[max(over - 1, 0) : over + 1]]
    return min(near, key=lambda config: abs(parameters(config) - aim))


def parameters(config: Config) -> int:
    """How many numbers a network learns."""
    return sum(p.numel() for p in loop.build(config).parameters())


def _taken(configs: Mapping[str, Config], data: Dataset, rounds: int) -> dict[str, list[float]]:
    """Seconds of each counted round; training goes on from its checkpoint, an epoch a turn."""
    seconds: dict[str, list[float]] = {name: [] for name in configs}
    folder = Path(tempfile.mkdtemp(prefix="emotrace-timing-"))
    try:
        for done in range(rounds + 1):
            for name, config in configs.items():
                one_more = replace(config, epochs=done + 1, patience=done + 1)
                run = loop.fit(one_more, 0, data, folder / f"{name}.npz")
                seconds[name].append(run.history[-1]["seconds"])
    finally:
        shutil.rmtree(folder)
    return {name: each[1:] for name, each in seconds.items()}
