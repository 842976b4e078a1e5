"""studyforrest: episodes in seconds of film, gzipped features a run, runs that overlap."""

import gzip

from trees import text

LABEL_FILES = ("observers/*.csv", "audio_features/*.tsv.gz", "runs.csv")
INDEX = ("runs.csv",)
HEADER = "start,end,character,arousal,valence,direction,emotion,oncue,offcue\n"
RUNS = {"1": 0.0, "2": 8.0}
FRAMES = 250


def features(path, frames=FRAMES):
    rows = [f"{0.04 * row:.2f}\t0.04\t{0.001 * (row % 50):.8f}\t{-0.0001 * (row % 7):.8f}\n" for row in range(frames)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(("onset\tduration\trms\tlrdiff\n" + "".join(rows)).encode()))


def episode(start_s, end_s, arousal="HIGH", valence="POS"):
    return f"{start_s},{end_s},FORREST,{arousal},{valence},SELF,HAPPINESS,AUDIO GESTURE,SCENEEND\n"


def make(root):
    text(root / "runs.csv", "run,film_start_s\n" + "".join(f"{run},{start}\n" for run, start in RUNS.items()))
    for audience, observers in (("av", 9), ("ao", 3)):
        for run in RUNS:
            features(root / f"audio_features/{audience}_run-{run}.tsv.gz")
        for observer in range(1, observers + 1):
            rows = [
                episode(1.0 + 0.2 * observer, 3.0),
                episode(2.0, 4.0, "LOW", "NEG"),
                episode(6.0, 9.0 + 0.1 * observer, "LOW", "POS"),
                episode(12.0, 30.0, "HIGH", "NEG"),
            ]
            text(root / f"observers/{audience}1o{observer:02d}.csv", HEADER + "".join(rows))
    return root
