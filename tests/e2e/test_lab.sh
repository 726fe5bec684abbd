#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# weir lab: regions as namespaces, an emulated network between them, and nothing left behind.
# shellcheck disable=SC2016,SC2317 # messages quote names in backquotes; functions are called by name
set -u
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
begin lab

udp=$PWD/tests/e2e/udp_times.py
ok "--help" lab --help
has "--help: commands" "$dir/out" "heal PATHS"
refused "no cluster" 2 "and a cluster" lab up
refused "two clusters" 2 "which cluster file" lab up a.yaml b.yaml
refused "no lab is up" 1 "no lab" lab status nolab
pipe bad <<X
cluster: bad
regions: {eu: {gateways: [{listen: "nowhere"}]}}
X
refused "a cluster file that is wrong" 3 "" lab up "$dir/bad.yaml"
pipe loopback <<X
cluster: loopback
regions: {eu: {gateways: [{listen: "127.0.0.1:7400"}]}, us: {gateways: [{listen: "127.0.0.2:7400"}]}}
X
pipe three <<X
cluster: three
regions:
  eu: {gateways: [{listen: "10.77.1.1:7400"}]}
  us: {gateways: [{listen: "10.77.2.1:7400"}, {listen: "10.77.2.2:7400"}]}
  ap: {gateways: [{listen: "[fd77::3]:7400"}]}
X
printf 'seed 5\neu,us rtt=40ms\nall wobble=1\n' >"$dir/wrong.wan"
printf '# a network\nseed 5\nall rtt=10ms\neu,us rtt=40ms\nat 1h cut all\n' >"$dir/wan"
run lab up "$dir/three.yaml" --wan "$dir/wan"
if [ $code != 0 ] && grep -q "namespace" "$dir/err"; then
	skip "lab: $(head -c 200 "$dir/err")"
	finish
fi
is "up: exit code" $code 0
has "up: what next" "$dir/out" "weir lab exec three"
refused "twice" 1 "is up already" lab up "$dir/three.yaml"
refused "loopback addresses" 1 "examples/clusters/lab.yaml" lab up "$dir/loopback.yaml"
sed 's/three/other/' "$dir/three.yaml" >"$dir/other.yaml"
refused "a file of commands that is wrong" 1 "line 3" lab up "$dir/other.yaml" --wan "$dir/wrong.wan"

echo_in() { # REGION ADDRESS
	"$weir" lab exec three "$1" -- "$python" "$udp" echo "$2" >"$dir/echo.$2" 2>&1 &
	pids="$pids $!"
	until_ok 10 grep -q ready "$dir/echo.$2"
}
ask() { # FROM ADDRESS COUNT
	"$weir" lab exec three "$1" -- "$python" "$udp" ask "$2" "$3"
}
echo_in us 10.77.2.2
answer=$(ask eu 10.77.2.2 20)
is "all come back" "${answer% *}" 20
check "a round trip of 40 ms" [ "${answer#* }" -ge 40 ]
check "and not much more" [ "${answer#* }" -le 90 ]
ok "cut one way" lab net three cut us:eu
is "nothing comes back" "$(ask eu 10.77.2.2 2)" "0 0"
ok "status" lab status three
has "status: the cut" "$dir/out" "path us:eu cut"
has "status: the other way is open" "$dir/out" "path eu:us open"
ok "heal" lab net three heal all
ok "half of it is lost" lab net three eu,us rtt=2ms loss=50%
answer=$(ask eu 10.77.2.2 20)
check "some are lost" [ "${answer% *}" -lt 20 ]
check "some come" [ "${answer% *}" -gt 0 ]
ok "IPv6 has its way too" lab net three all loss=0%
echo_in ap fd77::3
answer=$(ask us fd77::3 5)
is "IPv6" "${answer% *}" 5
refused "a command that is wrong" 2 "no region" lab net three cut nowhere
refused "a region that is not there" 2 "no such region" lab exec three mars -- true
ok "a program's own exit code" lab exec three eu -- true
run lab exec three eu -- sh -c 'exit 7'
is "a program's own exit code" $code 7
regions() {
	pgrep -c -f "lab up $dir/three.yaml"
}
check "the lab's processes" [ "$(regions)" -ge 4 ]
"$weir" lab exec three eu -- sleep 97531 >"$dir/sleep1" 2>&1 &
"$weir" lab exec three us -- sh -c 'trap "" TERM; sleep 97532; sleep 97531' >"$dir/sleep2" 2>&1 &
inside() {
	pgrep -f "^sleep 9753[12]" >"$dir/inside"
}
check "programs run in it" until_ok 5 inside
ok "down" lab down three
check "its programs are ended" until_ok 1 sh -c '! pgrep -f "^sleep 9753[12]"'
gone_all() {
	[ "$(regions)" = 0 ]
}
check "nothing is left" until_ok 5 gone_all
refused "it is down" 1 "no lab" lab down three

# A crash of the lab takes everything with it.
ok "up again" lab up "$dir/three.yaml"
pkill -KILL -o -f "lab up $dir/three.yaml"
check "a crash takes the regions along" until_ok 5 gone_all
ok "up after a crash" lab up "$dir/three.yaml"
ok "down after that" lab down three
finish
