# Every target makes the virtual environment that it needs under .venv and says what it does. Nothing but
# setup-servers changes the system. ARGS is handed to pytest: make test ARGS="-k fork -x".

PYTHON ?= python3
SYSTEM_PYTHON := /usr/bin/python3
# mod_wsgi and Unit run a Python that the system's www-data can read.
LIVE_PYTHON ?= $(shell $(SYSTEM_PYTHON) -c 'import venv, ensurepip' 2>/dev/null && echo $(SYSTEM_PYTHON) || echo $(PYTHON))
LIVE := live
ARGS ?=
MATRIX ?= 3.8 3.9 3.10 3.11 3.12 3.13 3.13t

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

targets = awk -F ':.*\#\# ' '/^[a-z-]+:.*\#\# / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
say = printf '\n== %s: %s\n' '$@'
# A target whose files another checkout has says so instead of failing in the middle.
need = @test -e $(1) || { echo "make $@: $(1) is not in this checkout" >&2; exit 1; }

# Whoever gives pytest arguments of his own wants to see what one process does with them.
in_halves = $(if $(strip $(ARGS)),,.ci/halves)

.PHONY: help
help: ## this list
	@$(targets)

.PHONY: demo
demo: ## the damage, and the guard, on Mercurial's hgweb
	$(call need,examples/demo_hgweb/demo.py)
	@$(say) "set-up (not part of the measuring)"
	@.ci/venv demo $(PYTHON) -r examples/demo_hgweb/requirements.txt .
	@$(say) "Mercurial's hgweb over two repositories, unguarded and guarded"
	@.venv/demo/bin/python examples/demo_hgweb/demo.py

.PHONY: fleet
fleet: ## two guarded instances behind HAProxy, watched by Prometheus: one is misconfigured (make setup-servers)
	@.ci/venv fleet $(PYTHON) gunicorn waitress '.[prometheus]'
	@$(say) "the fleet of examples/fleet"
	@.venv/fleet/bin/python examples/fleet/fleet.py

.PHONY: test
test: ## unit tests on $(PYTHON), in two processes; in one with ARGS
	@$(say) "unit tests on $$($(PYTHON) -V)"
	@.ci/venv test $(PYTHON) '--editable=.[test]'
	@status=0; $(in_halves) .venv/test/bin/python -m pytest $(ARGS) || status=$$?; .ci/not-run; exit $$status

.PHONY: test-no-miss
test-no-miss: ## 100,000 rounds of two threads let go together, under each policy (make test has 1,500)
	@$(say) "100,000 rounds of each policy on $$($(PYTHON) -V)"
	@.ci/venv test $(PYTHON) '--editable=.[test]'
	@ROUNDS=100000 .venv/test/bin/python -m pytest -q tests/guard/test_no_miss.py $(ARGS)

.PHONY: coverage
coverage: ## the unit tests, and which lines and branches they reach, in child processes too: at least 95 %
	@$(say) "coverage with branches on $$($(PYTHON) -V)"
	@.ci/venv coverage $(PYTHON) '--editable=.[test]' 'coverage>=7.10'
	@.venv/coverage/bin/python -m coverage erase --rcfile=tests/coverage.ini
	@status=0; \
	$(in_halves) .venv/coverage/bin/python -m coverage run --rcfile=tests/coverage.ini -m pytest $(ARGS) || status=$$?; \
	.venv/coverage/bin/python -m coverage combine -q --rcfile=tests/coverage.ini || status=$$?; \
	.venv/coverage/bin/python -m coverage report --rcfile=tests/coverage.ini || status=$$?; \
	.ci/not-run; exit $$status

# That every file is in it is compared first; these are the tests that read the files of the repository, and the guard's.
SDIST_ARGS ?= -q tests/test_packaging.py tests/test_api.py tests/test_adding_a_server.py tests/test_preflight.py \
    tests/guard/test_middleware.py tests/test_paste.py tests/test_wsgi.py

.PHONY: test-sdist
test-sdist: ## the sdist, unpacked outside the checkout, tests itself (SDIST_ARGS= all that make test does)
	@$(say) "building the sdist"
	@.ci/venv build $(PYTHON) 'build>=1' twine check-wheel-contents
	@.ci/sdist-test .venv/build/bin/python test ARGS='$(SDIST_ARGS)'

.PHONY: test-matrix
test-matrix: ## unit tests on every Python from 3.8 to 3.13 that is here, free-threaded 3.13 too
	@$(say) "unit tests on each Python"
	@.ci/matrix $(MATRIX)

# The plugin's oldest pytest, and the last one that Python 3.8 and 3.9 have; make test has the newest. pytest 7.0 runs
# on Python 3.8 to 3.11, and warns of the finder of an editable install, which makes an error here: so it is a copy.
# Debian 12 has a pluggy beside its pytest that is too old for pytest-run-parallel, but not for this plugin.
.PHONY: test-pytest
test-pytest: ## the pytest plugin's tests on pytest 7.0 and 8, and some with Debian 12's pytest and pluggy
	@set -e; for version in 7.0 8; do \
	    printf '\n== %s: the plugin on pytest %s\n' '$@' $$version; \
	    .ci/venv pytest$$version $(PYTHON) "pytest==$$version.*" -r tests/requirements-plugin.txt .; \
	    .venv/pytest$$version/bin/python -m pytest -q -n 2 tests/testing/test_pytest_plugin_*.py tests/testing/test_testserver.py $(ARGS); \
	done
	@$(say) "the plugin on pytest 7.2 with pluggy 1.0"
	@.ci/venv pytest7.2 $(PYTHON) 'pytest==7.2.*' 'pluggy==1.0.*' hypothesis Werkzeug WebTest pytest-xdist .
	@.venv/pytest7.2/bin/python -m pytest -q -n 2 tests/testing/test_pytest_plugin_fixture.py $(ARGS)

