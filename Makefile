# Everything runs from .venv and .local: no root, no Docker, and nothing to install by hand but Python and make.
#
# On SIGTERM make passes it to its children. So a recipe that runs long is one process: `exec` puts the program in the
# place of the recipe's shell, which would end alone. Ctrl-C and a closed terminal signal the whole process group.

# Python 3.11 or newer. It makes the environments, and runs the functions of `make local`.
PYTHON ?= python3
# More arguments: make test ARGS='-k batch', make fuzz ARGS='--bodies 1000'.
ARGS ?=
# The storm of `make chaos`, and the number of step sequences that its model tries.
EVENTS ?= 5000
COMPANIES ?= 300
KILLS ?= 20
SEED ?= 1
EXAMPLES ?= 1500
# The modules and rooms of the layer that `make mutants` changes: all of its core, unless said.
MODULES ?=

# What `make build` builds for, and where `make deploy` deploys to.
STAGE ?= try

VENV := .venv/bin/python
DEV := .venv/.installed
RUNTIME := .local/runtime/.installed
MINISTACK := .local/ministack/.installed
CHECKOV := .local/checkov/.installed
MUTMUT := .local/mutmut/.installed

SAM := env PATH="$(CURDIR)/.venv/bin:$$PATH" $(VENV) -m samcli
# Programs that import the package of the layer.
WITH_LAYER := env PYTHONPATH=shared $(VENV)
INSTALL := install --quiet --no-input --no-deps --require-hashes --requirement
LOCK := $(VENV) -m uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --quiet $(ARGS)

export SAM_CLI_TELEMETRY := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help presets local demo chaos simulate bench test check system runtime fuzz mutants format schemas dashboard costs build deploy lock clean

help: ## Say what there is to make.
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

presets: $(DEV) ## Check the packaged presets and sources; build, local, demo, deploy and check begin with it.
	@$(VENV) -m ops presets check
	@exec $(VENV) -m ops sources check

local: presets $(RUNTIME) $(MINISTACK) ## Run the whole system on this machine until Ctrl-C (CODAT_BASE_URL=... CODAT_API_KEY=... name another Codat).
	@exec $(VENV) -m local $(if $(filter command,$(origin CODAT_BASE_URL)),--codat-base-url "$(CODAT_BASE_URL)")

demo: presets $(RUNTIME) $(MINISTACK) ## Show the whole system at work on this machine.
	@exec $(WITH_LAYER) -m local.demo $(ARGS)

# The model first: it searches the orders of steps that a storm reaches by chance alone.
chaos: $(DEV) $(RUNTIME) $(MINISTACK) ## Send thousands of events through the system, with faults and kills, and check the results (EVENTS=5000 COMPANIES=300 KILLS=20 SEED=1).
	exec env CHAOS_EXAMPLES=$(EXAMPLES) $(VENV) -m pytest tests/model
	@exec $(WITH_LAYER) -m local.chaos --events $(EVENTS) --companies $(COMPANIES) --kills $(KILLS) --seed $(SEED) $(ARGS)

simulate: $(DEV) ## Simulate hours and days in which Codat or Lambda does not do what it should (ARGS='--all', '--scenario burst-4000-600').
	@exec $(WITH_LAYER) -m local.simulation $(ARGS)

bench: COMPANIES = 100000
bench: $(DEV) ## Measure what a reconciliation run and a live event cost: time, memory, calls, money (COMPANIES=100000).
	@$(WITH_LAYER) -m local.bench --companies $(COMPANIES) $(ARGS)
	@exec $(WITH_LAYER) -m local.bench.handlers

test: $(DEV) ## The tests, with branch coverage.
	$(VENV) -m pytest --cov $(ARGS)

check: presets $(CHECKOV) ## All that has to hold before a commit; changes no file.
	$(VENV) -m ruff format --check
	$(VENV) -m ruff check
	$(VENV) -m mypy
	.venv/bin/cfn-lint --append-rules cfn_lint_serverless.rules
	exec $(SAM) validate --lint
	$(VENV) -m tests.template.translation > .local/template.json
	.local/checkov/bin/checkov --file .local/template.json --framework cloudformation --skip-download --compact --quiet
	$(VENV) -m tests.template.policies .local/policies
	env PYTHONWARNINGS=ignore .local/checkov/bin/parliament --directory .local/policies
	$(MAKE) test

system: $(DEV) $(RUNTIME) $(MINISTACK) ## Test a deployed stack: redrive, reconciliation, update, deletion, every command of the runbook, and what `doctor` finds.
	exec $(VENV) -m pytest tests/system $(ARGS)

runtime: $(DEV) ## Test the built artefacts under AWS's own runtime emulator (Linux with the runtime's own Python).
	exec $(VENV) -m pytest tests/runtime $(ARGS)

