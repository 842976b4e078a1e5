"""Runs leave records, a sweep that was stopped goes on, and nothing depends on how runs are spread."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from emotrace import systems
from emotrace.errors import ConfigError, ModelError
from emotrace.experiments import paper, search, study, sweep
from emotrace.experiments.study import Study
from emotrace.training import loop

SMALL = "arguments: {layers: 2, width: 4}\nepochs: 2\n"
SYSTEMS = ("dilated", "downup")


@pytest.fixture(scope="module")
def features(stitched_root, tmp_path_factory):
    """Features that all studies here share."""
    return tmp_path_factory.mktemp("runs") / "features"


@pytest.fixture
def small(stitched_root, features, tmp_path):
    """A study of two small networks on the stitched corpus of four recordings."""
    configs = tmp_path / "configs"
    for name in SYSTEMS:
        for target in study.TARGETS:
            path = configs / "stitched" / f"{name}-{target}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(SMALL)
    runs = tmp_path / "runs"
    runs.mkdir()
    features.mkdir(exist_ok=True)
    (runs / "features").symlink_to(features)
    return Study("recola", stitched_root, runs, tmp_path / "results", configs, SYSTEMS, seeds=2, show=False)


def kept(folder):
    """What the runs below a folder left, without what differs from run to run."""
    found = {}
    for path in sorted(Path(folder).rglob("record.json")):
        record = json.loads(path.read_text())
        record.pop("seconds", None)
        with np.load(path.with_name("traces.npz")) as arrays:
            found[str(path.relative_to(folder))] = record, {key: arrays[key].tobytes() for key in arrays.files}
    return found


@dataclass(frozen=True)
class Settings:
    gain: float = 1.0


def system(fit, seeded=True):
    return SimpleNamespace(TITLE="Toy", SOURCE="none", SEEDED=seeded, Settings=Settings, SPACE={}, fit=fit)


def following(task, settings):
    """Gold standards are not looked at: a ramp that depends on the seed."""
    return lambda material: settings.gain * np.linspace(0, 1 + task.seed, material.frames)


@pytest.fixture
def toys(monkeypatch):
    """Systems made up by a test, in place of all there are."""
    found = {}
    monkeypatch.setattr(systems, "_systems", lambda: found)
    return found


class TestRecords:
    def test_a_run_leaves_its_traces_and_score(self, small):
        job = small.plan("downup", "arousal", seeds=1)[0]
        assert job.record is None
        assert small.run([job]) == {}
        assert (job.record["system"], job.record["target"], job.record["seed"]) == ("downup", "arousal", 0)
        assert job.record["settings"]["arguments"] == {"layers": 2, "width": 4}
        assert job.record["dev"]["ccc_population_concatenated"] <= 1
        assert "commit" in job.record["made_with"]
        assert {name: len(trace) for name, trace in job.traces("test").items()} == dict.fromkeys(job.fold.test, 300)
        assert set(job.traces("dev")) == set(job.fold.dev)
        assert not (job.folder / "checkpoint.npz").exists()

    def test_other_settings_and_other_labels_are_other_runs(self, small, stitched_root):
        job, other = (small.plan("downup", "arousal", 1, {"l2": l2})[0] for l2 in (0.0, 0.1))
        assert job.folder != other.folder
        assert small.plan("downup", "arousal", 1, {"l2": 0.0})[0].folder == job.folder
        known = dict(small.known("arousal"))
        name = job.fold.train[0]
        known[name] = replace(known[name], gold=known[name].gold + 0.01)
        moved = sweep.plan(
            small.source("arousal"), known, "downup", small.settings("downup", "arousal", job.fold), small.folder
        )
        assert moved(job.fold, 0).folder != small.plan("downup", "arousal", 1)[0].folder

    def test_a_damaged_file_is_named(self, small, toys):
        toys["toy"] = system(following)
        (job,) = small.plan("toy", "arousal", seeds=1)
        small.run([job])
        path = job.folder / "traces.npz"
        whole = path.read_bytes()
        for damaged in (b"PK damaged", whole[: len(whole) // 2], whole[:3], b""):
            path.write_bytes(damaged)
            with pytest.raises(ModelError, match=r"traces\.npz: cannot be read.*delete its folder"):
                job.traces("dev")

    def test_a_damaged_record_is_named(self, small, toys):
        toys["toy"] = system(following)
        (job,) = small.plan("toy", "arousal", seeds=1)
        small.run([job])
        path = job.folder / "record.json"
        path.write_text(path.read_text()[:40])
        with pytest.raises(ModelError, match=r"record\.json: cannot be read.*delete its folder to run it anew"):
            small.run([job])

    def test_unknown_settings_are_told_before_anything_runs(self, small):
        with pytest.raises(ConfigError, match="unknown key depth"):
            small.plan("downup", "arousal", 1, {"depth": 3})


class TestSweep:
    def test_what_is_recorded_is_not_done_again(self, small, toys):
        begun = []
        toys["toy"] = system(lambda task, settings: begun.append(task.seed) or following(task, settings))
        jobs = small.plan("toy", "arousal", seeds=3)
        small.run(jobs[:2])
        before = {job.folder: job.record for job in jobs[:2]}
        small.run(jobs)
        assert begun == [0, 1, 2]
        assert before == {job.folder: job.record for job in jobs[:2]}

    def test_one_run_is_enough_where_seeds_change_nothing(self, small, toys):
        toys["toy"] = system(following, seeded=False)
        assert [job.seed for job in small.plan("toy", "arousal")] == [0]

    def test_a_failing_run_is_reported_and_stops_nobody(self, small, toys, capsys):
        def moody(task, settings):
            if task.seed == 1:
                raise ValueError("one is\nnot liked")
            return following(task, settings)

        toys["toy"] = system(moody)
        jobs = small.plan("toy", "arousal", seeds=3)
        assert small.run(jobs) == {jobs[1].folder: "ValueError: one is not liked"}
        assert [job.record is None for job in jobs] == [False, True, False]

    def test_progress_tells_done_running_failed_and_time_left(self, small, toys, capsys):
        toys["toy"] = system(lambda task, settings: 1 / 0)
        sweep.sweep(small.plan("toy", "arousal", seeds=2), show=True)
        shown = capsys.readouterr().err
        assert "2/2" in shown
        assert "failed=2" in shown
        assert "running=0" in shown
        assert "failed: toy, arousal, partitions, seed 0: ZeroDivisionError: division by zero" in shown

    @pytest.mark.parametrize("trace", [np.zeros(3), np.full(300, np.nan)])
    def test_a_trace_that_is_none_is_a_failure(self, small, toys, trace):
        toys["toy"] = system(lambda task, settings: lambda material: trace)
        jobs = small.plan("toy", "arousal", seeds=1)
        assert "the trace has shape" in small.run(jobs)[jobs[0].folder]

    def test_a_killed_sweep_goes_on_and_ends_with_the_same(self, small, tmp_path):
        jobs = [job for name in SYSTEMS for job in small.plan(name, "arousal")]
        small.run(jobs[::-1])
        whole = kept(small.folder)
        assert len(whole) == 4

        other = replace(small, runs=tmp_path / "again")
        script = f"""
