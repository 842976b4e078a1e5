"""Imports point down the layers, what predicts does without PyTorch, and nothing is unpickled."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "emotrace"
LAYERS = (
    {"errors", "output", "provenance", "running", "trace", "audio", "metrics", "postprocessing"},
    {"features", "annotation"},
    {"corpora"},
    {"inference"},
    {"evaluation", "plots", "report"},
    {"server"},
    {"models"},
    {"training"},
    {"systems"},
    {"experiments"},
    {"cli"},
)
EXEMPT = {"__init__", "__main__"}
FILES = sorted(SOURCE.rglob("*.py"))
NAMES = [str(path.relative_to(SOURCE)) for path in FILES]
WITHOUT_TORCH = set().union(*LAYERS[:6])

PICKLES = {
    "torch.load",
    "pandas.read_pickle",
    "numpy.lib.format.read_array",
    "joblib.load",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
}
PICKLING = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal", "jsonpickle"}


def module_name(path):
    parts = ["emotrace", *path.relative_to(SOURCE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(part):
    (found,) = [number for number, layer in enumerate(LAYERS) if part in layer]
    return found


def imported(tree, path):
    """Every module that a source names in an import, wherever it stands: (line, dotted name)."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            # `from emotrace import audio` names a module, `from emotrace.audio import load` does not: both will do.
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            yield from ((node.lineno, str(name.value)) for name in node.args[:1] if isinstance(name, ast.Constant))


def breaches(source, path):
    part = path.relative_to(SOURCE).with_suffix("").parts[0]
    if part in EXEMPT:
        return []
    own = layer_of(part)
    named = [(line, name.split(".")) for line, name in imported(ast.parse(source), path)]
    inside = [(line, parts[1]) for line, parts in named if parts[0] == "emotrace" and len(parts) > 1]
    known = {line_part for line_part in inside if line_part[1] in set().union(*LAYERS) | EXEMPT}
    assert set(inside) <= known, f"{path} imports a module that is in no layer: {set(inside) - known}"
    return [f"line {line}: {part} imports {other}" for line, other in sorted(known) if layer_of(other) > own]


def aliases(tree):
    """What names stand for: {"np": "numpy", "load": "joblib.load"}."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def unpicklings(source):
    tree = ast.parse(source)
    names = aliases(tree)
    faults = []
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        faults += [f"line {node.lineno}: imports {name}" for name in modules if name.split(".")[0] in PICKLING]
        if not isinstance(node, ast.Call):
            continue
        first, *rest = ast.unparse(node.func).split(".")
        called = ".".join([names.get(first, first), *rest])
        refuses = any(
            keyword.arg == "allow_pickle" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            for keyword in node.keywords
        )
        if called in PICKLES or (called == "numpy.load" and not refuses):
            faults.append(f"line {node.lineno}: calls {called}")
    return faults


def fresh(code):
    """What a new Python process prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_every_module_is_in_one_layer():
    parts = {path.relative_to(SOURCE).with_suffix("").parts[0] for path in FILES} - EXEMPT
    assert parts <= set().union(*LAYERS), f"in no layer: {sorted(parts - set().union(*LAYERS))}"
    assert sum(map(len, LAYERS)) == len(set().union(*LAYERS))


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_point_down(path):
    assert breaches(path.read_text(encoding="utf-8"), path) == []


@pytest.mark.parametrize(
    "source",
    [
        "import emotrace.training.loop",
        "from emotrace import training",
        "from emotrace.training import loop",
        "from emotrace.training.loop import fit",
        "from ..training import loop",
        "from .. import training",
        "def later():\n    from emotrace.training import loop",
        "import importlib\nimportlib.import_module('emotrace.training')",
        "from importlib import import_module\nimport_module('emotrace.training.loop')",
    ],
)
def test_a_breach_would_be_seen(source):
    assert breaches(source, SOURCE / "features" / "logmel.py")
    assert not breaches(source, SOURCE / "experiments" / "shipped.py")


def test_an_import_of_an_unlisted_module_would_be_seen():
    with pytest.raises(AssertionError, match="in no layer"):
        breaches("from emotrace import utils", SOURCE / "cli" / "train.py")


def test_importing_the_package_imports_nothing_else():
    # Whoever only wants the version or the help text should not wait for NumPy.
    code = "import sys, emotrace; print(*[m for m in sys.modules if m.startswith(('emotrace.', 'numpy', 'torch'))])"
    assert fresh(code) == []


def test_its_public_names_are_there():
    assert fresh("import emotrace; [getattr(emotrace, name) for name in emotrace.__all__]") == []


def test_running_the_package_needs_the_command_line_alone():
    source = (SOURCE / "__main__.py").read_text(encoding="utf-8")
    inside = {name for _, name in imported(ast.parse(source), SOURCE / "__main__.py") if name.startswith("emotrace")}
    assert inside == {"emotrace.cli.main"}


def test_the_command_line_is_there_before_the_heavy_packages():
    code = (
        "import sys, emotrace.cli; print(*[m for m in ('torch', 'scipy', 'onnxruntime', 'joblib') if m in sys.modules])"
    )
    assert fresh(code) == []


def test_predicting_imports_nothing_that_is_slow_to_import():
    clip = SOURCE.parents[1] / "examples" / "demo.flac"
    slow = {"scipy", "matplotlib", "pandas", "sklearn", "joblib", "torch"}
    code = f"import sys, emotrace; emotrace.predict({str(clip)!r}); print(*{slow} & set(sys.modules))"
    assert fresh(code) == []


def test_everything_that_predicts_does_without_torch():
    modules = [
        module_name(path) for path in FILES if path.relative_to(SOURCE).with_suffix("").parts[0] in WITHOUT_TORCH
    ]
    assert "emotrace.features.logmel" in modules
    assert "emotrace.corpora.stitched" in modules
    code = f"""
import importlib, sys
for name in {modules}:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        # An extra that is not installed here; PyTorch is none of those that may be missing.
        if error.name.split(".")[0] in ("emotrace", "torch"):
            raise
    if "torch" in sys.modules:
        print(name)
        break
"""
    assert fresh(code) == []


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_nothing_is_unpickled(path):
    assert unpicklings(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import cloudpickle as harmless",
        "import torch\ntorch.load('a')",
        "import torch\ntorch.load('a', weights_only=True)",
        "from torch import load\nload('a')",
        "import numpy as np\nnp.load('a')",
        "import numpy as np\nnp.load('a', allow_pickle=True)",
        "import numpy\nnumpy.load('a', allow_pickle=chosen)",
        "import joblib as j\nj.load('a')",
        "import yaml\nyaml.load('a')",
    ],
)
def test_an_unpickling_would_be_seen(source):
    assert unpicklings(source)


def test_what_does_not_unpickle_passes():
    harmless = "import numpy as np, json, yaml\nnp.load('a', allow_pickle=False)\njson.load(f)\nyaml.safe_load(f)\n"
    assert unpicklings(harmless) == []
