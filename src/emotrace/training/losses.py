"""Losses on whole recordings: one minus the concordance correlation, and the L2 penalty of the paper."""

import torch
from torch import nn


def ccc_loss(
    prediction: torch.Tensor, gold: torch.Tensor, mask: torch.Tensor | None = None, stabiliser: float = 1e-3
) -> torch.Tensor:
    """One minus the CCC (population variances), averaged over the batch (paper, sections 3 and 6.1).

    The CCC of a constant has no gradient, and that of one that is nearly constant one without bound: the CCC divides by
    the variances. ``stabiliser`` is added to its denominator; the loss of a perfect prediction of a trace of SD 0.2 is
    then 0.012 and not 0. A constant target has a loss of 1 whatever is predicted, and pulls nothing.

    Args:
        prediction: (batch, frames).
        gold: (batch, frames); what stands where the mask is False does not matter, NaN included.
        mask: (batch, frames), True where a frame counts; all by default.
        stabiliser: added to the denominator, in squared units of the trace.

    Returns:
        A scalar in [0, 2]; 1 for a recording without a frame that counts.
    """
    if mask is None:
        mask = torch.ones_like(gold, dtype=torch.bool)
    counted = mask.sum(dim=1).clamp(min=1)

    def mean(values: torch.Tensor) -> torch.Tensor:
        return values.sum(dim=1) / counted

    prediction, gold = prediction.where(mask, 0.0), gold.where(mask, 0.0)
    offset = mean(prediction) - mean(gold)
    own = (prediction - mean(prediction)[:, None]).where(mask, 0.0)
    true = (gold - mean(gold)[:, None]).where(mask, 0.0)
    spread = mean(own**2) + mean(true**2) + offset**2
    return (1 - 2 * mean(own * true) / (spread + stabiliser)).mean()


def l2_penalty(network: nn.Module) -> torch.Tensor:
    """Sum of the squares of all weights and biases of a network that are held back; see :func:`held_back`."""
    return torch.stack([p.square().sum() for name, p in network.named_parameters() if held_back(network, name)]).sum()


def held_back(network: nn.Module, name: str) -> bool:
    """Whether the penalty is on a parameter: on all but those that the network lists as ``unpenalised``."""
    return name.rpartition(".")[2] not in getattr(network, "unpenalised", ())
