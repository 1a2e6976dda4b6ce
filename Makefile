PYTHON ?= python3
BIN := .venv/bin
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: help repro test check data-docs slow habits browser prefect-ui bench serve own-data recipe clean constraints screenshot reference docs smoke
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "reprise needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,tensorboard,mlflow,prefect,dev,docs]'
	touch $@

repro: .venv/.installed  ## run the stages that changed, then print the metrics
	dvc repro
	dvc metrics show

test: .venv/.installed  ## run the test suite
	pytest

check: .venv/.installed  ## lint, format, type checks, and the workflows' security
	ruff check
	ruff format --check
	mypy
	zizmor --offline --quiet .

smoke: .venv/.installed  ## install the wheel into an empty environment, and run each command
	python -m tests.packages.smoke

data-docs: .venv/.installed  ## build Great Expectations' HTML docs in data/docs
	python -m src.data_docs data/prepared data/docs

slow: .venv/.installed  ## run the long proofs
	pytest -m slow

habits: .venv/.installed  ## a table of habits: as root, as a user, nested, without namespaces, in folders
	python -m tests.reprise.sandbox.habit_table

serve: .venv/.installed  ## a Prefect server, the deployments and a worker on this machine; Ctrl-C ends them
	python -m reprise.flows.serve

browser: .venv/.installed  ## open the HTML report in headless Chromium (Debian: chromium, chromium-driver)
	pytest -m browser -n 0 tests/reprise/review/render/test_browser.py

screenshot: .venv/.installed  ## draw docs/report.png anew: the HTML report of a change of this project
	python -m tests.reprise.review.render.screenshot

prefect-ui: .venv/.installed  ## open Prefect's page of a finished run in headless Chromium (Debian: as above)
	pytest -m prefect_ui -n 0 tests/reprise/flows/test_prefect_ui.py

docs: .venv/.installed  ## build the docs as a site in site/; a broken link fails
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

reference: .venv/.installed  ## write docs/cli.md and docs/params.md anew, from the parser and the models
	python -m website.reference

own-data: .venv/.installed  ## put recipes/tabular.yaml over params.yaml, for a table of your own
	python -m recipes tabular

recipe: .venv/.installed  ## measure recipes/NAME.yaml with three seeds: make recipe NAME=fashion-cnn
	python -m benchmarks.recipe $(NAME)

bench: .venv/.installed  ## time and memory on 1 and 5 million rows; the runner beside dvc repro
	python -m benchmarks.big_table
	python -m benchmarks.runner
	python -m benchmarks.patches
	python -m benchmarks.sandbox
	python -m benchmarks.flow

constraints:  ## pin what a fresh install of pyproject.toml takes
	rm -rf .venv && $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet 'torch==2.13.0' -e '.[train,tensorboard,mlflow,prefect,dev,docs]'
	(echo '# Every package of the environment, pinned: made by `make constraints` from a fresh install.'; \
	 $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu//') > constraints.txt

clean:  ## remove the virtual environment and caches, not data
	rm -rf .venv site .mypy_cache .pytest_cache .ruff_cache data/docs dvc_plots *.egg-info