from pathlib import Path
from emotrace.experiments.study import Study
from emotrace.training import loop
if __name__ == "__main__":
    s = Study("recola", Path({str(small.root)!r}), Path({str(other.runs)!r}), Path("results"),
              Path({str(small.configs)!r}), {SYSTEMS!r}, seeds=2, jobs=2, show=False)
    s.run([job for name in s.names for job in s.plan(name, "arousal")])
"""
        (tmp_path / "sweeping.py").write_text(script)
        process = subprocess.Popen([sys.executable, tmp_path / "sweeping.py"])
        wait_for(lambda: len(kept(other.folder)) >= 1)
        process.kill()
        process.wait()
        done = {path: path.stat().st_mtime_ns for path in other.folder.rglob("record.json")}
        other.run([job for name in SYSTEMS for job in other.plan(name, "arousal")])
        assert {path: path.stat().st_mtime_ns for path in done} == done
        assert kept(other.folder) == whole


def wait_for(true, seconds=120):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


class TestDevice:
    def test_one_that_is_not_there_is_refused_before_anything_is_done(self, small, tmp_path):
        absent = replace(small, device="abacus", runs=tmp_path / "absent")
        for ask in (
            lambda: paper.reproduce(absent, "table1"),
            lambda: paper.reproduce_all(absent),
            lambda: search.search(absent, trials=1),
        ):
            with pytest.raises(ConfigError, match="--device abacus: PyTorch cannot use it"):
                ask()
        assert not absent.runs.exists()

    def test_a_cluster_has_none(self, small):
        with pytest.raises(ConfigError, match="--device cuda: a cluster's runs are on processors"):
            paper.reproduce(replace(small, device="cuda", backend="ray"), "table1")

    def test_networks_are_on_it(self, small):
        # Nothing can be trained on the meta device, and PyTorch says so by its name.
        elsewhere = replace(small, device="meta")
        failed = elsewhere.run(elsewhere.plan("dilated", "arousal", seeds=1))
        _, unsearched = search.search(replace(elsewhere, only=("dilated",)), trials=1, targets=["arousal"])
        assert failed
        assert unsearched
        assert all("meta" in error for error in (*failed.values(), *unsearched.values()))

    def test_a_classical_system_is_recorded_where_it_was(self, small):
        jobs = replace(small, device="meta").plan("ridge", "arousal")
        assert not replace(small, device="meta").run(jobs)
        assert {job.record["device"] for job in jobs} == {"cpu"}

    def test_one_that_runs_out_of_memory_is_no_bad_draw(self, small, monkeypatch):
        def full(*_):
            raise loop.DEVICE_FAILED[0]("CUDA out of memory")

        one = replace(small, only=("dilated",))
        search.search(one, trials=1, targets=["arousal"])
        monkeypatch.setattr(search, "_score", full)
        _, failed = search.search(one, trials=2, targets=["arousal"])
        assert list(failed.values()) == ["OutOfMemoryError: CUDA out of memory"]
        monkeypatch.undo()
        found, failed = search.search(one, trials=2, targets=["arousal"])
        assert not failed
        assert [winner.trials for winner in found.values()] == [2]
        assert [winner.failed for winner in found.values()] == [0]
