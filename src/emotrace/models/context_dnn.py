"""A deep network on frames with context (Cardinal et al. 2015).

The frames around a frame, side by side, go through fully connected layers to the frame's value; nothing but those
frames is known. Sliding over a recording this is a convolution as long as the context, followed by 1x1 convolutions.

Unstated in the source as far as it is public: how many frames (21 here) and how far apart (0.2 s here: neighbours of
40 ms say the same, and all of four seconds would be five times the work), layers, width, the non-linearity (ReLU) and
its start (Glorot).
"""

import torch
from torch import nn

from emotrace.models.convolution import convolved
from emotrace.models.initialisation import glorot


class Network(nn.Module):
    """Fully connected layers on a window of frames.

    Args:
        size: values an input frame.
        context_frames: frames looked at on either side.
        step_frames: how far apart.
        layers: hidden layers.
        width: units a layer.
        dropout: share of values dropped after each layer while training.

    Shape:
        (batch, frames, size) to (batch, frames).
    """

    grid_frames = 1

    def __init__(
        self,
        size: int = 160,
        context_frames: int = 10,
        step_frames: int = 5,
        layers: int = 3,
        width: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.side_frames = context_frames * step_frames
        self.window = nn.Conv1d(size, width, 2 * context_frames + 1, dilation=step_frames, padding="same")
        self.hidden = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(layers - 1))
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Conv1d(width, 1, 1)
        glorot(self)

    def forward(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Trace of whole recordings, (batch, frames, size) to (batch, frames), the shorter ones filled with zeros."""
        return self.core(features)

    def core(self, features: torch.Tensor) -> torch.Tensor:
        """The same as ``forward``: every length is on the grid."""
        hidden = self.dropout(torch.relu(convolved(self.window, features.transpose(1, 2))))
        for layer in self.hidden:
            hidden = self.dropout(torch.relu(convolved(layer, hidden)))
        trace: torch.Tensor = self.output(hidden).squeeze(1)
        return trace

    def reach(self) -> tuple[int, int]:
        """Frames seen before and after a frame."""
        return self.side_frames, self.side_frames
