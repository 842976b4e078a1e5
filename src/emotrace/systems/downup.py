"""The downsampling/upsampling network of the paper."""

from functools import partial

from emotrace.systems import Choice, Range, network

TITLE = "Down/up"
SOURCE = "Khorram et al. 2017, section 5.2"
SEEDED = True
Settings = network.Settings
SPACE = {
    "learning_rate": Range(3e-4, 1e-2, log=True),
    "l2": Range(1e-5, 1e-2, log=True),
    "arguments.layers": Choice((3, 4, 5)),
    "arguments.width": Choice((32, 64, 128)),
    "arguments.factor": Choice((2, 3)),
    "arguments.kernel_frames": Choice((3, 5, 7, 9)),
}

fit = partial(network.fit, "downup")
