"""MSP-Conversation: eight lines and a rule before the samples, irregular times, a malformed file of dominance."""

import numpy as np

from trees import sound, text, trace

LABEL_FILES = ("Annotations/*/*.csv", "Time Labels/*.txt", "partitions.txt")
INDEX = ("Time Labels/conversation_parts.txt",)
# One annotator of several, what is optional, and a file that is not read.
UNTOLD = ("Annotations/*/*.csv", "Time Labels/conversations.txt", "Time Labels/segments.json", "partitions.txt")
TARGETS = ("Arousal", "Valence", "Dominance")
PREAMBLE = (
    'Time of Rating,"01-Feb-2019 10:00:00"\nMultimedia File,part.mp4\nLower Label,low\nUpper Label,high\n'
    "Minimum Value,-100\nMaximum Value,100\nNumber of Steps,9\nSecond,Rating\n%%%%%%,%%%%%%\n"
)
SECONDS = 7.0
# In the podcast's time: conversation 47 begins at 100 s; a second between its parts is not rated.
PARTS = {
    "MSP-Conversation_0002_1": (30.0, 33.0),
    "MSP-Conversation_0047_1": (100.5, 103.5),
    "MSP-Conversation_0047_2": (104.5, 106.5),
    "MSP-Conversation_0050_1": (0.0, 2.0),
    "MSP-Conversation_0061_1": (10.0, 12.0),
}
ANNOTATORS = {"MSP-Conversation_0047_2": ("001", "005", "007")}
PARTITIONS = {"0002": "Train", "0047": "Train", "0050": "Validation", "0061": "Test"}
RATES = {"0002": (16000, 1), "0047": (44100, 2), "0050": (16000, 1), "0061": (22050, 1)}
MALFORMED = "Annotations/Dominance/MSP-Conversation_0047_2_001.csv"


def samples(duration_s, seed):
    """Irregular times from shortly after 0 to shortly before the end, and values of a slider."""
    rng = np.random.default_rng(seed)
    times = np.unique(np.round(np.concatenate([[0.01], rng.uniform(0.02, duration_s, round(30 * duration_s))]), 4))
    return times, trace(len(times), seed, -80.0, 80.0)


def make(root):
    for number, (part, (start_s, end_s)) in enumerate(PARTS.items()):
        for kind, target in enumerate(TARGETS):
            for annotator in ANNOTATORS.get(part, ("001", "002")):
                path = root / f"Annotations/{target}/{part}_{annotator}.csv"
                extra = ",0" if path == root / MALFORMED else ""
                times, values = samples(end_s - start_s, 100 * number + 10 * kind + int(annotator))
                rows = (f"{time:.4f},{value:.4f}{extra}\n" for time, value in zip(times, values, strict=True))
                text(path, PREAMBLE + "".join(rows))
    for name, (rate_hz, channels) in RATES.items():
        sound(root / f"Audio/MSP-Conversation_{name}.wav", SECONDS, rate_hz, channels)
    text(root / "Time Labels/conversation_parts.txt", "".join(f"{n};{a};{b}\n" for n, (a, b) in PARTS.items()))
    starts = {"0002": 30.0, "0047": 100.0, "0050": 0.0, "0061": 10.0}
    conversations = "".join(f"MSP-Conversation_{n};{a};{a + SECONDS}\n" for n, a in starts.items())
    text(root / "Time Labels/conversations.txt", conversations)
    segment = '{"MSP-PODCAST_0047_0001": {"Conversation_Part": "MSP-Conversation_0047_1", "Start_Time": 0.2}}\n'
    text(root / "Time Labels/segments.json", segment)
    text(root / "partitions.txt", "".join(f"MSP-Conversation_{n};{p}\n" for n, p in PARTITIONS.items()))
    return root
