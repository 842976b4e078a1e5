"""Green intensity: times summed up from rounded steps, a rater whose file ends early, NaN at the truth's end."""

import numpy as np

from trees import text, trace

LABEL_FILES = ("Task*/*/*.csv",)
ROWS = {"TaskA": 60, "TaskB": 40}
RATERS = 10


def table(times, values):
    return "Time(sec),Data\n" + "".join(f"{time!r},{value!r}\n" for time, value in zip(times, values, strict=True))


def steady(rows, rate_hz):
    times = np.cumsum(np.full(rows, 1.0 / rate_hz)) - 1.0 / rate_hz
    return [float(time) for time in np.abs(times)]


def make(root):
    for task, rows in ROWS.items():
        for rater in range(1, RATERS + 1):
            short = 7 if (task, rater) == ("TaskA", 6) else 0
            for rate_hz in (10, 30):
                length = (rows - short) * rate_hz // 10
                values = [float(value) for value in trace(length, rater, 0.0, 1.0)]
                text(
                    root / f"{task}/annotations_{rate_hz}hz/{task}_ann{rater}.csv",
                    table(steady(length, rate_hz), values),
                )
            events = [(0.0, 0.5), (0.0, 0.5), (0.0, 0.51), (0.3, 0.6), (0.3, 0.62), (1.0, 0.7)]
            text(root / f"{task}/annotations_raw/{task}_ann{rater}.csv", table(*zip(*events, strict=True)))
        for rate_hz in (1, 10, 30):
            length = rows * rate_hz // 10
            values = [float(value) for value in trace(length, 99, 0.1, 0.9)]
            if rate_hz == 30:
                values[-3:] = [float("nan")] * 3
            text(
                root / f"{task}/objective_truth/{task}_normalized_{rate_hz}hz.csv",
                table(steady(length, rate_hz), values),
            )
    return root
