# `make help` lists what there is. Everything lives in .venv and build/, which `make clean` removes.

PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
TYPING := build/typing/creance
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
LONG ?= not long
WORKERS ?= 2

.PHONY: help run test test-all lint schema clean
.DEFAULT_GOAL := help

help: ## list these
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

run: $(VENV)/.installed ## serve config/embedded.toml on http://localhost:8400
	@exec $(BIN)/creance --config config/embedded.toml serve

test: $(VENV)/.installed-dev ## run the tests, but for the long rounds
	@$(BIN)/python -m pytest -n $(WORKERS) -m "$(LONG)" $(TESTS)

test-all: LONG = long or not long
test-all: test ## run the long rounds too

lint: $(VENV)/.installed-dev $(TYPING) ## ruff, and mypy strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@MYPYPATH=build/typing $(BIN)/mypy -p creance.provider -p creance.plugins

schema: $(VENV)/.installed-dev ## write config/creance.schema.json and docs/configuration.md anew
	@$(BIN)/creance schema > build/creance.schema.json && mv build/creance.schema.json config/creance.schema.json
	@$(BIN)/python -m creance.provider.commands.configuration_page

clean: ## remove what was installed and built; what the provider stored stays
	@rm -rf $(VENV) build dist ./*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found; or name one: make PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make a virtual environment: install python3-venv" >&2; \
		rm -rf $(VENV); exit 1; }

$(VENV)/.installed: $(VENV)/bin/python setup.cfg pyproject.toml
	@echo "Installing into $(VENV) ..."
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PIP) install --editable '.[dev]'
	@touch $@

# The folders at the root are one namespace once installed; mypy finds them under their names here.
$(TYPING):
	@mkdir -p $@
	@ln -sfn ../../../provider $@/provider && ln -sfn ../../../plugins $@/plugins && ln -sfn ../../../config $@/config
