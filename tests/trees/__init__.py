"""Tiny corpora in the exact format in which each is distributed, one module for each reader.

A module has the reader's name and offers `make(root) -> root`, which fills an empty folder; it may offer glob patterns
of files of this folder:

- `LABEL_FILES`: those that fuzzing damages;
- `INDEX`: those without which nothing is known of the corpus;
- `UNTOLD`: those whose absence nothing shows, for no other file speaks of them;
- `ANYWHERE`: those that may lie in any folder, so that their name is all that can be said of where they should be.
"""

import importlib
import pkgutil

import numpy as np
import soundfile


def names():
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get(name):
    return importlib.import_module(f"{__name__}.{name}")


def sound(path, seconds, rate_hz=16000, channels=1):
    """A sound file of some noise, folders above it made as needed; WAV or FLAC by its ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.1 * np.random.default_rng(0).normal(size=(round(seconds * rate_hz), channels)).clip(-3, 3)
    soundfile.write(path, samples, rate_hz, subtype="PCM_16")
    return path


def text(path, content, encoding="utf-8"):
    """A text file with exactly these line ends, folders above it made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding))
    return path


def trace(rows, seed=0, low=-0.9, high=0.9):
    """Values that wander slowly, shape (rows,)."""
    steps = np.random.default_rng(seed).normal(size=rows).cumsum()
    steps -= steps.min()
    return low + (high - low) * steps / max(steps.max(), 1e-9)
