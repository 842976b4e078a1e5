"""`emotrace stream`: sound as it arrives to a line of JSON every 40 ms."""

import json
import os
import select
import signal
import socket
import sys
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

import click

from emotrace.errors import AudioError

if TYPE_CHECKING:
    import numpy as np

    from emotrace.inference.streaming import Stream
    from emotrace.trace import Trace

_KINDS = {"s16le": "<i2", "f32le": "<f4"}
_FILES = {
    b"RIFF": "a WAV",
    b"RF64": "an RF64",
    b"riff": "a W64",
    b"FORM": "an AIFF",
    b"caff": "a CAF",
    b".snd": "an AU",
    b"fLaC": "a FLAC",
    b"OggS": "an Ogg",
    b"ID3\x02": "an MP3",
    b"ID3\x03": "an MP3",
    b"ID3\x04": "an MP3",
    b"\x1a\x45\xdf\xa3": "a Matroska or WebM",
}
# Of MPEG's version 1, and of versions 2 and 2.5.
_MP3_KBIT = (
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_MP3_RATES_HZ = (44100, 48000, 32000)
# How many must follow each other: the bytes of a sample of -1025 are those that many an MP3 begins with.
_MP3_FRAMES = 3
_READ_BYTES = 1 << 16
_BLOCK_S = 0.04


@click.command()
@click.option("--model", default="live", show_default=True, help="A shipped model, or a model's folder.")
@click.option("--rate", default=16000, show_default=True, type=click.IntRange(1), metavar="HZ", help="Sample rate.")
@click.option("--channels", default=1, show_default=True, type=click.IntRange(1), help="Interleaved; averaged.")
@click.option(
    "--format",
    "kind",
    default="s16le",
    show_default=True,
    type=click.Choice(list(_KINDS)),
    help="Of standard input: 16-bit integers or 32-bit floats, little-endian.",
)
@click.option(
    "--microphone",
    is_flag=False,
    flag_value="",
    metavar="[DEVICE]",
    help="Listen to a microphone, the system's or one by number or name, and not to standard input.",
)
def stream(model: str, rate: int, channels: int, kind: str, microphone: str | None) -> None:
    """Turn sound into a trace while it arrives.

    Reads raw PCM from standard input and writes one JSON object a line, every 40 ms: time_s, the start of the frame,
    arousal, valence, their SD, and latency_s, how much sound after time_s had to be heard for it. Ends with the input,
    or on Ctrl-C, with the frames that were still waiting. Standard error says when the last 10 s begin to be unlike
    speech, and when that no longer holds.
    """
    from emotrace.inference.streaming import Stream

    if microphone is None and sys.stdin.isatty():
        raise AudioError("standard input is a terminal; pipe raw PCM in, or give --microphone")
    live = Stream(model, rate, channels)
    with _Interrupts() as interrupts:
        heard = _piped(kind, channels, interrupts) if microphone is None else _recorded(microphone, rate, channels)
        try:
            for samples in interrupts.until_asked(heard):
                _print(_pushed(live, samples, kind if microphone is None else None), live)
            _print(live.finish(), live)
        except BrokenPipeError:
            # Whoever read the lines has gone. Nothing is left to be written when Python closes standard output.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _pushed(live: "Stream", samples: "np.ndarray", kind: str | None) -> "Trace":
    """What a push gives; a sample that is none is a sign that the bytes are not of the ``kind`` that was stated."""
    try:
        return live.push(samples)
    except AudioError as error:
        raise AudioError(f"{error}, or give another --format than {kind}" if kind else str(error)) from None


def _print(trace: "Trace", live: "Stream") -> None:
    columns: dict[str, list[Any]] = trace.columns()
    for row in zip(*columns.values(), strict=True):
        line = dict(zip(columns, row, strict=True)) | {"latency_s": round(live.latency_s, 4)}
        sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    for time_s, warnings in live.changes:
        text = f"warning: at {time_s:.1f} s: {warnings[0]}" if warnings else f"at {time_s:.1f} s: the warning is over"
        click.echo(text, err=True)


class _Interrupts:
    """Ctrl-C breaks off waiting for sound, never the work on what was heard."""

    def __init__(self) -> None:
        self._waiting = self._asked = False

    def __enter__(self) -> Self:
        self._woken, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self._before = signal.signal(signal.SIGINT, self._handle)
        self._before_fd = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *error: object) -> None:
        signal.set_wakeup_fd(self._before_fd)
        signal.signal(signal.SIGINT, self._before)
        self._woken.close()
        self._wake.close()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if self._waiting:
            self._waiting = False
            raise KeyboardInterrupt

    def wait_for_input(self) -> None:
        """Until standard input has something or Ctrl-C is pressed, also where it was just before a read would begin.

        Python hears a signal between two of its instructions: one that comes between the last of them and the read
        would wait with it for more input.
        """
        try:
            select.select([sys.stdin, self._woken], [], [])
        except (OSError, ValueError):
            return  # Windows can't wait for a pipe, and nobody need wait for what stands in for one.

    def until_asked(self, pieces: Iterator["np.ndarray"]) -> Iterator["np.ndarray"]:
        """The pieces up to the first Ctrl-C."""
        while True:
            try:
                self._waiting = True
                piece = None if self._asked else next(pieces, None)
                self._waiting = False
            except KeyboardInterrupt:
                return
            if piece is None:
                return
            yield piece


