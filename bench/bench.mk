# The benchmark. It runs in a network namespace of its own, tools and load alike: the machine's sockets stay out of the
# figures, and nothing is left behind. So with the places where reservations are written down.

BENCH ?= snapshot port module reservation
BENCH_CACHE := .cache/bench
INCUMBENT := $(BENCH_CACHE)/ansible_collections/community/general/plugins/modules/listen_ports_facts.py
AS_ROOT := [ "$$(id -u)" = 0 ] || { echo "this needs root: to see the descriptors of every process, and for a network namespace" >&2; exit 1; }
IN_OWN_NETWORK := unshare --net --mount sh -c 'ip link set lo up && mount -t tmpfs bench /run && mount -t tmpfs bench /etc/sysctl.d && exec "$$@"' sh

# community.general is no dependency: it is fetched for the comparison only, inside the package that carries it.
$(INCUMBENT): | $(AUDIT_ENV)
	@echo "fetching community.general for the comparison (once, 54 MB)"
	@rm -rf $(BENCH_CACHE) && mkdir -p $(BENCH_CACHE)
	@$(BIN)/python -m pip download --quiet --quiet --disable-pip-version-check --no-deps --dest $(BENCH_CACHE) 'ansible>=12'
	@$(BIN)/python -m bench.incumbent $(BENCH_CACHE)

.PHONY: bench
bench: $(AUDIT_ENV) $(if $(filter module,$(BENCH)),$(INCUMBENT)) ## compare with ss, lsof, psutil and listen_ports_facts [BENCH='snapshot port module reservation'], as root
	@$(AS_ROOT)
	@ANSIBLE_COLLECTIONS_PATH=collections:$(BENCH_CACHE) $(IN_OWN_NETWORK) $(BIN)/python -m bench $(BENCH)

.PHONY: bench-load
bench-load: $(AUDIT_ENV) ## hold the benchmark's load until Ctrl-D, to experiment beside it from another shell, as root
	@$(AS_ROOT)
	@$(IN_OWN_NETWORK) $(BIN)/python -m bench.load

.PHONY: bench-compliance
bench-compliance: $(AUDIT_ENV) ## what a run of compliance over 1,000, 2,000 and 10,000 hosts costs the controller [ARGS=1000]
	@PYTHONPATH=collections $(BIN)/python -m bench.compliance $(ARGS)

.PHONY: bench-page
bench-page: $(TEST_ENV) ## how soon the page of a run over 1,000 and 2,000 hosts is usable in Chromium [ARGS=2000]
	@PYTHONPATH=collections $(BIN)/python -m bench.compliance_page $(ARGS)
