"""The convolutional-recurrent network on the waveform (Trigeorgis et al. 2016, "Adieu features?").

A frame of 640 samples goes through 40 filters of 20 taps, a rectifier and max-pooling over two samples, then 40
filters of 40 taps and max-pooling over groups of ten filters; what is left, 4 x 320 values, goes into two LSTM layers
of 256 cells, and a linear layer gives the trace. Training cuts recordings into segments of five to six seconds, which
the LSTM enters with an empty memory.

The CCC of a step is that of a few of a recording's segments, drawn anew each time: a step on all fifty of five
minutes takes some four seconds on a processor core. ``segments`` says how many; unstated in the source, which learns
from batches of segments.

Also unstated in the source: convolutions within a frame, "same" padding (the pooling sizes ask for it), what the memory
does when a recording is predicted (it is carried through all of it), how the layers start (convolutions Glorot,
recurrent ones as in Keras), and dropout, off. Their later toolkit, end2you, drops out samples, too, and rectifies
after the second convolution as well.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from emotrace.models import initialisation
from emotrace.models.convolution import sides

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

_CHUNK_FRAMES = 128
"""Frames in the filters at once: 7 MB a layer, whatever the recording's length."""

_BLOCK_SAMPLES = 80
"""Answers to a transform: with fewer, more of the transforms is overlap; with more, they cost more than the filters."""


