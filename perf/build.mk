# Benchmarks: built only by `make bench` (perf/run.sh), from the release archives.
-include perf/micro/build.mk

$(B)/perf/hop_bench: perf/micro/hop_bench.c $(LIBS_A)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OURS) $(CFLAGS) -o $@ $< $(LIBS_A) $(ALL_LIBS)

$(B)/perf/journal_bench: perf/micro/journal_bench.c $(LIBS_A)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OURS) $(CFLAGS) -o $@ $< $(LIBS_A) $(ALL_LIBS)

$(B)/perf/quic_bench: perf/micro/quic_bench.c $(LIBS_A)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OURS) -rdynamic $(CFLAGS) -o $@ $< $(LIBS_A) $(ALL_LIBS) $(GATEWAY_LIBS)

$(B)/perf/json_bench: perf/micro/json_bench.cpp $(B)/perf/micro/json_weir.o $(LIBS_A)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) -std=c++17 -O2 -I. -o $@ $< $(B)/perf/micro/json_weir.o $(LIBS_A) -lsimdjson $(ALL_LIBS)

$(B)/perf/probe.so $(B)/perf/slow.so: $(B)/perf/%.so: perf/e2e/%.c engine/weir.h
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -fPIC -shared -I. -o $@ $<
