"""How fast training is, beside a plain PyTorch loop, the recurrent network, and what the machine allows.

    python benchmarks/training.py [--quick]

A job of RECOLA's size: 9 recordings to train on and 9 to choose on, 7,500 frames of 160 values each (noise: speed does
not depend on what is said), five seeds, two targets, two networks. The reference is the loop that anybody would write,
seed after seed, with all cores: whole recordings, normalised once and held in memory, Adam, the development CCC after
every epoch, nothing displayed, nothing saved. Reference and package take turns, so that whatever else the machine does
weighs on both; only ratios within one run mean anything on a machine that is shared.
"""

import argparse
import contextlib
import dataclasses
import functools
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import joblib
import numpy as np
import record
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from emotrace import metrics, models
from emotrace.features.normalisation import Normalisation
from emotrace.models import convolution, dilated, downup
from emotrace.training import batched, batches, loop, run
from emotrace.training.config import Config
from emotrace.training.dataset import Dataset, Example
from emotrace.training.losses import ccc_loss

SIZE, BINS = 160, 40
CORES = os.cpu_count() or 1


@dataclasses.dataclass(frozen=True)
class Job:
    """How much is trained."""

    recordings: int = 9
    frames: int = 7500
    seeds: int = 5
    epochs: int = 2
    repeats: int = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="a small job that shows that all of it runs; writes nothing"
    )
    job = Job(3, 800, 2, 1, 2) if parser.parse_args().quick else Job()
    with tempfile.TemporaryDirectory() as folder:
        data = made(Path(folder), job)
        peak = peaks()
        figures: dict[str, Any] = {"job": dataclasses.asdict(job), "peak": peak}
        figures["networks"] = throughput(job, data, Path(folder))
        figures["recurrent"] = recurrent(job, data)
        figures["bound"] = bound(job, data, peak, figures["networks"])
        figures["single_filter"] = single_filter(job, data, Path(folder))
        figures["display"] = display(job, data, Path(folder))
        figures["knobs_ms"] = knobs(job)
        figures["cuda"] = on_cuda(job, data, Path(folder)) if torch.cuda.is_available() else "no such device; not run"
        print(f"CUDA: {figures['cuda']}")
    if job == Job():
        record.write("training", figures)


def made(folder: Path, job: Job) -> Dataset:
    """Recordings on disk, mapped into memory as training maps them."""
    rng = np.random.default_rng(0)

    def example(number: int) -> Example:
        path = folder / f"{number}.npy"
        np.save(path, rng.normal(size=(job.frames, SIZE)).astype(np.float32))
        gold = np.cumsum(rng.normal(size=job.frames)) / job.frames**0.5
        return Example(f"R{number}", np.load(path, mmap_mode="r"), gold.astype(np.float32), BINS)

    examples = [example(number) for number in range(2 * job.recordings)]
    return Dataset([[one] for one in examples[: job.recordings]], examples[job.recordings :], Normalisation())


def configs(job: Job) -> dict[str, Config]:
    """The paper's two networks on its two targets."""
    widths = {"downup arousal": ("downup", 32), "downup valence": ("downup", 128)}
    widths |= {"dilated arousal": ("dilated", 32), "dilated valence": ("dilated", 32)}
    return {
        name: Config(
            target=name.split()[1],
            network=network,
            arguments={"size": SIZE, "width": width},
            seeds=job.seeds,
            epochs=job.epochs,
            patience=job.epochs + 1,
        )
        for name, (network, width) in widths.items()
    }


