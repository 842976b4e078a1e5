"""Options that several commands take."""

import click

settings = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Lay a value over the configuration; may be repeated."
)
jobs = click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
