"""A saved model: one folder that rebuilds itself alone, and the ones shipped inside the package.

A folder holds ``model.json`` and one ONNX graph a target. The JSON names the format, the targets with their graphs and
calibration, the front end and its normalisation, the grid and reach of the networks, what they were trained on and how
they scored. Nothing in it is unpickled.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from emotrace import features
from emotrace.errors import ConfigError, ModelError
from emotrace.features.normalisation import Normalisation

FORMAT = 1
DEFAULT = "downup"
CHUNK_FRAMES = 6000
"""Frames worked on at a time, beside their context: four minutes."""

_SHIPPED = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Target:
    """One target's graph, and the line that takes its members' outputs to the unit of the ratings.

    ``live`` is a graph that goes on by one frame (:class:`emotrace.models.dilated.Live` says how), where there is one.
    """

    name: str
    graph: Path
    gain: float = 1.0
    offset: float = 0.0
    live: Path | None = None


@dataclass(frozen=True)
class Model:
    """A model as its folder describes it.

    Attributes:
        name: for people.
        targets: in the order of the trace's columns.
        front_end: name of a module of :mod:`emotrace.features`.
        rule: how its rows are normalised.
        grid_frames: pieces of a recording start at multiples of this.
        reach: frames that any output frame sees before and after itself.
        ranges: what training speech was like (:mod:`emotrace.inference.familiarity`); empty where unknown.
        card: data, licence, command, scores: everything else that ``model.json`` says.
        ages: how many frames ago lie the inputs that each layer of the live graphs needs, oldest first; empty
            without them.
    """

    name: str
    targets: tuple[Target, ...]
    front_end: str
    rule: Normalisation
    grid_frames: int
    reach: tuple[int, int]
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)
    ages: tuple[tuple[int, ...], ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        """What a copy for another process needs, which opens the graphs itself."""
        return {key: value for key, value in self.__dict__.items() if key != "sessions"}

    @cached_property
    def sessions(self) -> list[onnxruntime.InferenceSession]:
        """The targets' graphs, opened when first asked for; any number of threads may run them.

        Raises:
            ModelError: one is damaged.
        """
        return [session(target.graph) for target in self.targets]

    def members(self, normalised: np.ndarray) -> np.ndarray:
        """Every member's calibrated trace of a piece that starts on the grid.

        Args:
            normalised: (frames, size) normalised features; zeros are added up to the grid.

        Returns:
            (members, frames, targets), not yet held in [-1, 1].
        """
        frames = len(normalised)
        padded = np.pad(normalised, ((0, -frames % self.grid_frames), (0, 0)))[None]
        outputs = [session.run(None, {"features": padded})[0][:, :frames] for session in self.sessions]
        return np.stack([t.gain * out + t.offset for t, out in zip(self.targets, outputs, strict=True)], axis=2)

    def pieces(self, frames: int) -> Iterator[tuple[slice, slice]]:
        """Cut a recording: slices of frames to read, and of what to keep of their trace, in order.

        Each piece is read with as much context as the networks see, so that together they give what the whole gives.
        """
        grid = self.grid_frames
        before, after = (-(-side // grid) * grid for side in self.reach)
        step = -(-CHUNK_FRAMES // grid) * grid
        for start in range(0, frames, step):
            first, last = max(0, start - before), min(frames, start + step + after)
            yield slice(first, last), slice(start - first, min(start + step, frames) - first)


def names() -> list[str]:
    """The models shipped inside the package."""
    return sorted(path.parent.name for path in _SHIPPED.glob("*/model.json"))


def load(name_or_folder: str | Path = DEFAULT) -> Model:
    """Load a shipped model by name, or any by its folder; as long as its files stay the same, it is the same object.

    Raises:
        ModelError: there is none, or its files are missing, damaged or of a newer format.
    """
    folder = _SHIPPED / name_or_folder if str(name_or_folder) in names() else Path(name_or_folder)
    note = folder / "model.json"
    if not note.is_file():
        raise ModelError(
            f"{name_or_folder}: no model of that name or folder with a model.json; shipped: {', '.join(names())}"
        )
    try:
        return _loaded(folder.absolute(), _stamp(folder))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ModelError(f"{note}: is damaged or of a newer version of emotrace ({reason}); get it again") from None


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, times and sizes of the folder's files: a model that was trained anew is read anew."""
    files = [(file.name, file.stat()) for file in sorted(folder.iterdir())]
    return tuple((name, state.st_mtime_ns, state.st_size) for name, state in files)


@lru_cache(maxsize=8)
def _loaded(folder: Path, stamp: object) -> Model:
    return _described(folder, json.loads((folder / "model.json").read_text(encoding="utf-8")))


def _described(folder: Path, note: dict[str, Any]) -> Model:
    if note["format"] != FORMAT:
        raise ValueError(f"format {note['format']}, this version reads {FORMAT}")
    ages = tuple(tuple(int(age) for age in layer) for layer in note.get("ages", []))
    targets = tuple(
        Target(
            name,
            _graph(folder, entry["graph"]),
            float(entry["gain"]),
            float(entry["offset"]),
            _graph(folder, entry["live"]) if ages else None,
        )
        for name, entry in note["targets"].items()
    )
    features.streaming(note["front_end"])
    return Model(
        name=str(note["name"]),
        targets=targets,
        front_end=note["front_end"],
        rule=Normalisation(**note["normalisation"]),
        grid_frames=int(note["grid_frames"]),
        reach=(int(note["reach"][0]), int(note["reach"][1])),
        ranges={key: (float(low), float(high)) for key, (low, high) in note.get("ranges", {}).items()},
        card=note.get("card", {}),
        ages=ages,
    )


def _graph(folder: Path, name: str) -> Path:
    graph = folder / Path(name).name
    if not graph.is_file():
        raise ModelError(f"{graph}: is missing from its model; get the whole folder again")
    return graph


def session(graph: Path) -> onnxruntime.InferenceSession:
    """Open a graph on the CPU, for one thread: pieces of a recording are what is worked on at once.

    onnxruntime's own threads gain nothing on networks this small and burn a core each while they wait.

    Raises:
        ModelError: it is none.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own, without a common base
        reason = " ".join(str(error).split())
        raise ModelError(f"{graph}: is no graph that onnxruntime can load ({reason}); get the model again") from None
