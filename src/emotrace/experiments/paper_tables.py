"""The tables of docs/paper.md and of the report page, from the result files of one corpus each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from emotrace.experiments import published

Results = Mapping[str, Any]
Result = Mapping[str, Any]

LABELS = ("stitched", "studyforrest")
CCC, RMSE = "ccc_population_concatenated", "rmse_concatenated"


@dataclass(frozen=True)
class Sheet:
    """A table as text; ``**`` around what is to be bold.

    Attributes:
        columns: headings.
        rows: a cell a column.
        notes: lines below it.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def lines(self) -> list[str]:
        """As Markdown."""
        head = [_line(self.columns), "|---" * len(self.columns) + "|"]
        notes = ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return [*head, *map(_line, self.rows), *notes]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def scores(result: Result) -> Sheet:
    """Table 1 or 2: a row a system, best development CCC first; the paper's RECOLA figures in columns of their own."""
    pairs = [f"{part} {score}" for part in ("dev", "test") for score in ("RMSE", "CCC")]
    own = [f"{_label(result)}: {pair}" for pair in pairs]
    theirs = [f"RECOLA (paper): {pair}" for pair in pairs]
    against = f"{_label(result)}: CCC less down/up's, mean over recordings (p, Holm)"
    rows = sorted(result["rows"].items(), key=lambda item: -_rank(item[1]))
    cells = [_cells(name, row, result["target"]) for name, row in rows]
    return Sheet(
        ["system", "runs", *own, against, *theirs], cells, [*_missing(rows, result.get("not_run", ())), *_said(result)]
    )


def _rank(row: Result) -> float:
    return -2.0 if row["empty"] else float(row["dev"]["averaged"][CCC])


def _cells(name: str, row: Result, target: str) -> list[str]:
    known = published.RECOLA[target].get(name, (None,) * 4)
    theirs = ["–" if figure is None else f"{figure:.3f}".lstrip("0") for figure in known]
    runs = str(row["runs"]) if row["seeded"] else f"{row['runs']}, no seed"
    title = row["title"] + _tuning(row)
    if row["empty"]:
        return [title, runs, *["–"] * 5, *theirs]
    own = [_score(row[part], score) for part in ("dev", "test") for score in (RMSE, CCC)]
    return [title, runs, *own, _difference(row.get("against_downup")), *theirs]


def _tuning(row: Result) -> str:
    if not row["tuned"]:
        return " (not tuned)"
    return " (tuned on another corpus)" if row.get("tuned_elsewhere") else ""


def _score(part: Result | None, score: str) -> str:
    if part is None:
        return "labels kept back"
    together = f"**{part['averaged'][score]:.3f}**"
    sd = part["runs_sd"][score]
    return together if sd is None else f"{together} ({part['runs_mean'][score]:.3f} ± {sd:.3f})"


def _difference(found: Result | None) -> str:
    return "–" if found is None else f"{found['difference']:+.3f} ({found['p_holm']:.3f})"


def _missing(rows: Sequence[tuple[str, Result]], not_run: Sequence[str]) -> list[str]:
    """Which systems were left out, why cells are empty, and which runs are not there."""
    lines = [f"Not run here: {'; '.join(not_run)}"] if not_run else []
    lines += [f"{row['title']}: empty, because {row['empty']}" for _, row in rows if row["empty"]]
    partly = [row for _, row in rows if row["failed"] and not row["empty"]]
    return lines + [f"{row['title']}: some runs failed: {'; '.join(row['failed'])}" for row in partly]


def _said(result: Result) -> list[str]:
    times = (
        "once"
        if result["test_scored"] == 1
        else f"up to {result['test_scored']} times with one system, each with other runs"
    )
    groups = [
        f"{row['title']}, tested recordings apart: "
        + ", ".join(f"{g} CCC {s[CCC]:.3f}" for g, s in row["groups"].items())
        for row in result["rows"].values()
        if not row["empty"] and row["groups"]
    ]
    return [
        *groups,
        *_elsewhere({row["title"]: row.get("devices", ()) for row in result["rows"].values()}),
        f"{result['design']} Bold: the averaged traces of all runs; in brackets mean ± SD of single runs.",
        f"Difference from down/up: {result['significance']}. The test part was scored {times}.",
        _made(result),
    ]


