"""`emotrace serve`: the web page."""

import click

from emotrace.errors import EmotraceError


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; by default this machine alone.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--token",
    envvar="EMOTRACE_TOKEN",
    help="What clients must bring (or EMOTRACE_TOKEN). Where others reach the host, one is made up if none is given.",
)
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="A further name of this server.")
@click.option("--model", default="downup", show_default=True, help="A shipped model, or a model's folder.")
@click.option("--max-mb", default=200.0, show_default=True, type=click.FloatRange(0.001), help="Largest upload.")
@click.option(
    "--max-minutes", default=60.0, show_default=True, type=click.FloatRange(0.01), help="Longest recording or stream."
)
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1), help="Recordings at a time.")
@click.option("--queue", default=16, show_default=True, type=click.IntRange(0), help="Recordings that may wait.")
@click.option("--streams", default=20, show_default=True, type=click.IntRange(0), help="Live streams at a time.")
def serve(
    host: str,
    port: int,
    token: str | None,
    hosts: tuple[str, ...],
    model: str,
    max_mb: float,
    max_minutes: float,
    workers: int,
    queue: int,
    streams: int,
) -> None:
    """Serve a page to drop recordings on, and to speak into.

    Everything happens on this machine; what is sent is not kept.
    """
    try:
        from emotrace.server import serving
        from emotrace.server.limits import Limits
    except ModuleNotFoundError as error:
        if str(error.name).split(".")[0] == "emotrace":
            raise
        text = f'serving needs {error.name}, which is not installed; run: pip install "emotrace[web]"'
        raise EmotraceError(text) from None
    limits = Limits(max_mb=max_mb, max_minutes=max_minutes, workers=workers, queue=queue, streams=streams)
    serving.serve(
        host, port, limits, model, token, hosts, lambda url: click.echo(f"emotrace is at {url}  (Ctrl-C ends it)")
    )
