"""One corpus, the systems that are compared on it, and where runs and results go: what all commands here share."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from emotrace import corpora, systems
from emotrace.errors import ConfigError, CorpusError
from emotrace.experiments import folds, sweep
from emotrace.experiments.folds import PARTITIONS, Design, Fold
from emotrace.experiments.sweep import Job, Source
from emotrace.features import cache as kept
from emotrace.output import write_text
from emotrace.systems import Material, materials
from emotrace.training import loop
from emotrace.training.run import made_with

TARGETS = ("arousal", "valence")
SEEDS = 5
CONFIGS = Path(__file__).parent / "configs"

LABELS = "labels"
"""The key of a winner's file that says what it was tuned on; it is no setting."""

QUICK_EPOCHS = 2
QUICK_SEEDS = 2
QUICK_PARTS = {"train": 4, "dev": 2, "test": 2, "folds": 2}


@dataclass(frozen=True)
class Study:
    """What is run, on what, and where it goes.

    Attributes:
        corpus: a reader of :mod:`emotrace.corpora`.
        root: where it lies.
        runs: folder of runs and features.
        results: folder of result files; each corpus has one in it.
        configs: folder of tuned settings, ``LABEL/SYSTEM-TARGET.yaml``; ``LABEL/FOLD/...`` where folds rotate.
        only: the systems to compare; all there are where it is empty.
        seeds: runs of a system that is seeded; None for the paper's number, five in tables and ten in figure 1.
        jobs: runs at once.
        backend: see :func:`emotrace.running.each`.
        quick: a reduced budget: few recordings, two seeds, two epochs; what comes out shows that all runs, and is not
            a result.
        show: the progress.
        add: leave what a result file says of other systems where it is.
        device: where networks are, in PyTorch's words.
    """

    corpus: str
    root: Path
    runs: Path
    results: Path
    configs: Path = CONFIGS
    only: tuple[str, ...] = ()
    seeds: int | None = None
    jobs: int = 1
    backend: str = "processes"
    quick: bool = False
    show: bool = True
    add: bool = False
    device: str = "cpu"

    @property
    def label(self) -> str:
        """What results call the corpus: ``stitched`` where it is simulated, whatever layout it has."""
        return "stitched" if (self.root / "stitched.json").exists() else self.corpus

    @property
    def folder(self) -> Path:
        """Of this corpus's runs."""
        return (self.runs / self.label).absolute()

    @cached_property
    def names(self) -> list[str]:
        """The systems that are compared.

        Raises:
            ConfigError: one of `only` does not exist.
        """
        for name in self.only:
            systems.get(name)
        return sorted(self.only) if self.only else systems.names()

    @cached_property
    def rated(self) -> tuple[str, ...]:
        """All targets that the corpus rates."""
        reader = corpora.get(self.corpus)
        return corpora.targets_of(reader.INFO, reader.survey(self.root).apart())

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """Those of `TARGETS` that the corpus rates."""
        found = tuple(target for target in TARGETS if target in self.rated)
        if not found:
            raise CorpusError(f"{self.corpus} rates {', '.join(self.rated)}; tables are of arousal and valence")
        return found

    def source(self, target: str) -> Source:
        """The data of one target."""
        return Source(self.corpus, self.root.absolute(), target, (self.runs / "features").absolute())

    def known(self, target: str) -> dict[str, Material]:
        """The recordings that are rated for a target, by id; features are computed by `jobs` processes."""
        _listen(self.source(target), self.jobs)
        return sweep.load(self.source(target))

    def design(self, target: str) -> Design:
        """How they are divided."""
        whole = self._whole(target)
        return folds.smaller(whole, **QUICK_PARTS) if self.quick else whole

    def _whole(self, target: str) -> Design:
        return folds.design(self.corpus, self.root, list(self.known(target).values()))

    def settings(
        self, system: str, target: str, fold: Fold, values: Mapping[str, Any] | None = None, tuned: bool = True
    ) -> dict[str, Any]:
        """What is laid over a system's defaults: given features where there is no sound, tuned settings, `values`."""
        known = {field.name for field in fields(systems.get(system).Settings)}
        given = "front_end" in known and materials.silent(self.known(target).values())
        laid: dict[str, Any] = {"front_end": materials.GIVEN} if given else {}
        laid |= (self.tuned(system, target, fold) if tuned else {}) | dict(values or {})
        if self.quick:
            laid |= getattr(systems.get(system), "QUICK", {})
            laid |= {"epochs": QUICK_EPOCHS} if "epochs" in known else {}
        return laid

    def tuned(self, system: str, target: str, fold: Fold) -> dict[str, Any]:
        """The settings that a search left, nothing where there was none.

        Raises:
            ConfigError: the file cannot be read.
        """
        values = self._winner(self.tuned_file(system, target, fold))
        return {key: value for key, value in values.items() if key != LABELS}

    def tuned_elsewhere(self, system: str, target: str, fold: Fold) -> bool:
        """Whether they are of other gold standards than those here, or do not say of which."""
        path = self.tuned_file(system, target, fold)
        return path.exists() and self._winner(path).get(LABELS) != self.labels_of_all(target)

    def _winner(self, path: Path) -> dict[str, Any]:
        import yaml

        if not path.exists():
            return {}
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from None
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: wants 'key: value' lines; delete it and run emotrace search again")
        return values

    def tuned_file(self, system: str, target: str, fold: Fold) -> Path:
        """Where a search leaves its winner; folds that rotate have one each."""
        folder = self.configs / self.label
        return (folder if fold.name == PARTITIONS else folder / fold.name) / f"{system}-{target}.yaml"

    def plan(
        self,
        system: str,
        target: str,
        seeds: int | None = None,
        values: Mapping[str, Any] | None = None,
        tuned: bool = True,
    ) -> list[Job]:
        """The runs of a system: every fold and every seed, one where seeds change nothing.

        Args:
            system: its name.
            target: what is predicted.
            seeds: how many; those of the study, or of the paper's tables, where not given.
            values: laid over its settings.
            tuned: take what a search left; its own settings otherwise.
        """
        wanted = seeds or self.seeds or SEEDS
        count = min(wanted, QUICK_SEEDS if self.quick else wanted) if systems.get(system).SEEDED else 1
        source, known, jobs = self.source(target), self.known(target), []
        for fold in self.design(target).folds:
            laid = self.settings(system, target, fold, values, tuned)
            make = sweep.plan(source, known, system, laid, self.folder, self.device)
            jobs += [make(fold, seed) for seed in range(count)]
        return jobs

    @cached_property
    def failed(self) -> dict[Path, str]:
        """What went wrong so far, by the run's folder."""
        return {}

    def run(self, jobs: Sequence[Job]) -> dict[Path, str]:
        """Do what is not done yet, and has not failed in this call; see :func:`emotrace.experiments.sweep.sweep`.

        Returns:
            What went wrong so far.
        """
        untried = [job for job in jobs if job.folder not in self.failed]
        self.failed.update(sweep.sweep(untried, self.jobs, self.backend, self.show))
        return self.failed

    def check_device(self) -> None:
        """Refuse a device that is not there, or not asked for of a cluster.

        Raises:
            ConfigError: it is.
        """
        if self.backend == "ray" and self.device != "cpu":
            raise ConfigError(f"--device {self.device}: a cluster's runs are on processors; leave --backend ray out")
        loop.check_device(self.device)

    def labels(self, target: str) -> str:
        """What the division of the corpus and all gold standards in it are known by."""
        return self._known_by(target, self.design(target))

    def labels_of_all(self, target: str) -> str:
        """The same where the budget is not reduced: what tuned settings say they are of."""
        return self._known_by(target, self._whole(target))

    def _known_by(self, target: str, design: Design) -> str:
        known = self.known(target)
        return sweep.digest([sweep.digest_of_golds(fold, known) for fold in design.folds])

    def held(self, name: str, labels: str) -> dict[str, Any]:
        """The result file that is added to; empty where nothing is to be added to.

        Args:
            name: of the file.
            labels: what its gold standards are known by; see :meth:`labels`.

        Raises:
            ConfigError: it is damaged, or of other gold standards.
        """
        path = self.results / self.label / f"{name}.json"
        if not self.add or not path.exists():
            return {}
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            same = found["labels"] == labels and found["quick"] == self.quick
        except (OSError, ValueError, KeyError, TypeError):
            raise ConfigError(f"{path}: cannot be added to; leave --add out to write it anew") from None
        if not same:
            raise ConfigError(f"{path}: is of other recordings or labels; leave --add out to write it anew")
        return dict(found)

    def write(self, name: str, command: str, result: Mapping[str, Any], compared: Sequence[str] = ()) -> dict[str, Any]:
        """Leave a result file, ``LABEL/NAME.json``, that says what made it.

        Args:
            name: of the file.
            command: of ``emotrace reproduce``, with the options that it alone has.
            result: what it says.
            compared: the systems in it; none where the study's choice of systems changes nothing.
        """
        told = {
            "command": f"emotrace reproduce {command} --corpus {self.corpus} --root ROOT{self._told(compared)}",
            "corpus": self.corpus,
            "label": self.label,
            "quick": self.quick,
            "made_with": made_with(),
            **result,
        }
        path = self.results / self.label / f"{name}.json"
        write_text(path, json.dumps(rounded(told), indent=1) + "\n")
        return told

    def _told(self, compared: Sequence[str]) -> str:
        """The options that decide what comes out."""
        some = compared and self.only and compared != systems.names()
        chosen = f" --systems {','.join(compared)}" if some else ""
        device = f" --device {self.device}" if self.device != "cpu" else ""
        return chosen + (f" --seeds {self.seeds}" if self.seeds else "") + device + " --quick" * self.quick


def _listen(source: Source, jobs: int) -> None:
    """Fill the store of features before recordings are loaded one by one."""
    recordings = corpora.get(source.corpus).survey(source.root).complete(target=source.target)
    heard = [r.audio for r in recordings if r.audio is not None]
    if heard:
        kept.entries(source.features, "logmel", [kept.Sound(audio) for audio in heard], jobs)


def golds(known: Mapping[str, Material], ids: Iterable[str]) -> list[np.ndarray]:
    """Gold standards of recordings."""
    return [known[name].gold for name in ids]


def rounded(value: Any) -> Any:
    """The same with five decimals, for files that people compare."""
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return round(float(value), 5) if isinstance(value, float) else value