fuzz: $(DEV) ## Send random messages through the real consumer (ARGS='--bodies 1000000 --seed 1').
	exec $(WITH_LAYER) -m tests.fuzz $(ARGS)

mutants: $(DEV) $(MUTMUT) ## Change the core modules a little at a time; fail where no test notices (MODULES='outcomes codat/errors').
	@exec $(VENV) -m tests.mutants $(MODULES)

format: $(DEV) ## Put the code into its form.
	$(VENV) -m ruff check --fix-only
	$(VENV) -m ruff format

schemas: $(DEV) ## Write the JSON Schemas of all events, from the models.
	@exec $(WITH_LAYER) -m local.event_schemas

dashboard: $(DEV) ## Draw the dashboard from recorded metrics (ARGS="record --about '...'" records the running stack).
	@exec $(VENV) -m local.dashboard $(ARGS)

costs: $(DEV) ## Write what a stack costs into docs/deploy.md, from the template and the prices.
	@exec $(WITH_LAYER) -m local.cost --write

# Both check the stage before anything is built, and build for its PythonRuntime, which has to be on the PATH.
build: presets ## Build for a stage of samconfig.toml (STAGE=try|prod).
	@exec $(VENV) -m ops.release build $(STAGE) $(ARGS)

deploy: presets ## Build, and deploy to a stage of samconfig.toml (STAGE=try|prod ARGS=--no-confirm-changeset).
	@exec $(VENV) -m ops.release deploy $(STAGE) $(ARGS)

lock: $(DEV) ## Pin the packages of pyproject.toml anew (ARGS=--upgrade takes the newest).
	$(LOCK) pyproject.toml --group dev --extra ops --output-file requirements-dev.txt
	$(LOCK) pyproject.toml --constraints requirements-dev.txt --output-file shared/requirements.txt
	$(LOCK) --group lambda-runtime --output-file local/requirements-runtime.txt
	$(LOCK) --group lambda-runtime-interface --output-file local/requirements-runtime-interface.txt
	$(LOCK) --group ministack --output-file local/requirements-ministack.txt
	$(LOCK) --group checkov --output-file local/requirements-checkov.txt
	$(LOCK) --group mutants --output-file local/requirements-mutants.txt

clean: ## Remove all that make made.
	rm -rf .venv .local .aws-sam .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------------------------------------------------
# The environments: made when they are missing or older than their lock.
# ---------------------------------------------------------------------------------------------------------

NEEDED := Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11

$(DEV): requirements-dev.txt
	@command -v "$(PYTHON)" >/dev/null || { echo "$(PYTHON) is not there. $(NEEDED)" >&2; exit 1; }
	@"$(PYTHON)" -c "import sys; sys.version_info >= (3, 11) or sys.exit('$(PYTHON) is Python %d.%d. $(NEEDED)' % sys.version_info[:2])"
	@echo "Installing the development tools into .venv (once, about a minute)"
	@"$(PYTHON)" -m venv --clear .venv
	@$(VENV) -m pip $(INSTALL) $<
	@$(VENV) -m pip install --quiet --no-input --no-deps --no-build-isolation --editable .
	@touch $@

# The environment of the functions: what Lambda has, and nothing else.
$(RUNTIME): local/requirements-runtime.txt $(DEV)
	@echo "Installing this machine's Lambda runtime into .local/runtime (once)"
	@$(VENV) -m venv --clear --without-pip .local/runtime
	@$(VENV) -m pip --python .local/runtime/bin/python $(INSTALL) $<
	@touch $@

$(MINISTACK): local/requirements-ministack.txt $(DEV)
	@echo "Installing MiniStack, the emulator of AWS, into .local/ministack (once)"
	@$(VENV) -m venv --clear --without-pip .local/ministack
	@$(VENV) -m pip --python .local/ministack/bin/python $(INSTALL) $<
	@touch $@

$(CHECKOV): local/requirements-checkov.txt $(DEV)
	@echo "Installing checkov into .local/checkov (once, half a minute)"
	@$(VENV) -m venv --clear --without-pip .local/checkov
	@$(VENV) -m pip --python .local/checkov/bin/python $(INSTALL) $<
	@touch $@

# Mutmut runs the tests in its own process. So its environment finds behind its own packages those of .venv.
$(MUTMUT): local/requirements-mutants.txt $(DEV)
	@echo "Installing mutmut into .local/mutmut (once)"
	@$(VENV) -m venv --clear --without-pip .local/mutmut
	@$(VENV) -m pip --python .local/mutmut/bin/python $(INSTALL) $<
	@$(VENV) -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
		> "$$(.local/mutmut/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/behind.pth"
	@touch $@
