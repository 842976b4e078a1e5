"""NOVA (.annotation and .annotation~), the continuous scheme of its documentation, data as ASCII.

The .annotation file is XML: scheme with name, rate and range, and the annotator. The file of the same name with ``~``
holds a line a frame, ``score;confidence``; frame i begins at i / rate seconds, so a rate is stored and no times. A
frame that was not rated is ``NaN;0``. One file holds one trace: several become ``name.target.rater.annotation``.
"""

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emotrace.annotation import Ratings
from emotrace.annotation.formats import UNNAMED, PathLike, Tier, joined, load_by, number, tiers
from emotrace.errors import TraceError
from emotrace.output import write_atomically


def write(
    path: PathLike, ratings: Sequence[Ratings], *, force: bool = False, unit_range: tuple[float, float] = (-1.0, 1.0)
) -> None:
    """Write a pair of files for each trace.

    Frames before the first rating are written as not rated, and a trace that begins later than 0 comes back with them.

    Args:
        path: of the .annotation file; with several traces the stem of their names.
        ratings: at a constant rate, every time a multiple of 1 / rate.
        force: replace existing files.
        unit_range: lowest and highest score of the scheme.

    Raises:
        TraceError: there is one frame, or times are not as above.
        EmotraceError: a file exists and `force` is not given, or it cannot be written.
    """
    found = tiers(path, ratings)
    for tier in found:
        _write_one(_own_name(Path(path), tier, alone=len(found) == 1), tier, force, unit_range)


def read(path: PathLike) -> list[Ratings]:
    """Read one pair of files.

    Raises:
        TraceError: one is missing or malformed, the scheme is not continuous, or the data is binary.
    """
    root = load_by(lambda file: ElementTree.parse(file).getroot(), path, "a NOVA annotation")
    scheme, info, meta = (root.find(tag) for tag in ("scheme", "info", "meta"))
    if scheme is None or scheme.get("type") != "CONTINUOUS":
        raise TraceError(f"{path}: not a continuous annotation; export a scheme of the type CONTINUOUS")
    if info is not None and info.get("ftype", "ASCII") != "ASCII":
        raise TraceError(f"{path}: its data is binary; save it as ASCII in NOVA")
    rate_hz = number(path, scheme.get("sr") or "", "the rate sr")
    if not rate_hz > 0:
        raise TraceError(f"{path}: the rate sr is {scheme.get('sr')!r}; it must be a positive number")
    scores = _scores(Path(f"{os.fspath(path)}~"))
    if info is not None and info.get("size", str(len(scores))) not in (str(len(scores)), "0"):
        raise TraceError(
            f"{path}~: has {len(scores)} frames, its header says {info.get('size')}; copy both files again"
        )
    rater = (meta.get("annotator") if meta is not None else None) or UNNAMED
    tier: Tier = (scheme.get("name") or "rating", rater, np.arange(len(scores)) / rate_hz, scores)
    return joined(path, [tier])


def _write_one(path: Path, tier: Tier, force: bool, unit_range: tuple[float, float]) -> None:
    target, rater, time_s, values = tier
    rate_hz = _rate_hz(path, time_s)
    scores = np.full(round(time_s[-1] * rate_hz) + 1, np.nan)
    scores[np.round(time_s * rate_hz).astype(int)] = values
    root = ElementTree.Element("annotation", {"ssi-v": "3"})
    ElementTree.SubElement(root, "info", {"ftype": "ASCII", "size": str(len(scores))})
    ElementTree.SubElement(root, "meta", {"role": "", "annotator": rater})
    limits = {"min": f"{unit_range[0]:g}", "max": f"{unit_range[1]:g}"}
    colours = {"mincolor": "#FFFFFFFF", "maxcolor": "#FF4F81BD"}
    scheme = {"name": target, "type": "CONTINUOUS", "sr": f"{rate_hz:.12g}", **limits, **colours}
    ElementTree.SubElement(root, "scheme", scheme)
    ElementTree.indent(root, "\t")
    text = '<?xml version="1.0" ?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"
    lines = "".join("NaN;0\n" if np.isnan(score) else f"{score!r};1\n" for score in scores.tolist())
    write_atomically(f"{path}~", lambda file: file.write(lines), force=force)
    write_atomically(path, lambda file: file.write(text), force=force)


def _own_name(path: Path, tier: Tier, alone: bool) -> Path:
    return path if alone else path.with_suffix(f".{tier[0]}.{tier[1].replace('/', '_')}.annotation")


def _rate_hz(path: Path, time_s: np.ndarray) -> float:
    """The rate of which all times are multiples."""
    rate_hz = round(1.0 / float(np.diff(time_s).min()), 6) if len(time_s) > 1 else 0.0
    at = time_s * rate_hz
    if rate_hz <= 0 or time_s[0] < 0 or np.abs(at - np.round(at)).max() > 1e-3:
        raise TraceError(f"{path}: NOVA takes frames at a constant rate from 0 on; resample the ratings")
    return rate_hz


def _scores(path: Path) -> np.ndarray:
    lines = load_by(lambda file: Path(file).read_text(encoding="utf-8-sig").splitlines(), path, "NOVA's data")
    scores = [number(path, line.split(";")[0], f"line {i}") for i, line in enumerate(lines, start=1) if line.strip()]
    if not scores:
        raise TraceError(f"{path}: is empty; copy it again")
    return np.array(scores)
