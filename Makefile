# `make demo` and `make test` install everything they need into .venv the first time they run.

PYTHON ?= python3
BIN := .venv/bin
# Processes of the tests: one more than the cores of a small machine, because some tests wait.
WORKERS ?= 3
RUN := runs/demo-$(shell date +%Y%m%d-%H%M%S)

.PHONY: demo test lint bench clean

demo: .venv/.demo
	@$(BIN)/perceivers train digits --out $(RUN)
	@echo
	@echo "Predictions for held-out digits, by file (each file name contains its digit):"
	@$(BIN)/perceivers predict $(RUN) examples/digits/*.png --top-k 2
	@echo
	@$(BIN)/perceivers eval $(RUN)
	@echo "The run directory with curves.png, metrics.csv and the weights is $(RUN)"

test: .venv/.test lint
	@PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist worksteal

lint: .venv/.test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: .venv/.bench
	@$(BIN)/python -m benchmarks

clean:
	rm -rf .venv

.venv/.python:
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) not found; install Python 3.11 or newer, or name one with: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $$($(PYTHON) --version) is too old; expected Python 3.11 or newer, name one with: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "make: this Python has no venv module; on Debian install it with: apt install python3-venv"; exit 1; }
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.demo: .venv/.python pyproject.toml
	@echo "Installing the library (only the first time; takes a minute or two) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[train]'
	@touch $@

.venv/.test: .venv/.python pyproject.toml
	@echo "Installing the library with test tools (only the first time; takes a minute or two) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[all,dev]'
	@touch $@

.venv/.bench: .venv/.python pyproject.toml
	@echo "Installing the library with its benchmark peers (only the first time; takes a few minutes) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[all,dev,bench]'
	@touch $@
