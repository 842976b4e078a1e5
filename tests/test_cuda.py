"""What a graphics processor is asked to do; none of it runs where there is none."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_batched import SETTINGS, close, config_of, paths, toy
from test_systems import quick, recordings, task
from test_training import KilledError

from emotrace import systems
from emotrace.training import batched, loop

__all__ = ["recordings", "task", "toy"]

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no graphics processor that PyTorch can use")


CLASSICAL = {"avec2016", "brady", "le_provost", "povolny", "ridge"}


def _fitted(predict):
    return getattr(predict, "predict", predict)


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """Convolutions in all bits of a float32, as on a processor."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.mark.parametrize("name", systems.names())
def test_every_system_fits_and_predicts(name, task, recordings, tmp_path):
    if name in {"avec2016", "povolny"}:
        pytest.importorskip("opensmile", reason="needs emotrace[baselines]")
    fit, shown = systems.get(name).fit, recordings[-1]
    predict = fit(replace(task, device="cuda"), quick(name))
    trace = predict(shown)
    assert getattr(predict, "device", "cuda") == "cuda"
    assert name in CLASSICAL or next(iter(_fitted(predict).weights.values())).is_cuda
    assert trace.shape == (shown.frames,)
    assert np.isfinite(trace).all()
    if name in SETTINGS:
        on_processor = fit(replace(task, folder=tmp_path / "cpu"), quick(name))(shown)
        np.testing.assert_allclose(trace, on_processor, atol=0.02 * on_processor.std())


@pytest.mark.parametrize("network", SETTINGS)
@pytest.mark.parametrize("settings", [{}, {"batch_recordings": 2}, {"l2": 0.01, "averaging": 0.5}])
def test_seeds_at_once_are_what_each_is_alone(network, settings, toy, tmp_path):
    config = config_of(network, epochs=4, **settings)
    for seed, run in batched.fit(config, paths(tmp_path), toy, device="cuda").items():
        alone = loop.fit(config, seed, toy, tmp_path / f"alone-{seed}.npz", order=0, device="cuda")
        close(dict(run.network.state_dict()), dict(alone.network.state_dict()), atol=1e-3)
        for ours, theirs in zip(run.history, alone.history, strict=True):
            assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-3)


def test_seeds_at_once_go_on_after_a_kill(toy, tmp_path):
    config = config_of("dilated", epochs=6)
    whole = batched.fit(config, paths(tmp_path / "whole"), toy, device="cuda")

    def report(seed, record):
        if (seed, record["epoch"]) == (1, 2):
            raise KilledError

    with pytest.raises(KilledError):
        batched.fit(config, paths(tmp_path / "cut"), toy, report, device="cuda")
    resumed = batched.fit(config, paths(tmp_path / "cut"), toy, device="cuda")
    for seed, run in whole.items():
        close(dict(resumed[seed].network.state_dict()), dict(run.network.state_dict()), atol=1e-3)
