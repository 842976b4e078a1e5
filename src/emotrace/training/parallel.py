"""One training spread over processes by ``torchrun``: each takes its share of a batch, and gradients are summed.

Every process draws the same batch from the same seed and works on every ``world``-th recording of it, so that a step
is that of one process on the whole batch, to rounding (dropout apart, whose numbers differ from process to process);
networks that normalise over a batch are refused.
Features are memory-mapped: a process reads the recordings of its share and no others. Every process must see the same
folder of runs and features; the first one writes.

Without ``torchrun`` everything here is a matter of one process and costs nothing.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import distributed, nn


@contextmanager
def group() -> Iterator[None]:
    """The processes that ``torchrun`` started, ready to talk; nothing happens without it, or inside another group."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or _ready():
        yield
        return
    distributed.init_process_group("gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def world() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if _ready() else 1


def rank() -> int:
    """Which of them this is."""
    return distributed.get_rank() if _ready() else 0


def first() -> bool:
    """Whether this process is the one that writes and shows."""
    return rank() == 0


def wait() -> None:
    """Until all processes are here."""
    if _ready():
        distributed.barrier()


@contextmanager
def in_turn() -> Iterator[None]:
    """The first process goes ahead, the others follow once it is through."""
    if not first():
        wait()
    try:
        yield
    finally:
        if first():
            wait()


def local(device: str) -> str:
    """The device of this process, where a machine has one for each."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" and world() > 1 else device


def summed(loss: torch.Tensor, network: nn.Module) -> torch.Tensor:
    """The loss of all processes; their gradients are summed in place."""
    loss = loss.detach()
    if world() == 1:
        return loss
    parameters = list(network.parameters())
    own = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    # One message: a small network's time is in the number of messages, not in their size.
    message = torch.cat([loss.reshape(1), *(gradient.flatten() for gradient in own)]).cpu()
    distributed.all_reduce(message)
    total, *parts = message.to(loss.device).split([1, *(p.numel() for p in parameters)])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)
    return total[0]


def spread(count: int, work: Callable[[int], np.ndarray]) -> list[np.ndarray]:
    """``work`` of every number below ``count``, each done by one process and known to all."""
    if world() == 1:
        return [work(index) for index in range(count)]
    parts: list[Any] = [None] * world()
    distributed.all_gather_object(parts, [work(index) for index in range(rank(), count, world())])
    return [parts[index % world()][index // world()] for index in range(count)]


def _ready() -> bool:
    return distributed.is_available() and distributed.is_initialized()
