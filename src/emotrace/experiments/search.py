"""Tuning: Optuna over a system's ``SPACE``, on the development part alone, as many trials for every system.

Trial 0 is the system's own settings, so that a winner is never worse than they are; the others are drawn by a
tree-structured Parzen estimator (Bergstra et al. 2011), seeded by the trial's number: a search that was killed and goes
on draws what it would have drawn. A trial is one run with seed 0, and its score the CCC of the concatenated development
recordings. Trials may train fewer epochs than runs do, trial 0 as few as all others. A network that is below the median
of earlier trials after as many epochs is stopped. Nothing of the test part is predicted or scored. Where folds rotate,
each has a search of its own: what one fold has for development is another's test.
"""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import optuna

from emotrace import evaluation, provenance, running, systems
from emotrace.errors import ConfigError, EmotraceError, SoundlessError
from emotrace.experiments import sweep
from emotrace.experiments.folds import PARTITIONS, Fold
from emotrace.experiments.study import LABELS, Study
from emotrace.experiments.sweep import Source, plain
from emotrace.output import write_text
from emotrace.systems import Choice, Range, Task, materials
from emotrace.training import loop

TRIALS = 20
STARTUP = 5
"""Trials before the estimator and the median have something to go by."""

_DEFAULTS = "defaults"
_ERROR = "error"


@dataclass(frozen=True)
class Search:
    """One system on one target.

    Attributes:
        source: the data.
        system: its name.
        values: what is laid over its defaults before anything is tuned.
        fold: what is learned from and chosen on.
        trials: budget, the system's own settings included.
        epochs: the most that a trial trains a network; None for as many as a run does.
        storage: URL of a database.
        name: of the study in it.
        out: file for the winner.
        labels: what the gold standards are known by, for that file.
        device: where networks are, in PyTorch's words.
    """

    source: Source
    system: str
    values: Mapping[str, Any]
    fold: Fold
    trials: int
    epochs: int | None
    storage: str
    name: str
    out: Path
    labels: str
    device: str = "cpu"

    def __str__(self) -> str:
        fold = "" if self.fold.name == PARTITIONS else f", {self.fold.name}"
        return f"{self.system}, {self.source.target}{fold}"


@dataclass(frozen=True)
class Winner:
    """What a search found.

    Attributes:
        settings: keys of the space, empty where the system's own settings were best.
        dev_ccc: their score.
        defaults_ccc: that of the system's own settings; None where they failed.
        trials: finished, of which
        pruned: were stopped early and
        failed: failed.
        unsuited: why the system cannot work on this corpus.
    """

    settings: Mapping[str, Any]
    dev_ccc: float
    defaults_ccc: float | None
    trials: int
    pruned: int
    failed: int
    unsuited: str | None = None


def search(
    study: Study,
    trials: int = TRIALS,
    storage: str | None = None,
    targets: Sequence[str] | None = None,
    epochs: int | None = None,
) -> tuple[dict[str, Winner], dict[str, str]]:
    """Search every system of a study on every target, and write each winner where commands look for it.

    Args:
        study: corpus and systems; searches run side by side, each one trial after the other.
        trials: budget of each search.
        storage: database URL that Optuna takes; a SQLite file beside the runs by default.
        targets: those that are searched; all that the corpus rates by default.
        epochs: the most that a trial trains a network; as many as a run does by default.

    Returns:
        The winners and what went wrong, by "system, target", and fold where folds rotate.

    Raises:
        ConfigError: the database cannot be reached, there is no such device or system, or the corpus does not rate a
            target.
        CorpusError: there is no such corpus.
    """
    study.check_device()
    targets, names = _asked(study, targets), study.names
    study.folder.mkdir(parents=True, exist_ok=True)
    url = storage or f"sqlite:///{study.folder / 'search.db'}"
    _reach(url)
    searches = [
        _planned(study, name, target, fold, (trials, epochs), url)
        for target in targets
        for name in names
        for fold in study.design(target).folds
    ]
    found: dict[str, Winner] = {}
    failed: dict[str, str] = {}
    with closing(running.each(run, searches, study.jobs, study.backend)) as results, _bar(searches, study) as bar:
        for done in results:
            if done.result is None:
                failed[str(done.item)] = sweep.said(done.error or EmotraceError("no result"))
            else:
                found[str(done.item)] = done.result
            bar.update()
    return found, failed


