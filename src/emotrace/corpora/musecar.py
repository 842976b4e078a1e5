"""MuSe-CaR, car reviews from YouTube, as in the MuSe challenges of 2020 and 2021."""

from pathlib import Path

from emotrace.corpora import Info, Recording, layout, muse

INFO = Info(
    name="musecar",
    title="MuSe-CaR, multimodal sentiment analysis in car reviews",
    citation=(
        "L. Stappen, A. Baird, L. Schumann, B. Schuller: The multimodal sentiment analysis in car reviews (MuSe-CaR) "
        "dataset: collection, insights and improvements. IEEE Transactions on Affective Computing 14(2), 2023."
    ),
    licence="Free for academic research under a signed end-user licence agreement; not for redistribution.",
    access="muse-challenge.org; the organisers answer holders of academic posts who sign the agreement.",
    layout=muse.LAYOUT,
    quirks=(
        "Give the folder of one sub-challenge: c1_muse_wild of 2020, c1_muse_wilder of 2021.",
        "Labels come every 0.25 s.",
        "Trustworthiness is a third target in 2020's package.",
        "Who speaks is unstated, and several people may in one review; no speaker is named.",
        *muse.QUIRKS,
    ),
    label_rate_hz=4.0,
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
    return muse.survey(root, INFO, own_speakers=False)
