"""The AVEC 2016 package: ARFF gold standard and features, raters in CSV, no labels of the test part."""

import numpy as np

from emotrace.annotation import fusion
from trees import sound, text, trace

LABEL_FILES = ("ratings_gold_standard/*/*.arff", "ratings_individual/*/*.csv")
NAMES = ("train_1", "train_2", "dev_1", "test_1")
ROWS = 51
TIMES = [f"{0.04 * row:g}" for row in range(ROWS)]
GOLD_HEADER = (
    "@relation GOLDSTANDARD\n\n@attribute Instance_name string\n@attribute frameTime numeric\n"
    "@attribute GoldStandard numeric\n\n@data\n\n\n"
)
FEATURES_HEADER = (
    "@relation eGeMAPS\n@attribute frameTime numeric\n"
    + "".join(f"@attribute functional_{number} numeric\n" for number in range(88))
    + "\n@data\n"
)
RATERS = "time;FM1 ;FM2 ;FM3 ;FF1 ;FF2 ;FF3\n"


def make(root):
    assert GOLD_HEADER.count("\n") == 9
    assert FEATURES_HEADER.count("\n") == 92
    for number, name in enumerate(NAMES):
        sound(root / f"recordings_audio/{name}.wav", 2.0, 44100)
        for kind, target in enumerate(("arousal", "valence")):
            text(root / f"features_audio/{target}/{name}.arff", FEATURES_HEADER + "".join(features(number)))
            if not name.startswith("test"):
                labels(root, name, target, 20 * number + 10 * kind)
    return root


def labels(root, name, target, seed):
    raters = np.column_stack([trace(ROWS, seed + rater).round(2) for rater in range(6)])
    centred = fusion.centre_avec2016(raters)
    gold = "".join(f"{name},{time},{value:.6f}\n" for time, value in zip(TIMES, centred.mean(axis=1), strict=True))
    text(root / f"ratings_gold_standard/{target}/{name}.arff", GOLD_HEADER + gold)
    for folder, table in (("ratings_individual", raters), ("ratings_individual_centred", centred)):
        rows = [";".join([time, *(f"{v:g}" for v in row)]) + "\n" for time, row in zip(TIMES, table, strict=True)]
        text(root / f"{folder}/{target}/{name}.csv", RATERS + "".join(rows))


def features(seed):
    values = np.random.default_rng(seed).normal(size=(ROWS, 88))
    for time, row in zip(TIMES, values, strict=True):
        yield ",".join([time, *(f"{value:e}" for value in row)]) + "\n"
