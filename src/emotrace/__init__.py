"""Speech in, time-continuous arousal and valence traces out.

The public names, imported when they are first used: ``predict``, ``Stream``, ``Trace``, ``load_model``,
``FamiliarityWarning``, ``SpeakersWarning`` and ``EmotraceError``; and ``__version__``.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotrace.errors import EmotraceError as EmotraceError
    from emotrace.inference.model import load as load_model
    from emotrace.inference.predictor import FamiliarityWarning as FamiliarityWarning
    from emotrace.inference.predictor import SpeakersWarning as SpeakersWarning
    from emotrace.inference.predictor import predict as predict
    from emotrace.inference.streaming import Stream as Stream
    from emotrace.trace import Trace as Trace

# Nothing leaves this machine: onnxruntime would otherwise report its use to its maker, by a thread of its own, and keep
# an identifier of the machine in the user's cache. It reads this once, when it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

_NAMES = {
    "EmotraceError": ("emotrace.errors", "EmotraceError"),
    "FamiliarityWarning": ("emotrace.inference.predictor", "FamiliarityWarning"),
    "SpeakersWarning": ("emotrace.inference.predictor", "SpeakersWarning"),
    "Stream": ("emotrace.inference.streaming", "Stream"),
    "Trace": ("emotrace.trace", "Trace"),
    "load_model": ("emotrace.inference.model", "load"),
    "predict": ("emotrace.inference.predictor", "predict"),
}
__all__ = ["EmotraceError", "FamiliarityWarning", "SpeakersWarning", "Stream", "Trace", "load_model", "predict"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("emotrace")
    if name not in _NAMES:
        raise AttributeError(f"module 'emotrace' has no attribute {name!r}")
    module, attribute = _NAMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])
