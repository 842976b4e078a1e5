"""What is learned from, chosen on and tested on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emotrace.corpora import Recording
from emotrace.errors import CorpusError
from emotrace.experiments import folds
from emotrace.systems import Material, materials

FILM = Path(__file__).parents[1].parent / "shared" / "data" / "studyforrest"


def material(name, partition=None, frames=100):
    recording = Recording(name, None, partition, None, None)
    return Material(name, None, partition, np.zeros(frames), recording, Path("features"))


def film(tmp_path, starts_s=(0, 3, 6, 9), frames=100):
    rows = "\n".join(f"{run},{start}" for run, start in enumerate(starts_s, start=1))
    (tmp_path / "runs.csv").write_text(f"run,film_start_s\n{rows}\n")
    runs = [f"{audience}_run-{run}" for audience in ("ao", "av") for run in range(1, len(starts_s) + 1)]
    return [material(name, frames=frames) for name in runs]


def test_partitions_are_taken_as_they_are():
    recordings = [material("a", "train"), material("b", "dev"), material("c", "test"), material("d", "train")]
    (fold,) = folds.design("recola", Path("root"), recordings).folds
    assert (fold.train, fold.dev, fold.test) == (("a", "d"), ("b",), ("c",))


def test_a_corpus_that_keeps_test_labels_back_has_no_test_part():
    (fold,) = folds.design("recola", Path("root"), [material("a", "train"), material("b", "dev")]).folds
    assert fold.test == ()


@pytest.mark.parametrize("corpus", ["recola", "green"])
def test_what_cannot_be_divided_is_said(corpus):
    partition = "train" if corpus == "recola" else None
    with pytest.raises(CorpusError, match=r"dev|partition"):
        folds.design(corpus, Path("root"), [material("a", partition)])


class TestRotation:
    def test_every_run_is_tested_once_with_both_its_audiences(self, tmp_path):
        found = folds.design("studyforrest", tmp_path, film(tmp_path)).folds
        tested = [name for fold in found for name in fold.test]
        assert sorted(tested) == sorted(m.id for m in film(tmp_path))
        assert all(fold.test == (f"ao_{fold.name}", f"av_{fold.name}") for fold in found)

    def test_no_part_shares_a_run_with_another(self, tmp_path):
        for fold in folds.design("studyforrest", tmp_path, film(tmp_path)).folds:
            runs = [{name.partition("_")[2] for name in part} for part in (fold.train, fold.dev, fold.test)]
            assert sum(map(len, runs)) == len(set().union(*runs)) == 4

    def test_film_that_runs_share_is_not_learned_from(self, tmp_path):
        recordings = film(tmp_path)  # runs of 4 s, one every 3 s: neighbours share 25 frames
        known = {m.id: m for m in recordings}
        first = folds.design("studyforrest", tmp_path, recordings).folds[0]
        assert (first.test[0], first.dev[0]) == ("ao_run-1", "ao_run-2")
        learned = {m.id: ~np.isnan(m.aims(0)) for m in first.part("train", known)}
        assert learned["av_run-3"].tolist() == [False] * 25 + [True] * 75
        assert learned["av_run-4"].tolist() == [True] * 100
        chosen = {m.id: ~np.isnan(m.gold) for m in first.part("dev", known)}
        assert chosen["ao_run-2"].tolist() == [False] * 25 + [True] * 75
        assert all(np.isfinite(m.gold).all() and m.hidden == () for m in first.part("test", known))
        third = folds.design("studyforrest", tmp_path, recordings).folds[2]
        (run,) = [m for m in third.part("train", known) if m.id == "ao_run-2"]
        assert run.hidden == ((75, 100),)
        # With a lag, neither what was heard in a hidden stretch nor what was rated in it takes part.
        np.testing.assert_array_equal(np.isnan(run.aims(10)), np.arange(100) >= 65)
        (early,) = [m for m in first.part("train", known) if m.id == "av_run-3"]
        np.testing.assert_array_equal(np.isnan(early.aims(10)), np.arange(100) < 25)

    def test_a_rotation_needs_three_runs(self, tmp_path):
        with pytest.raises(CorpusError, match="at least three"):
            folds.design("studyforrest", tmp_path, film(tmp_path, (0, 3)))

    @pytest.mark.skipif(not FILM.exists(), reason="../shared/data/studyforrest is not here")
    def test_real_runs_share_some_seconds(self, tmp_path):
        recordings = materials.load("studyforrest", FILM, "arousal", tmp_path)
        found = folds.design("studyforrest", FILM, recordings)
        hidden_s = {(end - begin) / 25 for fold in found.folds for each in fold.hidden.values() for begin, end in each}
        assert len(found.folds) == 6
        assert all(10 < length < 25 for length in hidden_s)
        assert found.groups["av"] == tuple(f"av_run-{run}" for run in range(1, 7))


def test_a_reduced_budget_takes_recordings_evenly():
    recordings = [material(f"r{n}", part) for n, part in enumerate(["train"] * 9 + ["dev"] * 3 + ["test"] * 3)]
    whole = replace(folds.design("recola", Path("root"), recordings), groups={"last": ("r14",), "middle": ("r13",)})
    small = folds.smaller(whole, train=3, dev=2, test=2, folds=1)
    assert small.folds[0].train == ("r0", "r4", "r8")
    assert small.folds[0].test == ("r12", "r14")
    assert small.groups == {"last": ("r14",)}
    assert "3/2/2" in small.statement
