"""Long recordings: memory from ten minutes to a day, and an hour beside what other tools take for features alone.

    python benchmarks/long.py [WAV] [--hours 1 4 24] [--repeats 3]

The sound is the given file, or examples/demo.flac, over and over. Needs the extra ``bench`` (librosa,
kaldi-native-fbank and openSMILE; openSMILE's licence allows research and private use only, see its LICENSE) and, for a
day, 4.5 GB in the folder for temporary files.

``emotrace predict`` is timed as a user meets it: a process, with its imports, decoding, features, five networks for
each of two targets, and the CSV. The others get samples that are in memory already, their imports and first calls not
counted. All of it takes turns, and ratios are taken turn by turn: whatever else the machine does weighs on all. Seconds
on the wall are those that one waits (predict uses up to four cores, the others one), core seconds are what is spent.

The floor is what no implementation is spared: the operations of the transforms and of the networks at the rate of a
large matrix product, and every byte that must be read or written once at the rate of a copy, both measured here on one
core.
"""

import argparse
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import record
import soundfile
from predict import RATE_HZ, Cost, run

HOUR = 3600 * RATE_HZ
DEMO = Path(__file__).parents[1] / "examples" / "demo.flac"
ROWS = 360_000
FRAMES = 90_000
BINS = 40
FFT_POINTS = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("wav", nargs="?", type=Path, default=DEMO, help="speech at 16 kHz (examples/demo.flac)")
    parser.add_argument("--hours", nargs="*", type=float, default=[1 / 6, 1, 4, 24], help="lengths to take memory of")
    parser.add_argument("--repeats", type=int, default=3, help="turns (3)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # Memory first: a process starts with the peak of the one that starts it.
        figures: dict = {"memory": memory(arguments.wav, Path(folder), arguments.hours)}
        hour = written(arguments.wav, Path(folder, "hour.wav"), 1)
        costs = turns(hour, arguments.repeats)
        figures |= compared(costs) | {"floor": floor(hour, median(costs["emotrace predict"]))}
        figures["rows"] = rows_again(hour)
    record.write("long", figures)


def written(source: Path, path: Path, hours: float) -> Path:
    """A file of so many hours."""
    samples, rate_hz = soundfile.read(source, dtype="int16")
    if rate_hz != RATE_HZ or samples.ndim > 1:
        raise SystemExit(f"{source}: give one channel at 16 kHz")
    minute = np.resize(samples, 60 * RATE_HZ)
    with soundfile.SoundFile(path, "w", RATE_HZ, 1, "PCM_16") as file:
        for _ in range(round(60 * hours)):
            file.write(minute)
    return path


def predict(wav: Path, kind: str = "csv") -> Cost:
    out = str(wav.with_suffix(f".{kind}"))
    return run([sys.executable, "-m", "emotrace", "predict", "--force", "-o", out, str(wav)])


def memory(source: Path, folder: Path, hours: list[float]) -> dict:
    """Peak resident MiB by length, and what an hour more takes between the two longest."""
    found: dict[str, dict[float, float]] = {"csv": {}, "png": {}}
    for length in hours:
        wav = written(source, folder / "long.wav", length)
        for kind, peaks in found.items():
            peaks[length] = predict(wav, kind).resident_mib
            print(f"{length:6.2f} h as {kind}: {peaks[length]:4.0f} MiB resident", flush=True)
            wav.with_suffix(f".{kind}").unlink()
        wav.unlink()
    figures: dict = {}
    for kind, peaks in found.items():
        figures[f"resident_mib_{kind}"] = {f"{length:.2f}": round(peak) for length, peak in peaks.items()}
        if len(peaks) > 1:
            *_, before, last = sorted(peaks)
            slope = (peaks[last] - peaks[before]) / (last - before)
            figures[f"mib_an_hour_{kind}"] = round(slope, 2)
            print(f"{kind}: {slope:.1f} MiB an hour, {slope * 2**20 / FRAMES:.0f} bytes a frame of the trace")
    return figures


def turns(hour: Path, repeats: int) -> dict[str, list[Cost]]:
    """Costs of everything, turn by turn."""
    samples = soundfile.read(hour, dtype="float32")[0]
    calls: dict[str, Callable[[], Cost]] = {"emotrace predict": lambda: predict(hour)}
    for name, features in {"librosa": librosa(), "kaldi-native-fbank": kaldi(), "openSMILE": opensmile()}.items():
        features(samples[:RATE_HZ])
        calls[name] = lambda features=features: timed(lambda: features(samples))
    costs: dict[str, list[Cost]] = {name: [] for name in calls}
    for turn in range(repeats):
        for name, call in calls.items():
            costs[name].append(call())
            cost = costs[name][-1]
            print(f"{turn + 1}. {name:20} {cost.seconds:7.2f} s, {cost.core_seconds:7.2f} s of cores", flush=True)
    return costs


def timed(call: Callable[[], object]) -> Cost:
    began, spent = time.perf_counter(), time.process_time()
    call()
    return Cost(time.perf_counter() - began, time.process_time() - spent)


def librosa() -> Callable[[np.ndarray], object]:
    """The mel spectrogram, without the logarithm."""
    from librosa import feature

    window, hop = RATE_HZ // 40, RATE_HZ // 100
    return lambda samples: feature.melspectrogram(
        y=samples, sr=RATE_HZ, n_fft=FFT_POINTS, win_length=window, hop_length=hop, n_mels=BINS
    )


def kaldi() -> Callable[[np.ndarray], object]:
    """The feature that emotrace's networks read, left inside of the library."""
    import kaldi_native_fbank

    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = BINS

    def features(samples: np.ndarray) -> object:
        fbank = kaldi_native_fbank.OnlineFbank(options)
        fbank.accept_waveform(RATE_HZ, samples)
        fbank.input_finished()
        return fbank

    return features


def opensmile() -> Callable[[np.ndarray], object]:
    """The low-level descriptors of eGeMAPS, a row every 10 ms."""
    import opensmile

    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.LowLevelDescriptors)
    return lambda samples: smile.process_signal(samples, RATE_HZ)


