# Everything works in a fresh clone on a machine with Python 3.11 and make. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help install browser demo test lint format check docs bench weights clean

help:
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: $(VENV)/.dev ## everything that tests, training and checks need, into .venv

$(VENV)/.small: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.small
	$(PIP) -e ".[dev]"
	@touch $@

browser: ## Debian's Chromium, which the tests of pages drive; without it they are skipped
	@command -v chromium >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null; } \
	|| echo "no Chromium, and none could be installed: tests of pages will be skipped"

demo: $(VENV)/.small ## the main job: speech in; traces, CSV and picture out, into out/
	$(BIN)/emotrace predict examples/demo.flac -o out/ --format csv --format png --force

test: $(VENV)/.dev ## all tests
	$(BIN)/python -m pytest

lint: $(VENV)/.dev ## style, format and types, nothing changed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev ## put style and format right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: lint test ## what CI runs

docs: $(VENV)/.dev ## render the tables of README and docs from the result files, and the demo's picture
	$(BIN)/python -m emotrace.experiments.tables
	$(BIN)/emotrace predict examples/demo.flac -o docs/demo.png --force

bench: $(VENV)/.dev ## the benchmarks, each against a reference in the same run
	$(BIN)/python benchmarks/frontend.py
	$(BIN)/python benchmarks/predict.py

weights: $(VENV)/.dev ## train the shipped weights and measure them (hours on 2 cores; needs DATA=folder of data)
	$(BIN)/emotrace reproduce shipped --root $(DATA) --weights src/emotrace/inference/weights --jobs 2
	$(BIN)/emotrace reproduce live --root $(DATA) --weights src/emotrace/inference/weights --jobs 2

clean: ## remove what make made
	rm -rf $(VENV) out build