def plain(config: Config, seed: int, data: Dataset, device: str = "cpu") -> tuple[list[float], list[float]]:
    """The reference: losses of all steps, development CCC of all epochs."""
    normal = {id(e): torch.from_numpy(e.normalised(data.rule))[None].to(device) for e in [*chained(data), *data.dev]}
    gold = {id(e): torch.from_numpy(e.gold)[None].to(device) for e in chained(data)}
    torch.manual_seed(seed)
    network = loop.build(config).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    losses, scores = [], []
    for epoch in range(config.epochs):
        rng = np.random.default_rng([seed, epoch])
        rng.integers(2**62)
        network.train()
        for index in rng.permutation(len(data.train)):
            example = data.train[index][0]
            optimiser.zero_grad()
            loss = ccc_loss(network(normal[id(example)]), gold[id(example)])
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        network.eval()
        with torch.no_grad():
            traces = [network(normal[id(e)])[0].cpu().numpy() for e in data.dev]
        scores.append(metrics.concatenated(metrics.ccc_population, [e.gold for e in data.dev], traces))
    return losses, scores


def chained(data: Dataset) -> Iterator[Example]:
    for variants in data.train:
        yield from variants


@contextlib.contextmanager
def plain_kernels() -> Iterator[None]:
    """The networks as PyTorch's layers compute them when they are called as they stand."""

    def as_it_stands(layer: Any, signal: torch.Tensor) -> torch.Tensor:
        return layer(signal)

    with mock.patch.object(dilated, "convolved", as_it_stands), mock.patch.object(downup, "convolved", as_it_stands):
        yield


def throughput(job: Job, data: Dataset, folder: Path) -> dict[str, Any]:
    """Five seeds of each network and target: the plain loop, processes of one thread each, one batched network."""
    found: dict[str, Any] = {}
    with joblib.Parallel(n_jobs=CORES) as processes:
        processes(joblib.delayed(warm)() for _ in range(2 * CORES))
        print(f"seconds an epoch of {job.seeds} seeds, {CORES} cores")
        print(f"{'':18}{'plain':>9}{'processes':>11}{'together':>10}{'ratio':>8}{'ratio':>8}")
        for name, config in configs(job).items():
            torch.set_num_threads(CORES)
            with plain_kernels():
                reference = seconds(lambda config=config: [plain(config, seed, data) for seed in range(job.seeds)])
            spread = seconds(lambda name=name: train(processes, job, data, folder / f"a {name}", [name]))
            torch.set_num_threads(CORES)
            paths = {seed: folder / f"b {name}" / f"{seed}.npz" for seed in range(job.seeds)}
            stacked = seconds(lambda config=config, paths=paths: batched.fit(config, paths, data))
            times = [each / job.epochs for each in (reference, spread, stacked)]
            found[name] = figures_of(*times)
            print(
                f"{name:18}{times[0]:9.2f}{times[1]:11.2f}{times[2]:10.2f}{times[0] / times[1]:8.2f}{times[0] / times[2]:8.2f}"
            )
        reference = sum(each["plain_s"] for each in found.values())
        spread = seconds(lambda: train(processes, job, data, folder / "all", list(configs(job)))) / job.epochs
    found["all in one pool"] = {"plain_s": round(reference, 3), "processes_s": round(spread, 3)}
    found["all in one pool"]["ratio"] = round(reference / spread, 2)
    print(f"{'all in one pool':18}{reference:9.2f}{spread:11.2f}{'':10}{reference / spread:8.2f}")
    found["largest difference of losses"] = difference(job, data, folder)
    print(f"largest difference of a step's loss, package to plain loop: {found['largest difference of losses']:.1e}\n")
    return found


def figures_of(plain_s: float, processes_s: float, together_s: float) -> dict[str, float]:
    return {
        "plain_s": round(plain_s, 3),
        "processes_s": round(processes_s, 3),
        "together_s": round(together_s, 3),
        "ratio": round(plain_s / processes_s, 2),
        "ratio_together": round(plain_s / together_s, 2),
    }


def warm() -> None:
    """Import what training imports, once a process."""
    torch.set_num_threads(1)
    network = models.get("downup").Network()
    network(torch.randn(1, 500, SIZE)).sum().backward()
    time.sleep(0.2)


