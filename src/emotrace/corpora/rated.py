"""Utterances rated as a whole: one value each, said to hold from the first frame to the last."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from emotrace.annotation import Ratings
from emotrace.corpora import Recording, delimited
from emotrace.corpora.layout import Survey
from emotrace.errors import CorpusError
from emotrace.trace import FRAME_S


@dataclass(frozen=True)
class Utterance:
    """One utterance and what raters said of it.

    Attributes:
        id: the file's name without its ending.
        audio: the sound file.
        speaker: who speaks.
        rating: target -> rating, or the raters' mean, in the corpus's unit.
        sd: target -> the raters' standard deviation; empty where it is not distributed.
        raters: how many rated it, or None where that is not known.
    """

    id: str
    audio: Path
    speaker: str
    rating: dict[str, float]
    sd: dict[str, float]
    raters: int | None


@dataclass(frozen=True)
class Listed:
    """What `ratings.csv` lists.

    Attributes:
        utterances: sorted by id, those too whose sound is missing.
        missing: a sound that is not there -> the line that says so.
    """

    utterances: list[Utterance]
    missing: dict[Path, str]

    def survey(self, unit: tuple[float, float], partitions: Mapping[str, str] | None = None) -> Survey:
        """The utterances as recordings; `partitions` are those of speakers, who are otherwise in none."""
        of = partitions or {}
        return Survey([recording(each, of.get(each.speaker), unit) for each in self.utterances], self.missing)

    def complete(self) -> list[Utterance]:
        """The utterances, where no sound is missing.

        Raises:
            CorpusError: one is.
        """
        Survey([], self.missing).complete()
        return self.utterances


def read(root: Path, columns: dict[str, str], sd_columns: dict[str, str], unit: tuple[float, float]) -> Listed:
    """The utterances that `ratings.csv` lists.

    Args:
        root: the folder that holds `ratings.csv`; the file names in it are relative to this folder.
        columns: target -> the column of its rating.
        sd_columns: target -> the column of its standard deviation.
        unit: lowest and highest rating.

    Raises:
        CorpusError: the file is missing or malformed, or lists a file twice.
    """
    path = Path(root) / "ratings.csv"
    if not path.is_file():
        raise CorpusError(f"{path}: no such file; give the folder that holds ratings.csv and the audio that it lists")
    table = delimited.read_table(path, header=("file", "speaker", *columns.values(), *sd_columns.values()))
    ratings = {target: _within(table, column, unit) for target, column in columns.items()}
    sds = {target: table.numbers(column) for target, column in sd_columns.items()}
    raters = [int(number) for number in table.numbers("raters")] if "raters" in table.columns else [None] * len(table)
    utterances: dict[str, Utterance] = {}
    missing: dict[Path, str] = {}
    for row, (file, speaker) in enumerate(zip(table.text("file"), table.text("speaker"), strict=True)):
        name = Path(file).stem
        if not file or not speaker:
            raise table.fault(row, "file or speaker is empty")
        if name in utterances:
            raise table.fault(row, f"{name} is listed before")
        audio = path.parent / file
        if not audio.is_file():
            missing[audio] = str(table.fault(row, f"no file {audio}"))
        rating = {target: float(values[row]) for target, values in ratings.items()}
        sd = {target: float(values[row]) for target, values in sds.items()}
        utterances[name] = Utterance(name, audio, speaker, rating, sd, raters[row])
    return Listed([utterances[name] for name in sorted(utterances)], missing)


def recording(utterance: Utterance, partition: str | None, unit: tuple[float, float]) -> Recording:
    """An utterance as a recording whose gold standard is its rating, frame after frame."""
    return Recording(
        id=utterance.id,
        audio=utterance.audio,
        partition=partition,
        speaker=utterance.speaker,
        load_ratings=None,
        unit_range=unit,
        load_gold=partial(_constant, utterance),
    )


def _constant(utterance: Utterance, target: str) -> Ratings:
    if target not in utterance.rating:
        raise CorpusError(f"no {target} in this corpus; it rates {', '.join(utterance.rating)}")
    frames = _frames(utterance.audio)
    values = np.full((frames, 1), utterance.rating[target], dtype=np.float64)
    return Ratings(np.arange(frames, dtype=np.float64) * FRAME_S, values, ("gold standard",), target)


def _frames(path: Path) -> int:
    if not path.is_file():
        # As `emotrace.audio` says it, so that a look at sound and labels tells it once.
        raise CorpusError(f"{path}: no such file; check the path")
    try:
        info = soundfile.info(path)
    except (soundfile.SoundFileError, OSError) as error:
        raise CorpusError(f"{path}: is no sound that can be read ({error}); {delimited.COPY_AGAIN}") from None
    frames = int(info.frames / info.samplerate / FRAME_S + 1e-6)
    if not frames:
        raise CorpusError(f"{path}: is shorter than a frame of {FRAME_S} s; {delimited.COPY_AGAIN}")
    return frames


def _within(table: delimited.Table, column: str, unit: tuple[float, float]) -> NDArray[np.float64]:
    low, high = unit
    values = table.numbers(column)
    outside = (values < low) | (values > high)
    if outside.any():
        row = int(np.argmax(outside))
        raise table.fault(row, f"{column} is {values[row]:g}, outside of [{low:g}, {high:g}]")
    return values
