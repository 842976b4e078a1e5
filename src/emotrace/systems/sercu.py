"""Dense prediction with time-dilated convolutions and batch normalisation.

Unstated in the source, which recognises speech: everything that regression asks for, see
:mod:`emotrace.models.sercu`.
"""

from functools import partial

from emotrace.systems import Choice, Range, network

TITLE = "Sercu & Goel"
SOURCE = "Sercu and Goel 2016"
SEEDED = True
Settings = network.Settings
SPACE = {
    "learning_rate": Range(3e-4, 1e-2, log=True),
    "l2": Range(1e-5, 1e-2, log=True),
    "arguments.blocks": Choice((4, 5, 6, 7)),
    "arguments.layers": Choice((1, 2, 3)),
    "arguments.width": Choice((16, 32, 64)),
    "arguments.dropout": Choice((0.0, 0.2)),
}

fit = partial(network.fit, "sercu")
