"""SEWA as in AVEC 2019 (a header) and, for tests of their own, as in 2018 and 2017 (none, quoted names)."""

from trees import sound, text, trace

LABEL_FILES = ("labels/*.csv",)
# A test recording has no other file.
UNTOLD = ("audio/Test_*.wav",)
NAMES_2017 = ("Train_01", "Train_02", "Devel_01", "Test_01")
NAMES_2018 = ("Train_DE_01", "Devel_DE_01", "Test_DE_01", "Test_HU_01")
NAMES_2019 = ("Train_DE_01", "Train_HU_01", "Devel_DE_01", "Devel_HU_01", "Test_DE_01", "Test_HU_01", "Test_CN_01")


def make(root):
    return filled(root, NAMES_2019, header="name;timestamp;arousal;valence;liking\n")


def make_2018(root):
    return filled(root, NAMES_2018)


def make_2017(root):
    return filled(root, NAMES_2017)


def filled(root, names, header="", rows=30):
    for number, name in enumerate(names):
        sound(root / f"audio/{name}.wav", rows / 10, 44100)
        if not name.startswith("Test"):
            values = zip(*(trace(rows, 3 * number + target) for target in range(3)), strict=True)
            lines = [f"'{name}';{row / 10:.1f};{a:.6f};{v:.6f};{li:.6f}\n" for row, (a, v, li) in enumerate(values)]
            text(root / f"labels/{name}.csv", header + "".join(lines))
    return root
