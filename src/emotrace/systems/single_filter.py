"""One filter over all features: how much context is worth (figure 1)."""

from functools import partial

from emotrace.systems import Choice, Range, network

TITLE = "Single filter"
SOURCE = "Khorram et al. 2017, section 4"
SEEDED = True
Settings = network.Settings
SPACE = {
    "learning_rate": Range(3e-4, 1e-2, log=True),
    "l2": Range(1e-5, 1e-2, log=True),
    "arguments.filter_frames": Choice((64, 128, 256, 512, 1024)),
}

fit = partial(network.fit, "single_filter")
