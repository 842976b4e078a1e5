"""MSP-Conversation: podcasts rated part by part, each annotator with a clock of their own."""

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotrace.annotation import Ratings, fusion
from emotrace.corpora import Info, Recording, delimited
from emotrace.corpora.layout import Survey, absent, refusing
from emotrace.errors import CorpusError

INFO = Info(
    name="msp_conversation",
    title="MSP-Conversation",
    citation=(
        "L. Martinez-Lucas, M. Abdelwahab, C. Busso: The MSP-Conversation corpus. Interspeech 2020, pp. 1823-1827."
    ),
    licence="Academic research under a licence agreement that an institution signs; not for redistribution.",
    access="The MSP lab, ecs.utdallas.edu/research/researchlabs/msp-lab, after the agreement is signed.",
    layout=(
        "Annotations/{Arousal,Valence,Dominance}/MSP-Conversation_0047_2_001.csv (conversation, part, annotator)\n"
        "Audio/MSP-Conversation_0047.wav\n"
        "Time Labels/conversation_parts.txt: MSP-Conversation_0047_2;start;end, in seconds of the podcast\n"
        "Time Labels/conversations.txt: MSP-Conversation_0047;start;end (optional)\n"
        "partitions.txt, or in a folder of the root: MSP-Conversation_0047;Train (optional)"
    ),
    quirks=(
        "A recording is a whole conversation: its parts are placed in its time, and what lies between them or was left "
        "out is not rated. The folder may also be called Time_Labels, and a file test2_conversation_parts.txt beside "
        "the other is read as well.",
        "Parts are given in the time of the podcast. The conversation's sound begins where conversations.txt says, "
        "without that file where its first part does.",
        "Times of ratings count from the start of their part. No document at hand says so; it is how public code reads "
        "them. A file that goes on for more than a second after its part is refused.",
        "Annotators move a slider and are sampled when it moves: at each of 25 instants a second the last value holds. "
        "Before their first and after their last sample they have not rated.",
        "Every annotator of every part is read, a column each; NaN in parts that they did not rate. Whether all rated "
        "every target of a part is unstated in the source, so one annotator's file that is missing cannot be told; a "
        "part that lacks a target can.",
        "No gold standard is distributed. `gold` fuses the annotators of each part by AVEC 2016's rule, over the "
        "instants that all of them rated.",
        "Eight lines, and a ninth that is a header or a rule, come before the samples. A third column, as in one file "
        "of dominance (conversation 47, part 2, annotator 001), is left out.",
        "Time Labels/segments.json places the MSP-Podcast corpus's segments within the parts; it is not needed here.",
        "Audio may be stereo and at other rates than 16 kHz. Several people talk; who, is not read.",
        "Partitions are those of partitions.txt (Validation or Development is dev, Test1 and Test2 are test); without "
        "it, recordings have none.",
    ),
    label_rate_hz=25.0,
    unit_range=(-100.0, 100.0),
    targets=("arousal", "valence", "dominance"),
)

LABELS_FOLDER = "Annotations"
AUDIO_FOLDER = "Audio"
TIME_FOLDERS = ("Time Labels", "Time_Labels")
PREAMBLE_LINES = (8, 9)
OVERTIME_S = 1.0

_CONVERSATION = re.compile(r"MSP-Conversation_\d+")
_ANNOTATION = re.compile(r"(MSP-Conversation_\d+)_(\d+)_(\w+)")
_PARTITIONS = {
    "train": "train",
    "validation": "dev",
    "development": "dev",
    "dev": "dev",
    "test": "test",
    "test1": "test",
    "test2": "test",
}


@dataclass(frozen=True)
class Part:
    """A stretch of a conversation that was rated in one go.

    Attributes:
        start_s: where it begins in the conversation's sound.
        end_s: where it ends.
    """

    start_s: float
    end_s: float


