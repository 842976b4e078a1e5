"""AVEC 2012's package: a float a line at 49.979 Hz, CRLF in some files, 48 kHz, `tests` and `devel` in names."""

from trees import sound, text, trace

LABEL_FILES = ("emotion labels/*/*/*.dat",)
# A test recording has no other file.
UNTOLD = ("audio/tests/*/*.wav",)
ANYWHERE = ("audio/*/*/*.wav",)
TARGETS = ("arousal", "expectancy", "power", "valence")
SECONDS = 2.0
ROWS = 100
SPLITS = {"train": "train", "devel": "devel", "tests": "test"}


def label(root, name, target):
    folder = next(folder for prefix, folder in SPLITS.items() if name.startswith(prefix))
    return root / f"emotion labels/{folder}/FC_{folder}_labels/labels_continuous_{name}_{target}.dat"


def make(root):
    for name in ("train001", "train002", "devel001", "tests001"):
        prefix, number = name[:-3], name[-3:]
        sound(root / f"audio/{prefix}/wav/{prefix}_audio{number}.wav", SECONDS, 48000)
        if prefix == "tests":
            continue
        for seed, target in enumerate(TARGETS):
            low, high = (5.0, 95.0) if target == "expectancy" else (-0.8, 0.8)
            end = "\r\n" if name == "train002" else "\n"
            content = "".join(f"{value:.6f}{end}" for value in trace(ROWS, seed, low, high))
            text(label(root, name, target), content)
    return root
