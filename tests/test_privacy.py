"""Nothing leaves the machine, and nothing is kept on it that nobody asked for."""

import os
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[1] / "examples" / "demo.flac"


def test_predicting_leaves_nothing_behind(tmp_path):
    # onnxruntime's telemetry shows in files (an identifier, a database of events) long before it shows on the network.
    code = f"import emotrace; emotrace.predict({str(DEMO)!r})"
    places = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR")}
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **places})
    assert list(tmp_path.rglob("*")) == []
