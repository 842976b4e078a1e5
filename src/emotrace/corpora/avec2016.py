"""The AVEC 2016 challenge's package of RECOLA (Valstar et al. 2016): gold standard, raters, eGeMAPS, sound."""

from collections.abc import Callable
from functools import partial
from itertools import dropwhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotrace.annotation import Ratings
from emotrace.corpora import Info, Recording, layout
from emotrace.corpora.delimited import COPY_AGAIN, Table, read_table, read_text
from emotrace.errors import CorpusError

INFO = Info(
    name="avec2016",
    title="AVEC 2016, affect recognition sub-challenge on RECOLA",
    citation=(
        "M. Valstar, J. Gratch, B. Schuller, F. Ringeval, D. Lalanne, M. Torres Torres, S. Scherer, G. Stratou, "
        "R. Cowie, M. Pantic: AVEC 2016 - Depression, mood, and emotion recognition workshop and challenge. "
        "AVEC workshop, ACM Multimedia 2016. For the recordings also F. Ringeval et al., IEEE FG 2013 (RECOLA)."
    ),
    licence="Free for academic research under a signed end-user licence agreement; not for redistribution.",
    access="Ask the authors of RECOLA, who hand the challenge's package out under RECOLA's agreement.",
    layout=(
        "recordings_audio/{train,dev,test}_1.wav\n"
        "ratings_gold_standard/{arousal,valence}/{train,dev}_1.arff\n"
        "ratings_individual/{arousal,valence}/{train,dev}_1.csv (optional)\n"
        "ratings_individual_centred/{arousal,valence}/{train,dev}_1.csv (optional)\n"
        "features_audio/{arousal,valence}/{train,dev,test}_1.arff (optional)"
    ),
    quirks=(
        "Official partition: nine recordings each of train, dev and test, by file name; which participant of RECOLA is "
        "which recording is not public, so each is its own speaker.",
        "No labels of the test part are distributed; its recordings have sound and features only.",
        "7501 label rows for 300 s: the last row labels the end instant and `match_length` drops it.",
        "The gold standard is the challenge's own; `ratings` gives all six raters as they rated.",
        "`centred_ratings` reads the raters as the challenge centred them; "
        "`emotrace.annotation.fusion.centre_avec2016` computes the same from the raw ones.",
        "Features are 88 functionals (eGeMAPS) in windows of 4 s for arousal and 6 s for valence; a recording's "
        "features are those of arousal, `features` reads either. A value that is missing there is NaN.",
        "A folder that was unpacked into a folder of its own name is found there.",
    ),
    label_rate_hz=25.0,
    unit_range=(-1.0, 1.0),
    targets=("arousal", "valence"),
)

RATERS = 6
FEATURES = 88

_NAME = r"(train|dev|test)_[0-9]+"


def load(root: Path) -> list[Recording]:
    """The recordings below `root`, sorted by id.

    Args:
        root: the folder that holds `recordings_audio` and `ratings_gold_standard`.

    Raises:
        CorpusError: a folder is missing, or a recording lacks a file.
    """
    return survey(root).complete()


def survey(root: Path) -> layout.Survey:
    """All recordings that any file speaks of, complete or not.

    Raises:
        CorpusError: a folder is missing or empty.
    """
    root = Path(root)
    where = layout.folder(root, "recordings_audio")
    sounds = layout.files(where, _NAME, layout.SOUND)
    layout.reject_empty(sounds, where, "train_1.wav or the like")
    gold = {target: layout.folder(root, f"ratings_gold_standard/{target}") for target in INFO.targets}
    individual, centred = (_folders(root, name) for name in ("ratings_individual", "ratings_individual_centred"))
    features = _folders(root, "features_audio")
    labelled, described = (
        set().union(*(layout.files(path, _NAME, (".arff",)) for path in folders.values()))
        for folders in (gold, features)
    )
    recordings: list[Recording] = []
    missing: dict[Path, str] = {}
    owners: dict[Path | str, layout.Owner] = {}
    for name in sorted(labelled | described | sounds.keys()):
        audio = sounds.get(name, where / f"{name}.wav")
        kept_back = name.startswith("test") and name not in labelled
        files = [audio, *(path / f"{name}.arff" for path in features.values())]
        labels = [{target: path / f"{name}.arff" for target, path in gold.items()}]
        labels += [{t: path / f"{name}.csv" for t, path in folders.items()} for folders in (individual, centred)]
        missing |= layout.absent(files)
        owners |= layout.owned(name, files)
        for by_target in [] if kept_back else labels:
            missing |= layout.absent(by_target.values())
            owners |= layout.owned(name, [], by_target)
        recordings.append(
            Recording(
                id=name,
                audio=audio,
                partition=name.split("_")[0],
                speaker=name,
                load_ratings=partial(_load_ratings, individual, name) if individual and not kept_back else None,
                unit_range=INFO.unit_range,
                load_gold=None if kept_back else partial(_load_gold, gold, name),
                label_rate_hz=INFO.label_rate_hz,
                load_features=_features_loader(features.get("arousal"), name),
            )
        )
    return layout.Survey(recordings, missing, owners=owners)


