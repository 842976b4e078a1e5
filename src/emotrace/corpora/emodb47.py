"""EMO-DB-47: acted German utterances of EMO-DB that pyAudioAnalysis gives arousal and valence for."""

from pathlib import Path

from emotrace.corpora import Info, Recording, rated
from emotrace.corpora.layout import Survey

INFO = Info(
    name="emodb47",
    title="EMO-DB-47: 47 acted German utterances rated as a whole",
    citation=(
        "F. Burkhardt, A. Paeschke, M. Rolfes, W. Sendlmeier, B. Weiss: A database of German emotional speech. "
        "Interspeech 2005. Ratings: T. Giannakopoulos: pyAudioAnalysis. PLoS ONE 10(12), 2015."
    ),
    licence="Audio CC0 1.0 (EMO-DB), ratings Apache-2.0 (pyAudioAnalysis).",
    access="EMO-DB's public download, and the speech emotion data of the pyAudioAnalysis repository.",
    layout="ratings.csv: file,speaker,emotion,arousal,valence,emodb_file\naudio/00.flac (16 kHz)",
    quirks=(
        "One rating an utterance: the gold standard is constant over it, and a CCC within one recording means nothing. "
        "Concatenate recordings.",
        "Who rated is not stated, nor how many; there is no SD.",
        "Too small to be split: no recording is in a partition. Its use is as a test in another language.",
    ),
    label_rate_hz=25.0,
    unit_range=(-1.0, 1.0),
    targets=("arousal", "valence"),
)


def load(root: Path) -> list[Recording]:
    """The utterances, sorted by id.

    Args:
        root: the folder that holds `ratings.csv` and `audio`.

    Raises:
        CorpusError: ratings.csv is missing or malformed, or lists a file that is not there.
    """
    return survey(root).complete()


def survey(root: Path) -> Survey:
    """All utterances that ratings.csv lists, those too whose sound is missing.

    Raises:
        CorpusError: ratings.csv is missing or malformed.
    """
    return _listed(root).survey(INFO.unit_range)


def utterances(root: Path) -> list[rated.Utterance]:
    """The utterances with their ratings; see `load`."""
    return _listed(root).complete()


def _listed(root: Path) -> rated.Listed:
    return rated.read(root, {target: target for target in INFO.targets}, {}, INFO.unit_range)
