"""`emotrace stitch`: rated utterances to long recordings."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click


@click.command()
@click.argument("ratings", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--seed", default=1, show_default=True, help="One seed gives one corpus, bit for bit.")
@click.option("--recordings", default=1, show_default=True, type=click.IntRange(1), help="Recordings a speaker.")
@click.option("--duration", default=300.0, show_default=True, type=click.FloatRange(5), help="Seconds a recording.")
@click.option("--split", default="10/4/4", show_default=True, help="Speakers for training/development/test, as shares.")
def stitch(ratings: Path, out: Path, seed: int, recordings: int, duration: float, split: str) -> None:
    """Join rated utterances into long recordings with simulated raters, in RECOLA's layout.

    RATINGS is a CSV with the columns file,speaker,arousal_mean,valence_mean: files relative to it, ratings in [-1, 1].
    Raters are made to agree as RECOLA's do; a warning says where ratings change too little for that.
    """
    from emotrace.corpora import stitched

    try:
        shares = [int(part) for part in split.split("/")]
        if len(shares) != 3 or min(shares) < 0 or not sum(shares):
            raise ValueError
    except ValueError:
        raise click.UsageError(f"--split {split}: wants three whole numbers, as in 10/4/4") from None
    settings = stitched.Settings(duration_s=duration, recordings_per_speaker=recordings)

    def progress(names: Sequence[str]) -> Iterator[str]:
        with click.progressbar(names, label="recordings", file=sys.stderr) as bar:
            yield from bar

    reached = stitched.stitch(ratings, out, seed, settings, shares, progress)
    for target, numbers in reached.items():
        aim = settings.raters[target].ccc_raw
        click.echo(
            f"{target}: mean pairwise CCC of the simulated raters {numbers['ccc_raw']:.3f} "
            f"(RECOLA's: {aim:.3f}), centred {numbers['ccc_centred']:.3f}"
        )
    for text in stitched.short_of(reached, settings):
        click.echo(f"warning: {text}", err=True)
