"""DEAM: music rated over time, two labels a second from 15 s on."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotrace.annotation import Ratings
from emotrace.corpora import Info, Recording, delimited
from emotrace.errors import CorpusError

INFO = Info(
    name="deam",
    title="DEAM, MediaEval Database for Emotional Analysis in Music (music, not speech)",
    citation=(
        "A. Aljanaki, Y.-H. Yang, M. Soleymani: Developing a benchmark for emotional analysis of music. "
        "PLoS ONE 12(3), 2017."
    ),
    licence="For research; the songs are under Creative Commons licences of their own.",
    access="cvml.unige.ch/databases/DEAM: DEAM_Annotations.zip and DEAM_audio.zip.",
    layout=(
        "DEAM_Annotations/annotations/annotations averaged per song/dynamic (per second annotations)/"
        "{arousal,valence}.csv: song_id, sample_15000ms, sample_15500ms, ...\n"
        "DEAM_Annotations/annotations/annotations per each rater/dynamic (per second annotations)/"
        "{arousal,valence}/2.csv: the same columns without song_id, a row a rater (optional)\n"
        "MEMD_audio/2.mp3 (45 s, or a whole song; optional, also below DEAM_audio)"
    ),
    quirks=(
        "This is music: listeners rated the emotion that songs express. Speech models are not meant for it.",
        "Ratings begin at 15 s: what comes before is not rated.",
        "Rows are as long as songs are; cells that are missing at the end of a row are not rated.",
        "Headers carry blanks; column names are compared without them. Their numbers are the labels' times.",
        "The gold standard is DEAM's own average. Raters are read where their files are there; a WorkerId column names "
        "them, else they are `rater 1`, ... in the order of rows, and not the same people from song to song.",
        "Songs 2001 and on are the evaluation set of MediaEval 2015: test. The others are train; none is dev.",
    ),
    label_rate_hz=2.0,
    unit_range=(-1.0, 1.0),
    targets=("arousal", "valence"),
)

AVERAGED_FOLDER = "annotations averaged per song/dynamic (per second annotations)"
RATERS_FOLDER = "annotations per each rater/dynamic (per second annotations)"
FIRST_TEST_SONG = 2001

_SAMPLE = re.compile(r"sample_\d+ms")
_HOMES = ("DEAM_Annotations/annotations", "annotations", ".")
_AUDIO_HOMES = ("MEMD_audio", "DEAM_audio/MEMD_audio")


def load(root: Path) -> list[Recording]:
    """The songs that have averaged labels of both targets, sorted by id.

    Args:
        root: the folder that holds `DEAM_Annotations` and, if wanted, `MEMD_audio`.

    Raises:
        CorpusError: the averaged labels are missing or malformed, a song lacks one target of them or of its raters, or
            there is a folder of audio that lacks a song.
    """
    root = Path(root)
    home = _home(root)
    averaged = {target: _averaged(home / AVERAGED_FOLDER / f"{target}.csv") for target in INFO.targets}
    audio = next((root / name for name in _AUDIO_HOMES if (root / name).is_dir()), None)
    songs = sorted(set.union(*(set(rows) for rows in averaged.values())))
    for target, rows in averaged.items():
        path = home / AVERAGED_FOLDER / f"{target}.csv"
        _reject_missing(path, (song for song in songs if song not in rows), "add their rows")
    if audio:
        absent = (song for song in songs if not (audio / f"{song}.mp3").is_file())
        _reject_missing(audio, absent, "add their .mp3 files, or take the folder away to read labels alone")
    return [_recording(home, song, audio, {t: averaged[t][song] for t in INFO.targets}) for song in songs]


def read_raters(path: Path, target: str) -> Ratings:
    """Every rater's trace of one song.

    Args:
        path: a file as `annotations per each rater/dynamic (per second annotations)/arousal/2.csv`.
        target: what it holds ratings of.

    Raises:
        CorpusError: the file is malformed; names the line.
    """
    table = delimited.read_table(path, ragged=True)
    workers = [column for column in table.columns if column.lower() == "workerid"]
    names = table.text(workers[0]) if workers else ()
    if len(set(names)) < len(table):
        names = tuple(f"rater {number}" for number in range(1, len(table) + 1))
    return _trace(_rows(table), names, target)


@dataclass(frozen=True)
class _Row:
    """One row of a wide table, parsed when it is asked for."""

    path: Path
    line: int
    cells: dict[str, str]

    def time_s(self) -> NDArray[np.float64]:
        return np.array([int(name.removeprefix("sample_").removesuffix("ms")) / 1000 for name in self.cells])

    def values(self) -> NDArray[np.float64]:
        """(labels,), NaN where a cell is empty."""
        table = delimited.Table(self.path, {name: (cell,) for name, cell in self.cells.items()}, (self.line,))
        return np.array([table.numbers(name, missing=True)[0] for name in self.cells])


def _rows(table: delimited.Table) -> list[_Row]:
    samples = [column for column in table.columns if _SAMPLE.fullmatch(column)]
    if not samples:
        raise CorpusError(f"{table.path}, line 1: no column as sample_15000ms; {delimited.COPY_AGAIN}")
    cells = zip(*(table.text(column) for column in samples), strict=True)
    return [
        _Row(table.path, line, dict(zip(samples, row, strict=True)))
        for line, row in zip(table.lines, cells, strict=True)
    ]


def _trace(rows: list[_Row], raters: Sequence[str], target: str) -> Ratings:
    """Ratings up to the last moment that anybody rated: songs are shorter than the longest one's row."""
    values = np.column_stack([row.values() for row in rows])
    rated = np.flatnonzero(~np.isnan(values).all(axis=1))
    length = rated[-1] + 1 if len(rated) else len(values)
    return Ratings(rows[0].time_s()[:length], values[:length], tuple(raters), target)


