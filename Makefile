# The project's one task runner. `make` lists the targets; continuous integration calls `make test` and nothing else.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
READY := .venv/.ready
SOURCE ?= docs
WORKERS ?= 2

.PHONY: help setup demo test format lint types tests clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS=$$'\t' read -r name what; do \
	    printf '  make %-10s %s\n' "$$name" "$$what"; done

demo: $(READY) ## Index SOURCE (default: docs) and ask it three questions; SOURCE=<folder> takes any folder
	@$(BIN)/groundskeeper demo --source "$(SOURCE)"

test: $(READY) lint types tests ## Everything that must hold: format, lint, types, import contracts, tests

setup: $(READY) ## Make .venv and install the lock, the models and the project

format: $(READY) ## Bring the code into the project's format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: $(READY) ## Format, lint and import contracts
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/lint-imports

types: $(READY) ## mypy, strict on the packages
	@$(BIN)/mypy

# In the order of the files, so that the longest (end_to_end) begin first.
tests: $(READY) ## pytest alone; ARGS="-k words" is handed on
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

clean: ## Remove caches; keeps .venv and var/
	@rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

# The stamp is written last, so that an interrupted set-up is taken up again, and a finished one never repeated.
$(READY): infra/lock/requirements.txt infra/lock/models.txt infra/lock/install.sh pyproject.toml
	@infra/lock/install.sh .venv
	@touch $@