class Network(nn.Module):
    """Two convolutional layers inside of frames, LSTM layers over them, a linear output.

    Args:
        size: samples a frame.
        filters: of both convolutional layers.
        first_taps: length of the first layer's filters, in samples.
        second_taps: of the second's, in pairs of samples.
        pooled_filters: filters that the last pooling takes the maximum of.
        layers: recurrent layers.
        width: cells a recurrent layer.
        dropout: share of values dropped before, between and after recurrent layers while training.
        segment_frames: length of the segments (source: 5 to 6 s).
        segments: of a recording in each step; 0 for all.

    Shape:
        (batch, frames, size) to (batch, frames); in training mode infinite where no segment was drawn.
    """

    grid_frames = 1

    def __init__(
        self,
        size: int = 640,
        filters: int = 40,
        first_taps: int = 20,
        second_taps: int = 40,
        pooled_filters: int = 10,
        layers: int = 2,
        width: int = 256,
        dropout: float = 0.0,
        segment_frames: int = 150,
        segments: int = 8,
    ) -> None:
        super().__init__()
        if filters % pooled_filters:
            raise ValueError(f"filters must be a multiple of pooled_filters, not {filters} of {pooled_filters}")
        self.pooled_filters, self.segment_frames, self.segments = pooled_filters, segment_frames, segments
        self.first = nn.Conv1d(1, filters, first_taps)
        self.second = nn.Conv1d(filters, filters, second_taps)
        inside = filters // pooled_filters * -(-size // 2)
        between = dropout if layers > 1 else 0.0
        self.recurrent = nn.LSTM(inside, width, layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Conv1d(width, 1, 1)
        analysis, synthesis = _transforms(min(_BLOCK_SAMPLES, -(-size // 2)), second_taps)
        self.analysis: torch.Tensor
        self.synthesis: torch.Tensor
        self.register_buffer("analysis", analysis, persistent=False)
        self.register_buffer("synthesis", synthesis, persistent=False)
        initialisation.glorot(self)
        initialisation.recurrent(self.recurrent)

    def forward(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Trace of whole recordings, (batch, frames, size) to (batch, frames), the shorter ones filled with zeros."""
        if not self.training:
            return self.core(features)
        batch, frames, _ = features.shape
        missing = -frames % self.segment_frames
        cut = functional.pad(features, (0, 0, 0, missing)).reshape(-1, self.segment_frames, features.shape[2])
        drawn = self._drawn(len(cut) // batch, batch, frames if lengths is None else lengths)
        traces = cut.new_full(cut.shape[:2], torch.inf).index_put((drawn,), self.core(cut[drawn]))
        return traces.reshape(batch, -1)[:, :frames]

    def core(self, features: torch.Tensor) -> torch.Tensor:
        """The network itself, its memory empty at the first frame."""
        answers = _answers(self.second.weight, self.analysis)
        chunks = features.flatten(0, 1).split(_CHUNK_FRAMES)
        hidden = torch.cat([self._filtered(chunk, answers) for chunk in chunks])
        seen = self.dropout(hidden.unflatten(0, features.shape[:2]))
        trace: torch.Tensor = self.output(self.dropout(self.recurrent(seen)[0]).transpose(1, 2)).squeeze(1)
        return trace

    def loss(self, trace: torch.Tensor, gold: torch.Tensor, rated: torch.Tensor, ccc_loss: Loss) -> torch.Tensor:
        """That of the CCC, over the segments that were drawn."""
        return ccc_loss(trace, gold, rated & ~trace.isinf())

    def reach(self) -> None:
        """Nothing bounds how long the memory is."""

    def _drawn(self, segments: int, batch: int, frames: int | torch.Tensor) -> torch.Tensor:
        """Which segments of all recordings, end to end, a step sees."""
        begun = torch.arange(segments) * self.segment_frames < torch.as_tensor(frames).cpu().reshape(-1, 1)
        begun = begun.expand(batch, segments)
        order = torch.rand(batch, segments).masked_fill(~begun, 2.0).argsort(dim=1)
        chosen = torch.zeros(batch, segments, dtype=torch.bool)
        chosen.scatter_(1, order[:, : self.segments or segments], value=True)
        return (chosen & begun).flatten().nonzero()[:, 0].to(self.output.weight.device)

    def _filtered(self, frames: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        """(n, size) samples to (n, values)."""
        heard = self._heard(frames)
        block, points = len(self.synthesis), self.analysis.shape[1]
        blocks = -(-len(heard) // block)
        before, after = sides(self.second.kernel_size[0])
        padded = functional.pad(heard, (0, 0, 0, 0, before, after + blocks * block - len(heard)))
        seen = (padded[first : first + points] for first in range(0, blocks * block, block))
        pooled = torch.cat([self._pooled(each, answers) for each in seen])
        return pooled[: len(heard)].permute(2, 1, 0).flatten(1)

    def _heard(self, frames: torch.Tensor) -> torch.Tensor:
        """What the first layer makes of (n, size) samples: (pairs of samples, filters, n)."""
        taps = self.first.weight[:, 0]
        # A pair's two samples are two filters on what both of them see.
        pair = torch.cat([functional.pad(taps, (0, 1)), functional.pad(taps, (1, 0))])
        before, after = sides(taps.shape[1])
        odd = frames.shape[1] % 2
        samples = functional.pad(frames, (before, after + odd)).t().contiguous()
        windows = samples.unfold(0, pair.shape[1], 2).transpose(1, 2)
        both = torch.bmm(pair.expand(len(windows), -1, -1), windows).unflatten(1, (2, -1))
        if odd:
            both[-1, 1] = both[-1, 0]
        return torch.relu(_peaks(both, 1) + self.first.get_parameter("bias")[:, None])

    def _pooled(self, heard: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        """The second layer on (points, filters, n): (block, groups of filters, n).

        By discrete Fourier transforms written as matrix products, as the filters themselves are once they are
        transformed: a quarter of the multiplications of a sum over 40 taps, and all of them in products of matrices.
        """
        spectra = (self.analysis @ heard.flatten(1)).view(len(answers), -1, heard.shape[2])
        products = torch.bmm(answers, spectra)
        # In the bin of the constant, where it costs nothing.
        products[0, : self.second.out_channels] += len(heard) * self.second.get_parameter("bias")[:, None]
        maps = self.synthesis @ products.view(2 * len(answers), -1)
        return _peaks(maps.view(len(maps), -1, self.pooled_filters, heard.shape[2]), 2)


def _transforms(block: int, taps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Real and imaginary parts of a signal's bins, (2 bins, points), and of bins the first samples, (block, 2 bins)."""
    points = block + taps - 1
    bins = torch.arange(points // 2 + 1, dtype=torch.float64)
    angles = 2 * math.pi / points * torch.outer(bins, torch.arange(points, dtype=torch.float64))
    analysis = torch.stack([angles.cos(), -angles.sin()], dim=1).flatten(0, 1)
    # All bins but the constant's and, where there is one, that of half the rate stand for two.
    counts = torch.where((bins > 0) & (2 * bins < points), 2.0, 1.0).repeat_interleave(2)
    return analysis.float(), (analysis.t()[:block] * counts / points).float()


def _answers(weight: torch.Tensor, analysis: torch.Tensor) -> torch.Tensor:
    """Filters (out, in, taps) in every bin as a real matrix, (bins, 2 out, 2 in), their spectra conjugated."""
    flat = weight.permute(2, 0, 1).flatten(1)
    real, imaginary = (analysis[:, : len(flat)] @ flat).view(-1, 2, *weight.shape[:2]).unbind(1)
    return torch.cat([torch.cat([real, imaginary], dim=2), torch.cat([-imaginary, real], dim=2)], dim=1)


def _peaks(values: torch.Tensor, dim: int) -> torch.Tensor:
    """The maximum over a dimension."""
    peaks: torch.Tensor = _Peaks.apply(values, dim)
    return peaks


class _Peaks(torch.autograd.Function):
    """``amax``, whose own gradient takes half of the time of all that is learned here."""

    @staticmethod
    def forward(context: Any, values: torch.Tensor, dim: int) -> torch.Tensor:
        """Without the dimension."""
        peaks = values.amax(dim, keepdim=True)
        context.dim = dim
        context.save_for_backward(values, peaks)
        return peaks.squeeze(dim)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        """In equal shares to what is equal."""
        values, peaks = context.saved_tensors
        hits = torch.eq(values, peaks, out=torch.empty_like(values))
        return hits.mul_(gradient.unsqueeze(context.dim) / hits.sum(context.dim, keepdim=True)), None
