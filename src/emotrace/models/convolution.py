"""Convolutions over time computed in the order that features already lie in memory: a frame's values side by side."""

from typing import Any

import torch
from scipy import fft
from torch.nn import functional
from torch.utils.weak import WeakIdKeyDictionary

_FFT_FRAMES = 8
"""From filters of this length on the transforms cost less than the taps (one filter, 160 values, one CPU core)."""


_KERNEL_FRAMES, _KERNEL_VALUES = 14, 1024
"""Where a filter is longer and has more weights, PyTorch's gradient takes six times as long as the forward pass on a
CPU, or hundreds of times."""


def convolved(layer: Any, signal: torch.Tensor) -> torch.Tensor:
    """What ``layer(signal)`` gives, to rounding (1e-6 of the largest value), faster on a CPU.

    A signal that was made by transposing (batch, frames, channels) is a picture of one row in "channels last" order,
    which PyTorch's kernels take as it is; as a 1-d signal it would be copied into the other order first.

    Args:
        layer: a ``torch.nn.Conv1d``; stride 1, zero padding, one group.
        signal: (batch, channels, frames).

    Returns:
        (batch, filters, frames out).
    """
    # What is exported stays a plain convolution; other devices have kernels of their own for both orders.
    if torch.compiler.is_compiling() or signal.device.type != "cpu":
        out: torch.Tensor = layer(signal)
        return out
    if layer.padding == "same":
        side = layer.dilation[0] * (layer.kernel_size[0] - 1) // 2
    else:
        side = int(layer.padding[0])
    if layer.kernel_size[0] > _KERNEL_FRAMES and layer.weight[0].numel() > _KERNEL_VALUES:
        return _summed(layer, signal, side)
    return functional.conv2d(
        signal.unsqueeze(2),
        layer.weight.unsqueeze(2),
        layer.bias,
        padding=(0, side),
        dilation=(1, layer.dilation[0]),
    ).squeeze(2)


def extended(signal: torch.Tensor, before: int, after: int) -> torch.Tensor:
    """(batch, channels, frames) with zeros around it, in the same order in memory; not a copy where there are none."""
    if not before and not after:
        return signal
    return functional.pad(signal.transpose(1, 2), (0, 0, before, after)).transpose(1, 2)


def _summed(layer: Any, signal: torch.Tensor, side: int) -> torch.Tensor:
    """The same as a sum of matrix products over the taps."""
    apart, taps = layer.dilation[0], layer.weight.unbind(dim=2)
    frames = signal.shape[2] + 2 * side - apart * (len(taps) - 1)
    padded = extended(signal, side, side).transpose(1, 2)
    products = [padded[:, apart * at : apart * at + frames] @ tap.t() for at, tap in enumerate(taps)]
    total = sum(products[1:], products[0])
    return (total if layer.bias is None else total + layer.bias).transpose(1, 2)


def filtered(features: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """One filter over all values of the frames around each frame, by FFT where it is long.

    Args:
        features: (batch, frames, size).
        taps: (size, filter frames); the filter is centred, its longer half in the future where it is even.

    Returns:
        (batch, frames), zeros assumed around the recording. Rounding is within 1e-4 of the direct sum.
    """
    length, frames = taps.shape[1], features.shape[1]
    if length < _FFT_FRAMES:
        return directly(features, taps)
    points = fft.next_fast_len(min(2 * length, frames + length - 1), real=True)
    correlated: torch.Tensor = _Correlation.apply(_spectra(features, length, points), taps, points)
    return correlated.flatten(1)[:, :frames]


def sides(length: int) -> tuple[int, int]:
    """Frames before and after the one a filter is centred on; the longer half of an even one lies in the future."""
    return (length - 1) // 2, length // 2


def directly(features: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """The same by a sum over the taps, whatever their number: what can be exported."""
    padded = functional.pad(features.transpose(1, 2), sides(taps.shape[1]))
    return functional.conv1d(padded, taps[None]).squeeze(1)


_known: Any = WeakIdKeyDictionary()


def _spectra(features: torch.Tensor, length: int, points: int) -> torch.Tensor:
    """(batch, size, blocks, points // 2 + 1) of overlapping blocks, kept as long as the features themselves.

    They are the greater part of the work, and a training loop comes with the same features every epoch.
    """
    # What is made in inference mode cannot be trained with later, nor does it tell whether it was changed.
    if features.requires_grad or torch.is_inference_mode_enabled() or features.is_inference():
        return _transformed(features, length, points)
    settings = (length, points, features._version)
    if _known.get(features, (None,))[0] != settings:
        _known[features] = (settings, _transformed(features, length, points))
    spectra: torch.Tensor = _known[features][1]
    return spectra


def _transformed(features: torch.Tensor, length: int, points: int) -> torch.Tensor:
    before, frames, step = sides(length)[0], features.shape[1], points - length + 1
    blocks = -(-frames // step)
    after = blocks * step + length - 1 - before - frames
    padded = functional.pad(features.transpose(1, 2), (before, after)).contiguous()
    return torch.fft.rfft(padded.unfold(2, points, step))


class _Correlation(torch.autograd.Function):
    """Overlap-save: of every block of ``points`` frames, the outputs that its wrapped end does not touch.

    Written out because automatic differentiation would hold and sum the products of all blocks and values twice.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(spectra: torch.Tensor, taps: torch.Tensor, points: int) -> torch.Tensor:
        """(batch, size, blocks, bins) and (size, length) to (batch, blocks, step)."""
        answer = torch.fft.rfft(taps, n=points).conj().resolve_conj()
        products = (spectra * answer[None, :, None]).sum(dim=1)
        return torch.fft.irfft(products, n=points)[..., : points - taps.shape[1] + 1]

    @staticmethod
    def setup_context(context: Any, inputs: tuple[torch.Tensor, torch.Tensor, int], output: torch.Tensor) -> None:
        """Keep what the gradients need."""
        spectra, taps, context.points = inputs
        context.save_for_backward(spectra, taps)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        """Of the taps, and of the spectra where somebody asks."""
        spectra, taps = context.saved_tensors
        arrived = torch.fft.rfft(gradient, n=context.points)
        of_taps = of_spectra = None
        if context.needs_input_grad[1]:
            products = (spectra * arrived.conj().resolve_conj()[:, None]).sum(dim=(0, 2))
            of_taps = torch.fft.irfft(products, n=context.points)[:, : taps.shape[1]]
        if context.needs_input_grad[0]:
            answer = torch.fft.rfft(taps, n=context.points)
            # An inverse real transform counts every bin but the first and the last twice.
            counts = torch.full(arrived.shape[-1:], 2.0, dtype=taps.dtype, device=taps.device)
            counts[0] = 1.0
            if context.points % 2 == 0:
                counts[-1] = 1.0
            of_spectra = arrived[:, None] * answer[None, :, None] * counts / context.points
        return of_spectra, of_taps, None


def silenced(signal: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """The signal with zeros where its recordings are over: what a layer sees after the end of one that is alone.

    Args:
        signal: (batch, channels, frames).
        lengths: (batch,) frames of each; None where all are as long as the signal.
    """
    if lengths is None:
        return signal
    over = torch.arange(signal.shape[2], device=signal.device) >= lengths[:, None]
    return signal.masked_fill(over[:, None], 0.0)
