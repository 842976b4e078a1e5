"""Figures 1, 4 and 5, drawn from their result files; no loading, no training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import NullLocator

from emotrace.plots import FAINT, INK, LINES
from emotrace.trace import FRAME_S

Result = Mapping[str, Any]

_COLOURS = {"arousal": LINES[0], "valence": LINES[1], "dilated": LINES[1], "downup": LINES[0]}
_MARKERS = {"arousal": "o", "valence": "s"}
_GREEN = {"truth": (LINES[2], "-"), "gold standard": (LINES[3], "-"), "raters": (LINES[3], ":")}
_ALLOWED_LOSS = 0.95


def figure1(result: Result) -> Figure:
    """CCC by receptive field, the mean of the runs and a band of one SD."""
    figure, (ax,) = _canvas(1, (5.4, 3.3))
    for target, each in result["targets"].items():
        mean, sd = np.array(each["mean"]), np.array(each["sd"])
        runs = max(len(scores) for scores in each["ccc"])
        ax.fill_between(result["frames"], mean - sd, mean + sd, color=_COLOURS[target], alpha=0.18, linewidth=0)
        label = f"{target}, {runs} run{'s' if runs > 1 else ''}: mean ± SD"
        ax.plot(result["frames"], mean, color=_COLOURS[target], marker=_MARKERS[target], markersize=4, label=label)
    _octaves(ax, result["frames"], "receptive field (frames of 40 ms)")
    ax.set_ylabel("CCC, development part", fontsize=8.5, color=INK)
    _title(ax, result, "What context is worth")
    ax.legend(fontsize=7.5, frameon=False)
    return figure


def figure4(result: Result) -> Figure:
    """CCC of ratings with themselves, downsampled and interpolated; the green traces in a panel of their own."""
    figure, axes = _canvas(2 if result["green"] else 1, (7.4, 3.3) if result["green"] else (5.4, 3.3))
    for target, each in result["targets"].items():
        share = each["power_below_1hz"]["mean"]
        label = f"{target} ({share:.1%} of power below 1 Hz)"
        _kept(axes[0], each, label, _COLOURS[target], _MARKERS[target])
    _title(axes[0], result, "What downsampling keeps")
    for (task, kinds), marker in zip(result["green"].items(), ("o", "s"), strict=False):
        for kind, each in kinds.items():
            _kept(axes[1], each, f"{task}, {kind}", _GREEN[kind][0], marker, _GREEN[kind][1])
    if result["green"]:
        axes[1].set_title("green intensity", loc="left", fontsize=9, color=INK)
    lowest = min(np.subtract(each["ccc_mean"], each["ccc_sd"]).min() for each in _studies(result))
    for ax in axes:
        ax.axhline(_ALLOWED_LOSS, color=INK, linewidth=0.6, linestyle="--")
        ax.set_ylim(lowest - 0.02, 1.01)
        ax.legend(fontsize=7, frameon=False, loc="lower left")
    axes[0].set_ylabel("CCC with the original", fontsize=8.5, color=INK)
    return figure


def figure5(result: Result) -> Figure:
    """Forty seconds of both networks and of the gold standard, a panel a target."""
    figure, axes = _canvas(len(result["targets"]), (7, 2.4 * len(result["targets"])), across=False)
    for ax, (target, each) in zip(axes, result["targets"].items(), strict=True):
        time_s = each["begin_s"] + np.arange(len(each["gold"])) * FRAME_S
        ax.plot(time_s, each["gold"], color=INK, linewidth=1.6, label="gold standard")
        for name, trace in each["traces"].items():
            rough = each["roughness"][name]["mean"]
            style = "-" if name == "downup" else (0, (4, 1))
            label = f"{result['titles'][name]}, one run (roughness {rough:.3f})"
            ax.plot(time_s, trace, color=_COLOURS[name], linewidth=1.2, linestyle=style, label=label)
        ax.set_ylabel(target, fontsize=8.5, color=INK)
        _title(ax, result, each["recording"], pad=18)
        ax.legend(fontsize=7, frameon=False, loc="lower left", bbox_to_anchor=(-0.01, 0.98), ncols=3)
        ax.margins(x=0)
    axes[-1].set_xlabel("time (s)", fontsize=8.5, color=INK)
    return figure


def _canvas(panels: int, size: tuple[float, float], across: bool = True) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(wspace=0.06, h_pad=0.04))
    FigureCanvasAgg(figure)
    shape = (1, panels) if across else (panels, 1)
    axes = list(figure.subplots(*shape, squeeze=False).flat)
    for ax in axes:
        ax.grid(axis="y", color=FAINT, linewidth=0.5)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8, colors=INK, length=3, width=0.6)
    return figure, axes


def _octaves(ax: Axes, values: Sequence[float], label: str) -> None:
    ax.set_xscale("log", base=2)
    ax.set_xticks(values, [str(value) for value in values])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(label, fontsize=8.5, color=INK)


def _kept(ax: Axes, each: Result, label: str, colour: str, marker: str, style: str = "-") -> None:
    ax.errorbar(
        each["factors"], each["ccc_mean"], each["ccc_sd"], color=colour, marker=marker, markersize=4, capsize=2,
        linewidth=1.2, elinewidth=0.8, linestyle=style, label=label,
    )  # fmt: skip
    _octaves(ax, each["factors"], "downsampling factor")


def _studies(result: Result) -> list[Result]:
    return [*result["targets"].values(), *(each for kinds in result["green"].values() for each in kinds.values())]


def _title(ax: Axes, result: Result, text: str, pad: float = 6) -> None:
    label = result["label"] + (", quick: no result" if result["quick"] else "")
    ax.set_title(f"{text} ({label})", loc="left", fontsize=9, color=INK, pad=pad, parse_math=False)


DRAWN = {"figure1": figure1, "figure4": figure4, "figure5": figure5}
"""What draws a result file."""
