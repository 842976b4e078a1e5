import csv

import numpy as np
import pytest
import soundfile

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
