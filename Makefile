# Everything that can be done here; `make` alone lists it. CONTRIBUTING.md says more.
#
# Variables: PYTHON     the interpreter that runs the driver and the demo's default (any 3.8 or newer)
#            CTM_SID    folder with Debian sid for Python 3.14 and 3.15 (default build/sid)
#            BENCH_PYTHON  the Python that is measured (default PYTHON)
#            SECONDS_EACH  how long each fuzz target runs (60); TARGET: only this one
#            ONLY       run only the suites whose name contains this: make test ONLY=parity

PYTHON ?= python3
BENCH_PYTHON ?= $(PYTHON)
RUN = $(PYTHON) tests/run_all.py $(if $(ONLY),--only $(ONLY))
GIL_BUILDS = 3.11,3.12,3.13
ALL_BUILDS = $(GIL_BUILDS),3.14,3.15

.DEFAULT_GOAL := help
.PHONY: help build demo test test-all test-long core-test bench bench-quick bench-scale bench-compare fuzz lint format clean

help: ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'

build: ## install the package into build/venv-3.X for each Python 3.11, 3.12, 3.13 found
	$(PYTHON) tests/run_all.py --pythons $(GIL_BUILDS) --build-only

demo: ## trace a real program: parse and compile the standard library (under a minute once built)
	@bash tools/demo.sh

test: ## all tests on Python 3.11, 3.12 and 3.13, and the C core's
	$(RUN) --pythons $(GIL_BUILDS)

test-all: ## the same, also on Python 3.14 and 3.15 (from Debian sid if need be)
	$(RUN) --pythons $(ALL_BUILDS)

test-long: ## what takes too long for CI as well: 25 frames, valgrind, every slow suite everywhere
	$(RUN) --pythons $(ALL_BUILDS) --long

core-test: ## the C core alone: gcc, clang, ASan and UBSan, TSan
	$(PYTHON) tests/run_all.py --pythons '' --only core: --only layers

fuzz: ## libFuzzer on the core's fuzz targets, a minute each (SECONDS_EACH=60 TARGET=reader)
	$(PYTHON) tests/run_fuzz.py --seconds $(or $(SECONDS_EACH),60) $(if $(TARGET),--target $(TARGET))

bench: ## run time of real programs with and without tracing, on two cores (BENCH_PYTHON: which Python; about a quarter of an hour)
	$(BENCH_PYTHON) bench/run.py

bench-quick: ## the same for ten of them and five modes
	$(BENCH_PYTHON) bench/run.py --quick

bench-scale: ## what snapshots, statistics, start and stop cost on a heap of 10 million blocks, and memory (minutes)
	$(BENCH_PYTHON) bench/scale.py

bench-compare: ## two results of the above: make bench-compare A=old.json B=new.json
	$(PYTHON) bench/report.py --compare $(A) $(B)

lint: ## formatting, ruff, types and the layers of the code
	@bash tools/lint.sh

format: ## let clang-format and ruff rewrite the sources
	@bash tools/lint.sh --fix

clean: ## remove what was built (not the Debian sid folder: rm -rf build/sid)
	@if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name 'sid*' -exec rm -rf {} +; fi
	@find . -name __pycache__ -type d -not -path './build/*' -prune -exec rm -rf {} +
	@rm -rf python/*.egg-info
