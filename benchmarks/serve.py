"""Load ``emotrace serve``: 50 clients that upload at once, 20 that speak, on the cores that there are.

    python benchmarks/serve.py [SECONDS]

The server is a process of its own with its default limits; the clients run beside it, on the same cores. Each uploads
recordings of ten seconds to ten minutes one after the other and comes back after the time it is told where there is no
room. Every answer is compared, byte for byte, with what `emotrace.predict` gives; every live trace with what
`emotrace.Stream` gives. Memory is that of the server and its workers together (PSS), looked at every second.
"""

import asyncio
import io
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
import record
import soundfile
from websockets.asyncio.client import connect

import emotrace
from emotrace import audio

SECONDS = 300
UPLOADING, SPEAKING = 50, 20
LENGTHS_S = (10, 30, 60, 180, 600)
TALK_S = 40
PIECE_S = 0.1
RATE_HZ = 16000
DEMO = Path(__file__).parents[1] / "examples" / "demo.flac"


class Tally:
    """What came of it all."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.differing = 0
        self.audio_s = 0.0
        self.waits_s: dict[int, list[float]] = {length: [] for length in LENGTHS_S}
        self.talks = Counter[str]()
        self.lags_s: list[float] = []
        self.memory_mib: list[float] = []


def recordings() -> dict[int, tuple[bytes, str]]:
    """FLAC of each length, and the CSV that belongs to it."""
    speech = audio.load(DEMO)
    made = {}
    for length in LENGTHS_S:
        file = io.BytesIO()
        samples = np.resize(speech, length * RATE_HZ)
        soundfile.write(file, samples, RATE_HZ, format="FLAC")
        text = io.StringIO()
        emotrace.predict(file.getvalue()).to_csv(text)
        made[length] = file.getvalue(), text.getvalue()
    return made


def said() -> tuple[np.ndarray, np.ndarray, float]:
    """What every speaker says, its trace (frames, targets), and the stream's latency."""
    sound = (np.resize(audio.load(DEMO), TALK_S * RATE_HZ) * 32767).astype(np.int16)
    stream = emotrace.Stream(rate_hz=RATE_HZ)
    parts = [stream.push(piece).values for piece in pieces(sound)] + [stream.finish().values]
    return sound, np.concatenate(parts), stream.latency_s


def pieces(sound: np.ndarray) -> list[np.ndarray]:
    return np.array_split(sound, round(len(sound) / RATE_HZ / PIECE_S))


async def upload(address: str, made: dict[int, tuple[bytes, str]], seed: int, until: float, tally: Tally) -> None:
    rng = random.Random(seed)
    async with httpx.AsyncClient(timeout=300) as client:
        while time.monotonic() < until:
            length = rng.choice(LENGTHS_S)
            sound, expected = made[length]
            began = time.monotonic()
            try:
                answer = await client.post(f"{address}/v1/trace?format=csv", content=sound)
            except httpx.HTTPError as error:
                tally.statuses[type(error).__name__] += 1
                continue
            tally.statuses[str(answer.status_code)] += 1
            if answer.status_code == 200:
                tally.waits_s[length].append(time.monotonic() - began)
                tally.audio_s += length
                tally.differing += answer.text != expected
            else:
                await asyncio.sleep(float(answer.headers.get("retry-after", 1)) * rng.uniform(0.8, 1.2))


async def speak(
    address: str, sound: np.ndarray, expected: np.ndarray, latency_s: float, until: float, tally: Tally
) -> None:
    await asyncio.sleep(random.random())
    while time.monotonic() < until:
        try:
            tally.talks[await talk(address, sound, expected, latency_s, tally)] += 1
        except Exception as error:  # whatever ends a talk is a finding
            tally.talks[type(error).__name__] += 1
            await asyncio.sleep(1)


async def talk(address: str, sound: np.ndarray, expected: np.ndarray, latency_s: float, tally: Tally) -> str:
    async with connect(f"{address.replace('http', 'ws')}/v1/stream") as socket:
        await socket.send(json.dumps({"rate_hz": RATE_HZ, "format": "s16le"}))
        if json.loads(await socket.recv())["type"] == "error":
            return "refused"  # one that has just ended may still be counted
        began = time.monotonic()
        values: list[list[float]] = []

        async def listen() -> str:
            async for message in socket:
                told = json.loads(message)
                if told["type"] == "warning":
                    continue
                if told["type"] != "trace":
                    return str(told["type"])
                values.extend(zip(told["arousal"], told["valence"], strict=True))
                due_s = told["time_s"][0] + latency_s  # of these frames the first has waited longest
                if due_s < TALK_S:
                    tally.lags_s.append(time.monotonic() - began - due_s)
            return "closed"

        listening = asyncio.create_task(listen())
        for number, piece in enumerate(pieces(sound)):
            await asyncio.sleep(max(0.0, began + (number + 1) * PIECE_S - time.monotonic()))
            await socket.send(piece.tobytes())
        await socket.send(json.dumps({"type": "finish"}))
        ending = await listening
    same = ending == "end" and np.allclose(values, expected, atol=5.1e-5)
    return "as offline" if same else f"differs or ended by {ending}"


async def watch(pid: int, until: float, tally: Tally) -> None:
    while time.monotonic() < until:
        tally.memory_mib.append(sum(map(pss_mib, [pid, *children(pid)])))
        await asyncio.sleep(1)


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]


def pss_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


async def load(address: str, pid: int, seconds: float) -> Tally:
    tally, made, spoken = Tally(), recordings(), said()
    until = time.monotonic() + seconds
    await asyncio.gather(
        watch(pid, until, tally),
        *(upload(address, made, seed, until, tally) for seed in range(UPLOADING)),
        *(speak(address, *spoken, until, tally) for _ in range(SPEAKING)),
    )
    return tally


def percentiles(values: list[float]) -> dict[str, float]:
    if len(values) < 2:
        return {}
    cuts = statistics.quantiles(values, n=20)
    return {"median_s": round(statistics.median(values), 2), "p95_s": round(cuts[18], 2)}


def figures(tally: Tally, seconds: float, limits: dict[str, float]) -> dict[str, object]:
    third = max(1, len(tally.memory_mib) // 3)
    return {
        "seconds": seconds,
        "uploading": UPLOADING,
        "speaking": SPEAKING,
        "limits": limits,
        "answers": dict(tally.statuses),
        "answers_differing": tally.differing,
        "audio_hours": round(tally.audio_s / 3600, 2),
        "wait_by_length_s": {str(length): percentiles(waits) for length, waits in tally.waits_s.items()},
        "live": dict(tally.talks),
        "live_lag": percentiles(tally.lags_s),
        "memory_mib": {
            "first_third": round(max(tally.memory_mib[:third])),
            "last_third": round(max(tally.memory_mib[-third:])),
            "most": round(max(tally.memory_mib)),
        },
    }


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "emotrace", "serve", "--port", "0"]
        environment = {**os.environ, "TMPDIR": scratch}
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[3].rstrip("/")
            limits = httpx.get(f"{address}/v1/about", timeout=60).json()["limits"]
            tally = asyncio.run(load(address, server.pid, seconds))
        finally:
            server.terminate()
            server.wait()
    result = figures(tally, seconds, limits)
    print(json.dumps(result, indent=1))
    failed = set(tally.statuses) - {"200", "429"} or set(tally.talks) - {"as offline", "refused"} or tally.differing
    record.write("serve", result)
    if failed:
        raise SystemExit("answers other than 200 and 429, or other than offline")


if __name__ == "__main__":
    main()
