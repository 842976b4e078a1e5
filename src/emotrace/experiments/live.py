"""The network for live use: how far it should look ahead, what running statistics cost, and its weights.

Everything is chosen on the development speakers; only the chosen network meets the test speakers, at the end.
``python -m emotrace.experiments.live`` draws ``docs/live.png`` from the committed results.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from emotrace import audio, corpora, features, metrics, plots
from emotrace.annotation import fusion, lag
from emotrace.experiments import shipped
from emotrace.experiments.shipped import TARGETS, Folders
from emotrace.features import logmel
from emotrace.features.normalisation import Running
from emotrace.inference import model, predictor
from emotrace.output import write_text
from emotrace.trace import FRAME_S
from emotrace.training import config as configuration
from emotrace.training import export, run
from emotrace.training.config import Config

NAME = "live"
LOOK_AHEADS_S: tuple[float | None, ...] = (0.0, 0.5, 1.0, 2.0, 5.0, None)
"""What is compared; None looks as far ahead as back, 41 s."""

CHOSEN_S = 1.0
SEEDS, SWEEP_SEEDS = 5, 1
COMMAND = "emotrace reproduce live --root DATA"
WINDOW_S, WINDOWS = 10.0, 6

_CONFIGS = Path(__file__).parent / "configs"


def reproduce(folders: Folders, jobs: int, say: Callable[[str], None]) -> None:
    """Train, compare, measure and export; what is done already is not done again."""
    corpus = shipped.stitched_corpus(folders)
    say(f"{NAME}: training with a look-ahead of {CHOSEN_S:g} s on ten speakers")
    chosen = [_train(target, CHOSEN_S, corpus, folders, jobs) for target in TARGETS]
    split = export.export(chosen, folders.runs / "models" / f"{NAME}-split", NAME, {}, jobs=jobs, force=True)
    result: dict[str, Any] = {"start": compare_start(split, corpus, chosen)}
    result["look_ahead"] = sweep(corpus, folders, jobs, say)
    say(f"{NAME}: measuring on the test speakers")
    result |= shipped.measure(split, corpus, folders.data, chosen, members_live) | {"command": COMMAND}
    say(f"{NAME}: training on all speakers")
    refits = [settings(target, CHOSEN_S, corpus) for target in TARGETS]
    refitted = shipped.ship(NAME, split, chosen, refits, folders, result, jobs)
    result["emodb_shipped"] = shipped.measure_shipped(refitted, folders.data, members_live)
    write_text(folders.weights / NAME / "CARD.md", card(result))
    write_text(folders.results / f"{NAME}.json", json.dumps({"network": "dilated", **result}, indent=1) + "\n")


def settings(target: str, look_ahead_s: float | None, corpus: Path) -> Config:
    """The committed configuration, with a look-ahead."""
    config = configuration.read(_CONFIGS / f"live-{target}.yaml", [f"root={json.dumps(str(corpus))}"])
    frames = None if look_ahead_s is None else round(look_ahead_s / FRAME_S)
    seeds = SEEDS if look_ahead_s == CHOSEN_S else SWEEP_SEEDS
    return replace(config, arguments={**config.arguments, "look_ahead_frames": frames}, seeds=seeds)


def _train(target: str, look_ahead_s: float | None, corpus: Path, folders: Folders, jobs: int) -> Path:
    out = folders.runs / f"live-{'full' if look_ahead_s is None else f'{look_ahead_s:g}s'}-{target}"
    run.train(settings(target, look_ahead_s, corpus), out, jobs)
    return out


def sweep(corpus: Path, folders: Folders, jobs: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Development CCC of every look-ahead and target, by seed."""
    rows = []
    for look_ahead_s in LOOK_AHEADS_S:
        say(f"{NAME}: look-ahead {'full' if look_ahead_s is None else f'{look_ahead_s:g} s'}")
        runs = {target: _train(target, look_ahead_s, corpus, folders, jobs) for target in TARGETS}
        rows.append({"look_ahead_s": look_ahead_s} | {target: shipped.dev_ccc(out) for target, out in runs.items()})
    return rows