def context(result: Result) -> Sheet:
    """Figure 1 as numbers."""
    rows = []
    for place, (frames, seconds) in enumerate(zip(result["frames"], result["seconds"], strict=True)):
        cells = [f"{t['mean'][place]:.3f} ± {t['sd'][place]:.3f}" for t in result["targets"].values()]
        rows.append([str(frames), f"{seconds:g} s", *cells])
    columns = ["receptive field, frames", "", *(f"{_label(result)}: {target}, dev CCC" for target in result["targets"])]
    counts = sorted({len(each) for target in result["targets"].values() for each in target["ccc"]})
    return Sheet(columns, rows, [f"Mean ± SD of {'–'.join(map(str, counts))} runs. {result['design']}", _made(result)])


def slowness(result: Result) -> Sheet:
    """Section 5.2: power under 1 Hz, and figure 4 as numbers."""
    kinds = {f"{_label(result)}: {target}": each for target, each in result["targets"].items()}
    kinds |= {f"green {task}: {kind}": each for task, found in result["green"].items() for kind, each in found.items()}
    factors = next(iter(kinds.values()))["factors"]
    rows = [_slow(name, each) for name, each in kinds.items()]
    columns = ["traces", "number", "power below 1 Hz, mean (lowest)", *(f"CCC, factor {factor}" for factor in factors)]
    return Sheet(columns, rows, [_made(result)])


def _elsewhere(devices: Mapping[str, Sequence[str]]) -> list[str]:
    """Which systems' networks were not on processors, by their titles."""
    return [f"{title}: networks on {', '.join(on)}" for title, on in devices.items() if set(on) - {"cpu"}]


def _slow(name: str, each: Result) -> list[str]:
    share = each["power_below_1hz"]
    kept = [f"{value:.3f}" for value in each["ccc_mean"]]
    return [name, str(each["recordings"]), f"{share['mean']:.2%} ({share['lowest']:.2%})", *kept]


def roughness(result: Result) -> Sheet:
    """Mean step over SD of every system, development part."""
    columns = ["system"]
    for target in result["targets"]:
        columns += [f"{_label(result)}: {target}, one run", f"{target}, averaged"]
    names = sorted({name for each in result["targets"].values() for name in each["roughness"]})
    rows = [[result["titles"][name], *_rough(result, name)] for name in names]
    gold = [cell for each in result["targets"].values() for cell in (f"{each['roughness_gold']:.4f}", "")]
    devices = {
        result["titles"][name]: sorted({d for t in result["targets"].values() for d in _devices(t, name)})
        for name in names
    }
    return Sheet(columns, [*rows, ["gold standard", *gold]], [*_elsewhere(devices), _made(result)])


def _devices(target: Mapping[str, Any], name: str) -> Sequence[str]:
    devices: Sequence[str] = target["roughness"].get(name, {}).get("devices", ())
    return devices


def _rough(result: Result, name: str) -> list[str]:
    cells = []
    for each in result["targets"].values():
        row = each["roughness"].get(name)
        if row is None:
            cells += ["–", "–"]
            continue
        sd = "" if row["sd"] is None else f" ± {row['sd']:.4f}"
        cells += [f"{row['mean']:.4f}{sd}", f"{row['averaged']:.4f}"]
    return cells


def times(result: Result) -> Sheet:
    """Seconds an epoch at equal parameter counts."""
    rows = [
        [name, f"{row['parameters']:,}", str(row["width"]), f"{row['seconds_an_epoch']:.2f}"]
        for name, row in result["networks"].items()
    ]
    machine = result["machine"]
    notes = [
        f"{machine['processor']}, one thread; {result['recordings']} recordings, {result['frames']:,} frames; "
        f"epochs taken in turns, median of {result['rounds']}.",
        f"The BLSTM takes {result['blstm_times_downup']:.1f} times as long as down/up.",
        "Paper: about 13 s convolutional, about 10 min BLSTM (Keras with Theano, RECOLA, machine unstated).",
        _made(result),
    ]
    return Sheet(["network", "parameters", "width", f"{_label(result)}: seconds an epoch"], rows, notes)


def _label(result: Result) -> str:
    return result["label"] + (", quick" if result["quick"] else "")


def _made(result: Result) -> str:
    return f"`{result['command']}`, commit `{result['made_with']['commit'] or 'unknown'}`."


SHEETS: dict[str, Callable[[Result], Sheet]] = {
    "table1": scores,
    "table2": scores,
    "figure1": context,
    "figure4": slowness,
    "figure5": roughness,
    "timing": times,
}
"""What shows the numbers of a result file."""


def _from(label: str, name: str, results: Results) -> list[str]:
    return SHEETS[name](results[f"{label}/{name}"]).lines()


TABLES: dict[str, Callable[[Results], list[str]]] = {
    f"{name}_{label}": partial(_from, label, name) for name in SHEETS for label in LABELS
}
