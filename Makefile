# Each target works on a fresh clone, by itself. It needs Python 3.11 or newer and make; on Windows, run it from Git Bash.
VENV := .venv
ifeq ($(OS),Windows_NT)
SHELL := bash
PYTHON ?= python
BIN := $(VENV)/Scripts
else
PYTHON ?= python3
BIN := $(VENV)/bin
endif
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
# uv installs in seconds what takes pip half a minute. It does not read pip's settings, so it is told pip's index; where it is
# missing or fails, pip installs.
INDEX = $${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null)}
UV_INDEX = UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$(INDEX)}"
UV = $(UV_INDEX) $(BIN)/uv pip install --quiet --python $(BIN)/python \
	--constraint constraints.txt
INSTALL = $(UV) --editable $(WANTED) || $(PIP) --editable $(WANTED)
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist worksteal

# Tests start many processes; where the environment forbids bytecode, each of them would compile its imports again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test quick check covered static docs docs-versions installed locks bench clean

$(VENV)/.torch: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nephrograde needs Python 3.11 or newer; run: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	-$(PIP) uv
	touch $@

$(VENV)/.run: WANTED = .
$(VENV)/.run: $(VENV)/.torch pyproject.toml
	$(INSTALL)
	touch $@

# What static checks look at; the rest of the packages, which take as long, can be installed meanwhile.
$(VENV)/.checked: WANTED = '.[public,test,web]'
$(VENV)/.checked: $(VENV)/.torch pyproject.toml
	$(INSTALL)
	touch $@

$(VENV)/.test: WANTED = '.[docs,encoders,pdf,public,radiomics,test,tune,web]'
$(VENV)/.test: $(VENV)/.checked pyproject.toml
	$(INSTALL)
	touch $@

demo: $(VENV)/.run
	$(BIN)/nephrograde demo

# Side by side: static checks, the rest of the installation with the documentation, and the installation of a user; then
# the tests, on both cores.
check: $(VENV)/.checked
	$(MAKE) --jobs 2 static docs installed
	$(MAKE) covered

covered: $(VENV)/.test
	NEPHROGRADE_COVERAGE=1 $(PYTEST)

static: $(VENV)/.checked
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=src $(BIN)/lint-imports

# What takes more than a second is listed at the end, to be marked as slow.
quick: $(VENV)/.test
	$(PYTEST) -m "not slow" --hypothesis-profile ci --durations 10 --durations-min 1

test: check

# Warnings are errors, a broken link or a failing notebook among them; the site needs no network, built or opened.
docs: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -M html docs build/docs --fresh-env --nitpicky --fail-on-warning --keep-going --quiet
	$(BIN)/python docs/check_site.py build/docs/html

# The documentation of every release (tags such as v1.2.3) beside that of the present source.
docs-versions: docs
	$(BIN)/python -m release.docs_versions build/docs/html

# What would be published is built and checked; then the wheel is installed into a new environment and run there.
installed: $(VENV)/.test
	rm -rf build/dist
	$(UV_INDEX) $(BIN)/uv build --quiet --out-dir build/dist
	$(BIN)/python release/check_distribution.py build/dist
	$(UV_INDEX) $(BIN)/uvx --quiet --constraints constraints.txt twine check --strict build/dist/*.whl build/dist/*.tar.gz
	$(UV_INDEX) $(BIN)/python release/check_install.py build/dist

# To be run after a change of constraints.txt or of a dependency.
locks: $(VENV)/.torch
	$(UV_INDEX) $(BIN)/python release/lock.py

# Some of them miss what is required of them, as docs/reference/bench.md says; they do not stop the others.
bench: WANTED = '.[bench]'
bench: $(VENV)/.test
	$(INSTALL)
	-$(BIN)/python bench/prepare.py
	-$(BIN)/python -m bench.series
	-$(BIN)/python -m bench.scaling
	$(BIN)/python -m bench.input_pipeline
	$(BIN)/python -m bench.fit
	$(BIN)/python bench/scan_headers.py
	$(BIN)/python bench/phase_images.py
	-$(BIN)/python -m bench.start
	-$(BIN)/python -m bench.many
	$(BIN)/python bench/coverage.py
	$(BIN)/python bench/out_of_fold.py
	$(BIN)/python bench/repeats.py
	$(BIN)/python bench/readers.py
	$(BIN)/python bench/sample_size.py
	$(BIN)/python bench/scale.py
	$(BIN)/python bench/increment.py
	$(BIN)/python bench/stack.py
	$(BIN)/python bench/uncertainty.py
	$(BIN)/python bench/recalibration.py
	$(BIN)/python bench/combine.py
	$(BIN)/python bench/many_sites.py
	$(BIN)/python bench/ladder.py
	$(BIN)/python bench/annotate.py
	$(BIN)/python bench/annotate_cohort.py
	$(BIN)/python -m bench.serve
	$(BIN)/python -m bench.engines
	$(BIN)/python -m bench.faults
	$(BIN)/python bench/pooling.py
	$(BIN)/python -m bench.deidentify
	$(UV_INDEX) $(BIN)/python -m bench.install
	-$(BIN)/python -m bench.report
	-$(BIN)/python -m bench.growth

clean:
	rm -rf $(VENV) demo build/docs build/dist