def train(processes: Any, job: Job, data: Dataset, folder: Path, names: list[str]) -> None:
    """What `emotrace train --jobs` does once features are there."""
    tasks = [
        (run.Job(configs(job)[name], folder / name, {}, "cpu"), seed) for name in names for seed in range(job.seeds)
    ]
    failed = processes(joblib.delayed(run._run)(task, seed, data, None) for task, seed in tasks)
    if any(failed):
        raise SystemExit(f"failed: {failed}")


def difference(job: Job, data: Dataset, folder: Path) -> float:
    """Between the mean losses of an epoch, over all networks, targets and epochs of seed 0."""
    largest = 0.0
    for name, config in configs(job).items():
        with plain_kernels():
            losses = np.reshape(plain(config, 0, data)[0], (job.epochs, -1)).mean(axis=1)
        history = loop.start(config, 0, folder / "all" / name / "seed-0" / "checkpoint.npz").history
        largest = max(largest, float(np.abs(losses - [each["loss"] for each in history]).max()))
    return largest


def recurrent(job: Job, data: Dataset) -> dict[str, Any]:
    """The BLSTM of as many parameters as the down/up network of width 32, one seed, all cores, the plain loop."""
    config = dataclasses.replace(configs(job)["downup arousal"], epochs=1)
    wanted = parameters(config)
    widths = {w: parameters(of_width(config, w)) for w in range(8, 64)}
    width = min(widths, key=lambda w: abs(widths[w] - wanted))
    torch.set_num_threads(CORES)
    convolutional = seconds(lambda: plain(config, 0, data))
    slow = seconds(lambda: plain(of_width(config, width), 0, data))
    found = {
        "parameters": {"downup": wanted, "blstm": widths[width]},
        "downup_s": round(convolutional, 3),
        "blstm_s": round(slow, 3),
        "ratio": round(slow / convolutional, 1),
    }
    print(f"one seed, an epoch: down/up ({wanted} parameters) {convolutional:.2f} s, BLSTM of width {width}")
    print(f"({widths[width]} parameters) {slow:.2f} s, {found['ratio']} times as long\n")
    return found


def of_width(config: Config, width: int) -> Config:
    return dataclasses.replace(config, network="blstm", arguments={"size": SIZE, "width": width})


def parameters(config: Config) -> int:
    return sum(p.numel() for p in loop.build(config).parameters())


def peaks() -> dict[str, float]:
    """What the machine can do: products of large matrices and copies of what fits no cache, all cores."""
    torch.set_num_threads(CORES)
    one, other = torch.randn(2, 2048, 2048)
    source, target = torch.zeros(2, 32 << 20)
    product = min(seconds(lambda: one @ other) for _ in range(7))
    copy = min(seconds(lambda: target.copy_(source)) for _ in range(7))
    found = {"gflops": round(2 * 2048**3 / product / 1e9, 1), "gbytes": round(2 * source.nbytes / copy / 1e9, 1)}
    print(f"peak, {CORES} cores: {found['gflops']} Gflop/s of matrix products, {found['gbytes']} GB/s copied\n")
    return found


def bound(job: Job, data: Dataset, peak: dict[str, float], networks: dict[str, Any]) -> dict[str, Any]:
    """Least time of an epoch of all seeds by operations and by bytes, and how far the package is from it."""
    torch.set_num_threads(1)
    found = {}
    for name, config in configs(job).items():
        gflop, gbytes = demand(config, job)
        runs = job.seeds * job.recordings
        by_operations, by_bytes = (runs * each for each in (gflop / peak["gflops"], gbytes / peak["gbytes"]))
        binding = "operations" if by_operations > by_bytes else "bytes"
        times = networks[name]["processes_s"] / max(by_operations, by_bytes)
        found[name] = {
            "gflop": round(runs * gflop, 1),
            "gbyte": round(runs * gbytes, 1),
            "floor_by_operations_s": round(by_operations, 3),
            "floor_by_bytes_s": round(by_bytes, 3),
            "bound_by": binding,
            "times_floor": round(times, 2),
        }
        print(f"{name}: {runs * gflop:.0f} Gflop ({by_operations:.2f} s), {runs * gbytes:.0f} GB ({by_bytes:.2f} s) an")
        print(f"  epoch of all seeds; bound by {binding}; the package takes {times:.1f} times that floor")
    print()
    return found


