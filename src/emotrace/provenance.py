"""Which code, which packages and which machine made a result."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path


def made_with(*packages: str) -> dict[str, str | None]:
    """Versions of Python, this package and others, and the commit ("-dirty" with changes that are not committed).

    Args:
        packages: distributions to name beside this one.
    """
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("emotrace", *packages)},
        "commit": commit(),
    }


def commit() -> str | None:
    """The commit of the source that runs; None where it is not run from its repository, or there is no git."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    try:
        # Installed inside of somebody else's repository, theirs would answer.
        ours = here == Path(git("rev-parse", "--show-toplevel")) / "src" / "emotrace"
        return (git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*") or None) if ours else None
    except OSError:
        return None


def machine() -> dict[str, str | int | None]:
    """What a time was taken on: processor, cores, system."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    return {"processor": processor, "cores": os.cpu_count(), "system": platform.system()}
