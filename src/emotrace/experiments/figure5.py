"""Figure 5 (Khorram et al. 2017, section 6.2): 40 s of dilated, down/up and gold standard; and roughness as a number.

Unstated in the source: which 40 s. Here, of the development part, the stretch whose gold standard moves most (largest
SD), chosen by the gold standard alone; and one run, that of the first seed, as the average of several is smoother.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotrace import systems
from emotrace.errors import EmotraceError
from emotrace.experiments import sweep, table
from emotrace.experiments.figure4 import longest
from emotrace.experiments.study import Study
from emotrace.experiments.table import Runs
from emotrace.systems import Material
from emotrace.trace import FRAME_S

SHOWN = ("dilated", "downup")
LENGTH_S = 40.0


def reproduce(study: Study) -> dict[str, Any]:
    """Run what is missing, the tables' runs being taken as they are, and write ``figure5.json``.

    Raises:
        EmotraceError: dilated or down/up is not among the systems, or none of its runs came through.
    """
    for name in SHOWN:
        if name not in study.names:
            raise EmotraceError(f"figure 5 shows {' and '.join(SHOWN)}; add {name} to --systems")
    plans = {target: table.runs_of(study, target) for target in study.targets}
    failed = study.run([job for each in plans.values() for jobs in each.values() for job in jobs])
    runs = {
        target: {name: table.gathered(jobs, failed) for name, jobs in each.items()} for target, each in plans.items()
    }
    labels = sweep.digest([study.labels(target) for target in study.targets])
    held = study.held("figure5", labels)
    targets = {target: _target(study.known(target), each) for target, each in runs.items()}
    for target, found in held.get("targets", {}).items():
        targets[target]["roughness"] = dict(sorted({**found["roughness"], **targets[target]["roughness"]}.items()))
    names = sorted({*held.get("titles", ()), *study.names})
    result = {
        "part": "dev",
        "labels": labels,
        "titles": {name: systems.get(name).TITLE for name in names},
        "design": study.design(study.targets[0]).statement,
        "targets": targets,
    }
    return study.write("figure5", "figure5", result, names)


def _target(known: Mapping[str, Material], runs: Mapping[str, Runs]) -> dict[str, Any]:
    for name in SHOWN:
        if runs[name].reason is not None:
            raise EmotraceError(f"figure 5: {name} has no run that came through: {runs[name].reason}")
    first = {name: each.traces["dev"][0] for name, each in runs.items() if each.reason is None}
    name, stretch = liveliest({name: known[name].gold for name in first[SHOWN[0]]}, round(LENGTH_S / FRAME_S))
    shown = {system: first[system][name][stretch] for system in SHOWN}
    return {
        "recording": name,
        "begin_s": round(stretch.start * FRAME_S, 2),
        "gold": known[name].gold[stretch].tolist(),
        "traces": {system: trace.astype(float).tolist() for system, trace in shown.items()},
        "roughness": {system: _roughness(known, each) for system, each in runs.items() if each.reason is None},
        "roughness_gold": table.scored(first[SHOWN[0]], known)["roughness_gold"],
    }


def _roughness(known: Mapping[str, Material], runs: Runs) -> dict[str, Any]:
    """Of single runs, over seeds, and of their average; over development recordings."""
    each = [table.scored(traces, known)["roughness"] for traces in runs.traces["dev"]]
    return {
        "mean": float(np.mean(each)),
        "sd": float(np.std(each, ddof=1)) if len(each) > 1 else None,
        "averaged": table.scored(runs.averaged("dev"), known)["roughness"],
        "devices": sorted(runs.devices),
    }


def liveliest(golds: Mapping[str, NDArray[np.float64]], frames: int) -> tuple[str, slice]:
    """The recording, and the frames of it, in which the gold standard moves most for a while.

    Args:
        golds: by recording, NaN where it is not rated; stretches with such frames are not taken.
        frames: length; that of the longest stretch rated throughout where none is as long.
    """
    length = min(frames, max(len(longest(gold)) for gold in golds.values()))
    best = ("", slice(0), -1.0)
    for name, gold in golds.items():
        if len(gold) < length:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(gold, length)
        spread = np.nan_to_num(windows.std(axis=1), nan=-1.0)
        place = int(np.argmax(spread))
        if spread[place] > best[2]:
            best = (name, slice(place, place + length), float(spread[place]))
    return best[:2]
