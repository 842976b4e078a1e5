"""What a training run is told: a YAML file that states its difference from the defaults, and ``--set`` on top."""

import contextlib
import dataclasses
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emotrace.errors import ConfigError
from emotrace.features.normalisation import Normalisation
from emotrace.trace import FRAME_S
from emotrace.training.augmentation import Strength

Built = typing.TypeVar("Built")


@dataclass(frozen=True)
class Normalising:
    """The settings of :class:`emotrace.features.normalisation.Normalisation`; its prior comes from the data.

    In any one epoch ``cut_share`` of the training recordings are cut into pieces of ``cut_s`` seconds or a random ratio
    more, each normalised on its own and seen without the others: what a network meets in short recordings.
    """

    range_db: float | None = None
    clip: float | None = None
    prior_s: float = 0.0
    cut_share: float = 0.0
    cut_s: tuple[float, float] = (3.0, 60.0)
    running: bool = False
    stopped_db: tuple[float, float] | None = None
    steady_sd: bool = False


@dataclass(frozen=True)
class Config:
    """One network on one target of one corpus; defaults are the paper's where it states one.

    Attributes:
        corpus: a reader of :mod:`emotrace.corpora`.
        root: where the corpus lies.
        target: what to predict.
        network: a module of :mod:`emotrace.models`.
        arguments: keyword arguments of its ``Network``; where left out, what its source has for the target.
        front_end: a module of :mod:`emotrace.features`.
        normalisation: of the features.
        lag_s: how much earlier than the gold standard the network answers; 0 lets it learn the lag, as the paper does.
        ratings_share: how much of the training target is the ratings that people gave a stitched recording's
            utterances, the rest being its raters' gold standard; stitched corpora only.
        shuffled_share: how many of the training recordings are seen with a stitched recording's utterances in another
            order, drawn anew each time, the target then being their ratings: moods last in stitched recordings, and a
            network learns to trust in that; stitched corpora only.
        variants: augmented variants of every training recording, beside the recording itself.
        augmentation: of the variants.
        fit_all: train on every partition, without early stopping, for weights that are shipped.
        stop_after: epochs to stop after, the schedule kept at ``epochs``; 0 for all.
        seeds: runs, seeded 0, 1, ... (paper: 5).
        epochs: at most.
        patience: epochs without a better development CCC before a run stops.
        learning_rate: of Adam, at its highest.
        schedule: "constant", or "cosine" down to zero over ``epochs``.
        l2: weight of the sum of squared parameters in the loss.
        averaging: decay a step of the running mean of the weights that is evaluated and kept; 0 keeps the last step's.
        batch_recordings: recordings a step, their losses averaged (paper: 1).
        together: train all seeds as one batched network, in the first one's order (:mod:`emotrace.training.batched`).
    """

    corpus: str = "recola"
    root: Path = Path("corpus")
    target: str = "arousal"
    network: str = "downup"
    arguments: dict[str, Any] = field(default_factory=dict)
    front_end: str = "logmel"
    normalisation: Normalising = field(default_factory=Normalising)
    lag_s: float = 0.0
    ratings_share: float = 0.0
    shuffled_share: float = 0.0
    variants: int = 0
    augmentation: Strength = field(default_factory=Strength)
    fit_all: bool = False
    stop_after: int = 0
    seeds: int = 5
    epochs: int = 100
    patience: int = 20
    learning_rate: float = 1e-3
    schedule: typing.Literal["constant", "cosine"] = "constant"
    l2: float = 0.0
    averaging: float = 0.0
    batch_recordings: int = 1
    together: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and YAML."""
        return {**dataclasses.asdict(self), "root": str(self.root)}

    def normalising(self, voice: int = 0) -> Normalisation:
        """The rule without its prior; ``voice`` values at the end of the front end's rows are no energies."""
        rule = self.normalisation
        return Normalisation(
            rule.range_db,
            rule.clip,
            rule.prior_s,
            running=rule.running,
            stopped_db=rule.stopped_db,
            voice=voice,
            steady_sd=rule.steady_sd,
        )


def read(path: Path | None, settings: Sequence[str] = ()) -> Config:
    """Read a YAML configuration and lay ``key=value`` settings over it; dots reach inside (``arguments.width=128``).

    Raises:
        ConfigError: the file cannot be read, a key is unknown or a value of the wrong type; names what and where.
    """
    import yaml

    values: Any = {}
    if path is not None:
        try:
            values = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror}); check the path") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{path}: is not text in UTF-8; save it as UTF-8, as YAML") from None
        except yaml.YAMLError as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"{path}: cannot be read as a YAML configuration: {reason}") from None
    where = str(path or "--set")
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: a configuration is a list of 'key: value' lines; see configs/ for some")
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set {setting}: wants key=value, as in --set learning_rate=0.001")
        try:
            _lay(values, key.split("."), yaml.safe_load(value), f"--set {setting}")
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {setting}: is no YAML value: {' '.join(str(error).split())}") from None
    config: Config = _build(Config, values, where)
    return config


