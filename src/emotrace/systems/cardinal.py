"""A deep network on frames with context.

Unstated in the source as far as it is public: see :mod:`emotrace.models.context_dnn`; the features (log mel here, as
for all networks), the loss, which is the CCC's as for all networks, the raters' delay, which is taken out since a
window of a few seconds does not reach back to what a rating is about (AVEC 2016's), and what is done to a trace that
is rough, made of single windows (AVEC 2016's chain).
"""

from emotrace import postprocessing
from emotrace.systems import Choice, Range, Task, network

TITLE = "Cardinal et al."
SOURCE = "Cardinal et al. 2015"
SEEDED = True
Settings = network.Late
SPACE = {
    "delay_s": Range(0.0, 8.0),
    "learning_rate": Range(3e-4, 1e-2, log=True),
    "l2": Range(1e-5, 1e-2, log=True),
    "arguments.context_frames": Choice((5, 10, 20)),
    "arguments.step_frames": Choice((2, 5, 10)),
    "arguments.layers": Choice((2, 3, 4)),
    "arguments.width": Choice((32, 64, 128)),
    "arguments.dropout": Choice((0.0, 0.2, 0.5)),
}


def fit(task: Task, settings: network.Late) -> network.Finished:
    """Train, then fit the post-processing; see :mod:`emotrace.systems`."""
    fitted = network.fit("context_dnn", task, settings.resolved(task.target))
    return network.finished(fitted, task, postprocessing.Chain)
