"""Traces drawn for a paper or a page; figures are built without pyplot, so no window and no global state."""

from __future__ import annotations

import math
import os
import textwrap
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MultipleLocator

from emotrace.annotation import Ratings
from emotrace.annotation.standard import GoldStandard
from emotrace.audio import RATE_HZ
from emotrace.errors import EmotraceError
from emotrace.output import write_atomically
from emotrace.trace import Trace

FORMATS = (".png", ".svg", ".pdf")

# Okabe and Ito's palette, which colour-blind readers tell apart too.
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_SPEAKERS = ("#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#F0E442", "#999999")
_POLES = {"arousal": ("calm", "excited"), "valence": ("negative", "positive")}
INK, FAINT, _WAVE = "#333333", "#D9D9D9", "#9A9A9A"
_TITLE_LETTERS, _SPEAKER_LETTERS, _WARNING_LETTERS = 32, 16, 110
_NAMED_SPEAKERS = 4  # as many as the legend has room for
_POINTS = 1500  # about the pixels across the axes at 300 dpi
_STEPS_S = (
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    20,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14400,
)


def plot_trace(trace: Trace, waveform: np.ndarray | None = None, title: str | None = None) -> Figure:
    """Draw a trace over time: a line a target, a band of one standard deviation, speakers and sound.

    Traces longer than the figure has pixels are drawn as means over about a pixel; frames that are missing
    leave a gap.

    Args:
        trace: What to draw; the vertical axis is its unit range.
        waveform: Sound of the same time span: an `envelope` of shape (bins, 2), or samples (n,) at 16 kHz.
        title: A heading, for instance the recording's name.

    Returns:
        A figure of 7 by 4.2 inches on an Agg canvas.

    Raises:
        ValueError: ``waveform`` has another shape.
    """
    figure = Figure(figsize=(7, 4.2), layout=ConstrainedLayoutEngine(h_pad=0.03, hspace=0.02))
    FigureCanvasAgg(figure)
    strips = {"trace": 1.0}
    if trace.speaker is not None:
        strips["speakers"] = 0.045
    if waveform is not None:
        strips["sound"] = 0.2
    layout = figure.subplot_mosaic([[name] for name in strips], height_ratios=list(strips.values()), sharex=True)
    start_s, end_s = float(trace.time_s[0]), float(trace.time_s[0]) + trace.duration_s
    _draw_values(layout["trace"], trace, title)
    colours = _draw_speakers(layout["speakers"], trace) if trace.speaker is not None else {}
    if waveform is not None:
        _draw_sound(layout["sound"], waveform, start_s, end_s)
    if colours:
        _name_speakers(list(layout.values())[-1], colours)
    for ax in layout.values():
        ax.tick_params(labelsize=8, colors=INK, length=3, width=0.6)
    _set_time_axis(list(layout.values()), start_s, end_s)
    return figure


