"""The dilated convolutional network of the paper.

Unstated in the source: learning rate, epochs, patience and L2's weight (0 here, until it is tuned).
"""

from functools import partial

from emotrace.systems import Choice, Range, network

TITLE = "Dilated"
SOURCE = "Khorram et al. 2017, section 5.1"
SEEDED = True
Settings = network.Settings
SPACE = {
    "learning_rate": Range(3e-4, 1e-2, log=True),
    "l2": Range(1e-5, 1e-2, log=True),
    "arguments.layers": Choice((6, 8, 10)),
    "arguments.width": Choice((16, 32, 64)),
    "arguments.kernel_frames": Choice((3, 5)),
    "arguments.dilation_base": Choice((2, 3)),
    "arguments.residual": Choice((False, True)),
}

fit = partial(network.fit, "dilated")
