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
.PHONY: help setup report reports index figures lab notebooks test lock clean bench study

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

reports: $(READY)  ## write the report on every file in params/
	@for params in params/*.yml; do $(PYTHON) report.py run "$$params" || [ $$? -eq 3 ] || exit 1; done

index: $(READY)  ## write runs/index.html, one page over all runs
	@$(PYTHON) report.py index

figures: runs/default/manifest.json  ## take the README's pictures of the default report, in Chromium
	@$(PYTHON) -m runner.shots runs/default figures

lab: runs/default/manifest.json  ## open JupyterLab on the notebooks
	$(PYTHON) -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

# The notebooks' defaults point to this run folder. Status 3, a report not to be trusted, is still a report.
runs/default/manifest.json: | $(READY)
	@$(PYTHON) report.py run params/default.yml || [ $$? -eq 3 ]

# nbconvert runs them where they stand, as JupyterLab does; what the sampler says while it runs is not kept.
notebooks: $(READY)  ## run the notebooks in their place and store their outputs
	cd notebooks && ../$(PYTHON) -m nbconvert --to notebook --inplace --execute 0*.ipynb
	cd notebooks && ../$(PYTHON) -m nbconvert --to notebook --inplace --TagRemovePreprocessor.enabled=True \
	    --TagRemovePreprocessor.remove_all_outputs_tags='{"progress"}' --ClearMetadataPreprocessor.enabled=True \
	    --ClearMetadataPreprocessor.preserve_nb_metadata_mask='{"chain", "kernelspec", "language_info"}' \
	    --ClearMetadataPreprocessor.preserve_cell_metadata_mask='{"tags"}' 0*.ipynb

test: $(READY)  ## run all tests, the notebooks among them
	$(PYTHON) -m pytest -n 2 --dist loadfile --durations 12 tests

bench: $(READY)  ## run the benchmarks; results in benchmarks/results
	@for name in assignment_steps any_size; do $(PYTHON) -m benchmarks.$$name || exit 1; done

# Stored with its outputs: it takes some minutes and needs a quiet machine.
study: $(READY)  ## run the study of the post's claim about the latent model
	cd notebooks && ../$(PYTHON) -m nbconvert --to notebook --inplace --execute study_assignment_steps.ipynb

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
