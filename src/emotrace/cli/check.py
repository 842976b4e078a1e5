"""`emotrace check`: what is there of a corpus and what is wrong with it."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from emotrace.corpora.inspection import Labels, Report


@click.command()
@click.argument("corpus")
@click.argument("root", type=click.Path(path_type=Path))
@click.option("--problems-only", is_flag=True, help="Leave out the table.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write everything to this file too.")
@click.option("--force", is_flag=True, help="Write over a file that exists.")
def check(corpus: str, root: Path, problems_only: bool, json_path: Path | None, force: bool) -> None:
    """Look at every recording of a corpus: sound, labels, raters, and how they fit.

    CORPUS is a name that `emotrace corpora` lists, ROOT the folder that its layout speaks of. Ends with 0 where all is
    well, 1 where a file is missing or something is wrong, 2 where ROOT does not hold such a corpus. Labels that never
    move are named, and are no problem.
    """
    from emotrace import corpora
    from emotrace.corpora import inspection
    from emotrace.output import check_free, write_atomically

    if json_path is not None:
        check_free(json_path, force)
    reader = corpora.get(corpus)
    survey = reader.survey(root)
    looks = inspection.inspect(survey.recordings, reader.INFO.targets)
    with click.progressbar(looks, len(survey.recordings), label="recordings", file=sys.stderr) as reports:
        found = list(reports)
    if not problems_only:
        click.echo("\n".join(_table(found)))
    untold = inspection.untold(survey, found)
    problems = [problem for report in found for problem in report.problems] + untold
    for problem in problems:
        click.echo(f"problem: {problem}")
    to_look_at = inspection.to_look_at(found)
    for line in to_look_at:
        click.echo(f"look at: {line}")
    click.echo(_summary(reader.INFO.title, found, len(to_look_at), len(problems)))
    if json_path is not None:
        everything = {"corpus": corpus, "recordings": [_plain(report) for report in found], "problems": untold}
        everything["to_look_at"] = to_look_at
        text = json.dumps(everything, indent=1) + "\n"
        write_atomically(json_path, lambda file: file.write(text), force=force)
    if problems:
        sys.exit(1)


_HEADER = ("recording", "part", "sound", "labels", "rows", "raters", "from s", "to s", "matched")


def _table(reports: Sequence["Report"]) -> list[str]:
    rows = [_HEADER, *(row for report in reports for row in _rows(report))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _rows(report: "Report") -> list[tuple[str, ...]]:
    head = (report.recording.id, report.recording.partition or "-", _sound(report))
    cells = [_cells(labels) for labels in report.labels] or [("none", "-", "-", "-", "-", "-")]
    first, *others = cells
    return [head + first, *(("", "", "", *other) for other in others)]


def _sound(report: "Report") -> str:
    sound = report.sound
    if sound is None:
        path = report.recording.audio
        return "none" if path is None else "unreadable" if path.is_file() else "missing"
    kind = f" {sound.rate_hz / 1000:g} kHz x{sound.channels}" if sound.rate_hz else ""
    return f"{sound.duration_s:.2f} s{kind}"


def _cells(labels: "Labels") -> tuple[str, ...]:
    raters = str(labels.raters) if labels.raters else "gold only"
    first_s, last_s = (f"{time_s:.2f}" for time_s in labels.span_s)
    return labels.target, str(labels.rows), raters, first_s, last_s, labels.rule or "NOT MATCHED"


def _summary(title: str, reports: Sequence["Report"], to_look_at: int, problems: int) -> str:
    hours = sum(report.sound.duration_s for report in reports if report.sound) / 3600
    parts = Counter(report.recording.partition or "no partition" for report in reports)
    split = ", ".join(f"{parts[part]} {part}" for part in sorted(parts))
    kept_back = sum(report.recording.kept_back for report in reports)
    without = f", {kept_back} without labels" if kept_back else ""
    found = "no problems" if not problems else f"{problems} problem{'s' if problems > 1 else ''}"
    looks = f", {to_look_at} to look at" if to_look_at else ""
    return f"{title}: {len(reports)} recordings ({split}){without}, {hours:.2f} hours of sound{looks}, {found}"


def _plain(report: "Report") -> dict[str, object]:
    recording = report.recording
    return {
        "id": recording.id,
        "audio": None if recording.audio is None else recording.audio.name,
        "partition": recording.partition,
        "speaker": recording.speaker,
        "label_rate_hz": recording.label_rate_hz,
        "sound": None if report.sound is None else asdict(report.sound),
        "labels": [asdict(labels) for labels in report.labels],
        "problems": list(report.problems),
    }
