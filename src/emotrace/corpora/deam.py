"""DEAM: music rated over time, two labels a second from 15 s on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotrace.annotation import Ratings
from emotrace.corpora import Info, Recording, delimited, layout
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
    return survey(root).complete()


def survey(root: Path) -> layout.Survey:
    """All songs that have averaged labels of any target; those of a song without a row are not among its targets.

    Raises:
        CorpusError: there is no table of averaged labels that can be read.
    """
    root = Path(root)
    home = _home(root)
    averaged, faults = _tables(home / AVERAGED_FOLDER)
    audio = next((root / name for name in _AUDIO_HOMES if (root / name).is_dir()), None)
    recordings: list[Recording] = []
    missing: dict[Path, str] = {}
    for song in sorted(set().union(*averaged.values())):
        sound = audio / f"{song}.mp3" if audio else None
        raters = _rater_files(home, song)
        missing |= layout.absent([*([sound] if sound else []), *raters.values()])
        rows = {target: table[song] for target, table in averaged.items() if song in table}
        recordings.append(_recording(song, sound, raters, rows))
    return layout.Survey(recordings, missing, faults)


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


def _tables(where: Path) -> tuple[dict[str, dict[str, _Row]], list[str]]:
    """Target -> song -> its row of averaged labels, and what is wrong with the tables."""
    tables: dict[str, dict[str, _Row]] = {}
    faults: list[str] = []
    for target in INFO.targets:
        try:
            tables[target] = _averaged(where / f"{target}.csv")
        except CorpusError as error:
            faults.append(str(error))
    if not tables:
        raise CorpusError(faults[0])
    songs = set().union(*tables.values())
    for target, rows in tables.items():
        path = where / f"{target}.csv"
        faults += [f"{path}: lacks song {song}; add its row" for song in sorted(songs - rows.keys())]
    return tables, faults


def _averaged(path: Path) -> dict[str, _Row]:
    table = delimited.read_table(path, header=("song_id",), ragged=True)
    rows: dict[str, _Row] = {}
    for index, (number, row) in enumerate(zip(table.numbers("song_id"), _rows(table), strict=True)):
        song = str(int(number))
        if float(song) != number or song in rows:
            raise table.fault(index, f"song_id {number:g} is no whole number, or listed before")
        rows[song] = row
    return rows


def _rater_files(home: Path, song: str) -> dict[str, Path]:
    """Target -> the raters' file, for both targets where there is that of any."""
    files = {target: home / RATERS_FOLDER / target / f"{song}.csv" for target in INFO.targets}
    return files if any(path.is_file() for path in files.values()) else {}


def _recording(song: str, audio: Path | None, raters: dict[str, Path], averaged: dict[str, _Row]) -> Recording:
    return Recording(
        id=song,
        audio=audio,
        partition="test" if int(song) >= FIRST_TEST_SONG else "train",
        speaker=None,
        load_ratings=partial(_load_ratings, raters) if raters else None,
        unit_range=INFO.unit_range,
        load_gold=partial(_load_gold, averaged),
        label_rate_hz=INFO.label_rate_hz,
        partly_rated=True,
        targets=tuple(averaged),
    )


def _load_ratings(files: dict[str, Path], target: str) -> Ratings:
    _reject_target(target)
    return read_raters(files[target], target)


def _load_gold(averaged: dict[str, _Row], target: str) -> Ratings:
    _reject_target(target)
    if target not in averaged:
        raise CorpusError(f"this song has no averaged {target}; emotrace check lists what is missing")
    return _trace([averaged[target]], ("gold standard",), target)


def _reject_target(target: str) -> None:
    if target not in INFO.targets:
        raise CorpusError(f"no {target} in this corpus; it rates {' and '.join(INFO.targets)}")