def plot_live(
    look_ahead: Sequence[Mapping[str, Any]], start: Mapping[str, Sequence[Mapping[str, Any]]], framing_s: float
) -> Figure:
    """Draw what waiting is worth to a live trace, and how it fares in the first minute.

    Args:
        look_ahead: rows with ``look_ahead_s`` (None for as far as back) and by target the CCC of every seed.
        start: by target, rows with ``start_s``, ``end_s``, ``ccc_running`` and ``ccc_whole``.
        framing_s: latency that look-ahead comes on top of.

    Returns:
        A figure of 7 by 3.2 inches on an Agg canvas.
    """
    figure = Figure(figsize=(7, 3.2), layout=ConstrainedLayoutEngine(wspace=0.08))
    FigureCanvasAgg(figure)
    waiting, beginning = figure.subplots(1, 2)
    names = ["full" if row["look_ahead_s"] is None else f"{row['look_ahead_s'] + framing_s:.2g}" for row in look_ahead]
    for target, colour in zip(start, LINES, strict=False):
        means = [np.mean(row[target]) for row in look_ahead]
        waiting.plot(range(len(names)), means, "-", color=colour, label=target)
        for place, row in enumerate(look_ahead):
            waiting.plot([place] * len(row[target]), row[target], ".", color=colour)
        rows = [row for row in start[target] if row["end_s"] is not None]
        middle_s = [(row["start_s"] + row["end_s"]) / 2 for row in rows]
        beginning.plot(middle_s, [row["ccc_running"] for row in rows], "-", color=colour, label=f"{target}, live")
        beginning.plot(middle_s, [row["ccc_whole"] for row in rows], "--", color=colour, label="by the whole recording")
    waiting.set_xticks(range(len(names)), names)
    waiting.set(xlabel="latency (s)", ylabel="CCC, development speakers", title="What waiting is worth")
    beginning.set(xlabel="since the start (s)", ylabel="CCC in ten seconds", title="The first minute")
    for ax in (waiting, beginning):
        ax.legend(fontsize="small", frameon=False)
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def plot_gold(ratings: Ratings, gold: GoldStandard, title: str | None = None) -> Figure:
    """Draw what raters said, thin and grey, and the gold standard with a band of one SD over raters.

    Raters are drawn as they rated, their lags not taken out; outliers are dashed and named.

    Args:
        ratings: Of one recording.
        gold: Its gold standard, on the same frames.
        title: A heading, for instance the recording's name.

    Returns:
        A figure of 7 by 3.4 inches on an Agg canvas.
    """
    figure = Figure(figsize=(7, 3.4), layout=ConstrainedLayoutEngine(h_pad=0.03))
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    ax.grid(axis="y", color=FAINT, linewidth=0.5)
    lines = []
    for name, column in zip(ratings.raters, ratings.values.T, strict=True):
        outlier = name in gold.outliers
        style: dict[str, Any] = {"color": LINES[3], "linestyle": "--"} if outlier else {"color": _WAVE}
        (line,) = ax.plot(*_thinned(ratings.time_s, column), linewidth=0.6, zorder=2, **style)
        line.set_label(f"outlier: {_shortened(name, _SPEAKER_LETTERS)}")
        lines += [line] if outlier else []
    time_s, values = _thinned(gold.time_s, gold.values)
    _, sd = _thinned(gold.time_s, gold.spread.sd)
    ax.fill_between(time_s, values - sd, values + sd, color=LINES[0], alpha=0.18, linewidth=0, zorder=3)
    (line,) = ax.plot(time_s, values, color=LINES[0], linewidth=1.6, label=f"gold standard ({gold.method})", zorder=4)
    raters = Line2D([], [], color=_WAVE, linewidth=0.6, label=f"{len(ratings.raters)} raters")
    band = Patch(color=LINES[0], alpha=0.18, linewidth=0, label="±1 SD over raters")
    handles: list[Artist] = [line, band, raters, *lines]
    ax.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), fontsize=7.5, frameon=False, ncols=4)
    ax.set_title(_shortened(title or "", _TITLE_LETTERS // 2), loc="left", fontsize=9, color=INK, parse_math=False)
    ax.set_ylabel(ratings.target, fontsize=8.5, color=INK, parse_math=False)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines["left"].set(color=INK, linewidth=0.6)
    ax.tick_params(labelsize=8, colors=INK, length=3, width=0.6)
    _set_time_axis([ax], float(ratings.time_s[0]), max(float(ratings.time_s[-1]), float(ratings.time_s[0]) + 1e-3))
    return figure


def envelope(blocks: Iterable[np.ndarray], duration_s: float, bins: int = 2000) -> np.ndarray:
    """Return the lowest and highest sample in equal parts of a recording, from blocks as they come.

    Args:
        blocks: Mono samples at 16 kHz, as `emotrace.audio.blocks` yields them.
        duration_s: Length to be shown, in seconds; sound after it is left out, missing sound is zero.
        bins: Number of parts.

    Returns:
        Shape (bins, 2): minimum and maximum; fewer bins where there are fewer samples.

    Raises:
        ValueError: A duration shorter than one sample, or no bins.
    """
    total = round(duration_s * RATE_HZ)
    bins = min(bins, total)
    if bins < 1:
        raise ValueError(f"duration_s is {duration_s} and bins {bins}; both must be positive")
    edges = np.arange(bins + 1) * total // bins
    lowest, highest = np.full(bins, np.inf), np.full(bins, -np.inf)
    start = 0
    for block in blocks:
        block = block[: max(0, total - start)]
        if not len(block):
            break
        first = int(np.searchsorted(edges, start, side="right")) - 1
        last = int(np.searchsorted(edges, start + len(block), side="left"))
        cuts = np.maximum(edges[first:last] - start, 0)
        lowest[first:last] = np.minimum(lowest[first:last], np.minimum.reduceat(block, cuts))
        highest[first:last] = np.maximum(highest[first:last], np.maximum.reduceat(block, cuts))
        start += len(block)
    silent = lowest > highest
    return np.where(silent[:, None], 0.0, np.column_stack([lowest, highest]))


class Envelope:
    """The lowest and highest sample in equal parts of a recording whose length is not known yet.

    The parts are one sample at first, and twice as long whenever there are too many: any length takes the same memory.
    """

    def __init__(self, bins: int = 2000) -> None:
        self._table = np.empty((2 * bins, 2), dtype=np.float32)
        self._count, self._width = 0, 1
        self._rest = np.empty(0, dtype=np.float32)

    def add(self, samples: np.ndarray) -> None:
        """Take (n,) more samples."""
        samples = np.concatenate([self._rest, samples])
        while len(samples) >= self._width:
            new = min(len(samples) // self._width, len(self._table) - self._count)
            parts = samples[: new * self._width].reshape(new, self._width)
            self._table[self._count : self._count + new] = np.column_stack([parts.min(axis=1), parts.max(axis=1)])
            self._count += new
            samples = samples[new * self._width :]
            if self._count == len(self._table):
                self._halve()
        self._rest = samples.copy()

    def _halve(self) -> None:
        pairs = self._table.reshape(-1, 2, 2)
        self._count, self._width = len(pairs), 2 * self._width
        self._table[: self._count] = np.column_stack([pairs[:, :, 0].min(axis=1), pairs[:, :, 1].max(axis=1)])

    def table(self) -> np.ndarray:
        """Minimum and maximum of each complete part, (at most 2 * bins, 2): a waveform for `plot_trace`."""
        return self._table[: self._count].copy()


def save(figure: Figure, path: str | os.PathLike[str], *, force: bool = False, suffix: str | None = None) -> None:
    """Write a figure as PNG (300 dpi), SVG or PDF, whole or not at all.

    Args:
        figure: What `plot_trace` returns.
        path: The output.
        force: Replace an existing file.
        suffix: What to write; by the suffix of the name where it is not given.

    Raises:
        EmotraceError: Another suffix, the file exists and ``force`` is not given, or it cannot be written.
    """
    suffix = suffix or Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise EmotraceError(f"{path}: figures are {', '.join(FORMATS)}; choose one of these suffixes")
    with warnings.catch_warnings():
        # Boxes in a heading are seen; that no font here has its letters is not for the reader of a terminal.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        write_atomically(path, lambda file: figure.savefig(file, format=suffix[1:], dpi=300), force=force, mode="wb")


def _draw_values(ax: Axes, trace: Trace, title: str | None) -> None:
    low, high = trace.unit_range
    ax.axhline((low + high) / 2, color=INK, linewidth=0.6, zorder=1)
    ax.grid(axis="y", color=FAINT, linewidth=0.5)
    time_s, values, spread = _pixels(trace)
    marker = "o" if len(time_s) == 1 else None  # a line of one point has no length
    width = 1.3 if len(time_s) < _POINTS else 1.0
    for i, target in enumerate(trace.targets):
        colour = LINES[i % len(LINES)]
        ax.plot(time_s, values[:, i], color=colour, linewidth=width, marker=marker, label=target, zorder=3)
        if spread is not None:
            below, above = values[:, i] - spread[:, i], values[:, i] + spread[:, i]
            ax.fill_between(time_s, below, above, color=colour, alpha=0.18, linewidth=0, zorder=2)
        _name_poles(ax, i, target, colour)
    ax.set_ylim(low, high)
    ax.set_yticks(np.linspace(low, high, 5))
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.spines["left"].set(color=INK, linewidth=0.6)
    ax.set_title(_shortened(title or "", _TITLE_LETTERS), loc="left", fontsize=9, color=INK, parse_math=False)
    if trace.warnings:
        _draw_warnings(ax, trace.warnings)
    _name_lines(ax, band=spread is not None)


def _draw_warnings(ax: Axes, told: Sequence[str]) -> None:
    """Over the traces, at their top: a picture goes where nobody saw the terminal."""
    text = "\n".join(textwrap.fill(f"Warning: {each}", _WARNING_LETTERS) for each in told)
    box = {"facecolor": "white", "edgecolor": LINES[1], "linewidth": 0.6, "alpha": 0.85, "pad": 3}
    place: dict[str, Any] = {"transform": ax.transAxes, "va": "top", "zorder": 5, "parse_math": False}
    ax.text(0.012, 0.975, text, fontsize=7, color=INK, bbox=box, **place)


def _name_poles(ax: Axes, i: int, target: str, colour: str) -> None:
    """Write what the ends of a target's scale mean to the right of them, each target on its own line."""
    low, high = _POLES.get(target, ("", ""))
    for text, y, align, step in ((high, 1.0, "top", -0.065), (low, 0.0, "bottom", 0.065)):
        place = (1.012, y + i * step)
        ax.text(
            *place,
            text,
            transform=ax.transAxes,
            va=align,
            ha="left",
            fontsize=8,
            color=colour,
            style="italic",
        )


def _name_lines(ax: Axes, band: bool) -> None:
    handles: list[Artist] = list(ax.get_lines()[1:])
    if band:
        handles.append(Patch(color=INK, alpha=0.18, linewidth=0, label="±1 SD"))
    place: dict[str, Any] = {"bbox_to_anchor": (1, 1), "borderaxespad": 0.2, "ncols": len(handles)}
    legend = ax.legend(handles=handles, loc="lower right", fontsize=8.5, frameon=False, handlelength=1.6, **place)
    for text, handle in zip(legend.get_texts(), handles, strict=True):
        text.set_color(handle.get_color() if isinstance(handle, Line2D) else INK)


def _shortened(text: str, letters: int) -> str:
    """Cut the middle out of what would run into its neighbours; names tend to differ at the ends."""
    half = letters // 2
    return text if len(text) <= letters else f"{text[: half - 1]}…{text[-half:]}"


def _pixels(trace: Trace) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Average frames that share a pixel; a pixel without frames is NaN, which breaks the line."""
    frame = np.rint((trace.time_s - trace.time_s[0]) / trace.frame_s).astype(np.int64)
    frames = int(frame[-1]) + 1
    bins = min(frames, _POINTS)
    pixel = frame * bins // frames
    count = np.bincount(pixel, minlength=bins)

    def mean(table: np.ndarray) -> np.ndarray:
        sums = np.column_stack([np.bincount(pixel, column, minlength=bins) for column in table.T])
        return np.where(count[:, None], sums / np.maximum(count, 1)[:, None], np.nan)

    time_s = trace.time_s[0] + (np.arange(bins) + 0.5) * frames / bins * trace.frame_s
    return time_s, mean(trace.values), None if trace.spread is None else mean(trace.spread)


def _thinned(time_s: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every so manieth frame, about two a pixel; slow traces lose nothing by it."""
    step = max(1, len(time_s) // (2 * _POINTS))
    return time_s[::step], values[::step]


def _draw_speakers(ax: Axes, trace: Trace) -> dict[str, str]:
    """Draw who speaks when; returns each one's colour."""
    names = np.array([name or "" for name in trace.speaker or ()])
    starts = np.flatnonzero(np.r_[True, (names[1:] != names[:-1]) | _after_gap(trace)])
    ends = np.r_[starts[1:], len(names)] - 1
    colours = {name: _SPEAKERS[i % len(_SPEAKERS)] for i, name in enumerate(filter(None, sorted(set(names.tolist()))))}
    for name, colour in colours.items():
        own = names[starts] == name
        begin_s, end_s = trace.time_s[starts[own]], trace.time_s[ends[own]] + trace.frame_s
        spans = list(zip(begin_s, end_s - begin_s, strict=True))
        ax.broken_barh(spans, (0, 1), color=colour, linewidth=0)
    ax.set_ylim(0, 1)
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.set_ylabel("speaker", rotation=0, ha="right", va="center", fontsize=8, color=INK)
    return colours


def _name_speakers(ax: Axes, colours: Mapping[str, str]) -> None:
    """List the speakers to the right of the lowest axes, where there is height for them."""
    names = [_shortened(name, _SPEAKER_LETTERS) for name in colours]
    handles = [Patch(facecolor=colour, linewidth=0) for colour in colours.values()]
    if len(names) > _NAMED_SPEAKERS:
        names = [*names[: _NAMED_SPEAKERS - 1], f"and {len(names) - _NAMED_SPEAKERS + 1} more"]
        handles = [*handles[: _NAMED_SPEAKERS - 1], Patch(alpha=0)]
    place: dict[str, Any] = {"bbox_to_anchor": (1, 0), "borderaxespad": 0, "labelcolor": INK}
    unnamed = ["speaker"] * len(names)
    legend = ax.legend(handles, unnamed, loc="lower left", fontsize=7, frameon=False, handlelength=0.8, **place)
    for text, name in zip(legend.get_texts(), names, strict=True):
        # Named afterwards: a legend leaves out who begins with an underscore.
        text.set_text(name)
        text.set_parse_math(False)


def _after_gap(trace: Trace) -> np.ndarray:
    return np.diff(trace.time_s) > 1.5 * trace.frame_s


def _draw_sound(ax: Axes, waveform: np.ndarray, start_s: float, end_s: float) -> None:
    if waveform.ndim == 1:
        waveform = envelope([waveform], len(waveform) / RATE_HZ, bins=_POINTS)
    if waveform.ndim != 2 or waveform.shape[1] != 2:
        raise ValueError(f"waveform has shape {waveform.shape}; it must be (bins, 2) or (samples,)")
    edges_s = np.linspace(start_s, end_s, len(waveform) + 1)
    centres_s = (edges_s[:-1] + edges_s[1:]) / 2
    ax.fill_between(centres_s, waveform[:, 0], waveform[:, 1], color=_WAVE, linewidth=0.3)
    loudest = float(np.abs(waveform).max()) or 1.0
    ax.set_ylim(-1.05 * loudest, 1.05 * loudest)
    ax.set_yticks([])
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.set_ylabel("sound", rotation=0, ha="right", va="center", fontsize=8, color=INK)


def _set_time_axis(axes: list[Axes], start_s: float, end_s: float) -> None:
    """Label time as a reader would say it: seconds, minutes:seconds or hours:minutes."""
    bottom = axes[-1]
    step_s = next((s for s in _STEPS_S if (end_s - start_s) / s <= 8), math.ceil((end_s - start_s) / 8))
    if end_s <= 120:
        unit, label = "s", lambda t, _: f"{t:g}"
    elif end_s < 3600 or step_s < 60:
        unit, label = "min:s", lambda t, _: f"{int(t) // 60}:{int(t) % 60:02d}"
    else:
        unit, label = "h:min", lambda t, _: f"{int(t) // 3600}:{int(t) // 60 % 60:02d}"
    bottom.set_xlim(start_s, end_s)
    bottom.xaxis.set_major_locator(MultipleLocator(step_s))
    bottom.xaxis.set_major_formatter(FuncFormatter(label))
    bottom.set_xlabel(f"time ({unit})", fontsize=8.5, color=INK)
    bottom.spines["bottom"].set(visible=True, color=INK, linewidth=0.6)
    for ax in axes[:-1]:
        ax.tick_params(axis="x", length=0, labelbottom=False)
