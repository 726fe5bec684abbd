#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that are missing, as root or through sudo; otherwise prints the command.
# usage: deps.sh build|test|bench|lint|dpdk...   Touches the network only when something is missing.
set -eu

build="gcc libc6-dev make pkg-config libhwloc-dev libjemalloc-dev libyaml-dev libpcre2-dev libxxhash-dev
	libmicrohttpd-dev libjansson-dev zlib1g-dev libzstd-dev liblz4-dev liburing-dev libpq-dev
	libngtcp2-dev libngtcp2-crypto-gnutls-dev libgnutls28-dev"
test="libcmocka-dev python3 sqlite3 curl gzip zstd procps postgresql iproute2 ethtool"
bench="g++ libdpdk-dev libck-dev libboost-dev libsimdjson-dev valgrind gnuplot-nox"
# For the gateway's DPDK back end, built and tested where it is there: tests/lib/deps.sh dpdk, or make deps-dpdk
dpdk="libdpdk-dev iputils-ping"
# What lint and the sanitizers want; `make lint` and CI ask for it.
lint="clang clang-format clang-tidy shellcheck mandoc gcovr git"

want=""
tools=""
for set in "$@"; do
	case "$set" in
	build) want="$want $build" ;;
	test) want="$want $test" tools=1 ;;
	bench) want="$want $bench" ;;
	lint) want="$want $lint" ;;
	dpdk) want="$want $dpdk" ;;
	*) echo "deps.sh: build, test, bench, lint or dpdk" >&2; exit 2 ;;
	esac
done

# Elsewhere packages have other names: the compiler then says what is missing.
if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "weir: this is no Debian: install these or their like yourself:$want" | tr -s '\t\n ' ' ' >&2
	echo >&2
	exit 0
fi

# What is not installed but unpacked below build/; a test that misses it is skipped.
fetch_tools() {
	[ -z "$tools" ] || sh "$(dirname "$0")/promtool.sh" setup
}

missing=""
for p in $want; do
	case "$(dpkg-query -W -f '${Status}' "$p" 2>/dev/null)" in
	"install ok installed") ;;
	*) missing="$missing $p" ;;
	esac
done
if [ -z "$missing" ]; then
	fetch_tools
	exit 0
fi

cmd="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" = 0 ]; then
	sudo=""
elif command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
	sudo="sudo"
else
	echo "weir: these packages are missing:$missing" >&2
	echo "weir: run this as root, then call make again:" >&2
	echo "    apt-get update && $cmd" >&2
	exit 1
fi
echo "weir: installing$missing"
# The tests start servers of their own: the package must not make one that always runs.
no_cluster() {
	case "$missing " in *" postgresql "*) ;; *) return 0 ;; esac
	dpkg-query -W -f '${Status}' postgresql-common 2>/dev/null | grep -q ' installed$' && return 0
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql-common &&
		$sudo sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
if ! { $sudo apt-get update && no_cluster && $sudo env DEBIAN_FRONTEND=noninteractive $cmd; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	echo "weir: installing failed; by hand: apt-get update && $cmd" >&2
	exit 1
fi
fetch_tools