def load(root: Path) -> list[Recording]:
    """The conversations below `root`, sorted by id; those without annotations are listed without labels.

    Args:
        root: the folder that holds `Annotations`, `Audio` and `Time Labels`.

    Raises:
        CorpusError: a folder or conversation_parts.txt is missing or malformed, annotations have no audio or are of a
            part that is not listed, or a part is not rated for every target.
    """
    return survey(root).complete()


def survey(root: Path) -> Survey:
    """The conversations that have sound or annotations; one whose parts lie nowhere has labels that refuse to load.

    Raises:
        CorpusError: a folder is missing or empty, or a list is missing or malformed.
    """
    root = Path(root)
    audio = {path.stem: path for path in _folder(root, AUDIO_FOLDER).glob("*.wav") if _is_conversation(path.stem)}
    if not audio:
        raise CorpusError(f"{root / AUDIO_FOLDER}: no file as MSP-Conversation_0047.wav; {delimited.COPY_AGAIN}")
    parts = read_parts(root)
    files = {target: _annotations(root, target) for target in INFO.targets}
    partitions = _partitions(root)
    recordings: list[Recording] = []
    missing: dict[Path, str] = {}
    faults: list[str] = []
    for name in sorted(audio.keys() | set().union(*files.values())):
        sound = audio.get(name, root / AUDIO_FOLDER / f"{name}.wav")
        own = {target: files[target].get(name, {}) for target in INFO.targets}
        wrong = _unplaced(root / LABELS_FOLDER, name, own, parts.get(name, {}))
        missing |= absent([sound])
        faults += wrong
        recordings.append(_recording(sound, partitions.get(name), parts.get(name, {}), own, wrong))
    return Survey(recordings, missing, faults)


def read_parts(root: Path) -> dict[str, dict[str, Part]]:
    """Where the parts of each conversation lie in its sound: conversation -> part's number -> `Part`.

    Args:
        root: as for `load`.

    Raises:
        CorpusError: conversation_parts.txt is missing, or a row is malformed or does not fit conversations.txt.
    """
    where = next((root / name for name in TIME_FOLDERS if (root / name).is_dir()), root / TIME_FOLDERS[0])
    paths = sorted(where.glob("*conversation_parts.txt"))
    if not paths:
        raise CorpusError(f"{where / 'conversation_parts.txt'}: no such file, and parts lie nowhere without it; add it")
    starts = _starts(where / "conversations.txt")
    found: dict[str, dict[str, Part]] = {}
    for path in paths:
        for conversation, rows in _listed(path).items():
            origin_s = starts.get(conversation, min(start_s for start_s, _ in rows.values()))
            if min(start_s for start_s, _ in rows.values()) < origin_s - 1e-6:
                raise CorpusError(
                    f"{path}: a part of {conversation} begins before the {origin_s:g} s at which conversations.txt "
                    f"lets it begin; {delimited.COPY_AGAIN}"
                )
            placed = {number: Part(start_s - origin_s, end_s - origin_s) for number, (start_s, end_s) in rows.items()}
            found.setdefault(conversation, {}).update(placed)
    return found


