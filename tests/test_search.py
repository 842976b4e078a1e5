"""Tuning finds what is there to be found, on the development part, and goes on where it stood."""

from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
import yaml

from emotrace import systems
from emotrace.errors import ConfigError, EmotraceError, ModelError
from emotrace.experiments import search, sweep
from emotrace.experiments.study import Study
from emotrace.systems import Choice, Range
from emotrace.training import loop
from emotrace.training.config import Config


@dataclass(frozen=True)
class Settings:
    offset: float = 1.0
    windows_s: tuple[float, float] = (1.0, 2.0)
    arguments: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained(Settings):
    epochs: int = 50


@dataclass(frozen=True)
class Best(Settings):
    offset: float = 0.0


SPACE = {
    "offset": Range(0.0, 2.0),
    "windows_s": Choice(((1.0, 2.0), (3.0, 4.0))),
    "arguments.layers": Range(1, 3),
}


def telling(task, settings):
    """Tells the gold standard, too high by the offset: the smaller it is the better."""
    return lambda material: np.nan_to_num(material.gold) + settings.offset


@pytest.fixture
def toy(monkeypatch):
    """A system made up by a test."""
    found = SimpleNamespace(TITLE="Toy", SOURCE="none", SEEDED=True, Settings=Settings, SPACE=SPACE, fit=telling)
    monkeypatch.setattr(systems, "_systems", lambda: {"toy": found})
    return found


@pytest.fixture
def tuned(stitched_root, tmp_path):
    configs = tmp_path / "configs"
    return Study("recola", stitched_root, tmp_path / "runs", tmp_path / "results", configs, show=False)


def only(found):
    return found[0]["toy, arousal"]


def trials(study):
    return opened(study).get_trials()


def opened(study):
    url = f"sqlite:///{study.folder / 'search.db'}"
    (name,) = optuna.get_all_study_names(url)
    return optuna.load_study(study_name=name, storage=url)


