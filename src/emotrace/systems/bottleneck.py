"""Bottleneck features: a small network that names sounds, and what it says of them in few numbers.

In Povolny et al. 2016 the network was trained to recognise speech: its hidden layer of few units is a description of
what is said. Here there are no transcripts, and the network is trained on the training recordings alone: on which of
some clusters of cepstra (k-means) a frame falls into, seen with the frames around it. Clusters of cepstra are close to
phones; that they stand in for transcripts is how HuBERT begins, too (Hsu et al. 2021). Neither ratings nor the
development part are looked at. The inputs are this package's 40 mel bins and one estimate each of pitch, voicing and
level, where the source has 24 bins and the features of four pitch trackers.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotrace.features import logmel, prosody
from emotrace.systems import extra, windows
from emotrace.systems.materials import Material
from emotrace.trace import FRAME_S

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Shape:
    """Of the network and its training; unstated in the source but for the inputs.

    Attributes:
        clusters: of cepstra, the targets.
        width: of the layers before and after the bottleneck.
        units: of the bottleneck.
        context_frames: seen to each side.
        examples: frames that are learned from, drawn from all training recordings.
        epochs: passes over them.
    """

    clusters: int = 64
    width: int = 256
    units: int = 24
    context_frames: int = 4
    examples: int = 50000
    epochs: int = 8


@dataclass(frozen=True)
class Bottleneck:
    """The layers up to the bottleneck: (weights, bias) each, ReLU between them, none after the last."""

    layers: tuple[tuple[Floats, Floats], ...]
    context_frames: int

    def __call__(self, material: Material) -> Floats:
        """(frames, units) of a recording with sound."""
        values = _inputs(material, self.context_frames)
        for weights, bias in self.layers[:-1]:
            values = np.maximum(values @ weights + bias, 0.0)
        weights, bias = self.layers[-1]
        return values @ weights + bias


def train(materials: Sequence[Material], shape: Shape, seed: int) -> Bottleneck:
    """Cluster the frames of recordings, and train a network to tell their clusters.

    Raises:
        ConfigError: scikit-learn is not installed.
        CorpusError: a recording has no sound.
    """
    rng = np.random.default_rng(seed)
    share = -(-shape.examples // len(materials))
    chosen = [np.sort(rng.permutation(m.shown)[:share]) for m in materials]
    pairs = list(zip(materials, chosen, strict=True))
    cepstra = np.concatenate([windows.normalised(m.features("mfcc"))[frames] for m, frames in pairs])
    inputs = np.concatenate([_inputs(m, shape.context_frames)[frames] for m, frames in pairs])
    clusters = min(shape.clusters, len(cepstra))
    names = extra.package("sklearn.cluster").MiniBatchKMeans(clusters, n_init=1, random_state=seed).fit_predict(cepstra)
    network = extra.package("sklearn.neural_network").MLPClassifier(
        (shape.width, shape.units, shape.width), max_iter=shape.epochs, random_state=seed, n_iter_no_change=shape.epochs
    )
    with unfinished():
        network.fit(inputs, names)
    layers = zip(network.coefs_[:2], network.intercepts_[:2], strict=True)
    return Bottleneck(
        tuple((weights.astype(np.float32), bias.astype(np.float32)) for weights, bias in layers), shape.context_frames
    )


def _inputs(material: Material, context_frames: int) -> Floats:
    """Log mel energies and prosody of a frame, its rows averaged, normalised, with the frames around it."""
    parts = [("logmel", logmel.BINS), ("prosody", prosody.bins)]
    rows = [material.features(name) for name, _ in parts]
    means = [row.reshape(len(row), -1, bins).mean(axis=1) for row, (_, bins) in zip(rows, parts, strict=True)]
    values = windows.normalised(np.concatenate(means, axis=1)).astype(np.float32)
    return windows.stacked(values, [FRAME_S * step for step in range(-context_frames, context_frames + 1)])


def unfinished() -> Any:
    """No warning that training ended before it converged: it is meant to."""
    category = extra.package("sklearn.exceptions").ConvergenceWarning
    return warnings.catch_warnings(action="ignore", category=category)
