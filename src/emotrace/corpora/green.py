"""Green intensity: people following a colour with a slider, and the colour itself, which is known exactly."""

from functools import partial
from pathlib import Path

import numpy as np

from emotrace.annotation import Ratings
from emotrace.corpora import Info, Recording, delimited
from emotrace.corpora.layout import Survey, absent
from emotrace.errors import CorpusError

INFO = Info(
    name="green",
    title="Green intensity: ten raters following a colour whose truth is known",
    citation=(
        "B. M. Booth, K. Mundnich, S. S. Narayanan: A novel method for human bias correction of continuous-time "
        "annotations. IEEE ICASSP 2018."
    ),
    licence="MIT, (c) 2017 Brandon M. Booth, Karel Mundnich.",
    access="The authors' repository of annotation fusion methods, folder annotation_tasks.",
    layout=(
        "TaskA/annotations_{raw,10hz,30hz}/TaskA_ann1.csv: Time(sec),Data, a file a rater\n"
        "TaskA/objective_truth/TaskA_normalized_{1hz,10hz,30hz}.csv: the same columns\n"
        "TaskB likewise"
    ),
    quirks=(
        "No sound and no emotion: it is here because what the raters followed is known. That truth is no fused gold "
        "standard; `truth` reads it, and `Recording.gold` fuses the raters as anywhere.",
        "Recordings hold the ratings at 10 Hz; `read_ratings` reads 30 Hz, and `read_raw` the slider as recorded.",
        "The raw files log every event: times repeat, and the last value of a time is the one that holds.",
        "In task A one rater's file ends 0.7 s before the others'; the rest is not rated.",
        "In task A the truth ends before the ratings (1.2 s at 10 Hz), and at 30 Hz some of it is NaN.",
        "Times are sums of rounded steps and are read as multiples of the step.",
    ),
    label_rate_hz=10.0,
    unit_range=(0.0, 1.0),
    targets=("intensity",),
)

TASKS = ("TaskA", "TaskB")
TARGET = "intensity"

_COLUMNS = ("Time(sec)", "Data")
# The first is the one that recordings hold.
_VERSIONS = ("10hz", "30hz", "raw")
_TRUTH_RATES_HZ = (1, 10, 30)


def load(root: Path) -> list[Recording]:
    """The two tasks, `TaskA` and `TaskB`, those of them that are there.

    Args:
        root: the folder that holds them.

    Raises:
        CorpusError: neither is there, or one lacks its annotations.
    """
    return survey(root).complete()


def survey(root: Path) -> Survey:
    """The tasks that are there; a rater of any rate should have a file of every rate.

    Raises:
        CorpusError: neither task is there, or one lacks its annotations.
    """
    root = Path(root)
    tasks = [task for task in TASKS if (root / task).is_dir()]
    if not tasks:
        raise CorpusError(f"{root}: no folder {' or '.join(TASKS)}; give the root that holds them")
    return Survey(
        [_recording(root, task) for task in tasks], absent(p for task in tasks for p in _expected(root, task))
    )


def read_ratings(root: Path, task: str, rate_hz: int = 10) -> Ratings:
    """All raters' traces of one task, as files hold them.

    Args:
        root: of the corpus.
        task: one of `TASKS`.
        rate_hz: 10 or 30, the two rates that are distributed.

    Returns:
        Ratings in [0, 1], NaN after the end of a rater's file.

    Raises:
        CorpusError: files are missing or malformed.
    """
    files = _files(root, task, f"{rate_hz}hz")
    values = [_steady(path, rate_hz) for path in files.values()]
    rows = max(len(each) for each in values)
    padded = [np.pad(each, (0, rows - len(each)), constant_values=np.nan) for each in values]
    return Ratings(np.arange(rows) / rate_hz, np.column_stack(padded), tuple(files), TARGET)


def read_raw(root: Path, task: str) -> dict[str, Ratings]:
    """Each rater's slider events, as recorded, at times of their own.

    Args:
        root: of the corpus.
        task: one of `TASKS`.

    Returns:
        rater -> Ratings of one column in [0, 1].

    Raises:
        CorpusError: files are missing or malformed.
    """
    return {rater: _events(path, rater) for rater, path in _files(root, task, "raw").items()}


def truth(root: Path, task: str, rate_hz: int = 10) -> Ratings:
    """The colour that the raters followed, in the unit of their sliders.

    Args:
        root: of the corpus.
        task: one of `TASKS`.
        rate_hz: 1, 10 or 30, the rates that are distributed.

    Returns:
        Ratings of one column, `truth`, in [0, 1]; NaN where the file says so.

    Raises:
        CorpusError: the file is missing or malformed.
    """
    path = _truth_file(Path(root), task, rate_hz)
    values = _steady(path, rate_hz)
    return Ratings(np.arange(len(values)) / rate_hz, values[:, None], ("truth",), TARGET)


def _recording(root: Path, task: str) -> Recording:
    return Recording(
        id=task,
        audio=None,
        partition=None,
        speaker=None,
        load_ratings=partial(_load_ratings, root, task),
        unit_range=INFO.unit_range,
        label_rate_hz=INFO.label_rate_hz,
    )


def _load_ratings(root: Path, task: str, target: str) -> Ratings:
    if target != TARGET:
        raise CorpusError(f"no {target} in this corpus; it rates {TARGET}")
    return read_ratings(root, task)


def _expected(root: Path, task: str) -> list[Path]:
    """The files of a task; versions that nothing here needs may be left out as a whole."""
    folders = [_annotations(root, task, version) for version in _VERSIONS]
    names = sorted({path.name for where in folders for path in where.glob(f"{task}_ann*.csv")})
    if not names:
        raise _without_raters(folders[0], task)
    there = [where for where in folders if where == folders[0] or where.is_dir()]
    truths = [_truth_file(root, task, rate_hz) for rate_hz in _TRUTH_RATES_HZ]
    return [where / name for where in there for name in names] + (truths if truths[0].parent.is_dir() else [])


def _annotations(root: Path, task: str, version: str) -> Path:
    return root / task / f"annotations_{version}"


def _truth_file(root: Path, task: str, rate_hz: int) -> Path:
    return root / task / "objective_truth" / f"{task}_normalized_{rate_hz}hz.csv"


def _without_raters(where: Path, task: str) -> CorpusError:
    return CorpusError(f"{where}: no file {task}_ann*.csv; {delimited.COPY_AGAIN}")


def _files(root: Path, task: str, version: str) -> dict[str, Path]:
    """`ann1 -> path`, in the order of the raters' numbers."""
    where = _annotations(Path(root), task, version)
    files = {path.stem.removeprefix(f"{task}_"): path for path in where.glob(f"{task}_ann*.csv")}
    if not files:
        raise _without_raters(where, task)
    return {rater: files[rater] for rater in sorted(files, key=lambda rater: (len(rater), rater))}


def _steady(path: Path, rate_hz: int) -> np.ndarray:
    """(rows,) values whose times must be multiples of the step."""
    table = delimited.read_table(path, header=_COLUMNS)
    table.steady_times("Time(sec)", rate_hz, start_s=0.0)
    return table.numbers("Data", missing=True)


def _events(path: Path, rater: str) -> Ratings:
    table = delimited.read_table(path, header=_COLUMNS)
    time_s, values = table.numbers("Time(sec)"), table.numbers("Data")
    back = np.flatnonzero(np.diff(time_s) < 0)
    if len(back):
        raise table.fault(int(back[0]) + 1, "the time goes back")
    holds = np.append(np.diff(time_s) > 0, True)
    return Ratings(time_s[holds], values[holds, None], (rater,), TARGET)
