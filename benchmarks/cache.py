"""Memory and time of training on hours of audio: features prepared, one epoch, and a second start from the cache.

Synthetic recordings of half an hour in RECOLA's layout (memory does not depend on what is said): 10 hours as they
are, and 2.5 hours with an augmented variant of each; each step a process of its own on one core. Prints the size of
the features on disk, and for each step seconds and the largest anonymous memory (Linux's RssAnon: memory-mapped
pages, which the system takes back at will, are not in it).
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import record
import soundfile

RATE_HZ = 16000
FILE_S = 1800
STEPS = ("nothing", "prepare", "prepare again", "epoch")

_STEP = """
import json, sys, threading, time
from pathlib import Path

def anonymous_mib():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024

peak, over = [0.0], threading.Event()
def watch():
    while not over.wait(0.02):
        peak[0] = max(peak[0], anonymous_mib())

import torch
from emotrace.training import loop
from emotrace.training.config import Config
from emotrace.training.dataset import prepare

torch.set_num_threads(1)
root, step = Path(sys.argv[1]), sys.argv[2]
watching = threading.Thread(target=watch)
watching.start()
began = time.perf_counter()
config = Config(root=root / "corpus", variants=int(sys.argv[3]), arguments={"size": 160}, epochs=1)
if step != "nothing":
    data = prepare(config, root / "features")
if step == "epoch":
    loop.fit(config, 0, data, root / "run" / "checkpoint.npz")
seconds = time.perf_counter() - began
over.set()
watching.join()
print(json.dumps({"seconds": round(seconds, 1), "anonymous_mib": round(max(peak[0], anonymous_mib()))}))
"""


def make_corpus(root: Path, hours: float) -> None:
    """Recordings of white noise whose level is the rating: the first ones for training, the last for development."""
    from emotrace.annotation import Ratings
    from emotrace.corpora import recola

    count = round(hours * 3600 / FILE_S)
    (root / recola.AUDIO_FOLDER).mkdir(parents=True)
    time_s = np.arange(FILE_S * 25) * 0.04
    lines = ["id,partition"]
    for number in range(count):
        rng = np.random.default_rng(number)
        level = np.sin(2 * np.pi * time_s / rng.uniform(20, 60)) * 0.8
        with soundfile.SoundFile(root / recola.AUDIO_FOLDER / f"P{number}.wav", "w", RATE_HZ, 1, "PCM_16") as file:
            for minute in np.split(level, FILE_S // 60):
                loudness = np.repeat(0.05 * 10 ** (minute / 2), RATE_HZ // 25)
                file.write(loudness * rng.normal(size=len(loudness)))
        raters = level[:, None] + 0.05 * rng.normal(size=6)
        for target in recola.INFO.targets:
            path = root / recola.LABELS_FOLDER / target / f"P{number}.csv"
            recola.write_ratings(path, Ratings(time_s, raters, recola.RATERS, target))
        lines.append(f"P{number},{'train' if number < count - 1 else 'dev'}")
    (root / recola.PARTITION_FILE).write_text("\n".join(lines) + "\n")


def main() -> None:
    table: dict[str, dict[str, Any]] = {}
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for hours, variants in ((10.0, 0), (2.5, 1)):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            make_corpus(root / "corpus", hours)
            figures = {}
            for step in STEPS:
                command = [sys.executable, "-c", _STEP, folder, step, str(variants)]
                done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
                figures[step] = json.loads(done.stdout)
            size_mib = sum(path.stat().st_size for path in (root / "features").glob("*.npy")) / 2**20
        print(f"{hours:g} hours, {variants} variants of each; features on disk {size_mib:.0f} MiB", flush=True)
        for step, figure in figures.items():
            print(f"  {step:14s} {figure['seconds']:6.1f} s, {figure['anonymous_mib']:5.0f} MiB anonymous")
        table[f"{hours:g}_hours"] = {"variants": variants, "features": {"disk_mib": round(size_mib)}, **figures}
    record.write("cache", {"file_s": FILE_S, **table})


if __name__ == "__main__":
    main()
