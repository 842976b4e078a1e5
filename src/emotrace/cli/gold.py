"""`emotrace gold`: rater traces to a gold standard."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click
from click.core import ParameterSource

from emotrace.cli.failing import end_with
from emotrace.errors import EmotraceError, UnratedError
from emotrace.output import check_free

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emotrace.annotation import Ratings
    from emotrace.annotation.agreement import AgreementTable
    from emotrace.annotation.files import RaterTrace
    from emotrace.annotation.lag import Lag
    from emotrace.annotation.standard import GoldStandard
    from emotrace.corpora import Recording

_METHODS = ("mean", "avec2016", "ewe", "aligned")  # annotation.standard.METHODS, not imported for the sake of --help
_MEASURES = (
    ("RMSE", "rmse"),
    ("CCC", "ccc"),
    ("Pearson", "pearson"),
    ("ICC(2,k)", "icc_2k"),
    ("Cronbach's alpha", "cronbach_alpha"),
)
_OTHER_LENGTH = 0.1  # of the longer one: raters may begin late or stop early, though not by so much


@dataclass(frozen=True)
class _Options:
    """How to fuse, and what to write."""

    method: str
    lag_s: float
    driver: Path | None
    scale: tuple[float, float] | None
    spread: bool
    png: bool
    force: bool


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The CSV; a folder with --corpus.")
@click.option("--method", default="aligned", show_default=True, type=click.Choice(_METHODS), help="How to fuse.")
@click.option("--lag", default=0.0, metavar="SECONDS", help="How late all raters are together; taken out.")
@click.option(
    "--driver",
    type=click.Path(path_type=Path),
    help="What the raters heard or followed (audio, or CSV with time,value): gives the lag that all share.",
)
@click.option("--scale", nargs=2, type=float, metavar="LOW HIGH", help="The slider's ends: fuse as if it had none.")
@click.option("--rate-hz", default=25.0, show_default=True, help="Frames a second of the gold standard.")
@click.option(
    "--resample",
    default="auto",
    show_default=True,
    type=click.Choice(("auto", "hold", "linear")),
    help="Between entries: the last one holds, or a line. auto: hold where entries are irregular.",
)
@click.option("--max-gap-s", default=1.0, show_default=True, help="Gaps up to this long are filled.")
@click.option("--corpus", help="Fuse the recordings of this corpus; FILES is then its folder.")
@click.option("--target", default=None, help="What was rated: of columns called by it, those; needed with --corpus.")
@click.option("--spread", is_flag=True, help="Further columns: SD over raters, standard error, raters.")
@click.option("--png", is_flag=True, help="A picture of raters and gold standard, beside the CSV.")
@click.option("--force", is_flag=True, help="Write over files that exist.")
def gold(
    files: tuple[Path, ...],
    out: Path,
    method: str,
    lag: float,
    driver: Path | None,
    scale: tuple[float, float] | None,
    rate_hz: float,
    resample: str,
    max_gap_s: float,
    corpus: str | None,
    target: str | None,
    spread: bool,
    png: bool,
    force: bool,
) -> None:
    """Fuse the traces of several raters into one gold standard.

    FILES: one CSV with a time column and a column a rater, or one CSV a rater with time and value. Delimiter and header
    are recognised. ELAN, Praat, NOVA and audformat will do as well, a tier a rater. With --corpus NAME, FILES is the
    folder of that corpus and -o a folder.
    """
    options = _Options(method, lag, driver, scale, spread, png, force)
    _reject_impossible(options, rate_hz, max_gap_s)
    if corpus is not None:
        _reject_resampling()
        _of_corpus(corpus, files, target, out, options)
        return
    from emotrace.annotation import files as rater_files

    _check_free(out, options)
    traces = rater_files.read(files, target)
    _tell_guessed_unit(traces)
    ratings = rater_files.ratings(traces, target or "rating", rate_hz, resample, max_gap_s)  # type: ignore[arg-type]
    if len(traces) > 1 and rater_files.logged(traces) and resample == "auto":
        click.echo("entries come at irregular times: a value holds until the next one (--resample linear joins them)")
    out.parent.mkdir(parents=True, exist_ok=True)
    _report(ratings, _fused(ratings, options), out, options)


def _tell_guessed_unit(traces: "Sequence[RaterTrace]") -> None:
    from emotrace.annotation import files

    if guessed := files.in_guessed_ms(traces):
        click.echo(f"{guessed}: no unit of time, steps of milliseconds: taken as such (else call it time_s)")


def _reject_impossible(options: _Options, rate_hz: float, max_gap_s: float) -> None:
    scale = options.scale
    if scale is not None and not -math.inf < scale[0] < scale[1] < math.inf:
        raise EmotraceError(f"--scale {scale[0]:g} {scale[1]:g}: give the lower end first, then the upper one")
    if not math.isfinite(options.lag_s):
        raise EmotraceError(f"--lag {options.lag_s:g}: give seconds")
    if options.driver is not None and options.lag_s:
        raise EmotraceError("--lag and --driver both say how late all raters are; give one")
    if not 0 < rate_hz < math.inf:
        raise EmotraceError(f"--rate-hz {rate_hz:g}: give a positive rate, such as 25")
    if not max_gap_s >= 0:
        raise EmotraceError(f"--max-gap-s {max_gap_s:g}: give 0 or more")


def _reject_resampling() -> None:
    """A corpus's ratings are fused at their own rate: what would change that must not seem to have worked."""
    context = click.get_current_context()
    for name in ("rate_hz", "resample", "max_gap_s"):
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise EmotraceError(
                f"--{name.replace('_', '-')} does not go with --corpus, whose ratings keep their rate; leave it out"
            )


