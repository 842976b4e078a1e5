"""Aff-Wild2, valence-arousal track: a label a video frame, so that the frame rate of each video has to be known."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from emotrace import audio
from emotrace.annotation import Ratings
from emotrace.corpora import Info, Recording, delimited
from emotrace.corpora.layout import Survey, refusing
from emotrace.errors import CorpusError

INFO = Info(
    name="affwild2",
    title="Aff-Wild2, valence-arousal estimation",
    citation=(
        "D. Kollias, S. Zafeiriou: Expression, affect, action unit recognition: Aff-Wild2, multi-task learning and "
        "ArcFace. BMVC 2019."
    ),
    licence="Non-commercial research under a signed end-user licence agreement; not for redistribution.",
    access="Ask its authors, at the address on the page of the ABAW competition; labels and videos come apart.",
    layout=(
        "VA_Estimation_Challenge/{Train_Set,Validation_Set}/VIDEO.txt: valence,arousal, a line a video frame\n"
        "anywhere below the root: VIDEO.mp4 or .avi, and, if you extracted it, its sound as VIDEO.wav\n"
        "frame_rates.csv (optional: video,frames_per_second)"
    ),
    quirks=(
        "Valence comes first.",
        "-5 marks a frame without a label: it is not rated.",
        "Lines carry no times: line i is at i / frame rate. The rate is read from the video (PyAV, "
        'pip install "emotrace[media]"), or taken from frame_rates.csv where the video is not at hand. It cannot be '
        "told from the sound alone, and is never guessed.",
        "A video whose frame rate varies is read at its average rate, and labels may drift by some frames.",
        "VIDEO_left.txt and VIDEO_right.txt rate two people of one video: two recordings with the same sound.",
        "The sound is that of VIDEO.wav (.flac, .mp3 ...) if there is one, else that of the video itself. Many videos "
        "have music, other voices or nobody speaking: labels were made from face and sound.",
        "Labels may end before the recording does: the rest is not rated. Going on after it is an error.",
        "Train_Set is train, Validation_Set is dev; test labels are not distributed. Speakers are not named.",
    ),
    label_rate_hz=30.0,
    unit_range=(-1.0, 1.0),
    targets=("arousal", "valence"),
)

LABELS_FOLDER = "VA_Estimation_Challenge"
FRAME_RATES_FILE = "frame_rates.csv"
UNRATED = -5.0

_PARTITIONS = {"Train_Set": "train", "Validation_Set": "dev"}
_VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg")
_COLUMNS = ("valence", "arousal")


def load(root: Path) -> list[Recording]:
    """The recordings that have labels, sorted by id: the names of the label files.

    Args:
        root: the folder that holds `VA_Estimation_Challenge`, and videos or sounds anywhere below it.

    Raises:
        CorpusError: there are no labels, two files are of the same recording, or a video's frame rate is not known.
    """
    return survey(root).complete()


def survey(root: Path) -> Survey:
    """All recordings that have labels, those too whose sound or frame rate is not known.

    Raises:
        CorpusError: there are no labels, two files are of the same recording, or frame_rates.csv is malformed.
    """
    root = Path(root)
    labels = _labels(root)
    media = _media(root)
    rates_hz = _frame_rates(root / FRAME_RATES_FILE)
    recordings: list[Recording] = []
    faults: list[str] = []
    for name, (path, partition) in sorted(labels.items()):
        video = next((v for v in (name, name.removesuffix("_left"), name.removesuffix("_right")) if v in media), name)
        files = media.get(video, {})
        sound = files.get("sound") or files.get("video")
        try:
            rate_hz = rates_hz.get(video) or rates_hz.get(name) or _video_rate_hz(root, video, files.get("video"))
            recordings.append(_recording(name, path, partition, sound, rate_hz))
        except CorpusError as error:
            faults.append(str(error))
            recordings.append(_unrated(name, partition, sound, str(error)))
        else:
            faults += [_silent(root, video)] if media and not files else []
    return Survey(recordings, faults=faults)


def read_labels(path: Path, target: str, rate_hz: float) -> Ratings:
    """One label file.

    Args:
        path: a file as `VA_Estimation_Challenge/Train_Set/1-30-1280x720.txt`.
        target: arousal or valence.
        rate_hz: the video's frames for each second.

    Returns:
        Ratings of one column in [-1, 1], NaN where the file says -5.

    Raises:
        CorpusError: the file is malformed; names the line.
        TraceError: no frame is rated.
    """
    table = delimited.read_table(path, header=_COLUMNS)
    table.reject_gaps()
    values = table.numbers(target)
    values[values == UNRATED] = np.nan
    outside = np.abs(values) > 1.0
    if outside.any():
        row = int(np.argmax(outside))
        raise table.fault(row, f"{target} is {values[row]:g}, neither in [-1, 1] nor {UNRATED:g}")
    return Ratings(np.arange(len(table)) / rate_hz, values[:, None], ("gold standard",), target)


def _labels(root: Path) -> dict[str, tuple[Path, str]]:
    found: dict[str, tuple[Path, str]] = {}
    for folder, partition in _PARTITIONS.items():
        for path in sorted((root / LABELS_FOLDER / folder).glob("*.txt")):
            if path.stem in found:
                raise CorpusError(f"{path}: {found[path.stem][0]} has the same name; remove one of the two")
            found[path.stem] = (path, partition)
    if not found:
        raise CorpusError(f"{root / LABELS_FOLDER}: no .txt file in {' or '.join(_PARTITIONS)}; {delimited.COPY_AGAIN}")
    return found


def _media(root: Path) -> dict[str, dict[str, Path]]:
    """Name without ending -> its sound and its video, whichever there are."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(root.rglob("*")):
        suffix = path.suffix.lower()
        if suffix not in audio.SUFFIXES or not path.is_file():
            continue
        files = found.setdefault(path.stem, {})
        kind = "video" if suffix in _VIDEOS else "sound"
        if kind in files:
            raise CorpusError(f"{path}: {files[kind]} has the same name; remove one of the two")
        files[kind] = path
    return found


