"""Bidirectional linear recurrent units (Orvieto et al. 2023, "Resurrecting recurrent neural networks for long
sequences"): the modern long-context network of the comparison.

Why this one. The paper finds that tens of seconds of context help and that recurrent networks, which have them, cost
forty times an epoch of a convolutional one, because frame after frame waits for the last. A recurrence without a
non-linearity inside need not wait: its whole recording is a few matrix products, and the non-linearity stands between
layers, where it costs nothing in time. Each state forgets at its own learned pace, from a fifth of a second to a
minute at the start, so that the context is learned as such and not built into filter lengths; both directions, since
raters' answers come late and recordings are there as a whole. Compared with attention, memory grows with the length
and not with its square, and with few recordings it has few parameters to overfit with.

A layer: layer norm; complex states ``h[t] = d * h[t - 1] + g * B x[t]`` in each direction, ``d = exp(-exp(a) + i b)``
and ``g = sqrt(1 - |d|^2)``, where the source's ``g`` starts there and is learned; linear, gated linear unit, and the
layer's input added. The choice of where paces start, widths and numbers of layers is made for this task.
"""

import math

import torch
from torch import nn
from torch.nn import functional

from emotrace.models.convolution import silenced

_BLOCK = 64
_FASTEST_FRAMES, _SLOWEST_FRAMES = 5.0, 1500.0


class Recurrence(nn.Module):
    """Linear complex states that run along a recording in one direction.

    Args:
        size: values a frame.
        states: complex numbers that are remembered.

    Shape:
        (batch, frames, size) to (batch, frames, 2 * states), real parts before imaginary ones.
    """

    def __init__(self, size: int, states: int) -> None:
        super().__init__()
        paces = torch.empty(states).uniform_(math.log(_FASTEST_FRAMES), math.log(_SLOWEST_FRAMES))
        self.log_decay = nn.Parameter(-paces)
        # At the start a state turns by half a circle at most before it has forgotten.
        self.turn = nn.Parameter(math.pi * torch.rand(states) * torch.exp(-paces))
        self.inside = nn.Linear(size, 2 * states, bias=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """All states of all frames."""
        log_step = torch.complex(-torch.exp(self.log_decay), self.turn)
        gain = torch.sqrt(-torch.expm1(2 * log_step.real))
        heard = torch.complex(*self.inside(values).chunk(2, dim=2)) * gain
        states = scanned(heard, log_step)
        return torch.cat([states.real, states.imag], dim=2)


def scanned(inputs: torch.Tensor, log_step: torch.Tensor) -> torch.Tensor:
    """The sums ``h[t] = exp(log_step) h[t - 1] + inputs[t]``, from zero, as products of matrices.

    Blocks of frames are summed by one triangular matrix a state; what a block begins with is the same sum over the ends
    of the blocks before, by a triangular matrix of as many rows as there are blocks.

    Args:
        inputs: (batch, frames, states), complex.
        log_step: (states,), complex.
    """
    batch, frames, states = inputs.shape
    padded = functional.pad(inputs, (0, 0, 0, -frames % _BLOCK))
    # (states, frames of a block, blocks of the batch)
    blocks = padded.reshape(-1, _BLOCK, states).permute(2, 1, 0)
    within = _powers(log_step, _BLOCK) @ blocks
    ends = within[:, -1].reshape(states, batch, -1)
    carried = ends @ _powers(_BLOCK * log_step, ends.shape[2]).mT
    before = functional.pad(carried, (1, 0))[..., :-1].reshape(states, 1, -1)
    ages = torch.arange(1, _BLOCK + 1, device=inputs.device)
    sums = within + torch.exp(log_step[:, None] * ages)[..., None] * before
    return sums.permute(2, 1, 0).reshape(batch, -1, states)[:, :frames]


def _powers(log_step: torch.Tensor, count: int) -> torch.Tensor:
    """(states, count, count): the step to the power of row minus column, 0 above the diagonal."""
    powers = torch.exp(log_step[:, None] * torch.arange(count, device=log_step.device))
    return functional.pad(powers, (count - 1, 0)).unfold(1, count, 1).flip(2)


class Layer(nn.Module):
    """Both directions, mixed frame by frame, added to what came in.

    Args:
        width: values a frame.
        states: of each direction.
        dropout: share of values dropped while training.
    """

    def __init__(self, width: int, states: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.forwards, self.backwards = Recurrence(width, states), Recurrence(width, states)
        self.mixed = nn.Linear(4 * states, width)
        self.gated = nn.Linear(width, 2 * width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        """(batch, frames, width) to the same."""
        heard = silenced(self.norm(hidden).mT, lengths).mT
        states = [self.forwards(heard), self.backwards(heard.flip(1)).flip(1)]
        mixed = self.dropout(functional.gelu(self.mixed(torch.cat(states, dim=2))))
        return hidden + self.dropout(functional.glu(self.gated(mixed), dim=2))


class Network(nn.Module):
    """Layers of linear recurrent units and a linear output.

    Args:
        size: values an input frame.
        layers: of recurrent units.
        width: values a frame between layers.
        states: complex states a layer and direction.
        dropout: share of values dropped while training.

    Shape:
        (batch, frames, size) to (batch, frames).
    """

    grid_frames = 1
    unpenalised = ("log_decay", "turn")
    """A penalty on these would shorten the memory, not the weights."""

    def __init__(
        self, size: int = 160, layers: int = 3, width: int = 32, states: int = 32, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.inside = nn.Linear(size, width)
        self.layers = nn.ModuleList(Layer(width, states, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, 1)

    def forward(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Trace of whole recordings, (batch, frames, size) to (batch, frames), the shorter ones filled with zeros."""
        return self.core(features, lengths)

    def core(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """The same as ``forward``: every length is on the grid."""
        hidden = self.inside(features)
        for layer in self.layers:
            hidden = layer(hidden, lengths)
        trace: torch.Tensor = self.output(self.norm(hidden)).squeeze(2)
        return trace

    def reach(self) -> None:
        """Nothing bounds it: a state forgets, but never all."""
