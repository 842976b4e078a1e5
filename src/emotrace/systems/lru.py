"""Bidirectional linear recurrent units: what a long context is worth to a network of today.

Why this one of the many: see :mod:`emotrace.models.lru`.
"""

from functools import partial

from emotrace.systems import Choice, Range, network

TITLE = "Linear recurrent units"
SOURCE = "Orvieto et al. 2023"
SEEDED = True
Settings = network.Settings
SPACE = {
    "learning_rate": Range(3e-4, 1e-2, log=True),
    "l2": Range(1e-6, 1e-3, log=True),
    "arguments.layers": Choice((2, 3, 4)),
    "arguments.width": Choice((16, 32, 64)),
    "arguments.states": Choice((16, 32, 64)),
    "arguments.dropout": Choice((0.0, 0.1, 0.3)),
}

fit = partial(network.fit, "lru")