.PHONY: test-suites
test-suites: ## the test suites of WebOb, WebTest and Flask: the same counts with --threadguard=fail as without
	@.ci/venv suites $(PYTHON) -r tests/suites/requirements.txt .
	@$(say) "other projects' suites, without the plugin and with --threadguard=fail"
	@.venv/suites/bin/python tests/suites/run.py $(ARGS)

.PHONY: setup-servers
setup-servers: ## install the servers of Debian's packages (Apache, uWSGI, ...): changes the system, needs root
	@$(say) "Debian's packages for the live tests"
	@.ci/setup-servers

.PHONY: setup-free-threaded
setup-free-threaded: ## build free-threaded Python 3.13 of Debian's source: changes the system, needs root, some minutes
	@$(say) "free-threaded Python for the matrix"
	@.ci/setup-free-threaded

on_servers = THREADGUARD_LIVE_OLD=$(CURDIR)/.venv/$(LIVE)-old/bin/python \
    THREADGUARD_LIVE_OLDER=$(CURDIR)/.venv/$(LIVE)-older/bin/python \
    THREADGUARD_LIVE_FIRST=$(CURDIR)/.venv/$(LIVE)-first/bin/python .venv/$(LIVE)/bin/python -m pytest
.PHONY: live-servers
live-servers:
	$(call need,tests/live/requirements.txt)
	@.ci/live-venvs $(LIVE) $(LIVE_PYTHON)

.PHONY: test-live
test-live: live-servers ## tests against real servers, each really started
	@$(say) "real servers on $$($(LIVE_PYTHON) -V)"
	@$(on_servers) tests/live $(ARGS)

# Each in environments of its own, beside those of test-live.
live_on = @python=$$(.ci/readable-python $(1)) || { echo "make $@: there is no Python $(1) here" >&2; exit 1; }; \
    $(MAKE) --no-print-directory test-live LIVE=live$(1) LIVE_PYTHON=$$python
.PHONY: test-live-oldest
test-live-oldest: ## test-live on Python 3.8
	$(call live_on,3.8)

.PHONY: test-live-newest
test-live-newest: ## test-live on Python 3.13
	$(call live_on,3.13)

.PHONY: test-live-ends
test-live-ends: ## the matrix of test-live alone, each row once, on Python 3.8 and on 3.13
	@.ci/live-ends 3.8 3.13

.PHONY: test-conduct
test-conduct: live-servers ## faults, kills, silent clients and mixed traffic on real servers
	@$(say) "under fire, on $$($(LIVE_PYTHON) -V)"
	@$(on_servers) tests/conduct $(ARGS)

.PHONY: soak
soak: live-servers ## an hour's worth of mixed traffic in minutes, under wrk on 4 processes
	@$(say) "360,000 requests to each server, on $$($(LIVE_PYTHON) -V)"
	@REQUESTS=360000 $(on_servers) tests/conduct/test_soak.py -n 0 -s $(ARGS)

.PHONY: test-kallithea
test-kallithea: ## Kallithea itself, installed, started and pushed to
	$(call need,tests/kallithea/run.sh)
	@$(say) "Kallithea with the guard in its own ini file"
	@tests/kallithea/run.sh $(ARGS)

.PHONY: lint
lint: ## flake8
	@$(say) "flake8"
	@.ci/venv lint $(PYTHON) 'flake8==7.*'
	@.venv/lint/bin/python -m flake8

.PHONY: types
types: ## mypy, strict; and pyright on a user's program
	@.ci/venv types $(PYTHON) '.[paste,prometheus,opentelemetry]' 'mypy<3' 'basedpyright<2' 'pytest>=7'
	@$(say) "mypy --strict"
	@.venv/types/bin/python -m mypy
	@$(say) "a user's program, against the installed package: mypy --strict, pyright strict"
	@cd tests/typed && ../../.venv/types/bin/python -m mypy --config-file= --strict user.py
	@.venv/types/bin/basedpyright --pythonpath .venv/types/bin/python --project tests/typed

.PHONY: wheel-test
wheel-test: ## build the wheel, install it elsewhere and use it there
	@$(say) "the built wheel, outside the checkout"
	@.ci/venv build $(PYTHON) 'build>=1' twine check-wheel-contents
	@.ci/wheel-test .venv/build/bin/python

.PHONY: bench
bench: ## what the guard costs
	$(call need,benchmarks/run.py)
	@$(say) "what the guard costs"
	@kind=$$($(PYTHON) -c 'import sys; print("-free-threaded" * ("t" in sys.abiflags))'); \
	.ci/venv bench $(PYTHON) -r benchmarks/requirements$$kind.txt .
	@.venv/bench/bin/python benchmarks/run.py $(ARGS)

.PHONY: docs
docs: ## the documentation as HTML, in .venv/docs/html
	$(call need,docs/conf.py)
	@$(say) "Sphinx, warnings are errors"
	@.ci/venv docs $(PYTHON) '--editable=.[docs]'
	@.venv/docs/bin/python -m sphinx -q -W -b html docs .venv/docs/html
	@! grep -rlE '[–—](workers|threads|processes)' .venv/docs/html --include='*.html'

.PHONY: clean
clean: ## remove what these targets made in the checkout
	@$(say) "removing .venv and caches"
	@rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .hypothesis .coverage*
	@find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
