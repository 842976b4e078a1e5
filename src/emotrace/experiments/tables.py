"""The tables of README and docs, rendered from the committed result files and from what the package says of itself.

A document holds ``<!-- table: NAME -->`` and ``<!-- end -->``; what stands between is rendered from
``experiments/results`` and ``benchmarks/results``. ``python -m emotrace.experiments.tables`` writes them; with
``--check`` it only compares.
"""

import json
import re
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from emotrace import corpora
from emotrace.experiments import gold_tables, paper_tables, speed_tables, training_tables

TARGETS = ("arousal", "valence")
DOCUMENTS = (
    "README.md",
    *(
        f"docs/{name}.md"
        for name in ("results", "paper", "corpora", "gold-standard", "streaming", "long-recordings", "web", "training")
    ),
)

_MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

_ROWS = {
    "stitched": "stitched TAVA, test speakers: trace against the simulated gold standard",
    "development": "the same, development speakers",
    "tava_clean": "test speakers, utterance means against the utterances' real ratings",
    "tava_noise_10db": "… with pink noise at 10 dB SNR",
    "tava_telephone": "… through a telephone band (300–3400 Hz)",
    "tava_telephone_line": "… through a digital telephone line (8 kHz, steep band, µ-law)",
    "emodb_clean": "EMO-DB-47 (German, never trained on), utterance means",
    "emodb_noise_10db": "… with pink noise at 10 dB SNR",
    "emodb_telephone": "… through a telephone band",
    "emodb_telephone_line": "… through a digital telephone line",
    "emodb_shipped": "EMO-DB-47 by the weights in the package, trained again on all 18 speakers",
}


class _NotMeasuredError(Exception):
    """A table's result file is not there."""


class _Results(dict[str, Any]):
    """What result files hold, by their names; those of a corpus as ``stitched/table1``."""

    def __missing__(self, stem: str) -> Any:
        raise _NotMeasuredError(stem)


def _results(root: Path) -> _Results:
    folders = (root / "experiments" / "results", root / "benchmarks" / "results")
    files = {path.relative_to(folder): path for folder in folders for path in folder.rglob("*.json")}
    return _Results({name.with_suffix("").as_posix(): json.loads(path.read_text()) for name, path in files.items()})


def spread(scores: Sequence[float]) -> str:
    """Mean and SD over runs; of one, what it is."""
    mean = f"{statistics.mean(scores):.3f}"
    return mean if len(scores) == 1 else f"{mean} ± {statistics.stdev(scores):.3f}"


def _score(row: str, result: Mapping[str, Any], target: str) -> str:
    if row == "development":
        return f"({spread(result['dev_ccc_by_seed'][target])})"
    part = result[row][target]
    name = "ccc_population_concatenated" if row == "stitched" else "ccc_population"
    mean, sd, together = (part[key][name] for key in ("seeds_mean", "seeds_sd", "five_run_mean"))
    return f"**{together:.3f}** ({mean:.3f} ± {sd:.3f})"


def shipped(results: Mapping[str, Any]) -> list[str]:
    """CCC of both networks on everything that they were tested on."""
    lines = [
        "| CCC of the five-run mean (mean ± SD of the five runs) | target | down/up | dilated |",
        "|---|---|---|---|",
    ]
    for row, text in _ROWS.items():
        for target in TARGETS:
            cells = [_score(row, results[f"shipped-{network}"], target) for network in ("downup", "dilated")]
            lines.append(f"| {text} | {target} | {' | '.join(cells)} |")
    return lines


def development(results: Mapping[str, Any]) -> list[str]:
    """What down/up was chosen by: the development speakers' utterances in short recordings, in any order."""
    conditions = [row.removeprefix("tava_") for row in _ROWS if row.startswith("tava_")]
    lines = ["| development speakers, five-run mean | arousal | valence |", "|---|---|---|"]
    for condition in conditions:
        part = results["shipped-downup"][f"dev_short_{condition}"]
        cells = [f"{part[target]['five_run_mean']['ccc_population']:.3f}" for target in TARGETS]
        lines.append(f"| utterance means, {condition.replace('_', ' ')} | {' | '.join(cells)} |")
    return lines


def roughness(results: Mapping[str, Any]) -> list[str]:
    """Mean |step| over SD, of one run, of the five-run mean and of the gold standard; and the raters' ceiling."""
    lines = ["| stitched TAVA, test speakers | target | down/up | dilated |", "|---|---|---|---|"]
    parts = [results[f"shipped-{network}"]["stitched"] for network in ("downup", "dilated")]
    rows: list[tuple[str, Callable[[Mapping[str, Any]], str]]] = [
        ("roughness, one run", lambda p: f"{p['seeds_mean']['roughness']:.4f} ± {p['seeds_sd']['roughness']:.4f}"),
        ("roughness, five-run mean", lambda p: f"{p['five_run_mean']['roughness']:.4f}"),
        ("roughness of the gold standard", lambda p: f"{p['five_run_mean']['roughness_gold']:.4f}"),
        ("RMSE, five-run mean", lambda p: f"{p['five_run_mean']['rmse_concatenated']:.3f}"),
        ("CCC, AVEC 2016's convention", lambda p: f"{p['five_run_mean']['ccc_avec2016_concatenated']:.3f}"),
        ("CCC, mean over recordings", lambda p: f"{p['five_run_mean']['ccc_population_per_recording']:.3f}"),
        (
            "ceiling: CCC of the true ratings, held, with the gold standard",
            lambda p: f"{p['ceiling']['ccc_population_concatenated']:.3f}",
        ),
    ]
    for text, cell in rows:
        for target in TARGETS:
            lines.append(f"| {text} | {target} | {' | '.join(cell(part[target]) for part in parts)} |")
    return lines


