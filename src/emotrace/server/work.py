"""What a worker process does with one recording: decode within limits, predict, write the form that is asked for."""

from __future__ import annotations

import io
import json
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from emotrace import audio, plots, report
from emotrace.errors import AudioError, AudioFormatError, EmotraceError
from emotrace.inference import model as saved
from emotrace.inference import predictor
from emotrace.inference.model import Model
from emotrace.trace import Trace

MEDIA_TYPES = {"json": "application/json", "csv": "text/csv", "png": "image/png", "html": "text/html"}
"""The forms of an answer, and how HTTP calls them."""

_NAMELESS = ("audio stream", "audio bytes", "audio array", "the audio")


class RefusalError(EmotraceError):
    """A recording that no trace is made of.

    Attributes:
        status: HTTP's number for why.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status = status

    def __str__(self) -> str:
        return str(self.args[1])


def work(
    source: str | bytes, name: str, kind: str, model_name: str, max_s: float, bins: int
) -> tuple[bytes, float] | tuple[int, str]:
    """Answer one request; called in a process of its own, so that warnings, memory and crashes stay apart.

    Args:
        source: Path or bytes of an upload.
        name: How its sender calls it.
        kind: One of `MEDIA_TYPES`.
        model_name: A shipped model, or a model's folder.
        max_s: Longest recording.
        bins: Parts of the waveform in JSON; 0 leaves it out.

    Returns:
        The answer's bytes and the recording's seconds, or a status and one line on what is wrong.
    """
    try:
        with warnings.catch_warnings(record=True) as caught, tempfile.TemporaryFile() as scratch:
            warnings.simplefilter("always")
            samples = _decoded(source, name, max_s, scratch)
            chosen = _model(model_name)
            trace = predictor.predict(samples, audio.RATE_HZ, chosen)
            said = [str(each.message) for each in caught if issubclass(each.category, UserWarning)]
            said = [_unnamed(text, source) for text in dict.fromkeys(said)]
            return _WRITERS[kind](trace, samples, name, chosen, said, bins), len(samples) / audio.RATE_HZ
    except RefusalError as refusal:
        return refusal.status, str(refusal)
    except AudioFormatError as error:
        return 415, f"{name}: {_unnamed(str(error), source)}"
    except EmotraceError as error:
        return 422, f"{name}: {_unnamed(str(error), source)}"


def prepare(model_name: str) -> None:
    """Load a model and run it once, so that the first recording does not wait for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predictor.predict(np.zeros(audio.RATE_HZ, np.float32), audio.RATE_HZ, _model(model_name))


@cache
def _model(name: str) -> Model:
    return saved.load(name)


def _decoded(source: str | bytes, name: str, max_s: float, scratch: Any) -> np.ndarray:
    """Samples at 16 kHz in a file that is mapped, not in memory: an hour takes 230 MB."""
    count = 0
    for block in audio.blocks(source):
        count += len(block)
        if count > max_s * audio.RATE_HZ:
            raise RefusalError(413, f"{name}: lasts longer than {max_s / 60:g} minutes, the most that is taken; cut it")
        block.astype(np.float32).tofile(scratch)
    if not count:
        raise AudioError("audio stream: holds no audio samples; record or export it again")
    scratch.flush()
    return np.memmap(scratch, np.float32, "r", shape=(count,))


def _unnamed(text: str, source: str | bytes) -> str:
    """A message without what stands for the name of a source that has none."""
    for name in (source, *_NAMELESS):
        text = text.removeprefix(f"{name}: ") if isinstance(name, str) else text
    return text


def _json(trace: Trace, samples: np.ndarray, name: str, model: Model, said: list[str], bins: int) -> bytes:
    waveform = plots.envelope(_blocks(samples), trace.duration_s, bins) if bins else None
    return json.dumps(report.content(trace, name, model, said, waveform)).encode()


def _csv(trace: Trace, samples: np.ndarray, name: str, model: Model, said: list[str], bins: int) -> bytes:
    text = io.StringIO()
    trace.to_csv(text)
    return text.getvalue().encode()


def _png(trace: Trace, samples: np.ndarray, name: str, model: Model, said: list[str], bins: int) -> bytes:
    file = io.BytesIO()
    waveform = plots.envelope(_blocks(samples), trace.duration_s)
    plots.plot_trace(trace, waveform, name).savefig(file, format="png", dpi=300)
    return file.getvalue()


def _html(trace: Trace, samples: np.ndarray, name: str, model: Model, said: list[str], bins: int) -> bytes:
    waveform = plots.envelope(_blocks(samples), trace.duration_s, report.WAVEFORM_BINS)
    told = report.content(trace, name, model, said, waveform)
    return report.recording(told, _blocks(samples)).encode()


def _blocks(samples: np.ndarray) -> Any:
    return audio.blocks(samples, audio.RATE_HZ)


_WRITERS: dict[str, Callable[[Trace, np.ndarray, str, Model, list[str], int], bytes]] = {
    "json": _json,
    "csv": _csv,
    "png": _png,
    "html": _html,
}
