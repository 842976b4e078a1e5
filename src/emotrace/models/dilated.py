"""The dilated convolutional network (Khorram et al. 2017, section 5.1).

A stack of convolutions whose dilation doubles from layer to layer, so that the receptive field grows exponentially with
depth and the parameters only linearly; a 1x1 convolution gives the trace. The paper counts the zeros between taps (its
"dilation factor of one" is ``[w1, 0, w2, 0, w3]``) and says that layer n has factor 2^n; here the taps of layer
n = 0, 1, 2, ... lie ``dilation_base ** n`` frames apart (framework counting: no zeros in the first layer).

Unstated in the source: filter width (3), the non-linearity (ReLU in the authors' later code), "same" padding with
zeros, Glorot initialisation with zero biases, a residual path (off, as the text shows none).
"""

from itertools import pairwise

import torch
from torch import nn

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
    ) -> None:
        super().__init__()
        if kernel_frames % 2 == 0:
            raise ValueError(f"kernel_frames must be odd for as many frames out as in, not {kernel_frames}")
        self.residual = residual
        self.dilations = [dilation_base**n for n in range(layers)]
        self.kernel_frames = kernel_frames
        sizes = [size] + [width] * layers
        self.convolutions = nn.ModuleList(
            nn.Conv1d(
                inside,
                outside,
                kernel_frames,
                dilation=dilation,
                padding=dilation * (kernel_frames - 1) // 2,
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
        hidden = features.transpose(1, 2)
        for layer in self.convolutions:
            fresh = torch.relu(layer(hidden))
            hidden = fresh + hidden if self.residual and fresh.shape == hidden.shape else fresh
            hidden = self.dropout(hidden)
        return self.output(hidden).squeeze(1)

    def reach(self) -> tuple[int, int]:
        """Frames seen before and after a frame; the receptive field is their sum and one."""
        side = sum(self.dilations) * (self.kernel_frames - 1) // 2
        return side, side
