"""What one step of training sees: recordings drawn, normalised, side by side, and their loss."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import rnn

from emotrace.features.normalisation import Normalisation
from emotrace.training import parallel
from emotrace.training.config import Config
from emotrace.training.dataset import Dataset, Example
from emotrace.training.losses import ccc_loss

_KEPT_BYTES = 256 << 20
"""Of normalised features that a process holds from epoch to epoch; a corpus beyond it is normalised anew each time."""

_KEPT_ON_GPU_BYTES = 2 << 30
"""The same in a graphics processor's memory, to which what is not held has to be copied besides; where less is free, an
eighth of that, since other processes may be on it and some networks hold more of a recording than its features."""


@dataclass(frozen=True)
class Drawn:
    """A recording in the variant that a step sees.

    Attributes:
        example: the whole recording.
        pieces: what it is shuffled and cut into, each normalised and seen alone; None where it is left whole.
    """

    example: Example
    pieces: list[Example] | None

    @property
    def frames(self) -> int:
        """Length of the recording."""
        return len(self.example.gold)


class Inputs:
    """Examples as tensors, those of whole recordings kept while there is room.

    Args:
        rule: the normalisation.
        device: where the tensors are, in PyTorch's words.
        room: bytes of features to keep; by default what suits the device.
    """

    def __init__(self, rule: Normalisation, device: str = "cpu", room: int | None = None) -> None:
        self.rule, self.device = rule, device
        self.room = _room(device) if room is None else room
        # By identity; the example stands beside its tensor so that no other can take its place in memory.
        self._kept: dict[int, tuple[Example, torch.Tensor]] = {}

    def features(self, example: Example, keep: bool = True) -> torch.Tensor:
        """(1, frames, size), normalised; the very same tensor again where it is kept."""
        if id(example) in self._kept:
            return self._kept[id(example)][1]
        normal = torch.from_numpy(example.normalised(self.rule))[None].to(self.device)
        if keep and normal.nbytes <= self.room:
            self.room -= normal.nbytes
            self._kept[id(example)] = example, normal
        return normal

    def tensor(self, values: np.ndarray) -> torch.Tensor:
        """Any values where the features are."""
        return torch.from_numpy(values).to(self.device)


def _room(device: str) -> int:
    if not device.startswith("cuda"):
        return _KEPT_BYTES
    return min(_KEPT_ON_GPU_BYTES, torch.cuda.mem_get_info(device)[0] // 8)


def batches(config: Config, data: Dataset, epoch: int, seed: int) -> Iterator[tuple[float, list[Drawn]]]:
    """What the steps of an epoch see, and how much of the training is done before each, from 0 to 1.

    Everything random comes from the seed and the epoch alone, PyTorch's own generator included.
    """
    rng = np.random.default_rng([seed, epoch])
    torch.manual_seed(int(rng.integers(2**62)) + parallel.rank())
    order: list[int] = rng.permutation(len(data.train)).tolist()
    for first in range(0, len(order), config.batch_recordings):
        indices = order[first : first + config.batch_recordings]
        yield (
            (epoch + first / len(order)) / config.epochs,
            [_draw(config, data.train[int(index)], rng) for index in indices],
        )


def _draw(config: Config, variants: Sequence[Example], rng: np.random.Generator) -> Drawn:
    example = variants[int(rng.integers(len(variants)))]
    cut = rng.random() < config.normalisation.cut_share
    # Asked only where it matters: a draw more would change what every other configuration sees.
    shuffled = config.shuffled_share > 0 and rng.random() < config.shuffled_share
    example = example.shuffled(rng) if shuffled else example
    if cut:
        return Drawn(example, example.cut(config.normalisation.cut_s, rng))
    return Drawn(example, [example] if shuffled else None)


def loss(network: nn.Module, batch: Sequence[Drawn], inputs: Inputs) -> torch.Tensor:
    """Mean loss of recordings of any lengths; frames that fill the shorter ones up count nowhere.

    It is the network's own where it has one, else that of the CCC.
    """
    if not batch:
        return torch.zeros((), device=inputs.device)
    golds = rnn.pad_sequence([inputs.tensor(drawn.example.gold) for drawn in batch], batch_first=True)
    rated = rnn.pad_sequence([inputs.tensor(drawn.example.rated) for drawn in batch], batch_first=True)
    mean: torch.Tensor = own_loss(network)(_traces(network, batch, inputs), golds, rated)
    return mean


def own_loss(network: nn.Module) -> Any:
    """What a network is trained on, a function of answer, gold standard and mask (:mod:`emotrace.models`)."""
    own: Any = getattr(network, "loss", None)
    return partial(own, ccc_loss=ccc_loss) if own else ccc_loss


def _traces(network: nn.Module, batch: Sequence[Drawn], inputs: Inputs) -> torch.Tensor:
    """(recordings, frames of the longest, ...): whole ones in one go, pieces each alone."""
    whole = [drawn for drawn in batch if drawn.pieces is None]
    together = iter(_together(network, [inputs.features(drawn.example) for drawn in whole])) if whole else iter(())
    traces = [next(together) if d.pieces is None else _joined(network, d.pieces, inputs) for d in batch]
    longest = max(len(trace) for trace in traces)
    # Not pad_sequence, which torch.func cannot batch over seeds.
    return torch.stack(
        [functional.pad(trace, (0, 0) * (trace.ndim - 1) + (0, longest - len(trace))) for trace in traces]
    )


def _together(network: nn.Module, features: list[torch.Tensor]) -> list[torch.Tensor]:
    if len(features) == 1:
        return [network(features[0])[0]]
    lengths = [frames.shape[1] for frames in features]
    filled = rnn.pad_sequence([frames[0] for frames in features], batch_first=True)
    # Recordings of one length need no masks.
    told = torch.tensor(lengths, device=filled.device) if min(lengths) < max(lengths) else None
    traces = network(filled, told)
    return [trace[:length] for trace, length in zip(traces, lengths, strict=True)]


def _joined(network: nn.Module, pieces: Sequence[Example], inputs: Inputs) -> torch.Tensor:
    return torch.cat([network(inputs.features(piece, keep=False))[0] for piece in pieces])
