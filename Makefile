# `make` lists what there is. Everything that is made is in .venv and build; `make clean` removes both.

VENV := .venv
BIN := $(VENV)/bin
NAMESPACE := build/typing/creance
WORKERS ?= 3
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# The first Python that will do; make PYTHON=… names another.
CHECK := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$name -c '$(CHECK)' 2>/dev/null && echo $$name && break; done)

# What `make` installed holds the name of this folder: in a copy, or after a move, it is made anew.
$(shell test -e $(VENV)/.folder && ! grep -qxF '$(CURDIR)' $(VENV)/.folder && rm -rf $(VENV))

.DEFAULT_GOAL := help
.PHONY: help run test test-all lint docs catalogues screenshots bench bench-scale bench-compare profile clean
.DELETE_ON_ERROR:

help: ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

run: $(VENV)/.installed ## Serve the demonstration on http://localhost:8400
	@exec $(BIN)/creance --config config/embedded.toml serve

test: $(VENV)/.installed-dev ## Run the tests, without the long rounds
	@exec $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not long"

test-all: $(VENV)/.installed-dev ## Run all tests, and once more with MongoDB and with Redis as the store
	@failed=0; for store in sqlite mongodb redis; do \
		$(BIN)/python -m pytest -n $(WORKERS) --store=$$store || failed=1; \
	done; exit $$failed

lint: $(VENV)/.installed-dev $(NAMESPACE) ## Check style and types (ruff, mypy --strict)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@MYPYPATH=build/typing $(BIN)/mypy -p creance.provider -p creance.plugins

docs: $(VENV)/.installed-dev ## Write what is made from the settings: docs/configuration.md, config/creance.schema.json
	@mkdir -p build
	@$(BIN)/creance schema > build/creance.schema.json && mv build/creance.schema.json config/
	@$(BIN)/python -m creance.provider.commands.configuration_page > build/configuration.md && mv build/configuration.md docs/

# Members of a catalogue's header that say nothing.
MADE_BY_BABEL := /^"(Project-Id|Report-Msgid|POT-Creation|PO-Revision|Last-Translator|Language-Team|Generated)/d

catalogues: $(VENV)/.installed-dev ## Bring locales/*.po up to date with the texts in templates and code
	@mkdir -p build
	@for catalogue in provider/locales/*.po plugins/*/locales/*.po; do \
		folder=$${catalogue%/locales/*} language=$$(basename $$catalogue .po); \
		$(BIN)/pybabel --quiet extract --mapping pyproject.toml --keyword translatable --add-location file \
			--output build/texts.pot $$folder && \
		cp $$catalogue build/texts.po && \
		$(BIN)/pybabel --quiet update --locale $$language --no-fuzzy-matching --ignore-obsolete --width 120 \
			--input-file build/texts.pot --output-file build/texts.po && \
		sed -E '$(MADE_BY_BABEL)' build/texts.po > $$catalogue || exit 1; \
	done

screenshots: $(VENV)/.installed-dev ## Take a picture of every page: docs/screenshots (needs Chromium, and ports 8400 to 8403)
	@exec env PYTHONPATH=tests $(BIN)/python -m browser.screenshots docs/screenshots

bench: $(VENV)/.installed-dev ## Measure what each request costs (BENCH=quick; tests/bench/options.py has all options)
	@exec env PYTHONPATH=tests $(BIN)/python -m bench

bench-scale: $(VENV)/.installed-dev ## Measure the same in a store with a million people (COUNT=…, STORE=sqlite|mongodb)
	@exec env PYTHONPATH=tests $(BIN)/python -m bench.scale

bench-compare: $(VENV)/.installed-dev ## Measure two commits in turns (A=… B=…)
	@exec env PYTHONPATH=tests $(BIN)/python -m bench.compare "$(A)" "$(B)"

profile: $(VENV)/.installed-dev ## Show where the time of a request goes (ROW=exchange)
	@exec env PYTHONPATH=tests $(BIN)/python -m bench.profile "$(ROW)"

clean: ## Remove what was installed and built; the data of `make run`, in config/var, stays
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.folder:
	@"$(PYTHON)" -c '$(CHECK)' 2>/dev/null || { echo "Python 3.11 or newer with its module venv is needed: install it" \
		"(on Debian and Ubuntu python3 and python3-venv), or name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV)
	@echo '$(CURDIR)' > $@

$(VENV)/.installed: $(VENV)/.folder setup.cfg pyproject.toml
	@echo "Installing Creance and what it needs into $(VENV) …"
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing what its tests need …"
	@$(PIP) install --editable '.[dev]'
	@touch $@

# The folders at the root are one namespace once they are installed; mypy finds them under their names here.
$(NAMESPACE):
	@mkdir -p $@
	@ln -sfn ../../../provider $@/provider
	@ln -sfn ../../../plugins $@/plugins
	@ln -sfn ../../../config $@/config
