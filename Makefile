# The doors. Each target sets up what it needs, once; `make` alone lists them.
PARAMS ?= params/default.yml
SWEEP  ?= sweeps/smoke.yml
RUN    ?= runs/default
PYTHON := .venv/bin/python
REPORT := $(dir $(PYTHON))mixture-report
READY  := .venv/.ready
TESTED := .venv/.ready-test
UV     := $(or $(shell command -v uv),.uv/bin/uv)
# As in the kernels that a report starts: threads that share small matrices only wait for each other.
ONE_THREAD = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
PIN     = $(UV) pip compile --universal --python-version 3.12 --generate-hashes --no-header --no-emit-index-url --quiet

# What was given on make's command line, as a quoted YAML value: the shell and YAML read nothing into it.
quoted = "'$$(printf %s "$$$(1)" | sed "s/'/''/g")'"

# Bytecode is written by who first imports a module: of 11,000 files a report needs 3,000, and to compile all at install
# takes twice the seconds that a first report then saves.
unexport PYTHONDONTWRITEBYTECODE
unexport UV_COMPILE_BYTECODE
unexport VIRTUAL_ENV
# What make's command line may set; anything else there is a slip. The first ones are parameters of a report, by name.
GIVEN = data:DATA column:COLUMN counts:COUNTS lower:LOWER upper:UPPER unit:UNIT by:BY transform:TRANSFORM missing:MISSING n_components:K k_max:KMAX draws:DRAWS tune:TUNE scheduler:SCHEDULER
OF_REPORT = $(foreach pair,$(GIVEN),$(lastword $(subst :, ,$(pair)))) PARAMS
OF_OTHERS = OUT SCHEDULER SWEEP RUN PYTHON UV STOP PYTEST_ADDOPTS
ON_LINE  := $(filter-out -% MAKE%,$(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name))))
SLIPS    := $(filter-out $(OF_OTHERS) $(if $(filter report,$(MAKECMDGOALS)),$(OF_REPORT)),$(ON_LINE))
ifneq ($(SLIPS),)
$(error $(SLIPS): given to make; allowed: $(OF_OTHERS), and for `make report` $(OF_REPORT))
endif
export PARAMS DATA COLUMN COUNTS LOWER UPPER UNIT BY TRANSFORM MISSING K KMAX DRAWS TUNE OUT SWEEP SCHEDULER RUN

.DEFAULT_GOAL := help
.PHONY: help setup report reports sweep reproduce index figures lab notebooks lint test test-longer test-slow test-all lock clean \
        bench studies calibrate coverage references failing-fit peers documents

help:
	@echo "make report            also: make report PARAMS=params/faithful.yml"
	@echo "                             make report DATA=my.csv COLUMN=length UNIT=mm"
	@echo "                             make report DATA=my.csv K=3 KMAX=5 DRAWS=4000 OUT=runs/mine"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(TESTED)  ## set up the environment in .venv, tests included; the others do so by themselves

# Text is quoted, numbers (K may be auto) are YAML as they are.
as_option = $(if $($(2)),-p $(1) $(if $(filter K KMAX DRAWS TUNE,$(2)),"$$$(2)",$(call quoted,$(2))))
OPTIONS = $(foreach pair,$(GIVEN),$(call as_option,$(firstword $(subst :, ,$(pair))),$(lastword $(subst :, ,$(pair)))))

report: $(READY)  ## write the report on PARAMS, or on DATA: COLUMN, COUNTS, LOWER, UPPER, UNIT, BY, TRANSFORM, MISSING, K, KMAX, DRAWS, TUNE, OUT
	@$(REPORT) run $(if $(and $(DATA),$(if $(findstring command,$(origin PARAMS)),,ours)),,"$$PARAMS") $(OPTIONS) $(if $(OUT),--out "$$OUT")

