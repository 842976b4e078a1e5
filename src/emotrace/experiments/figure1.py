"""Figure 1 (Khorram et al. 2017, section 4): development CCC by the receptive field of a network of one filter.

Every length has the system's own settings: a search tunes one of them, and would favour it over the others.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emotrace.errors import EmotraceError
from emotrace.experiments import table
from emotrace.experiments.study import Study
from emotrace.experiments.sweep import Job
from emotrace.trace import FRAME_S

SYSTEM = "single_filter"
FRAMES = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
QUICK_FRAMES = (2, 32, 512)
RUNS = 10


def plans(study: Study) -> dict[str, dict[int, list[Job]]]:
    """The runs by target and length: ten seeds (paper), or as many as the study says."""
    lengths = QUICK_FRAMES if study.quick else FRAMES
    runs = study.seeds or RUNS
    return {
        target: {n: study.plan(SYSTEM, target, runs, {"arguments.filter_frames": n}, tuned=False) for n in lengths}
        for target in study.targets
    }


def reproduce(study: Study) -> dict[str, Any]:
    """Run what is missing and write ``figure1.json``.

    Raises:
        ConfigError: there is no such system.
        EmotraceError: every run of a length failed.
    """
    planned = plans(study)
    failed = study.run([job for each in planned.values() for jobs in each.values() for job in jobs])
    targets = {target: _curve(study, target, each, failed) for target, each in planned.items()}
    frames = list(next(iter(planned.values())))
    result = {
        "frames": frames,
        "seconds": [round(n * FRAME_S, 2) for n in frames],
        "design": study.design(study.targets[0]).statement,
        "part": "dev",
        "targets": targets,
    }
    return study.write("figure1", "figure1", result)


def _curve(study: Study, target: str, plans: Mapping[int, list[Job]], failed: Mapping[Any, str]) -> dict[str, Any]:
    known = study.known(target)
    found = {n: table.gathered(jobs, failed) for n, jobs in plans.items()}
    for n, runs in found.items():
        if runs.reason is not None:
            raise EmotraceError(f"figure 1, {target}, {n} frames: no run came through: {runs.reason}")
    scores = {
        n: [table.scored(traces, known)["ccc_population_concatenated"] for traces in runs.traces["dev"]]
        for n, runs in found.items()
    }
    means = {n: float(np.mean(each)) for n, each in scores.items()}
    return {
        "settings": {
            fold.name: study.settings(SYSTEM, target, fold, tuned=False) for fold in study.design(target).folds
        },
        "ccc": list(scores.values()),
        "mean": list(means.values()),
        "sd": [float(np.std(each, ddof=1)) if len(each) > 1 else 0.0 for each in scores.values()],
        "best_frames": max(means, key=lambda n: means[n]),
        "failed": sorted({error for runs in found.values() for error in runs.failed}),
        "devices": sorted({device for runs in found.values() for device in runs.devices}),
    }
