"""Audio from a file, bytes or an array, as blocks of mono float32 at 16 kHz; length costs no memory."""

from __future__ import annotations

import glob
import io
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, cast

import numpy as np
import soundfile
import soxr

from emotrace.errors import AudioError, AudioFormatError
from emotrace.output import spooled

RATE_HZ = 16000

_SOUND = (
    ".wav",
    ".wave",
    ".w64",
    ".rf64",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".aif",
    ".aiff",
    ".aifc",
)
_MEDIA = (
    ".m4a",
    ".mp4",
    ".m4v",
    ".mov",
    ".webm",
    ".mkv",
    ".mka",
    ".aac",
    ".wma",
    ".amr",
    ".3gp",
    ".avi",
    ".mpg",
)
SUFFIXES = frozenset((*_SOUND, ".au", ".caf", ".sph", *_MEDIA, ".mpeg"))

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | np.ndarray

_RATES_HZ = (1_000, 1_000_000)
# Float files may exceed full scale, but beyond this neither a mean nor a resampler is safe from overflow.
_LOUDEST = 1e9
# Small, since all of the read that meets damage is lost.
_READ_FRAMES = 1 << 14
# Caps a block, so that many channels or a high rate cost no more memory.
_BLOCK_VALUES = 1 << 22
# How long and in which steps a resampler is tried out.
_PROBE_S = 4.0
_PROBE_STEP_S = 0.001
# More than writers miscount by: the length of a WAV's header, one or two of an MP3's frames of 72 ms at most.
_LACKING_S = 0.2
# A WAV that went through a pipe states a size near one of these, or 0.
_UNKNOWN_BYTES = (1 << 31, 1 << 32)
_MOST_CHUNKS = 1000
# An MP3's count of its frames, where it is there and not 0. Without one libsndfile guesses: four times too many, say.
_COUNTED = re.compile(rb"(?:Xing|Info)\0\0\0[\1\3\5\7\x09\x0b\x0d\x0f](?!\0\0\0\0)")
_OGG_PAGE_BYTES = 27 + 255 + 255 * 255
# What is left of channels, by what would be of unrelated ones; of two, this is what a correlation of -0.95 leaves.
_CANCELLED = 0.05
# Power below this is that of a 16-bit file's rounding.
_FAINT = 1e-10
# Every so many rows are enough to know power by.
_POWER_STEP = 8
# Named, so that text never passes for headerless PCM and no playlist makes FFmpeg open other files.
_CONTAINERS = "aac,ac3,aiff,amr,asf,au,avi,caf,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,w64,wav"


def blocks(source: Source, rate_hz: float | None = None, *, block_s: float = 30.0) -> Iterator[np.ndarray]:
    """Yield audio as consecutive blocks of mono samples at 16 kHz, whatever its rate, channels or container.

    Args:
        source: A path, the bytes of a file, a binary file object, or samples of shape (n,) or (n, channels):
            floats, or int16, int32 or uint8, which are scaled to [-1, 1].
        rate_hz: Sample rate of an array; a file states its own.
        block_s: About how long a block is, in seconds; how samples are cut, never how many there are.

    Yields:
        float32 of shape (n,), n > 0, finite; channels are averaged.

    Raises:
        AudioError: Nothing readable in the source, or a sample that is NaN, infinite or absurdly large.
        ValueError: ``block_s`` is not positive.
    """
    if not block_s > 0:
        raise ValueError(f"block_s is {block_s}; it must be positive")
    name = _name(source)
    length = 0
    for block in _resampled(_mono(_decoded(source, name, rate_hz, block_s), name)):
        length += len(block)
        yield block
    if not length:
        raise AudioError(f"{name}: holds no audio samples; record or export it again")


def load(source: Source, rate_hz: float | None = None) -> np.ndarray:
    """Read a whole source into memory: the `blocks`, joined.

    Args:
        source: As for `blocks`.
        rate_hz: As for `blocks`.

    Returns:
        float32 of shape (samples,) at 16 kHz.

    Raises:
        AudioError: As for `blocks`.
    """
    return np.concatenate(list(blocks(source, rate_hz)))


