"""How networks start: Glorot (Xavier) uniform kernels, zero biases (the authors' later code)."""

from torch import nn


def glorot(network: nn.Module) -> None:
    """Initialise every convolution of a network in place, from PyTorch's global generator."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def recurrent(layers: nn.LSTM) -> None:
    """Start LSTM layers much as Keras does: Glorot input kernels, orthogonal recurrent ones, forget gates open by one.

    Input kernels are drawn for all gates together, as Keras 2 does, and recurrent ones for every gate alone, as Keras 1
    does: they are twice as large as in Keras 2, where those of all gates together are orthogonal.
    """
    for name, values in layers.named_parameters():
        gates = values.data.chunk(4)
        if "weight_ih" in name:
            nn.init.xavier_uniform_(values)
        elif "weight_hh" in name:
            for gate in gates:
                nn.init.orthogonal_(gate)
        else:
            nn.init.zeros_(values)
            if "bias_ih" in name:
                nn.init.ones_(gates[1])
