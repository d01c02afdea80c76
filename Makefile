# Everything that can be done here; `make` alone lists it. CONTRIBUTING.md says more.
#
# Variables: PYTHON     the interpreter that runs the driver (any 3.8 or newer; default: the first that is found)
#            CTM_SID    folder with Debian sid for Python 3.14 and 3.15 (default build/sid)
#            BENCH_PYTHON  the Python that is measured (default PYTHON)
#            PICTURES_PYTHON  the Python of docs-pictures (default build/venv-3.13)
#            SECONDS_EACH  how long each fuzz target runs (60); TARGET: only this one
#            ONLY       run only the suites whose name contains one of these: make test ONLY="parity integration";
#                       make test-zoo ONLY=trixie: only these members of the zoo
#            LIGHT      LIGHT=1: without the packages that some tests use (numpy and others; README.md has their size): they are skipped
#            CTM_ZOO    folder with the builds of CPython and the Debian releases of test-zoo (default build/zoo)

PYTHON ?= $(shell for p in python3 python3.13 python3.14 python3.12 python3.11 python3.15; do command -v $$p && break; done)
BENCH_PYTHON ?= $(PYTHON)
PICTURES_PYTHON ?= build/venv-3.13/bin/python
ONLY_WORDS = $(foreach word,$(ONLY),--only $(word))
RUN = $(PYTHON) tests/run_all.py $(ONLY_WORDS) $(if $(LIGHT),--light)
ALL_BUILDS = 3.11,3.12,3.13,3.14,3.15

.DEFAULT_GOAL := help
.PHONY: help docs-pictures build demo test test-all test-long test-zoo test-fresh core-test bench bench-quick bench-scale bench-compare fuzz lint format clean

help: ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

build: ## install the package into build/venv-3.X for each Python 3.11 to 3.15 found
	@bash tools/lacking.sh build
	$(PYTHON) tests/run_all.py --pythons $(ALL_BUILDS) --local --build-only $(if $(LIGHT),--light)

demo: ## trace a real program: parse and compile the standard library (under a minute once built)
	@bash tools/demo.sh

test: ## all tests on each Python 3.11 to 3.15 of this machine, and the C library's
	@bash tools/lacking.sh test
	$(RUN) --pythons $(ALL_BUILDS) --local

test-all: ## on all five, 3.14 and 3.15 from Debian sid if need be, and a small zoo: what CI runs
	@bash tools/lacking.sh test-all
	$(RUN) --pythons $(ALL_BUILDS) --small-zoo

test-long: ## what takes too long for CI as well: 25 frames, valgrind, every slow suite everywhere, the zoo, fresh machines
	@bash tools/lacking.sh test-long
	$(RUN) --pythons $(ALL_BUILDS) --long

test-zoo: ## on Debian's Pythons and on CPython built in many ways (root and network; hours the first time)
	$(PYTHON) tests/zoo/run.py $(ONLY_WORDS)

test-fresh: ## make demo and make test from nothing, in fresh Debian releases (root and network)
	$(PYTHON) tests/fresh/run.py $(ONLY_WORDS)

core-test: ## the C core alone: gcc, clang, ASan and UBSan, TSan
	$(PYTHON) tests/run_all.py --pythons '' --only libctm: --only layers

fuzz: ## libFuzzer on the core's fuzz targets, a minute each (SECONDS_EACH=60 TARGET=reader)
	$(PYTHON) tests/run_fuzz.py --seconds $(or $(SECONDS_EACH),60) $(if $(TARGET),--target $(TARGET))

docs-pictures: ## make the pictures of the documentation anew (chromium, Graphviz; playwright, rich, matplotlib in PICTURES_PYTHON)
	$(PICTURES_PYTHON) tools/docs_pictures.py

bench: ## run time of real programs with and without tracing, on two cores (BENCH_PYTHON: which Python; about a quarter of an hour)
	$(BENCH_PYTHON) benchmarks/run.py

bench-quick: ## the same for ten of them and five modes
	$(BENCH_PYTHON) benchmarks/run.py --quick

bench-scale: ## what snapshots, statistics, start and stop cost on a heap of 10 million blocks, and memory (minutes)
	$(BENCH_PYTHON) benchmarks/scale.py

bench-compare: ## two results of the above: make bench-compare A=old.json B=new.json
	$(PYTHON) benchmarks/report.py --compare $(A) $(B)

lint: ## all gates: pre-commit on all files (formats, clang-tidy, ruff, mypy, stubtest, codespell, layers)
	@bash tools/lint.sh

format: ## let clang-format and ruff rewrite the sources
	@bash tools/lint.sh clang-format ruff-check ruff-format || true

clean: ## remove what was built (not the Debian folders and builds of CPython: rm -rf build/sid build/zoo)
	@if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name 'sid*' ! -name zoo -exec rm -rf {} +; fi
	@find . -name __pycache__ -type d -not -path './build/*' -prune -exec rm -rf {} +
