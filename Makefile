# The verbs of Portreeve; `make` alone lists them. Verbs of the test hosts and the benchmark come from their own
# directories. Two commands do all the set-up: `make audit` and `make test`.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

INVENTORY ?= inventory.example
LIMIT ?=
ARGS ?=
COUNT ?= 1
PLAN ?= reports/plan.json
DIGEST ?=
PORT ?=
RUN ?=
SINCE ?=
CONTROL ?=

COLLECTION := collections/ansible_collections/portreeve/fleet
VENV := .venv
BIN := $(VENV)/bin
AUDIT_ENV := $(VENV)/.ready-audit
TEST_ENV := $(VENV)/.ready-test

export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
# Ansible refuses to start in a locale without UTF-8.
ifneq ($(filter C POSIX,$(LC_ALL)),)
export LC_ALL := C.UTF-8
endif

.PHONY: help
help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- environment ----------------------------------------------------------------------------------------------------

$(BIN)/python:
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	  if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "making the environment in $(VENV) with $$($$python --version)"; \
	    exec $$python -m venv --clear $(VENV); \
	  fi; \
	done; \
	echo "Portreeve needs Python 3.11 or newer with its venv module (on Debian: apt-get install python3-venv)." >&2; exit 1

# What pyproject.toml asks for; of the project itself the command `portreeve`, which runs from the checkout.
REQUIREMENTS = $(BIN)/python -c 'import sys, tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
  print(*project["dependencies"], *(line for name in sys.argv[1:] for line in project["optional-dependencies"][name]), sep="\n")'
PIP_INSTALL = $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check
INSTALL_COMMAND = $(PIP_INSTALL) --no-deps --config-settings editable_mode=compat --editable .

$(AUDIT_ENV): pyproject.toml | $(BIN)/python
	@echo "installing what an audit needs (once)"
	@$(REQUIREMENTS) > $(VENV)/requirements-audit.txt
	@$(PIP_INSTALL) -r $(VENV)/requirements-audit.txt
	@$(INSTALL_COMMAND)
	@touch $@

$(TEST_ENV): pyproject.toml | $(BIN)/python
	@echo "installing what the tests need (once)"
	@$(REQUIREMENTS) dev > $(VENV)/requirements-test.txt
	@$(PIP_INSTALL) -r $(VENV)/requirements-test.txt
	@$(INSTALL_COMMAND)
	@touch $@ $(AUDIT_ENV)

.PHONY: env
env: $(TEST_ENV) ## make the environment for working on the code, in .venv

# --- the main job ---------------------------------------------------------------------------------------------------

define REFUSE_NO_INVENTORY
@[ -n '$(INVENTORY)' ] && [ -e '$(INVENTORY)' ] || case '$(INVENTORY)' in *?,*) ;; \
  *) echo "INVENTORY='$(INVENTORY)' is not there: accepted are an inventory file or directory, or hosts followed by a comma" >&2; exit 2;; \
esac
endef
PLAY = $(BIN)/ansible-playbook -i '$(INVENTORY)' $(if $(LIMIT),--limit '$(LIMIT)')

.PHONY: audit
audit: $(AUDIT_ENV) ## who holds which port on the hosts of an inventory [INVENTORY=inventory.example] [LIMIT=web] [ARGS=...]
	$(REFUSE_NO_INVENTORY)
	@$(PLAY) playbooks/audit.yml $(ARGS)

.PHONY: sweep
sweep: $(AUDIT_ENV) ## the same at once over SSH, or of one port only [PORT=8080] [INVENTORY=inventory.example] [LIMIT=web] [ARGS=...]
	$(REFUSE_NO_INVENTORY)
	@$(BIN)/portreeve sweep -i '$(INVENTORY)' $(if $(LIMIT),--limit '$(LIMIT)') $(if $(PORT),--port '$(PORT)') $(ARGS)

.PHONY: reserve
reserve: $(AUDIT_ENV) ## reserve the ports of declared applications, host by host first [INVENTORY=...] [LIMIT=web] [ARGS=--check]
	$(REFUSE_NO_INVENTORY)
	@$(PLAY) playbooks/reserve.yml $(ARGS)

.PHONY: propose
propose: $(AUDIT_ENV) ## name ports that are free on every host [COUNT=20] [INVENTORY=inventory.example] [LIMIT=web] [ARGS=...]
	$(REFUSE_NO_INVENTORY)
	@ANSIBLE_STDOUT_CALLBACK=ansible.builtin.default $(PLAY) playbooks/propose.yml -e 'portreeve_count=$(COUNT)' $(ARGS)

.PHONY: policy
policy: $(AUDIT_ENV) ## draft a policy from what a healthy fleet shows now, to be read and kept [INVENTORY=...] [LIMIT=web] [ARGS=...]
	$(REFUSE_NO_INVENTORY)
	@$(PLAY) playbooks/policy.yml $(ARGS)

