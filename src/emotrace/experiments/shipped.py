"""The weights inside the package: trained on stitched TAVA, measured on speakers and a language they never saw.

The figures come from networks trained on ten speakers and chosen on four others; the weights that are shipped are
trained again in the same way on all speakers, for as many epochs as were best on average, and calibrated as the first
ones were.
"""

import csv
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from scipy import fft, signal

from emotrace import audio, corpora, evaluation
from emotrace.annotation import fusion, lag
from emotrace.corpora import stitched
from emotrace.errors import CorpusError
from emotrace.experiments.tables import spread
from emotrace.inference import model, predictor
from emotrace.output import write_text
from emotrace.trace import FRAME_S
from emotrace.training import augmentation, export, run
from emotrace.training import config as configuration
from emotrace.training.config import Config

NETWORKS = ("downup", "dilated")
TARGETS = ("arousal", "valence")
SEED = 1
RECORDINGS_PER_SPEAKER = 3
PAUSE_S = 0.8
SHORT_ROUNDS = 3
COMMAND = "emotrace reproduce shipped --root DATA"
SUMMARY = "stitched recordings of TAVA (acted English, 18 speakers)"
LICENCE = "MIT for the weights; their training data, TAVA, is under AGPL-3.0"

_CONFIGS = Path(__file__).parent / "configs"

Spoken = dict[str, list[stitched.Span]]
"""What is said when, by target, with its rating."""


@dataclass(frozen=True)
class Folders:
    """Where the data lies (``tava/``, ``emodb47/``) and where runs, results and weights go."""

    data: Path
    runs: Path
    results: Path
    weights: Path


def reproduce(folders: Folders, jobs: int, say: Callable[[str], None]) -> None:
    """Train, measure and export both networks; what is done already is not done again."""
    corpus = stitched_corpus(folders)
    for network in NETWORKS:
        say(f"{network}: training on ten speakers, choosing on four")
        runs = [_train(network, target, corpus, folders, jobs) for target in TARGETS]
        split = export.export(runs, folders.runs / "models" / f"{network}-split", network, {}, jobs=jobs, force=True)
        path = folders.results / f"shipped-{network}.json"
        result = _measured(path, runs)
        if result is None:
            result = {"network": network, **measure(split, corpus, folders.data, runs)}
            write_text(path, json.dumps(result, indent=1) + "\n")
        say(f"{network}: training on all speakers")
        configs = [settings(network, target, corpus) for target in TARGETS]
        refitted = ship(network, split, runs, configs, folders, result, jobs)
        result["emodb_shipped"] = measure_shipped(refitted, folders.data)
        write_text(path, json.dumps(result, indent=1) + "\n")
        write_text(folders.weights / network / "CARD.md", model_card(network, result))


