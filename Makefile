# weir: one non-recursive makefile. `make help` lists the targets.
#
# Ours comes first, the user's CFLAGS, CPPFLAGS and LDFLAGS last. Objects of every variant live in
# their own folder under build/, so that sanitizer and release objects never mix.

VERSION := $(shell cat VERSION)
VARIANT ?= release
B := build/$(VARIANT)
# Compilers at work when a target builds first and then runs something (make test); `make -jN` decides by itself.
JOBS ?= $(shell nproc 2>/dev/null || echo 1)
JOBS_FLAG = $(if $(findstring j,$(firstword -$(MAKEFLAGS))),,-j$(JOBS))

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DATADIR ?= $(PREFIX)/share/weir
UNITDIR ?= $(PREFIX)/lib/systemd/system
INSTALL ?= install
PKG_CONFIG ?= pkg-config
ifeq ($(origin CC),default)
CC := $(if $(shell command -v gcc 2>/dev/null),gcc,cc)
endif
AR ?= ar
CXX ?= g++

-include config.mk

Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-7s %s\n' $(1) $(2))

# ---- variants ------------------------------------------------------------------------------
WITH_JEMALLOC ?= 1
OPT := -O2
SAN :=
ifeq ($(VARIANT),asan)
SAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT := -O1 -DWEIR_VERIFY
WITH_JEMALLOC := 0
else ifeq ($(VARIANT),tsan)
SAN := -fsanitize=thread
OPT := -O1
WITH_JEMALLOC := 0
else ifeq ($(VARIANT),coverage)
SAN := --coverage -fprofile-update=atomic
OPT := -O0
else ifeq ($(VARIANT),fuzz)
CC := clang
SAN := -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
OPT := -O1 -DWEIR_VERIFY
WITH_JEMALLOC := 0
else ifeq ($(VARIANT),planted)
# Wrong versions of the code that the simulator must find (base/hooks.h); never installed.
OPT := -O2 -DWEIR_PLANTED -DWEIR_VERIFY
else ifeq ($(VARIANT),pure)
# What tests/lint/purity.sh looks at: nothing inlined away, nothing added by the compiler.
OPT := -O0 -fno-stack-protector
else ifneq ($(VARIANT),release)
ifneq ($(VARIANT),clang)
$(error VARIANT is release, clang, asan, tsan, coverage, fuzz, planted or pure)
endif
CC := clang
endif

PKGS := hwloc yaml-0.1 libpcre2-8 libmicrohttpd jansson zlib libzstd liburing libpq liblz4
# Of the gateway alone.
GATEWAY_PKGS := libngtcp2 libngtcp2_crypto_gnutls gnutls
ifeq ($(WITH_JEMALLOC),1)
PKGS += jemalloc
endif

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith \
	-Wwrite-strings -Wundef
WARN_STRICT := -Wconversion -Wno-sign-conversion
OURS := -std=gnu11 -D_GNU_SOURCE -I. -I$(B) -DWEIR_VERSION=\"$(VERSION)\" \
	-DWEIR_VARIANT=\"$(VARIANT)\" -DWEIR_WITH_JEMALLOC=$(WITH_JEMALLOC) \
	-g -fPIC -fvisibility=hidden -fno-strict-aliasing -pthread $(OPT) $(SAN) $(WARN) \
	$(if $(WERROR),-Werror)
PKG_CFLAGS = $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
PKG_LIBS = $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null)
GATEWAY_LIBS = $(shell $(PKG_CONFIG) --libs $(GATEWAY_PKGS) 2>/dev/null)
ALL_LDFLAGS = -pthread $(SAN) -rdynamic $(LDFLAGS)
ALL_LIBS = $(PKG_LIBS) -lm -ldl $(LDLIBS)