def median(costs: list[Cost]) -> Cost:
    return Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))


def compared(costs: dict[str, list[Cost]]) -> dict:
    """Medians, and how much longer each took than predict."""
    ours = costs["emotrace predict"]
    figures: dict = {"seconds": {}, "core_seconds": {}, "times_predict": {}, "times_predict_in_core_seconds": {}}
    print()
    for name, theirs in costs.items():
        figures["seconds"][name] = round(median(theirs).seconds, 2)
        figures["core_seconds"][name] = round(median(theirs).core_seconds, 2)
        if name != "emotrace predict":
            pairs = list(zip(theirs, ours, strict=True))
            wall = statistics.median(t.seconds / o.seconds for t, o in pairs)
            spent = statistics.median(t.core_seconds / o.core_seconds for t, o in pairs)
            figures["times_predict"][name] = round(wall, 2)
            figures["times_predict_in_core_seconds"][name] = round(spent, 2)
            print(f"{name:20} takes {wall:6.2f} times as long as predict, {spent:6.2f} times its core seconds")
    return figures


def floor(hour: Path, predicted: Cost) -> dict:
    """What the operations and bytes of an hour take at this core's measured rates."""
    square = np.random.default_rng(0).normal(size=(1024, 1024)).astype(np.float32)
    big = np.zeros(64 << 20, dtype=np.uint8)
    flops_s = 2 * 1024**3 / best(lambda: square @ square)
    bytes_s = 2 * len(big) / best(big.copy)
    transforms = ROWS * 2 * FFT_POINTS * math.log2(FFT_POINTS)
    networks = FRAMES * operations_a_frame()
    # The file, its samples as floats, the rows (each once out and once in), and the CSV.
    moved = hour.stat().st_size + 2 * 4 * HOUR + 2 * 4 * BINS * ROWS + hour.with_suffix(".csv").stat().st_size
    floor_s = (transforms + networks) / flops_s + moved / bytes_s
    print(f"\none core: {flops_s / 1e9:.0f} Gflop/s in a matrix product, {bytes_s / 1e9:.1f} GB/s in a copy")
    print(f"transforms {transforms / 1e9:.1f} Gflop, networks {networks / 1e9:.1f} Gflop, {moved / 1e9:.2f} GB moved")
    print(f"floor {floor_s:.2f} s; predict spends {predicted.core_seconds / floor_s:.1f} times that in core seconds")
    return {
        "gflop_s": round(flops_s / 1e9, 1),
        "copy_gb_s": round(bytes_s / 1e9, 1),
        "transforms_gflop": round(transforms / 1e9, 2),
        "networks_gflop": round(networks / 1e9, 2),
        "moved_gb": round(moved / 1e9, 2),
        "seconds": round(floor_s, 2),
        "times_floor_in_core_seconds": round(predicted.core_seconds / floor_s, 1),
    }


def best(call: Callable[[], object]) -> float:
    return min(timed(call).core_seconds for _ in range(9))


def operations_a_frame() -> float:
    """Multiplications and additions of all convolutions of the default model, a frame of the trace."""
    import onnx

    from emotrace.inference import model

    chosen, total = model.load(), 0
    frames = 10 * chosen.grid_frames
    for target in chosen.targets:
        graph = onnx.load(target.graph)
        graph.graph.input[0].type.tensor_type.shape.dim[1].dim_value = frames
        graph = onnx.shape_inference.infer_shapes(graph).graph
        shapes = {
            v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.value_info, *graph.input)
        }
        weights = {tensor.name: math.prod(tensor.dims) for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type in ("Conv", "ConvTranspose"):
                # A convolution uses its weights once an output frame, a transposed one once an input frame.
                places = shapes[node.output[0] if node.op_type == "Conv" else node.input[0]][2]
                total += 2 * weights[node.input[1]] * places
    return total / frames


def rows_again(hour: Path) -> dict:
    """Ways to have the rows twice: from a temporary file, by a second pass over the sound, or at half the precision."""
    from emotrace import audio
    from emotrace.features import logmel
    from emotrace.inference import model
    from emotrace.output import spooled

    def pass_over_the_sound() -> list[np.ndarray]:
        stream = logmel.Stream()
        return [stream.push(block) for block in audio.blocks(hour)]

    rows = pass_over_the_sound()

    def through_a_file() -> None:
        with spooled(part.data.cast("B") for part in rows) as file:
            while file.read(1 << 20):
                pass

    costs = {"temporary file": [], "second pass": []}
    for _ in range(3):
        costs["temporary file"].append(timed(through_a_file).core_seconds)
        costs["second pass"].append(timed(pass_over_the_sound).core_seconds)
    chosen = model.load()
    all_rows = np.concatenate(rows)[: 4 * 6000]
    mean, sd = all_rows.mean(axis=0), all_rows.std(axis=0)
    exact, half = (
        chosen.members(logmel.stack(chosen.rule.scaled(part, mean, sd)))
        for part in (all_rows, all_rows.astype(np.float16).astype(np.float32))
    )
    figures: dict = {f"{name}, core seconds": round(statistics.median(cost), 3) for name, cost in costs.items()}
    figures["largest change of a trace by rows in half precision"] = float(f"{np.abs(exact - half).max():.1e}")
    print("\nrows twice: " + "; ".join(f"{name} {figure:g}" for name, figure in figures.items()))
    return figures


if __name__ == "__main__":
    main()
