"""How fast training is, beside a plain PyTorch loop, the recurrent network, and what the machine allows.

    python benchmarks/training.py [--quick] [--only cuda|waveform]

A job of RECOLA's size: 9 recordings to train on and 9 to choose on, 7,500 frames of 160 values each (noise: speed does
not depend on what is said), five seeds, two targets, two networks. The reference is the loop that anybody would write,
seed after seed, with one thread and with all cores: whole recordings, normalised once and held in memory, Adam, the
development CCC after every epoch, nothing displayed, nothing saved. Reference and package take turns, so that whatever
else the machine does weighs on both; only ratios within one run mean anything on a machine that is shared. There,
seconds of cores say more than seconds on the wall: what a process waits for a core is not in them.
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

from emotrace import metrics
from emotrace.features.normalisation import Normalisation
from emotrace.models import convolution, dilated, downup, trigeorgis
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
    repeats: int = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="a small job that shows that all of it runs; writes nothing"
    )
    parser.add_argument("--seeds", type=int, default=5, help="fewer where time is short (5)")
    parser.add_argument("--epochs", type=int, default=2, help="of every seed (2)")
    parser.add_argument("--only", choices=["cuda", "waveform"], help="that part alone, in a file of its own")
    arguments = parser.parse_args()
    if arguments.only == "cuda" and not torch.cuda.is_available():
        parser.exit(1, "CUDA: no such device; nothing is written\n")
    job = Job(3, 800, 2, 1, 2) if arguments.quick else Job(seeds=arguments.seeds, epochs=arguments.epochs)
    figures: dict[str, Any] = {"job": dataclasses.asdict(job), "load": [round(each, 1) for each in os.getloadavg()]}
    with tempfile.TemporaryDirectory() as folder:
        data = made(Path(folder), job)
        for name in [arguments.only] if arguments.only else PARTS:
            figures[name] = PARTS[name](job, data, Path(folder), figures)
            if not arguments.quick:
                record.write("training", figures, arguments.only)


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


def throughput(job: Job, data: Dataset, folder: Path, figures: dict[str, Any]) -> dict[str, Any]:
    """All seeds of each network and target: the plain loop, processes of one thread each, one batched network."""
    warm()
    found = {name: one_network(name, job, data, folder) for name in configs(job)}
    with joblib.Parallel(n_jobs=CORES) as processes:
        processes(joblib.delayed(warm)() for _ in range(2 * CORES))
        spread, core = train(processes, job, data, folder / "all", list(configs(job)))
    reference, busy = (sum(each[f"plain_1_thread_{clock}"] for each in found.values()) for clock in ("s", "core_s"))
    pool = {"plain_s": reference, "plain_core_s": busy, "processes_s": spread, "processes_core_s": core}
    pool |= {"ratio": reference / spread, "ratio_core": busy / core}
    pool = {key: round(value, 3) for key, value in pool.items()}
    print(f"all networks and targets in one pool of processes: {pool}")
    apart = max(each["largest_difference"] for each in found.values())
    print(f"largest difference of an epoch's loss, package to plain loop: {apart:.1e}\n", flush=True)
    return {"by network": found, "all in one pool": pool}


def one_network(name: str, job: Job, data: Dataset, folder: Path) -> dict[str, float]:
    """Seconds an epoch of all seeds, on the wall and of cores, all ways after one another."""
    config = configs(job)[name]
    each, apart = in_turns(config, job, data, folder / f"turns {name}")
    if os.getloadavg()[0] < CORES:
        # Threads that wait for a core which something else has take very long: on a busy machine this says nothing.
        torch.set_num_threads(CORES)
        with plain_kernels():
            each["plain_all_cores_s"] = job.seeds * seconds(lambda: plain(config, 0, data)) / job.epochs
    torch.set_num_threads(1)
    began = now()
    batched.fit(config, {seed: folder / f"together {name}" / f"{seed}.npz" for seed in range(job.seeds)}, data)
    each["together_s"], each["together_core_s"] = ((now() - began) / job.epochs).tolist()
    each["ratio_core"] = each["plain_1_thread_core_s"] / each["package_core_s"]
    each["ratio_together_core"] = each["plain_1_thread_core_s"] / each["together_core_s"]
    each = {key: round(value, 3) for key, value in each.items()}
    print(f"{name}, seconds an epoch of {job.seeds} seeds: {each}", flush=True)
    return each | {"largest_difference": apart}


def in_turns(config: Config, job: Job, data: Dataset, folder: Path) -> tuple[dict[str, float], float]:
    """Plain loop and package seed by seed, one thread; and the largest difference of an epoch's mean loss."""
    torch.set_num_threads(1)
    clocks = np.zeros((2, 2))
    apart = 0.0
    # The first call of all chooses kernels and finds its memory; it counts for neither.
    for call in (loop.fit, lambda config, seed, data, path: plain(config, seed, data)):
        call(config, 0, dataclasses.replace(data, train=data.train[:1], dev=data.dev[:1]), folder / "warm.npz")
    for seed in range(job.seeds):
        began = now()
        with plain_kernels():
            losses = np.reshape(plain(config, seed, data)[0], (job.epochs, -1)).mean(axis=1)
        between = now()
        history = loop.fit(config, seed, data, folder / f"{seed}.npz").history
        clocks += [between - began, now() - between]
        apart = max(apart, float(np.abs(losses - [epoch["loss"] for epoch in history]).max()))
    (plain_s, plain_core_s), (_, package_core_s) = (clocks / job.epochs).tolist()
    return {"plain_1_thread_s": plain_s, "plain_1_thread_core_s": plain_core_s, "package_core_s": package_core_s}, apart


