"""SEWA as AVEC 2017, 2018 and 2019 distributed it: video chats in German, Hungarian and Chinese, a gold standard."""

import re
from functools import partial
from pathlib import Path

from emotrace.annotation import Ratings
from emotrace.corpora import Info, Recording, layout
from emotrace.corpora.delimited import COPY_AGAIN, Table, read_table, read_text
from emotrace.errors import CorpusError

INFO = Info(
    name="sewa",
    title="SEWA, as in AVEC 2017, 2018 and 2019",
    citation=(
        "J. Kossaifi et al.: SEWA DB, a rich database for audio-visual emotion and sentiment research in the wild. "
        "IEEE TPAMI 2021. The partitions: F. Ringeval et al., AVEC workshops, ACM Multimedia 2017, 2018 and 2019."
    ),
    licence="Free for academic research under a signed end-user licence agreement; not for redistribution.",
    access="db.sewaproject.eu for the database; the challenges' packages from the organisers of AVEC.",
    layout=(
        "audio/Train_01.wav (2017), Train_DE_01.wav (2018, 2019); Train, Devel and Test\n"
        "labels/Train_01.csv or Train_DE_01.csv"
    ),
    quirks=(
        "Official partition by file name: Train, Devel (read as dev) and Test; 34, 14 and 16 German recordings, 34, 14 "
        "and 18 Hungarian and 70 Chinese ones in 2019. 2018 calls all Hungarian ones Test.",
        "The year is told by what is there: names hold the language since 2018, files have a header since 2019. Cells "
        "are separated by ';', names may be in single quotes. `language` tells DE, HU or CN; 2017 is German.",
        "A gold standard is distributed and no raters' traces.",
        "Labels of the test part were not distributed; such recordings have none, unless a file is there.",
        "Labels come every 0.1 s; whether the first stands at 0 or at 0.1 s is unstated, both are read.",
        "Liking is a third target beside arousal and valence.",
        "Who speaks is unstated; a file holds one person, who is taken for a speaker of their own.",
    ),
    label_rate_hz=10.0,
    unit_range=(-1.0, 1.0),
    targets=("arousal", "valence", "liking"),
)

LANGUAGES = ("DE", "HU", "CN")

_NAME = r"(Train|Devel|Test)(_[A-Z]{2})?_[0-9]+"
_PARTITIONS = {"Train": "train", "Devel": "dev", "Test": "test"}
_COLUMNS = ("name", "timestamp", *INFO.targets)


def load(root: Path) -> list[Recording]:
    """The recordings below `root`, sorted by id.

    Args:
        root: the folder that holds `audio` and `labels`.

    Raises:
        CorpusError: a folder is missing, a recording lacks a file, or two years' names are mixed.
    """
    return survey(root).complete()


def survey(root: Path) -> layout.Survey:
    """All recordings that any file speaks of, complete or not.

    Raises:
        CorpusError: a folder is missing or empty, or two years' names are mixed.
    """
    sound_folder, label_folder = (layout.folder(Path(root), name) for name in ("audio", "labels"))
    sounds = layout.files(sound_folder, _NAME, layout.SOUND)
    labels = layout.files(label_folder, _NAME, (".csv",))
    layout.reject_empty(sounds, sound_folder, "Train_01.wav, Train_DE_01.wav or the like")
    names = sorted(sounds.keys() | labels.keys())
    without = [name for name in names if name.count("_") == 1]
    if 0 < len(without) < len(names):
        raise CorpusError(
            f"{root}: {without[0]} is a name of AVEC 2017 and others are of 2018 or 2019; keep each in a folder "
            "of its own"
        )
    recordings: list[Recording] = []
    missing: dict[Path, str] = {}
    owners: dict[Path | str, layout.Owner] = {}
    for name in names:
        partition = _PARTITIONS[name.split("_")[0]]
        audio, label = sounds.get(name, sound_folder / f"{name}.wav"), label_folder / f"{name}.csv"
        kept_back = partition == "test" and name not in labels
        missing |= layout.absent([audio] if kept_back else [audio, label])
        owners |= layout.owned(name, [audio, label])
        load_gold = None if kept_back else partial(_load_gold, label)
        recordings.append(Recording(name, audio, partition, name, None, INFO.unit_range, load_gold, INFO.label_rate_hz))
    return layout.Survey(recordings, missing, owners=owners)


def language(recording: str) -> str:
    """The language of a recording by its id: one of `LANGUAGES`.

    Raises:
        CorpusError: the id names none of them.
    """
    match = re.fullmatch(_NAME, recording)
    code = match[2].lstrip("_") if match and match[2] else "DE"
    if match is None or code not in LANGUAGES:
        raise CorpusError(f"{recording!r}: names none of the languages {', '.join(LANGUAGES)}; give a recording's id")
    return code


def _load_gold(path: Path, target: str) -> Ratings:
    if target not in INFO.targets:
        raise CorpusError(f"SEWA has no {target!r}; choose one of: {', '.join(INFO.targets)}")
    table = _table(path)
    names = table.text("name")
    for row, name in enumerate(names):
        if name != names[0]:
            raise table.fault(row, f"the name is {name!r} here and {names[0]!r} above")
    time_s = table.steady_times("timestamp", INFO.label_rate_hz)
    if not -1e-3 <= time_s[0] <= 1 / INFO.label_rate_hz + 1e-3:
        raise table.fault(0, f"the first time is {time_s[0]:g} s, neither 0 nor {1 / INFO.label_rate_hz:g} s")
    return Ratings(time_s.clip(0.0), table.numbers(target)[:, None], ("gold standard",), target)


def _table(path: Path) -> Table:
    first = read_text(path).split(";", 1)[0]
    if first.strip().strip("'\"").casefold() == "name":
        return read_table(path, ";", header=_COLUMNS, quote="'")
    table = read_table(path, ";", names=_COLUMNS, quote="'")
    if table.text("timestamp")[0][:1].isalpha():
        raise CorpusError(f"{path}, line 1: neither a row nor the header {';'.join(_COLUMNS)}; {COPY_AGAIN}")
    return table