def demand(config: Config, job: Job) -> tuple[float, float]:
    """Gflop and GB of one training step and one prediction; bytes as if no kernel found its input in a cache."""
    network, features, gold = loop.build(config), torch.randn(1, job.frames, SIZE), torch.randn(1, job.frames)

    def work() -> None:
        ccc_loss(network(features), gold).backward()
        with torch.no_grad():
            network(features)

    with FlopCounterMode(display=False) as operations:
        work()
    with Traffic() as traffic:
        work()
    return operations.get_total_flops() / 1e9, traffic.bytes / 1e9


class Traffic(TorchDispatchMode):
    """Bytes that kernels read and write; views move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count what goes through it."""
        out = func(*args, **(kwargs or {}))
        given = [each for each in torch.utils._pytree.tree_leaves(args) if isinstance(each, torch.Tensor)]
        made_ = [each for each in torch.utils._pytree.tree_leaves(out) if isinstance(each, torch.Tensor)]
        if not func.is_view:
            self.bytes += sum(each.nbytes for each in [*given, *made_])
        return out


def single_filter(job: Job, data: Dataset, folder: Path) -> dict[str, Any]:
    """Filters of 2 and of 2,048 frames, one seed, one thread, in turns; the first epoch is the one that transforms."""
    torch.set_num_threads(1)
    base = dataclasses.replace(configs(job)["downup arousal"], network="single_filter", epochs=5, patience=9)
    taken: dict[int, list[list[float]]] = {2: [], 2048: []}
    for turn in range(job.repeats):
        for length, times in taken.items():
            config = dataclasses.replace(base, arguments={"size": SIZE, "filter_frames": length})
            done = loop.fit(config, 0, data, folder / f"filter-{length}-{turn}.npz")
            times.append([epoch["seconds"] for epoch in done.history])
    first, later = (
        {n: statistics.median(of(times) for times in runs) for n, runs in taken.items()}
        for of in (lambda times: times[0], lambda times: statistics.median(times[1:]))
    )
    found = {
        "first_epoch_s": {n: round(v, 4) for n, v in first.items()},
        "epoch_s": {n: round(v, 4) for n, v in later.items()},
        "ratio": round(later[2048] / later[2], 2),
        "ratio_first_epoch": round(first[2048] / first[2], 2),
    }
    print(f"single filter: an epoch {1e3 * later[2]:.0f} ms with 2 frames, {1e3 * later[2048]:.0f} ms with 2,048")
    print(f"  ({found['ratio']} times; {found['ratio_first_epoch']} times in the first epoch)\n")
    return found


def display(job: Job, data: Dataset, folder: Path) -> dict[str, Any]:
    """What progress bar, records and checkpoints cost over the bare loop, turn by turn."""
    found = {}
    for name in ("downup arousal", "downup valence"):
        config = dataclasses.replace(configs(job)[name], epochs=3)
        ratios = []
        for turn in range(job.repeats):
            with mock.patch.object(loop, "_save", lambda *given: None):
                bare = seconds(lambda config=config: loop.fit(config, 0, data, Path(folder, "none")))
            task = run.Job(config, folder / f"display {name} {turn}", {}, "cpu")
            with contextlib.redirect_stderr(io.StringIO()):
                shown = seconds(lambda task=task: run._run(task, 0, data, 0))
            ratios.append(shown / bare)
        found[name] = {"ratios": [round(r, 3) for r in ratios], "median": round(statistics.median(ratios), 3)}
        print(f"{name}: with bar, record and checkpoints {found[name]['median']} times the bare loop, turn by turn")
        print(f"  {' '.join(f'{ratio:.3f}' for ratio in ratios)}")
    print()
    return found