def now() -> np.ndarray:
    """Seconds on the wall, and seconds of cores that this process had."""
    return np.array([time.perf_counter(), time.process_time()])


def warm() -> None:
    """Import what training imports and choose kernels, once a process."""
    torch.set_num_threads(1)
    run._bar("nothing", False)()
    for network in (loop.build(Config(network=name, arguments={"size": SIZE})) for name in ("dilated", "downup")):
        network(torch.randn(1, 500, SIZE)).sum().backward()
        # The first optimiser of a process imports a compiler, two seconds that a run of 100 epochs does not notice.
        torch.optim.Adam(network.parameters(), fused=True).step()
    # Long enough for every process to have one of these.
    time.sleep(1.0)


def train(processes: Any, job: Job, data: Dataset, folder: Path, names: list[str]) -> tuple[float, float]:
    """What `emotrace train --jobs` does once features are there; seconds an epoch of all, on the wall and of cores."""
    tasks = [
        (run.Job(configs(job)[name], folder / name, {}, "cpu"), seed) for name in names for seed in range(job.seeds)
    ]
    began = time.perf_counter()
    taken = processes(joblib.delayed(timed)(task, seed, data) for task, seed in tasks)
    return (time.perf_counter() - began) / job.epochs, sum(taken) / job.epochs


def timed(task: run.Job, seed: int, data: Dataset) -> float:
    """Core seconds of a run."""
    began = time.process_time()
    if failed := run._run(task, seed, data, None):
        raise SystemExit(failed)
    return time.process_time() - began


def recurrent(job: Job, data: Dataset, folder: Path, figures: dict[str, Any]) -> dict[str, Any]:
    """The BLSTM of as many parameters as the down/up network of width 32, one seed, one thread, the plain loop."""
    config = dataclasses.replace(configs(job)["downup arousal"], epochs=1)
    wanted = parameters(config)
    widths = {w: parameters(of_width(config, w)) for w in range(8, 64)}
    width = min(widths, key=lambda w: abs(widths[w] - wanted))
    torch.set_num_threads(1)
    began = now()
    plain(config, 0, data)
    between = now()
    plain(of_width(config, width), 0, data)
    convolutional, slow = between - began, now() - between
    found = {
        "parameters": {"downup": wanted, "blstm": widths[width]},
        "downup_core_s": round(float(convolutional[1]), 3),
        "blstm_core_s": round(float(slow[1]), 3),
        "ratio": round(float(slow[1] / convolutional[1]), 1),
    }
    print(f"one seed, an epoch, core seconds, plain loop: down/up ({wanted} parameters) {convolutional[1]:.2f}, BLSTM")
    print(f"of width {width} ({widths[width]} parameters) {slow[1]:.2f}, {found['ratio']} times as long\n", flush=True)
    return found


