"""`emotrace corpora`: what can be read."""

import click


@click.command()
@click.argument("name", required=False)
def corpora(name: str | None) -> None:
    """The corpora that can be read; NAME tells one's licence, citation, layout and quirks."""
    from emotrace import corpora

    for each in corpora.names() if name is None else [name]:
        info = corpora.get(each).INFO
        click.echo(f"{each}: {info.title}; {', '.join(info.targets)}; {info.licence}")
        if name is not None:
            lines = [f"citation: {info.citation}", f"where to get it: {info.access}", f"layout:\n{info.layout}"]
            click.echo("\n".join([*lines, *(f"quirk: {quirk}" for quirk in info.quirks)]))
