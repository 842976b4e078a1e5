"""Pages to look at: one recording with its sound, or a study of many; each one file that needs nothing else.

`recording` and `study` return HTML. Style, drawing code, data, sound and the plotting library (plotly's JavaScript, as
the Python package of that name brings it) are all inside, so that a page can be mailed, archived and opened offline.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from emotrace import audio, plots
from emotrace.audio import RATE_HZ
from emotrace.errors import EmotraceError
from emotrace.inference.model import Model
from emotrace.output import shown, write_atomically
from emotrace.trace import FRAME_S, Trace

if TYPE_CHECKING:
    import jinja2

PAGES = Path(__file__).parent / "pages"
"""Style and drawing code, which `emotrace.server` serves too."""

SOUND_LIMIT_S = 3600.0
"""Longer recordings are left out of their page: an hour is 19 MB of it, about what a mail may weigh."""

WAVEFORM_BINS = 2000

# With these libsndfile writes 32 kbit/s: 0.24 MB a minute, speech still sounds like itself. Why MP3: every browser
# plays it, Safari only lately plays Opus in Ogg, FLAC is four times larger. Why a constant rate: a browser seeks in a
# variable one by estimate, and the cursor would drift away from the sound. (The encoder's delay, 0.07 s, stays.)
_MP3: dict[str, Any] = {
    "format": "MP3",
    "subtype": "MPEG_LAYER_III",
    "compression_level": 0.85,
    "bitrate_mode": "CONSTANT",
}
_CAUTION = (
    "An estimate from the voice alone, by networks trained on the speech named here. On other speech trust the course "
    "of a trace more than its level; do not judge a person by it."
)


def content(
    trace: Trace,
    name: str,
    model: Model | None = None,
    warnings: Sequence[str] = (),
    waveform: np.ndarray | None = None,
) -> dict[str, Any]:
    """Everything that a page shows of a recording but its sound, as plain values for JSON.

    Args:
        trace: What to show.
        name: The recording's.
        model: What made the trace, where that is known.
        warnings: One line each; those of the trace by default.
        waveform: An `emotrace.plots.envelope`, shape (bins, 2).

    Returns:
        The columns of the trace's CSV as lists, and ``name``, ``duration_s``, ``frame_s``, ``unit_range``, ``targets``,
        ``summary`` (mean, sd, min, max and, where known, mean spread of each target), ``warnings``, ``model``, and
        ``waveform`` (``low`` and ``high`` of equal parts of the recording) where one is given.
    """
    summary = trace.summary()
    if trace.spread is not None:
        for target, spread in zip(trace.targets, trace.spread.T, strict=True):
            summary[target]["spread"] = float(spread.mean())
    told: dict[str, Any] = {
        "name": name,
        "duration_s": round(trace.duration_s, 6),
        "frame_s": trace.frame_s,
        "unit_range": list(trace.unit_range),
        "targets": list(trace.targets),
        "summary": {t: {key: round(value, 4) for key, value in row.items()} for t, row in summary.items()},
        "warnings": list(warnings or trace.warnings),
        "model": None if model is None else card(model),
    }
    if waveform is not None:
        told["waveform"] = {"low": waveform[:, 0].round(4).tolist(), "high": waveform[:, 1].round(4).tolist()}
    return told | trace.columns()


def card(model: Model) -> dict[str, Any]:
    """A model's card in short: what it is, what it was trained on, how far it sees, in seconds."""
    return {
        "name": model.name,
        "targets": [target.name for target in model.targets],
        "trained_on": str(model.card.get("summary", "unstated")),
        "licence": str(model.card.get("licence", "unstated")),
        "sees_before_s": round(model.reach[0] * FRAME_S, 2),
        "sees_after_s": round(model.reach[1] * FRAME_S, 2),
        "caution": _CAUTION,
    }


def recording(told: Mapping[str, Any], blocks: Iterable[np.ndarray] | None = None) -> str:
    """One recording as a page: player and traces in step, the arousal-valence plane, summary, warnings, model.

    Args:
        told: The `content`.
        blocks: The sound, mono at 16 kHz; without it, or where it lasts longer than `SOUND_LIMIT_S`, the page asks for
            the recording's file when it is to be heard.

    Returns:
        HTML: about 2 MB, and a third of a megabyte a minute of sound and trace.

    Raises:
        EmotraceError: plotly or jinja2 is not installed.
    """
    sound = _mp3(blocks) if blocks is not None and told["duration_s"] <= SOUND_LIMIT_S else None
    return _page("recording.html", told, ("view.js", "recording.js"), told=told, sound=_base64(sound or b""))


def write(
    trace: Trace,
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    model: Model | None = None,
    warnings: Sequence[str] = (),
    *,
    force: bool = False,
) -> None:
    """Write the page of one recording, whole or not at all.

    Args:
        trace: The recording's.
        source: Its file, which is read for its sound.
        path: The output.
        model: What made the trace.
        warnings: One line each.
        force: Replace an existing file.

    Raises:
        AudioError: The recording cannot be read any more.
        EmotraceError: plotly or jinja2 is not installed, the file exists and ``force`` is not given, or it cannot be
            written.
    """
    waveform = plots.envelope(audio.blocks(source), trace.duration_s, WAVEFORM_BINS)
    page = recording(content(trace, shown(Path(source).name), model, warnings, waveform), audio.blocks(source))
    write_atomically(path, lambda file: file.write(page), force=force)


