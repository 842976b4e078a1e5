"""A database in audformat: two raters and a vote at 10 Hz, segments of other lengths, files rated as a whole."""

import numpy as np

from trees import sound, trace

LABEL_FILES = ("db.*.csv",)
INDEX = ("db.yaml",)
SECONDS = 2.0
ROWS = 20


def make(root, storage_format="csv"):
    import audformat

    db = audformat.Database("toy", source="nowhere", license="CC0-1.0")
    db.schemes["arousal"] = audformat.Scheme("float", minimum=0, maximum=1)
    db.schemes["valence"] = audformat.Scheme("float", minimum=1, maximum=5)
    db.schemes["loudness"] = audformat.Scheme("float")
    db.schemes["speaker"] = audformat.Scheme("str")
    for name, kind in (("r1", "human"), ("r2", "human"), ("gold", "vote")):
        db.raters[name] = audformat.Rater(kind)
    for name in ("train", "dev", "test"):
        db.splits[name] = audformat.Split(name)
    files = ("audio/anna.wav", "audio/bert.wav")
    for file, split in zip(files, ("train", "dev"), strict=True):
        sound(root / file, SECONDS)
        starts = np.arange(ROWS) * 0.1
        index = audformat.segmented_index([file] * ROWS, _seconds(starts), _seconds(starts + 0.1))
        table = db[f"emotion.{split}"] = audformat.Table(index, split_id=split)
        for seed, rater in enumerate(("r1", "r2", "gold")):
            _add(table, f"arousal.{rater}", "arousal", trace(ROWS, seed, 0.0, 1.0), rater)
        _add(table, "valence", "valence", trace(ROWS, 7, 1.0, 5.0), "gold")
        _add(table, "loudness", "loudness", np.zeros(ROWS))
    sound(root / "audio/cora.wav", SECONDS)
    index = audformat.segmented_index(["audio/cora.wav"] * 2, _seconds([0.2, 1.0]), _seconds([0.8, 1.4]))
    db["turns"] = audformat.Table(index, split_id="test")
    _add(db["turns"], "arousal", "arousal", [0.25, 1.0], "gold")
    _add(db["turns"], "valence", "valence", [3.0, 2.0], "r1")
    sound(root / "audio/dora.wav", SECONDS)
    db["whole"] = audformat.Table(audformat.filewise_index(["audio/dora.wav"]))
    _add(db["whole"], "arousal", "arousal", [0.75], "gold")
    _add(db["whole"], "valence", "valence", [4.0], "gold")
    db["files"] = audformat.Table(audformat.filewise_index([*files, "audio/dora.wav"]))
    _add(db["files"], "speaker", "speaker", ["A", "B", "D"])
    db.save(str(root), storage_format=storage_format)
    return root


def _seconds(times):
    import pandas

    return [pandas.Timedelta(round(float(time), 6), "s") for time in times]


def _add(table, column, scheme, values, rater=None):
    import audformat

    table[column] = audformat.Column(scheme_id=scheme, rater_id=rater)
    table[column].set(list(values))
