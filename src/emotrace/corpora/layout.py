"""Folders and files of a corpus as they lie on disk; for the readers of this folder."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NoReturn

from emotrace.annotation import Ratings
from emotrace.corpora import Recording
from emotrace.errors import CorpusError

SOUND = (".wav", ".flac")

Owner = tuple[str, str | None]
"""A recording's id, and the target that a file of it rates; None where it is needed for any target."""


@dataclass(frozen=True)
class Survey:
    """All recordings that any file of a corpus speaks of.

    Attributes:
        recordings: sorted by id; what is missing or wrong of one shows when it is asked for.
        missing: a file that should be there and is not -> the line that says so.
        faults: what else does not fit together, one line each: a row that a list lacks, a table that cannot be read.
        owners: file, or the line of a fault -> whose it is, where it is one recording's alone: all that comes of it is
            that this recording's sound, labels or features fail to load.
    """

    recordings: list[Recording]
    missing: dict[Path, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    owners: dict[Path | str, Owner] = field(default_factory=dict)

    def complete(self, partitions: Collection[str | None] | None = None, target: str | None = None) -> list[Recording]:
        """The recordings, where nothing is missing or wrong of what is asked for.

        Args:
            partitions: of the recordings that are; every one by default.
            target: that is; every one by default.

        Raises:
            CorpusError: something is; the first of it is named, and how much more there is.
        """
        asked = {each.id for each in self.recordings if partitions is None or each.partition in partitions}

        def needed(owner: Owner | None) -> bool:
            return owner is None or (owner[0] in asked and (target is None or owner[1] in (None, target)))

        return self._unless(needed)

    def apart(self) -> list[Recording]:
        """The recordings, for who asks them one by one: those that lack a file of their own fail then.

        Raises:
            CorpusError: more is missing or wrong; see `complete`.
        """
        return self._unless(lambda owner: owner is None)

    def _unless(self, hinders: Callable[[Owner | None], bool]) -> list[Recording]:
        every: list[tuple[Path | str, str]] = [*self.missing.items(), *((fault, fault) for fault in self.faults)]
        wrong = [line for key, line in every if hinders(self.owners.get(key))]
        if not wrong:
            return self.recordings
        more = f" ({len(wrong) - 1} more: emotrace check lists them)" if len(wrong) > 1 else ""
        raise CorpusError(wrong[0] + more)


def absent(paths: Iterable[Path]) -> dict[Path, str]:
    """Those files that are not there, as `Survey.missing` holds them."""
    remedy = "though others that belong to it are there; copy it from the release, or remove those"
    return {path: f"{path}: no such file, {remedy}" for path in paths if not path.is_file()}


def owned(recording: str, files: Iterable[Path], labels: Mapping[str, Path] | None = None) -> dict[Path | str, Owner]:
    """Files of one recording alone, and its label files by target, as `Survey.owners` holds them."""
    owners: dict[Path | str, Owner] = {path: (recording, None) for path in files}
    return owners | {path: (recording, target) for target, path in (labels or {}).items()}


def refusing(fault: str) -> Callable[[str], Ratings]:
    """A recording's `load_ratings` or `load_gold` where there is nothing to load: a CorpusError that says why."""
    return partial(_refuse, fault)


def _refuse(fault: str, target: str) -> NoReturn:
    raise CorpusError(fault)


def folder(root: Path, *names: str) -> Path:
    """The folder below `root` that has one of these names; for an archive unpacked into a folder of its own name, that.

    Raises:
        CorpusError: none of them is there, or several are.
    """
    found = optional_folder(root, *names)
    if found is None:
        raise CorpusError(f"{root / names[0]}: no such folder; give the root that holds {names[0].split('/')[0]}")
    return found


def optional_folder(root: Path, *names: str) -> Path | None:
    """As `folder`, but None where none of them is there."""
    found = [root / name for name in names if (root / name).is_dir()]
    if len(found) > 1:
        raise CorpusError(f"{found[0]}: {found[1]} is there too, and only one can be meant; remove one of the two")
    if not found:
        return None
    inner = found[0] / found[0].name
    return inner if inner.is_dir() else found[0]


def files(where: Path, name: str, suffixes: Sequence[str]) -> dict[str, Path]:
    """File name without its ending -> file, of all files of a folder.

    Args:
        where: the folder.
        name: regular expression that the whole name without ending has to match; others are left alone.
        suffixes: endings in lower case.

    Raises:
        CorpusError: two files differ in their ending alone.
    """
    found: dict[str, Path] = {}
    for path in sorted(where.iterdir()):
        if path.suffix.lower() not in suffixes or not re.fullmatch(name, path.stem):
            continue
        if path.stem in found:
            raise CorpusError(f"{path}: {found[path.stem].name} is the same recording; remove one of the two")
        found[path.stem] = path
    return found


def reject_empty(found: Sequence[object] | dict[str, Path], where: Path, what: str) -> None:
    """Refuse a folder in which nothing was found; `what` says what should be there.

    Raises:
        CorpusError: it is empty.
    """
    if not found:
        raise CorpusError(f"{where}: no file {what}; copy the release's files there")
