"""How the paper's networks start: Glorot (Xavier) uniform kernels, zero biases (the authors' later code)."""

from torch import nn


def glorot(network: nn.Module) -> None:
    """Initialise every convolution of a network in place, from PyTorch's global generator."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
