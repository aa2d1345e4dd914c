# `make demo` and `make test` set up everything they need in .venv, and do so only once.

PYTHON ?= python3
BIN := .venv/bin
RUN := runs/demo-$(shell date +%Y%m%d-%H%M%S)

.PHONY: demo test lint bench clean

demo: .venv/.demo
	@$(BIN)/perceivers train digits --out $(RUN)
	@echo
	@echo "Held-out digits, by file (the file's name says what it shows):"
	@$(BIN)/perceivers predict $(RUN) examples/digits/*.png --top-k 2
	@echo
	@$(BIN)/perceivers eval $(RUN)
	@echo "The run, with its curves.png, metrics.csv and weights, lies in $(RUN)"

test: .venv/.test lint
	@$(BIN)/pytest

lint: .venv/.test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: .venv/.bench
	@$(BIN)/python -m benchmarks

clean:
	rm -rf .venv

.venv/.python:
	@command -v $(PYTHON) >/dev/null || { echo "make: no $(PYTHON) here; install Python 3.11 or newer, or: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $$($(PYTHON) --version) is too old; expected Python 3.11 or newer: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "make: this Python has no venv; on Debian: apt install python3-venv"; exit 1; }
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.demo: .venv/.python pyproject.toml
	@echo "Installing (once; a minute or two) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[train]'
	@touch $@

.venv/.test: .venv/.python pyproject.toml
	@echo "Installing with test tools (once; a minute or two) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[all,dev]'
	@touch $@

.venv/.bench: .venv/.python pyproject.toml
	@echo "Installing with the peers (once; a few minutes) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[all,dev,bench]'
	@touch $@
