"""`emotrace report`: the traces of a study on one page."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from emotrace.errors import EmotraceError, TraceError

if TYPE_CHECKING:
    from emotrace.trace import Trace


@click.command()
@click.argument("traces", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The page, for instance study.html.")
@click.option("--title", help="Its heading; the page's own name by default.")
@click.option("--force", is_flag=True, help="Write over a page that exists.")
def report(traces: tuple[Path, ...], out: Path, title: str | None, force: bool) -> None:
    """Show the traces of many recordings on one page that opens anywhere, offline.

    TRACES are files (.csv or .json) that predict wrote, or folders of them; what else lies in a folder is left out.
    Where the page of a recording alone lies beside its trace (talk.html beside talk.json, from predict --format json
    --format html), the study links to it. CSV holds no warnings, so the study shows none of such a recording.
    """
    from emotrace import report as pages
    from emotrace.output import check_free, shown, write_atomically

    check_free(out, force)
    found = {path: pages.study_entry(trace, path.stem, _link(path, out)) for path, trace in _read_all(traces)}
    folder = Path(os.path.commonpath([path.absolute().parent for path in found] or [Path()]))
    entries = [{**entry, "name": _name(path, folder)} for path, entry in found.items()]
    page = pages.study(entries, title or shown(out.stem))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, lambda file: file.write(page), force=force)
    click.echo(f"{shown(str(out))}: {len(entries)} recording{'s' if len(entries) > 1 else ''}")
    if without := sum(path.suffix.lower() == ".csv" for path in found):
        click.echo(
            f"warnings are not shown of {without} of {len(entries)} recordings, whose traces are CSV and hold none; "
            "emotrace predict --format json keeps them",
            err=True,
        )


def _found(given: tuple[Path, ...]) -> list[Path]:
    """Every trace once; of two files of one recording JSON, which has its warnings."""
    found: dict[Path, Path] = {}
    for path in given:
        if path.is_dir():
            inside = [each for kind in ("json", "csv") for each in sorted(path.rglob(f"*.{kind}"))]
            if not inside:
                raise EmotraceError(f"{path}: no .csv or .json in this folder; make traces with emotrace predict")
        elif path.exists():
            inside = [path]
        else:
            raise EmotraceError(f"{path}: no such file or folder; check the path")
        for each in inside:
            name = each.absolute().with_suffix("")
            if name not in found or each.suffix.lower() == ".json":
                found[name] = each
    return [found[name] for name in sorted(found)]


def _read_all(given: tuple[Path, ...]) -> Iterator[tuple[Path, "Trace"]]:
    """What of all that is found is a trace, one at a time; a file that was asked for by name must be one."""
    for path in _found(given):
        try:
            trace = _read(path)
        except TraceError as error:
            if path in given:
                raise
            click.echo(f"left out: {error}", err=True)
            continue
        yield path, trace


def _name(path: Path, folder: Path) -> str:
    from emotrace.output import shown

    return shown(path.absolute().relative_to(folder).with_suffix("").as_posix())


def _read(path: Path) -> "Trace":
    from emotrace.trace import Trace

    return Trace.from_json(path) if path.suffix.lower() == ".json" else Trace.from_csv(path)


def _link(path: Path, out: Path) -> str | None:
    """Address of a recording's own page, relative to the study's, or None where there is none."""
    own = path.with_suffix(".html")
    if not own.is_file() or own.absolute() == out.absolute():
        return None
    return quote(os.fsencode(Path(os.path.relpath(own.absolute(), out.absolute().parent)).as_posix()))
