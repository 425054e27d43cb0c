# make demo / make test in a fresh clone set up .venv first. Another Python: make setup PYTHON=python3.11
PYTHON ?= $(firstword $(foreach p,python3 python3.11 python3.10 python3.13 python3.14 python3.12 python,$(shell command -v $(p) 2>/dev/null)))
VENV := .venv
RUN := $(VENV)/bin/python
ARGS ?=
JOBS ?= 2

.PHONY: help setup test reliability lint types docs docs-check tables demo benchmark lock clean

help:
	@echo 'make setup      .venv with everything capekit needs (PYTHON=python3.11 chooses a Python, 3.10 to 3.14)'
	@echo 'make demo       train, test and draw on synthetic data'
	@echo 'make test       the test suite             (ARGS="-k registry" passes options on; JOBS=8 at once)'
	@echo 'make reliability  kill 50 trainings, tests and generations, and compare  (ARGS="--kills 100")'
	@echo 'make lint       ruff, codespell and mypy   (ARGS=--fix lets ruff fix what it can)'
	@echo 'make types      mypy alone'
	@echo 'make docs       the site, into site/'
	@echo 'make tables     write the tables of README and docs from docs/runs  (ARGS=--check only looks)'
	@echo 'make docs-check run the commands of the pages on small generated data'
	@echo 'make benchmark  measure speed and memory   (ARGS=... passes options on)'
	@echo 'make lock       write requirements.lock anew (with uv: pip install uv)'
	@echo 'make clean      remove .venv and caches; data and work_dirs stay'

setup: $(VENV)/.ready

# Written last, so that an interrupted set-up is repeated.
$(VENV)/.ready: requirements.lock requirements-source.txt pyproject.toml setup.py tools/setup_env.py
	@"$(or $(PYTHON),$(error no Python found; fix: apt install python3 python3-venv))" tools/setup_env.py $(VENV)

test: setup
	$(RUN) -m pytest -q -n $(JOBS) --dist loadfile tests $(ARGS)

reliability: setup
	$(RUN) -m tests.reliability.kills $(ARGS)

lint: setup
	$(RUN) -m ruff check . $(ARGS)
	$(VENV)/bin/codespell
	$(MAKE) --no-print-directory types

types: setup
	$(RUN) -m mypy

docs: setup
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

tables: setup
	$(RUN) tools/update_tables.py $(ARGS)

docs-check: setup
	CAPEKIT_DOCS_CHECK=1 $(RUN) -m pytest -q tests/test_docs.py $(ARGS)

demo: setup
	$(RUN) tools/demo.py $(ARGS)

benchmark: setup
	$(RUN) tools/analysis/benchmark.py $(ARGS)

lock:
	uv pip compile --universal --python-version 3.10 --no-annotate --no-emit-index-url \
		--custom-compile-command 'make lock' requirements-dev.txt -o requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis build site *.egg-info
	find capekit tools tests configs -name __pycache__ -type d -prune -exec rm -rf {} +
