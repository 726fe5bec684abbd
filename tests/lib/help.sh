#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Text of `make help`: help.sh VERSION VARIANT CC
cat <<TEXT
weir $1 (variant $2, compiler $3)

  make run            set up, build, five regions on this machine, one cut off and healed, an audit
  make test           set up, build, run all tests (unit, model, stress, fuzz replay, end to end)
  make all            programs, libweir, example operators into build/$2/
  make check          the tests without the set-up; parts: check-unit check-stress check-model
                      check-fuzz check-e2e check-multi check-crash; one test: WEIR_TEST='pattern' make check-unit
  make asan tsan      the tests in a sanitizer build of their own
  make pytest-report  the same tests under pytest: build/pytest_results.json (needs PyPI once)
  make coverage       tests with line coverage, report under build/coverage/
  make fuzz TARGET=csv TIME=60   libFuzzer on one target (default: each for TIME seconds)
  make crash RUNS=500   kills of real engines; make damage, make faults (docs/TESTING.md)
  make campaign RUNS=3  engines, gateways and links of 5 regions under fire (SEED, REGIONS, SECONDS, BACKEND)
  make laws RUNS=1000000   what CRDTs promise, at length (SEED, TYPE=orset)
  make bench          the benchmarks in perf/ (BENCH=ring|hop|count|nexmark|latency|json|journal for one)
  make lint format    checks of the tree; clang-format
  make deps deps-test deps-bench   only the packages
  make install uninstall   PREFIX, BINDIR, LIBDIR, INCLUDEDIR, MANDIR, UNITDIR, DESTDIR
  make clean

  V=1 shows commands, WERROR=1 makes warnings errors, VARIANT=clang builds with clang;
  CFLAGS, CPPFLAGS and LDFLAGS are yours; config.mk is read when it exists.
TEXT
missing=""
for p in hwloc yaml-0.1 libpcre2-8 libmicrohttpd jansson zlib libzstd liburing libpq jemalloc; do
	pkg-config --exists $p 2>/dev/null || missing="$missing $p"
done
[ -z "$missing" ] || echo "
missing libraries:$missing (make deps installs them)"
