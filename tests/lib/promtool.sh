#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints the path of a promtool: of the system, or taken out of the Debian package into build/tools. The
# network is tried once; later runs use what is there. Exit 1 with the reason when there is none.
set -u
if command -v promtool; then
	exit 0
fi
tools=build/tools
tool=$tools/usr/bin/promtool
if [ ! -x "$tool" ] && [ ! -e "$tools/promtool.tried" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
	mkdir -p "$tools"
	: >"$tools/promtool.tried"
	(cd "$tools" && timeout 120 apt-get download prometheus && dpkg-deb -x prometheus_*.deb . && rm -f prometheus_*.deb) \
		>"$tools/promtool.log" 2>&1
fi
if [ ! -x "$tool" ]; then
	echo "no promtool: install the package prometheus (or remove $tools/promtool.tried to try the download again)"
	exit 1
fi
echo "$tool"
