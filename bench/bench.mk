# The benchmark. It runs in a network namespace of its own, tools and load alike: the machine's sockets stay out of the
# figures, and nothing is left behind. So with the places where reservations are written down.

BENCH ?= snapshot port scan small module reservation fleet simulation
BENCH_CACHE := .cache/bench
RIVALS := $(BENCH_CACHE)/rivals/bin/pyinfra
BARE_ITERATOR := $(BENCH_CACHE)/bare-iterator.sh
INCUMBENT := $(BENCH_CACHE)/ansible_collections/community/general/plugins/modules/listen_ports_facts.py
AS_ROOT := [ "$$(id -u)" = 0 ] || { echo "this needs root: to see the descriptors of every process, and for a network namespace" >&2; exit 1; }
IN_OWN_NETWORK := unshare --net --mount sh -c 'ip link set lo up && mount -t tmpfs bench /run && mount -t tmpfs bench /etc/sysctl.d && exec "$$@"' sh

# community.general is no dependency: it is fetched for the comparison only, inside the package that carries it.
$(INCUMBENT): | $(AUDIT_ENV)
	@echo "fetching community.general for the comparison (once, 54 MB)"
	@rm -rf $(BENCH_CACHE)/ansible_collections $(BENCH_CACHE)/*.whl && mkdir -p $(BENCH_CACHE)
	@$(BIN)/python -m pip download --quiet --quiet --disable-pip-version-check --no-deps --dest $(BENCH_CACHE) 'ansible>=12'
	@$(BIN)/python -m bench.incumbent $(BENCH_CACHE)

# Others that run a command on many hosts: in an environment of their own, for their dependencies are no matter of ours.
$(RIVALS): | $(AUDIT_ENV)
	@echo "installing pyinfra and parallel-ssh for the comparison (once)"
	@rm -rf $(BENCH_CACHE)/rivals && $(BIN)/python -m venv $(BENCH_CACHE)/rivals
	@$(BENCH_CACHE)/rivals/bin/python -m pip install --quiet --quiet --disable-pip-version-check 'pyinfra>=3.10,<4' 'parallel-ssh>=2.16,<3'

# Made anew each time: one is of the kernel that runs, the other of the sources.
always-anew:

$(BARE_ITERATOR): always-anew | $(AUDIT_ENV)
	@$(AS_ROOT)
	@mkdir -p $(BENCH_CACHE) && $(BIN)/python -m bench.bare_iterator $(BENCH_CACHE)

$(BENCH_CACHE)/portreeve.pyz: always-anew
	@mkdir -p $(BENCH_CACHE) && python3 agent/build.py $@ > /dev/null

FETCHED = $(if $(filter small,$(BENCH)),$(BENCH_CACHE)/portreeve.pyz) $(if $(filter module,$(BENCH)),$(INCUMBENT)) $(if $(filter fleet,$(BENCH)),$(RIVALS)) $(if $(filter scan,$(BENCH)),$(BARE_ITERATOR))

.PHONY: bench
bench: $(AUDIT_ENV) $(FETCHED) ## compare with the tools people use today [BENCH='snapshot port scan small module reservation fleet simulation'], as root
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
