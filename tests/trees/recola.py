"""RECOLA's full release: a space after every rater's name but the last, a row for the end instant, 44.1 kHz."""

from trees import sound, text, trace

LABEL_FILES = ("RECOLA-Annotation/emotional_behaviour/*/*.csv",)
HEADER = "time;FM1 ;FM2 ;FM3 ;FF1 ;FF2 ;FF3\n"
SECONDS = 2.0


def make(root):
    for number in (13, 16, 19, 17):
        sound(root / f"RECOLA-Audio-recordings/P{number}.wav", SECONDS, 44100)
        for kind, target in enumerate(("arousal", "valence")):
            raters = [trace(51, 100 * number + 10 * kind + rater) for rater in range(6)]
            rows = [
                f"{0.04 * row:.2f};" + ";".join(f"{rater[row]:.2f}" for rater in raters) + "\n" for row in range(51)
            ]
            text(root / f"RECOLA-Annotation/emotional_behaviour/{target}/P{number}.csv", HEADER + "".join(rows))
    return root
