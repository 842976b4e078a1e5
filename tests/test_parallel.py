"""Training under torchrun: two processes on the CPU against one."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from emotrace.errors import ConfigError
from emotrace.training import parallel, run
from emotrace.training.config import Config

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def config(stitched_root):
    arguments = {"size": 160, "layers": 2, "width": 4}
    # fit_all: four recordings to train on, so that a batch of three leaves one process without a share of the last.
    return Config(
        root=stitched_root,
        arguments=arguments,
        seeds=1,
        epochs=2,
        batch_recordings=3,
        fit_all=True,
        l2=1e-3,
        averaging=0.5,
    )


def torchrun(config, folder, *options):
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**run._plain(config.as_dict()), "arguments": dict(config.arguments)}))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "emotrace"]
    command += ["train", str(path), "-o", str(folder / "runs"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def arrays(folder):
    with np.load(folder / "seed-0" / "checkpoint.npz") as held:
        return {key: held[key] for key in held.files if key != "history"}


@pytest.fixture(scope="module")
def two(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    done = torchrun(config, folder)
    assert done.returncode == 0, done.stderr
    return done, folder / "runs"


@pytest.fixture(scope="module")
def one(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    run.train(config, folder, show=False)
    return folder


def test_two_processes_end_where_one_does(two, one):
    ours, theirs = arrays(two[1]), arrays(one)
    assert ours.keys() == theirs.keys()
    # Adam's first sums are the gradients, averaged over the steps.
    for key in theirs:
        scale = max(float(np.abs(theirs[key]).max()), 1e-12)
        np.testing.assert_allclose(ours[key], theirs[key], rtol=0, atol=1e-3 * scale, err_msg=key)


def test_gradients_of_a_step_are_those_of_one_process(config, tmp_path):
    single = replace(config, epochs=1, batch_recordings=4)
    done = torchrun(single, tmp_path)
    assert done.returncode == 0, done.stderr
    run.train(single, tmp_path / "one", show=False)
    ours, theirs = arrays(tmp_path / "runs"), arrays(tmp_path / "one")
    first_sums = [key for key in theirs if key.endswith("exp_avg")]
    assert first_sums
    for key in first_sums:
        np.testing.assert_allclose(ours[key], theirs[key], rtol=0, atol=1e-5 * np.abs(theirs[key]).max())


def test_one_process_writes_and_speaks(two, one):
    done, runs = two
    assert done.stdout.count("seed 0") == 1
    ours, theirs = (json.loads((folder / "seed-0" / "record.json").read_text()) for folder in (runs, one))
    for mine, wanted in zip(ours["history"], theirs["history"], strict=True):
        assert mine["loss"] == pytest.approx(wanted["loss"], abs=1e-4)
        assert (mine["recordings"], mine["frames"]) == (wanted["recordings"], wanted["frames"]) == (4, 1200)


def test_all_seeds_at_once_are_for_one_process(config, tmp_path):
    done = torchrun(replace(config, together=True), tmp_path)
    assert done.returncode != 0
    assert "start it without torchrun" in done.stderr


def test_moments_of_a_batch_are_for_one_process(config, tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "world", lambda: 2)
    with pytest.raises(ConfigError, match=r"sercu normalises over its batch, .* start it without torchrun"):
        run.train(replace(config, network="sercu", arguments={}), tmp_path, show=False)
    assert not any(tmp_path.iterdir())


def test_alone_nothing_is_spread(config):
    with parallel.group():
        assert (parallel.world(), parallel.rank(), parallel.first()) == (1, 0, True)
    assert parallel.spread(3, lambda index: np.array(index)) == [0, 1, 2]
    assert parallel.local("cuda") == "cuda"


def test_a_device_that_is_not_there(config, tmp_path):
    for device in ("cuda:99", "abacus"):
        with pytest.raises(ConfigError, match=f"--device {device}: PyTorch cannot use it") as error:
            run.train(config, tmp_path, show=False, device=device)
        assert "\n" not in str(error.value)


def test_together_leaves_the_records_that_one_by_one_leaves(stitched_root, tmp_path):
    config = Config(root=stitched_root, arguments={"layers": 2, "width": 4}, seeds=2, epochs=2, together=True)
    records = run.train(config, tmp_path / "runs", show=False)
    assert [record["seed"] for record in records] == [0, 1]
    assert [len(record["history"]) for record in records] == [2, 2]
    assert run.train(config, tmp_path / "runs", show=False) == records


def test_progress_shows_how_fast_it_goes(stitched_root, tmp_path, capsys):
    config = Config(root=stitched_root, arguments={"layers": 2, "width": 4}, seeds=1, epochs=2)
    run.train(config, tmp_path / "runs")
    shown = capsys.readouterr().err
    assert "recordings/s=" in shown
    assert "frames/s=" in shown
