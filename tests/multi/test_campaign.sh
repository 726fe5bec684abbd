#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A short campaign (campaign.py): three regions whose engines and gateways are killed, frozen and cut off; then every record is
# accounted for. Over sockets, and over DPDK where there is a plug-in and root. make campaign is the long one.
set -u
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
begin campaign

pipe probe <<X
cluster: probe$$
regions: {eu: {gateways: [{listen: "10.78.1.1:7400"}]}, us: {gateways: [{listen: "10.78.2.1:7400"}]}}
X
run lab up "$dir/probe.yaml"
if [ $code != 0 ]; then
	skip "campaign: no lab on this machine: $(head -c 200 "$dir/err")"
	finish
fi
ok "a lab goes" lab down "probe$$"

# campaign WHAT ARGS...: the seed is another one each time, and printed with the result.
campaign() {
	what=$1
	shift
	if "$python" tests/multi/campaign.py "$build" --regions 3 --seconds 10 --rate 1000 --seed $$ "$@" >"$dir/campaign.out" 2>&1; then
		pass
	else
		fail "$what" "$dir/campaign.out"
	fi
	cat "$dir/campaign.out"
}
campaign "over sockets" --rtt 20ms
if [ ! -e "$build/lib/weir-dpdk.so" ]; then
	skip "over DPDK: no weir-dpdk.so in this build"
elif [ "$(id -u)" != 0 ]; then
	skip "over DPDK: needs root"
else
	campaign "over DPDK" --rtt 20ms --backend dpdk
fi
finish