def _frame_rates(path: Path) -> dict[str, float]:
    if not path.exists():
        return {}
    table = delimited.read_table(path, header=("video", "frames_per_second"), remedy="correct the file")
    rates_hz = table.numbers("frames_per_second")
    if (rates_hz <= 0).any():
        raise table.fault(int(np.argmax(rates_hz <= 0)), "frames_per_second must be positive")
    return dict(zip(table.text("video"), rates_hz.tolist(), strict=True))


def _video_rate_hz(root: Path, name: str, video: Path | None) -> float:
    if video is None:
        raise CorpusError(
            f"{root}: the frame rate of {name} is not known; add the video, or a row {name},RATE to "
            f"{root / FRAME_RATES_FILE} (video,frames_per_second)"
        )
    try:
        import av
    except ImportError:
        raise CorpusError(
            f'{video}: its frame rate is read with PyAV; run: pip install "emotrace[media]", or write the rate to '
            f"{root / FRAME_RATES_FILE} (video,frames_per_second)"
        ) from None
    try:
        with av.open(str(video)) as container:
            rate = container.streams.video[0].average_rate if container.streams.video else None
    except (av.FFmpegError, OSError):
        raise CorpusError(f"{video}: is no video that can be read; {delimited.COPY_AGAIN}") from None
    if not rate:
        raise CorpusError(
            f"{video}: states no frame rate; write it to {root / FRAME_RATES_FILE} (video,frames_per_second)"
        )
    return float(rate)


def _recording(name: str, labels: Path, partition: str, sound: Path | None, rate_hz: float) -> Recording:
    return Recording(
        id=name,
        audio=sound,
        partition=partition,
        speaker=None,
        load_ratings=None,
        unit_range=INFO.unit_range,
        load_gold=partial(_load_gold, labels, rate_hz),
        label_rate_hz=rate_hz,
        partly_rated=True,
    )


def _unrated(name: str, partition: str, sound: Path | None, fault: str) -> Recording:
    """A recording whose labels have no times."""
    return replace(_recording(name, Path(), partition, sound, INFO.label_rate_hz), load_gold=refusing(fault))


def _silent(root: Path, video: str) -> str:
    return (
        f"{root}: no video or sound {video}, though there are those of others; add {video}.mp4 or {video}.wav, or take "
        "all of them away to read labels alone"
    )


def _load_gold(labels: Path, rate_hz: float, target: str) -> Ratings:
    if target not in INFO.targets:
        raise CorpusError(f"no {target} in this corpus; it rates {' and '.join(INFO.targets)}")
    return read_labels(labels, target, rate_hz)
