"""A benchmark's figures as a file in ``benchmarks/results``, with what they were taken on."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def write(name: str, figures: dict[str, Any]) -> None:
    """Write ``results/NAME.json``."""
    # Here and not above: a process that is timed starts from the memory of the one that starts it.
    from emotrace.provenance import machine
    from emotrace.training.run import made_with

    RESULTS.mkdir(exist_ok=True)
    note = {"command": f"python benchmarks/{name}.py", "machine": machine(), "made_with": made_with(), **figures}
    (RESULTS / f"{name}.json").write_text(json.dumps(note, indent=1) + "\n")
