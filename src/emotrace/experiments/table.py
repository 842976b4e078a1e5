"""Tables 1 and 2 (Khorram et al. 2017, section 6.2): every system, RMSE and CCC, development and test part.

The scores of a system are those of its runs (mean and SD over seeds) and those of its runs' averaged traces, which is
what the paper submitted. CCC by population variances and RMSE, on the concatenated recordings; the other conventions
are in the result file too. Where folds rotate, a recording's trace is that of the fold that tests it (or has it for
development), and all of them are concatenated.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from emotrace import evaluation, metrics, systems
from emotrace.errors import ModelError
from emotrace.experiments import significance
from emotrace.experiments.folds import Design
from emotrace.experiments.study import Study
from emotrace.experiments.sweep import Job
from emotrace.output import write_text
from emotrace.systems import Material

NUMBERS = {"arousal": "table1", "valence": "table2"}
REFERENCE = "downup"
PARTS = ("dev", "test")

Traces = dict[str, np.ndarray]


@dataclass
class Runs:
    """What became of a system's runs.

    Attributes:
        traces: by part, of every seed that is complete, the traces of all recordings.
        failed: errors, one a kind.
        unsuited: why the system cannot work on this corpus at all.
        seconds: of each complete seed, all folds together.
        commits: of the code that made the runs.
        devices: that networks were on.
    """

    traces: dict[str, list[Traces]] = field(default_factory=lambda: {part: [] for part in PARTS})
    failed: list[str] = field(default_factory=list)
    unsuited: str | None = None
    seconds: list[float] = field(default_factory=list)
    commits: set[str] = field(default_factory=set)
    devices: set[str] = field(default_factory=set)

    @property
    def reason(self) -> str | None:
        """Why the cells are empty, None where they are not."""
        return None if self.seconds else self.unsuited or "; ".join(self.failed)

    def averaged(self, part: str) -> Traces:
        """The mean over seeds of each recording's traces."""
        seeds = self.traces[part]
        return {name: np.mean([traces[name] for traces in seeds], axis=0) for name in seeds[0]}


