# Benchmarks of single parts. Included by the Makefile; needs DPDK, ck and boost (make deps-bench).
# By hand, from the root of the tree, with build/release/libshm.a and libbase.a made before:
#   f="-O3 -march=native -g -D_GNU_SOURCE -I. $(pkg-config --cflags libdpdk) -pthread"; for c in perf/micro/ring_*.c; do gcc -std=gnu11 $f -c $c -o /tmp/$(basename $c .c).o; done; g++ -std=c++17 $f -o ring_bench perf/micro/ring_boost.cpp /tmp/ring_*.o build/release/libshm.a build/release/libbase.a -lrte_ring -lrte_eal
#
# All contestants are compiled with the same flags, which are not those of the product: every one is
# shown at its best.

RING_BENCH_SRC := $(sort $(wildcard perf/micro/ring_*.c perf/micro/ring_*.cpp))
RING_BENCH_OBJ := $(patsubst perf/micro/%,$(B)/perf/%.o,$(RING_BENCH_SRC))
BENCH_FLAGS = -O3 -march=native -g -D_GNU_SOURCE -I. -Wall -Wextra -pthread

$(B)/perf/%.c.o: perf/micro/%.c perf/micro/build.mk
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(BENCH_FLAGS) $(shell $(PKG_CONFIG) --cflags libdpdk 2>/dev/null) \
		-march=native $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(B)/perf/%.cpp.o: perf/micro/%.cpp perf/micro/build.mk
	$(call say,CXX,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) -std=c++17 $(BENCH_FLAGS) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c $< -o $@

$(B)/perf/ring_bench: $(RING_BENCH_OBJ) $(B)/libshm.a $(B)/libbase.a
	$(call say,LINK,$@)
	$(Q)$(CXX) -pthread -o $@ $^ $(LDFLAGS) -lrte_ring -lrte_eal $(LDLIBS)

# The product's flags: a merge is measured as it runs in the engine.
$(B)/perf/crdt_bench: perf/micro/crdt_bench.c $(B)/libstate.a $(B)/libbase.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OURS) $(CFLAGS) -o $@ $< $(B)/libstate.a $(B)/libbase.a $(LDFLAGS) -lm $(LDLIBS)
