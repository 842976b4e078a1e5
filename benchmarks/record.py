"""A benchmark's figures as a file in ``benchmarks/results``, with what they were taken on."""

import functools
import json
import shlex
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def write(name: str, figures: dict[str, Any], part: str | None = None) -> None:
    """Write ``results/NAME.json``, or ``results/NAME-PART.json`` of a part that was run alone."""
    RESULTS.mkdir(exist_ok=True)
    command = shlex.join(["python", f"benchmarks/{name}.py", *sys.argv[1:]])
    path = RESULTS / f"{'-'.join(filter(None, (name, part)))}.json"
    path.write_text(json.dumps({"command": command, **_origin(), **figures}, indent=1) + "\n")


@functools.cache
def _origin() -> dict[str, Any]:
    """Machine, versions and commit, asked for once: a result that is written in parts changes what is committed."""
    # Here and not above: a process that is timed starts from the memory of the one that starts it.
    from emotrace.provenance import machine
    from emotrace.training.run import made_with

    return {"machine": machine(), "made_with": made_with()}