def centred_ratings(root: Path, recording: str, target: str) -> Ratings:
    """The raters' traces as the challenge centred them (Valstar et al. 2016), from `ratings_individual_centred`.

    Args:
        root: as for `load`.
        recording: its id, such as "train_1".
        target: what was rated.

    Returns:
        Six raters, in the unit of the files; a centred trace may leave [-1, 1].

    Raises:
        CorpusError: the file is missing or malformed.
    """
    return _load_ratings(_folders(Path(root), "ratings_individual_centred"), recording, target)


def features(root: Path, recording: str, target: str) -> NDArray[np.float64]:
    """The challenge's features of one recording, in the windows that it chose for one target.

    Returns:
        (rows, 88), a row every 40 ms from 0 s on; NaN where a value is missing.

    Raises:
        CorpusError: the file is missing or malformed.
    """
    return read_features(_chosen(_folders(Path(root), "features_audio"), target) / f"{recording}.arff")


def read_features(path: Path) -> NDArray[np.float64]:
    """One file of `features_audio`; result and errors are those of `features`.

    Raises:
        CorpusError: see `features`.
    """
    names, rows, _ = _arff(path)
    kept = [index for index, name in enumerate(names) if name not in ("name", "instance_name", "frametime")]
    if len(kept) != FEATURES:
        raise CorpusError(f"{path}: {len(kept)} features a row rather than {FEATURES}; {COPY_AGAIN}")
    try:
        return np.array([[row[index] for index in kept] for row in rows], dtype=np.float64)
    except (TypeError, ValueError):
        raise CorpusError(f"{path}: a feature is no number; {COPY_AGAIN}") from None


def _features_loader(where: Path | None, name: str) -> Callable[[], NDArray[np.float64]] | None:
    return None if where is None else partial(read_features, where / f"{name}.arff")


def _folders(root: Path, name: str) -> dict[str, Path]:
    found = {target: layout.optional_folder(root, f"{name}/{target}") for target in INFO.targets}
    return {target: path for target, path in found.items() if path is not None}


def _chosen(folders: dict[str, Path], target: str) -> Path:
    if target not in folders:
        raise CorpusError(f"AVEC 2016 has no files for {target!r} here; choose one of: {', '.join(folders) or 'none'}")
    return folders[target]


def _load_gold(folders: dict[str, Path], name: str, target: str) -> Ratings:
    path = _chosen(folders, target) / f"{name}.arff"
    names, rows, lines = _arff(path)
    cells = {column: tuple(str(row[i]) for row in rows) for i, column in enumerate(names)}
    table = Table(path, cells, lines)
    time_s = table.steady_times("frametime", INFO.label_rate_hz, start_s=0.0)
    return Ratings(time_s, table.numbers("goldstandard")[:, None], ("gold standard",), target)


def _load_ratings(folders: dict[str, Path], name: str, target: str) -> Ratings:
    path = _chosen(folders, target) / f"{name}.csv"
    table = read_table(path, ";")
    time, *raters = table.columns
    if len(raters) != RATERS:
        raise CorpusError(
            f"{path}: a time and {len(raters)} raters rather than {RATERS} separated by ';'; {COPY_AGAIN}"
        )
    values = np.column_stack([table.numbers(rater) for rater in raters])
    return Ratings(table.steady_times(time, INFO.label_rate_hz, start_s=0.0), values, tuple(raters), target)


def _arff(path: Path) -> tuple[list[str], list[list[object]], tuple[int, ...]]:
    """Attributes in lower case, rows, and the line that each row stands on."""
    try:
        import arff
    except ImportError:
        raise CorpusError(f'{path}: reading ARFF needs liac-arff; run: pip install "emotrace[corpora]"') from None
    text = read_text(path)
    try:
        document = arff.loads(text)
    except (arff.ArffException, ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
        # The text of its errors is left out: some hold a whole row, some cannot be formatted.
        number = getattr(error, "line", -1)
        line = f", line {number}" if number > 0 else ""
        raise CorpusError(f"{path}{line}: not ARFF ({type(error).__name__}); {COPY_AGAIN}") from None
    if not document["data"]:
        raise CorpusError(f"{path}: no rows; {COPY_AGAIN}")
    numbered = dropwhile(lambda row: not row[1].strip().lower().startswith("@data"), enumerate(text.split("\n"), 1))
    _, *body = numbered
    lines = tuple(number for number, line in body if line.strip() and not line.lstrip().startswith("%"))
    return [name.lower() for name, _ in document["attributes"]], document["data"], lines