def find(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """List the audio files that files, folders and glob patterns stand for.

    Args:
        paths: Files, taken whatever their suffix; folders, searched for `SUFFIXES` in all depths except what
            is hidden; glob patterns (``**`` for any depth).

    Returns:
        Paths in the given order, sorted within each folder or pattern, none twice.

    Raises:
        AudioError: A file that is not there, or a folder or pattern that holds no audio.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    return list(dict.fromkeys(found for path in paths for found in _expanded(Path(path))))


def _expanded(path: Path) -> list[Path]:
    if path.is_dir():
        found = [file for file in path.rglob("*") if _visible_audio(file, path)]
        missing = "no audio in this folder"
    elif path.exists():
        return [path]
    elif glob.has_magic(str(path)):
        found = [Path(match) for match in glob.glob(str(path), recursive=True)]
        found = [file for file in found if _visible_audio(file, file.parent)]
        missing = "no audio matches this pattern"
    else:
        raise AudioError(f"{path}: no such file or folder; check the path")
    if not found:
        raise AudioError(f"{path}: {missing}; looked for {' '.join(sorted(SUFFIXES))}")
    return sorted(found)


def _visible_audio(file: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
    return not hidden and file.suffix.lower() in SUFFIXES and file.is_file()


def _name(source: Source) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "audio bytes"
    if isinstance(source, np.ndarray):
        return "audio array"
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "audio stream"


def _reject_no_file(source: object) -> None:
    if not isinstance(source, (str, os.PathLike, bytes, bytearray, memoryview)) and not hasattr(source, "read"):
        raise AudioError(
            f"audio: a {type(source).__name__} cannot be read; give a path, bytes, a binary file, or an array, which "
            "numpy.asarray makes of a list"
        )


# (rate_hz, samples (n, channels)): the rate travels along, since PyAV knows it only with the first frame.
Chunk = tuple[float, np.ndarray]


def _decoded(source: Source, name: str, rate_hz: float | None, block_s: float) -> Iterator[Chunk]:
    if isinstance(source, np.ndarray):
        yield from _from_array(source, name, rate_hz, block_s)
        return
    _reject_no_file(source)
    if rate_hz is not None:
        raise AudioError(f"{name}: rate_hz is for arrays only; a file states its own rate, leave it out")
    if isinstance(source, (str, os.PathLike)):
        with _open(source, name) as file:
            yield from _from_file(_rewound(file, name), name, block_s)
    elif isinstance(source, (bytes, bytearray, memoryview)):
        yield from _from_file(_rewound(io.BytesIO(source), name), name, block_s)
    else:
        yield from _from_file(_rewound(source, name), name, block_s)


def _open(path: str | os.PathLike[str], name: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise AudioError(f"{name}: no such file; check the path") from None
    except IsADirectoryError:
        raise AudioError(f"{name}: is a folder, not an audio file; name the files in it") from None
    except PermissionError:
        raise AudioError(f"{name}: permission denied; make the file readable") from None
    except (OSError, ValueError) as error:
        raise AudioError(f"{name}: cannot be opened ({error}); check the path") from None


def _rewound(file: BinaryIO, name: str) -> BinaryIO:
    """Return the file at its start, and able to seek as every decoder needs; what comes by a pipe is spooled."""
    if isinstance(file.read(0), str):
        raise AudioError(f"{name}: is open as text; open it in binary mode")
    if not file.seekable():
        file = cast(BinaryIO, spooled(iter(partial(file.read, 1 << 20), b"")))
    if file.seek(0, os.SEEK_END) == 0:
        raise AudioError(f"{name}: is empty (0 bytes); record or download it again")
    file.seek(0)
    return file


def _from_array(samples: np.ndarray, name: str, rate_hz: float | None, block_s: float) -> Iterator[Chunk]:
    if rate_hz is None:
        raise AudioError(f"{name}: has no sample rate; give rate_hz")
    if samples.ndim not in (1, 2) or 0 in samples.shape[1:]:
        raise AudioError(f"{name}: has shape {samples.shape}; it must be (samples,) or (samples, channels)")
    if samples.ndim == 2 and samples.shape[1] > max(64, samples.shape[0]):
        raise AudioError(f"{name}: has shape {samples.shape}, channels before samples; transpose it")
    table = samples.reshape(len(samples), -1) if len(samples) else samples.reshape(0, 1)
    rows = _block_frames(name, rate_hz, table.shape[1], block_s)
    for start in range(0, len(table), rows):
        yield rate_hz, _as_float(table[start : start + rows], name)


def _as_float(samples: np.ndarray, name: str) -> np.ndarray:
    if np.issubdtype(samples.dtype, np.floating):
        with np.errstate(over="ignore"):
            return samples.astype(np.float32, copy=False)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if samples.dtype in (np.int16, np.int32):
        return samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    raise AudioError(f"{name}: holds {samples.dtype}; convert it to float32 in [-1, 1], int16, int32 or uint8")


class _Sequential(soundfile.SoundFile):
    """A sound file read from start to end; soundfile otherwise seeks after every read, which corrupts MP3."""

    def seekable(self) -> bool:
        return False


def _from_file(file: BinaryIO, name: str, block_s: float) -> Iterator[Chunk]:
    """Decode by libsndfile, and by FFmpeg what libsndfile does not know or gets nothing out of."""
    sound = _sound_file(file)
    if sound is not None:
        heard = False
        with sound:
            for chunk in _gathered(_sound_frames(sound, file, name), name, block_s):
                heard = True
                yield chunk
        if heard:
            return
    file.seek(0)
    try:
        yield from _from_media(file, name, block_s)
    except AudioError:
        if sound is None:
            raise


def _descriptor(file: BinaryIO) -> int | None:
    """The system's number of a real file, which libsndfile reads by itself.

    From any other it reads through callbacks into Python, in which a Ctrl-C is lost and passes for the file's end.
    """
    if os.name == "nt":  # libsndfile may have another C library's numbers there
        return None
    try:
        number = file.fileno()
        os.lseek(number, 0, os.SEEK_SET)
    except (OSError, AttributeError):
        return None
    return number


def _sound_file(file: BinaryIO) -> _Sequential | None:
    number = _descriptor(file)
    try:
        return _Sequential(file if number is None else number, closefd=False)
    except (soundfile.SoundFileError, TypeError):  # TypeError: soundfile asks for more on a name in .raw
        return None


def _sound_frames(sound: _Sequential, file: BinaryIO, name: str) -> Iterator[Chunk]:
    frames = 0
    # The same numbers, but libsndfile takes three times as long to make floats of 16 bits.
    dtype = "int16" if sound.subtype == "PCM_16" else "float32"
    try:
        while len(samples := sound.read(_READ_FRAMES, dtype=dtype, always_2d=True)):
            frames += len(samples)
            yield sound.samplerate, _as_float(samples, name)
        damaged = _is_cut_off(file, sound, frames)
    except soundfile.SoundFileError:
        damaged = True
    if damaged and frames:
        _warn_damaged(name, frames / sound.samplerate)


def _is_cut_off(file: BinaryIO, sound: _Sequential, frames: int) -> bool:
    """Whether a file says for certain that it went on behind the frames that were read."""
    if sound.format == "OGG":
        return _ends_within_page(file)
    stated = 0.0
    if sound.format in ("WAV", "WAVEX"):
        stated = frames * _stated_share(file)
    elif sound.format == "MP3" and _states_frames(file):
        stated = sound.frames
    return stated - frames > _LACKING_S * sound.samplerate


def _stated_share(file: BinaryIO) -> float:
    """How many times the sound's bytes that are there a WAV's header states; 1 where it states nothing that holds.

    libsndfile would say, but makes the statement fit the file.
    """
    end, at = _size(file), 12
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        kind, stated = file.read(4), int.from_bytes(file.read(4), "little")
        at += 8
        if kind == b"data" and at < end and all(abs(stated - size) >= 1 << 16 for size in _UNKNOWN_BYTES):
            return stated / (end - at)
        at += stated + stated % 2
        if kind == b"data" or at >= end:
            break
    return 1.0


def _states_frames(file: BinaryIO) -> bool:
    """Whether an MP3's first frame holds their count."""
    file.seek(0)
    head = file.read(10)
    if head.startswith(b"ID3"):
        file.seek(10 + sum(byte << 7 * place for place, byte in enumerate(head[:5:-1])))
    return _COUNTED.search(head + file.read(64)) is not None


def _ends_within_page(file: BinaryIO) -> bool:
    """Whether an Ogg file's last page is not all there. Whole ones may lack the mark of the end: that says nothing."""
    file.seek(max(0, _size(file) - _OGG_PAGE_BYTES))
    tail = file.read()
    at = tail.rfind(b"OggS\0")
    page = tail[at:]
    return at >= 0 and (len(page) < 27 or 27 + page[26] + sum(page[27 : 27 + page[26]]) > len(page))


def _size(file: BinaryIO) -> int:
    file.seek(0, os.SEEK_END)
    return file.tell()


def _from_media(file: BinaryIO, name: str, block_s: float) -> Iterator[Chunk]:
    av = _pyav(name)
    try:
        # No protocol: whatever a container refers to outside itself stays closed.
        options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "none"}
        with av.open(file, mode="r", options=options) as container:
            if not container.streams.audio:
                raise AudioFormatError(f"{name}: has no audio track; give a recording with sound")
            yield from _gathered(_media_frames(av, container, name), name, block_s)
    except av.FFmpegError:
        raise AudioFormatError(f"{name}: is not audio that can be decoded; convert it to WAV, FLAC or MP3") from None