def _of_corpus(name: str, given: tuple[Path, ...], target: str | None, out: Path, options: _Options) -> None:
    from emotrace import corpora
    from emotrace.output import file_names

    reader = corpora.get(name)
    if len(given) != 1:
        raise click.UsageError(f"--corpus {name}: give one folder, the corpus's root")
    recordings = reader.survey(given[0]).apart()
    if target not in (rated := corpora.targets_of(reader.INFO, recordings)):
        raise click.UsageError(f"--corpus {name}: add --target {' or '.join(rated)}")
    if options.driver is not None:
        raise click.UsageError("--driver is of one recording; it does not go with --corpus")
    named = file_names(recording.id for recording in recordings)
    out.mkdir(parents=True, exist_ok=True)
    failed, unrated = [], []
    for recording in recordings:
        try:
            path = out / f"{named[recording.id]}.csv"
            _check_free(path, options)
            ratings = _ratings(recording, str(target))
            click.echo(f"{recording.id}:")
            _report(ratings, _fused(ratings, options), path, options)
        except UnratedError:
            unrated.append(recording.id)
        except EmotraceError as error:
            failed.append(str(error) if recording.id in str(error) else f"{recording.id}: {error}")
    if unrated:
        click.echo(f"\nwithout ratings of {target}, left out: {', '.join(unrated)}")
    if len(unrated) == len(recordings):
        raise EmotraceError(f"{given[0]}: no recording has ratings of {target}; there is nothing to fuse")
    end_with(failed, len(recordings))


def _ratings(recording: "Recording", target: str) -> "Ratings":
    """The raters' traces; UnratedError where labels are kept back, as those of a test part, or there are none."""
    if recording.kept_back or (recording.targets is not None and target not in recording.targets):
        raise UnratedError(f"{recording.id}: no labels of {target}")
    return recording.ratings(target)


def _fused(ratings: "Ratings", options: _Options) -> "GoldStandard":
    from emotrace.annotation import standard

    scale, method = options.scale, options.method
    first = standard.gold_standard(ratings, method, common_lag_s=options.lag_s, unit_range=scale)
    if options.driver is None:
        return first
    found = _lag_to_driver(first, options.driver)
    click.echo(f"lag shared by all, from {options.driver}: {_lag_text(found)}")
    if not found.known:
        why = "at no lag up to 8 s" if found.at_edge else f"too little (r = {found.correlation:.2f}) for so long a lag"
        raise EmotraceError(f"{options.driver}: goes with the ratings {why}; give the lag with --lag instead")
    fused = standard.gold_standard(ratings, method, lags_s=first.lags_s, common_lag_s=found.lag_s, unit_range=scale)
    return replace(fused, lags=first.lags)


def _lag_to_driver(fused: "GoldStandard", path: Path) -> "Lag":
    import numpy as np

    from emotrace.annotation import lag, resampling

    time_s, levels = _driver(path)
    step_s = float(np.median(np.diff(fused.time_s)))
    _warn_of_other_length(path, float(time_s[-1]), float(fused.time_s[-1]))
    on_grid = resampling.onto_grid(time_s, levels, fused.time_s)
    return lag.between(on_grid, fused.values, 1.0 / step_s, (-1.0, lag.MAX_LAG_S))


