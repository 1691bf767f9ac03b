# The few things one does here; `make` alone lists them. Everything lives in .venv: no other environment is touched.

VENV := .venv
PYTHON_BIN := $(VENV)/bin/python
PIP := $(PYTHON_BIN) -m pip install --quiet --disable-pip-version-check --no-input
# Pytest's own flags, e.g. `make test PYTEST_ARGS='-k bounce -x'`; the same for the demo, benches, chaos, conduct and fuzz runs.
PYTEST_ARGS ?=
ARGS ?=

# Whoever calls may have another environment active; it must not leak into ours.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test check bench chaos conduct fuzz sbom audit

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.ready-demo ## a bank in a minute: embedded broker, simulated customers, live signals and nudges
	@$(VENV)/bin/ews demo $(ARGS)

test: $(VENV)/.ready-dev ## every test, those on a real Apache Kafka too (EWS_TEST_KAFKA=skip leaves them out)
	@$(PYTHON_BIN) -m tests.kafka
	@$(PYTHON_BIN) -m tests.compile
	@echo "tests: three processes, each with a broker of its own ..."
	@$(PYTHON_BIN) -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

check: $(VENV)/.ready-dev ## ruff, mypy --strict, and the layers
	@failed=0; \
	for tool in "ruff check --output-format=concise ." mypy lint-imports; do \
	    echo "check: $$tool"; $(VENV)/bin/$$tool || failed=1; \
	done; \
	exit $$failed

bench: $(VENV)/.ready-dev ## all benches, on a real Apache Kafka where they need one, and docs/performance.md anew: more than an hour
	@$(PYTHON_BIN) -m tests.kafka
	@failed=0; \
	for bench in detectors customers instructions "throughput $(ARGS)" compare latency scale limits startup; do \
	    echo "bench: $$bench"; $(PYTHON_BIN) -m bench.$$bench || failed=1; \
	done; \
	$(PYTHON_BIN) docs/generate.py || failed=1; \
	exit $$failed

chaos: $(VENV)/.ready-dev ## half an hour of kills, freezes and cut lines under load: nothing lost, nothing twice
	@$(PYTHON_BIN) -m tests.kafka
	@$(PYTHON_BIN) -m bench.chaos $(ARGS)

conduct: $(VENV)/.ready-dev ## a million random lives against the oracle of conduct: hours (ARGS='--timelines 20000 --processes 2')
	@$(PYTHON_BIN) -m tests.conduct $(or $(ARGS),--timelines 1000000)

fuzz: $(VENV)/.ready-dev ## a million bad records through both stages (ARGS='--coverage 600': atheris on the decoders, extra `fuzz`)
	@$(PYTHON_BIN) -m tests.fuzz $(or $(ARGS),--inputs 1000000)

sbom: $(VENV)/.ready-supply ## build/sbom.json: what runs in production, exactly, as CycloneDX; the same bytes for the same pins
	@rm -rf build/runtime && mkdir -p build
	@$(PYTHON_BIN) -m venv --without-pip build/runtime
	@$(PYTHON_BIN) -m pip --python build/runtime/bin/python install --quiet --no-input -c constraints.txt .
	@# The job itself is the subject, told from pyproject.toml; as installed from here it would carry this folder's name.
	@$(PYTHON_BIN) -m pip --python build/runtime/bin/python uninstall --quiet --yes early-warning-stream
	@$(VENV)/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
	    --output-file build/sbom.json build/runtime/bin/python
	@rm -rf build/runtime
	@echo "build/sbom.json: $$(grep -c '"bom-ref"' build/sbom.json) components, the job among them"

audit: $(VENV)/.ready-supply ## known vulnerabilities in what is pinned: Error 1 where there are some, Error 4 where nobody could be asked
	@$(PYTHON_BIN) .ci/audit.py

# The first Python that is new enough makes the environment; PYTHON=... chooses another.
$(PYTHON_BIN):
	@for python in $(or $(PYTHON),python3.11 python3.12 python3.13 python3.14 python3 python); do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && break; \
	    python=; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "ews needs Python 3.11 or newer: found none$(if $(PYTHON), at $(PYTHON), on the PATH)." >&2; \
	    echo "Install one (Debian: apt-get install python3 python3-venv), or say where it is: make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	fi; \
	echo "environment: $(VENV), of $$("$$python" --version)"; \
	rm -rf $(VENV); \
	if ! "$$python" -m venv $(VENV) >/dev/null 2>&1; then \
	    rm -rf $(VENV); \
	    echo "$$python cannot make environments: its venv module is missing (Debian: apt-get install python3-venv)." >&2; \
	    exit 1; \
	fi

$(VENV)/.ready-demo: pyproject.toml constraints.txt | $(PYTHON_BIN)
	@echo "environment: installing what the demo needs (about a minute the first time) ..."
	@$(PIP) -c constraints.txt -e '.[demo]'
	@touch $@

$(VENV)/.ready-dev: pyproject.toml constraints.txt | $(PYTHON_BIN)
	@echo "environment: installing everything for tests and checks (a minute or two the first time) ..."
	@$(PIP) -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.ready-demo

$(VENV)/.ready-supply: pyproject.toml constraints.txt | $(PYTHON_BIN)
	@echo "environment: installing what lists and audits the packages ..."
	@$(PIP) -c constraints.txt -e '.[supply]'
	@touch $@
