"""The downsampling/upsampling network of the paper: 32 filters a layer, for valence 128, unless told otherwise.

Unstated in the source: learning rate, epochs, patience and L2's weight (0 here, until it is tuned).
"""

from emotrace.systems import Choice, Range, Task, network

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


def fit(task: Task, settings: network.Settings) -> network.Fitted:
    """Train; see :mod:`emotrace.systems`."""
    return network.fit("downup", task, settings)
