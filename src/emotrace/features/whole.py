"""Front ends that need the whole of a sound: they wait for its end."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from emotrace import features

Floats = NDArray[np.float32]


class Stream(features.Stream):
    """Gathers a sound and gives all of its rows at the end, so that its features can be kept like any other's.

    Args:
        extract: of the front end.
        bins: of the front end.
    """

    def __init__(self, extract: Callable[[np.ndarray], Floats], bins: int) -> None:
        self._extract = extract
        self._bins = bins
        self._pieces: list[np.ndarray] = []
        self.samples = 0

    def cut(self, samples: np.ndarray) -> None:
        """Gather the samples."""
        self._pieces.append(np.array(samples, dtype=np.float32))
        self.samples += len(samples)

    def work(self, piece: None) -> Floats:
        """No rows yet."""
        return np.empty((0, self._bins), dtype=np.float32)

    def finish(self) -> Floats:
        """Give every (m, bins) row of the sound."""
        pieces, self._pieces = self._pieces, []
        return self._extract(np.concatenate(pieces or [np.empty(0, np.float32)])).reshape(-1, self._bins)
