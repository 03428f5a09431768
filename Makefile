# What a newcomer runs: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
# Exactly one of cpu, cuda.
EXTRA ?= cpu

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("talkmill needs Python 3.11 or newer, %s is %d.%d" % (sys.executable, *sys.version_info[:2]) if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.setup: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRA)]'
	@touch $@

$(VENV)/.demo: $(VENV)/.setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRA),demo]'
	@touch $@

$(VENV)/.test: $(VENV)/.setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRA),test]'
	@touch $@

$(VENV)/.check: $(VENV)/.setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRA),check]'
	@touch $@

setup: $(VENV)/.setup ## Make .venv and install the project into it

demo: $(VENV)/.demo ## Fetch the default models, make a sample clip, run the whole pipeline on it
	$(BIN)/talkmill models fetch
	@mkdir -p $(DEMO)
	@test -f $(DEMO)/sample.mp4 || $(BIN)/python -m orchestrator.sample $(DEMO)/sample.mp4
	$(BIN)/talkmill run $(DEMO)/sample.mp4 --out $(DEMO)/dataset --person EileenCollins
	$(BIN)/talkmill dataset verify $(DEMO)/dataset
	@echo "data set: $(DEMO)/dataset/lmdb/512"
	@echo "preview:  $(DEMO)/dataset/preview/sample_000.jpg"

test: $(VENV)/.test ## Run all tests that need no GPU
	$(BIN)/talkmill models fetch
	$(BIN)/python -m pytest

check: $(VENV)/.check ## Format, lint, types, layers, docs links
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.architecture.docs_links

format: $(VENV)/.check ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove the demo and the virtual environment
	rm -rf $(DEMO) $(VENV) build *.egg-info