def of_width(config: Config, width: int) -> Config:
    return dataclasses.replace(config, network="blstm", arguments={"size": SIZE, "width": width})


def parameters(config: Config) -> int:
    return sum(p.numel() for p in loop.build(config).parameters())


def peaks(job: Job, data: Dataset, folder: Path, figures: dict[str, Any]) -> dict[str, float]:
    """What a core can do in a second that it is ours: products of large matrices and copies of what fits no cache."""
    torch.set_num_threads(1)
    one, other = torch.randn(2, 1536, 1536)
    source, target = torch.zeros(2, 32 << 20)
    product = min(core_seconds(lambda: one @ other) for _ in range(9))
    copy = min(core_seconds(lambda: target.copy_(source)) for _ in range(9))
    found = {"gflops": round(2 * 1536**3 / product / 1e9, 1), "gbytes": round(2 * source.nbytes / copy / 1e9, 1)}
    print(f"peak of a core: {found['gflops']} Gflop/s of matrix products, {found['gbytes']} GB/s copied\n", flush=True)
    return found


def core_seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def bound(job: Job, data: Dataset, folder: Path, figures: dict[str, Any]) -> dict[str, Any]:
    """Least core seconds of an epoch of all seeds by operations and by bytes, and how far the package is from them."""
    torch.set_num_threads(1)
    found = {}
    peak, networks = figures["peak"], figures["networks"]["by network"]
    for name, config in configs(job).items():
        gflop, gbytes = demand(config, job)
        runs = job.seeds * job.recordings
        by_operations, by_bytes = (runs * each for each in (gflop / peak["gflops"], gbytes / peak["gbytes"]))
        binding = "operations" if by_operations > by_bytes else "bytes"
        times = networks[name]["package_core_s"] / max(by_operations, by_bytes)
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


def single_filter(job: Job, data: Dataset, folder: Path, figures: dict[str, Any]) -> dict[str, Any]:
    """Filters of 2 and of 2,048 frames, one seed, one thread, in turns; the first epoch is the one that transforms."""
    torch.set_num_threads(1)
    base = dataclasses.replace(configs(job)["downup arousal"], network="single_filter", epochs=5, patience=9)
    taken: dict[int, list[list[float]]] = {2: [], 2048: []}
    for turn in range(job.repeats):
        for length, times in taken.items():
            config = dataclasses.replace(base, arguments={"size": SIZE, "filter_frames": length})
            clock = [time.process_time()]
            told = functools.partial(lambda clock, _: clock.append(time.process_time()), clock)
            loop.fit(config, 0, data, folder / f"filter-{length}-{turn}.npz", told)
            times.append(np.diff(clock).tolist())
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
    print(
        f"single filter, core time an epoch: {1e3 * later[2]:.0f} ms of 2, {1e3 * later[2048]:.0f} ms of 2,048 frames"
    )
    print(f"  ({found['ratio']} times; {found['ratio_first_epoch']} times in the first epoch)\n")
    return found


def display(job: Job, data: Dataset, folder: Path, figures: dict[str, Any]) -> dict[str, Any]:
    """What progress bar, records and checkpoints cost over the bare loop, turn by turn."""
    torch.set_num_threads(1)
    found = {}
    for name in ("downup arousal",):
        config, ratios = dataclasses.replace(configs(job)[name], epochs=2), []
        for turn in range(job.repeats):
            task = run.Job(config, folder / f"display {name} {turn}", {}, "cpu")
            began = now()
            with mock.patch.object(loop, "_save"):
                loop.fit(config, 0, data, Path(folder, "none"))
            between = now()
            with contextlib.redirect_stderr(io.StringIO()):
                run._run(task, 0, data, 0)
            ratios.append((now() - between) / (between - began))
        wall, core = np.round(ratios, 3).T.tolist()
        found[name] = {"wall": wall, "core": core, "median_core": statistics.median(core)}
        found[name]["median_wall"] = statistics.median(wall)
        print(f"{name}: with bar, record and checkpoints, times the bare loop: {found[name]}", flush=True)
    print()
    return found


