"""The recurrent network that the paper compares with.

Unstated in the source: everything that :mod:`emotrace.models.blstm` names, and the learning rate.
"""

from functools import partial

from emotrace.systems import Choice, Range, network

TITLE = "BLSTM"
SOURCE = "Khorram et al. 2017, table 1; Le et al. 2017"
SEEDED = True
Settings = network.Settings
SPACE = {
    "learning_rate": Range(3e-4, 1e-2, log=True),
    "l2": Range(1e-5, 1e-2, log=True),
    "arguments.layers": Choice((1, 2, 3)),
    "arguments.width": Choice((16, 32, 64)),
    "arguments.dropout": Choice((0.0, 0.2, 0.4)),
}

fit = partial(network.fit, "blstm")
