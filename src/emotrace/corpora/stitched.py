"""Stitched recordings: rated utterances joined into long recordings, with raters simulated to follow them.

Corpora with time-continuous ratings are behind licences; utterances that were rated as a whole are not. This module
joins the utterances of one speaker into a recording of any length and lets six simulated raters follow the known
rating of what is being said, as slowly and with as little agreement as RECOLA's raters. It writes RECOLA's release
layout, so that RECOLA's reader reads it. What comes out is a simulation: call it "stitched" wherever a figure from it
stands.

The course of a recording: an utterance is not repeated before all of the speaker's are used; the next one is drawn
with odds that fall with its distance from the last in the arousal-valence plane, so that mood drifts; pauses and speech
lie in one room's noise. A rater hears the rating of an utterance from its start until the next one starts, and follows
it with a lag and a first-order lowpass, a gain, a bias and slow noise (an Ornstein-Uhlenbeck process), all their own.
The noise is set by bisection so that the mean pairwise CCC between raters is RECOLA's, as rated.
"""

import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy import signal

from emotrace import audio
from emotrace.annotation import Ratings, agreement
from emotrace.corpora import delimited, recola
from emotrace.corpora.recola import RATERS
from emotrace.errors import CorpusError
from emotrace.trace import FRAME_S

TARGETS = ("arousal", "valence")
_COLUMNS = ("file", "speaker", "arousal_mean", "valence_mean")
_AGREEMENT_TOLERANCE = 0.01


@dataclass(frozen=True)
class RaterSettings:
    """How the simulated raters of one target behave; the agreement is RECOLA's (AVEC 2016, Table 1).

    Attributes:
        lag_s: mean over raters of the whole delay, reaction and integration together.
        ccc_raw: mean pairwise CCC of two raters, as rated, that the noise is set for.
        bias_sd: SD of a rater's bias.
        lag_sd_s: SD of the lag over raters.
        integration_s: time constant of the first-order lowpass.
        gain_sd: SD of the logarithm of a rater's gain.
        noise_s: time constant of the slow noise.
    """

    lag_s: float
    ccc_raw: float
    bias_sd: float
    lag_sd_s: float = 0.4
    integration_s: float = 0.7
    gain_sd: float = 0.6
    noise_s: float = 6.0


@dataclass(frozen=True)
class Settings:
    """What a stitched corpus is made with.

    Attributes:
        duration_s: of every recording.
        recordings_per_speaker: each with an order, pauses, room and raters of its own.
        pause_s: mean pause before an utterance; 0.3 s at least.
        drift: range that a recording's width of mood is drawn from: the odds of an utterance are those of its distance
            from the last in the arousal-valence plane under a normal distribution of this SD. Small: moods last.
        snr_db: range that the level of speech over the room's noise is drawn from.
        raters: by target.
    """

    duration_s: float = 300.0
    recordings_per_speaker: int = 1
    pause_s: float = 1.2
    drift: tuple[float, float] = (0.35, 1.0)
    snr_db: tuple[float, float] = (30.0, 50.0)
    raters: dict[str, RaterSettings] = field(
        default_factory=lambda: {
            "arousal": RaterSettings(2.8, ccc_raw=0.277, bias_sd=0.5),
            "valence": RaterSettings(3.6, ccc_raw=0.370, bias_sd=0.3),
        }
    )


@dataclass(frozen=True)
class Utterance:
    """One rated utterance; ``rating`` holds arousal and valence in [-1, 1], ``name`` is the file as listed."""

    name: str
    file: Path
    speaker: str
    rating: tuple[float, float]


@dataclass(frozen=True)
class Placed:
    """An utterance in its place in a recording, in samples at 16 kHz."""

    utterance: Utterance
    start: int
    stop: int


