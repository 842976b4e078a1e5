"""Time the whole of ``emotrace predict``, as a user meets it: a process, from start to CSV.

An hour of 16 kHz WAV and a clip of ten seconds, synthesised in a temporary folder (speed does not depend on what is
said), each several times; the hour beside the same process reading and writing the same bytes and nothing else, the
floor. Prints medians, times real time, and the largest resident memory.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import record
import soundfile

RATE_HZ = 16000
RUNS = 5
_FLOOR = "import sys; d = open(sys.argv[1], 'rb').read(); open(sys.argv[2], 'wb').write(d[:4_000_000])"


def make_wav(path: Path, seconds: int) -> None:
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE_HZ, 1, "PCM_16") as file:
        for start in range(0, seconds, 10):
            length = min(10, seconds - start) * RATE_HZ
            syllables = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * np.arange(length) / RATE_HZ)
            file.write(0.1 * syllables * rng.normal(size=length))


class Cost(NamedTuple):
    """What a process or a call took: seconds on the wall, seconds of all cores, and the most memory it held."""

    seconds: float
    core_seconds: float
    resident_mib: float = 0.0


def run(command: list[str]) -> Cost:
    """Run a process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return Cost(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        hour, clip, out = Path(folder, "hour.wav"), Path(folder, "clip.wav"), str(Path(folder, "out.csv"))
        make_wav(hour, 3600)
        make_wav(clip, 10)
        predict = [sys.executable, "-m", "emotrace", "predict", "--force", "-o", out]
        floor = [sys.executable, "-c", _FLOOR, str(hour), out]
        run([*predict, str(clip)])
        table: dict[str, list[Cost]] = {"hour": [], "floor": [], "clip": []}
        for _ in range(RUNS):
            table["hour"].append(run([*predict, str(hour)]))
            table["floor"].append(run(floor))
            table["clip"].append(run([*predict, str(clip)]))
    figures = {}
    for name, runs in table.items():
        middle = Cost(*(statistics.median(column) for column in zip(*runs, strict=True)))
        figures[name] = {
            "seconds": round(middle.seconds, 2),
            "core_seconds": round(middle.core_seconds, 2),
            "resident_mib": round(middle.resident_mib),
        }
        spread = f"{min(runs).seconds:.2f} to {max(runs).seconds:.2f}"
        print(
            f"{name:6s} {middle.seconds:6.2f} s ({spread}), {middle.core_seconds:6.2f} s of cores, "
            f"{middle.resident_mib:4.0f} MiB resident"
        )
    ratios = [hour.seconds / floor.seconds for hour, floor in zip(table["hour"], table["floor"], strict=True)]
    times_real_time = round(3600 / figures["hour"]["seconds"])
    print(f"an hour of speech: {times_real_time} times real time, {statistics.median(ratios):.0f} times the floor")
    record.write("predict", {**figures, "times_real_time": times_real_time})


if __name__ == "__main__":
    main()