def _driver(path: Path) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Times and values of what the raters followed, both (N,)."""
    import numpy as np

    from emotrace import audio
    from emotrace.annotation import activity, files
    from emotrace.trace import FRAME_S

    if path.suffix.lower() in audio.SUFFIXES:
        levels = activity.loudness(path)
        return np.arange(len(levels), dtype=np.float64) * FRAME_S, levels
    given, *more = files.read_columns(path)
    if more:
        raise EmotraceError(f"{path}: has {1 + len(more)} value columns; a driver has a time and one value")
    _tell_guessed_unit([given])
    return given.time_s, given.values


def _warn_of_other_length(path: Path, driver_end_s: float, ratings_end_s: float) -> None:
    if abs(driver_end_s - ratings_end_s) > _OTHER_LENGTH * max(driver_end_s, ratings_end_s):
        click.echo(
            f"warning: {path} ends at {driver_end_s:.1f} s, the ratings at {ratings_end_s:.1f} s; "
            "check that they are of one recording",
            err=True,
        )


def _report(ratings: "Ratings", fused: "GoldStandard", out: Path, options: _Options) -> None:
    from emotrace.annotation import lag, standard
    from emotrace.annotation.agreement import agreement_table

    rate_hz = standard.rate_of(ratings)
    count = len(ratings.raters)
    click.echo(f"{count} rater{'s' if count > 1 else ''}, {len(ratings.time_s)} frames at {rate_hz:g} Hz")
    warnings = []
    if len(ratings.raters) > 1:
        click.echo("\n".join(_agreement_lines(agreement_table(ratings.values))))
        aligned = agreement_table(lag.shift_raters(ratings.values, fused.lags_s, rate_hz))
        if fused.lags is not None:
            click.echo(f"  with lags taken out: CCC {aligned.raw.ccc:.3f} raw, {aligned.centred.ccc:.3f} centred")
        warnings += [text for text in (standard.too_low(aligned),) if text]
        click.echo("\n".join(_rater_lines(fused)))
        if fused.lags is not None and options.driver is None and not options.lag_s:
            click.echo("  raters alone tell who is later than whom; for how late all are together: --driver or --lag")
    warnings += [f"{name} never moves: one value throughout" for name in fused.still]
    warnings += [f"{name} does not go with the others (an outlier)" for name in fused.outliers]
    for text in warnings:
        click.echo(f"warning: {text}", err=True)
    _write(fused, out, options)
    if options.png:
        _draw(ratings, fused, out, options)
    click.echo(f"{options.method} -> {out}" + (f", {out.with_suffix('.png')}" if options.png else ""))


def _agreement_lines(table: "AgreementTable") -> Iterator[str]:
    yield "  agreement            raw  centred"
    for title, name in _MEASURES:
        raw, centred = (_or_dash(getattr(half, name)) for half in (table.raw, table.centred))
        yield f"  {title:<17}{raw:>7}{centred:>9}"
    if math.isnan(table.raw.cronbach_alpha):
        yield "  -: no two frames were rated by all, so that only pairs can be compared"


def _or_dash(figure: float) -> str:
    return "-" if math.isnan(figure) else f"{figure:.3f}"


def _rater_lines(fused: "GoldStandard") -> Iterator[str]:
    width = max(5, *(len(name) for name in fused.raters))
    yield f"  {'rater':<{width}}  lag (s)  sharp within  r with others  weight"
    for number, name in enumerate(fused.raters):
        sharp = f"±{fused.lags[number].half_width_s:.2f} s" if fused.lags is not None else "-"
        unsure = " lag unknown, not moved" if fused.lags is not None and fused.lags[number].at_edge else ""
        yield (
            f"  {name:<{width}}  {fused.lags_s[number]:>7.2f}  {sharp:>12}  {fused.agreement[number]:>13.2f}"
            f"  {fused.weights[number]:>6.3f}{unsure}"
        )


def _lag_text(found: "Lag") -> str:
    return f"{found.lag_s:.2f} s (r = {found.correlation:.2f}, sharp within ±{found.half_width_s:.2f} s)"


def _write(fused: "GoldStandard", out: Path, options: _Options) -> None:
    import numpy as np

    from emotrace.annotation.fusion import SPREAD_COLUMNS
    from emotrace.output import write_atomically

    columns = [fused.values]
    header = "time_s,value"
    if options.spread:
        columns += [getattr(fused.spread, name) for name in SPREAD_COLUMNS]
        header = ",".join([header, *SPREAD_COLUMNS])
    digits = 2 if np.abs(fused.time_s - fused.time_s.round(2)).max() < 1e-6 else 6

    def write(file: IO[str]) -> None:
        file.write(header + "\n")
        for time_s, *cells in zip(fused.time_s, *columns, strict=True):
            row = ["" if np.isnan(cell) else f"{cell + 0.0:.6f}" for cell in cells]
            file.write(f"{time_s:.{digits}f}," + ",".join(row) + "\n")

    write_atomically(out, write, force=options.force)


def _draw(ratings: "Ratings", fused: "GoldStandard", out: Path, options: _Options) -> None:
    from emotrace import plots

    figure = plots.plot_gold(ratings, fused, title=out.stem)
    plots.save(figure, out.with_suffix(".png"), force=options.force)


def _check_free(out: Path, options: _Options) -> None:
    """Refuse outputs that could not be written, before the work rather than after it."""
    check_free(out, options.force)
    if out.suffix.lower() == ".png":
        csv = out.with_suffix(".csv")
        raise EmotraceError(f"{out}: -o names the CSV, such as {csv}; --png puts a picture of the same name beside it")
    if options.png:
        # Named only now: a folder such as . has no ending to change.
        check_free(out.with_suffix(".png"), options.force)
