"""The tables on the speed of training, from ``benchmarks/results/training*.json``."""

from collections.abc import Callable, Mapping
from typing import Any

Results = Mapping[str, Any]


def training_speed(results: Results) -> list[str]:
    """Training beside a plain PyTorch loop, by network and target."""
    result = results["training"]
    job, networks = result["job"], result["networks"]
    lines = [
        f"| an epoch of {job['seeds']} seeds, {job['recordings']} recordings of {job['frames']:,} frames to train on "
        "and as many to choose on | plain loop | package | ratio | all seeds at once | least by operations "
        "| by bytes |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, each in networks["by network"].items():
        floor = result["bound"][name]
        lines.append(
            f"| {name}, core seconds | {each['plain_1_thread_core_s']:.2f} | {each['package_core_s']:.2f} "
            f"| {each['ratio_core']:.2f} | {each['together_core_s']:.2f} | {floor['floor_by_operations_s']:.2f} "
            f"| {floor['floor_by_bytes_s']:.2f} |"
        )
    return lines


def training_others(results: Results) -> list[str]:
    """The recurrent network, the long filter, and what the display costs."""
    result = results["training"]
    recurrent, single, shown = result["recurrent"], result["single_filter"], result["display"]
    job, pool = result["job"], result["networks"]["all in one pool"]
    cores = result["machine"]["cores"]
    lines = ["| | |", "|---|---|"]
    lines.append(
        f"| all four, {job['seeds']} seeds of {job['epochs']} epochs, seconds an epoch on the wall | plain loop, seed "
        f"after seed, one thread: {pool['plain_s']:.1f}; {cores} processes of the package: {pool['processes_s']:.1f}; "
        f"{pool['ratio']} times the throughput |"
    )
    lines.append(
        f"| the BLSTM of {recurrent['parameters']['blstm']:,} parameters beside down/up of "
        f"{recurrent['parameters']['downup']:,}, plain loop, core seconds an epoch | "
        f"{recurrent['blstm_core_s']:.2f} s and {recurrent['downup_core_s']:.2f} s: {recurrent['ratio']} times |"
    )
    lines.append(
        f"| single filter of 2,048 frames beside 2, core seconds an epoch | {single['epoch_s']['2048']:.3f} s and "
        f"{single['epoch_s']['2']:.3f} s: {single['ratio']} times |"
    )
    for name, each in shown.items():
        lines.append(
            f"| bar, record and checkpoints beside the bare loop, {name} | core seconds {each['median_core']:.3f} "
            f"times, wall {each['median_wall']:.3f} times (median of {len(each['core'])}) |"
        )
    return lines


def training_cuda(results: Results) -> list[str]:
    """Seeds one after the other and at once on a graphics processor."""
    result = results["training-cuda"]
    job, networks = result["job"], dict(result["cuda"])
    lines = [
        f"| {networks.pop('processor')}, an epoch of {job['seeds']} seeds, seconds | plain loop | all seeds at once "
        "| ratio | 100 epochs, seconds |",
        "|---|---|---|---|---|",
    ]
    for name, each in networks.items():
        lines.append(
            f"| {name} | {each['plain_s']:.2f} | {each['together_s']:.2f} | {each['ratio']:.2f} "
            f"| {each['table_of_100_epochs_s']:.0f} |"
        )
    return lines


def training_waveform(results: Results) -> list[str]:
    """The network on the waveform beside its layers as PyTorch has them."""
    parts = results["training-waveform"]["waveform"]
    lines = [
        "| network on the waveform, core seconds | PyTorch's layers | package | ratio | least by operations |",
        "|---|---|---|---|---|",
    ]
    for name, each in parts.items():
        if name != "peak":
            lines.append(
                f"| {name} | {each['layers_core_s']:.2f} | {each['package_core_s']:.2f} | {each['ratio']:.2f} "
                f"| {each['floor_by_operations_s']:.2f} |"
            )
    return lines


TABLES: dict[str, Callable[[Results], list[str]]] = {
    "training_speed": training_speed,
    "training_others": training_others,
    "training_cuda": training_cuda,
    "training_waveform": training_waveform,
}
