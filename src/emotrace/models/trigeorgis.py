"""The convolutional-recurrent network on the waveform (Trigeorgis et al. 2016, "Adieu features?").

A frame of 640 samples goes through 40 filters of 20 taps, a rectifier and max-pooling over two samples, then 40
filters of 40 taps and max-pooling over groups of ten filters; what is left, 4 x 320 values, goes into two LSTM layers
of 256 cells, and a linear layer gives the trace. Training cuts recordings into segments of five to six seconds, which
the LSTM enters with an empty memory.

The CCC of a step is that of a few of a recording's segments, drawn anew each time: a step on all fifty of five
minutes takes some ten seconds on a processor core. ``segments`` says how many; unstated in the source, which learns
from batches of segments.

Also unstated in the source: convolutions within a frame, "same" padding (the pooling sizes ask for it), what the memory
does when a recording is predicted (it is carried through all of it), how the layers start (convolutions Glorot,
recurrent ones as in Keras), and dropout, off.
"""

from collections.abc import Callable

import torch
from scipy import fft
from torch import nn
from torch.nn import functional

from emotrace.models import initialisation
from emotrace.models.convolution import sides

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

_CHUNK_FRAMES = 256
"""Frames in the filters at once: 13 MB a layer, whatever the recording's length."""


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
        hidden = torch.cat([self._filtered(chunk) for chunk in features.flatten(0, 1).split(_CHUNK_FRAMES)])
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

    def _filtered(self, frames: torch.Tensor) -> torch.Tensor:
        """(n, size) samples to (n, values)."""
        padded = functional.pad(frames[:, None], sides(self.first.kernel_size[0]))
        heard = functional.max_pool1d(torch.relu(self.first(padded)), 2, ceil_mode=True)
        maps = _transformed(heard, self.second).unflatten(1, (-1, self.pooled_filters))
        return maps.amax(dim=2).flatten(1)


def _transformed(signal: torch.Tensor, layer: nn.Conv1d) -> torch.Tensor:
    """``layer`` with "same" padding on (n, channels, samples), by FFT: a third of the time of the sum over 40 taps."""
    samples, taps = signal.shape[2], layer.kernel_size[0]
    points = fft.next_fast_len(samples + taps - 1, real=True)
    spectra = torch.fft.rfft(functional.pad(signal, (sides(taps)[0], 0)), n=points)
    answers = torch.fft.rfft(layer.weight, n=points).conj()
    products = torch.einsum("ncf,ocf->nof", spectra, answers)
    result: torch.Tensor = torch.fft.irfft(products, n=points)[..., :samples]
    return result if layer.bias is None else result + layer.bias[:, None]