def stitched_corpus(folders: Folders) -> Path:
    """The corpus that all of this is trained on, made where it is not there yet.

    Raises:
        CorpusError: one of another seed or other settings is there.
    """
    corpus = folders.runs / "tava"
    chosen = stitched.Settings(recordings_per_speaker=RECORDINGS_PER_SPEAKER)
    note = corpus / "stitched.json"
    if not note.exists():
        stitched.stitch(folders.data / "tava" / "ratings.csv", corpus, SEED, chosen)
        return corpus
    wanted = {"seed": SEED, "settings": json.loads(json.dumps(asdict(chosen)))}
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
        same = all(found[key] == value for key, value in wanted.items())
    except (OSError, ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise CorpusError(f"{note}: is of a corpus with another seed or other settings; name a new folder with --runs")
    return corpus


def _measured(path: Path, runs: Sequence[Path]) -> dict[str, Any] | None:
    """The result file's figures where the same code made them from the same runs; a dirty commit is no known code."""
    try:
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        made = known["made_with"]
        same = made == run.made_with() and known["dev_ccc_by_seed"] == _dev_ccc_by_seed(runs)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return known if same and made["commit"] and not made["commit"].endswith("-dirty") else None


def _dev_ccc_by_seed(runs: Sequence[Path]) -> dict[str, list[float]]:
    return {t: dev_ccc(path) for t, path in zip(TARGETS, runs, strict=True)}


def settings(network: str, target: str, corpus: Path) -> Config:
    """The committed configuration of a shipped network."""
    return configuration.read(_CONFIGS / f"shipped-{network}-{target}.yaml", [f"root={json.dumps(str(corpus))}"])


def _train(network: str, target: str, corpus: Path, folders: Folders, jobs: int) -> Path:
    out = folders.runs / f"split-{network}-{target}"
    run.train(settings(network, target, corpus), out, jobs)
    return out


def ship(
    name: str,
    split: model.Model,
    runs: list[Path],
    configs: list[Config],
    folders: Folders,
    scores: Mapping[str, Any],
    jobs: int,
) -> model.Model:
    """Train again on all speakers, as long as was best on average, and export with the calibration of ``split``."""
    refits = []
    for config, chosen in zip(configs, runs, strict=True):
        best = [json.loads(path.read_text())["best_epoch"] + 1 for path in chosen.glob("seed-*/record.json")]
        refits.append(folders.runs / f"all-{name}-{config.target}")
        # The schedule keeps its length: the weights are those of the epoch that was best, on the way down.
        run.train(replace(config, fit_all=True, stop_after=round(float(np.mean(best)))), refits[-1], jobs)
    calibration = {target.name: (target.gain, target.offset) for target in split.targets}
    command = scores["command"]
    note = {"summary": SUMMARY, "licence": LICENCE, "command": command, "scores": scores}
    return export.export(refits, folders.weights / name, name, note, calibration, jobs, force=True)


Members = Callable[[np.ndarray, model.Model], np.ndarray]


def _offline(samples: np.ndarray, chosen: model.Model) -> np.ndarray:
    return predictor.predict_members(samples, audio.RATE_HZ, chosen)


def measure(
    split: model.Model, corpus: Path, data: Path, runs: list[Path], members: Members = _offline
) -> dict[str, Any]:
    """Every figure of the model card, on the test speakers and on EMO-DB-47, and the development speakers' in short.

    ``members`` gives every member's trace, (members, frames, targets), of samples at 16 kHz.
    """
    recordings = corpora.get("recola").load(corpus)
    test = [r for r in recordings if r.partition == "test"]
    names = {r.id for r in test}
    spoken = {t: [span for span in stitched.spans(corpus, t) if span[0] in names] for t in TARGETS}
    developing = {str(r.speaker) for r in recordings if r.partition == "dev"}
    others = {
        "emodb": join_emodb(data / "emodb47" / "ratings.csv"),
        "dev_short": short_recordings(data / "tava" / "ratings.csv", developing),
    }
    clean = {r.id: audio.load(r.audio) for r in test if r.audio is not None}
    result: dict[str, Any] = {
        "data": f"stitched TAVA, seed {SEED}, {RECORDINGS_PER_SPEAKER} recordings a speaker; EMO-DB-47",
        "command": COMMAND,
        "made_with": run.made_with(),
        "ratings_share": {t: run.read_config(path).ratings_share for t, path in zip(TARGETS, runs, strict=True)},
        "test_speakers": sorted({str(r.speaker) for r in test}),
        "rater_agreement": json.loads((corpus / "stitched.json").read_text())["agreement"],
        "dev_ccc_by_seed": _dev_ccc_by_seed(runs),
    }
    for condition, change in CONDITIONS.items():
        heard = {name: members(change(x), split) for name, x in clean.items()}
        if condition == "clean":
            result["stitched"] = {
                t: _against_gold(t, i, test, heard, spoken[t], runs[i]) for i, t in enumerate(TARGETS)
            }
        parts = {"tava": (heard, spoken)}
        for name, (sounds, said) in others.items():
            parts[name] = ({each: members(change(x), split) for each, x in sounds.items()}, said)
        for name, (traces, said) in parts.items():
            result[f"{name}_{condition}"] = {t: _against_utterances(i, traces, said[t]) for i, t in enumerate(TARGETS)}
    return result


def measure_shipped(chosen: model.Model, data: Path, members: Members = _offline) -> dict[str, Any]:
    """What weights that learned from all speakers score on the one corpus that they never saw, EMO-DB-47."""
    sounds, spoken = join_emodb(data / "emodb47" / "ratings.csv")
    heard = {name: members(samples, chosen) for name, samples in sounds.items()}
    return {t: _against_utterances(i, heard, spoken[t]) for i, t in enumerate(TARGETS)} | {"made_with": run.made_with()}


def dev_ccc(runs: Path) -> list[float]:
    """The development CCC of every seed of finished runs."""
    return [json.loads(path.read_text())["dev_ccc"] for path in sorted(runs.glob("seed-*/record.json"))]


def _against_gold(
    target: str,
    column: int,
    recordings: list[corpora.Recording],
    heard: Mapping[str, np.ndarray],
    spoken: list[stitched.Span],
    runs: Path,
) -> dict[str, Any]:
    """Scores by seed, of their mean, and of the ratings that the simulated raters followed: the ceiling."""
    lag_frames = round(run.read_config(runs).lag_s / FRAME_S)
    golds, truths = [], []
    for recording in recordings:
        frames = heard[recording.id].shape[1]
        gold = lag.shift_back(fusion.gold_standard_avec2016(recording.ratings(target).values), lag_frames)
        golds.append(corpora.match_length(gold, frames, recording.id))
        truths.append(stitched.held([span for span in spoken if span[0] == recording.id], frames))
    members = [heard[recording.id][:, :, column] for recording in recordings]
    by_seed = [evaluation.scores(golds, [_trace(m[seed]) for m in members]) for seed in range(len(members[0]))]
    return {
        **_summary(by_seed, evaluation.scores(golds, [_trace(m.mean(axis=0)) for m in members])),
        "ceiling": evaluation.scores(golds, truths),
    }


def _against_utterances(column: int, heard: Mapping[str, np.ndarray], spoken: list[stitched.Span]) -> dict[str, Any]:
    def score(traces: dict[str, np.ndarray]) -> dict[str, float]:
        return evaluation.utterance_scores(traces, spoken)

    seeds = range(len(next(iter(heard.values()))))
    by_seed = [score({name: _trace(m[seed, :, column]) for name, m in heard.items()}) for seed in seeds]
    return _summary(by_seed, score({name: _trace(m[:, :, column].mean(axis=0)) for name, m in heard.items()}))


def _trace(values: np.ndarray) -> np.ndarray:
    """Held in [-1, 1] after the members' mean was taken, as predict does it."""
    return np.clip(values, -1, 1)


def _summary(by_seed: list[dict[str, float]], of_mean: dict[str, float]) -> dict[str, Any]:
    """Mean and SD (over N - 1) of every score over the seeds, and the scores of the mean of their traces."""
    table = {key: np.array([scores[key] for scores in by_seed]) for key in of_mean}
    return {
        "seeds_mean": {key: round(float(values.mean()), 4) for key, values in table.items()},
        "seeds_sd": {key: round(float(values.std(ddof=1)), 4) for key, values in table.items()},
        "five_run_mean": {key: round(float(value), 4) for key, value in of_mean.items()},
    }


def join_emodb(ratings_csv: Path) -> tuple[dict[str, np.ndarray], Spoken]:
    """Each speaker's utterances one after the other, pauses of room noise between.

    Returns:
        Samples by speaker, and by target what is said when, with its rating.

    Raises:
        CorpusError: the CSV cannot be read or lacks a column.
    """
    try:
        with ratings_csv.open(newline="") as lines:
            rows = [(r["speaker"], r["file"], float(r["arousal"]), float(r["valence"])) for r in csv.DictReader(lines)]
    except (OSError, KeyError, ValueError) as error:
        raise CorpusError(f"{ratings_csv}: wants the columns file,speaker,arousal,valence ({error})") from None
    groups: dict[str, list[stitched.Utterance]] = {row[0]: [] for row in sorted(rows)}
    for speaker, file, arousal, valence in rows:
        groups[speaker].append(stitched.Utterance(file, ratings_csv.parent / file, speaker, (arousal, valence)))
    return _joined(groups)


def short_recordings(ratings_csv: Path, speakers: Collection[str]) -> tuple[dict[str, np.ndarray], Spoken]:
    """What people record for a moment: up to eight utterances of one speaker in any order, joined as EMO-DB's are.

    Every speaker's utterances are used `SHORT_ROUNDS` times.

    Returns:
        Samples by recording, and by target what is said when, with its rating.
    """
    utterances = stitched.read_utterances(ratings_csv)
    groups: dict[str, list[stitched.Utterance]] = {}
    for speaker in sorted(speakers):
        own = [u for u in utterances if u.speaker == speaker]
        for number in range(SHORT_ROUNDS):
            rng = np.random.default_rng([SEED, number, *speaker.encode()])
            order, at = rng.permutation(len(own)), 0
            while at < len(own):
                count = int(rng.integers(2, 9))
                groups[f"{speaker}-{number}-{at}"] = [own[index] for index in order[at : at + count]]
                at += count
    return _joined(groups)


def _joined(groups: Mapping[str, Sequence[stitched.Utterance]]) -> tuple[dict[str, np.ndarray], Spoken]:
    sounds: dict[str, np.ndarray] = {}
    spans: Spoken = {target: [] for target in TARGETS}
    for name, utterances in groups.items():
        placed, at = [], 0
        for utterance in utterances:
            start = at + round(PAUSE_S * audio.RATE_HZ)
            at = start + len(audio.load(utterance.file))
            placed.append(stitched.Placed(utterance, start, at))
            for target, rating in zip(TARGETS, utterance.rating, strict=True):
                spans[target].append((name, utterance.name, start / audio.RATE_HZ, at / audio.RATE_HZ, rating))
        whole = stitched.Settings(duration_s=at / audio.RATE_HZ + PAUSE_S, snr_db=(40.0, 40.0))
        sounds[name] = stitched.render(placed, whole, np.random.default_rng([SEED, *name.encode()]))
    return sounds, spans


def pink_noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of RMS 1 with equal power an octave; no part of the augmentation that networks are trained with."""
    spectrum = fft.rfft(rng.normal(size=count))
    noise = fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), count)
    return (noise / np.std(noise)).astype(np.float32)


def _noisy(samples: np.ndarray) -> np.ndarray:
    return augmentation.mix(samples, pink_noise(len(samples), np.random.default_rng(SEED)), 10.0)


def telephone_band(samples: np.ndarray) -> np.ndarray:
    """300 to 3400 Hz by a Butterworth bandpass of fourth order."""
    sections = signal.butter(4, [300.0, 3400.0], "bandpass", fs=audio.RATE_HZ, output="sos")
    return signal.sosfilt(sections, samples).astype(np.float32)


def telephone_line(samples: np.ndarray) -> np.ndarray:
    """A digital line: 8 kHz, a linear-phase band of 300 to 3400 Hz, and 8 bits a sample by G.711's mu-law curve.

    Unlike the band-limiting that networks are trained with in its filter, its rate and its quantisation.
    """
    slow = soxr.resample(samples, audio.RATE_HZ, 8000)
    slow = signal.oaconvolve(slow, signal.firwin(201, [300, 3400], fs=8000, pass_zero=False), "same")
    peak = np.abs(slow).max() + 1e-9
    code = np.round(np.sign(slow) * np.log1p(255 * np.abs(slow) / peak) / np.log(256) * 127) / 127
    heard = np.sign(code) * np.expm1(np.abs(code) * np.log(256)) / 255 * peak
    return soxr.resample(heard, 8000, audio.RATE_HZ).astype(np.float32)


CONDITIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "clean": lambda samples: samples,
    "noise_10db": _noisy,
    "telephone": telephone_band,
    "telephone_line": telephone_line,
}


def model_card(name: str, result: Mapping[str, Any], network: str = "", more: str = "") -> str:
    """The model card in Markdown, every score from the result.

    Args:
        name: of the model.
        result: what :func:`measure` gives.
        network: the kind of its networks, where that is not its name.
        more: sentences about the model.
    """
    network = network or name
    lines = [
        f"# Model card: {name}",
        "",
        f"Five networks each for arousal and valence (`{network}`, see `emotrace.models.{network}`), averaged; their "
        f"SD is the trace's spread.{more}",
        "",
        f"- **Trained on** {SUMMARY}, seed {SEED}, {RECORDINGS_PER_SPEAKER} recordings of five minutes a speaker, "
        f"with simulated raters whose lag is compensated, and augmented variants of each.{_mixture(result)} The "
        "figures below are of networks trained on 10 speakers, chosen on 4 (one row) and tested on the 4 others, whose "
        "figures were seen several times while all this was made; the shipped weights were trained again on all 18, "
        "and only the last row is theirs.",
        f"- **Licence**: {LICENCE}.",
        f"- **Command**: `{result['command']}`, commit {result['made_with']['commit']}.",
        "- **Meant for** adult speech, one voice at a time. Acted training speech: levels on spontaneous speech are "
        "less certain than the course of a trace. Valence from the voice alone is weak, and hardly carries over to "
        "another language; do not judge a person by it.",
        "",
        "## Scores (CCC over population variances; test speakers where nothing else is said)",
        "",
        "| | target | five runs, mean ± SD | their mean |",
        "|---|---|---|---|",
    ]
    for key, text in _CARD_ROWS.items():
        lines += [f"| {text} | {target} | {_cells(key, result, target)} |" for target in TARGETS]
    return "\n".join(lines) + "\n"


def _cells(row: str, result: Mapping[str, Any], target: str) -> str:
    if row == "development":
        return f"{spread(result['dev_ccc_by_seed'][target])} | "
    if row == "roughness":
        rough = result["stitched"][target]["five_run_mean"]
        return f"gold standard {rough['roughness_gold']:.3f} | {rough['roughness']:.3f}"
    part = result[row][target]
    score = "ccc_population_concatenated" if row == "stitched" else "ccc_population"
    mean, sd, best = (part[name][score] for name in ("seeds_mean", "seeds_sd", "five_run_mean"))
    return f"{mean:.3f} ± {sd:.3f} | {best:.3f}"


def _mixture(result: Mapping[str, Any]) -> str:
    shares = [f"{share:.0%} for {target}" for target, share in result["ratings_share"].items() if share]
    if not shares:
        return ""
    return (
        f" A part of the target ({', '.join(shares)}) is what people said of the utterances, not the simulated raters."
    )


_CARD_ROWS = {
    "stitched": "stitched TAVA, trace against the simulated gold standard",
    "development": "the same, development speakers",
    "roughness": "roughness (mean step over SD) of the stitched traces",
    "tava_clean": "TAVA, utterance means against real ratings",
    "tava_noise_10db": "the same, pink noise at 10 dB",
    "tava_telephone": "the same, telephone band",
    "tava_telephone_line": "the same, digital telephone line",
    "emodb_clean": "EMO-DB-47 (German), utterance means",
    "emodb_noise_10db": "the same, pink noise at 10 dB",
    "emodb_telephone": "the same, telephone band",
    "emodb_telephone_line": "the same, digital telephone line",
    "emodb_shipped": "EMO-DB-47 by the shipped weights",
}
