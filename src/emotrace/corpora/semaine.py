"""SEMAINE as AVEC 2012 distributed it: one float a line, a line a video frame."""

import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotrace.annotation import Ratings
from emotrace.corpora import Info, Recording, delimited
from emotrace.corpora.layout import Owner, Survey, absent, owned
from emotrace.errors import CorpusError

INFO = Info(
    name="semaine",
    title="SEMAINE, fully continuous sub-challenge of AVEC 2012",
    citation=(
        "B. Schuller, M. Valstar, F. Eyben, R. Cowie, M. Pantic: AVEC 2012, the continuous audio/visual emotion "
        "challenge. ICMI 2012. Recordings: G. McKeown, M. Valstar, R. Cowie, M. Pantic, M. Schröder: The SEMAINE "
        "database. IEEE Transactions on Affective Computing 3(1), 2012."
    ),
    licence="Academic research under a signed end-user licence agreement; not for redistribution.",
    access="semaine-db.eu, after the agreement is signed; the AVEC 2012 package is a part of it.",
    layout=(
        "emotion labels/{train,devel,test}/FC_{train,devel,test}_labels/labels_continuous_train001_arousal.dat "
        "(also _expectancy, _power, _valence)\n"
        "anywhere below the root: train_audio001.wav (48 kHz), devel_audio001.wav, ..."
    ),
    quirks=(
        "Recordings are known by partition and number, whatever else is in a file's name: labels_continuous_train001_"
        "arousal.dat and train_audio001.wav are train001. AVEC's `devel` is dev, `tests` is test.",
        "Label files hold no times: line i is at i / 49.979 s, the frame rate of the video.",
        "Labels are one gold standard, the raters' mean; raters are not part of the AVEC package.",
        "Labels are values in [-1, 1]. Sources disagree whether expectancy or power comes on a scale to 100: a file of "
        "either with a value beyond 1 is read as 0 to 100 and mapped.",
        "Labels may end before the recording does: the rest is not rated. Going on after it is an error.",
        "Test recordings need no labels; train and devel recordings do.",
        "The user and the operator talk: only the user is rated, and both may be heard. Who the user is, is not in the "
        "package.",
    ),
    label_rate_hz=49.979,
    unit_range=(-1.0, 1.0),
    targets=("arousal", "expectancy", "power", "valence"),
)

LABELS_FOLDER = "emotion labels"

_PARTITIONS = {"train": "train", "devel": "dev", "dev": "dev", "test": "test", "tests": "test"}
_NAME = r"(?:^|[^a-z])(train|devel|dev|tests|test)[^0-9]*([0-9]+)"
_LABEL = re.compile(_NAME + rf"_({'|'.join(INFO.targets)})\.dat$", re.IGNORECASE)
_SOUND = re.compile(_NAME + r"\.(?:wav|flac)$", re.IGNORECASE)
_PERCENT_TARGETS = ("expectancy", "power")


def load(root: Path) -> list[Recording]:
    """The recordings below `root`, sorted by id: `dev001` ..., `test001` ..., `train001` ...

    Args:
        root: the folder that holds `emotion labels`, and the audio anywhere below it.

    Raises:
        CorpusError: the labels are missing, two files are of the same recording, or a recording lacks its audio or,
            in train or devel, some of its labels.
    """
    return survey(root).complete()


def survey(root: Path) -> Survey:
    """All recordings that have sound or labels; what is missing is looked for beside its like.

    Raises:
        CorpusError: there are no labels at all, or two files are of the same recording.
    """
    root = Path(root)
    labels = _labels(root / LABELS_FOLDER)
    audio = _unique((_recording_id(_SOUND.search(path.name)), path) for path in _files(root, ".wav", ".flac"))
    recordings: list[Recording] = []
    missing: dict[Path, str] = {}
    owners: dict[Path | str, Owner] = {}
    for name in sorted(labels.keys() | audio.keys()):
        own = labels.get(name, {})
        kept_back = not own and name.startswith("test")
        expected = {} if kept_back else {t: own.get(t) or _place(root, name, own, t) for t in INFO.targets}
        sound = audio.get(name) or root / _sound_name(name, own)
        missing |= absent([sound, *expected.values()])
        owners |= owned(name, [sound], expected)
        recordings.append(_recording(name, sound, expected))
    return Survey(recordings, missing, owners=owners)