def reproduce(study: Study, targets: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Run what is missing, score everything, write ``table1.json`` (arousal) and ``table2.json`` (valence).

    Args:
        study: corpus, systems, budget.
        targets: those whose tables are made; all that the corpus rates by default.

    Returns:
        The tables by target.
    """
    jobs = {target: runs_of(study, target) for target in targets or study.targets}
    failed = study.run([job for each in jobs.values() for plans in each.values() for job in plans])
    return {target: _table(study, target, plans, failed) for target, plans in jobs.items()}


def runs_of(study: Study, target: str) -> dict[str, list[Job]]:
    """The jobs of every system."""
    return {name: study.plan(name, target) for name in study.names}


def gathered(jobs: Sequence[Job], failed: Mapping[Path, str]) -> Runs:
    """What the jobs of one system left."""
    runs = Runs()
    for seed in sorted({job.seed for job in jobs}):
        own = [job for job in jobs if job.seed == seed]
        records = [job.record for job in own]
        errors = [failed.get(job.folder, "was not run") for job, record in zip(own, records, strict=True) if not record]
        reasons = [record["unsuited"] for record in records if record and "unsuited" in record]
        runs.failed += [error for error in errors if error not in runs.failed]
        runs.unsuited = runs.unsuited or next(iter(reasons), None)
        if errors or reasons:
            continue
        for part in PARTS:
            runs.traces[part].append({name: trace for job in own for name, trace in job.traces(part).items()})
        runs.commits |= {str(record["made_with"]["commit"]) for record in records if record}
        runs.devices |= {str(record.get("device", "cpu")) for record in records if record}
        runs.seconds.append(sum(record["seconds"] for record in records if record))
    return runs


def _table(study: Study, target: str, plans: Mapping[str, Sequence[Job]], failed: Mapping[Path, str]) -> dict[str, Any]:
    known, design = study.known(target), study.design(target)
    runs = {name: gathered(jobs, failed) for name, jobs in plans.items()}
    rows = {name: _row(study, target, name, runs[name], design) for name in plans}
    part = "test" if any(fold.test for fold in design.folds) else "dev"
    complete = {name: each for name, each in runs.items() if each.reason is None}
    for name, each in complete.items():
        rows[name]["per_recording"] = _per_recording(each, known, part)
    labels = study.labels(target)
    held = study.held(NUMBERS[target], labels)
    rows = dict(sorted({**held.get("rows", {}), **rows}.items()))
    _compare(rows, REFERENCE in plans)
    result = {
        "target": target,
        "labels": labels,
        "design": design.statement,
        "recordings": {part: sorted({i for fold in design.folds for i in getattr(fold, part)}) for part in PARTS},
        "significance": f"sign flips of the difference of CCCs a recording, {part} part, averaged traces; Holm",
        "test_scored": max(_times_scored(study, target, complete, plans), held.get("test_scored", 0)),
        "rows": rows,
        "not_run": [systems.get(name).TITLE for name in systems.names() if name not in rows],
    }
    return study.write(NUMBERS[target], NUMBERS[target], result, list(rows))


def _row(study: Study, target: str, name: str, runs: Runs, design: Design) -> dict[str, Any]:
    system = systems.get(name)
    row: dict[str, Any] = {
        "title": system.TITLE,
        "source": system.SOURCE,
        "settings": {fold.name: study.settings(name, target, fold) for fold in design.folds},
        "tuned": all(study.tuned_file(name, target, fold).exists() for fold in design.folds),
        "tuned_elsewhere": any(study.tuned_elsewhere(name, target, fold) for fold in design.folds),
        "seeded": system.SEEDED,
        "runs": len(runs.seconds),
        "empty": runs.reason,
        "failed": runs.failed,
    }
    if runs.reason is None:
        known = study.known(target)
        row |= {part: _scores(runs, part, known) for part in PARTS}
        row["groups"] = {group: _group(runs, ids, known) for group, ids in design.groups.items()}
        row["seconds"] = float(np.mean(runs.seconds))
        row["commits"] = sorted(runs.commits)
        row["devices"] = sorted(runs.devices)
    return row


def _scores(runs: Runs, part: str, known: Mapping[str, Material]) -> dict[str, Any] | None:
    """Scores of the runs and of their mean trace; None for a part without labels."""
    if not runs.traces[part][0]:
        return None
    each = [scored(traces, known) for traces in runs.traces[part]]
    table = {key: [scores[key] for scores in each] for key in each[0]}
    return {
        "runs_mean": {key: float(np.mean(values)) for key, values in table.items()},
        "runs_sd": {key: float(np.std(values, ddof=1)) if len(values) > 1 else None for key, values in table.items()},
        "averaged": scored(runs.averaged(part), known),
    }


def scored(traces: Mapping[str, np.ndarray], known: Mapping[str, Material]) -> dict[str, float]:
    """Scores of traces by recording; see :func:`emotrace.evaluation.scores`."""
    return evaluation.scores([known[name].gold for name in traces], list(traces.values()))


def _group(runs: Runs, ids: Sequence[str], known: Mapping[str, Material]) -> dict[str, float]:
    averaged = runs.averaged("test")
    return scored({name: averaged[name] for name in ids}, known)


def _per_recording(runs: Runs, known: Mapping[str, Material], part: str) -> list[float]:
    """CCC of each recording's averaged trace, recordings sorted by name."""
    traces = runs.averaged(part)
    ids = sorted(traces)
    own, rated = [known[i].gold for i in ids], [known[i].rated for i in ids]
    scores = metrics.scores_per_recording(metrics.ccc_population, own, [traces[i] for i in ids], rated)
    return [float(score) for score in scores]


def _compare(rows: Mapping[str, dict[str, Any]], fresh: bool) -> None:
    """Every system against down/up, recording by recording.

    Args:
        rows: those of files made before recordings' scores were kept have comparisons only.
        fresh: down/up's own row is new: comparisons with an older one do not hold any more.
    """
    reference = rows.get(REFERENCE, {}).get("per_recording")
    for name, row in rows.items():
        if reference and name != REFERENCE and "per_recording" in row:
            row["against_downup"] = significance.compared(row["per_recording"], reference)
        elif fresh:
            row.pop("against_downup", None)
    found = {name: row["against_downup"]["p"] for name, row in rows.items() if "against_downup" in row}
    for name, p_value in significance.holm(found).items():
        rows[name]["against_downup"]["p_holm"] = p_value


def _times_scored(study: Study, target: str, complete: Mapping[str, Runs], plans: Mapping[str, Sequence[Job]]) -> int:
    """How many sets of runs of one system the test part has been scored with, at most; kept beside the runs."""
    path = study.folder / "times-scored.json"
    try:
        seen = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}); delete it to count anew") from None
    own = seen.setdefault(f"{target}, quick" if study.quick else target, {})
    for name in complete:
        folders = sorted(str(job.folder.relative_to(study.folder)) for job in plans[name])
        digest = hashlib.sha256("\n".join(folders).encode()).hexdigest()[:16]
        own[name] = sorted({digest, *own.get(name, [])})
    write_text(path, json.dumps(seen, indent=1))
    return max(map(len, own.values()), default=0)