def read_utterances(ratings_csv: Path) -> list[Utterance]:
    """Read a CSV with the columns ``file,speaker,arousal_mean,valence_mean``; others are ignored.

    ``file`` is relative to the CSV's folder, ratings are in [-1, 1].

    Raises:
        CorpusError: a column or a file is missing, or a rating is no number in [-1, 1]; names file and line.
    """
    ratings_csv = Path(ratings_csv)
    try:
        reader = csv.DictReader(io.StringIO(delimited.read_text(ratings_csv)))
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise CorpusError(
                f"{ratings_csv}: no column {', '.join(missing)}; the header must have {','.join(_COLUMNS)}"
            )
        utterances = [_utterance(row, ratings_csv, reader.line_num) for row in reader]
    except csv.Error as error:
        raise CorpusError(f"{ratings_csv}: is no CSV ({error}); write it as plain CSV") from None
    if not utterances:
        raise CorpusError(f"{ratings_csv}: holds a header but no utterance; give it a row an utterance")
    return utterances


def _utterance(row: dict[str, str], ratings_csv: Path, line: int) -> Utterance:
    where = f"{ratings_csv}, line {line}"
    try:
        rating = (float(row["arousal_mean"]), float(row["valence_mean"]))
    except (TypeError, ValueError):
        raise CorpusError(f"{where}: arousal_mean and valence_mean must be numbers; mend or drop the row") from None
    if not all(abs(value) <= 1 for value in rating):
        raise CorpusError(f"{where}: ratings must lie in [-1, 1], not {rating}; rescale the columns") from None
    if not row["file"] or not row["speaker"]:
        raise CorpusError(f"{where}: file or speaker is empty; fill it in or drop the row")
    file = ratings_csv.parent / row["file"]
    if not file.is_file():
        raise CorpusError(f"{where}: no such audio file: {file}; paths are relative to the CSV's folder")
    return Utterance(row["file"], file, row["speaker"], rating)


