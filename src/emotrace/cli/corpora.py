"""`emotrace corpora`: what can be read."""

import textwrap

import click

_WIDTH = 100


@click.command()
@click.argument("name", required=False)
def corpora(name: str | None) -> None:
    """The corpora that can be read; NAME tells one's licence, citation, layout and quirks."""
    from emotrace import corpora

    if name is None:
        width = max(map(len, corpora.names()))
        for each in corpora.names():
            info = corpora.get(each).INFO
            click.echo(f"{each.ljust(width)}  {info.title}: {', '.join(info.targets)}")
        click.echo("\nemotrace corpora NAME tells more; emotrace check NAME ROOT looks at what you have.")
        return
    info = corpora.get(name).INFO
    low, high = info.unit_range
    click.echo(f"{name}: {info.title}")
    for head, text in (
        ("rated", f"{', '.join(info.targets)}; {info.label_rate_hz:g} label rows a second, {low:g} to {high:g}"),
        ("citation", info.citation),
        ("licence", info.licence),
        ("where to get it", info.access),
    ):
        click.echo(_wrapped(head, text))
    click.echo(f"layout:\n{textwrap.indent(info.layout, '  ')}")
    for quirk in info.quirks:
        click.echo(_wrapped("quirk", quirk))


def _wrapped(head: str, text: str) -> str:
    return textwrap.fill(f"{head}: {text}", _WIDTH, subsequent_indent="  ")
