"""The code blocks of README and docs run: Python as written, `emotrace` commands in a folder with what they name."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from emotrace.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/training.md")}
README = PAGES["README.md"]
SMALL = [
    "--jobs",
    "2",
    "--set",
    "seeds=2",
    "--set",
    "epochs=1",
    "--set",
    "arguments.width=4",
    "--set",
    "arguments.layers=2",
]


def blocks(language, page=README):
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def commands(page=README):
    lines = [line[2:] for block in blocks("console", page) for line in block.splitlines() if line.startswith("$ ")]
    return [shlex.split(line) for line in lines]


@pytest.fixture
def here(tmp_path, monkeypatch, ratings_csv):
    """A folder with what the README's commands name."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples", "examples")
    shutil.copy("examples/demo.flac", "interview.wav")
    Path("interviews").mkdir()
    shutil.copy("examples/demo.flac", "interviews/first.flac")
    shutil.copytree(ratings_csv.parent, "data")
    shutil.copytree(Path("data"), ".", dirs_exist_ok=True)
    Path("arousal.yaml").write_text("target: arousal\n")
    Path("valence.yaml").write_text("target: valence\n")
    return tmp_path


@pytest.mark.parametrize("code", blocks("python"))
def test_python_blocks_run(here, code):
    exec(compile(code, "README.md", "exec"), {})


@pytest.mark.parametrize("name", PAGES)
def test_console_commands_run(here, name):
    for block in blocks("yaml", PAGES[name]):
        # A file is named in its first line.
        Path(block.splitlines()[0].removeprefix("# ")).write_text(block)
    ours = [command[1:] for command in commands(PAGES[name]) if command[0] == "emotrace"]
    assert len(ours) > 5
    ours = [arguments for arguments in ours if arguments[0] in COMMANDS or name == "README.md"]
    for arguments in ours:
        extra = SMALL if arguments[0] == "train" else []
        extra = ["--duration", "20"] if arguments[0] == "stitch" else extra
        result = CliRunner().invoke(main, [*arguments, *extra, *(["--force"] if arguments[0] == "predict" else [])])
        assert result.exit_code == 0, f"{arguments}: {result.output} {result.exception}"


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    named = {command[1] for command in commands() if command[0] == "make"}
    assert {"demo", "test"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("name", PAGES)
def test_the_files_that_it_links_exist(name):
    for target in re.findall(r"\]\(([^)#h][^)]*)\)", PAGES[name]):
        assert (ROOT / name).parent.joinpath(target).exists(), target
