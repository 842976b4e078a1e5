"""A deep network on frames with context.

Unstated in the source as far as it is public: see :mod:`emotrace.models.context_dnn`; the features (log mel here, as
for all networks), the loss, which is the CCC's as for all networks, and the raters' delay (2.8 s here, the AVEC 2016
baseline's for arousal): a window of a few seconds does not reach back to what a rating is about.
"""

from dataclasses import dataclass
from functools import partial

from emotrace.systems import Choice, Range, network

TITLE = "Cardinal et al."
SOURCE = "Cardinal et al. 2015"
SEEDED = True
SPACE = {
    "lag_s": Choice((0.0, 1.2, 2.0, 2.8, 3.6)),
    "learning_rate": Range(3e-4, 1e-2, log=True),
    "l2": Range(1e-5, 1e-2, log=True),
    "arguments.context_frames": Choice((5, 10, 20)),
    "arguments.step_frames": Choice((2, 5, 10)),
    "arguments.layers": Choice((2, 3, 4)),
    "arguments.width": Choice((32, 64, 128)),
    "arguments.dropout": Choice((0.0, 0.2, 0.5)),
}


@dataclass(frozen=True)
class Settings(network.Settings):
    """As :class:`emotrace.systems.network.Settings`."""

    lag_s: float = 2.8


fit = partial(network.fit, "context_dnn")
