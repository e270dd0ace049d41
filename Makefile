# Two commands: `make run` and `make test`. Both set up .venv if needed.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Bytecode is written when a module is first imported, not for the many that never are; where
# the environment forbids it, every step would compile all that it imports.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run real real-quick real-why report test test-quick test-models test-slurm test-browser bench bench-gpu digests lint pretrain dictionary reference notebook docs lock

run: .venv/ready
	iclgd run

# A language model on real data, by packages from the package index: SmolLM2-135M-Instruct on SST-2
# alone, on why ICL and GD differ there, or with everything.
real-quick real-why real: .venv/ready
	iclgd run config/$@.yaml

# The report alone, and whatever of the study it still lacks.
report: .venv/ready
	python -m iclgd.io.preload snakemake --cores all --quiet rules reason host -- results/default/report.html
	@echo "Report: results/default/report.html (one page, opens in any browser)"

test: .venv/ready
	pytest

# Without runs of Snakemake and other tests of many seconds: about a minute on two cores.
test-quick: .venv/ready
	pytest -m "not workflow and not slow"

# On a Slurm cluster of one node, started for it (as root): three to five minutes.
test-slurm: .venv/ready
	pytest -n 0 -rs tests/slurm

# Every architecture of transformers against plain transformers and torch: a minute.
test-models: .venv/ready
	pytest --dist load tests/architectures

# The report in a headless Chromium, installed for it with apt-get where it is missing: a minute.
test-browser: .venv/ready .venv-browser/ready
	PYTHONPATH=.venv-browser pytest -n 0 -rs tests/browser

# Speed as ratios within one run, into results/benchmarks/: eleven minutes, and six for SmolLM2.
bench: .venv-bench/ready
	for one in icl runs depth real large scale report; do .venv-bench/bin/python benchmarks/$$one.py || exit 1; done

# Where there is a CUDA card: memory and speed on it, and SmolLM2's main comparison. Never run yet.
bench-gpu: .venv/ready .venv-bench/ready
	.venv/bin/python -c "import torch; assert torch.cuda.is_available(), 'no CUDA card'"
	for one in large real; do .venv-bench/bin/python benchmarks/$$one.py || exit 1; done
	start=$$(date +%s); $(MAKE) real-quick && echo "real-quick: $$(($$(date +%s) - start)) seconds"

# The sha256 of every artifact: the same before and after a change that should change none.
digests:
	@cd results && find . -type f | LC_ALL=C sort | xargs -d '\n' sha256sum

# The numbers that pages quote, from a finished run (RUN=FOLDER of another study or place).
RUN ?= results/default
reference: .venv/ready
	iclgd reference write $(RUN)
	iclgd reference pages

lint: .venv/ready
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile rules
	lint-imports --no-cache
	snakemake --lint

# What every column means, into docs/data.md, and the metrics of docs/methods.md.
dictionary: .venv/ready
	python -m iclgd.reporting.dictionary

# Execute the notebooks of docs/ on artifacts of the default study, which are made if need be.
notebook: .venv-notebook/ready
	python -m iclgd.io.preload snakemake --cores all \
		results/default/summary/equivalence.parquet --quiet rules reason host
	.venv-notebook/bin/python docs/execute.py

# README, docs/ and the functions' descriptions as a site in site/; a broken link fails.
docs: .venv-docs/ready
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict
	@echo "Site: site/index.html"

# Train the built-in models anew (it takes a while) in place of those kept under models/.
pretrain: .venv/ready
	snakemake keep_models --cores all --configfile config/pretrain.yaml

.venv-bench/ready: requirements.lock benchmarks/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --disable-pip-version-check --no-compile --requirement benchmarks/requirements.txt
	touch $@

.venv-browser/ready: tests/browser/requirements.txt .venv/ready
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --target .venv-browser --requirement tests/browser/requirements.txt
	touch $@

# Jupyter's kernel alone; all else is seen in .venv.
.venv-notebook/ready: .venv/ready docs/notebook.txt
	$(PYTHON) -m venv .venv-notebook
	.venv-notebook/bin/pip install --quiet --disable-pip-version-check --no-compile --constraint requirements.lock --requirement docs/notebook.txt
	PATHS='import sysconfig; print(sysconfig.get_path("purelib"))'; \
	(.venv/bin/python -c "$$PATHS"; echo '$(CURDIR)/src') > "$$(.venv-notebook/bin/python -c "$$PATHS")/iclgd.pth"
	touch $@

.venv-docs/ready: docs/site.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/pip install --quiet --disable-pip-version-check --no-compile --requirement docs/site.txt
	touch $@

# Resolve the requirements of pyproject.toml into the versions that everybody gets.
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet ".[dev]"
	(echo "# Made by \`make lock\` from pyproject.toml; every version that is installed."; \
	 .venv-lock/bin/pip freeze --exclude iclgd | sed 's/+cpu$$//') > requirements.lock
	rm -r .venv-lock

.venv/ready: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --no-compile --requirement requirements.lock
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@