sweep: $(READY)  ## run all points of SWEEP (sweeps/smoke.yml), on SCHEDULER if there is one, and report on them
	@$(REPORT) sweep "$$SWEEP" $(if $(SCHEDULER),--scheduler "$$SCHEDULER") $(if $(OUT),--out "$$OUT")

reports: $(READY)  ## write the report on every file in params/
	@for params in params/*.yml; do $(REPORT) run "$$params" || [ $$? -eq 3 ] || exit 1; done

reproduce: $(READY)  ## run the report in RUN (runs/default) again in a fresh folder and say what differs
	@$(REPORT) reproduce "$$RUN"

index: $(READY)  ## write runs/index.html, one page over all runs
	@$(REPORT) index

figures: runs/default/manifest.json $(TESTED)  ## take the README's pictures of the default report, in Chromium
	@$(PYTHON) -m runner.page.shots runs/default figures

lab: runs/lab/posterior.nc  ## open JupyterLab on the notebooks, which work in runs/lab, a copy of the default report
	$(ONE_THREAD) $(PYTHON) -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) \
	    --ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/notebooks/01_simulation.ipynb

# A scratch folder: what is tried in JupyterLab never changes a report. It has no manifest, so it is no finished run.
runs/lab/posterior.nc: | runs/default/manifest.json
	@mkdir -p $(@D)
	@cp -p runs/default/*.parquet runs/default/*.csv $(@D)
	@for file in runs/default/*.json; do [ "$$file" = runs/default/manifest.json ] || cp -p "$$file" $(@D); done
	@cp -p runs/default/posterior.nc $(@D)/.posterior.nc.part && mv $(@D)/.posterior.nc.part $@

# What nbconvert writes of the notebook that it ran, apart from its outputs, is not kept, nor what samplers say as they run.
CLEAN_STORED = ../$(PYTHON) -m nbconvert --to notebook --inplace --ClearMetadataPreprocessor.enabled=True \
    --ClearMetadataPreprocessor.preserve_nb_metadata_mask='{"chain", "kernelspec", "language_info"}' \
    --ClearMetadataPreprocessor.preserve_cell_metadata_mask='{"tags"}' \
    --TagRemovePreprocessor.enabled=True --TagRemovePreprocessor.remove_all_outputs_tags='{"progress"}'

# Status 3, a report not to be trusted, is still a report.
runs/default/manifest.json: | $(READY)
	@$(REPORT) run params/default.yml || [ $$? -eq 3 ]

# nbconvert runs them where they stand and in runs/lab, as JupyterLab does.
notebooks: $(READY)  ## run the notebooks in their place and store their outputs
	cd notebooks && $(ONE_THREAD) ../$(PYTHON) -m nbconvert --to notebook --inplace --execute 0*.ipynb
	cd notebooks && $(CLEAN_STORED) 0*.ipynb

# What has the form of `ruff format`: all but the notebooks.
FORMATTED = report.py helpers.py parameters.py mixture mixture_report runner benchmarks tests

lint: $(TESTED)  ## check the code with ruff
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check $(FORMATTED)

# The plugin of nbval takes seconds to load in each process; the test that needs it starts its own.
PYTEST = MIXTURE_CORES=1 $(ONE_THREAD) $(PYTHON) -m pytest -n 2 -p no:nbval
test: $(TESTED)  ## run the tests, in about three minutes
	$(PYTEST) --dist loadfile --durations 12 -m "not longer and not slow" tests

# Whole reports, sweeps, notebooks by themselves, windows of a browser, compiled models: twice as long.
test-longer: $(TESTED)
	$(PYTEST) --dist loadfile --durations 12 -m "longer and not slow" tests

# The slow tests alone, and the tests of generated input again with many more cases.
test-slow: $(TESTED)
	$(PYTEST) --dist worksteal $(STOP) --durations 20 -m slow tests
	$(PYTEST) --dist load $(STOP) --durations 8 --hypothesis-profile thorough $(shell find tests -name "test_robust*.py")

test-all: test test-longer test-slow  ## run all tests: generated input by the thousand, runs stopped at any moment, planted errors

bench: $(READY) .venv-peers/.ready  ## run the benchmarks; results in benchmarks/results
	@for name in whole_report hard_reports assignment_steps sweep; do $(ONE_THREAD) $(PYTHON) -m benchmarks.$$name || exit 1; done
	@for name in samplers any_size; do $(ONE_THREAD) .venv-peers/bin/python -m benchmarks.$$name || exit 1; done

# A sweep that is done is not run again.
STUDIES = study_assignment_steps.ipynb study_scaling.ipynb study_priors.ipynb study_components.ipynb sweep_report.ipynb
studies: $(READY)  ## run the studies of the post's claims, with their sweeps, and store them
	@for name in scaling priors components; do $(REPORT) sweep sweeps/$$name.yml || [ $$? -eq 3 ] || exit 1; done
	cd notebooks && $(ONE_THREAD) ../$(PYTHON) -m nbconvert --to notebook --inplace --execute $(STUDIES)
	cd notebooks && $(CLEAN_STORED) $(STUDIES)
	$(PYTHON) -m mixture.studies.stored scaling priors components assignment_steps
	$(PYTHON) -m benchmarks.documents

# A notebook of a study run where it stands, its outputs stored, and what the documents say of it written anew.
define run_study
	cd notebooks && $(ONE_THREAD) ../$(PYTHON) -m nbconvert --to notebook --inplace --execute $(1).ipynb
	cd notebooks && $(CLEAN_STORED) $(1).ipynb
	$(PYTHON) -m benchmarks.documents
endef

calibrate: $(READY)  ## run the study of calibration: 3,000 fits to samples whose truth is known, half an hour
	$(call run_study,study_calibration)

coverage: $(READY)  ## run the study of the intervals' coverage, half an hour
	$(call run_study,study_coverage)

references: $(READY)  ## make the reference posteriors of references/ anew, and their study
	$(ONE_THREAD) $(PYTHON) -m mixture.studies.references
	$(call run_study,study_references)

failing-fit: $(READY)  ## run the study of a fit that fails on purpose
	$(call run_study,study_failing_fit)

peers: .venv-peers/.ready  ## fit the hard samples by other samplers too, and store how they fared
	$(ONE_THREAD) .venv-peers/bin/python -m benchmarks.peers

documents: $(READY)  ## write what the documents say of stored results
	$(PYTHON) -m benchmarks.documents

lock: | $(UV)  ## pin pyproject.toml's dependencies anew, the benchmarks' own apart
	$(PIN) --output-file requirements.lock pyproject.toml
	$(PIN) --output-file requirements-test.lock --constraints requirements.lock --group test
	$(PIN) --output-file benchmarks/requirements.lock --constraints requirements.lock --group bench

clean:  ## remove the environment and caches; runs/ stays
	rm -rf .venv .venv-peers .uv build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml .python-version | $(UV)
	$(UV) venv --quiet --allow-existing .venv
	$(UV) pip sync --quiet --python $(PYTHON) --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(PYTHON) --no-deps --no-build-isolation --editable .
	@touch $@

$(TESTED): requirements-test.lock $(READY)
	$(UV) pip install --quiet --python $(PYTHON) --require-hashes -r requirements.lock -r requirements-test.lock
	@touch $@

# The samplers that only benchmarks meet live apart: where JAX is installed, matplotlib and SciPy import it.
.venv-peers/.ready: benchmarks/requirements.lock $(READY)
	$(UV) venv --quiet --allow-existing .venv-peers
	$(UV) pip install --quiet --python .venv-peers/bin/python --require-hashes -r requirements.lock -r benchmarks/requirements.lock
	$(UV) pip install --quiet --python .venv-peers/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

# An environment of its own only where the interpreter has no pip: it takes longer than uv.
.uv/bin/uv:
	@python3 -m pip install --quiet --target .uv uv 2>/dev/null || { python3 -m venv .uv && .uv/bin/pip install --quiet uv; }
