PYTHON ?= python3.11
BIN := .venv/bin
DEMO ?= demo
PLUGINS := $(wildcard plugins/*/pyproject.toml)
export CLERP_TEST_DATA ?=
WORK ?= build/work
OUT ?= build/sample

.PHONY: demo test faults check benchmarks picture sample install install-test clean

demo: install  ## Label a bundled real graph and print the table
	mkdir -p $(DEMO)
	$(BIN)/clerp label graphs/smollm2-135m/capital-of-france.json --out $(DEMO)/ --ledger $(DEMO)/clerp.db --target circuit-tracer
	@echo
	@echo "The labelled graph is $(DEMO)/capital-of-france.labeled.json, the review queue is in $(DEMO)/clerp.db."
	@echo "Everything behind one label:"
	@echo "  $(BIN)/clerp why $(DEMO)/capital-of-france.labeled.json 0_1 --features graphs/smollm2-135m/features"
	@echo "The graph in circuit-tracer's frontend, where circuit-tracer is installed:"
	@echo "  circuit-tracer start-server --graph_file_dir $(DEMO) --port 8046"

test: install-test check  ## Everything that fits in 15 minutes
	$(BIN)/pytest -q -n 2

faults: install-test  ## Ten times as many damaged graphs, records and texts as make test tries
	$(BIN)/pytest -q -n 2 --hypothesis-profile faults --timeout 3600 $$(grep -rl hypothesis tests --include='test_*.py')

check: install-test  ## Style, types, import direction
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

benchmarks: install-test  ## Ratios and times, side by side; asserts nothing
	$(BIN)/python tests/benchmarks/graph_io.py
	$(BIN)/python tests/benchmarks/startup.py
	$(BIN)/python tests/benchmarks/stages.py

picture: install  ## Draw the README's picture again
	$(BIN)/python graphs/draw_table.py

sample: install-test  ## Build the bundled graphs again from nothing; about an hour, 11 GB
	mkdir -p $(WORK) $(OUT)
	$(BIN)/python graphs/smollm2-135m/build.py --work $(WORK) --out $(OUT)

install: .venv/core

install-test: .venv/test

.venv/core: pyproject.toml requirements.lock $(PLUGINS)
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c requirements.lock hatchling editables
	$(BIN)/pip install -q -c requirements.lock --no-build-isolation -e '.[litellm]' $(PLUGINS:%/pyproject.toml=-e %)
	touch $@

# torch comes by itself first: later requirements would otherwise pull a CUDA build.
.venv/test: .venv/core
	$(BIN)/pip install -q torch==2.13.0
	$(BIN)/pip install -q -r requirements.lock
	touch $@

clean:
	rm -rf .venv demo build