def study(recordings: Sequence[Mapping[str, Any]], title: str) -> str:
    """Many recordings on a page: how they are distributed, a sortable table, every course in small, links.

    Args:
        recordings: Of each, what `study_entry` returns.
        title: Heading of the page.

    Returns:
        HTML.

    Raises:
        EmotraceError: plotly or jinja2 is not installed, there is no recording, or they differ in targets or scale.
    """
    if not recordings:
        raise EmotraceError("no recording to report; give traces that emotrace predict wrote")
    first = recordings[0]
    for entry in recordings:
        for key, what in (("targets", "targets"), ("unit_range", "scale")):
            if entry[key] != first[key]:
                raise EmotraceError(
                    f"{entry['name']}: has another {what} than {first['name']} ({entry[key]}, {first[key]}); "
                    "report them apart"
                )
    return _page("study.html", list(recordings), ("view.js", "study.js"), recordings=recordings, title=title)


def study_entry(trace: Trace, name: str, link: str | None = None) -> dict[str, Any]:
    """What a study shows of a recording.

    Args:
        trace: The recording's.
        name: How to call it.
        link: Address of a page on it alone, relative to the study's page.

    Returns:
        Plain values: summary, warnings, counts of frames in 40 equal parts of the scale, and the course as 120 means at
        most.
    """
    low, high = trace.unit_range
    told = content(trace, name)
    kept = ("name", "duration_s", "unit_range", "targets", "summary", "warnings")
    counts = {t: np.histogram(np.clip(trace[t], low, high), 40, (low, high))[0].tolist() for t in trace.targets}
    course = {t: _means(trace[t]) for t in trace.targets}
    return {key: told[key] for key in kept} | {"link": link, "counts": counts, "course": course}


def _means(values: np.ndarray, parts: int = 120) -> list[float]:
    pieces = np.array_split(values.astype(np.float64), min(parts, len(values)))
    return [round(float(piece.mean()), 3) for piece in pieces]


def reproduction(sections: Sequence[Mapping[str, Any]], title: str, subtitle: str, caution: str | None = None) -> str:
    """Tables and figures of a reproduction on a page, without any script.

    Args:
        sections: Of each ``name``, ``title``, ``columns``, ``rows`` and ``notes``, cells being text with ``**`` around
            what is bold; and, where there is a figure, ``picture`` (PNG bytes) and ``width`` in pixels of a screen.
        title: Heading of the page.
        subtitle: Beside it.
        caution: What must not be missed.

    Returns:
        HTML.

    Raises:
        EmotraceError: jinja2 is not installed.
    """
    shown = [{**each, "picture": _base64(each.get("picture") or b"")} for each in sections]
    style = (PAGES / "style.css").read_text(encoding="utf-8")
    template = _environment().get_template("reproduction.html")
    return template.render(sections=shown, title=title, subtitle=subtitle, caution=caution, style=style)


def plotting_code() -> bytes:
    """plotly's JavaScript, as its Python package brings it.

    Raises:
        EmotraceError: plotly is not installed.
    """
    offline = _web_package("plotly.offline")
    code: str = offline.get_plotlyjs()
    return code.encode()


def _page(template: str, data: object, scripts: Sequence[str], **values: Any) -> str:
    environment = _environment()
    return environment.get_template(template).render(
        style=(PAGES / "style.css").read_text(encoding="utf-8"),
        code="\n".join((PAGES / name).read_text(encoding="utf-8") for name in scripts),
        plotting=_packed_plotting_code(),
        data=_packed(json.dumps(data).encode()),
        **values,
    )


def _environment() -> jinja2.Environment:
    templates = _web_package("jinja2")
    environment: jinja2.Environment = templates.Environment(
        loader=templates.FileSystemLoader(PAGES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"clock": clock, "signed": _signed, "points": _points, "bold": _bold}
    return environment


def clock(seconds: float) -> str:
    """Say a duration as 0:07, 12:30 or 1:02:30."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _signed(value: float) -> str:
    # Adding zero turns -0.0 into 0.0.
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", "−")


def _bold(text: str) -> Any:
    """What stands between ``**`` in bold; the rest is escaped."""
    markup = _web_package("markupsafe")
    parts = [markup.escape(part) for part in text.split("**")]
    return markup.Markup("").join(
        markup.Markup("<b>{}</b>").format(part) if i % 2 else part for i, part in enumerate(parts)
    )


def _points(values: Sequence[float], unit_range: Sequence[float]) -> str:
    """A course as the points of an SVG polyline in a box of 120 by 32."""
    low, high = unit_range
    step = 120 / max(1, len(values) - 1)
    return " ".join(f"{i * step:.1f},{32 * (high - value) / (high - low):.1f}" for i, value in enumerate(values))


def _web_package(name: str) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        package = name.split(".")[0]
        raise EmotraceError(f'pages need {package}, which is not installed; run: pip install "emotrace[web]"') from None


@cache
def _packed_plotting_code() -> str:
    return _packed(plotting_code())


def _packed(data: bytes) -> str:
    """Compressed, as text: a third of the size, and nothing in it can end the element that it stands in."""
    return _base64(gzip.compress(data, mtime=0))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _mp3(blocks: Iterable[np.ndarray]) -> bytes:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", RATE_HZ, 1, **_MP3) as sound:
        for block in blocks:
            sound.write(np.clip(block, -1, 1))
    return file.getvalue()
