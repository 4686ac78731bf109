# `make` alone lists the targets. TORCH_INDEX=<url> names the package index that PyTorch comes from (its CPU index, say).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH_INDEX ?=

.DEFAULT_GOAL := help
.PHONY: help setup run playground test test-all bench load lint

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(VENV)/.installed ## make .venv and install everything into it

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --progress-bar on -c constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "torch$$(sed -n 's/^torch//p' constraints.txt)"
	$(BIN)/python -m pip install --progress-bar on -c constraints.txt -e ".[playground,safety,dev]"
	@touch $@

run: setup ## start the bot; without DISCORD_TOKEN, the playground
	@$(BIN)/python -m bot

playground: setup ## start the playground, a local Discord in the browser
	@$(BIN)/python -m bot playground

test: setup ## run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-all: setup ## run the tests on a Ray cluster too, where the extra [ray] is installed
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "cluster or not cluster"

bench: setup ## run the CPU benchmarks
	$(BIN)/python -m tests.benchmarks

load: setup ## put the bot under load: 200 commands a second, then 1,000 at once
	$(BIN)/python -m tests.load

lint: setup ## ruff, pyright, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
