"""Sweeps over a real Ray cluster of two nodes on this machine, one of which goes down in the middle."""

import threading
import time
from dataclasses import replace

import pytest

from emotrace import running
from emotrace.experiments import table
from emotrace.experiments.study import Study

SLOW = "arguments: {layers: 2, width: 4}\nepochs: 150\npatience: 150\n"


@pytest.fixture
def cluster():
    """Two nodes with a core each, which `running.each` finds as it would any cluster."""
    ray = pytest.importorskip("ray", reason="the extra emotrace[ray] is not installed")
    running._ray()
    from ray.cluster_utils import Cluster

    nodes = None
    try:
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        nodes.second = nodes.add_node(num_cpus=1)
        ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
    except Exception as error:
        if nodes is not None:
            nodes.shutdown()
        pytest.skip(f"Ray does not start here: {error}")
    try:
        yield nodes
    finally:
        ray.shutdown()
        nodes.shutdown()


@pytest.fixture
def lost(monkeypatch):
    """The runs whose worker was killed on the way."""
    found = []
    each = running.each

    def watched(*arguments):
        for done in each(*arguments):
            if isinstance(done.error, running.WorkerLostError):
                found.append(done.item)
            yield done

    monkeypatch.setattr(running, "each", watched)
    return found


def test_a_node_that_goes_down_changes_nothing(stitched_root, tmp_path, cluster, lost):
    configs = tmp_path / "configs"
    (configs / "stitched").mkdir(parents=True)
    for name in ("dilated", "downup"):
        (configs / "stitched" / f"{name}-arousal.yaml").write_text(SLOW)
    here = Study(
        "recola", stitched_root, tmp_path / "here", tmp_path / "a", configs, ("dilated", "downup"), 3, show=False
    )
    there = replace(here, runs=tmp_path / "there", results=tmp_path / "b", jobs=2, backend="ray")
    threading.Thread(target=take_down, args=(cluster, there.folder), daemon=True).start()
    spread = table.reproduce(there, ["arousal"])["arousal"]
    assert lost
    assert spread["rows"]["downup"]["failed"] == []
    alone = table.reproduce(here, ["arousal"])["arousal"]
    for made in (spread, alone):
        for row in made["rows"].values():
            row.pop("seconds")
    assert spread == alone


def take_down(cluster, runs):
    """Take the second node away while both are in the middle of a run."""
    while sum(not path.with_name("record.json").exists() for path in runs.rglob("checkpoint.npz")) < 2:
        time.sleep(0.02)
    cluster.remove_node(cluster.second, allow_graceful=False)
