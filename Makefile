PYTHON ?= python3.11
BIN := .venv/bin
export CLERP_TEST_DATA ?=

.PHONY: demo test check install install-test clean

demo: install  ## Label a bundled real graph and print the table
	mkdir -p demo
	$(BIN)/clerp label graphs/smollm2-135m/capital-of-france.json --out demo/ --ledger demo/clerp.db --target circuit-tracer
	@echo
	@echo "The labelled graph is in demo/. With circuit-tracer installed, see it with:"
	@echo "  circuit-tracer start-server --graph_file_dir demo --port 8046"

test: install-test check  ## Everything that fits in 15 minutes
	$(BIN)/pytest -q -n 2

check: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

install: .venv/core

install-test: .venv/test

.venv/core: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c requirements.lock hatchling editables
	$(BIN)/pip install -q -c requirements.lock --no-build-isolation -e '.[litellm]'
	touch $@

# torch comes by itself first: later requirements would otherwise pull a CUDA build.
.venv/test: .venv/core
	$(BIN)/pip install -q torch==2.13.0
	$(BIN)/pip install -q -r requirements.lock
	touch $@

clean:
	rm -rf .venv demo
