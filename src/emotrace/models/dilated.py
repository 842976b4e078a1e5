"""The dilated convolutional network (Khorram et al. 2017, section 5.1).

A stack of convolutions whose dilation doubles from layer to layer, so that the receptive field grows exponentially with
depth and the parameters only linearly; a 1x1 convolution gives the trace. The paper counts the zeros between taps (its
"dilation factor of one" is ``[w1, 0, w2, 0, w3]``) and says that layer n has factor 2^n; here the taps of layer
n = 0, 1, 2, ... lie ``dilation_base ** n`` frames apart (framework counting: no zeros in the first layer).

Unstated in the source: filter width (3), the non-linearity (ReLU in the authors' later code), "same" padding with
zeros, Glorot initialisation with zero biases, a residual path (off, as the text shows none).

For live use the taps may all lie in the past, the trace being that many frames behind the sound: the same receptive
field, moved (``look_ahead_frames``). Every layer then needs nothing but its input at the times of its taps, so that
:meth:`Network.step` goes on by one frame at the cost of one frame.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from emotrace.models.initialisation import glorot


class Network(nn.Module):
    """Dilated convolutions and a 1x1 output layer.

    Args:
        size: values an input frame.
        layers: convolution layers (paper: 10).
        width: filters a layer (paper: 32).
        kernel_frames: filter width; odd.
        dilation_base: layer n has its taps ``dilation_base ** n`` frames apart.
        residual: add each layer's input to its output, where widths agree.
        dropout: share of channels dropped between layers while training.
        look_ahead_frames: how far the receptive field reaches into the future; None for half of it.

    Shape:
        (batch, frames, size) to (batch, frames).
    """

    grid_frames = 1

    def __init__(
        self,
        size: int = 160,
        layers: int = 10,
        width: int = 32,
        kernel_frames: int = 3,
        dilation_base: int = 2,
        residual: bool = False,
        dropout: float = 0.0,
        look_ahead_frames: int | None = None,
    ) -> None:
        super().__init__()
        if kernel_frames % 2 == 0:
            raise ValueError(f"kernel_frames must be odd for as many frames out as in, not {kernel_frames}")
        self.residual = residual
        self.dilations = [dilation_base**n for n in range(layers)]
        self.kernel_frames = kernel_frames
        field = sum(self.dilations) * (kernel_frames - 1)
        if look_ahead_frames is not None and not 0 <= look_ahead_frames <= field:
            raise ValueError(f"look_ahead_frames must be between 0 and {field}, not {look_ahead_frames}")
        self.look_ahead_frames = look_ahead_frames
        sizes = [size] + [width] * layers
        self.convolutions = nn.ModuleList(
            nn.Conv1d(
                inside,
                outside,
                kernel_frames,
                dilation=dilation,
                padding=dilation * (kernel_frames - 1) // 2 if look_ahead_frames is None else 0,
            )
            for (inside, outside), dilation in zip(pairwise(sizes), self.dilations, strict=True)
        )
        self.dropout = nn.Dropout1d(dropout)
        self.output = nn.Conv1d(width, 1, 1)
        glorot(self)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Trace of whole recordings, (batch, frames, size) to (batch, frames)."""
        return self.core(features)

    def core(self, features: torch.Tensor) -> torch.Tensor:
        """The same as ``forward``: every length is on the grid."""
        ahead = self.look_ahead_frames or 0
        hidden = _extended(features.transpose(1, 2), 0, ahead)
        for layer, dilation in zip(self.convolutions, self.dilations, strict=True):
            past = 0 if self.look_ahead_frames is None else dilation * (self.kernel_frames - 1)
            fresh = torch.relu(layer(_extended(hidden, past, 0)))
            hidden = fresh + hidden if self.residual and fresh.shape == hidden.shape else fresh
            hidden = self.dropout(hidden)
        return self.output(hidden).squeeze(1)[:, ahead:]

    def reach(self) -> tuple[int, int]:
        """Frames seen before and after a frame; the receptive field is their sum and one."""
        field = sum(self.dilations) * (self.kernel_frames - 1)
        after = field // 2 if self.look_ahead_frames is None else self.look_ahead_frames
        return field - after, after


def _extended(signal: torch.Tensor, before: int, after: int) -> torch.Tensor:
    """The signal with zeros around it; itself, and not a copy, where there are none."""
    return functional.pad(signal, (before, after)) if before or after else signal
