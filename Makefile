# Each target is a session of noxfile.py, which makes the virtual environment that it needs under .venv. Nothing but the
# setup- targets changes the system. ARGS is handed on: make test ARGS="-k fork -x".

PYTHON ?= python3
PYTHONS ?= 3.8 3.14
ARGS ?=
export PYTHON

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: $(shell sed -nE 's/^([a-z-]+):.*/\1/p' $(lastword $(MAKEFILE_LIST)))

NOX := .venv/nox/bin/nox
# One -s for all sessions: of several the last would count alone.
nox = @$(NOX) -s $(foreach session,$(1),"$(session)") $(if $(strip $(2) $(ARGS)),-- $(2) $(ARGS))
OTHERS := test-3.9 test-3.10 test-3.11 test-3.12 test-3.13 test-3.15
CORE := core-pypy3.11 core-3.13t core-3.14t

help: ## this list
	@awk -F ':.*\#\# ' '/^[a-z-]+:.*\#\# / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# nox itself. A virtualenv before 21 still makes environments of Python 3.8.
$(NOX):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 8))' || { echo "$(PYTHON) is no Python 3.8 or later: set PYTHON" >&2; exit 1; }
	@$(PYTHON) -m venv .venv/nox || { rm -rf .venv/nox; echo "no virtual environment: install python3-venv, or set PYTHON" >&2; exit 1; }
	@.venv/nox/bin/python -m pip --quiet --disable-pip-version-check install 'nox>=2024.10.9' 'virtualenv<21' || { rm -rf .venv/nox; exit 1; }

demo: $(NOX) ## the damage, and the guard, on Mercurial's hgweb
	$(call nox,demo)
fleet: $(NOX) ## two guarded instances behind HAProxy, watched by Prometheus: one is misconfigured (make setup-servers)
	$(call nox,fleet)

test: $(NOX) ## unit tests on PYTHON, in four processes: about three minutes on two cores; in one with ARGS
	$(call nox,test)
test-pythons: $(NOX) ## unit tests on each of PYTHONS="3.8 3.14" that is here (make setup-pythons)
	$(call nox,$(PYTHONS:%=test-%))
test-others: $(NOX) ## unit tests on every other Python from 3.9 to 3.15 that is here
	$(call nox,$(OTHERS))
test-core: $(NOX) ## the tests of the guard's core on PyPy and on free-threaded Python (make setup-pythons setup-free-threaded)
	$(call nox,$(CORE))
test-no-miss: $(NOX) ## 100,000 rounds of two threads let go together, under each policy (make test has 1,500)
	$(call nox,no_miss)
test-interrupted: $(NOX) ## an exception strikes at each bytecode of the guard's own frames (make test strikes at some)
	$(call nox,interrupted)
coverage: $(NOX) ## the unit tests, and which lines and branches they reach, in child processes too: at least 95 %
	$(call nox,coverage)
test-pytest: $(NOX) ## the pytest plugin's tests on pytest 7.0 and 8, and some with Debian 12's pytest and pluggy
	$(call nox,pytest)
test-suites: $(NOX) ## the test suites of WebOb, WebTest and Flask behind a guard that refuses: the same counts as without
	$(call nox,suites)
test-agents: $(NOX) ## agents and middlewares around the guard and within it on real servers, and logs that others configure
	$(call nox,agents)
test-cases: $(NOX) ## the cases of ../shared, where they are
	$(call nox,cases)
test-live: $(NOX) ## tests against real servers, each really started
	$(call nox,live,tests/live)
test-live-pythons: $(NOX) ## of those the matrix alone, each row once, on Python 3.8 and on 3.14
	$(call nox,live-3.8 live-3.14,tests/live -k test_the_verdict_is_the_truth)
test-conduct: $(NOX) ## faults, kills, silent clients and mixed traffic on real servers
	$(call nox,live,tests/conduct)
soak: $(NOX) ## an hour's worth of mixed traffic in minutes, under wrk on 4 processes
	@REQUESTS=360000 $(NOX) -s live -- tests/conduct/test_soak.py -n 0 -s $(ARGS)
test-kallithea: $(NOX) ## Kallithea itself, installed, started and pushed to
	$(call nox,kallithea)
dashboard: $(NOX) ## hold the Grafana dashboard to the schema that Grafana publishes (needs npm)
	$(call nox,dashboard)

lint: $(NOX) ## flake8
	$(call nox,lint)
types: $(NOX) ## mypy, strict; and pyright on a user's program
	$(call nox,types)
docs: $(NOX) ## the documentation as HTML, in .venv/docs/html
	$(call nox,docs)
bench: $(NOX) ## what the guard costs
	$(call nox,bench)
test-sdist: $(NOX) ## the sdist has every file, and its tests pass outside the checkout
	$(call nox,sdist)
wheel-test: $(NOX) ## build the wheel, install it elsewhere and use it there
	$(call nox,wheel_use)

setup-servers: ## install the servers of Debian's packages (Apache, uWSGI, ...): changes the system, needs root
	@.ci/setup-servers
setup-pythons: ## unpack Debian's newest Python 3.14 and 3.15, and PyPy, into /opt: needs root
	@.ci/setup-pythons 3.14 3.15 pypy3.11
setup-free-threaded: ## build free-threaded Python 3.13 of Debian's source into /opt: needs root, some minutes
	@.ci/setup-pythons 3.13t
environments: $(NOX) ## the environments of what .ci/run runs, and nothing else
	@$(NOX) --install-only -s test $(PYTHONS:%=test-%) pytest suites cases live kallithea lint types docs demo sdist wheel
environments-all: $(NOX) ## and of what .ci/run --all runs besides
	@$(NOX) --install-only -s $(OTHERS) $(CORE) no_miss coverage agents live-3.8 live-3.14

clean: ## remove what these targets made in the checkout
	@rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .hypothesis .coverage*
	@find . \( -name __pycache__ -o -name .mypy_cache \) -not -path './.git/*' -prune -exec rm -rf {} +