def provenance(results: Mapping[str, Any]) -> list[str]:
    """Data, seeds and commit of the figures above."""
    lines = []
    for network in ("downup", "dilated"):
        result = results[f"shipped-{network}"]
        by_seed = ", ".join(f"{t} {'/'.join(f'{c:.3f}' for c in result['dev_ccc_by_seed'][t])}" for t in TARGETS)
        commit = result["made_with"]["commit"] or "unknown"
        speakers = ", ".join(result["test_speakers"])
        lines.append(
            f"- {network}: {result['data']}; test speakers {speakers}; seeds 0–4, development CCC {by_seed}; "
            f"commit `{commit}`; `{result['command']}`."
        )
    return lines


def readers(results: Mapping[str, Any]) -> list[str]:
    """What every corpus reader says of itself."""
    lines = ["| name | corpus | what is rated | rows a second | values |", "|---|---|---|---|---|"]
    for name in corpora.names():
        info = corpora.get(name).INFO
        low, high = info.unit_range
        lines.append(
            f"| `{name}` | {info.title} | {', '.join(info.targets)} | {info.label_rate_hz:g} | {low:g} to {high:g} |"
        )
    return lines


def look_ahead(results: Mapping[str, Any]) -> list[str]:
    """Development CCC by look-ahead."""
    lines = ["| look-ahead | latency at 16 kHz | seeds | arousal | valence |", "|---|---|---|---|---|"]
    for row in results["live"]["look_ahead"]:
        ahead_s = row["look_ahead_s"]
        cells = [spread(row[target]) for target in TARGETS]
        names = (
            ("as far as back, 41 s", "41.9 s") if ahead_s is None else (f"{ahead_s:g} s", f"{ahead_s + 0.055:.2f} s")
        )
        lines.append(f"| {' | '.join((*names, str(len(row['arousal'])), *cells))} |")
    return lines


def live_start(results: Mapping[str, Any]) -> list[str]:
    """What running statistics cost, by the time since the start."""
    lines = [
        "| since the start | target | CCC, live | CCC, by the whole recording | mean difference of the traces |",
        "|---|---|---|---|---|",
    ]
    for target in TARGETS:
        for row in results["live"]["start"][target]:
            when = (
                f"{row['start_s']:.0f} s on" if row["end_s"] is None else f"{row['start_s']:.0f}–{row['end_s']:.0f} s"
            )
            lines.append(
                f"| {when} | {target} | {row['ccc_running']:.3f} | {row['ccc_whole']:.3f} | {row['difference']:.3f} |"
            )
    return lines


def live_scores(results: Mapping[str, Any]) -> list[str]:
    """The live networks on everything that the others are tested on."""
    lines = ["| CCC of the five-run mean (mean ± SD of the five runs) | target | live |", "|---|---|---|"]
    for row, text in _ROWS.items():
        for target in TARGETS:
            lines.append(f"| {text} | {target} | {_score(row, results['live'], target)} |")
    for target in TARGETS:
        one, mean = (results["live"]["stitched"][target][key] for key in ("seeds_mean", "five_run_mean"))
        rough = f"**{mean['roughness']:.3f}** ({one['roughness']:.3f}; gold standard {mean['roughness_gold']:.3f})"
        lines.append(
            f"| roughness of the stitched traces, five-run mean (one run; gold standard) | {target} | {rough} |"
        )
    return lines


_TABLES = (
    {
        "corpora": readers,
        "shipped": shipped,
        "development": development,
        "roughness": roughness,
        "provenance": provenance,
        "look_ahead": look_ahead,
        "live_start": live_start,
        "live_scores": live_scores,
    }
    | gold_tables.TABLES
    | paper_tables.TABLES
    | speed_tables.TABLES
    | training_tables.TABLES
)


def render(text: str, results: Mapping[str, Any]) -> str:
    """The document with its tables made anew."""

    def table(match: re.Match[str]) -> str:
        try:
            lines = _TABLES[match[2]](results)
        except _NotMeasuredError as missing:
            lines = [f"*Not measured yet: there is no result file `{missing}.json`.*"]
        return match[1] + "\n".join(lines) + "\n" + match[3]

    return _MARKED.sub(table, text)


def main(root: Path, check: bool) -> int:
    """Write or compare the tables of all documents; 1 where ``check`` finds one that is out of date."""
    results = _results(root)
    stale = []
    for name in DOCUMENTS:
        path = root / name
        fresh = render(path.read_text(encoding="utf-8"), results)
        if fresh != path.read_text(encoding="utf-8"):
            stale.append(name)
            if not check:
                path.write_text(fresh, encoding="utf-8")
    for name in stale:
        print(f"{name}: {'differs from the result files; run make docs' if check else 'rendered'}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(Path.cwd(), "--check" in sys.argv[1:]))