def _pyav(name: str) -> ModuleType:
    try:
        import av
    except ImportError:
        raise AudioFormatError(
            f"{name}: is not WAV, FLAC, OGG, MP3 or AIFF; if it is another kind of audio or video, "
            'run: pip install "emotrace[media]"'
        ) from None
    return av


def _media_frames(av: ModuleType, container: Any, name: str) -> Iterator[Chunk]:
    as_float = av.AudioResampler(format="flt")
    decoded_s = 0.0
    try:
        for frame in container.decode(audio=0):
            for part in as_float.resample(frame):
                decoded_s += part.samples / part.sample_rate
                yield part.sample_rate, part.to_ndarray().reshape(part.samples, -1)
    except (av.FFmpegError, ValueError):  # ValueError: the rate or the channels change on the way
        if decoded_s:
            _warn_damaged(name, decoded_s)
    if not decoded_s:
        raise AudioFormatError(f"{name}: no audio can be decoded from it; convert it to WAV, FLAC or MP3")


def _gathered(frames: Iterator[Chunk], name: str, block_s: float) -> Iterator[Chunk]:
    """Join the small pieces that a decoder gives to chunks of about a block."""
    waiting: list[np.ndarray] = []
    count = 0
    rate_hz = 0.0
    for rate_hz, samples in frames:
        waiting.append(samples)
        count += len(samples)
        if count >= _block_frames(name, rate_hz, samples.shape[1], block_s):
            yield rate_hz, np.concatenate(waiting)
            waiting, count = [], 0
    if waiting:
        yield rate_hz, np.concatenate(waiting)


