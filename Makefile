# Castalia's commands. Needs GNU make and Python >= 3.11; everything else goes into .venv.
# On Linux, pip's default torch brings CUDA (several GB). README.md says how to get the small CPU build instead.

PYTHON ?= python3
WORKERS ?= 2
DATA ?= shared/data
BIN := .venv/bin
SOURCES := src tests benchmarks examples docs
QUIET_BUILD := NO_MKDOCS_2_WARNING=1
QUIET_CORES := OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false

.DEFAULT_GOAL := help
.PHONY: help demo test check dev bench format docs docs-test locale

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: .venv/core.stamp ## train on built-in pictures, texts and chorales, judge the models, open the pages (installs only the core)
	$(BIN)/castalia demo image
	$(BIN)/castalia demo text
	$(BIN)/castalia demo music

test: .venv/dev.stamp ## run every test on two cores
	$(QUIET_CORES) $(BIN)/python -m pytest -n $(WORKERS) -q

check: .venv/dev.stamp ## style, types of the interface modules, layers
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

dev: .venv/dev.stamp ## install every extra, the tests' oracles and the tools

bench: .venv/dev.stamp .benchmark/pythae .benchmark/nanoGPT .benchmark/accelerate .benchmark/pandas ## measure everything in benchmarks/ and write the tables again (hours; quiet machine)
	-$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/first_minutes.py
	-$(BIN)/python benchmarks/loop_overhead.py
	$(BIN)/python benchmarks/precision.py
	$(BIN)/python benchmarks/estimate.py
	$(BIN)/python benchmarks/budget.py
	-$(BIN)/python benchmarks/stream_memory.py
	$(BIN)/python benchmarks/vae_pythae.py --peer .benchmark/pythae
	$(BIN)/python benchmarks/gan_fashion.py --threads 2
	$(BIN)/python benchmarks/flow_fashion.py
	$(BIN)/python benchmarks/picture_edits.py --data $(DATA)/images
	$(BIN)/python benchmarks/composed_shapes.py --seeds 0 1 2
	$(BIN)/python benchmarks/captions.py --data $(DATA)/images
	$(BIN)/python benchmarks/own_photos.py --data $(DATA)/images
	$(BIN)/python benchmarks/few_examples.py --data $(DATA)/images
	$(BIN)/python benchmarks/drawn_cells.py --data $(DATA)/images
	$(BIN)/python benchmarks/picture_recipes.py
	$(BIN)/python benchmarks/shapes.py --data $(DATA)/shapes3d/furniture
	PYTHONPATH=.benchmark/pandas $(BIN)/python benchmarks/table_race.py $(DATA)/tables/adult_income/adult.csv
	$(BIN)/python benchmarks/recommend.py $(DATA)/tables/online_retail/transactions.parquet $(DATA)/tables/movielens_small/ratings.csv
	$(BIN)/python benchmarks/demand.py $(DATA)/tables/online_retail/transactions.parquet
	$(BIN)/python benchmarks/risk.py
	$(BIN)/python benchmarks/lesson.py $(DATA)/text
	$(BIN)/python benchmarks/ad_copy.py $(DATA)/text
	$(BIN)/python benchmarks/audio_classes.py --data $(DATA)/audio
	$(BIN)/python benchmarks/attention.py
	$(BIN)/python benchmarks/text_race.py --peer .benchmark/nanoGPT
	$(BIN)/python benchmarks/text_sampling.py --peer .benchmark/nanoGPT
	$(BIN)/python benchmarks/text_ten_minutes.py
	$(BIN)/python benchmarks/text_tang.py
	$(BIN)/python benchmarks/intervals.py
	$(BIN)/python benchmarks/serving.py --peer .benchmark/accelerate
	$(BIN)/python benchmarks/serving.py --memory
	-$(BIN)/python benchmarks/constraints.py
	$(BIN)/python benchmarks/audit.py --data $(DATA)
	$(BIN)/python benchmarks/audit.py --time
	$(BIN)/python benchmarks/audit_music.py --data $(DATA)
	$(BIN)/python benchmarks/harmonise.py
	$(BIN)/python benchmarks/music_opens.py
	$(BIN)/python benchmarks/music_bpe.py --data $(DATA)
	$(BIN)/python benchmarks/nottingham.py --data $(DATA)/music/nottingham_folk/midi
	$(BIN)/python benchmarks/tables.py

format: .venv/dev.stamp ## rewrite the code in the project's style
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

locale: .venv/dev.stamp ## bring the catalogues of translations up to date with the source
	$(BIN)/python -m tests.catalogues

docs: .venv/dev.stamp ## build the documentation in both languages into site/: open site/index.html
	$(QUIET_BUILD) $(BIN)/mkdocs build --quiet --config-file mkdocs.yml
	$(QUIET_BUILD) $(BIN)/mkdocs build --quiet --config-file mkdocs.zh.yml

docs-test: .venv/dev.stamp ## execute every command in README and docs/, compare generated tables and pages with their sources
	$(QUIET_CORES) $(BIN)/python -m pytest -q tests/apps/test_docs.py tests/apps/test_site.py

# The core alone: what a user of the package gets.
.venv/core.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

# Everything; it contains the core, so the core need not be checked again.
.venv/dev.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch .venv/core.stamp $@

# A peer that is measured, never a dependency: it lives outside .venv.
.benchmark/pythae: | .venv/dev.stamp
	$(BIN)/python -m pip install --quiet --no-deps --target $@ pythae imageio

# What `transformers serve` wants beside transformers.
.benchmark/accelerate: | .venv/dev.stamp
	$(BIN)/python -m pip install --quiet --no-deps --target $@ accelerate psutil

# What benchmarks/table_race.py reads its data with.
.benchmark/pandas: | .venv/dev.stamp
	$(BIN)/python -m pip install --quiet --no-deps --target $@ pandas python-dateutil six

.benchmark/nanoGPT:
	git clone --quiet https://github.com/karpathy/nanoGPT $@
	git -C $@ checkout --quiet 3adf61e154c3fe3fca428ad6bc3818b27a3b8291

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Castalia needs Python 3.11 or newer; try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || { echo "this Python cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