def _asked(study: Study, targets: Sequence[str] | None) -> Sequence[str]:
    """The targets that are searched."""
    if not targets:
        return study.targets
    if unknown := [target for target in targets if target not in study.rated]:
        raise ConfigError(f"--target {unknown[0]}: {study.corpus} rates {', '.join(study.rated)}; choose one of these")
    return targets


def run(search: Search) -> Winner:
    """Do what is missing of one search and write its winner."""
    loop.check_device(search.device)
    optuna.logging.set_verbosity(logging.ERROR)
    study = optuna.create_study(
        storage=_storage(search.storage),
        study_name=search.name,
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=_warm_up(search)),
    )
    with sweep.one_thread():
        if (unsuited := _own_settings(search, study)) is not None:
            return Winner({}, 0.0, None, 0, 0, 0, unsuited)
        for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # killed in the middle
        while (done := len(_over(study))) < search.trials - 1:
            _try(search, study, done)
    winner = _winner(study)
    _write(search, winner)
    return winner


def _warm_up(search: Search) -> int:
    """Epochs before a trial may be stopped: slow learners are not bad ones."""
    return max(3, getattr(systems.settings(search.system, search.values), "epochs", 0) // 4)


def _planned(study: Study, name: str, target: str, fold: Fold, budget: tuple[int, int | None], url: str) -> Search:
    trials, epochs = budget
    values = study.settings(name, target, fold, tuned=False)
    own_epochs = getattr(systems.settings(name, values), "epochs", 0)
    if epochs and own_epochs > epochs:
        values |= {"epochs": epochs}
    complete = plain(asdict(systems.settings(name, values)))
    golds = sweep.digest_of_golds(fold, study.known(target))
    told = sweep.digest([complete, plain(asdict(fold)), str(systems.get(name).SPACE), golds])
    title = f"{study.label}-{name}-{target}-{told}"
    out = study.tuned_file(name, target, fold)
    labels = study.labels_of_all(target)
    source, learned = study.source(target), replace(fold, test=())
    return Search(source, name, values, learned, trials, epochs, url, title, out, labels, study.device)


def _over(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Trials that came to an end of their own; one that was killed in the middle is drawn again."""
    state = optuna.trial.TrialState
    ended = study.get_trials(deepcopy=False, states=(state.COMPLETE, state.PRUNED, state.FAIL))
    return [trial for trial in ended if trial.state != state.FAIL or _ERROR in trial.user_attrs]


def _own_settings(search: Search, study: optuna.Study) -> str | None:
    """Trial 0, once; why the system cannot work here, None where it can."""
    if _DEFAULTS in study.user_attrs:
        return None
    try:
        score: float | None = _score(search, search.values, None)
    except SoundlessError as error:
        if not materials.silent(sweep.load(search.source).values()):
            raise
        return sweep.said(error)
    except EmotraceError:
        score = None
    study.set_user_attr(_DEFAULTS, score)
    return None


def _try(search: Search, study: optuna.Study, number: int) -> None:
    study.sampler = optuna.samplers.TPESampler(seed=number, n_startup_trials=STARTUP)
    trial = study.ask()
    values = dict(search.values) | suggested(trial, systems.get(search.system).SPACE)
    trial.set_user_attr("settings", plain(values))
    try:
        study.tell(trial, _score(search, values, trial))
    except optuna.TrialPruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    except loop.DEVICE_FAILED:
        raise
    except (EmotraceError, ValueError, RuntimeError) as error:
        # Settings that do not go together, or a loss that is not finite, are a bad draw and not the end.
        trial.set_user_attr(_ERROR, sweep.said(error))
        study.tell(trial, state=optuna.trial.TrialState.FAIL)


def suggested(trial: optuna.Trial, space: Mapping[str, Choice | Range]) -> dict[str, Any]:
    """Values of a trial. Choices go by their JSON text, since databases keep nothing but simple values."""
    values: dict[str, Any] = {}
    for key, choices in space.items():
        if isinstance(choices, Choice):
            texts = {json.dumps(plain(value)): value for value in choices.values}
            values[key] = texts[trial.suggest_categorical(key, list(texts))]
        elif isinstance(choices.low, int) and isinstance(choices.high, int):
            values[key] = trial.suggest_int(key, choices.low, choices.high, log=choices.log)
        else:
            values[key] = trial.suggest_float(key, choices.low, choices.high, log=choices.log)
    return values


def _score(search: Search, values: Mapping[str, Any], trial: optuna.Trial | None) -> float:
    known = sweep.load(search.source)
    train, dev = (search.fold.part(part, known) for part in ("train", "dev"))

    def report(epoch: int, dev_ccc: float) -> None:
        if trial is not None:
            trial.report(dev_ccc, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

    with TemporaryDirectory(prefix="emotrace-search-") as folder:
        task = Task(search.source.target, train, dev, 0, Path(folder), report, search.device)
        predict = systems.get(search.system).fit(task, systems.settings(search.system, values))
        scores = evaluation.scores([m.gold for m in dev], [predict(m) for m in dev])
    score = scores["ccc_population_concatenated"]
    if not math.isfinite(score):
        raise EmotraceError(f"the development CCC is {score}")
    return score


def _winner(study: optuna.Study) -> Winner:
    trials = _over(study)
    states = [trial.state for trial in trials]
    own = study.user_attrs[_DEFAULTS]
    complete = [trial for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE]
    best = max(complete, key=lambda trial: -math.inf if trial.value is None else trial.value, default=None)
    counts = (len(trials) + 1, states.count(optuna.trial.TrialState.PRUNED), states.count(optuna.trial.TrialState.FAIL))
    if best is not None and best.value is not None and (own is None or best.value > own):
        return Winner(best.user_attrs["settings"], best.value, own, *counts)
    if own is None:
        raise EmotraceError("neither its own settings nor any trial came through; see the study's trials")
    return Winner({}, own, own, *counts)


def _write(search: Search, winner: Winner) -> None:
    import yaml

    own = "none: its own settings failed" if winner.defaults_ccc is None else f"{winner.defaults_ccc:.4f}"
    length = f" of at most {search.epochs} epochs" if search.epochs else ""
    ended = f"{winner.pruned} stopped early, {winner.failed} failed"
    head = [
        f"emotrace search: {winner.trials} trials{length}, {ended}; seed 0.",
        f"Development CCC {winner.dev_ccc:.4f}; of its own settings {own}. Commit {provenance.commit() or 'unknown'}.",
    ]
    head += [f"Device: {loop.device_name(search.device)}."] if search.device != "cpu" else []
    tuned = {key: value for key, value in winner.settings.items() if key in systems.get(search.system).SPACE}
    told = {LABELS: search.labels, **plain(tuned)}
    text = "".join(f"# {line}\n" for line in head) + yaml.safe_dump(told, sort_keys=False)
    write_text(search.out, text)


def _storage(url: str) -> optuna.storages.RDBStorage:
    # Searches side by side write to one SQLite file: they wait for each other.
    waiting = {"connect_args": {"timeout": 120}} if url.startswith("sqlite") else None
    return optuna.storages.RDBStorage(url, engine_kwargs=waiting)


def _reach(url: str) -> None:
    """Make the tables once, before several processes would."""
    try:
        _storage(url)
    except Exception as error:
        raise ConfigError(f"--storage {url}: cannot be used ({sweep.said(error)}); give a database URL") from None


def _bar(searches: list[Search], study: Study) -> Any:
    from tqdm import tqdm

    return tqdm(total=len(searches), desc="searches", unit="search", disable=not study.show, dynamic_ncols=True)
