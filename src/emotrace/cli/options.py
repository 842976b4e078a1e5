"""Options that several commands take."""

import click

settings = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Lay a value over the configuration; may be repeated."
)
device = click.option(
    "--device", default="cpu", show_default=True, help="Where networks are trained, in PyTorch's words (cuda)."
)
jobs = click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