def read_annotation(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One annotator's samples of one part.

    Args:
        path: a file as `Annotations/Arousal/MSP-Conversation_0047_2_001.csv`.

    Returns:
        (samples,) seconds from the start of the part, never decreasing, and (samples,) values as the file has them.

    Raises:
        CorpusError: the file breaks the format; names the line.
    """
    lines = delimited.read_text(path).split("\n")
    before = next((row for row, line in enumerate(lines) if _is_number(line.split(",")[0])), None)
    if before is None:
        raise CorpusError(f"{path}: no rows of time and value separated by ','; {delimited.COPY_AGAIN}")
    if before not in PREAMBLE_LINES:
        raise CorpusError(
            f"{path}, line {before + 1}: samples begin after {before} lines rather than {PREAMBLE_LINES[0]} or "
            f"{PREAMBLE_LINES[1]}; {delimited.COPY_AGAIN}"
        )
    extra = ("extra",) if len(lines[before].rstrip(", ").split(",")) == 3 else ()
    table = delimited.read_table(path, ",", names=("time", "value", *extra), preamble=before)
    time_s, values = table.numbers("time"), table.numbers("value")
    back = np.flatnonzero(np.diff(time_s) < 0)
    if len(back):
        row = int(back[0]) + 1
        raise table.fault(row, f"the time {time_s[row]:g} s comes before {time_s[row - 1]:g} s")
    if time_s[0] < 0:
        raise table.fault(0, f"the time {time_s[0]:g} s lies before the part")
    return time_s, values


def held(
    sampled_s: NDArray[np.float64], values: NDArray[np.float64], time_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A slider's value at given instants: that of the last sample, as it stays where it is.

    Args:
        sampled_s: (samples,), never decreasing; of samples at the same time the last counts.
        values: (samples,).
        time_s: (T,).

    Returns:
        (T,), NaN before the first sample and after the last.
    """
    # Instants are multiples of 0.04 s with rounding errors; a sample at the very instant has to count.
    last = np.searchsorted(sampled_s, time_s + 1e-9, side="right") - 1
    rated = (last >= 0) & (time_s <= sampled_s[-1] + 1e-9)
    return np.where(rated, values[np.maximum(last, 0)], np.nan)


# One target's files of one conversation: part's number -> annotator -> file.
_Files = dict[str, dict[str, Path]]


def _recording(
    audio: Path, partition: str | None, parts: dict[str, Part], files: dict[str, _Files], faults: list[str]
) -> Recording:
    rated = any(files.values())
    recording = Recording(
        id=audio.stem,
        audio=audio,
        partition=partition,
        speaker=None,
        load_ratings=partial(_load_ratings, parts, files) if rated else None,
        unit_range=INFO.unit_range,
        load_gold=partial(_load_gold, parts, files) if rated else None,
        label_rate_hz=INFO.label_rate_hz,
        partly_rated=True,
    )
    return replace(recording, load_ratings=None, load_gold=refusing(faults[0])) if faults else recording


def _load_ratings(parts: dict[str, Part], files: dict[str, _Files], target: str) -> Ratings:
    if target not in files:
        raise CorpusError(f"no {target} in this corpus; it rates {', '.join(INFO.targets)}")
    annotators = sorted({annotator for own in files[target].values() for annotator in own})
    time_s = _grid(max(parts[number].end_s for number in files[target]))
    values = np.full((len(time_s), len(annotators)), np.nan)
    for number, own in files[target].items():
        here = _within(time_s, parts[number])
        for annotator, path in own.items():
            values[here, annotators.index(annotator)] = _part_trace(path, parts[number], time_s[here])
    if np.isnan(values).all():
        raise CorpusError(f"{path}: no annotator's samples reach an instant of the part; {delimited.COPY_AGAIN}")
    return Ratings(time_s, values, tuple(annotators), target)


def _load_gold(parts: dict[str, Part], files: dict[str, _Files], target: str) -> Ratings:
    """Part by part, as annotators differ between parts, and their fusion needs traces without holes."""
    ratings = _load_ratings(parts, files, target)
    gold = np.full((len(ratings.time_s), 1), np.nan)
    for number, own in files[target].items():
        columns = ratings.values[:, [ratings.raters.index(annotator) for annotator in own]]
        agreed = _within(ratings.time_s, parts[number]) & np.isfinite(columns).all(axis=1)
        if not agreed.any():
            first = min(own.values())
            raise CorpusError(f"{first}: no instant of its part is rated by all annotators; {delimited.COPY_AGAIN}")
        gold[agreed, 0] = fusion.gold_standard_avec2016(columns[agreed])
    return Ratings(ratings.time_s, gold, ("gold standard",), target)


def _part_trace(path: Path, part: Part, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    sampled_s, values = read_annotation(path)
    duration_s = part.end_s - part.start_s
    if sampled_s[-1] > duration_s + OVERTIME_S:
        raise CorpusError(
            f"{path}: samples go to {sampled_s[-1]:.2f} s, but its part lasts {duration_s:.2f} s; times are to count "
            f"from the start of the part, {delimited.COPY_AGAIN}"
        )
    return held(sampled_s + part.start_s, values, time_s)


def _grid(end_s: float) -> NDArray[np.float64]:
    return np.arange(np.ceil(end_s * INFO.label_rate_hz - 1e-6)) / INFO.label_rate_hz


def _within(time_s: NDArray[np.float64], part: Part) -> NDArray[np.bool_]:
    return (time_s >= part.start_s - 1e-6) & (time_s < part.end_s - 1e-6)


def _folder(root: Path, name: str) -> Path:
    if not (root / name).is_dir():
        raise CorpusError(f"{root / name}: no such folder; give the root that holds {LABELS_FOLDER} and {AUDIO_FOLDER}")
    return root / name


def _is_conversation(name: str) -> bool:
    return _CONVERSATION.fullmatch(name) is not None


def _annotations(root: Path, target: str) -> dict[str, _Files]:
    where = _folder(root, f"{LABELS_FOLDER}/{target.capitalize()}")
    found: dict[str, _Files] = defaultdict(lambda: defaultdict(dict))
    for path in sorted(where.glob("*.csv")):
        if match := _ANNOTATION.fullmatch(path.stem):
            conversation, number, annotator = match.groups()
            found[conversation][number][annotator] = path
    if not found:
        raise CorpusError(f"{where}: no file as MSP-Conversation_0047_2_001.csv; {delimited.COPY_AGAIN}")
    return dict(found)


def _unplaced(where: Path, name: str, files: dict[str, _Files], parts: dict[str, Part]) -> list[str]:
    """What is wrong with the parts that a conversation's annotations are of, one line each."""
    every = sorted(set().union(*files.values()))
    faults = [f"{where}: {name}_{number}: no row in conversation_parts.txt" for number in every if number not in parts]
    for target, own in files.items():
        folder = where / target.capitalize()
        faults += [
            f"{folder}: {name}_{number}: annotations of other targets and none here"
            for number in every
            if number not in own
        ]
    return [f"{fault}; {delimited.COPY_AGAIN}" for fault in faults]


def _listed(path: Path) -> dict[str, dict[str, tuple[float, float]]]:
    """Conversation -> part's number -> start and end in the podcast, in seconds."""
    table = delimited.read_table(path, ";", names=("part", "start", "end"))
    starts, ends = table.numbers("start").tolist(), table.numbers("end").tolist()
    found: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    for row, (name, start_s, end_s) in enumerate(zip(table.text("part"), starts, ends, strict=True)):
        conversation, _, number = name.rpartition("_")
        if not _is_conversation(conversation) or number in found[conversation]:
            raise table.fault(row, f"{delimited.shortened(name)} is no part's name, or listed before")
        if not 0.0 <= start_s < end_s:
            raise table.fault(row, f"{name} goes from {start_s:g} to {end_s:g} s")
        found[conversation][number] = (start_s, end_s)
    return found


def _starts(path: Path) -> dict[str, float]:
    if not path.is_file():
        return {}
    table = delimited.read_table(path, ";", names=("conversation", "start", "end"))
    return dict(zip(table.text("conversation"), table.numbers("start").tolist(), strict=True))


def _partitions(root: Path) -> dict[str, str]:
    path = next((path for pattern in ("", "*/") for path in sorted(root.glob(f"{pattern}partitions.txt"))), None)
    if path is None:
        return {}
    table = delimited.read_table(path, ";", names=("conversation", "partition"))
    for row, partition in enumerate(table.text("partition")):
        if partition.lower() not in _PARTITIONS:
            raise table.fault(row, f"partition {delimited.shortened(partition)} is none of {', '.join(_PARTITIONS)}")
    return {
        conversation: _PARTITIONS[partition.lower()]
        for conversation, partition in zip(table.text("conversation"), table.text("partition"), strict=True)
    }


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
