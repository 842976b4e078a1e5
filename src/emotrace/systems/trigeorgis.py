"""The end-to-end network on the waveform, with the post-processing of AVEC 2016 at its end.

Unstated in the source as far as it is public: how many segments a step sees, and epochs. See
:mod:`emotrace.models.trigeorgis` for the network, :mod:`emotrace.postprocessing` for median filter, centring, scaling
and shift. It needs sound: a corpus that distributes nothing but features has none.
"""

from dataclasses import dataclass

from emotrace import postprocessing
from emotrace.errors import ConfigError, SoundlessError
from emotrace.systems import Choice, Range, Task, network
from emotrace.systems.materials import GIVEN

TITLE = "Trigeorgis et al."
SOURCE = "Trigeorgis et al. 2016"
SEEDED = True
SPACE = {
    "learning_rate": Range(3e-5, 1e-3, log=True),
    "l2": Range(1e-6, 1e-3, log=True),
    "lag_s": Range(0.0, 6.0),
    "arguments.segment_frames": Choice((125, 150)),
    "arguments.width": Choice((64, 128, 256)),
    "arguments.dropout": Choice((0.0, 0.25, 0.5)),
}


@dataclass(frozen=True)
class Settings(network.Settings):
    """As :class:`emotrace.systems.network.Settings`."""

    front_end: str = "waveform"
    learning_rate: float = 1e-4
    epochs: int = 60
    patience: int = 15


def fit(task: Task, settings: Settings) -> network.Finished:
    """Train, then fit the post-processing; see :mod:`emotrace.systems`.

    Raises:
        SoundlessError: it is given what a corpus without sound has.
        ConfigError: the front end is another one.
    """
    if settings.front_end == GIVEN:
        raise SoundlessError("distributed features are no waveform, and the end-to-end network hears nothing else")
    if settings.front_end != "waveform":
        raise ConfigError(f"front_end is {settings.front_end}; the end-to-end network hears nothing but waveform")
    return network.finished(network.fit("trigeorgis", task, settings), task, postprocessing.Chain)