# ---- what there is -------------------------------------------------------------------------
# A file named weir*.c holds a main() (weir-rings.c) except libweir's own (weir_*.c).
ARCHIVES := engine-cli engine-edge engine-core gateway-edge gateway-core lab host state numa shm base
src = $(sort $(filter-out $(wildcard $(1)/weir-*.c) $(1)/weir.c,$(wildcard $(1)/*.c)))
SRC_base := $(call src,base)
SRC_shm := $(call src,shm)
SRC_numa := $(call src,numa)
ifeq ($(WITH_JEMALLOC),1)
SRC_numa := $(filter-out numa/arena_plain.c,$(SRC_numa))
else
SRC_numa := $(filter-out numa/arena_jemalloc.c,$(SRC_numa))
endif
SRC_state := $(call src,state)
SRC_host := $(call src,host)
SRC_lab := $(call src,lab)
SRC_gateway-core := $(call src,gateway/core)
SRC_gateway-edge := $(call src,gateway/edge)
SRC_engine-core := $(call src,engine/core)
SRC_engine-edge := $(call src,engine/edge)
SRC_engine-cli := $(call src,engine/cli)
STRICT_DIRS := base/% shm/% numa/% state/% engine/core/% gateway/core/%

obj = $(patsubst %.c,$(B)/%.o,$(1))
LIBS_A := $(patsubst %,$(B)/lib%.a,$(ARCHIVES))
$(foreach a,$(ARCHIVES),$(eval $(B)/lib$(a).a: $(call obj,$(SRC_$(a)))))

# Programs: name:main file. Each links every archive; tests link their component and what is below.
PROGRAMS := weir:engine/weir.c weir-engine:engine/weir-engine.c weir-rings:shm/weir-rings.c weir-gateway:gateway/weir-gateway.c weir-lab:lab/weir-lab.c
prog_name = $(word 1,$(subst :, ,$(1)))
prog_main = $(word 2,$(subst :, ,$(1)))
HAVE_PROGRAMS := $(foreach p,$(PROGRAMS),$(if $(wildcard $(call prog_main,$(p))),$(p)))
BIN := $(foreach p,$(HAVE_PROGRAMS),$(B)/bin/$(call prog_name,$(p)))
SIM_BIN := $(B)/bin/weir-sim
# The DPDK back end of the gateway: a plug-in, built where pkg-config finds the library. DPDK itself goes into it when there are
# archives (DPDK_LINK=shared: not), with these drivers; those that are not there are left out.
WITH_DPDK ?= $(if $(filter pure planted,$(VARIANT)),0,$(shell $(PKG_CONFIG) --exists libdpdk 2>/dev/null && echo 1))
DPDK_DRIVERS ?= bus_vdev bus_pci mempool_ring net_af_packet net_af_xdp net_tap net_memif net_virtio net_vhost \
	net_e1000 net_igc net_ixgbe net_i40e net_iavf net_ice net_ena net_vmxnet3
ifeq ($(WITH_DPDK),1)
DPDK_SO := $(B)/lib/weir-dpdk.so
DPDK_OBJ := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard gateway/dpdk/*.c)))
endif
LIBWEIR := $(B)/libweir.so
LIBWEIR_A := $(B)/libweir.a
CRASH_SO := $(patsubst tests/crash/%.c,$(B)/tests/crash/%.so,$(wildcard tests/crash/*.c))
OPERATORS := $(patsubst examples/operators/%.c,$(B)/operators/%.so,$(wildcard examples/operators/*.c))

below_base := base
below_shm := shm base
below_numa := numa base
below_state := state base
below_host := host shm base
below_lab := lab host shm base
below_gateway := gateway-edge gateway-core host shm base
below_engine := engine-edge engine-core host state numa shm base
UNIT_SRC := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT_BIN := $(patsubst tests/%.c,$(B)/tests/%,$(UNIT_SRC))
STRESS_BIN := $(patsubst tests/%.c,$(B)/tests/%,$(sort $(wildcard tests/stress/*.c)))
MODEL_BIN := $(patsubst tests/%.c,$(B)/tests/%,$(sort $(wildcard tests/model/test_*.c)))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
REPLAY_BIN := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/replay_%,$(FUZZ_SRC))
# iofault.c takes the place of libc calls: preloaded, never linked.
TESTLIB_SRC := $(filter-out tests/lib/iofault.c,$(sort $(wildcard tests/lib/*.c)))

.PHONY: all programs tests deps deps-test deps-bench run test check check-unit check-stress check-model \
	check-fuzz check-e2e check-sql bench asan tsan coverage format format-check lint install \
	uninstall clean distclean help fuzz dist print-%
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

all: programs $(LIBWEIR) $(LIBWEIR_A) $(OPERATORS) $(DPDK_SO)
programs: $(BIN) $(SIM_BIN)

# ---- compile and link ----------------------------------------------------------------------
$(B)/%.o: %.c Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OURS) $(if $(filter $(STRICT_DIRS),$<),$(WARN_STRICT)) $(PKG_CFLAGS) $(CPPFLAGS) \
		$(CFLAGS) -MMD -MP -c $< -o $@

$(LIBS_A):
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# The gateway and the engine meet in the segment only: neither links the other.
prog_archives = $(if $(filter weir-lab,$(1)),$(patsubst %,$(B)/lib%.a,lab host shm base),$(if $(filter weir-gateway,$(1)),$(filter-out %/libengine-cli.a %/libengine-edge.a %/libengine-core.a,$(LIBS_A)),$(filter-out %/libgateway-edge.a,$(LIBS_A))))
define program_rule
$(B)/bin/$(call prog_name,$(1)): $(B)/$(patsubst %.c,%.o,$(call prog_main,$(1))) $(call prog_archives,$(call prog_name,$(1)))
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(ALL_LIBS) $(if $(filter weir-gateway,$(call prog_name,$(1))),$$(GATEWAY_LIBS))
endef
$(foreach p,$(HAVE_PROGRAMS),$(eval $(call program_rule,$(p))))

ifdef DPDK_SO
# Only here DPDK's headers and words exist. The plug-in brings its own copy of what it uses of ours.
$(DPDK_OBJ): PKG_CFLAGS = $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags libdpdk))
DPDK_DIR = $(shell $(PKG_CONFIG) --variable=libdir libdpdk)
DPDK_LINK ?= $(if $(wildcard $(DPDK_DIR)/librte_eal.a),static,shared)
DPDK_A = $(wildcard $(DPDK_DIR)/librte_*.a)
DPDK_DRIVERS_A = $(filter $(patsubst %,$(DPDK_DIR)/librte_%.a,$(DPDK_DRIVERS)),$(DPDK_A))
DPDK_SYSTEM = $(foreach l,numa xdp bpf elf z bsd crypto fdt,$(if $(filter /%,$(shell $(CC) -print-file-name=lib$(l).so)),-l$(l)))
DPDK_LIBS_static = -Wl,--whole-archive $(DPDK_DRIVERS_A) -Wl,--no-whole-archive -Wl,--start-group \
	$(DPDK_A) -Wl,--end-group -Wl,--as-needed $(DPDK_SYSTEM)
DPDK_LIBS_shared = -Wl,--as-needed $(shell $(PKG_CONFIG) --libs libdpdk)
# A sanitizer's names come from the program.
DPDK_DEFS = $(if $(SAN),,-Wl$(comma)-z$(comma)defs)
comma := ,
$(DPDK_SO): $(DPDK_OBJ) $(B)/libgateway-edge.a $(B)/libhost.a $(B)/libshm.a $(B)/libbase.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -shared $(SAN) -pthread $(DPDK_DEFS) -Wl,--exclude-libs,ALL $(LDFLAGS) -o $@ $^ \
		$(DPDK_LIBS_$(DPDK_LINK)) -lm -ldl
endif
$(B)/gateway/edge/datagram_dpdk.o: OURS += -DWEIR_LIBDIR=\"$(LIBDIR)\"

LIBWEIR_ARCHIVES := $(filter-out %/libengine-cli.a %/libgateway-edge.a %/libgateway-core.a %/liblab.a,$(LIBS_A))
$(LIBWEIR): $(LIBWEIR_ARCHIVES) engine/weir.map
	$(call say,LINK,$@)
	$(Q)$(CC) -shared $(SAN) -pthread -Wl,-soname,libweir.so.0 -Wl,--version-script=engine/weir.map \
		$(LDFLAGS) -o $@ -Wl,--whole-archive $(LIBWEIR_ARCHIVES) -Wl,--no-whole-archive $(ALL_LIBS)

$(LIBWEIR_A): $(LIBWEIR_ARCHIVES)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(foreach a,$(filter-out engine-cli gateway-edge gateway-core lab,$(ARCHIVES)),$(call obj,$(SRC_$(a))))

$(B)/operators/%.so: examples/operators/%.c engine/weir.h Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -g -O2 -fPIC -shared $(WARN) $(if $(WERROR),-Werror) $(SAN) -I. $(CPPFLAGS) \
		$(CFLAGS) -o $@ $<

$(B)/tests/crash/%.so: tests/crash/%.c engine/weir.h Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -g -O2 -fPIC -shared $(WARN) $(if $(WERROR),-Werror) $(SAN) -I. $(CPPFLAGS) \
		$(CFLAGS) -o $@ $<

# ---- tests ---------------------------------------------------------------------------------
TESTLIB := $(B)/tests/libtest.a
$(TESTLIB): $(call obj,$(TESTLIB_SRC))
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Preloaded by tests that let writes and syncs fail.
$(B)/tests/iofault.so: tests/lib/iofault.c Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -g -O2 -fPIC -shared -fvisibility=hidden $(WARN) \
		$(if $(WERROR),-Werror) $(CPPFLAGS) $(CFLAGS) -o $@ $< -ldl

# tests/unit/COMPONENT/test_x.c links COMPONENT and what is below it, so that an upward call fails.
define unit_rule
$(B)/tests/unit/$(1)/%: $(B)/tests/unit/$(1)/%.o $(TESTLIB) $(patsubst %,$(B)/lib%.a,$(below_$(1)))
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ -lcmocka $$(ALL_LIBS) $(if $(filter gateway,$(1)),$$(GATEWAY_LIBS))
endef
$(foreach c,base shm numa state host lab gateway engine,$(eval $(call unit_rule,$(c))))

$(B)/tests/stress/%: $(B)/tests/stress/%.o $(TESTLIB) $(LIBS_A)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(ALL_LIBS) $(GATEWAY_LIBS)

# Programs that test scripts of several processes start.
MULTI_BIN := $(patsubst tests/%.c,$(B)/tests/%,$(sort $(wildcard tests/multi/*_tool.c)))
$(B)/tests/multi/%: $(B)/tests/multi/%.o $(patsubst %,$(B)/lib%.a,$(below_gateway))
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS) $(GATEWAY_LIBS)
check-multi: all $(MULTI_BIN)
	@tests/lib/run.sh $(B) multi $(sort $(wildcard tests/multi/test_*.sh))
# Regions under fire (tests/multi/campaign.py). make campaign RUNS=10 SEED=1 REGIONS=5 BACKEND=dpdk SECONDS=60
campaign: all
	@tests/multi/campaign.py $(B) --runs $(or $(RUNS),1) --seed $(or $(SEED),1) --regions $(or $(REGIONS),5) \
		--seconds $(or $(SECONDS),60) $(if $(BACKEND),--backend $(BACKEND)) $(OPTIONS)
.PHONY: check-multi campaign

# The model compiles production headers with its own atomics: no archive but base.
$(B)/tests/model/%.o: OURS += -DWEIR_MODEL
$(B)/tests/model/test_%: $(B)/tests/model/test_%.o $(B)/tests/model/model.o $(B)/libbase.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(ALL_LIBS)

# Every fuzz target also replays its corpus with a plain main(), in any variant.
$(B)/tests/fuzz/replay_%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay.o $(TESTLIB) $(LIBS_A)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS) $(GATEWAY_LIBS)
ifeq ($(VARIANT),fuzz)
$(B)/tests/fuzz/run_%: $(B)/tests/fuzz/%.o $(TESTLIB) $(LIBS_A)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(ALL_LIBS) $(GATEWAY_LIBS)
endif

# The laws of CRDTs at length. make laws RUNS=1000000 SEED=1 TYPE=orset
$(B)/tests/laws/laws: $(B)/tests/laws/laws.o $(patsubst %,$(B)/lib%.a,$(below_state))
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS)
laws: $(B)/tests/laws/laws
	@$< $(or $(RUNS),1000000) $(or $(SEED),1) $(TYPE)
.PHONY: laws

# The simulator: production code under faults (tests/sim), and the program behind `weir sim`. Names of its probes come
# from the source.
SIM_NAMES := $(B)/tests/sim/names.inc
$(SIM_NAMES): $(filter-out base/hooks.h,$(wildcard base/*.[ch])) $(wildcard shm/*.[ch] state/*.[ch] engine/core/*.[ch] engine/edge/*.[ch] gateway/core/*.[ch])
	$(Q)mkdir -p $(@D)
	$(Q)grep -hoE 'weir_(probe|buggify)\("[^"]+"' $^ | sort -u | sed 's/^weir_\(.*\)("\(.*\)"$$/SIM_SITE_\1("\2")/' >$@
$(B)/tests/sim/hooks.o: $(SIM_NAMES)
$(SIM_BIN): $(call obj,$(sort $(wildcard tests/sim/*.c))) $(filter-out %/libgateway-edge.a,$(LIBS_A))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS)

# make sim SEEDS=1-1000, make sim SEED=17; make sim-regions [REGIONS=5]: several regions; make sim-plants: every planted bug must be
# found.
SEEDS ?= 1-200
sim: $(SIM_BIN)
	@$(SIM_BIN) $(if $(SEED),--seed $(SEED),--seeds $(SEEDS)) --list-probes $(if $(PIPELINE),$(PIPELINE))
REGIONS ?= 3
sim-regions: $(SIM_BIN)
	@$(SIM_BIN) --regions $(REGIONS) $(if $(SEED),--seed $(SEED),--seeds $(SEEDS)) --list-probes
sim-plants:
	@$(MAKE) --no-print-directory VARIANT=planted build/planted/bin/weir-sim build/planted/tests/unit/engine/test_edge_pair \
		build/planted/tests/unit/engine/test_global_worlds build/planted/tests/unit/engine/test_table_worlds
	@build/planted/bin/weir-sim --plants
	@build/planted/bin/weir-sim --plants --regions 3
	@WEIR_TEST='*planted*' build/planted/tests/unit/engine/test_edge_pair
	@WEIR_TEST='*planted*' build/planted/tests/unit/engine/test_global_worlds
	@WEIR_TEST='*planted*' build/planted/tests/unit/engine/test_table_worlds
check-sim: $(SIM_BIN)
	@tests/lib/run.sh $(B) sim tests/sim/test_sim.sh
.PHONY: sim sim-regions sim-plants check-sim

tests: all $(UNIT_BIN) $(STRESS_BIN) $(MODEL_BIN) $(REPLAY_BIN) $(MULTI_BIN) $(B)/tests/iofault.so $(CRASH_SO)

# The parts run on what is there; `make test` sets the machine up first.
check-unit: $(UNIT_BIN)
	@tests/lib/run.sh $(B) unit $^
check-stress: $(STRESS_BIN)
	@tests/lib/run.sh $(B) stress $^
check-model: $(MODEL_BIN)
	@tests/lib/run.sh $(B) model $^
check-fuzz: $(REPLAY_BIN)
	@tests/lib/run.sh $(B) fuzz $^
check-e2e: all
	@tests/lib/run.sh $(B) e2e $(sort $(wildcard tests/e2e/test_*.sh))
# Real processes that are killed, and state that is damaged (tests/crash). make crash RUNS=500 SEED=1, make damage RUNS=1000
crash-programs: all $(CRASH_SO) $(B)/tests/iofault.so
check-crash: crash-programs
	@tests/lib/run.sh $(B) crash tests/crash/test_crash.sh
crash: crash-programs
	@tests/crash/crash.py $(B) --runs $(or $(RUNS),500) --seed $(or $(SEED),1)
damage: crash-programs
	@tests/crash/damage.py $(B) --runs $(or $(RUNS),1000) --seed $(or $(SEED),1)
faults: crash-programs
	@tests/crash/faults.py $(B) --runs $(or $(RUNS),100) --seed $(or $(SEED),1)
.PHONY: crash-programs check-crash crash damage faults

check: tests
	@tests/lib/run.sh $(B) check $(UNIT_BIN) $(MODEL_BIN) $(REPLAY_BIN) $(STRESS_BIN) \
		$(sort $(wildcard tests/e2e/test_*.sh tests/multi/test_*.sh)) tests/crash/test_crash.sh tests/sim/test_sim.sh

# pytest with pytest-json-report over the same programs: build/pytest_results.json
pytest-report: deps-test
	@$(MAKE) --no-print-directory tests
	@tests/lib/pytest.sh $(B) $(UNIT_BIN) $(MODEL_BIN) $(REPLAY_BIN) $(STRESS_BIN) \
		$(sort $(wildcard tests/e2e/test_*.sh tests/multi/test_*.sh)) tests/crash/test_crash.sh tests/sim/test_sim.sh
.PHONY: pytest-report

test: deps-test
	@$(MAKE) --no-print-directory $(JOBS_FLAG) tests
	@$(MAKE) --no-print-directory check

asan tsan:
	@$(MAKE) --no-print-directory $(JOBS_FLAG) VARIANT=$@ build-$@
	@WEIR_EVENTS=$${WEIR_EVENTS:-100000} $(MAKE) --no-print-directory VARIANT=$@ check-$@
check-asan: check
# Of the unit tests those in which there can be more than one thread: the core has none.
TSAN_SRC = $(shell grep -lE 'pthread|"(engine|gateway)/edge/|"shm/' $(UNIT_SRC))
build-asan: tests
build-tsan: $(STRESS_BIN) $(patsubst tests/%.c,$(B)/tests/%,$(TSAN_SRC)) all
.PHONY: build-asan build-tsan
check-tsan: $(STRESS_BIN) $(patsubst tests/%.c,$(B)/tests/%,$(TSAN_SRC)) all
	@tests/lib/run.sh $(B) tsan $(STRESS_BIN) $(patsubst tests/%.c,$(B)/tests/%,$(TSAN_SRC))
.PHONY: check-asan check-tsan

coverage:
	@$(MAKE) --no-print-directory VARIANT=coverage check
	@tests/lib/coverage.sh build/coverage

# make fuzz TARGET=csv TIME=60
TIME ?= 30
fuzz:
	@$(MAKE) --no-print-directory VARIANT=fuzz fuzz-run TARGET=$(TARGET) TIME=$(TIME)
fuzz-run: $(patsubst tests/fuzz/fuzz_%.c,$(B)/tests/fuzz/run_fuzz_%,$(if $(TARGET),tests/fuzz/fuzz_$(TARGET).c,$(FUZZ_SRC)))
	@tests/fuzz/run.sh $(TIME) $^
.PHONY: fuzz-run

lint:
	@tests/lint/run.sh

CLANG_FORMAT ?= clang-format
FORMAT_FILES = $(shell git ls-files '*.c' '*.h')
format:
	$(CLANG_FORMAT) -i $(FORMAT_FILES)
format-check:
	$(CLANG_FORMAT) --dry-run -Werror $(FORMAT_FILES)

bench:
	@perf/run.sh $(BENCH)

# ---- set-up and first run -------------------------------------------------------------------
deps:
	@tests/lib/deps.sh build
deps-test:
	@tests/lib/deps.sh build test
deps-bench:
	@tests/lib/deps.sh build test bench
deps-dpdk:
	@tests/lib/deps.sh build test dpdk
.PHONY: deps-dpdk

run: deps
	@$(MAKE) --no-print-directory $(JOBS_FLAG) all
	@examples/run.sh $(B)

# ---- install -------------------------------------------------------------------------------
install: all
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR)/weir \
		$(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(DATADIR)/examples $(DESTDIR)$(UNITDIR)
	$(INSTALL) -m 755 $(BIN) $(SIM_BIN) $(DESTDIR)$(BINDIR)
	$(INSTALL) -m 644 $(LIBWEIR_A) $(DESTDIR)$(LIBDIR)
	$(INSTALL) -m 755 $(LIBWEIR) $(DESTDIR)$(LIBDIR)/libweir.so.$(VERSION)
	ln -sf libweir.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libweir.so.0
	ln -sf libweir.so.0 $(DESTDIR)$(LIBDIR)/libweir.so
	$(if $(DPDK_SO),$(INSTALL) -d $(DESTDIR)$(LIBDIR)/weir && $(INSTALL) -m 755 $(DPDK_SO) $(DESTDIR)$(LIBDIR)/weir)
	$(INSTALL) -m 644 engine/weir.h $(DESTDIR)$(INCLUDEDIR)/weir
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
		-e 's|@VERSION@|$(VERSION)|' engine/weir.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/weir.pc
	$(INSTALL) -m 644 $(wildcard docs/man/*.1) $(DESTDIR)$(MANDIR)/man1
	cp -R examples/. $(DESTDIR)$(DATADIR)/examples
	rm -rf $(DESTDIR)$(DATADIR)/examples/.weir $(DESTDIR)$(DATADIR)/examples/*/.weir $(DESTDIR)$(DATADIR)/examples/clusters/certs
	sed -e '/^#/!s|@BINDIR@|$(BINDIR)|' engine/weir-engine@.service.in >$(DESTDIR)$(UNITDIR)/weir-engine@.service
	sed -e '/^#/!s|@BINDIR@|$(BINDIR)|' gateway/weir-gateway@.service.in >$(DESTDIR)$(UNITDIR)/weir-gateway@.service

uninstall:
	rm -f $(patsubst $(B)/bin/%,$(DESTDIR)$(BINDIR)/%,$(BIN) $(SIM_BIN))
	rm -f $(DESTDIR)$(LIBDIR)/libweir.a $(DESTDIR)$(LIBDIR)/libweir.so*
	rm -rf $(DESTDIR)$(LIBDIR)/weir
	rm -f $(DESTDIR)$(LIBDIR)/pkgconfig/weir.pc
	rm -f $(patsubst docs/man/%,$(DESTDIR)$(MANDIR)/man1/%,$(wildcard docs/man/*.1))
	rm -f $(DESTDIR)$(UNITDIR)/weir-engine@.service $(DESTDIR)$(UNITDIR)/weir-gateway@.service
	rm -rf $(DESTDIR)$(INCLUDEDIR)/weir $(DESTDIR)$(DATADIR)

clean:
	rm -rf build

help:
	@tests/lib/help.sh "$(VERSION)" "$(VARIANT)" "$(CC)"

print-%:
	@echo '$($*)'

include perf/build.mk

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.SECONDARY:
