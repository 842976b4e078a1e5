"""Ulm-TSST, job interviews under stress, as in the MuSe challenges of 2021 and 2022."""

from pathlib import Path

from emotrace.corpora import Info, Recording, layout, muse

INFO = Info(
    name="ulm_tsst",
    title="Ulm-TSST, the Ulm Trier social stress test",
    citation=(
        "L. Stappen, A. Baird, L. Christ, L. Schumann, B. Sertolli, E.-M. Messner, E. Cambria, G. Zhao, B. Schuller: "
        "The MuSe 2021 multimodal sentiment analysis challenge: sentiment, emotion, physiological-emotion, and stress. "
        "MuSe workshop, ACM Multimedia 2021."
    ),
    licence="Free for academic research under a signed end-user licence agreement; not for redistribution.",
    access="muse-challenge.org; the organisers answer holders of academic posts who sign the agreement.",
    layout=muse.LAYOUT,
    quirks=(
        "Give the folder of one sub-challenge: c3_muse_stress, or c4_muse_physio with further targets.",
        "Labels come every 0.5 s.",
        "Each recording is one person of their own; the language is German.",
        *muse.QUIRKS,
    ),
    label_rate_hz=2.0,
    unit_range=(-1.0, 1.0),
    targets=("arousal", "valence"),
)


def load(root: Path) -> list[Recording]:
    """The recordings below `root`, sorted by id.

    Args:
        root: the folder that holds `label_segments` and `metadata`.

    Raises:
        CorpusError: a folder or partition.csv is missing or malformed, or a recording lacks a file.
    """
    return survey(root).complete()


def survey(root: Path) -> layout.Survey:
    """All recordings that partition.csv lists, complete or not.

    Raises:
        CorpusError: a folder or partition.csv is missing or malformed.
    """
    return muse.survey(root, INFO, own_speakers=True)
