"""EMO-DB-47: one value a target, no raters, FLAC at 16 kHz."""

from trees import sound, text

LABEL_FILES = ("ratings.csv",)
INDEX = ("ratings.csv",)
HEADER = "file,speaker,emotion,arousal,valence,emodb_file\n"


def make(root):
    rows = []
    for number, (speaker, arousal, valence) in enumerate((("03", 0.7, -0.7), ("12", -0.45, 0.2))):
        sound(root / f"audio/{number:02d}.flac", 1.0)
        rows.append(f"audio/{number:02d}.flac,{speaker},anger,{arousal},{valence},{speaker}a07Wc.wav\n")
    text(root / "ratings.csv", HEADER + "".join(rows))
    return root
