"""TAVA: acted English utterances, each rated as a whole by a crowd."""

from pathlib import Path

from emotrace.corpora import Info, Recording, rated
from emotrace.corpora.layout import Survey

INFO = Info(
    name="tava",
    title="TAVA: acted English utterances rated as a whole",
    citation="Gomez-Canon et al.: TAVA. IEEE WASPAA 2025.",
    licence="AGPL-3.0, the licence of the repository that holds it; no other is stated for its data.",
    access="The authors' public repository; `ratings.csv` holds the mean and SD over its raters.",
    layout=(
        "ratings.csv: file,speaker,sex,affect,raters,{valence,arousal,dominance}_{mean,sd}\n"
        "audio/s01_happy.flac (16 kHz; resampled from 48 kHz)"
    ),
    quirks=(
        "One rating an utterance: the gold standard is constant over it, and a CCC within one recording means nothing. "
        "Concatenate recordings, or stitch them (`emotrace stitch`).",
        "Raters are not distributed one by one: their mean is the gold standard. `utterances` gives their SD and how "
        "many they were (149 to 982, 153 or fewer for two thirds).",
        "There is no official partition. This reader takes the 18 speakers in the order of their names: ten train, "
        "four dev, four test, as many women as men in each.",
    ),
    label_rate_hz=25.0,
    unit_range=(-1.0, 1.0),
    targets=("arousal", "valence", "dominance"),
)

SPEAKERS = {
    "train": ("s01", "s02", "s05", "s10", "s12", "s13", "s14", "s16", "s18", "s22"),
    "dev": ("s23", "s28", "s30", "s37"),
    "test": ("s38", "s40", "s43", "s44"),
}


def load(root: Path) -> list[Recording]:
    """The utterances, sorted by id; a speaker who is not in `SPEAKERS` is in no partition.

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
    partitions = {speaker: partition for partition, speakers in SPEAKERS.items() for speaker in speakers}
    return _listed(root).survey(INFO.unit_range, partitions)


def utterances(root: Path) -> list[rated.Utterance]:
    """The utterances with the mean, the SD and the number of their ratings; see `load`."""
    return _listed(root).complete()


def _listed(root: Path) -> rated.Listed:
    means = {target: f"{target}_mean" for target in INFO.targets}
    sds = {target: f"{target}_sd" for target in INFO.targets}
    return rated.read(root, means, sds, INFO.unit_range)
