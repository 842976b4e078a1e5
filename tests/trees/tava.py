"""TAVA: mean and SD of three targets over a stated number of raters, FLAC at 16 kHz."""

from trees import sound, text

LABEL_FILES = ("ratings.csv",)
INDEX = ("ratings.csv",)
HEADER = "file,speaker,sex,affect,raters,valence_mean,valence_sd,arousal_mean,arousal_sd,dominance_mean,dominance_sd\n"
SECONDS = 1.5


def make(root):
    rows = []
    for speaker in ("s01", "s23", "s38", "s99"):
        for affect, valence, arousal in (("happy", 0.302549020, 0.190718954), ("dark", -0.4, -0.6)):
            sound(root / f"audio/{speaker}_{affect}.flac", SECONDS)
            rows.append(
                f"audio/{speaker}_{affect}.flac,{speaker},male,{affect},153,{valence},0.3,{arousal},0.25,0.1,0.4\n"
            )
    text(root / "ratings.csv", HEADER + "".join(rows))
    return root
