"""Dense prediction with time-dilated convolutions and batch normalisation (Sercu and Goel 2016).

A network that pools over time answers for one frame of several. To answer for all of them, its pooling keeps every
frame (stride 1), and whatever follows has its taps as many times further apart: a time-dilated convolution. Blocks of
convolutions, each normalised over the batch and rectified, end in a maximum over ``pooled_frames`` frames; the dilation
grows by that factor from block to block. As recordings are seen whole, the batch that is normalised over is their
frames.

The source classifies speech frames with a very deep network of 3 x 3 filters over time and frequency. Unstated in it is
all that regression asks for: here frequencies are channels, since front ends need not have neighbouring bins, and a 1x1
convolution gives the trace. Zeros stand beyond the ends of a recording; the source pads nothing and asks for context.
"""

import torch
from torch import nn
from torch.nn import functional

from emotrace.models.convolution import convolved, silenced
from emotrace.models.initialisation import glorot


class FrameNorm(nn.Module):
    """Batch normalisation over the frames of all recordings, of those that are heard only.

    Running moments are plain numbers like any weight, so that weights that are averaged over steps take them along.

    Args:
        width: channels.
        momentum: share of a step's moments in the running ones.

    Shape:
        (batch, width, frames) to the same.
    """

    def __init__(self, width: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.gain, self.offset = nn.Parameter(torch.ones(width, 1)), nn.Parameter(torch.zeros(width, 1))
        self.mean: torch.Tensor
        self.variance: torch.Tensor
        self.register_buffer("mean", torch.zeros(width, 1))
        self.register_buffer("variance", torch.ones(width, 1))

    def forward(self, signal: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        """Normalise by the batch while training, else by what was learned."""
        mean, variance = self._moments(signal, lengths) if self.training else (self.mean, self.variance)
        return (signal - mean) * (self.gain * torch.rsqrt(variance + 1e-5)) + self.offset

    def _moments(self, signal: torch.Tensor, lengths: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        count = signal.shape[0] * signal.shape[2] if lengths is None else lengths.sum()
        mean = silenced(signal, lengths).sum(dim=(0, 2))[:, None] / count
        variance = silenced(signal - mean, lengths).square().sum(dim=(0, 2))[:, None] / count
        with torch.no_grad():
            self.mean.lerp_(mean, self.momentum)
            self.variance.lerp_(variance, self.momentum)
        return mean, variance


class Network(nn.Module):
    """Blocks of time-dilated convolutions, each ended by dense pooling.

    Args:
        size: values an input frame.
        blocks: of convolutions and a pooling.
        layers: convolutions a block.
        width: filters of each.
        kernel_frames: filter width; odd.
        pooled_frames: frames that a pooling takes the maximum of, and factor of the dilation.
        dropout: share of channels dropped after each block while training.

    Shape:
        (batch, frames, size) to (batch, frames).
    """

    grid_frames = 1

    def __init__(
        self,
        size: int = 160,
        blocks: int = 6,
        layers: int = 2,
        width: int = 32,
        kernel_frames: int = 3,
        pooled_frames: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if kernel_frames % 2 == 0:
            raise ValueError(f"kernel_frames must be odd for as many frames out as in, not {kernel_frames}")
        self.layers, self.kernel_frames, self.pooled_frames = layers, kernel_frames, pooled_frames
        self.dilations = [pooled_frames**block for block in range(blocks)]
        sizes = [size] + [width] * (blocks * layers)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(
                sizes[number],
                width,
                kernel_frames,
                dilation=self.dilations[number // layers],
                padding="same",
                bias=False,
            )
            for number in range(blocks * layers)
        )
        self.norms = nn.ModuleList(FrameNorm(width) for _ in self.convolutions)
        self.dropout = nn.Dropout1d(dropout)
        self.output = nn.Conv1d(width, 1, 1)
        glorot(self)

    def forward(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Trace of whole recordings, (batch, frames, size) to (batch, frames), the shorter ones filled with zeros."""
        return self.core(features, lengths)

    def core(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """The same as ``forward``: every length is on the grid."""
        hidden = features.transpose(1, 2)
        for number, (layer, norm) in enumerate(zip(self.convolutions, self.norms, strict=True), 1):
            hidden = silenced(torch.relu(norm(convolved(layer, hidden), lengths)), lengths)
            if number % self.layers == 0:
                hidden = self.dropout(self._pooled(hidden, self.dilations[number // self.layers - 1]))
                hidden = silenced(hidden, lengths)
        trace: torch.Tensor = self.output(hidden).squeeze(1)
        return trace

    def reach(self) -> tuple[int, int]:
        """Frames seen before and after a frame."""
        side = sum(self.dilations) * self.layers * (self.kernel_frames // 2)
        pooled = sum(self.dilations) * (self.pooled_frames - 1)
        earlier = sum(self._earlier(dilation) for dilation in self.dilations)
        return side + earlier, side + pooled - earlier

    def _earlier(self, dilation: int) -> int:
        """How far back a pooling begins, so that it lies about its frame."""
        return dilation * (self.pooled_frames - 1) // 2

    def _pooled(self, hidden: torch.Tensor, dilation: int) -> torch.Tensor:
        # Zeros around what was rectified never are the greater.
        before, frames = self._earlier(dilation), hidden.shape[2]
        padded = functional.pad(hidden, (before, dilation * (self.pooled_frames - 1) - before))
        taps = [padded[:, :, dilation * tap : dilation * tap + frames] for tap in range(self.pooled_frames)]
        return torch.stack(taps).amax(dim=0)
