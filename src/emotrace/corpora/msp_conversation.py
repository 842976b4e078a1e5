"""MSP-Conversation (Martinez-Lucas et al. 2020): conversations from podcasts, rated part by part.

A recording is a conversation, since that is what a sound file holds. Its parts were rated on their own, each by other
annotators and timed from its own start; `Time_Labels` places them. What one annotator said in several parts is one
column.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotrace.annotation import Ratings
from emotrace.corpora import Info, Recording, layout
from emotrace.corpora.delimited import COPY_AGAIN, Table, read_table, read_text
from emotrace.errors import CorpusError
from emotrace.trace import FRAME_S

INFO = Info(
    name="msp_conversation",
    title="MSP-Conversation",
    citation=(
        "L. Martinez-Lucas, M. Abdelwahab, C. Busso: The MSP-Conversation corpus. Interspeech 2020, pp. 1823-1827."
    ),
    licence="Free for academic research under a licence that the institution signs; not for redistribution.",
    access="The MSP lab of the University of Texas at Dallas, on request; its page of the corpus tells how.",
    layout=(
        "Annotations/{Arousal,Valence,Dominance}/MSP-Conversation_0047_2_001.csv (conversation, part, annotator)\n"
        "Audio/MSP-Conversation_0047.wav\n"
        "Time_Labels/conversation_parts.txt (part;start;end; the folder may be called Time Labels)\n"
        "Time_Labels/conversations.txt (optional: conversation;start;end)\n"
        "Time_Labels/segments.json (turns; not read)\n"
        "partitions.txt (conversation;Train, Validation or Test)"
    ),
    quirks=(
        "Official partition: partitions.txt; Validation and Development are read as dev. A conversation that it does "
        "not list has none.",
        "A recording is a conversation. Times in Time_Labels are those of the podcast; a part starts, in the sound "
        "file, at its own start less that of the conversation (of its first part, where conversations.txt is missing).",
        "A label file has 8 lines of preamble, and may have names of columns below it: what comes before the first row "
        "of numbers is left out, 8 to 12 lines.",
        "Annotators give values at irregular times. All of them are brought onto a grid of 0.04 s from the start of "
        "the conversation, by linear interpolation; an annotator has nothing (NaN) before their first and after their "
        "last value of a part, nor between two that are more than 1 s apart.",
        "Values up to 1 s past the end of a part are left out; later ones are refused. Of values at the same time the "
        "last counts.",
        "One file of dominance has a third column, which is left out; others may have it as well.",
        "Between parts nothing is rated; no gold standard is distributed, so all annotators are fused.",
        "Sound is stereo or mono, of different rates; it is read as any other.",
        "Who speaks is told for turns and not for recordings; no speaker is named.",
    ),
    label_rate_hz=1 / FRAME_S,
    unit_range=(-100.0, 100.0),
    targets=("arousal", "valence", "dominance"),
)

_CONVERSATION = r"MSP-Conversation_[0-9]+"
_FILE = _CONVERSATION + r"_[0-9]+_[^_]+"
_PARTITIONS = {"train": "train", "validation": "dev", "development": "dev", "dev": "dev", "test": "test"}
_PREAMBLE_LINES = range(8, 13)
_LONGEST_GAP_S = 1.0
_OVERRUN_S = 1.0


@dataclass(frozen=True)
class Part:
    """A part of a conversation: its place in the sound file, in seconds."""

    start_s: float
    end_s: float


def load(root: Path) -> list[Recording]:
    """The conversations below `root`, sorted by id.

    Args:
        root: the folder that holds `Annotations`, `Audio`, `Time_Labels` and `partitions.txt`.

    Raises:
        CorpusError: a folder or a list is missing or malformed, or a conversation lacks its sound.
    """
    return survey(root).complete()


def survey(root: Path) -> layout.Survey:
    """All conversations that were rated or can be heard.

    Raises:
        CorpusError: a folder or a list is missing or malformed.
    """
    root = Path(root)
    where = layout.folder(root, "Audio")
    annotations = layout.folder(root, "Annotations")
    sounds = layout.files(where, _CONVERSATION, layout.SOUND)
    rated = {target: _by_conversation(layout.folder(annotations, target.title())) for target in INFO.targets}
    partitions = _partitions(root / "partitions.txt")
    parts = _parts(layout.folder(root, "Time_Labels", "Time Labels"))
    names = sorted(sounds.keys() | set().union(*rated.values()))
    layout.reject_empty(names, where, "MSP-Conversation_0001.wav or the like")
    recordings, missing = [], []
    for name in names:
        audio = sounds.get(name, where / f"{name}.wav")
        files = {target: found.get(name, []) for target, found in rated.items()}
        missing += [] if audio.is_file() else [audio]
        recordings.append(
            Recording(
                id=name,
                audio=audio,
                partition=partitions.get(name),
                speaker=None,
                load_ratings=partial(_load_ratings, name, files, parts) if any(files.values()) else None,
                unit_range=INFO.unit_range,
                label_rate_hz=INFO.label_rate_hz,
                partly_rated=True,
            )
        )
    return layout.Survey(recordings, missing)


def read_trace(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One annotator's trace of one part, as the file has it.

    Returns:
        Seconds from the start of the part, increasing, and values in -100..100; both (values,).

    Raises:
        CorpusError: the file cannot be read or breaks the format; the message names the line.
    """
    table = _table(Path(path))
    time_s, values = table.numbers("time"), table.numbers("value")
    back = np.flatnonzero(np.diff(time_s) < 0)
    if len(back):
        row = int(back[0]) + 1
        raise table.fault(row, f"the time {time_s[row]:g} s comes before {time_s[row - 1]:g} s")
    last = np.append(np.diff(time_s) > 0, True)
    return time_s[last], values[last]


