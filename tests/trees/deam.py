"""DEAM's annotations: wide tables from 15 s on, blanks in headers, rows as long as songs, MP3 at 44.1 kHz in stereo."""

import numpy as np
import soundfile

from trees import text, trace

AVERAGED = "DEAM_Annotations/annotations/annotations averaged per song/dynamic (per second annotations)"
RATERS = "DEAM_Annotations/annotations/annotations per each rater/dynamic (per second annotations)"
LABEL_FILES = (f"{AVERAGED}/*.csv", f"{RATERS}/*/*.csv")
SONGS = {"2": 18.0, "10": 16.5, "2001": 19.0}
LONGEST_S = 19.0
RATERS_OF = {"2": 3, "10": 2, "2001": 3}


def labels_of(song):
    return round((SONGS[song] - 15.0) * 2)


def header(first, labels):
    return first + ", ".join(f"sample_{15000 + 500 * label}ms" for label in range(labels)) + "\n"


def make(root):
    widest = round((LONGEST_S - 15.0) * 2)
    for kind, target in enumerate(("arousal", "valence")):
        rows = []
        for number, song in enumerate(SONGS):
            values = [f"{value:.6f}" for value in trace(labels_of(song), 10 * kind + number, -0.6, 0.6)]
            # Some rows are filled up with empty cells, others just end.
            filling = [""] * (widest - len(values)) if song == "10" else []
            rows.append(",".join([song, *values, *filling]) + "\n")
        text(root / AVERAGED / f"{target}.csv", header("song_id, ", widest) + "".join(rows))
        for song, raters in RATERS_OF.items():
            worker = [f"w{rater}" for rater in range(raters)] if song == "2001" else None
            lines = [
                ",".join(([worker[rater]] if worker else []) + [f"{v:.4f}" for v in trace(labels_of(song), rater)])
                + "\n"
                for rater in range(raters)
            ]
            first = header("WorkerId," if worker else "", labels_of(song))
            text(root / RATERS / target / f"{song}.csv", first + "".join(lines))
    (root / "MEMD_audio").mkdir(parents=True)
    for song, seconds in SONGS.items():
        noise = 0.05 * np.random.default_rng(0).normal(size=(round(seconds * 44100), 2))
        soundfile.write(root / f"MEMD_audio/{song}.mp3", noise.clip(-0.5, 0.5), 44100, format="MP3")
    return root
