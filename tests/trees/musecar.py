"""MuSe-CaR: milliseconds, segments with gaps between them, test labels that are NaN, raters, stereo sound."""

from trees import sound, text, trace

LABEL_FILES = ("label_segments/*/*.csv", "raw_annotations/*/*.csv", "metadata/partition.csv")
INDEX = ("metadata/partition.csv",)
# The test part's labels hold no values, and need not be there.
UNTOLD = ("label_segments/*/11.csv",)
PARTITION = {"1": "train", "2": "train", "10": "devel", "11": "test"}
# First and last label of each segment, in rows of 250 ms.
SEGMENTS = ((2, 9), (14, 30))


def make(root):
    return filled(root, PARTITION, step_ms=250)


def filled(root, partition, step_ms, raw="raw_annotations", audio="audio"):
    text(root / "metadata/partition.csv", "id,partition\n" + "".join(f"{i},{p}\n" for i, p in partition.items()))
    times = [(row * step_ms, segment) for segment, (a, b) in enumerate(SEGMENTS, 1) for row in range(a, b + 1)]
    for number, (name, part) in enumerate(partition.items()):
        sound(root / f"{audio}/{name}.wav", 36 * step_ms / 1000, 44100, channels=2)
        features = "".join(f"{time},{segment},0.5,-1.25,\n" for time, segment in times)
        text(root / f"feature_segments/egemaps/{name}.csv", "timestamp,segment_id,F0,loudness,jitter\n" + features)
        for kind, target in enumerate(("arousal", "valence")):
            values = trace(len(times), 10 * number + kind)
            cells = ["" if part == "test" else f"{value:.4f}" for value in values]
            rows = [f"{time},{cell},{segment}\n" for (time, segment), cell in zip(times, cells, strict=True)]
            text(root / f"label_segments/{target}/{name}.csv", "timestamp,value,segment_id\n" + "".join(rows))
            if part != "test" and raw:
                raters = zip(*(trace(40, 100 * number + 10 * kind + rater) for rater in range(3)), strict=True)
                rows = [f"{row * step_ms}," + ",".join(f"{v:.4f}" for v in each) for row, each in enumerate(raters)]
                text(root / f"{raw}/{target}/{name}.csv", "timestamp,1,2,3\n" + "\n".join(rows) + "\n")
    return root
