"""The multi-delay sinc network (Khorram, McInnis and Mower Provost 2019, "Jointly aligning and predicting continuous
emotion annotations"), the down/up authors' own successor.

Raters answer late, and not always equally late. Convolutions with tanh give for every frame a value for each of several
delays and, by a softmax, how much each of these delays counts; each product is moved by its delay, and a linear layer
adds them up to the trace. Moving by a delay is a filter, a sinc that is centred on the delay, and the delay is learned
with everything else. A sinc lets nothing pass above one frequency, 4.9 Hz with the zeros that the source gives it, so
that the trace is smooth.

Widths of filters and channels, numbers of layers and delays, length (1024 frames), sharpness (.005 of half of that) and
where delays start (up to .8 of half of it) are those of the authors' released code. It starts filters from a standard
normal distribution, in which tanh has no slope; Glorot's start here, gates at zero as there.
"""

from itertools import pairwise

import torch
from scipy import fft
from torch import nn
from torch.nn import functional

from emotrace.models.convolution import convolved, extended, sides, silenced
from emotrace.models.initialisation import glorot


class Network(nn.Module):
    """Convolutions, gates over delays, sinc filters, a linear output.

    Args:
        size: values an input frame.
        layers: convolutions before the gates (source: 5, 6).
        width: filters of each (source: 16, 32).
        kernel_frames: filter width (source: 8, 16); of an even one the longer half lies in the future.
        delays: how many (source: 16, 32, 64).
        window_frames: length of the sinc filters.
        sharpness: distance of a sinc's zeros, in halves of the window.
        longest_start: greatest delay at the start, in halves of the window.
        dropout: share of channels dropped between layers while training.

    Shape:
        (batch, frames, size) to (batch, frames).
    """

    grid_frames = 1

    def __init__(
        self,
        size: int = 160,
        layers: int = 5,
        width: int = 16,
        kernel_frames: int = 8,
        delays: int = 16,
        window_frames: int = 1024,
        sharpness: float = 0.005,
        longest_start: float = 0.8,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.kernel_frames, self.window_frames, self.sharpness = kernel_frames, window_frames, sharpness
        self.convolutions = nn.ModuleList(
            nn.Conv1d(inside, outside, kernel_frames) for inside, outside in pairwise([size] + [width] * layers)
        )
        self.values = nn.Conv1d(width, delays, kernel_frames)
        self.gates = nn.Conv1d(width, delays, kernel_frames, bias=False)
        self.output = nn.Conv1d(delays, 1, 1, bias=False)
        self.dropout = nn.Dropout1d(dropout)
        glorot(self)
        nn.init.zeros_(self.gates.weight)
        self.delays = nn.Parameter(longest_start * torch.rand(delays))

    def forward(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Trace of whole recordings, (batch, frames, size) to (batch, frames), the shorter ones filled with zeros."""
        return self._summed(self._moved(self._gated(features, lengths)))

    def core(self, features: torch.Tensor) -> torch.Tensor:
        """The same as ``forward``, to rounding, without transforms."""
        gated = functional.pad(self._gated(features, None), sides(self.window_frames))
        return self._summed(functional.conv1d(gated, self.sincs()[:, None], groups=len(self.delays)))

    def sincs(self) -> torch.Tensor:
        """(delays, window_frames) taps, the earliest frame first."""
        before, after = sides(self.window_frames)
        ages = torch.arange(before, -after - 1, -1, device=self.delays.device, dtype=self.delays.dtype)
        return torch.sinc((ages / (self.window_frames / 2) - self.delays[:, None]) / self.sharpness)

    def reach(self) -> tuple[int, int]:
        """Frames seen before and after a frame."""
        kernel, window = sides(self.kernel_frames), sides(self.window_frames)
        deep = len(self.convolutions) + 1
        return deep * kernel[0] + window[0], deep * kernel[1] + window[1]

    def _gated(self, features: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        """What each delay moves, (batch, delays, frames)."""
        hidden, beside = features.transpose(1, 2), sides(self.kernel_frames)
        for layer in self.convolutions:
            hidden = self.dropout(torch.tanh(convolved(layer, extended(hidden, *beside))))
            hidden = silenced(hidden, lengths)
        seen = extended(hidden, *beside)
        products = torch.tanh(convolved(self.values, seen)) * convolved(self.gates, seen).softmax(dim=1)
        return silenced(products, lengths)

    def _moved(self, signal: torch.Tensor) -> torch.Tensor:
        """Each channel by its delay."""
        before, _ = sides(self.window_frames)
        frames = signal.shape[2]
        points = fft.next_fast_len(frames + self.window_frames - 1, real=True)
        spectra = torch.fft.rfft(functional.pad(signal, (before, 0)), n=points)
        answers = torch.fft.rfft(self.sincs(), n=points).conj()
        moved: torch.Tensor = torch.fft.irfft(spectra * answers, n=points)[..., :frames]
        return moved

    def _summed(self, moved: torch.Tensor) -> torch.Tensor:
        trace: torch.Tensor = self.output(moved).squeeze(1)
        return trace
