# `make` alone says what there is.

PYTHON ?= python3
BIN := .venv/bin
# Python may keep what it has compiled: pytest would else rewrite all tests in each process.
unexport PYTHONDONTWRITEBYTECODE
# One process more than there are cores, since tests wait for what they start. Those of one file go to one process, so
# that what they share is made once; tests/conftest.py says which files begin.
WORKERS ?= $(shell $(PYTHON) -c "import os; print(os.cpu_count() + 1)")
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: help demo test test-fast lint format docs clean

help:
	@echo "make demo       install, then run the four scripts against the small Mikrotax in demo/; ends with test.png"
	@echo "make test       install what the tests need and run all of them: 4 to 6 minutes on two cores"
	@echo "make test-fast  the quick ones alone: one to two minutes"
	@echo "make lint       check style, types (mypy), layers (import-linter) and limits (tests/code_limits.py)"
	@echo "make format     let ruff put style and formatting right"
	@echo "make docs       write the tables of options in docs/ anew"
	@echo "make clean      remove .venv and what the demo made; your data/, images/ and model stay"

# A stamp is newer than the list that it was installed from, so nothing is installed twice.
.venv/installed: requirements.txt
	@echo "Installing what requirements.txt lists into .venv: several GB, some minutes, once."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --requirement requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	@echo "Installing what requirements-dev.txt adds: the tools for tests."
	@$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	@touch $@

demo: .venv/installed
	@$(BIN)/python -m demo

test: .venv/installed-dev
	$(PYTEST)

test-fast: .venv/installed-dev
	$(PYTEST) -m "not slow"

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.code_limits

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/installed-dev
	$(BIN)/python -m docs.options

clean:
	rm -rf .venv demo/work
