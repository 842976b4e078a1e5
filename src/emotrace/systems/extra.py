"""Packages that only some systems need."""

import importlib
from typing import Any

from emotrace.errors import ConfigError


def package(module: str) -> Any:
    """A module of a package of the extra `baselines`.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        name = {"sklearn": "scikit-learn"}.get(module.split(".")[0], module.split(".")[0])
        raise ConfigError(f"this system needs {name}; pip install 'emotrace[baselines]'") from None
