# Each target builds the environment it needs in .venv: with uv where it is installed, else with venv and pip.
#
#     make test ARGS="-k wav"          hands arguments to the program
#     make test PYTHON=python3.13      chooses the interpreter; another version builds .venv anew

ifndef PYTHON
PYTHON := $(or $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; \
	done),python3)
endif
# For example 3.11; empty when the interpreter is missing or too old.
VERSION := $(shell $(PYTHON) -c \
	'import sys; sys.version_info >= (3, 11) and print("%d.%d" % sys.version_info[:2])' 2>/dev/null)

# "uv" where it works and knows dependency groups, else empty.
UV := $(shell uv pip install --group dev --help >/dev/null 2>&1 && echo uv)

VENV := .venv
BIN := $(VENV)/bin

# What is in the environment, each with its stamp. The second holds the first, and more.
CREATED := $(VENV)/.python-$(VERSION)
FOR_DEMO := $(VENV)/.installed-for-demo
FOR_DEVELOPMENT := $(VENV)/.installed-for-development

ifdef UV
INSTALL = uv pip install --quiet --python $(BIN)/python
else
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

# Prints the names of all extras, with commas between them.
ALL_EXTRAS = import tomllib; \
	print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"], sep=",")

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test live interop fuzz lint types check bench clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(FOR_DEMO) ## Hold a spoken conversation with the embedded provider; no key, no microphone
	$(BIN)/duologue demo $(ARGS)

# The tests start many interpreters, which are to find compiled what they all import.
test interop: export PYTHONDONTWRITEBYTECODE :=

test: $(FOR_DEVELOPMENT) ## Run the tests
	$(BIN)/python -m pytest -n auto --dist worksteal --ignore=tests/live --ignore=tests/interop $(ARGS)

live: $(FOR_DEVELOPMENT) ## Run the conformance suite against every provider whose key is set; costs money
	DUOLOGUE_LIVE=1 $(BIN)/python -m pytest tests/live -rs $(ARGS)

interop: $(FOR_DEVELOPMENT) ## Run other people's SDKs against the gateway, each in its own environment
	$(BIN)/python -m pytest tests/interop --timeout 900 $(ARGS)

fuzz: $(FOR_DEVELOPMENT) ## Feed a million mutated frames to the protocols
	DUOLOGUE_MUTATIONS=1000000 $(BIN)/python -m pytest tests/unit/test_openai_mutations.py \
		tests/unit/test_gemini_mutations.py --timeout 900 $(ARGS)

lint: $(FOR_DEVELOPMENT) ## Check style, formatting and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(FOR_DEVELOPMENT) ## Check the types with mypy and pyright
	$(BIN)/mypy --strict
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python

check: test lint types ## Run test, lint and types

bench: $(FOR_DEVELOPMENT) ## Measure, and print the tables
	$(BIN)/python bench/run.py $(ARGS)

clean: ## Remove the environment, the caches and what was built
	rm -rf $(VENV) .venv-peers .venv-interop build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests bench examples scripts -name __pycache__ -prune -exec rm -rf {} +

# pip 25.1 is the first one that installs dependency groups.
$(CREATED):
	@test -n '$(VERSION)' || { \
		echo 'duologue needs Python 3.11 or newer; "$(PYTHON)" is older or missing.' >&2; \
		echo 'Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3' >&2; \
		exit 1; }
	@echo 'Building $(VENV) for Python $(VERSION) with $(or $(UV),pip)'
ifdef UV
	@uv venv --quiet --clear --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)
else
	@$(PYTHON) -m venv --clear $(VENV)
	@$(INSTALL) --upgrade 'pip>=25.1'
endif
	@touch $@

$(FOR_DEMO): pyproject.toml $(CREATED)
	@echo 'Installing what the demo needs'
	@$(INSTALL) --editable '.[local,cli]'
	@touch $@

$(FOR_DEVELOPMENT): pyproject.toml $(CREATED)
	@echo 'Installing every extra and the development tools'
	@$(INSTALL) --editable ".[$$($(BIN)/python -c '$(ALL_EXTRAS)')]" --group dev
	@touch $(FOR_DEMO) $@
