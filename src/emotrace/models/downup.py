"""The downsampling/upsampling network (Khorram et al. 2017, section 5.2).

Convolutions ("same" padding, tanh), each followed by max-pooling over ``factor`` frames, shorten the signal; an
intermediate convolution works on the short one; transposed convolutions with stride ``factor`` bring it back to its
length, and the last of them is the output. The trace is drawn from a compressed signal, which is why it is smooth.

A transposed convolution makes ``s (n - 1) + w`` frames of ``n`` (paper, section 5.2); each is cropped at its centre to
``s n``, so that a short frame stands for the same stretch of time on the way up as on the way down. A recording whose
length is no multiple of ``factor ** layers`` is filled with zeros (the mean of normalised features) at its end and its
trace cut.

Unstated in the source: filter widths (``kernel_frames``, ``up_kernel_frames``), the intermediate layer's width of one
frame and the tanh (both from the authors' later code), Glorot initialisation with zero biases (likewise).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from emotrace.models.convolution import convolved, silenced
from emotrace.models.initialisation import glorot

BY_TARGET = {"valence": {"width": 128}}
"""Paper, section 5.2: 32 filters for arousal, 128 for valence."""


class Network(nn.Module):
    """Convolutions and max-pooling down, transposed convolutions up.

    Args:
        size: values an input frame.
        layers: downsampling layers, and as many upsampling ones (paper: 4).
        width: filters a layer (paper: 32 for arousal, 128 for valence).
        factor: frames pooled into one, and stride of the transposed convolutions (paper: 3).
        kernel_frames: filter width on the way down; odd.
        middle_kernel_frames: filter width of the intermediate layer; odd.
        up_kernel_frames: filter width on the way up; ``factor`` plus an even number. None takes three strides.
        dropout: share of channels dropped between layers while training.

    Shape:
        (batch, frames, size) to (batch, frames).
    """

    def __init__(
        self,
        size: int = 160,
        layers: int = 4,
        width: int = 32,
        factor: int = 3,
        kernel_frames: int = 7,
        middle_kernel_frames: int = 1,
        up_kernel_frames: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if kernel_frames % 2 == 0 or middle_kernel_frames % 2 == 0:
            raise ValueError("kernel_frames and middle_kernel_frames must be odd for as many frames out as in")
        up_kernel_frames = 3 * factor if up_kernel_frames is None else up_kernel_frames
        if up_kernel_frames < factor or (up_kernel_frames - factor) % 2:
            raise ValueError(f"up_kernel_frames must be {factor} plus an even number, not {up_kernel_frames}")
        self.factor, self.layers = factor, layers
        self.kernel_frames, self.middle_kernel_frames = kernel_frames, middle_kernel_frames
        self.up_kernel_frames = up_kernel_frames
        self.grid_frames = factor**layers
        self.down = nn.ModuleList(
            nn.Conv1d(inside, outside, kernel_frames, padding="same")
            for inside, outside in pairwise([size] + [width] * layers)
        )
        self.middle = nn.Conv1d(width, width, middle_kernel_frames, padding="same")
        self.up = nn.ModuleList(
            nn.ConvTranspose1d(
                inside, outside, up_kernel_frames, stride=factor, padding=(up_kernel_frames - factor) // 2
            )
            for inside, outside in pairwise([width] * layers + [1])
        )
        self.dropout = nn.Dropout1d(dropout)
        glorot(self)

    def forward(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Trace of whole recordings, (batch, frames, size) to (batch, frames), the shorter ones filled with zeros."""
        frames = features.shape[1]
        missing = -frames % self.grid_frames
        return self.core(functional.pad(features, (0, 0, 0, missing)), lengths)[:, :frames]

    def core(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """The network itself, for a multiple of ``grid_frames`` frames."""
        return self.above(self.pooled(convolved(self.down[0], features.transpose(1, 2))), lengths)

    def pooled(self, heard: torch.Tensor) -> torch.Tensor:
        """What a layer makes of its convolution's (batch, channels, frames), ``factor`` times shorter."""
        return functional.max_pool1d(torch.tanh(heard), self.factor)

    def above(self, hidden: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """The trace of what the first layer gives, (batch, width, frames // factor)."""
        # Alone, a recording would be filled up to the grid, and nothing beyond that would be there in any layer.
        steps = None if lengths is None else (lengths + self.grid_frames - 1) // self.grid_frames
        hidden = self._ended(self.dropout(hidden), steps, 1)
        for level, layer in enumerate(self.down[1:], 2):
            hidden = self._ended(self.dropout(self.pooled(convolved(layer, hidden))), steps, level)
        hidden = self._ended(torch.tanh(self.middle(hidden)), steps, self.layers)
        for level, layer in enumerate(self.up[:-1], 1):
            hidden = self._ended(torch.tanh(layer(hidden)), steps, self.layers - level)
        return self.up[-1](hidden).squeeze(1)

    def _ended(self, hidden: torch.Tensor, steps: torch.Tensor | None, level: int) -> torch.Tensor:
        """Silence after each recording's last grid step, ``level`` poolings down."""
        return silenced(hidden, None if steps is None else steps * self.factor ** (self.layers - level))

    def reach(self) -> tuple[int, int]:
        """Most frames seen before and after a frame, over the frames of one grid step."""
        far = 10 * (self.grid_frames * (self.kernel_frames + self.up_kernel_frames + self.middle_kernel_frames))
        far -= far % self.grid_frames
        seen = [(t, *self._seen(t)) for t in range(far, far + self.grid_frames)]
        return max(t - first for t, first, _ in seen), max(last - t for t, _, last in seen)

    def _seen(self, frame: int) -> tuple[int, int]:
        """First and last input frame that an output frame depends on, worked back layer by layer."""
        first = last = frame
        crop = (self.up_kernel_frames - self.factor) // 2
        for _ in range(self.layers):
            # Input i of a transposed convolution reaches outputs from factor * i - crop, up_kernel_frames of them.
            first = -((self.up_kernel_frames - 1 - crop - first) // self.factor)
            last = (last + crop) // self.factor
        side = self.middle_kernel_frames // 2
        first, last = first - side, last + side
        side = self.kernel_frames // 2
        for _ in range(self.layers):
            first, last = self.factor * first - side, self.factor * last + self.factor - 1 + side
        return first, last


class Ensemble(nn.Module):
    """Networks of one configuration side by side; their first layers, most of the work, are one convolution.

    Args:
        members: networks that differ in their weights only.

    Shape:
        (1, frames, size) to (members, frames), frames on the grid.
    """

    def __init__(self, members: Sequence[Network]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        layers: list[Any] = [member.down[0] for member in members]
        self.weight = nn.Parameter(torch.cat([layer.weight.detach() for layer in layers]))
        self.bias = nn.Parameter(torch.cat([layer.bias.detach() for layer in layers]))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Every member's trace."""
        heard = functional.conv1d(features.transpose(1, 2), self.weight, self.bias, padding="same")
        members: list[Any] = list(self.members)
        parts = members[0].pooled(heard).chunk(len(members), dim=1)
        return torch.cat([member.above(part) for member, part in zip(members, parts, strict=True)])
