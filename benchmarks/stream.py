"""Time and memory of a live stream, on one core.

Ten minutes of sound in pushes of 40 ms: what a push takes, in wall time and in processor time (on a busy machine the
wall waits for others). Then a day of sound, the ten minutes of it over and over, in larger pushes: resident memory,
time stamps, and how far the trace of the last ten minutes is from that of the same ten minutes after an hour. How the
sound is cut does not change the trace, so that the day need not take a day.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import record

from emotrace import Stream, audio

RATE_HZ = 16000
LAP_S = 600
PUSH = RATE_HZ // 25
LIMIT_MS = 2
"""What a push may take for streams to be light (a push is 40 ms of sound)."""
SPEECH = Path(__file__).parents[1] / "examples" / "demo.flac"


def make_sound() -> np.ndarray:
    """Ten minutes: the demo recording over and over, louder and softer."""
    count = LAP_S * RATE_HZ
    gain = 10 ** (0.5 * np.sin(2 * np.pi * np.arange(count) / count * 7))
    return (np.resize(audio.load(SPEECH), count) * gain / 4).astype(np.float32)


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def figures_of(seconds: list[float]) -> dict[str, float | int]:
    ms = 1000 * np.array(seconds)
    numbers = {"median_ms": np.median(ms), "p99_ms": np.quantile(ms, 0.99), "max_ms": ms.max(), "mean_ms": ms.mean()}
    counts = {"pushes": len(ms), f"over_{LIMIT_MS}_ms": int((ms > LIMIT_MS).sum())}
    return {name: round(float(value), 3) for name, value in numbers.items()} | counts


def time_pushes(model: str, sound: np.ndarray) -> dict[str, dict[str, float | int]]:
    stream = Stream(model)
    wall: list[float] = []
    processor: list[float] = []
    for start in range(0, len(sound), PUSH):
        began, began_processor = time.perf_counter(), time.process_time()
        stream.push(sound[start : start + PUSH])
        wall.append(time.perf_counter() - began)
        processor.append(time.process_time() - began_processor)
    return {"wall": figures_of(wall), "processor": figures_of(processor)}


def run_long(model: str, sound: np.ndarray, hours: float) -> dict[str, float]:
    stream = Stream(model)
    laps = round(hours * 3600 / LAP_S)
    kept: dict[int, np.ndarray] = {}
    memory: list[float] = []
    for lap in range(laps):
        parts = [stream.push(piece) for piece in np.array_split(sound, LAP_S // 10)]
        if lap in (6, laps - 1):
            kept[lap] = np.concatenate([part.values for part in parts])
        memory.append(resident_mib())
    stream.finish()
    drift = float(np.abs(kept[laps - 1] - kept[6]).max())
    return {
        "hours": hours,
        "frames": stream.frames,
        "time_s": round(stream.time_s, 2),
        "resident_mib_after_an_hour": round(memory[6], 1),
        "resident_mib_at_the_end": round(memory[-1], 1),
        "difference_from_the_second_hour": drift,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="live")
    parser.add_argument("--hours", type=float, default=24.0)
    given = parser.parse_args()
    sound = make_sound()
    pushes = time_pushes(given.model, sound)
    for clock, numbers in pushes.items():
        print(f"40 ms of sound, {clock:9s}", *(f"{name} {value:.3f}" for name, value in numbers.items()))
    day = run_long(given.model, sound, given.hours)
    print(day)
    record.write("stream", {"push": pushes, "day": day, "latency_s": round(Stream(given.model).latency_s, 3)})


if __name__ == "__main__":
    main()
