# Everything a developer needs; `make test` and `make demo` work on a fresh machine with Python 3.11+ (and npm for the
# demo's Slack page).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.PHONY: install test check demo screenshots conformance fuzz docs lock benchmark chaos clean

install: $(STAMP)

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.11")'
	@echo "installing what is needed into $(VENV)" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

test: install
	$(BIN)/python -m pytest

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .

demo: install
	@$(BIN)/python -m bot demo $(ARGS)

screenshots: install
	$(BIN)/python -m tests.scenarios.screenshots

CORPUS ?= ../shared/corpus
conformance: install
	$(BIN)/python -m tests.conformance $(CORPUS)

fuzz: install
	$(BIN)/python -m tests.conformance.fuzz --count 100000

docs: install
	$(BIN)/python -m infra.settings_reference > docs/settings.md
	$(BIN)/python -m engine.lint.table > docs/lint.md

benchmark: install
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.ack
	$(BIN)/python -m benchmarks.load
	$(BIN)/python -m benchmarks.alarm
	$(BIN)/python -m benchmarks.lint
	$(BIN)/python -m benchmarks.runbooks
	$(BIN)/python -m benchmarks.engines --dbos --restate

chaos: install
	$(BIN)/python -m benchmarks.chaos $(ARGS)

lock: install
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements/base.in -o requirements/base.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements/dev.in -o requirements/dev.txt

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis artefacts
