"""Everything that is reproduced of the paper, one name each, and the page that shows it all."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from emotrace import plots, report
from emotrace.experiments import drawing, figure1, figure4, figure5, paper_tables, table, timing
from emotrace.experiments.study import Study
from emotrace.output import write_text

TITLES = {
    "table1": "Table 1: arousal",
    "table2": "Table 2: valence",
    "figure1": "Figure 1: what context is worth",
    "figure4": "Section 5.2 and figure 4: how slow ratings are",
    "figure5": "Figure 5: forty seconds, and roughness",
    "timing": "Timing: convolutional beside recurrent, as many parameters",
}
_SCREEN_DPI = 96
_CAUTION = (
    "Reduced budget: few recordings, two runs, two epochs. It shows that everything runs; no figure here is a result."
)

Result = dict[str, Any]


def reproduce(study: Study, name: str, green: Path | None = None) -> Result:
    """Make one table or figure, of what is missing, and leave its JSON and, where it is a figure, its PNG.

    Args:
        study: corpus, systems, budget.
        name: one of `TITLES`.
        green: folder of the green intensity tasks, for figure 4.
    """
    study.check_device()
    targets = {number: target for target, number in table.NUMBERS.items()}
    makers: dict[str, Callable[[], Result]] = {
        "figure1": lambda: figure1.reproduce(study),
        "figure4": lambda: figure4.reproduce(study, green),
        "figure5": lambda: figure5.reproduce(study),
        "timing": lambda: timing.reproduce(study),
    }
    result = table.reproduce(study, [targets[name]])[targets[name]] if name in targets else makers[name]()
    if name in drawing.DRAWN:
        plots.save(drawing.DRAWN[name](result), study.results / study.label / f"{name}.png", force=True)
    return result


def reproduce_all(study: Study, green: Path | None = None) -> tuple[dict[str, Result], Path]:
    """Make everything that the corpus allows, and ``LABEL/report.html``.

    All runs are swept at once before anything is scored, so that no core waits at the end of each table.

    Returns:
        The results by name, and the page.
    """
    study.check_device()
    names = [name for name in TITLES if name not in _absent(study)]
    jobs = [job for target in study.targets for jobs in table.runs_of(study, target).values() for job in jobs]
    study.run(jobs + [job for plans in figure1.plans(study).values() for jobs in plans.values() for job in jobs])
    results = {name: reproduce(study, name, green) for name in names}
    path = study.results / study.label / "report.html"
    write_text(path, page(study, results))
    return results, path


def _absent(study: Study) -> set[str]:
    """Tables of what is not rated, and figure 5 where it has nothing to show."""
    unrated = {number for target, number in table.NUMBERS.items() if target not in study.targets}
    return unrated | (set() if set(figure5.SHOWN) <= set(study.names) else {"figure5"})


def page(study: Study, results: Mapping[str, Result]) -> str:
    """One HTML file that holds every table and figure."""
    first = next(iter(results.values()))
    subtitle = f"{study.label}; {', '.join(study.names)}; commit {first['made_with']['commit'] or 'unknown'}"
    sections = [_section(name, result) for name, result in results.items()]
    title = "Khorram et al. (2017), reproduced"
    return report.reproduction(sections, title, subtitle, _CAUTION if study.quick else None)


def _section(name: str, result: Result) -> dict[str, Any]:
    sheet = paper_tables.SHEETS[name](result)
    section: dict[str, Any] = {"name": name, "title": TITLES[name], **vars(sheet)}
    if name in drawing.DRAWN:
        figure = drawing.DRAWN[name](result)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=2 * _SCREEN_DPI)
        section |= {"picture": file.getvalue(), "width": round(figure.get_figwidth() * _SCREEN_DPI)}
    return section


def lines(name: str, result: Result) -> Sequence[str]:
    """A result's table as Markdown, which a terminal shows as well."""
    return paper_tables.SHEETS[name](result).lines()