def read_labels(path: Path) -> NDArray[np.float64]:
    """One label file.

    Args:
        path: a file as `labels_continuous_train001_arousal.dat`.

    Returns:
        (lines,) values as the file holds them.

    Raises:
        CorpusError: a line is no finite number, or there is none; names the line.
    """
    table = delimited.read_table(path, names=("label",))
    table.reject_gaps()
    return table.numbers("label")


def _labels(where: Path) -> dict[str, dict[str, Path]]:
    """Recording -> target -> file, for those targets that are there."""
    found: dict[str, dict[str, Path]] = {}
    for target in INFO.targets:
        named = ((_LABEL.search(path.name), path) for path in _files(where, ".dat"))
        own = _unique((_recording_id(m), path) for m, path in named if m and m.group(3).lower() == target)
        for name, path in own.items():
            found.setdefault(name, {})[target] = path
    if not found:
        raise CorpusError(f"{where}: no file as labels_continuous_train001_arousal.dat; {delimited.COPY_AGAIN}")
    return found


def _place(root: Path, name: str, own: Mapping[str, Path], target: str) -> Path:
    """Where a target's labels should be: beside those of another target, else where the layout says."""
    for path in own.values():
        if match := _LABEL.search(path.name):
            return path.with_name(path.name[: match.start(3)] + target + path.name[match.end(3) :])
    part, number = _split(name)
    folder = root / LABELS_FOLDER / part / f"FC_{part}_labels"
    return folder / f"labels_continuous_{part}{number}_{target}.dat"


def _sound_name(name: str, own: Mapping[str, Path]) -> str:
    """The name of a sound file, with the partition and number as its labels write them."""
    part, number = _split(name)
    for path in own.values():
        if match := _LABEL.search(path.name):
            part, number = match.group(1), match.group(2)
    return f"{part}_audio{number}.wav"


def _split(name: str) -> tuple[str, str]:
    """`dev001` as AVEC writes it: devel, 001."""
    partition = name.rstrip("0123456789")
    return {"dev": "devel"}.get(partition, partition), name.removeprefix(partition)


def _files(where: Path, *suffixes: str) -> list[Path]:
    return sorted(path for path in where.rglob("*") if path.suffix.lower() in suffixes and path.is_file())


def _recording_id(match: re.Match[str] | None) -> str | None:
    return f"{_PARTITIONS[match.group(1).lower()]}{int(match.group(2)):03d}" if match else None


def _unique(found: Iterable[tuple[str | None, Path]]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for name, path in found:
        if name in files:
            raise CorpusError(f"{path}: {files[name]} is the same recording, {name}; remove one of the two")
        if name:
            files[name] = path
    return files


def _recording(name: str, audio: Path, labels: dict[str, Path]) -> Recording:
    return Recording(
        id=name,
        audio=audio,
        partition=name.rstrip("0123456789"),
        speaker=None,
        load_ratings=None,
        unit_range=INFO.unit_range,
        load_gold=partial(_load_gold, labels) if labels else None,
        label_rate_hz=INFO.label_rate_hz,
        partly_rated=True,
    )


def _load_gold(labels: dict[str, Path], target: str) -> Ratings:
    if target not in labels:
        raise CorpusError(f"no {target} in this corpus; it rates {', '.join(labels)}")
    values = read_labels(labels[target])
    if target in _PERCENT_TARGETS and values.max() > 1.0:
        if values.min() < 0.0 or values.max() > 100.0:
            raise CorpusError(
                f"{labels[target]}: goes from {values.min():g} to {values.max():g}, "
                f"neither in [-1, 1] nor in [0, 100]; {delimited.COPY_AGAIN}"
            )
        values = values / 50.0 - 1.0
    return Ratings(np.arange(len(values)) / INFO.label_rate_hz, values[:, None], ("gold standard",), target)