def _block_frames(name: str, rate_hz: float, channels: int, block_s: float) -> int:
    low, high = _RATES_HZ
    if not low <= rate_hz <= high:
        raise AudioError(f"{name}: states a sample rate of {rate_hz} Hz; correct it, {low} to {high} Hz are read")
    return max(1, min(int(min(block_s, 3600) * rate_hz), _BLOCK_VALUES // channels))


def _warn_damaged(name: str, good_s: float) -> None:
    warnings.warn(f"{name}: damaged after {good_s:.2f} s; the rest is left out", stacklevel=3)


def _mono(chunks: Iterator[Chunk], name: str) -> Iterator[Chunk]:
    """Average the channels, refuse samples that no feature survives, and warn where little of the channels is left."""
    start = 0
    left = unrelated = 0.0
    for rate_hz, samples in chunks:
        mono = _averaged(samples, name, rate_hz, start)
        start += len(mono)
        if samples.shape[1] > 1:
            left += len(mono) * _power(mono[::_POWER_STEP, None])
            unrelated += len(mono) * _power(samples[::_POWER_STEP]) / samples.shape[1]
        yield rate_hz, mono
    if left + start * _FAINT < _CANCELLED * unrelated:
        warnings.warn(
            f"{name}: its channels cancel each other, as if one had opposite polarity; give one channel alone",
            stacklevel=2,
        )


def _power(samples: np.ndarray) -> float:
    """The mean variance of the channels of (n, channels) samples, without the offsets that cheap converters add."""
    exact = samples.astype(np.float64)
    # NumPy's var takes ten times as long on rows this short.
    squares = np.einsum("ij,ij->j", exact, exact) / len(exact)
    offsets = np.einsum("ij->j", exact) / len(exact)
    return float((squares - offsets**2).mean())


def _averaged(samples: np.ndarray, name: str, rate_hz: float, start: int) -> np.ndarray:
    """The mean of the channels of (n, channels) samples, the first of which is number ``start``."""
    channels = samples.shape[1]
    # inf - inf on the way is no surprise: it turns NaN, which the next lines report.
    with np.errstate(all="ignore"):
        mono: np.ndarray = samples @ np.full(channels, 1 / channels, np.float32) if channels > 1 else samples[:, 0]
        loudest = max(-mono.min(), mono.max())
    if not loudest <= _LOUDEST:
        first = int(np.argmin(np.abs(mono) <= _LOUDEST))
        at_s = (start + first) / rate_hz
        raise AudioError(f"{name}: the sample at {at_s:.3f} s is {mono[first]:g}; repair or export it again")
    return mono


def _resampled(chunks: Iterator[Chunk]) -> Iterator[np.ndarray]:
    stream: soxr.ResampleStream | None = None
    for rate_hz, samples in chunks:
        if rate_hz == RATE_HZ:
            yield samples
            continue
        if stream is None:
            stream = _resampler(rate_hz)
        ready = stream.resample_chunk(np.ascontiguousarray(samples))
        if len(ready):
            yield ready
    if stream is not None:
        rest = stream.resample_chunk(np.empty(0, np.float32), last=True)
        if len(rest):
            yield rest


def _resampler(rate_hz: float) -> soxr.ResampleStream:
    return soxr.ResampleStream(rate_hz, RATE_HZ, 1, dtype="float32", quality="HQ")


class Stream:
    """Audio that arrives in pieces as mono samples at 16 kHz: the same samples as `blocks`, whatever the pieces.

    Attributes:
        delay_s: How much sound at most is held back by resampling; 0 at 16 kHz.

    Raises:
        AudioError: A rate that is not read, or no channel.
    """

    def __init__(self, rate_hz: float = RATE_HZ, channels: int = 1) -> None:
        if channels < 1:
            raise AudioError(f"live audio: has {channels} channels; it must have one or more")
        _block_frames("live audio", rate_hz, channels, 1.0)
        self.rate_hz, self.channels = rate_hz, channels
        self._taken = 0
        self._resampler = None if rate_hz == RATE_HZ else _resampler(rate_hz)
        self.delay_s = 0.0 if rate_hz == RATE_HZ else _resampling_delay_s(rate_hz)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take (n,) or (n, channels) samples as `blocks` takes arrays; give the float32 samples that are ready.

        Raises:
            AudioError: Another shape or type, or a sample that is NaN, infinite or absurdly large; nothing of
                ``samples`` is then taken.
        """
        table = np.asarray(samples)
        if table.ndim == 1 and self.channels == 1:
            table = table[:, None]
        if table.ndim != 2 or table.shape[1] != self.channels:
            shape = "(n,) or (n, 1)" if self.channels == 1 else f"(n, {self.channels})"
            raise AudioError(f"live audio: has shape {np.shape(samples)}; it must be {shape}")
        table = _as_float(table, "live audio")
        if not len(table):
            return np.empty(0, np.float32)
        mono = _averaged(table, "live audio", self.rate_hz, self._taken)
        self._taken += len(mono)
        return mono if self._resampler is None else self._resampler.resample_chunk(np.ascontiguousarray(mono))

    def finish(self) -> np.ndarray:
        """Give what resampling held back."""
        empty = np.empty(0, np.float32)
        return empty if self._resampler is None else self._resampler.resample_chunk(empty, last=True)


@cache
def _resampling_delay_s(rate_hz: float) -> float:
    """What a resampler holds back at most, tried out on seconds of silence: it works in blocks of its own choice."""
    step = max(1, round(_PROBE_STEP_S * rate_hz))
    resampler, silence = _resampler(rate_hz), np.zeros(step, np.float32)
    given = 0
    held_s = []
    for pushed in range(step, round(_PROBE_S * rate_hz), step):
        given += len(resampler.resample_chunk(silence))
        held_s.append(pushed / rate_hz - given / RATE_HZ)
    return max(held_s)
