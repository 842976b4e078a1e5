"""One filter over all features: how much context is worth (figure 1).

Learning rate and epochs are those of the authors' later code; figure 1 goes over the filter's length.
"""

from dataclasses import dataclass
from functools import partial

from emotrace.systems import Choice, Range, network

TITLE = "Single filter"
SOURCE = "Khorram et al. 2017, section 4"
SEEDED = True
SPACE = {
    "learning_rate": Range(3e-4, 1e-2, log=True),
    "l2": Range(1e-5, 1e-2, log=True),
    "arguments.filter_frames": Choice((64, 128, 256, 512, 1024)),
}


@dataclass(frozen=True)
class Settings(network.Settings):
    """As :class:`emotrace.systems.network.Settings`."""

    learning_rate: float = 5e-3
    epochs: int = 200


fit = partial(network.fit, "single_filter")
