# `make` lists the targets. Everything is installed into .venv; PYTHON says with which interpreter.

PYTHON ?= python3
SEED ?= $(shell date +%s)
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input -c constraints.txt
PACKAGES := -e packages/bridle-audit -e packages/bridle
DECLARED := packages/bridle-audit/pyproject.toml packages/bridle/pyproject.toml
# Several test processes share the cores, so each computes with one thread.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
PYTEST = $(ONE_THREAD) $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadscope --randomly-seed=$(SEED)

.DEFAULT_GOAL := help
.PHONY: help compare test check format docs site bench bench-catalog clean

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 22

compare: $(VENV)/installed ## Compare the default recipes on the digits; ARGS="mnist --seeds 10" passes arguments on.
	$(BIN)/bridle compare $(ARGS)

test: check ## Run the checks, then all tests and doctests in a random order; SEED=... repeats an order.
	$(PYTEST) --bfloat16=off
	$(PYTEST) --bfloat16=on -m 'not slow' packages/bridle/tests/engine packages/bridle/tests/comparison # emulated; the slow ones name their precision

check: $(VENV)/developed ## Check format, lint, types and the direction of imports.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache # a cached graph lacks modules that were added since

format: $(VENV)/developed ## Format the code and mend what the linter can.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/installed ## Write the pages of the catalog: docs/regularizers, docs/audit and the tables in docs/conflicts.md and docs/strengths.md.
	$(BIN)/python -m bridle.pages

site: $(VENV)/developed ## Build the site of the docs into public/; a warning fails.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -f site/mkdocs.yml

bench: $(VENV)/developed ## Measure the engine against its rivals; ARGS="--quick" for a try.
	$(BIN)/python benchmarks/engine.py $(ARGS)

bench-catalog: $(VENV)/developed ## Measure what each regularizer costs in a stack; ARGS="--only L2 SAM" for some.
	$(BIN)/python benchmarks/catalog.py $(ARGS)

clean: ## Remove the environment and the caches.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "bridle needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; choose one with: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# The stamps are newer than what they depend on exactly while the environment is up to date.
$(VENV)/installed: $(DECLARED) constraints.txt | $(BIN)/python
	@echo "Installing bridle into $(VENV) ..."
	$(PIP) $(PACKAGES)
	@touch $@

$(VENV)/developed: $(DECLARED) constraints.txt | $(BIN)/python
	@echo "Installing bridle and its development tools into $(VENV) ..."
	$(PIP) $(PACKAGES)'[dev]'
	$(PIP) --no-deps timm # its torchvision has no build for a torch without CUDA; transformers brings its other needs
	@touch $(VENV)/installed $@