def knobs(job: Job) -> dict[str, dict[str, float | None]]:
    """Milliseconds of one step's parts, each way to do it, one thread: what is kept and what is not."""
    torch.set_num_threads(1)
    found: dict[str, dict[str, float | None]] = {}
    for name, config in {k: v for k, v in configs(job).items() if k != "dilated valence"}.items():
        network, features, gold = loop.build(config), torch.randn(1, job.frames, SIZE), torch.randn(1, job.frames)

        def step(call: Callable[[torch.Tensor], torch.Tensor], features=features, gold=gold) -> None:
            ccc_loss(call(features).float(), gold).backward()

        found[f"{name}: forward and backward"] = {
            "channels last": typical(lambda: step(network)),
            "as layers stand": typical(lambda: as_they_stand(step, network)),
            "bf16": typical(lambda: step(in_bf16(network))),
            "compiled": compiled(step, network),
        }
        found[f"{name}: Adam"] = adams(network)
    rows = np.random.default_rng(0).normal(size=(job.frames, SIZE)).astype(np.float32)
    example = Example("R", rows, rows[:, 0], BINS)
    inputs = batches.Inputs(Normalisation())
    found["features"] = {
        "normalised anew": typical(lambda: example.normalised(Normalisation())),
        "kept": typical(lambda: inputs.features(example)),
    }
    print("milliseconds, one thread:")
    for name, ways in found.items():
        print(f"  {name}: {', '.join(f'{way} {taken}' for way, taken in ways.items())}")
    print()
    return found


def as_they_stand(step: Callable[[Any], None], network: Any) -> None:
    with plain_kernels():
        step(network)


def in_bf16(network: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    def call(features: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return network(features)

    return call


def compiled(step: Callable[[Any], None], network: Any) -> float | None:
    """None where the machine has no compiler."""
    try:
        call = torch.compile(network)
        step(call)
        return typical(lambda: step(call))
    except Exception as error:
        print(f"torch.compile: {type(error).__name__}")
        return None


def adams(network: Any) -> dict[str, float | None]:
    values = list(network.parameters())
    averaged = [value.detach().clone() for value in values]

    def lerp_each() -> None:
        for mean, value in zip(averaged, values, strict=True):
            mean.lerp_(value.detach(), 0.01)

    ways = {
        way: torch.optim.Adam(values, **{way: True}) if way != "one by one" else torch.optim.Adam(values, foreach=False)
        for way in ("one by one", "foreach", "fused")
    }
    taken: dict[str, float | None] = {way: typical(optimiser.step) for way, optimiser in ways.items()}
    with torch.no_grad():
        taken["running mean one by one"] = typical(lerp_each)
        taken["running mean foreach"] = typical(lambda: torch._foreach_lerp_(averaged, values, 0.01))
    return taken


def typical(call: Callable[[], object], runs: int = 7) -> float:
    call()
    return round(1e3 * statistics.median(seconds(call) for _ in range(runs)), 3)


def on_cuda(job: Job, data: Dataset, folder: Path) -> dict[str, Any]:
    """Five seeds one after the other and at once, on a graphics processor, and the whole table of one network."""
    found = {}
    for name, config in configs(job).items():
        paths = functools.partial(
            lambda name, what: {s: folder / f"{name} {what} {s}.npz" for s in range(job.seeds)}, name
        )
        plain(config, 0, data, "cuda")
        batched.fit(config, paths("warm"), data, device="cuda")
        reference = seconds(lambda config=config: [plain(config, seed, data, "cuda") for seed in range(job.seeds)])
        stacked = seconds(lambda config=config, paths=paths: batched.fit(config, paths("timed"), data, device="cuda"))
        table = dataclasses.replace(config, epochs=100, patience=101)
        whole = seconds(lambda table=table, paths=paths: batched.fit(table, paths("table"), data, device="cuda"))
        found[name] = {
            "plain_s": round(reference / job.epochs, 4),
            "together_s": round(stacked / job.epochs, 4),
            "ratio": round(reference / stacked, 2),
            "table_of_100_epochs_s": round(whole, 1),
        }
    return found


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
