"""studyforrest: emotion episodes that observers marked in a film, and its sound's loudness every 40 ms."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotrace.annotation import Ratings
from emotrace.corpora import Info, Recording, delimited
from emotrace.corpora.layout import Survey, absent, refusing
from emotrace.errors import CorpusError

INFO = Info(
    name="studyforrest",
    title="studyforrest: portrayed emotions in the film Forrest Gump",
    citation=(
        "A. Labs, T. Reich, H. Schulenburg, M. Boennen, M. Gehrke, M. Golz, B. Hartigs, N. Hoffmann, S. Keil, "
        "M. Perlow, A. K. Peukmann, L. N. Rabe, F.-R. von Sobbe, M. Hanke: Portrayed emotions in the movie "
        "'Forrest Gump'. F1000Research 2015, 4:92."
    ),
    licence="Annotations CC0 1.0 or PDDL; the film itself is not part of it.",
    access="studyforrest.org: the observers' emotion annotation, and the audio confounds of the stimulus annotations.",
    layout=(
        "observers/av1o01.csv (saw and heard the film), observers/ao1o01.csv (heard it with a narrator): "
        "start,end,character,arousal,valence,... a row an episode, in seconds of film\n"
        "audio_features/{av,ao}_run-1.tsv.gz: onset, duration, rms, lrdiff, a row every 40 ms of a run\n"
        "runs.csv: run,film_start_s"
    ),
    quirks=(
        "Observers marked episodes, not traces. At every 40 ms a rating is +1 where only HIGH (POS) episodes are "
        "going on, -1 where only LOW (NEG) ones are, and 0 where there is none, or some of both.",
        "The two audiences are separate recordings, av_run-1 and ao_run-1: they perceived different things. Nine "
        "observers saw the film and three heard it; an audience may be left out as a whole.",
        "No sound is distributed: RMS volume and left-right difference come as ready features (`load_features`).",
        "Runs overlap by some seconds of film, so that the end of one is the beginning of the next.",
        "There is no official partition.",
        "What is rated is the emotion that characters portray, in a film, by sight as well as by sound.",
    ),
    label_rate_hz=25.0,
    unit_range=(-1.0, 1.0),
    targets=("arousal", "valence"),
)

# How many observers of each audience the release has.
OBSERVERS = {"av": 9, "ao": 3}
FEATURES = ("rms", "lrdiff")
CODES = {"arousal": {"HIGH": 1, "LOW": -1}, "valence": {"POS": 1, "NEG": -1}}


def load(root: Path) -> list[Recording]:
    """The runs of both audiences, `ao_run-1` ... `av_run-6`, sorted by id.

    Args:
        root: the folder that holds `observers`, `audio_features` and `runs.csv`.

    Raises:
        CorpusError: a folder or file is missing, or runs.csv is malformed.
    """
    return survey(root).complete()


def survey(root: Path) -> Survey:
    """Every run that runs.csv lists or that has features, for each audience of which any file is there.

    Raises:
        CorpusError: there are no features, or runs.csv is missing or malformed.
    """
    root = Path(root)
    starts = film_starts_s(root)
    features = root / "audio_features"
    recordings: list[Recording] = []
    missing: dict[Path, str] = {}
    for audience in sorted(OBSERVERS):
        described = {path.name.removesuffix(".tsv.gz") for path in features.glob(f"{audience}_run-*.tsv.gz")}
        observers = _observers(root / "observers", audience)
        if not described and not any(path.is_file() for path in observers):
            continue
        names = sorted(described | {f"{audience}_{run}" for run in starts})
        missing |= absent([*(features / f"{name}.tsv.gz" for name in names), *observers])
        recordings += [_recording(root, name, observers, starts) for name in names]
    if not recordings:
        raise CorpusError(f"{features}: no file av_run-1.tsv.gz or alike; add the features of the runs")
    unplaced = sorted({_run(recording.id) for recording in recordings} - starts.keys())
    return Survey(recordings, missing, [_unplaced(root, run) for run in unplaced])


def _observers(where: Path, audience: str) -> list[Path]:
    """The release's observers, and whoever else is there."""
    released = {where / f"{audience}1o{number:02d}.csv" for number in range(1, OBSERVERS[audience] + 1)}
    return sorted(released | set(where.glob(f"{audience}*.csv")))


