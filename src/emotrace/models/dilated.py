"""The dilated convolutional network (Khorram et al. 2017, section 5.1).

A stack of convolutions whose dilation doubles from layer to layer, so that the receptive field grows exponentially with
depth and the parameters only linearly; a 1x1 convolution gives the trace. The paper counts the zeros between taps (its
"dilation factor of one" is ``[w1, 0, w2, 0, w3]``) and says that layer n has factor 2^n; here the taps of layer
n = 0, 1, 2, ... lie ``dilation_base ** n`` frames apart (framework counting: no zeros in the first layer).

Unstated in the source: filter width (3), the non-linearity (ReLU in the authors' later code), "same" padding with
zeros, Glorot initialisation with zero biases, a residual path (off, as the text shows none).

For live use the taps may all lie in the past, the trace being that many frames behind the sound: the same receptive
field, moved (``look_ahead_frames``). Every layer then needs nothing but its input at the times of its taps, and
:class:`Live` goes on by one frame at the cost of one frame.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from emotrace.models.convolution import convolved, extended, silenced
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

    def forward(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Trace of whole recordings, (batch, frames, size) to (batch, frames), the shorter ones filled with zeros."""
        return self.core(features, lengths)

    def core(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """The same as ``forward``: every length is on the grid."""
        ahead = self.look_ahead_frames or 0
        heard = None if lengths is None else lengths + ahead
        hidden = extended(features.transpose(1, 2), 0, ahead)
        for layer, dilation in zip(self.convolutions, self.dilations, strict=True):
            past = 0 if self.look_ahead_frames is None else dilation * (self.kernel_frames - 1)
            fresh = torch.relu(convolved(layer, extended(hidden, past, 0)))
            hidden = fresh + hidden if self.residual and fresh.shape == hidden.shape else fresh
            hidden = silenced(self.dropout(hidden), heard)
        return self.output(hidden).squeeze(1)[:, ahead:]

    def reach(self) -> tuple[int, int]:
        """Frames seen before and after a frame; the receptive field is their sum and one."""
        field = sum(self.dilations) * (self.kernel_frames - 1)
        after = field // 2 if self.look_ahead_frames is None else self.look_ahead_frames
        return field - after, after

    def ages(self) -> list[list[int]]:
        """How many frames ago lie the earlier inputs that each layer needs to go on by a frame, oldest first.

        None where the network looks ahead as far as back: it cannot go on by a frame.
        """
        taps = range(self.kernel_frames - 1, 0, -1)
        return [] if self.look_ahead_frames is None else [[d * tap for tap in taps] for d in self.dilations]


class Live(nn.Module):
    """Networks of one configuration side by side, for one frame: what an ensemble makes of it, given what came before.

    Its trace is ``look_ahead_frames`` behind the frame. What came before a recording is zeros, in every layer.

    Args:
        members: networks that differ in their weights only.

    Shape:
        ``features (1, size)``, of the frame; ``first (taps, size)``, the earlier frames at the ages of layer 0;
        ``past (layers - 1, taps, members, width)``, the inputs of the other layers at theirs; to ``trace (members,)``
        and ``inputs (layers - 1, members, width)``, what these layers are given for this frame.
    """

    def __init__(self, members: Sequence[Network]) -> None:
        super().__init__()
        layers = list(zip(*(member.convolutions for member in members), strict=True))
        # Taps before channels, as the inputs at their times stand one after the other.
        kernels = [torch.stack([layer.weight.detach().mT.flatten(1) for layer in alike]) for alike in layers]
        biases = [torch.stack([layer.bias.detach()[:, None] for layer in alike]) for alike in layers]
        self.residual = members[0].residual
        self.first = nn.Parameter(kernels[0].flatten(0, 1).T.contiguous())
        self.kernels = nn.ParameterList(kernels[1:])
        self.biases = nn.ParameterList(biases)
        outputs = [member.output.state_dict() for member in members]
        self.output = nn.Parameter(torch.stack([output["weight"][:, :, 0] for output in outputs]))
        self.offset = nn.Parameter(torch.stack([output["bias"][:, None] for output in outputs]))

    def forward(
        self, features: torch.Tensor, first: torch.Tensor, past: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Every member's trace of one frame, and what to keep of it."""
        count = len(self.output)
        hidden = torch.cat([first, features]).reshape(1, -1) @ self.first
        hidden = torch.relu(hidden.reshape(count, -1, 1) + self.biases[0])
        if self.residual and hidden.shape[1] == features.shape[1]:
            hidden = hidden + features[:, :, None]
        inputs = [hidden]
        for number, (kernel, bias) in enumerate(zip(self.kernels, self.biases[1:], strict=True)):
            seen = torch.cat([past[number], hidden[None, :, :, 0]]).transpose(0, 1).reshape(count, -1, 1)
            fresh = torch.relu(kernel @ seen + bias)
            hidden = fresh + hidden if self.residual else fresh
            inputs.append(hidden)
        return (self.output @ hidden + self.offset)[:, 0, 0], torch.stack(inputs)[:-1, :, :, 0]
