"""The command line, one file a command: parse, import what the command needs, call, print.

A module of this folder that is named in `COMMANDS` defines the click command of the same name. Heavy packages are
imported inside the commands, so that help and mistakes in arguments answer at once.
"""

from importlib import import_module
from typing import Any

import click

from emotrace.cli.failing import fail
from emotrace.errors import EmotraceError

COMMANDS = (
    "predict",
    "report",
    "stream",
    "serve",
    "models",
    "corpora",
    "check",
    "features",
    "gold",
    "stitch",
    "train",
    "search",
    "export",
    "evaluate",
    "reproduce",
)


class _Commands(click.Group):
    """Ends a command with one line and exit code 2 where a user erred; imports a command when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        found: click.Command = getattr(import_module(f"{__name__}.{name}"), name)
        return found

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EmotraceError as error:
            fail(str(error))
        except BrokenPipeError:
            raise
        except OSError as error:
            fail(f"{error.filename or 'output'}: {error.strerror or error}; check the path, its rights and free space")
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] == "emotrace":
                raise
            fail(f'this command needs the package {error.name}; install it with: pip install "emotrace[train]"')


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="emotrace")
def main() -> None:
    """Speech in, arousal and valence traces out, every 40 ms.

    Everything runs on this machine; no recording leaves it.
    """