def build(kind: type[Built], values: Mapping[str, Any], where: str) -> Built:
    """Settings of any dataclass from plain values, checked as a configuration's are; keys with dots reach inside.

    Raises:
        ConfigError: a key is unknown, or a value of the wrong type or out of range; names what and ``where``.
    """
    laid: dict[str, Any] = {}
    for key, value in values.items():
        _lay(laid, key.split("."), value, where)
    built: Built = _build(kind, laid, where)
    return built


def _lay(values: dict[str, Any], keys: list[str], value: Any, where: str) -> None:
    for key in keys[:-1]:
        values = values.setdefault(key, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{where}: {key} holds a value and has nothing inside")
    values[keys[-1]] = value


def _build(kind: Any, values: dict[str, Any], where: str, inside: str = "") -> Any:
    hints = typing.get_type_hints(kind)
    unknown = [key for key in values if key not in hints]
    if unknown:
        raise ConfigError(f"{where}: unknown key {inside}{unknown[0]}; known: {', '.join(hints)}")
    built = kind(**{key: _value(hints[key], value, where, inside + key) for key, value in values.items()})
    if fault := _out_of_range(built):
        raise ConfigError(f"{where}: {inside}{fault}")
    return built


_SHARE = (0.0, 1.0)
_NOT_NEGATIVE = (0.0, math.inf)
_POSITIVE = (math.ulp(0.0), math.inf)
_COUNT = (1, math.inf)

_LIMITS: dict[type, dict[str, tuple[float, float]]] = {
    Config: {
        **dict.fromkeys(("seeds", "epochs", "patience", "batch_recordings"), _COUNT),
        **dict.fromkeys(("lag_s", "variants", "stop_after", "l2"), _NOT_NEGATIVE),
        "learning_rate": _POSITIVE,
        **dict.fromkeys(("ratings_share", "shuffled_share", "averaging"), _SHARE),
    },
    Normalising: {
        **dict.fromkeys(("range_db", "clip"), _POSITIVE),
        "prior_s": _NOT_NEGATIVE,
        "cut_share": _SHARE,
        "cut_s": (FRAME_S, math.inf),
        "stopped_db": _POSITIVE,
    },
    Strength: {
        **dict.fromkeys(
            ("speed", "levelling", "gain_drift", "room", "tilt", "noise", "babble", "band", "gate"), _SHARE
        ),
        **dict.fromkeys(("gain_drift_db", "tilt_db"), _NOT_NEGATIVE),
        "speed_range": (0.1, 10.0),
        "room_s": (1e-3, 10.0),
        **dict.fromkeys(("noise_snr_db", "babble_snr_db", "gate_db"), (-200.0, 200.0)),
    },
}
"""Lowest and highest value of each number, and of both ends of each range."""

_ELSEWHERE = _LIMITS[Config] | dict.fromkeys(("delay_s", "delays_s", "window_s"), _NOT_NEGATIVE)
"""The same of the settings of systems, which use a configuration's words."""


def _out_of_range(settings: Any) -> str | None:
    """What is wrong with the first number that no run can make sense of."""
    if isinstance(settings, Normalising) and settings.steady_sd and not settings.prior_s:
        return "steady_sd takes the SD of the training speech, which prior_s brings; set prior_s above 0"
    for key, (low, high) in _LIMITS.get(type(settings), _ELSEWHERE).items():
        value = getattr(settings, key, None)
        ends = value if isinstance(value, tuple) else (value,)
        if value is None or (all(low <= end <= high and math.isfinite(end) for end in ends) and ends[0] <= ends[-1]):
            continue
        return f"{key} is {_written(value)}; it must be {_wanted(low, high, len(ends) > 1)}"
    return None


def _written(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def _wanted(low: float, high: float, is_range: bool) -> str:
    if low == math.ulp(0.0):
        text = "above 0"
    else:
        text = f"at least {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
    return f"two numbers, the lower one first, each {text}" if is_range else text


def _value(hint: Any, value: Any, where: str, key: str) -> Any:
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        hint = next(kind for kind in typing.get_args(hint) if kind is not type(None))
    kind = typing.get_origin(hint) or hint
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return _build(kind, value, where, f"{key}.")
    if kind is tuple and isinstance(value, list | tuple) and len(value) == len(typing.get_args(hint)):
        inner = zip(typing.get_args(hint), value, strict=True)
        return tuple(_value(each, item, where, key) for each, item in inner)
    if kind is typing.Literal and value in typing.get_args(hint):
        return value
    if type(value) is kind and kind is not tuple:
        return value
    # YAML has no paths, reads 1 as an integer, and 1e-3, without a dot, as text.
    for written, convert in _CONVERSIONS.get(kind, ()):
        if type(value) is written:
            with contextlib.suppress(ValueError):
                return convert(value)
    wanted = " or ".join(typing.get_args(hint)) if kind is typing.Literal else kind.__name__
    raise ConfigError(f"{where}: {key} wants {wanted}, not {value!r}")


_CONVERSIONS: dict[type, list[tuple[type, Callable[[Any], Any]]]] = {
    Path: [(str, Path)],
    float: [(int, float), (str, float)],
}
