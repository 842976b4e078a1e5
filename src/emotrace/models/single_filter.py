"""One filter over all features (Khorram et al. 2017, section 4): how much context is worth.

A convolution with a single filter of 2 to 2048 frames, tanh, and a linear layer, here a gain and an offset. A long
filter is applied by FFT (:mod:`emotrace.models.convolution`); what is exported is the plain sum.

Unstated in the source: where the filter lies about its frame (centred; of an even number of frames the longer half
lies in the future, as Keras pads on TensorFlow, while on Theano, which the paper used, it lies in the past) and how it
starts: from a normal distribution, as in the authors' later code, with Glorot's SD (theirs, the same for all lengths,
drives the tanh of long filters to its ends), zero biases.
"""

from typing import cast

import torch
from torch import nn

from emotrace.models import convolution


class Network(nn.Module):
    """One filter, tanh, gain and offset.

    Args:
        size: values an input frame.
        filter_frames: length of the filter (paper: 2, 4, 8, ... 2048).

    Shape:
        (batch, frames, size) to (batch, frames).
    """

    grid_frames = 1

    def __init__(self, size: int = 160, filter_frames: int = 256) -> None:
        super().__init__()
        if filter_frames < 1:
            raise ValueError(f"filter_frames must be at least 1, not {filter_frames}")
        self.filter_frames = filter_frames
        self.convolution = nn.Conv1d(size, 1, filter_frames)
        self.output = nn.Conv1d(1, 1, 1)
        for layer in (self.convolution, self.output):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(cast(torch.Tensor, layer.bias))

    def forward(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Trace of whole recordings, (batch, frames, size) to (batch, frames), the shorter ones filled with zeros."""
        return self._answer(convolution.filtered(features, self.convolution.weight[0]))

    def core(self, features: torch.Tensor) -> torch.Tensor:
        """The same as ``forward``, to rounding, without transforms."""
        return self._answer(convolution.directly(features, self.convolution.weight[0]))

    def reach(self) -> tuple[int, int]:
        """Frames seen before and after a frame."""
        return convolution.sides(self.filter_frames)

    def _answer(self, filtered: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(filtered + cast(torch.Tensor, self.convolution.bias))
        trace: torch.Tensor = self.output(hidden.unsqueeze(1)).squeeze(1)
        return trace
