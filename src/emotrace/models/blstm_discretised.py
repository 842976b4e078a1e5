"""The multi-task BLSTM on discretised labels (Le, Aldeneh and Mower Provost 2017).

The trace's range is cut into cells at several resolutions at once; one BLSTM tells, for every frame and every
resolution, which cell the label lies in, and is trained on the cross entropy of all of them, each cell's share weighted
by what a mistake in it costs. A frame's value is read off a resolution as the mean of its levels (the middles of its
cells) under the probabilities that it gives them, and off the network as the mean over resolutions.

The source's abstract names the resolutions, the multi-task cross entropy that is sensitive to costs, and a decoding
with long- and short-term properties of the trace, for which it keeps a language model of emotion. Unstated in the
source as far as it is public: how many cells (`LEVELS` here), what a mistake costs, and the decoding itself. In place
of the language model, the mean under the probabilities; a frame between two levels is not rounded to either.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from emotrace.models import blstm, initialisation

LEVELS = tuple(tuple(np.linspace(-1, 1, cells).round(4).tolist()) for cells in (4, 6, 8, 10))
"""Evenly over the range of the labels; a system puts them where its training labels are."""


class Network(blstm.Network):
    """Bidirectional LSTM layers and a softmax over the cells of each resolution.

    Args:
        size: values an input frame.
        layers: recurrent layers.
        width: cells a layer and direction.
        dropout: share of values dropped between layers while training.
        levels: for each resolution the levels that its cells stand for.
        costs: of a mistake, for each level; all alike by default.

    Shape:
        (batch, frames, size) to (batch, frames); in training mode to (batch, frames, levels of all resolutions),
        logits.
    """

    def __init__(
        self,
        size: int = 160,
        layers: int = 2,
        width: int = 32,
        dropout: float = 0.0,
        levels: Sequence[Sequence[float]] = LEVELS,
        costs: Sequence[Sequence[float]] | None = None,
    ) -> None:
        super().__init__(size, layers, width, dropout)
        self.levels = [torch.tensor(each) for each in levels]
        self.costs = [torch.tensor(each) for each in costs or [[1.0] * len(each) for each in levels]]
        self.output = nn.Conv1d(2 * width, sum(map(len, self.levels)), 1)
        initialisation.glorot(self)

    def core(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """The same as ``forward``: every length is on the grid."""
        logits = super().core(features, lengths).transpose(1, 2)
        return logits if self.training else self.decoded(logits)

    def decoded(self, logits: torch.Tensor) -> torch.Tensor:
        """(batch, frames, levels of all resolutions) to (batch, frames)."""
        means = [part.softmax(dim=2) @ levels.to(part) for part, levels in self._by_resolution(logits, self.levels)]
        return torch.stack(means).mean(dim=0)

    def loss(self, logits: torch.Tensor, gold: torch.Tensor, rated: torch.Tensor, ccc_loss: Any = None) -> torch.Tensor:
        """Cross entropy by cost, its mean over the rated frames, the resolutions and the recordings."""
        losses = []
        for (part, levels), costs in zip(self._by_resolution(logits, self.levels), self.costs, strict=True):
            cell = (gold.nan_to_num()[..., None] - levels.to(gold)).abs().argmin(dim=2)
            weights = costs.to(part)[cell] * rated
            entropies = functional.cross_entropy(part.transpose(1, 2), cell, reduction="none")
            losses.append((entropies * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-6))
        return torch.stack(losses).mean()

    def _by_resolution(
        self, logits: torch.Tensor, tables: Sequence[torch.Tensor]
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return list(zip(logits.split([len(table) for table in tables], dim=2), tables, strict=True))