def _by_conversation(where: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for name, path in sorted(layout.files(where, _FILE, (".csv",)).items()):
        found.setdefault(name.rsplit("_", 2)[0], []).append(path)
    return found


def _partitions(path: Path) -> dict[str, str]:
    table = read_table(path, ";", names=("conversation", "partition"))
    found: dict[str, str] = {}
    for row, (name, partition) in enumerate(zip(table.text("conversation"), table.text("partition"), strict=True)):
        if partition.casefold() not in _PARTITIONS:
            raise table.fault(row, f"the partition is {partition!r}, none of Train, Validation, Test")
        if name in found:
            raise table.fault(row, f"{name} is listed before")
        found[name] = _PARTITIONS[partition.casefold()]
    return found


def _parts(where: Path) -> dict[str, Part]:
    """Name of a part -> its place in the sound file of its conversation."""
    podcast = _spans(where / "conversation_parts.txt")
    starts_s = {name: start_s for name, (start_s, _) in podcast.items() if name.endswith("_1")}
    starts_s = {name.removesuffix("_1"): start_s for name, start_s in starts_s.items()}
    if (where / "conversations.txt").is_file():
        starts_s = {name: start_s for name, (start_s, _) in _spans(where / "conversations.txt").items()}
    places = {}
    for name, (start_s, end_s) in podcast.items():
        conversation = name.rsplit("_", 1)[0]
        if conversation not in starts_s:
            raise CorpusError(
                f"{where}: nothing tells where {conversation} starts, of which {name} is a part; {COPY_AGAIN}"
            )
        places[name] = Part(start_s - starts_s[conversation], end_s - starts_s[conversation])
        if places[name].start_s < -FRAME_S:
            raise CorpusError(f"{where}: {name} starts before its conversation; {COPY_AGAIN}")
    return places


def _spans(path: Path) -> dict[str, tuple[float, float]]:
    table = read_table(path, ";", names=("name", "start", "end"))
    starts_s, ends_s = table.numbers("start").tolist(), table.numbers("end").tolist()
    found: dict[str, tuple[float, float]] = {}
    for row, (name, start_s, end_s) in enumerate(zip(table.text("name"), starts_s, ends_s, strict=True)):
        if name in found:
            raise table.fault(row, f"{name} is listed before")
        if end_s <= start_s:
            raise table.fault(row, f"{name} ends at {end_s:g} s and starts at {start_s:g} s")
        found[name] = (start_s, end_s)
    return found


def _load_ratings(name: str, files: dict[str, list[Path]], parts: dict[str, Part], target: str) -> Ratings:
    """All annotators of a conversation on one grid, NaN where one has nothing."""
    if not files.get(target):
        there = ", ".join(each for each, found in files.items() if found)
        raise CorpusError(f"{name}: no annotator rated {target!r}; there are: {there}")
    placed = []
    for path in files[target]:
        part_name, annotator = path.stem.rsplit("_", 1)
        if part_name not in parts:
            raise CorpusError(f"{path}: conversation_parts.txt does not list {part_name}; {COPY_AGAIN}")
        placed.append((path, annotator, parts[part_name]))
    rows = int(np.floor(max(part.end_s for _, _, part in placed) / FRAME_S + 1e-6))
    grid_s = np.arange(rows, dtype=np.float64) * FRAME_S
    columns = {annotator: np.full(rows, np.nan) for annotator in sorted({annotator for _, annotator, _ in placed})}
    for path, annotator, part in placed:
        within = (grid_s >= part.start_s - 1e-6) & (grid_s < part.end_s - 1e-6)
        columns[annotator][within] = _at(grid_s[within] - part.start_s, path, part)
    values = np.column_stack(list(columns.values()))
    if np.isnan(values).all():
        raise CorpusError(f"{name}: no annotator of {target} has a value within a part; {COPY_AGAIN}")
    return Ratings(grid_s, values, tuple(columns), target)


def _at(wanted_s: NDArray[np.float64], path: Path, part: Part) -> NDArray[np.float64]:
    """A trace at some times of its part; NaN where it has nothing."""
    time_s, values = read_trace(path)
    duration_s = part.end_s - part.start_s
    if time_s[0] < -_OVERRUN_S or time_s[-1] > duration_s + _OVERRUN_S:
        raise CorpusError(
            f"{path}: values from {time_s[0]:.2f} to {time_s[-1]:.2f} s do not fit a part of {duration_s:.2f} s; "
            "check that it is of this part"
        )
    found = np.interp(wanted_s, time_s, values, left=np.nan, right=np.nan)
    for row in np.flatnonzero(np.diff(time_s) > _LONGEST_GAP_S):
        found[(wanted_s > time_s[row]) & (wanted_s < time_s[row + 1])] = np.nan
    return found


def _table(path: Path) -> Table:
    lines = read_text(path).split("\n")
    first = next((number for number, line in enumerate(lines) if _is_row(line)), None)
    if first is None:
        raise CorpusError(f"{path}: no row of a time and a value, separated by ','; {COPY_AGAIN}")
    if first not in _PREAMBLE_LINES:
        raise CorpusError(f"{path}, line {first + 1}: rows begin here, below {first} lines rather than 8; {COPY_AGAIN}")
    names = ("time", "value", "third")
    return read_table(path, names=names[: lines[first].rstrip(", ").count(",") + 1], preamble=first)


def _is_row(line: str) -> bool:
    cells = line.strip().rstrip(",").split(",")
    try:
        return len([float(cell) for cell in cells]) in (2, 3)
    except ValueError:
        return False