def _piped(kind: str, channels: int, interrupts: _Interrupts) -> Iterator["np.ndarray"]:
    """Samples (n, channels) from standard input as they come."""
    import numpy as np

    size = np.dtype(_KINDS[kind]).itemsize * channels
    rest, first = b"", True
    while data := _read(interrupts):
        if first and (file := _file(data)):
            raise AudioError(f"standard input is {file} file, not raw PCM; use 'emotrace predict', or decode it first")
        first = False
        data = rest + data
        whole = len(data) // size * size
        rest = data[whole:]
        yield np.frombuffer(data[:whole], _KINDS[kind]).reshape(-1, channels)
    if rest:
        click.echo(
            f"warning: the input ends within a sample: its last {len(rest)} of {size} bytes are left out; "
            "check --format and --channels",
            err=True,
        )


def _file(data: bytes) -> str | None:
    """Which kind of file begins with these bytes; None for samples."""
    if data[4:8] == b"ftyp":
        return "an MP4"
    return _FILES.get(data[:4]) or ("an MP3" if _is_mp3(data) else None)


def _is_mp3(data: bytes) -> bool:
    """Whether frames follow each other, their headers once in each: in a periodic sound any bytes come again."""
    at = 0
    for _ in range(_MP3_FRAMES):
        header = data[at : at + 4]
        length = _mp3_frame_bytes(header)
        if not length or data.count(header, at, at + length) > 1:
            return False
        at += length
    return True


def _mp3_frame_bytes(header: bytes) -> int:
    """How long the frame is that begins with these four bytes (ISO/IEC 11172-3, layer III); 0 if none does."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    version, kbit, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or kbit in (0, 15) or rate == 3:
        return 0
    first = version == 3  # 2 stands for version 2, 0 for 2.5
    rate_hz = _MP3_RATES_HZ[rate] // (1 if first else 4 - version)
    return (144 if first else 72) * 1000 * _MP3_KBIT[not first][kbit - 1] // rate_hz + (header[2] >> 1 & 1)


def _read(interrupts: _Interrupts) -> bytes:
    interrupts.wait_for_input()
    return sys.stdin.buffer.read1(_READ_BYTES)  # type: ignore[union-attr]


def _recorded(device: str, rate_hz: int, channels: int) -> Iterator["np.ndarray"]:
    """Samples (n, channels) from a microphone, 40 ms at a time, without end."""
    sounddevice = _sounddevice()
    chosen = int(device) if device.isdigit() else device or None
    block = round(_BLOCK_S * rate_hz)
    try:
        with sounddevice.InputStream(rate_hz, block, chosen, channels, "float32") as microphone:
            heard = 0
            while True:
                samples, overrun = microphone.read(block)
                if overrun:
                    click.echo(
                        f"warning: the microphone overran before {heard / rate_hz:.2f} s: sound is lost", err=True
                    )
                heard += len(samples)
                yield samples
    except (sounddevice.PortAudioError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise AudioError(f"microphone: {reason}; check --microphone, --rate and --channels") from None


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ModuleNotFoundError:
        raise AudioError('microphone: needs the package sounddevice; run: pip install "emotrace[live]"') from None
    except OSError as error:
        raise AudioError(
            f"microphone: {error}; install PortAudio (on Debian and Ubuntu: apt install libportaudio2)"
        ) from None
    return sounddevice
