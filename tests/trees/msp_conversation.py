"""MSP-Conversation: preambles, irregular times, another set of annotators for each part, a third column, any sound."""

import json

import numpy as np

from trees import sound, text, trace

LABEL_FILES = (
    "Annotations/*/*.csv",
    "Time Labels/*.txt",
    "partitions.txt",
)
PREAMBLE = (
    "Time of rating,2019-08-13 10:21\n"
    "Annotator,001\nFile,MSP-Conversation.wav\nMagnitude,100\nLabels,low;high\nVersion,1.0\n\n%%%%%%%%\n"
)
# Conversation -> its parts' start and end in the podcast, in seconds.
PARTS = {"0047": ((100.0, 103.0), (103.0, 105.0)), "0079": ((12.5, 15.5),), "0103": ((0.0, 2.0),)}
ANNOTATORS = {"0047_1": ("001", "002", "004"), "0047_2": ("001", "007"), "0079_1": ("002",), "0103_1": ("001", "009")}
PARTITION = {"0047": "Train", "0079": "Validation", "0103": "Test"}


def make(root):
    name = "MSP-Conversation_{}"
    for (number, spans), rate_hz, channels in zip(PARTS.items(), (44100, 22050, 16000), (2, 1, 1), strict=True):
        sound(root / f"Audio/{name.format(number)}.wav", spans[-1][1] - spans[0][0] + 0.5, rate_hz, channels)
    parts = {f"{n}_{i}": span for n, spans in PARTS.items() for i, span in enumerate(spans, 1)}
    lines = [f"{name.format(part)};{start};{end}\n" for part, (start, end) in parts.items()]
    text(root / "Time Labels/conversation_parts.txt", "".join(lines))
    lines = [f"{name.format(n)};{spans[0][0]};{spans[-1][1] + 0.5}\n" for n, spans in PARTS.items()]
    text(root / "Time Labels/conversations.txt", "".join(lines))
    turn = {"Conversation_Part": name.format("0047_1"), "Start_Time": 0.4, "End_Time": 2.1}
    text(root / "Time Labels/segments.json", json.dumps({"MSP-PODCAST_0047_0003": turn}))
    text(root / "partitions.txt", "".join(f"{name.format(n)};{part}\n" for n, part in PARTITION.items()))
    for part, (start, end) in parts.items():
        for annotator in ANNOTATORS[part]:
            for seed, target in enumerate(("Arousal", "Valence", "Dominance")):
                path = root / f"Annotations/{target}/{name.format(part)}_{annotator}.csv"
                text(path, annotation(end - start, int(annotator) * 10 + seed, path.parent.name, path.stem[-10:]))
    return root


def annotation(seconds, seed, target, which):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.01, 0.025, round(60 * seconds)))
    times = times[times < seconds]
    values = trace(len(times), seed, -90, 90)
    third = ",0" if (target, which) == ("Dominance", "0047_2_001") else ""
    rows = [f"{time:.4f},{value:.2f}{third}\n" for time, value in zip(times, values, strict=True)]
    return PREAMBLE + "Time,Annotation\n" + "".join(rows)
