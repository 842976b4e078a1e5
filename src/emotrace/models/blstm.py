"""The recurrent network that the paper compares with (Khorram et al. 2017, table 1, "BLSTM [24]"; Le et al. 2017).

Bidirectional LSTM layers over the whole recording and a linear layer, trained as the convolutional networks are.

Unstated in the paper: layers and width (2 and 32 here), the start (Keras's, with which the paper was made: Glorot
input kernels, orthogonal recurrent ones, forget gates open by one).
"""

import torch
from torch import nn
from torch.nn.utils import rnn

from emotrace.models import initialisation


class Network(nn.Module):
    """Bidirectional LSTM layers and a linear output.

    Args:
        size: values an input frame.
        layers: recurrent layers.
        width: cells a layer and direction.
        dropout: share of values dropped between layers while training.

    Shape:
        (batch, frames, size) to (batch, frames).
    """

    grid_frames = 1

    def __init__(self, size: int = 160, layers: int = 2, width: int = 32, dropout: float = 0.0) -> None:
        super().__init__()
        # PyTorch warns of dropout where there is nothing between layers.
        between = dropout if layers > 1 else 0.0
        self.recurrent = nn.LSTM(size, width, layers, batch_first=True, bidirectional=True, dropout=between)
        self.last_dropout = nn.Dropout(dropout)
        self.output = nn.Conv1d(2 * width, 1, 1)
        initialisation.glorot(self)
        initialisation.recurrent(self.recurrent)

    def forward(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Trace of whole recordings, (batch, frames, size) to (batch, frames), the shorter ones filled with zeros."""
        return self.core(features, lengths)

    def core(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """The same as ``forward``: every length is on the grid."""
        if lengths is None:
            hidden = self.recurrent(features)[0]
        else:
            packed = rnn.pack_padded_sequence(features, lengths.cpu(), batch_first=True, enforce_sorted=False)
            hidden, _ = rnn.pad_packed_sequence(
                self.recurrent(packed)[0], batch_first=True, total_length=features.shape[1]
            )
        trace: torch.Tensor = self.output(self.last_dropout(hidden).transpose(1, 2)).squeeze(1)
        return trace

    def reach(self) -> None:
        """Nothing bounds it: every frame depends on the whole recording."""
