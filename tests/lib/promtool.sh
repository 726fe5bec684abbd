#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# promtool.sh: prints the path of a promtool, of the system or in build/tools; exit 1 with the reason when
# there is none. Never touches the network.
# promtool.sh setup: takes it out of the Debian package into build/tools when there is none. The package
# itself is not installed, because it starts a server. The download is tried once: a machine without it
# skips that check, and a marker stops the next set-up from trying again. Exit 0 in any case.
set -u
tools=build/tools
tool=$tools/usr/bin/promtool
tried=$tools/promtool.tried

if command -v promtool >/dev/null; then
	[ "${1:-}" = setup ] || command -v promtool
	exit 0
fi
if [ "${1:-}" = setup ]; then
	if [ -x "$tool" ] || [ -e "$tried" ] || ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
		exit 0
	fi
	mkdir -p "$tools" && : >"$tried" || exit 0
	printf 'weir: fetching promtool into %s' "$tools"
	if (cd "$tools" && timeout 120 apt-get download prometheus && dpkg-deb -x prometheus_*.deb .) \
		>"$tools/promtool.log" 2>&1; then
		echo
	else
		rm -f "$tool"
		echo ": failed, its check will be skipped ($tools/promtool.log; rm $tried to try again)"
	fi
	rm -f "$tools"/prometheus_*.deb
	exit 0
fi
if [ ! -x "$tool" ]; then
	echo "no promtool: install the package prometheus, or rm -f $tried and make deps-test"
	exit 1
fi
echo "$tool"
