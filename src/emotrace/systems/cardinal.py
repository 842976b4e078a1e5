"""A deep network on frames with context.

Unstated in the source as far as it is public: see :mod:`emotrace.models.context_dnn`; the features (log mel here, as
for all networks), and the loss, which is the CCC's as for all networks.
"""

from functools import partial

from emotrace.systems import Choice, Range, network

TITLE = "Cardinal et al."
SOURCE = "Cardinal et al. 2015"
SEEDED = True
Settings = network.Settings
SPACE = {
    "learning_rate": Range(3e-4, 1e-2, log=True),
    "l2": Range(1e-5, 1e-2, log=True),
    "arguments.context_frames": Choice((5, 10, 20)),
    "arguments.step_frames": Choice((2, 5, 10)),
    "arguments.layers": Choice((2, 3, 4)),
    "arguments.width": Choice((32, 64, 128)),
    "arguments.dropout": Choice((0.0, 0.2, 0.5)),
}

fit = partial(network.fit, "context_dnn")
