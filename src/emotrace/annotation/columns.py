"""Which columns of a file, or tiers, are raters of one target.

A column is called by its rater, by what was rated (``arousal``), or by both (``arousal/anna``). What was rated is known
by the words below, by a spread beside it (``tension`` and ``tension_sd``, as `emotrace predict` writes them), or by the
slash; any other name is a rater's.
"""

from collections.abc import Sequence

from emotrace.errors import TraceError

DIMENSIONS = {
    *("arousal", "valence", "dominance", "activation", "pleasure", "power", "expectancy"),
    *("liking", "intensity", "engagement"),
}
_AXES = {"x", "y"}  # what DARMA calls the two that it records at once
_SPREAD = "_sd"


def of_target(where: str, names: Sequence[str], target: str | None) -> list[int]:
    """The places of the columns that are raters of one target.

    Args:
        where: the file, and the line of its header where there is one.
        names: of all columns but the time.
        target: what was rated. Its columns are taken where names tell targets, in upper or lower case. None: all
            columns, which have to be of one target.

    Raises:
        TraceError: the columns are of other targets, or of several where none was chosen.
    """
    if target is None:
        reject_several(where, names)
        return list(range(len(names)))
    told = _targets(names)
    wanted = target.casefold()
    own = [place for place, name in enumerate(names) if wanted in (name.casefold(), told[place])]
    if own or not any(told):
        return own or list(range(len(names)))
    raise TraceError(f"{where}: holds no ratings of {target}, only of {_listed(told)}; choose with --target")


def reject_several(where: str, names: Sequence[str]) -> None:
    """Refuse columns that are of more than one target: fused, they would be taken for raters who disagree.

    Raises:
        TraceError: they are.
    """
    told = _targets(names)
    if len({each for each in told if each}) > 1:
        raise TraceError(f"{where}: holds ratings of {_listed(told)}, which are no raters; choose one with --target")


def rater_of(name: str) -> str:
    """A column's rater: what follows the slash, or the whole name."""
    return name.partition("/")[2] or name


def _targets(names: Sequence[str]) -> list[str]:
    """What each column says was rated, in lower case; empty where it names a rater alone."""
    folded = [name.casefold() for name in names]
    known = DIMENSIONS | (_AXES if set(folded) >= _AXES else set())
    known |= {name for name in folded if name + _SPREAD in folded}
    return [
        name.partition("/")[0] if "/" in name else name if name.removesuffix(_SPREAD) in known else ""
        for name in folded
    ]


def _listed(told: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(each for each in told if each))