def knobs(job: Job, data: Dataset, folder: Path, figures: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """Core milliseconds of one step's parts, each way to do it, one thread: what is kept and what is not."""
    torch.set_num_threads(1)
    found: dict[str, dict[str, float | None]] = {}
    for name, config in {k: v for k, v in configs(job).items() if k != "dilated valence"}.items():
        network, features, gold = loop.build(config), torch.randn(1, job.frames, SIZE), torch.randn(1, job.frames)

        def step(call: Callable[[torch.Tensor], torch.Tensor], features=features, gold=gold) -> None:
            ccc_loss(call(features).float(), gold).backward()

        found[f"{name}: forward and backward"] = {
            "channels last": typical(functools.partial(step, network)),
            "as layers stand": typical(functools.partial(as_they_stand, step, network)),
            "bf16": typical(functools.partial(step, in_bf16(network))),
        }
        found[f"{name}: Adam"] = adams(network)
    rows = np.random.default_rng(0).normal(size=(job.frames, SIZE)).astype(np.float32)
    example = Example("R", rows, rows[:, 0], BINS)
    inputs = batches.Inputs(Normalisation())
    found["features"] = {
        "normalised anew": typical(lambda: example.normalised(Normalisation())),
        "kept": typical(lambda: inputs.features(example)),
    }
    print("core milliseconds, one thread:")
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


def waveform(job: Job, data: Dataset, folder: Path, figures: dict[str, Any]) -> dict[str, Any]:
    """The network on the waveform, its step and its recording, beside the same layers as PyTorch has them, in turns."""
    peak = figures.get("peak") or peaks(job, data, folder, figures)
    torch.set_num_threads(1)
    network = trigeorgis.Network()
    seen, recording = torch.randn(8, 150, 640), torch.randn(1, job.frames, 640)

    def step() -> None:
        network.core(seen).square().mean().backward()

    @torch.no_grad()
    def heard() -> None:
        network.core(recording)

    found: dict[str, Any] = {"peak": peak}
    for name, call in {"a step of eight segments": step, "a recording heard": heard}.items():
        with FlopCounterMode(display=False) as operations:
            call()
        floor = operations.get_total_flops() / 1e9 / peak["gflops"]
        package, reference = [], []
        for _ in range(job.repeats):
            package.append(core_seconds(call))
            with mock.patch.object(trigeorgis.Network, "_filtered", by_layers):
                reference.append(core_seconds(call))
        ours, theirs = statistics.median(package), statistics.median(reference)
        found[name] = {
            "layers_core_s": round(theirs, 3),
            "package_core_s": round(ours, 3),
            "ratio": round(theirs / ours, 2),
            "floor_by_operations_s": round(floor, 3),
            "times_floor": round(ours / floor, 2),
        }
        print(f"waveform, {name}: {found[name]}")
    return found


def by_layers(network: Any, frames: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """The filters of the network on the waveform as anybody would write them."""
    pairs = torch.nn.functional.max_pool1d(torch.relu(same(network.first, frames[:, None])), 2)
    maps = same(network.second, pairs)
    return maps.unflatten(1, (-1, network.pooled_filters)).amax(dim=2).flatten(1)


def same(layer: torch.nn.Conv1d, signal: torch.Tensor) -> torch.Tensor:
    return layer(torch.nn.functional.pad(signal, convolution.sides(layer.kernel_size[0])))


def typical(call: Callable[[], object], runs: int = 7) -> float:
    call()
    return round(1e3 * statistics.median(core_seconds(call) for _ in range(runs)), 3)


def on_cuda(job: Job, data: Dataset, folder: Path, figures: dict[str, Any]) -> dict[str, Any] | str:
    """Five seeds one after the other and at once, on a graphics processor, and the whole table of one network."""
    if not torch.cuda.is_available():
        print("CUDA: no such device; not run")
        return "no such device; not run"
    found: dict[str, Any] = {"processor": torch.cuda.get_device_name()}
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


PARTS: dict[str, Callable[[Job, Dataset, Path, dict[str, Any]], Any]] = {
    "peak": peaks,
    "networks": throughput,
    "bound": bound,
    "single_filter": single_filter,
    "recurrent": recurrent,
    "display": display,
    "knobs_ms": knobs,
    "waveform": waveform,
    "cuda": on_cuda,
}


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
