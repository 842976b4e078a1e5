import csv
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import settings

# How long an example takes says how busy the machine is. Examples are the same each time: one that was never drawn
# before would refuse a change for what it did not touch. New ones are drawn with: pytest --hypothesis-profile=exploring
settings.register_profile("exploring", deadline=None)
settings.register_profile("repeated", deadline=None, derandomize=True)
settings.load_profile("repeated")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Shells make what they start in the background deaf to Ctrl-C, and its children with it: some tests press it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

RATE_HZ = 16000
SPEAKERS, UTTERANCES = 4, 6


@pytest.fixture(scope="session")
def ratings_csv(tmp_path_factory):
    """Four speakers with six rated utterances of a second each: the louder the more aroused, the higher the gladder."""
    folder = tmp_path_factory.mktemp("rated")
    (folder / "audio").mkdir()
    rng = np.random.default_rng(0)
    with (folder / "ratings.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "speaker", "emotion", "arousal_mean", "valence_mean"])
        for speaker in range(SPEAKERS):
            for number in range(UTTERANCES):
                arousal, valence = rng.uniform(-0.9, 0.9, 2).round(3)
                at_s = np.arange(RATE_HZ) / RATE_HZ
                tone = np.sin(2 * np.pi * (150 + 30 * speaker) * 2**valence * at_s)
                sound = 0.1 * 10 ** (arousal / 2) * tone + 1e-3 * rng.normal(size=RATE_HZ)
                name = f"audio/s{speaker}_{number}.wav"
                soundfile.write(folder / name, sound, RATE_HZ, subtype="PCM_16")
                rows.writerow([name, f"s{speaker}", "any", arousal, valence])
    return folder / "ratings.csv"


@pytest.fixture(scope="session")
def stitched_root(ratings_csv, tmp_path_factory):
    """A stitched corpus of four recordings of 12 s; not to be written to."""
    from emotrace.corpora import stitched

    root = tmp_path_factory.mktemp("stitched") / "corpus"
    stitched.stitch(ratings_csv, root, seed=0, settings=stitched.Settings(duration_s=12.0))
    return root


@pytest.fixture(scope="session")
def live_model(tmp_path_factory):
    """The folder of a small model that goes on frame by frame, 0.4 s behind; its weights are random."""
    import torch

    from emotrace.models import dilated
    from emotrace.training import export

    folder = tmp_path_factory.mktemp("live") / "small"
    folder.mkdir()
    torch.manual_seed(0)
    networks = [dilated.Network(layers=4, width=4, look_ahead_frames=10).eval() for _ in range(2)]
    export.write_graph(networks, folder / "trace.onnx", 160, dilated)
    export.write_live_graph(dilated.Live(networks), folder / "live.onnx", 2, 160)
    target = {"graph": "trace.onnx", "live": "live.onnx", "members": 2, "gain": 0.3, "offset": 0.0}
    note = {
        "format": 1,
        "name": "small",
        "targets": {"arousal": target, "valence": target},
        "front_end": "logmel",
        "normalisation": {"range_db": 35.0, "clip": 4.0, "running": True},
        "grid_frames": 1,
        "reach": networks[0].reach(),
        "ages": networks[0].ages(),
    }
    (folder / "model.json").write_text(json.dumps(note))
    return str(folder)


@pytest.fixture(scope="session")
def quick(tmp_path_factory):
    """The shipped networks, said to look ahead less than they do, so that a few seconds of live sound give frames."""
    from emotrace.inference import model

    folder = tmp_path_factory.mktemp("model") / "quick"
    shutil.copytree(Path(model.__file__).parent / "weights" / "downup", folder)
    note = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(note | {"name": "quick", "reach": [81, 0]}))
    return folder


@pytest.fixture(scope="session")
def serving():
    """Runs the server as `emotrace serve` does, in a thread, at a free port: `with serving(limits) as address`."""
    pytest.importorskip("fastapi", reason="needs emotrace[web]")
    import contextlib
    import socket
    import threading
    import time

    import uvicorn

    from emotrace.server import app
    from emotrace.server.limits import Limits
    from emotrace.server.serving import configuration

    @contextlib.contextmanager
    def run(limits=None, **settings):
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(configuration(app.create(limits or Limits(workers=1), **settings)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
            listening.close()

    return run


@pytest.fixture(scope="session")
def server(serving):
    """The address of a server with the default limits, one worker."""
    with serving() as address:
        yield address
