"""A manifest: raters at 25 Hz with semicolons, a gold standard at 10 Hz from 1 to 5, a test row without traces."""

from trees import sound, text, trace

LABEL_FILES = ("manifest.csv", "traces/*")
INDEX = ("manifest.csv",)
HEADER = "id,audio,partition,speaker,unit_low,unit_high,partly_rated,arousal,valence\n"
SECONDS = 2.0


def raters(count=3, rate_hz=25, seconds=SECONDS, delimiter=";", seed=0):
    rows = round(seconds * rate_hz)
    header = delimiter.join(["time_s", *(f"R{number}" for number in range(count))])
    traces = [trace(rows, seed + number) for number in range(count)]
    lines = [
        delimiter.join([f"{row / rate_hz:.2f}", *(f"{values[row]:.3f}" for values in traces)]) for row in range(rows)
    ]
    return "\n".join([header, *lines]) + "\n"


def make(root):
    for name in ("anna", "bert", "cora", "dora"):
        sound(root / f"audio/{name}.wav", SECONDS)
    for seed, target in enumerate(("arousal", "valence")):
        text(root / f"traces/anna_{target}.csv", raters(seed=seed))
        text(root / f"traces/bert_{target}.csv", raters(seed=10 + seed, delimiter="\t"))
        gold = [f"{row / 10:.1f},{value:.2f}\n" for row, value in enumerate(trace(15, seed, 1.0, 5.0))]
        text(root / f"traces/cora_{target}.csv", "time,mean\n" + "".join(gold))
    rows = (
        "anna,audio/anna.wav,train,A,,,,traces/anna_arousal.csv,traces/anna_valence.csv\n"
        "bert,audio/bert.wav,dev,B,-1,1,no,traces/bert_arousal.csv,traces/bert_valence.csv\n"
        "cora,audio/cora.wav,,,1,5,yes,traces/cora_arousal.csv,traces/cora_valence.csv\n"
        "dora,audio/dora.wav,test,,,,,,\n"
    )
    text(root / "manifest.csv", HEADER + rows)
    return root