def _run(name: str) -> str:
    return name.partition("_")[2]


def _unplaced(root: Path, run: str) -> str:
    return f"{root / 'runs.csv'}: no row for {run}; add the run and its start in the film"


def film_starts_s(root: Path) -> dict[str, float]:
    """Where in the film each run starts, `run-1 -> 0.0`, in seconds.

    Raises:
        CorpusError: runs.csv is missing or malformed.
    """
    table = delimited.read_table(Path(root) / "runs.csv", header=("run", "film_start_s"))
    return {
        f"run-{run}": float(at_s) for run, at_s in zip(table.text("run"), table.numbers("film_start_s"), strict=True)
    }


def _recording(root: Path, name: str, observers: list[Path], starts: Mapping[str, float]) -> Recording:
    features, start_s = root / "audio_features" / f"{name}.tsv.gz", starts.get(_run(name))
    return Recording(
        id=name,
        audio=None,
        partition=None,
        speaker=None,
        load_ratings=(
            refusing(_unplaced(root, _run(name)))
            if start_s is None
            else partial(_load_ratings, features, observers, start_s)
        ),
        unit_range=INFO.unit_range,
        load_features=partial(read_features, features),
    )


def _load_ratings(features: Path, observers: list[Path], start_s: float, target: str) -> Ratings:
    if target not in INFO.targets:
        raise CorpusError(f"no {target} in this corpus; it rates {' and '.join(INFO.targets)}")
    frames = sum(bool(line.strip()) for line in delimited.read_text(features).split("\n")) - 1
    if frames < 1:
        raise CorpusError(f"{features}: no rows below the header; {delimited.COPY_AGAIN}")
    values = np.column_stack([read_observer(path, target, start_s, frames) for path in observers])
    return Ratings(np.arange(frames) / INFO.label_rate_hz, values, tuple(path.stem for path in observers), target)


def read_features(path: Path) -> NDArray[np.float64]:
    """Features of a run: (rows, 2), RMS volume and left-right difference every 40 ms.

    Raises:
        CorpusError: the file cannot be read, or its rows do not follow one another every 40 ms.
    """
    table = delimited.read_table(path, "\t", header=("onset", *FEATURES))
    table.steady_times("onset", INFO.label_rate_hz, start_s=0.0)
    return np.column_stack([table.numbers(feature) for feature in FEATURES])


def read_observer(path: Path, target: str, start_s: float, frames: int) -> NDArray[np.float64]:
    """One observer's episodes as a trace, coded as `INFO.quirks` says.

    Args:
        path: a file as `observers/av1o01.csv`.
        target: arousal or valence.
        start_s: where the trace begins in the film, in seconds.
        frames: how many frames of 40 ms it has.

    Returns:
        (frames,) of -1, 0 and 1. An episode counts in the frames that begin within [start, end).

    Raises:
        CorpusError: an episode ends before it starts, or is neither of the two codes; names the line.
    """
    table = delimited.read_table(path, header=("start", "end", target))
    starts, ends = (_first_frame(table.numbers(edge) - start_s, frames) for edge in ("start", "end"))
    going_on = {1: np.zeros(frames, dtype=bool), -1: np.zeros(frames, dtype=bool)}
    for row, code in enumerate(table.text(target)):
        if code not in CODES[target]:
            raise table.fault(row, f"{target} is {delimited.shortened(code)}, not {' or '.join(CODES[target])}")
        if ends[row] < starts[row]:
            raise table.fault(row, "the episode ends before it starts")
        going_on[CODES[target][code]][starts[row] : ends[row]] = True
    return going_on[1].astype(np.float64) - going_on[-1]


def _first_frame(at_s: NDArray[np.float64], frames: int) -> NDArray[np.int64]:
    """The first frame that begins at each time or later."""
    within_s = at_s.clip(0.0, frames / INFO.label_rate_hz)
    return np.ceil(within_s * INFO.label_rate_hz - 1e-6).astype(np.int64)