.PHONY: plan
plan: $(AUDIT_ENV) ## plan to get the ports of declared applications back, for approval [PLAN=reports/plan.json] [INVENTORY=...] [LIMIT=web]
	$(REFUSE_NO_INVENTORY)
	@$(PLAY) playbooks/plan.yml -e 'portreeve_plan=$(PLAN)' $(ARGS)

.PHONY: remediate
remediate: $(AUDIT_ENV) ## do what the plan with that digest says, wave by wave [DIGEST=...] [PLAN=reports/plan.json] [INVENTORY=...] [ARGS=--check]
	$(REFUSE_NO_INVENTORY)
	@$(PLAY) playbooks/remediate.yml -e 'portreeve_plan=$(PLAN)' -e 'portreeve_digest=$(DIGEST)' $(ARGS)

.PHONY: compliance
compliance: $(AUDIT_ENV) ## hold the hosts of an inventory against its policy; fails unless they are compliant [INVENTORY=...] [LIMIT=web] [RUN=name] [ARGS=--check]
	$(REFUSE_NO_INVENTORY)
	@$(PLAY) playbooks/compliance.yml $(if $(RUN),-e 'portreeve_run=$(RUN)') $(ARGS)

.PHONY: report
report: $(AUDIT_ENV) ## write the report on a past run again, or on what has changed since another [RUN=name] [SINCE=name] [INVENTORY=...] [ARGS=...]
	$(REFUSE_NO_INVENTORY)
	@$(BIN)/ansible-playbook -i '$(INVENTORY)' playbooks/report.yml $(if $(RUN),-e 'portreeve_run=$(RUN)') $(if $(SINCE),-e 'portreeve_since=$(SINCE)') $(ARGS)

.PHONY: schedule
schedule: $(AUDIT_ENV) ## have a control host run compliance by itself [CONTROL=localhost] [INVENTORY=...] [ARGS='-e schedule_project=...']
	$(REFUSE_NO_INVENTORY)
	@$(PLAY) playbooks/schedule.yml $(if $(CONTROL),-e 'portreeve_control=$(CONTROL)') $(ARGS)

.PHONY: agent
agent: $(AUDIT_ENV) ## put the agent on the hosts of an inventory as a file, /usr/local/bin/portreeve.pyz [INVENTORY=...] [LIMIT=web] [ARGS=--check]
	$(REFUSE_NO_INVENTORY)
	@$(PLAY) playbooks/agent.yml $(ARGS)

# --- tests and checks -----------------------------------------------------------------------------------------------

.PHONY: test
test: $(TEST_ENV) debian-packages ## run every test, of slow matrices a few cases [ARGS='-k word']
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: test-quick
test-quick: $(TEST_ENV) ## run the tests that take seconds
	@$(BIN)/python -m pytest -m 'not slow' $(ARGS)

.PHONY: test-full
test-full: export PORTREEVE_FULL := 1
test-full: test ## run every test and every case, then the collection on each ansible-core the interpreters here allow
	@$(BIN)/nox

# Only root on Debian can install them; elsewhere the tests that need them are skipped and say so.
.PHONY: debian-packages
debian-packages: | $(BIN)/python ## install the Debian packages the tests use (root on Debian; others are told)
	@[ -e /etc/debian_version ] && [ "$$(id -u)" = 0 ] || exit 0; \
	missing=; \
	for package in $$(sed 's/#.*//' tests/debian-packages.txt); do \
	  dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || missing="$$missing $$package"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	echo "installing Debian packages that the tests use:$$missing"; \
	export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
	{ apt-get update -qq && apt-get install -qq -y --no-install-recommends $$missing; } >$(VENV)/apt.log 2>&1 || \
	  { tail -n 5 $(VENV)/apt.log; echo "could not install them: the tests that need them will say so"; }

.PHONY: lint
lint: $(TEST_ENV) ## the fast checks of code and style
	@$(BIN)/python -m pytest -q tests/structure tests/quality -m 'not slow'

.PHONY: docs
docs: $(TEST_ENV) ## check that Ansible can show the documentation of every module
	@$(BIN)/ansible-doc --type module $(patsubst %.py,portreeve.fleet.%,$(notdir $(wildcard $(COLLECTION)/plugins/modules/*.py))) > /dev/null

# --- what is handed out ---------------------------------------------------------------------------------------------

.PHONY: pyz
pyz: ## build the agent as one file, dist/portreeve.pyz
	@python3 agent/build.py dist/portreeve.pyz

.PHONY: collection
collection: $(AUDIT_ENV) ## build the collection's tarball in dist/
	@$(BIN)/ansible-galaxy collection build $(COLLECTION) --output-path dist --force

.PHONY: clean
clean: ## remove what was built here; the environment and the test hosts' tree stay
	@rm -rf build dist reports .mypy_cache .ruff_cache .hypothesis .nox
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

-include tests/fleet/fleet.mk
-include bench/bench.mk