def stitch(
    ratings_csv: Path,
    out: Path,
    seed: int,
    settings: Settings | None = None,
    splits: Sequence[int] = (10, 4, 4),
    progress: Callable[[Sequence[str]], Iterator[str]] = iter,
) -> dict[str, dict[str, float]]:
    """Write a stitched corpus in RECOLA's release layout; one seed gives one corpus, bit for bit.

    Args:
        ratings_csv: see :func:`read_utterances`.
        out: a folder that does not exist yet, or is empty.
        seed: of every draw.
        settings: durations, mood, noise, raters.
        splits: weights of train, dev and test; speakers are shuffled and dealt out in this proportion.
        progress: wraps the list of recording names as they are worked through.

    Returns:
        The agreement reached, ``{target: {"ccc_raw": ..., "ccc_centred": ...}}``.

    Raises:
        CorpusError: the CSV is malformed, or ``out`` is not empty.
    """
    settings = settings or Settings()
    utterances = read_utterances(ratings_csv)
    out = Path(out).absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CorpusError(f"{out}: exists and is not empty; name a new folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".stitch-") as folder:
            whole = Path(folder) / "corpus"
            reached = _write_corpus(whole, utterances, seed, settings, splits, progress)
            whole.replace(out)
    except (OSError, soundfile.SoundFileError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CorpusError(f"{out}: cannot be written ({reason}); check its folder and the free space") from None
    return reached


def _write_corpus(
    out: Path,
    utterances: list[Utterance],
    seed: int,
    settings: Settings,
    splits: Sequence[int],
    progress: Callable[[Sequence[str]], Iterator[str]],
) -> dict[str, dict[str, float]]:
    partition = _partition(sorted({u.speaker for u in utterances}), splits, seed)
    plan = _plan(utterances, settings, seed)
    _write_audio(out, plan, settings, seed, progress)
    truths = [truth(placed, settings.duration_s) for _, placed in plan.values()]
    reached = {}
    for column, target in enumerate(TARGETS):
        rated, reached[target] = simulate_raters(
            [values[:, column] for values in truths], settings.raters[target], [seed, column]
        )
        for name, values in zip(plan, rated, strict=True):
            _write_ratings(out, name, target, values)
    _write_tables(out, plan, partition)
    record = {"kind": "stitched", "seed": seed, "settings": asdict(settings), "agreement": reached}
    (out / "stitched.json").write_text(json.dumps(record, indent=1) + "\n")
    return reached


def short_of(reached: Mapping[str, Mapping[str, float]], settings: Settings) -> list[str]:
    """The targets on which the raters agree less than they are to, a line each.

    Args:
        reached: what `stitch` returns.
        settings: that it was given.
    """
    return [
        f"{target}: the simulated raters do not reach the agreement of RECOLA's ({numbers['ccc_raw']:.3f}, not "
        f"{wanted:.3f}) even without noise: ratings change too little within recordings; give each speaker more "
        "utterances, or utterances that are rated more differently"
        for target, numbers in reached.items()
        if numbers["ccc_raw"] < (wanted := settings.raters[target].ccc_raw) - _AGREEMENT_TOLERANCE
    ]


def _partition(speakers: list[str], splits: Sequence[int], seed: int) -> dict[str, str]:
    """A partition a speaker: shuffled by the seed, cut in the proportion of ``splits``."""
    order = np.random.default_rng([seed, 0]).permutation(speakers)
    cuts = np.round(np.cumsum(splits) / sum(splits) * len(order)).astype(int)
    names = np.repeat(["train", "dev", "test"], np.diff([0, *cuts]))
    return dict(zip(order.tolist(), names.tolist(), strict=True))


def _plan(utterances: list[Utterance], settings: Settings, seed: int) -> dict[str, tuple[str, list[Placed]]]:
    """Participant name to speaker and placed utterances; numbers count up from RECOLA's first, P16."""
    plan: dict[str, tuple[str, list[Placed]]] = {}
    for index, speaker in enumerate(sorted({u.speaker for u in utterances})):
        own = [u for u in utterances if u.speaker == speaker]
        for take in range(settings.recordings_per_speaker):
            rng = np.random.default_rng([seed, 1, index, take])
            plan[f"P{16 + len(plan)}"] = (speaker, place(own, settings, rng))
    return plan


def place(utterances: list[Utterance], settings: Settings, rng: np.random.Generator) -> list[Placed]:
    """Order one speaker's utterances and put pauses between them until the recording is full."""
    lengths = {u.file: len(audio.load(u.file)) for u in utterances}
    total = round(settings.duration_s * audio.RATE_HZ)
    placed: list[Placed] = []
    at = 0
    low, high = np.log(settings.drift)
    for utterance in _drifting(utterances, float(np.exp(rng.uniform(low, high))), rng):
        start = at + round(audio.RATE_HZ * (0.3 + rng.gamma(2.0, (settings.pause_s - 0.3) / 2)))
        stop = start + lengths[utterance.file]
        if stop > total:
            break
        placed.append(Placed(utterance, start, stop))
        at = stop
    if not placed:
        raise CorpusError(
            f"{utterances[0].file}: no utterance of speaker {utterances[0].speaker} fits into "
            f"{settings.duration_s:g} s; ask for longer recordings"
        )
    return placed


def _drifting(utterances: list[Utterance], drift: float, rng: np.random.Generator) -> Iterator[Utterance]:
    """Utterances without end: each round uses all, the next one likely to be near the last in the plane."""
    last = np.array(utterances[rng.integers(len(utterances))].rating)
    while True:
        left = list(utterances)
        while left:
            distance = np.linalg.norm(np.array([u.rating for u in left]) - last, axis=1)
            odds = np.exp(-0.5 * (distance / drift) ** 2) + 1e-3
            chosen = left.pop(rng.choice(len(left), p=odds / odds.sum()))
            last = np.array(chosen.rating)
            yield chosen


def truth(placed: list[Placed], duration_s: float) -> np.ndarray:
    """What is being expressed: (frames + 1, 2) ratings, each held from its utterance's start until the next one's.

    A row every 40 ms from 0 to ``duration_s`` inclusive, as in RECOLA's files (7501 rows for 300 s).
    """
    rows = round(duration_s * audio.RATE_HZ) // round(FRAME_S * audio.RATE_HZ) + 1
    starts = np.array([round(p.start / audio.RATE_HZ / FRAME_S) for p in placed])
    current = np.searchsorted(starts, np.arange(rows), side="right") - 1
    return np.array([p.utterance.rating for p in placed])[np.maximum(current, 0)]


@dataclass(frozen=True)
class _Draws:
    """The random parts of one recording's raters, before the noise is scaled."""

    heard: np.ndarray
    noise: np.ndarray

    def rated(self, noise_sd: float) -> np.ndarray:
        return np.clip(self.heard + noise_sd * self.noise, -1, 1).round(4)


def simulate_raters(
    truths: Sequence[np.ndarray], settings: RaterSettings, seed: Sequence[int]
) -> tuple[list[np.ndarray], dict[str, float]]:
    """Let six raters follow the truth of every recording of a corpus.

    Args:
        truths: one (rows,) truth a recording.
        settings: of the raters.
        seed: of the draws.

    Returns:
        One (rows, 6) array a recording, rounded to four decimals, and the agreement reached: mean over
        recordings of the mean pairwise CCC, raw and centred.
    """
    draws = [_draw(values, settings, [*seed, 2, index]) for index, values in enumerate(truths)]
    noise_sd = _bisect(lambda sd: _agreement(draws, sd, _as_rated), settings.ccc_raw)
    reached = {
        "ccc_raw": _agreement(draws, noise_sd, _as_rated),
        "ccc_centred": _agreement(draws, noise_sd, _centred),
        "noise_sd": noise_sd,
    }
    return [d.rated(noise_sd) for d in draws], {name: round(value, 4) for name, value in reached.items()}


def _draw(values: np.ndarray, settings: RaterSettings, seed: Sequence[int]) -> _Draws:
    rng = np.random.default_rng(seed)
    gains = np.exp(rng.normal(0, settings.gain_sd, len(RATERS)))
    biases = rng.normal(0, settings.bias_sd, len(RATERS))
    lags_s = np.maximum(settings.integration_s, rng.normal(settings.lag_s, settings.lag_sd_s, len(RATERS)))
    delays = np.round((lags_s - settings.integration_s) / FRAME_S).astype(int)
    felt = _lowpass(values, settings.integration_s)
    heard = np.column_stack([felt[np.maximum(np.arange(len(felt)) - delay, 0)] for delay in delays])
    settling = round(5 * settings.noise_s / FRAME_S)
    noise = _lowpass(rng.normal(size=(settling + len(values), len(RATERS))), settings.noise_s)[settling:]
    # Six raters stand for a panel whose mean gain and bias are one and zero, for the gold standard to keep the scale.
    heard = gains / gains.mean() * heard + biases - biases.mean()
    return _Draws(heard, noise / _slow_noise_sd(settings.noise_s))


def _lowpass(values: np.ndarray, constant_s: float) -> np.ndarray:
    """First-order lowpass along the first axis, settled on the first value."""
    keep = np.exp(-FRAME_S / constant_s)
    start = values[:1] * keep
    return signal.lfilter([1 - keep], [1, -keep], values, axis=0, zi=start)[0]


def _slow_noise_sd(constant_s: float) -> float:
    keep = np.exp(-FRAME_S / constant_s)
    return float((1 - keep) / np.sqrt(1 - keep**2))


def _as_rated(values: np.ndarray) -> np.ndarray:
    return values


def _centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean(axis=0)


def _agreement(draws: list[_Draws], noise_sd: float, view: Callable[[np.ndarray], np.ndarray]) -> float:
    # Ratings move slowly: every tenth row tells the same.
    rated = [view(d.rated(noise_sd)[::10]) for d in draws]
    return float(np.mean([agreement.mean_pairwise_ccc(values) for values in rated]))


def _bisect(agreement_at: Callable[[float], float], wanted: float) -> float:
    """The SD at which agreement, falling as it grows, is as wanted; zero where it is lower from the start."""
    low, high = 0.0, 2.0
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if agreement_at(middle) > wanted else (low, middle)
    return low


def _write_audio(
    out: Path,
    plan: dict[str, tuple[str, list[Placed]]],
    settings: Settings,
    seed: int,
    progress: Callable[[Sequence[str]], Iterator[str]],
) -> None:
    folder = out / "RECOLA-Audio-recordings"
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(progress(list(plan))):
        rng = np.random.default_rng([seed, 3, index])
        sound = render(plan[name][1], settings, rng)
        soundfile.write(folder / f"{name}.wav", sound, audio.RATE_HZ, subtype="PCM_16")


def render(placed: list[Placed], settings: Settings, rng: np.random.Generator) -> np.ndarray:
    """The sound of a recording: (n,) float32 at 16 kHz, its utterances as they are, in one room's noise."""
    sound = np.zeros(round(settings.duration_s * audio.RATE_HZ), dtype=np.float32)
    for p in placed:
        samples = audio.load(p.utterance.file)
        sound[p.start : p.stop] = samples[: p.stop - p.start]
    spoken = np.concatenate([sound[p.start : p.stop] for p in placed])
    snr_db = rng.uniform(*settings.snr_db)
    noise_rms = np.sqrt(np.mean(spoken**2)) * 10 ** (-snr_db / 20)
    sound += noise_rms * room_noise(len(sound), rng)
    return np.clip(sound, -1, 1)


def room_noise(samples: int, rng: np.random.Generator) -> np.ndarray:
    """A quiet room: (samples,) noise of RMS 1 whose power falls by 6 dB an octave above 200 Hz."""
    keep = np.exp(-2 * np.pi * 200 / audio.RATE_HZ)
    noise = signal.lfilter([1], [1, -keep], rng.normal(size=samples).astype(np.float32))
    noise += 0.1 * rng.normal(size=samples)
    return (noise / np.sqrt(np.mean(noise**2))).astype(np.float32)


def _write_ratings(out: Path, name: str, target: str, values: NDArray[np.float64]) -> None:
    path = out / "RECOLA-Annotation" / "emotional_behaviour" / target / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    recola.write_ratings(path, Ratings(np.arange(len(values), dtype=np.float64) * FRAME_S, values, RATERS, target))


def _write_tables(out: Path, plan: dict[str, tuple[str, list[Placed]]], partition: dict[str, str]) -> None:
    with (out / "partition.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["id", "partition", "speaker"])
        rows.writerows([name, partition[speaker], speaker] for name, (speaker, _) in plan.items())
    with (out / "utterances.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["id", "speaker", "file", "start_s", "end_s", *TARGETS])
        for name, (speaker, placed) in plan.items():
            for p in placed:
                times = [f"{t / audio.RATE_HZ:.4f}" for t in (p.start, p.stop)]
                rows.writerow([name, speaker, p.utterance.name, *times, *p.utterance.rating])


Span = tuple[str, str, float, float, float]
"""Recording, utterance's file, start in s, end in s, rating."""


def spans(root: Path, target: str) -> list[Span]:
    """What is said when in a stitched corpus, and how it was rated.

    Args:
        root: of the corpus.
        target: arousal or valence.

    Returns:
        In order of time a recording. Empty for a corpus that was not stitched.
    """
    path = root / "utterances.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        return [(r["id"], r["file"], float(r["start_s"]), float(r["end_s"]), float(r[target])) for r in rows]


def held(spoken: Sequence[Span], frames: int) -> np.ndarray:
    """What is being expressed in one recording, by the ratings that people gave its utterances.

    Args:
        spoken: the recording's `spans`.
        frames: of 40 ms.

    Returns:
        (frames,), each rating held from its utterance's start until the next one's.
    """
    starts = np.array([round(start_s / FRAME_S) for _, _, start_s, _, _ in spoken])
    current = np.searchsorted(starts, np.arange(frames), side="right") - 1
    return np.array([rating for *_, rating in spoken])[np.maximum(current, 0)]