class TestSearch:
    def test_the_winner_is_better_and_commands_take_it(self, tuned, toy):
        winner = only(search.search(tuned, 12, targets=["arousal"]))
        assert winner.dev_ccc > winner.defaults_ccc
        assert winner.trials == 12
        fold = tuned.design("arousal").folds[0]
        path = tuned.tuned_file("toy", "arousal", fold)
        assert set(yaml.safe_load(path.read_text())) == {"labels", *SPACE}
        assert not tuned.tuned_elsewhere("toy", "arousal", fold)
        made = systems.settings("toy", tuned.settings("toy", "arousal", fold))
        assert made.offset < Settings().offset
        assert made.arguments["layers"] in (1, 2, 3)
        assert "12 trials, 0 stopped early, 0 failed" in path.read_text()

    def test_own_settings_stay_where_nothing_is_better(self, tuned, toy):
        toy.Settings = dataclass(frozen=True)(
            type("Settings", (Settings,), {"offset": 0.0, "__annotations__": {"offset": float}})
        )
        winner = only(search.search(tuned, 3, targets=["arousal"]))
        assert (winner.settings, winner.dev_ccc) == ({}, pytest.approx(1.0))
        assert tuned.tuned("toy", "arousal", tuned.design("arousal").folds[0]) == {}

    def test_nothing_is_better_than_less_than_nothing(self, tuned, toy):
        study = optuna.create_study(direction="maximize")
        study.set_user_attr("defaults", None)
        for value in (-0.2, 0.0, -0.1):
            trial = study.ask()
            trial.set_user_attr("settings", {"offset": value})
            study.tell(trial, value)
        assert search._winner(study).dev_ccc == 0.0

    def test_a_search_goes_on_and_ends_as_if_never_stopped(self, tuned, toy, tmp_path):
        other = replace(tuned, runs=tmp_path / "again")
        whole = only(search.search(tuned, 9, targets=["arousal"]))
        search.search(other, 4, targets=["arousal"])
        opened(other).ask()  # killed in the middle: it stays running
        assert only(search.search(other, 9, targets=["arousal"])) == whole
        drawn = [[t.params for t in trials(s) if t.state == optuna.trial.TrialState.COMPLETE] for s in (tuned, other)]
        assert drawn[0] == drawn[1]
        before = len(trials(tuned))
        search.search(tuned, 9, targets=["arousal"])
        assert len(trials(tuned)) == before

    def test_only_the_development_part_is_looked_at(self, tuned, toy):
        seen = set()

        def watched(task, settings):
            seen.update(m.partition for m in (*task.train, *task.dev))
            return lambda material: (seen.add(material.partition), telling(task, settings)(material))[1]

        toy.fit = watched
        search.search(tuned, 2, targets=["arousal"])
        assert seen == {"train", "dev"}

    def test_epochs_below_the_median_are_stopped(self, tuned, toy):
        def by_epochs(task, settings):
            for epoch in range(8):
                task.report(epoch, -settings.offset)
            return telling(task, settings)

        toy.fit = by_epochs
        winner = only(search.search(tuned, 15, targets=["arousal"]))
        assert winner.pruned > 0
        assert winner.dev_ccc > winner.defaults_ccc

    def test_trials_may_be_shorter_than_runs(self, tuned, toy):
        seen = set()
        toy.Settings = Trained
        toy.fit = lambda task, settings: (seen.add(settings.epochs), telling(task, settings))[1]
        search.search(tuned, 3, targets=["arousal"], epochs=7)
        assert seen == {7}
        text = (tuned.configs / "stitched" / "toy-arousal.yaml").read_text()
        assert "3 trials of at most 7 epochs" in text
        assert "epochs" not in yaml.safe_load(text)

    def test_bad_draws_are_counted_and_do_not_end_it(self, tuned, toy):
        def delicate(task, settings):
            if settings.offset > 1:
                raise ModelError("the loss is nan")
            return telling(task, settings)

        toy.fit = delicate
        winner = only(search.search(tuned, 10, targets=["arousal"]))
        assert winner.failed > 0
        assert winner.trials == 10

    def test_where_nothing_works_it_is_said(self, tuned, toy):
        def never(task, settings):
            raise ModelError("the loss is nan")

        toy.fit = never
        found, failed = search.search(tuned, 2, targets=["arousal"])
        assert found == {}
        assert "neither its own settings nor any trial" in failed["toy, arousal"]

    @pytest.mark.parametrize(
        ("change", "targets", "says"),
        [
            ({"corpus": "nosuch"}, None, "no corpus is called 'nosuch'"),
            ({"corpus": "sewa"}, ["arousal"], "no such folder"),
            ({"only": ("nosuch",)}, None, "nosuch"),
            ({}, ["joy"], "--target joy: recola rates arousal, valence; choose one of these"),
        ],
    )
    def test_what_cannot_be_is_refused_before_anything_is_made(self, tuned, toy, change, targets, says):
        with pytest.raises(EmotraceError, match=says):
            search.search(replace(tuned, **change), 2, targets=targets)
        assert not tuned.runs.exists()

    def test_a_database_that_is_none_is_said(self, tuned, toy):
        with pytest.raises(ConfigError, match="--storage nowhere"):
            search.search(tuned, 2, "nowhere://x")


@pytest.mark.parametrize("name", systems.names())
def test_every_space_can_be_drawn_from(name):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(5):
        values = search.suggested(study.ask(), systems.get(name).SPACE)
        systems.settings(name, yaml.safe_load(yaml.safe_dump(sweep.plain(values))))


@pytest.mark.parametrize(
    "name", [n for n in systems.names() if any("arguments." in key for key in systems.get(n).SPACE)]
)
def test_every_network_of_a_space_can_be_built(name):
    """A draw that fails is a trial lost, and a system that loses more of them is tuned less than others."""
    fit = systems.get(name).fit
    network = fit.args[0] if isinstance(fit, partial) else {"he": "blstm", "cardinal": "context_dnn"}.get(name, name)
    space = {
        key.removeprefix("arguments."): choice.values
        for key, choice in systems.get(name).SPACE.items()
        if key.startswith("arguments.")
    }
    for values in product(*space.values()):
        loop.build(Config(network=network, arguments={"size": 8, **dict(zip(space, values, strict=True))}))


def test_networks_tell_of_their_epochs(stitched_root, tmp_path):
    told = []
    study = Study("recola", stitched_root, tmp_path / "runs", tmp_path, show=False)
    known, fold = study.known("arousal"), study.design("arousal").folds[0]
    parts = (fold.part(part, known) for part in ("train", "dev"))
    task = systems.Task("arousal", *parts, 0, tmp_path / "run", lambda *epoch: told.append(epoch))
    settings = systems.settings("downup", {"arguments.layers": 2, "arguments.width": 4, "epochs": 3})
    systems.get("downup").fit(task, settings)
    assert [epoch for epoch, _ in told] == [0, 1, 2]
    assert all(-1 <= ccc <= 1 for _, ccc in told)
