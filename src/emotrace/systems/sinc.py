"""The multi-delay sinc network, by the authors of the paper, after it.

The learning rate is their released code's for arousal. It has no penalty there; its .01 for valence is on half the
squares of all weights but those of delays and the last layer, here it is on the squares of all.
"""

from dataclasses import dataclass
from functools import partial

from emotrace.systems import Choice, Range, network

TITLE = "Multi-delay sinc"
SOURCE = "Khorram, McInnis and Mower Provost 2019"
SEEDED = True
SPACE = {
    "learning_rate": Range(1e-3, 2e-2, log=True),
    "l2": Range(1e-5, 1e-2, log=True),
    "arguments.layers": Choice((4, 5, 6)),
    "arguments.width": Choice((16, 32)),
    "arguments.kernel_frames": Choice((8, 16)),
    "arguments.delays": Choice((16, 32, 64)),
}


@dataclass(frozen=True)
class Settings(network.Settings):
    """As :class:`emotrace.systems.network.Settings`."""

    learning_rate: float = 1e-2


fit = partial(network.fit, "sinc")
