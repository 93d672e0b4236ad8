# Everything starts here. Each target sets up first what it needs, which takes no time once it is there.

PYTHON ?= python3
RUN := .venv/bin/python -m
NODES := tests/faults/test_nodes.py tests/faults/test_clusters.py
LONG := $(addprefix tests/faults/test_,backup.py rolling_upgrade.py authority_list_old.py) \
	$(addprefix tests/journey/test_,conformance.py encrypted_bus.py enrolment.py login_certificate.py keys_in_a_device.py) \
	tests/unit/adapter/test_portability_whole.py
# Programs are started hundreds of times here, and compiling them each time would take longer than what they do.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test long nodes chaos fuzz check bench scale load screens wheelhouse lock clean

help:  ## say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .setup-test  ## set up everything that the others need, and stop there

demo: .setup-demo  ## seven agencies exchange letters over a real broker; KEEP=1 leaves them running
	@KEEP=$(KEEP) $(RUN) compose.demo

test: .setup-test  ## run the tests; ARGS are given to pytest, for example ARGS="tests/unit -k thai"
	@$(RUN) pytest -n 4 --dist loadfile --no-loadscope-reorder $(or $(ARGS),$(addprefix --ignore=,$(NODES) $(LONG)))

long: .setup-test  ## what takes minutes each: backup and upgrade under load, joining step by step, keys in a device, clients of the wire, the adapter without what Windows lacks
	@$(RUN) pytest -n 2 --dist loadfile $(LONG)

nodes: .setup-test  ## several broker nodes: a cluster of three, one frozen or cut off, and two clusters (six minutes)
	@$(RUN) pytest $(NODES)

chaos: .setup-test  ## random faults by seeds, for minutes; SEED=… SECONDS=… DATABASE=… repeat a run, PLAN=show prints it
	@SEED=$(SEED) SECONDS=$(SECONDS) DATABASE=$(DATABASE) KNOWN=$(KNOWN) PLAN=$(PLAN) $(RUN) tests.chaos

check: .setup-check  ## style, types and the direction of imports
	@$(RUN) ruff check
	@$(RUN) ruff format --check
	@$(RUN) mypy
	@$(RUN) mypy --platform win32 --cache-dir build/cache/mypy-windows adapters
	@.venv/bin/lint-imports --cache-dir build/cache/import-linter

bench: .setup-bench  ## measure; writes build/bench.json; ARGS name parts, for example ARGS=floods
	@$(RUN) tests.bench $(ARGS)

fuzz: .setup-test  ## ask all checkers of a signature about some 80,000 changed documents (minutes)
	@$(RUN) tests.fuzz $(ARGS)

scale: .setup-bench  ## a country of agencies on a private broker, measured; AGENCIES=1500 makes it smaller
	@AGENCIES=$(or $(AGENCIES),8000) $(RUN) tests.scale

load: .setup-bench  ## 300 reads and 200 writes a second, ten minutes without faults and ten with; SECONDS=… READS=… WRITES=… FAULTS=…
	@SECONDS=$(SECONDS) READS=$(READS) WRITES=$(WRITES) FAULTS=$(FAULTS) DATABASE=$(DATABASE) $(RUN) tests.load

screens: .setup-test  ## pictures of the console's pages in build/screens; four small ones in docs/screens
	@$(RUN) tests.browser

wheelhouse: .setup-test  ## the wheel and every locked package in build/wheelhouse, to install without internet
	@rm -rf build/wheelhouse
	@$(RUN) pip --quiet download --require-hashes --only-binary :all: --dest build/wheelhouse -r requirements.lock
	@$(RUN) hatchling build --target wheel --directory build/wheelhouse
	@echo "pip install --no-index --find-links build/wheelhouse saraban-bus"

lock:  ## renew requirements.lock from pyproject.toml (needs uv)
	@uv pip compile --universal --python-version 3.11 --all-extras --upgrade --generate-hashes --no-header \
		--no-annotate --quiet --output-file requirements.lock pyproject.toml

clean:  ## remove everything that was made here
	@rm -rf .venv build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: .setup-demo .setup-test .setup-check .setup-bench
.setup-demo .setup-test .setup-check .setup-bench: .setup-%:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: install Python 3.11 or later" >&2; exit 1; }
	@$(PYTHON) -m compose.setup $*