def _home(root: Path) -> Path:
    for name in _HOMES:
        if (root / name / AVERAGED_FOLDER).is_dir():
            return root / name
    raise CorpusError(
        f"{root / _HOMES[0] / AVERAGED_FOLDER}: no such folder; give the root that holds DEAM_Annotations"
    )


def _averaged(path: Path) -> dict[str, _Row]:
    table = delimited.read_table(path, header=("song_id",), ragged=True)
    rows: dict[str, _Row] = {}
    for index, (number, row) in enumerate(zip(table.numbers("song_id"), _rows(table), strict=True)):
        song = str(int(number))
        if float(song) != number or song in rows:
            raise table.fault(index, f"song_id {number:g} is no whole number, or listed before")
        rows[song] = row
    return rows


def _reject_missing(where: Path, songs: Iterable[str], remedy: str) -> None:
    if missing := list(songs):
        named = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise CorpusError(f"{where}: lacks song {named}; {remedy}")


def _recording(home: Path, song: str, audio: Path | None, averaged: dict[str, _Row]) -> Recording:
    raters = {target: home / RATERS_FOLDER / target / f"{song}.csv" for target in INFO.targets}
    missing = [path for path in raters.values() if not path.is_file()]
    if missing and len(missing) < len(raters):
        raise CorpusError(f"{missing[0]}: no such file, though the raters' other target is there; add it")
    return Recording(
        id=song,
        audio=audio / f"{song}.mp3" if audio else None,
        partition="test" if int(song) >= FIRST_TEST_SONG else "train",
        speaker=None,
        load_ratings=None if missing else partial(_load_ratings, raters),
        unit_range=INFO.unit_range,
        load_gold=partial(_load_gold, averaged),
        label_rate_hz=INFO.label_rate_hz,
        partly_rated=True,
    )


def _load_ratings(files: dict[str, Path], target: str) -> Ratings:
    _reject_target(target)
    return read_raters(files[target], target)


def _load_gold(averaged: dict[str, _Row], target: str) -> Ratings:
    _reject_target(target)
    return _trace([averaged[target]], ("gold standard",), target)


def _reject_target(target: str) -> None:
    if target not in INFO.targets:
        raise CorpusError(f"no {target} in this corpus; it rates {' and '.join(INFO.targets)}")
