"""eGeMAPS: 88 functionals over a window around every frame, by openSMILE (extra `baselines`; no commercial use).

The Geneva minimalistic acoustic parameter set, extended (Eyben et al. 2016), version 2. AVEC 2016 takes its functionals
over windows of 4 to 14 s every 40 ms (Valstar et al. 2016); ``egemaps`` is the one of 4 s, ``egemaps@6s`` that of 6 s,
and so on. openSMILE itself slides the window: it computes its descriptors once and their functionals every 40 ms, which
takes the window's length out of the cost. The windows' values are those of openSMILE's own passes over a cut-out window
but for what its filters and its smoother of the pitch know of the sound before (see ``tests/test_egemaps.py``).

Windows are centred: the first vector belongs to the frame at half a window and is repeated backwards, the last one
forwards. A sound that is shorter than the window is one window, which is unstated in the source.
"""

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotrace import audio
from emotrace.errors import ConfigError
from emotrace.features import whole
from emotrace.trace import FRAME_S

VERSION = 1
"""Of the numbers: to be raised with any change of them, since features are kept on disk."""
WINDOW_S = 4.0
WINDOWS_S = (4.0, 6.0, 8.0, 10.0, 12.0, 14.0)
"""Those that AVEC 2016 searches."""

rate_hz = 1 / FRAME_S
size = 88
bins = 88

_FRAME_SAMPLES = round(FRAME_S * audio.RATE_HZ)
_LOUDEST = 1 - 2.0**-15

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Windowed:
    """The front end with windows of a length of its own.

    Attributes:
        window_s: the length, a multiple of 80 ms.
    """

    window_s: float
    VERSION: int = VERSION
    rate_hz: float = rate_hz
    size: int = size
    bins: int = bins

    def extract(self, samples: np.ndarray) -> Floats:
        """Functionals around every frame: (n,) samples at 16 kHz to (floor(n / 640), 88).

        What openSMILE leaves undefined is 0, as it gives itself for most of what silence has none of.

        Raises:
            ConfigError: openSMILE is not installed.
        """
        frames = len(samples) // _FRAME_SAMPLES
        if not frames:
            return np.empty((0, size), dtype=np.float32)
        half = round(self.window_s / FRAME_S / 2)
        values = _functionals(samples, self.window_s if frames > 2 * half else None)
        return values[np.clip(np.arange(frames) - half, 0, len(values) - 1)]

    def Stream(self) -> whole.Stream:  # noqa: N802
        """A fresh stream, whose rows all come at the end."""
        return whole.Stream(self.extract, bins)


def windowed(window_s: float) -> Windowed:
    """The front end with windows of so many seconds.

    Raises:
        ConfigError: windows of this length have no frame in their middle.
    """
    half = window_s / FRAME_S / 2
    if half < 1 or abs(half - round(half)) > 1e-6:
        raise ConfigError(f"egemaps@{window_s:g}s: a window is a multiple of 0.08 s; take 4 or 6 s, as AVEC 2016 does")
    return Windowed(window_s)


def name(window_s: float) -> str:
    """What the front end with such windows is called: one name each, since features are kept by it."""
    return "egemaps" if window_s == WINDOW_S else f"egemaps@{window_s:g}s"


extract = Windowed(WINDOW_S).extract
Stream = Windowed(WINDOW_S).Stream


def _functionals(samples: np.ndarray, window_s: float | None) -> Floats:
    """openSMILE's functionals of every whole window, or of all: (windows, 88), at least one."""
    # openSMILE reads 16 bits; a sample of 1.0 would turn over.
    heard = np.clip(np.asarray(samples, dtype=np.float32), -1.0, _LOUDEST)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Segment too short")
        table = _smile(_options(Path(folder), window_s)).process_signal(heard, audio.RATE_HZ)
    return np.nan_to_num(table.to_numpy(dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _options(folder: Path, window_s: float | None) -> dict[str, str]:
    """Options of openSMILE that make all of its functionals slide, by a file that it includes for each of them."""
    if window_s is None:
        return {}
    sliding = folder / "sliding.conf.inc"
    sliding.write_text(
        f"frameMode = fixed\nframeSize = {window_s:g}\nframeStep = {FRAME_S:g}\nframeCenterSpecial = left\n"
    )
    return {"frameModeFunctionalsConf": str(sliding)}


def _smile(options: dict[str, str]) -> Any:
    try:
        import opensmile
    except ImportError:
        raise ConfigError(
            "front end egemaps needs openSMILE, whose licence allows no commercial use; "
            "pip install 'emotrace[baselines]' if that suits you"
        ) from None
    return opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals, options=options)
