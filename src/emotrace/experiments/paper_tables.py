"""The tables of docs/paper.md, from the result files of one corpus each, and what they print at a terminal."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from emotrace.experiments import published

Results = Mapping[str, Any]
Result = Mapping[str, Any]

LABELS = ("stitched", "studyforrest")
_CCC, _RMSE = "ccc_population_concatenated", "rmse_concatenated"


def table(result: Result) -> list[str]:
    """Table 1 or 2: a row a system, best development CCC first; the paper's RECOLA figures in columns of their own."""
    label = result["label"] + (", quick" if result["quick"] else "")
    columns = ["system", "runs", *(f"{label}: {part} {score}" for part in ("dev", "test") for score in ("RMSE", "CCC"))]
    columns += ["test CCC less down/up's, mean over recordings (p, Holm)"]
    columns += [f"RECOLA (paper): {part} {score}" for part in ("dev", "test") for score in ("RMSE", "CCC")]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    rows = sorted(result["rows"].items(), key=lambda item: -_rank(item[1]))
    return lines + [f"| {' | '.join(_cells(name, row, result['target']))} |" for name, row in rows] + _empty(rows)


def _rank(row: Result) -> float:
    return -2.0 if row["empty"] else float(row["dev"]["averaged"][_CCC])


def _cells(name: str, row: Result, target: str) -> list[str]:
    known = published.RECOLA[target].get(name, (None,) * 4)
    theirs = ["" if figure is None else f"{figure:.3f}".lstrip("0") for figure in known]
    runs = str(row["runs"]) if row["seeded"] else "1, no seed"
    if row["empty"]:
        return [row["title"], runs, *["–"] * 4, "", *theirs]
    own = [_score(row[part], score) for part in ("dev", "test") for score in (_RMSE, _CCC)]
    return [row["title"], runs, *own, _difference(row.get("against_downup")), *theirs]


def _score(part: Result | None, score: str) -> str:
    if part is None:
        return "labels kept back"
    together = f"**{part['averaged'][score]:.3f}**"
    sd = part["runs_sd"][score]
    return together if sd is None else f"{together} ({part['runs_mean'][score]:.3f} ± {sd:.3f})"


def _difference(found: Result | None) -> str:
    return "" if found is None else f"{found['difference']:+.3f} ({found['p_holm']:.3f})"


def _empty(rows: list[tuple[str, Result]]) -> list[str]:
    """Why cells are empty, and which runs are missing."""
    lines = [f"- {row['title']}: empty because {row['empty']}" for _, row in rows if row["empty"]]
    lines += [f"- {row['title']}: runs failed: {'; '.join(row['failed'])}" for _, row in rows if _partly(row)]
    return ["", *lines] if lines else []


def _partly(row: Result) -> bool:
    return bool(row["failed"]) and not row["empty"]


def _from(label: str, name: str, render: Callable[[Result], list[str]], results: Results) -> list[str]:
    return render(results[f"{label}/{name}"])


_RENDERED: dict[str, Callable[[Result], list[str]]] = {"table1": table, "table2": table}

TABLES: dict[str, Callable[[Results], list[str]]] = {
    f"{name}_{label}": partial(_from, label, name, render) for name, render in _RENDERED.items() for label in LABELS
}
