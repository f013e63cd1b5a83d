# The doors. Each target sets up what it needs, once; `make` alone lists them.
PARAMS ?= params/default.yml
PYTHON := .venv/bin/python
READY  := .venv/.ready
UV     := $(or $(shell command -v uv),.uv/bin/uv)
STEM   := $(basename $(notdir $(DATA)))

# Bytecode, written once at install, saves seconds at every start.
export UV_COMPILE_BYTECODE = 1
unexport PYTHONDONTWRITEBYTECODE
unexport VIRTUAL_ENV

.DEFAULT_GOAL := help
.PHONY: help setup report lab test lock clean

help:
	@echo "make report            also: make report PARAMS=params/faithful.yml"
	@echo "                             make report DATA=my.csv COLUMN=length K=3"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## set up the environment in .venv; the others do so by themselves

report: $(READY)  ## write the report on PARAMS, or on DATA with COLUMN and K
ifdef DATA
	@$(PYTHON) report.py run -p data '"$(DATA)"' $(if $(COLUMN),-p column '"$(COLUMN)"') \
	    $(if $(K),-p n_components '$(K)') --out '$(or $(OUT),runs/$(STEM))'
else
	@$(PYTHON) report.py run '$(PARAMS)' $(if $(OUT),--out '$(OUT)')
endif

lab: runs/default/manifest.json  ## open JupyterLab on the notebooks
	$(PYTHON) -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

# The notebooks' defaults point to this run folder. Status 3, a report not to be trusted, is still a report.
runs/default/manifest.json: | $(READY)
	@$(PYTHON) report.py run params/default.yml || [ $$? -eq 3 ]

test: $(READY)  ## run all tests: the code's, then the notebooks'
	$(PYTHON) -m pytest tests
	$(PYTHON) -m pytest --nbval --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg notebooks

lock: | $(UV)  ## pin pyproject.toml's dependencies anew in requirements.lock
	$(UV) pip compile --universal --python-version 3.12 --generate-hashes --no-header --no-emit-index-url \
	    --quiet --output-file requirements.lock pyproject.toml

clean:  ## remove the environment and caches; runs/ stays
	rm -rf .venv .uv *.egg-info .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml .python-version | $(UV)
	$(UV) venv --quiet --allow-existing .venv
	$(UV) pip sync --quiet --python $(PYTHON) --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(PYTHON) --no-deps --no-build-isolation --editable .
	@touch $@

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet uv