def members_live(samples: np.ndarray, chosen: model.Model) -> np.ndarray:
    """Every member's trace of samples at 16 kHz as a stream makes it, (members, frames, targets), all at once."""
    front_end = features.streaming(chosen.front_end)
    rows = features.get(chosen.front_end).extract(samples).reshape(-1, front_end.bins)
    return chosen.members(front_end.stack(Running(chosen.rule, front_end.STACK, front_end.bins).push(rows)))


def compare_start(split: model.Model, corpus: Path, runs: Sequence[Path]) -> dict[str, Any]:
    """How running statistics differ from those of the whole recording, by the time since the start.

    Returns:
        By target, for each ten seconds of the first minute and for the rest of the development recordings: the mean
        absolute difference of the two traces, and the CCC of each with the gold standard (all recordings joined).
    """
    recordings = [r for r in corpora.get("recola").load(corpus) if r.partition == "dev"]
    sounds = [audio.load(r.audio) for r in recordings if r.audio is not None]
    live = [np.clip(members_live(x, split).mean(axis=0), -1, 1) for x in sounds]
    whole = [np.clip(predictor.predict_members(x, audio.RATE_HZ, split).mean(axis=0), -1, 1) for x in sounds]
    return {
        target: _by_window(
            [_gold(r, target, runs[column], len(trace)) for r, trace in zip(recordings, live, strict=True)],
            [trace[:, column] for trace in live],
            [trace[:, column] for trace in whole],
        )
        for column, target in enumerate(TARGETS)
    }


def _gold(recording: corpora.Recording, target: str, runs: Path, frames: int) -> np.ndarray:
    lag_frames = round(run.read_config(runs).lag_s / FRAME_S)
    gold = lag.shift_back(fusion.gold_standard_avec2016(recording.ratings(target).values), lag_frames)
    return corpora.match_length(gold, frames, recording.id)


def _by_window(gold: list[np.ndarray], live: list[np.ndarray], whole: list[np.ndarray]) -> list[dict[str, Any]]:
    edges_s: list[float | None] = [*(WINDOW_S * n for n in range(WINDOWS + 1)), None]
    rows = []
    for start_s, end_s in pairwise(edges_s):
        part = slice(*(None if s is None else round(s / FRAME_S) for s in (start_s, end_s)))
        true, running, offline = (np.concatenate([t[part] for t in traces]) for traces in (gold, live, whole))
        rows.append(
            {
                "start_s": start_s,
                "end_s": end_s,
                "difference": round(float(np.abs(running - offline).mean()), 4),
                "ccc_running": round(metrics.ccc_population(true, running), 4),
                "ccc_whole": round(metrics.ccc_population(true, offline), 4),
            }
        )
    return rows


def draw(result: Mapping[str, Any], path: Path) -> None:
    """The trade-off and the start as a picture."""
    figure = plots.plot_live(result["look_ahead"], result["start"], logmel.WINDOW_S - logmel.HOP_S + FRAME_S)
    plots.save(figure, path, force=True)


def card(result: Mapping[str, Any]) -> str:
    """The model card."""
    delay_s = CHOSEN_S + FRAME_S + logmel.WINDOW_S - logmel.HOP_S
    more = (
        f" They look {CHOSEN_S:g} s ahead: a frame is given {delay_s:.3f} s after its start, and later where the sound "
        "is not at 16 kHz. All figures are those of streams: normalised by what was heard so far, from the first "
        "second on."
    )
    return shipped.model_card(NAME, result, "dilated", more)


if __name__ == "__main__":
    draw(json.loads(Path("experiments/results", f"{NAME}.json").read_text()), Path("docs", f"{NAME}.png"))
