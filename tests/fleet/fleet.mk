# Verbs of the real test hosts; the top Makefile includes this file. See tests/fleet/README.md.

HARNESS := $(BIN)/python -m tests.fleet.harness

.PHONY: fleet-up
fleet-up: debian-packages | $(BIN)/python ## boot the real test hosts (root on Debian)
	@$(HARNESS) up

.PHONY: fleet-down
fleet-down: | $(BIN)/python ## remove every trace of the test hosts [ARGS=--force]
	@$(HARNESS) down $(ARGS)

.PHONY: fleet-status
fleet-status: | $(BIN)/python ## say whether the test hosts are up, and what runs there
	@$(HARNESS) status || [ $$? = 3 ]
