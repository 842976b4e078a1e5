"""How fast the log mel front end is, beside kaldi-native-fbank and beside what the machine allows.

    python benchmarks/frontend.py [WAV]

Both work on the same five minutes (speech-like noise where no file is given; a shorter file is repeated), one after the
other in one process, and the ratio is taken pair by pair: whatever else the machine does weighs on both. The floor is
the work that no implementation of this feature is spared: one real transform of 512 points a frame, timed alone on as
many frames with the same library, and reading the samples and writing the rows once, timed as copies.
"""

import argparse
import math
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import kaldi_native_fbank
import numpy as np
import record
from scipy import fft

from emotrace import audio
from emotrace.features import logmel

SECONDS = 300
POINTS = 512
CHUNK = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("wav", nargs="?", type=Path, help="a sound file; speech-like noise without")
    parser.add_argument("--repeats", type=int, default=9, help="pairs of timings (9)")
    arguments = parser.parse_args()
    samples = speech_like() if arguments.wav is None else np.resize(audio.load(arguments.wav), SECONDS * audio.RATE_HZ)
    ours, theirs = logmel.log_mel(samples), kaldi(samples)
    frames = len(ours)
    print(f"{platform.machine()}, NumPy {np.__version__}, kaldi-native-fbank {kaldi_native_fbank.__version__}")
    print(f"{SECONDS} s at 16 kHz, {frames} frames, largest difference {np.abs(ours - theirs).max():.1e}\n")

    calls: dict[str, Callable[[], object]] = {
        "emotrace log_mel": lambda: logmel.log_mel(samples),
        "kaldi-native-fbank": lambda: kaldi(samples),
        "the same, rows left inside": lambda: computed(samples),
        "rfft alone, double": transforms(frames, np.float64),
        "rfft alone, single": transforms(frames, np.float32),
        "samples and rows copied": lambda: (samples.copy(), ours.copy()),
    }
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(arguments.repeats):
        for name, call in calls.items():
            taken[name].append(seconds(call))
    print(f"{'':28}{'median ms':>10}{'best ms':>10}{'x real time':>13}")
    for name, times in taken.items():
        print(f"{name:28}{1e3 * median(times):10.1f}{1e3 * min(times):10.1f}{SECONDS / median(times):13.0f}")

    mine, kaldis, inside, double, _, copied = taken.values()
    print("\nfaster than kaldi-native-fbank, pair by pair:")
    ratio = {}
    for name, others in (("rows as an array", kaldis), ("rows left inside", inside)):
        ratios = [theirs / ours for ours, theirs in zip(mine, others, strict=True)]
        print(f"  {name}: {' '.join(f'{ratio:.2f}' for ratio in ratios)}; median {median(ratios):.2f}")
        ratio[name] = round(median(ratios), 2)
    # A real transform of n points by a split radix takes about 2 n log2 n operations.
    operations = frames * 2 * POINTS * math.log2(POINTS)
    floor = median(double) + median(copied)
    print(f"\nfloor: {operations / 1e6:.0f} Mflop of transforms in {1e3 * median(double):.1f} ms")
    print(
        f"       ({operations / median(double) / 1e9:.2f} Gflop/s), {samples.nbytes / 1e6:.1f} MB of samples read and"
    )
    print(f"       {ours.nbytes / 1e6:.1f} MB of rows written in {1e3 * median(copied):.1f} ms")
    print(f"log_mel takes {median(mine) / floor:.2f} times the floor of {1e3 * floor:.1f} ms")
    medians = {name: round(1e3 * median(times), 1) for name, times in taken.items()}
    record.write("frontend", {"median_ms": medians, "ratio": ratio, "times_floor": round(median(mine) / floor, 2)})


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def kaldi(samples: np.ndarray) -> np.ndarray:
    """The same feature by kaldi-native-fbank, its rows taken out as an array."""
    fbank = computed(samples)
    return np.stack([fbank.get_frame(row) for row in range(fbank.num_frames_ready)])


def computed(samples: np.ndarray) -> kaldi_native_fbank.OnlineFbank:
    """The same, its rows computed and left where they are: what a program in C++ would wait for."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = logmel.BINS
    fbank = kaldi_native_fbank.OnlineFbank(options)
    fbank.accept_waveform(audio.RATE_HZ, samples)
    fbank.input_finished()
    return fbank


def transforms(frames: int, kind: type) -> Callable[[], None]:
    """As many transforms as there are frames, in chunks that stay in a core's cache."""
    chunk = np.random.default_rng(0).normal(size=(CHUNK, POINTS)).astype(kind)

    def run() -> None:
        for start in range(0, frames, CHUNK):
            fft.rfft(chunk[: frames - start], axis=1)

    return run


def speech_like() -> np.ndarray:
    """Pink-ish noise in syllables of 4 Hz with pauses every few seconds."""
    rng = np.random.default_rng(0)
    count = SECONDS * audio.RATE_HZ
    at_s = np.arange(count) / audio.RATE_HZ
    noise = np.cumsum(rng.normal(size=count))
    noise = noise[50:] - noise[:-50]
    voice = np.resize(noise / noise.std(), count) * np.clip(np.sin(2 * np.pi * 4 * at_s), 0, None)
    return (0.1 * voice * (at_s % 5 < 4) + 1e-4 * rng.normal(size=count)).astype(np.float32)


if __name__ == "__main__":
    main()
