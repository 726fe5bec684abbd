#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The DPDK back end against kernel sockets and against itself: two network namespaces with a veth between them, and a shared
# memory pair without any. Wants root and weir-dpdk.so; says what it could not run. Leaves nothing behind.
set -u
build=${WEIR_BUILD:-build/release}
case $build in
/*) ;;
*) build=$PWD/$build ;;
esac
tool=$build/tests/multi/dgram_tool
WEIR_PLUGIN_DIR=$build/lib
export WEIR_PLUGIN_DIR
passed=0 failed=0 skipped=0 pids='' have_xdp=''

if [ ! -f "$build/lib/weir-dpdk.so" ]; then
	echo "SKIP: no weir-dpdk.so in this build (pkg-config finds no libdpdk)"
	exit 77
fi
if [ ! -x "$tool" ]; then
	echo "no $tool: make tests"
	exit 1
fi

dir=$(mktemp -d /tmp/weir-dpdk-XXXXXX)
# The XDP library keeps 80 bytes of its own; virtio-user is not closed (gateway/dpdk/port.c).
printf 'leak:xsk_umem__create\nleak:vhost_user_setup\n' >"$dir/lsan"
LSAN_OPTIONS="${LSAN_OPTIONS:+$LSAN_OPTIONS:}suppressions=$dir/lsan:print_suppressions=0"
export LSAN_OPTIONS
a=weir-a-$$ b=weir-b-$$
pages=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
pages_before=

leave() {
	for pid in $pids; do
		kill -KILL "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	ip netns del "$a" 2>/dev/null
	ip netns del "$b" 2>/dev/null
	[ -z "$pages_before" ] || echo "$pages_before" >$pages
	rm -rf "$dir"
	# DPDK's run folder, when nobody else has anything in it.
	rmdir /var/run/dpdk/rte /var/run/dpdk 2>/dev/null
}
trap leave EXIT
trap 'exit 1' INT TERM

pass() {
	passed=$((passed + 1))
}

fail() {
	failed=$((failed + 1))
	echo "FAILED: $1"
	for file in "$dir/echo" "$dir/ping"; do
		sed "s|^|  ${file##*/}: |" "$file" 2>/dev/null
	done
}

skip() {
	skipped=$((skipped + 1))
	echo "SKIP: $1"
}

# has WHAT FILE TEXT
has() {
	if grep -qF -e "$3" "$dir/$2"; then
		pass
	else
		fail "$1: no '$3'"
	fi
}

# runs WHAT COMMAND...
runs() {
	what=$1
	shift
	if "$@" >"$dir/ping" 2>&1; then
		pass
	else
		fail "$what: $*"
	fi
}

in_ns() {
	if [ "$1" = - ]; then
		shift
		"$@"
	else
		ip netns exec "$@"
	fi
}

# echo_up NAMESPACE ARGS...: starts one and waits until it is ready. It is $pid.
echo_up() {
	where=$1
	shift
	: >"$dir/ping"
	: >"$dir/echo"
	# Not through a function: its process would be a shell, and the program go on behind it.
	if [ "$where" = - ]; then
		"$tool" echo "$@" >"$dir/echo" 2>&1 &
	else
		ip netns exec "$where" "$tool" echo "$@" >"$dir/echo" 2>&1 &
	fi
	pid=$!
	pids="$pids $pid"
	n=0
	while ! grep -q '^ready' "$dir/echo" 2>/dev/null; do
		n=$((n + 1))
		if [ $n -gt 200 ] || ! kill -0 "$pid" 2>/dev/null; then
			fail "echo $* does not start"
			return 1
		fi
		sleep 0.05
	done
}

echo_down() {
	kill -TERM "$pid" 2>/dev/null
	wait "$pid"
	code=$?
	pids=
	[ $code = 0 ] || fail "echo ended with $code"
}

# ping_ok WHAT NAMESPACE ARGS...: all come back as they were sent.
ping_ok() {
	what=$1 where=$2
	shift 2
	if in_ns "$where" "$tool" ping "$@" >"$dir/ping" 2>&1; then
		pass
	else
		fail "$what: ping $*"
	fi
}

# refused WHAT NAMESPACE TEXT ARGS...
refused() {
	what=$1 where=$2 text=$3
	shift 3
	in_ns "$where" timeout -k 5 30 "$tool" echo "$@" >"$dir/ping" 2>&1
	code=$?
	if [ $code = 3 ] && grep -qF -e "$text" "$dir/ping"; then
		pass
	else
		fail "$what: exit $code, wanted 3 and '$text'"
	fi
}

# How a port of its own, in each namespace, is said.
va="--vdev net_af_packet0,iface=va,framecnt=2048"
vb="--vdev net_af_packet0,iface=vb,framecnt=2048"
plain=--no-huge

# ---- shared memory between two processes: no rights needed -----------------------------------
memif() {
	if echo_up - 10.9.1.1:7400 -b dpdk -e "$plain --vdev net_memif0,role=server,id=0,socket=$dir/memif,socket-abstract=no"; then
		has "naps" echo "sleeps in naps"
		ping_ok "memif" - 10.9.1.2:7401 -b dpdk -p 10.9.1.1:7400 -n 3000 -s 1400 -g \
			-e "$plain --vdev net_memif0,role=client,id=0,socket=$dir/memif,socket-abstract=no"
		echo_down
	fi
}

vhost() {
	if echo_up - '[fd09::1]:7400' -b dpdk -e "$plain --vdev net_vhost0,iface=$dir/vhost"; then
		ping_ok "vhost" - '[fd09::2]:7401' -b dpdk -p '[fd09::1]:7400' -n 3000 -s 1000 \
			-e "$plain --vdev net_virtio_user0,path=$dir/vhost"
		has "interrupts" ping "sleeps for interrupts"
		echo_down
	fi
}

mistakes() {
	refused "no such interface" - "failed to initialize net_af_packet0" 10.9.1.1:7400 -b dpdk -e "$plain --vdev net_af_packet0,iface=no-such-if"
	refused "no port" - "DPDK has no port: name one in eal" 10.9.1.1:7400 -b dpdk -e "$plain"
	refused "no such driver" - "Unable to parse device" 10.9.1.1:7400 -b dpdk -e "$plain --vdev net_nothing0"
	refused "another port" - "it has: net_memif0" 10.9.1.1:7400 -b dpdk -e "$plain --vdev net_memif0,socket=$dir/q,socket-abstract=no" -d net_memif1
	refused "jumbo frames" - "device max frame size" 10.9.1.1:7400 -b dpdk -e "$plain --vdev net_memif0,socket=$dir/q,socket-abstract=no" -d ,mtu=9000
	refused "no port number" - "wants a port" 10.9.1.1:0 -b dpdk
	refused "a word for wait" - "adaptive or busy" 10.9.1.1:7400 -b dpdk -w lazy
	refused "a key of the device" - "write NAME" 10.9.1.1:7400 -b dpdk -d net_memif0,speed=9
	refused "all addresses" - "name the one" 0.0.0.0:7400 -b dpdk
}

# ---- a veth ----------------------------------------------------------------------------------
veth_up() {
	ip netns add "$a" 2>/dev/null && ip netns add "$b" &&
		ip link add va netns "$a" type veth peer name vb netns "$b" &&
		ip -n "$a" link set lo up && ip -n "$b" link set lo up &&
		ip -n "$a" link set va up && ip -n "$b" link set vb up &&
		ip -n "$b" addr add 10.9.1.2/24 dev vb && ip -n "$b" addr add fd09::2/64 dev vb nodad &&
		ip -n "$b" addr add 10.9.7.1/32 dev lo
}

# The kernel's end leaves checksums to a device that does not exist, until told.
against_kernel() {
	if echo_up "$a" 10.9.1.1:7400 -b dpdk -e "$plain $va"; then
		ip netns exec "$b" "$tool" ping 10.9.1.2:7401 -b epoll -p 10.9.1.1:7400 -n 5 -t 1 >"$dir/ping" 2>&1
		has "wrong checksums are not taken" ping "0 of 5 came back"
		echo_down
		if grep -q 'in_bad 0$' "$dir/echo"; then
			fail "wrong checksums are not counted"
		else
			pass
		fi
	fi
	ip netns exec "$b" ethtool -K vb tx off >/dev/null || fail "ethtool"
	if echo_up "$a" 10.9.1.1:7400 -b dpdk -e "$plain $va"; then
		has "what is used" echo "dpdk net_af_packet0 (net_af_packet), mtu 1500, 1 queue, no huge pages, sleeps in poll"
		ping_ok "epoll to DPDK" "$b" 10.9.1.2:7401 -b epoll -p 10.9.1.1:7400 -n 3000 -s 1400 -g
		ping_ok "io_uring to DPDK" "$b" 10.9.1.2:7401 -b auto -p 10.9.1.1:7400 -n 3000 -s 1472
		ping_ok "small ones" "$b" 10.9.1.2:7401 -b epoll -p 10.9.1.1:7400 -n 1000 -s 4
		if command -v ping >/dev/null; then
			runs "ICMP echo" ip netns exec "$b" ping -c 2 -W 2 -s 1000 10.9.1.1
		else
			skip "no ping program: ICMP echo"
		fi
		echo_down
	fi
	if echo_up "$b" 10.9.1.2:7401 -b epoll; then
		ping_ok "DPDK to epoll" "$a" 10.9.1.1:7400 -b dpdk -e "$plain $va" -p 10.9.1.2:7401 -n 3000 -s 1472 -g
		has "the first ones wait for the neighbour" ping "out_dropped 0"
		ping_ok "busy" "$a" 10.9.1.1:7400 -b dpdk -e "$plain $va" -w busy -p 10.9.1.2:7401 -n 3000
		has "busy" ping ", busy,"
		echo_down
	fi
}

v6() {
	if echo_up "$a" '[fd09::1]:7400' -b dpdk -e "$plain $va"; then
		ping_ok "IPv6, epoll to DPDK" "$b" '[fd09::2]:7401' -b epoll -p '[fd09::1]:7400' -n 2000 -s 1400 -g
		if command -v ping >/dev/null; then
			runs "ICMPv6 echo" ip netns exec "$b" ping -6 -c 2 -W 2 fd09::1
		else
			skip "no ping program: ICMPv6 echo"
		fi
		echo_down
	fi
	if echo_up "$b" '[fd09::2]:7401' -b auto; then
		ping_ok "IPv6, DPDK to io_uring" "$a" '[fd09::1]:7400' -b dpdk -e "$plain $va" -p '[fd09::2]:7401' -n 2000 -s 1452
		echo_down
	fi
}

# Behind a router: the kernel's end of the veth, to an address that is on no link of ours.
routed() {
	ip -n "$b" addr add 10.9.1.254/24 dev vb
	ip -n "$b" route add 10.9.1.1/32 dev vb src 10.9.7.1
	if echo_up "$b" 10.9.7.1:7401 -b epoll; then
		ping_ok "routed" "$a" 10.9.1.1:7400 -b dpdk -e "$plain $va" -d net_af_packet0,router=10.9.1.254,prefix=24 -p 10.9.7.1:7401 -n 500
		echo_down
	fi
	ip -n "$b" route del 10.9.1.1/32 dev vb
}

# Both ends; several queues; a smaller MTU of the interface is seen.
both() {
	if echo_up "$a" 10.9.1.1:7400 -b dpdk -e "$plain $va"; then
		ping_ok "DPDK to DPDK" "$b" 10.9.1.3:7401 -b dpdk -e "$plain $vb" -p 10.9.1.1:7400 -n 3000 -s 1472 -g
		echo_down
	fi
	if echo_up "$a" 10.9.1.1:7400 -b dpdk -e "$plain --vdev net_af_packet0,iface=va,qpairs=3,framecnt=512"; then
		has "queues" echo "3 queues"
		ping_ok "queues" "$b" 10.9.1.2:7401 -b epoll -p 10.9.1.1:7400 -n 2000
		ping_ok "queues again" "$b" 10.9.1.2:7402 -b epoll -p 10.9.1.1:7400 -n 2000
		echo_down
	fi
	ip -n "$a" link set va mtu 1400 && ip -n "$b" link set vb mtu 1400
	if echo_up "$b" 10.9.1.2:7401 -b epoll; then
		ping_ok "MTU" "$a" 10.9.1.1:7400 -b dpdk -e "$plain $va" -p 10.9.1.2:7401 -n 200 -s 1372
		has "MTU" ping "mtu 1400"
		in_ns "$a" "$tool" ping 10.9.1.1:7400 -b dpdk -e "$plain $va" -p 10.9.1.2:7401 -n 5 -s 1373 -t 1 >"$dir/ping" 2>&1
		has "above the MTU" ping "out 0 "
		echo_down
	fi
	refused "too many queues" "$a" "it has at most 1" 10.9.1.1:7400 -b dpdk -e "$plain $va" -d ,queues=2
	refused "MTU above the interface's" "$a" "at most 1400" 10.9.1.1:7400 -b dpdk -e "$plain $va" -d net_af_packet0,mtu=1500
	ip -n "$a" link set va mtu 1500 && ip -n "$b" link set vb mtu 1500
}

huge() {
	pages_before=$(cat $pages 2>/dev/null)
	if [ -z "$pages_before" ] || ! echo $((pages_before + 32)) 2>/dev/null >$pages ||
		[ "$(cat "${pages%/*}/free_hugepages")" -lt 16 ]; then
		skip "no huge pages can be reserved"
		return
	fi
	if echo_up "$a" 10.9.1.1:7400 -b dpdk -e "$va"; then
		has "huge pages" echo ", huge pages,"
		ping_ok "huge pages" "$b" 10.9.1.3:7401 -b dpdk -e "$vb" -p 10.9.1.1:7400 -n 3000 -s 1400
		echo_down
	fi
	if [ -n "$have_xdp" ] && echo_up "$a" 10.9.1.1:7400 -b dpdk -e "--vdev net_af_xdp0,iface=va"; then
		ping_ok "XDP, huge pages" "$b" 10.9.1.2:7401 -b epoll -p 10.9.1.1:7400 -n 6000 -s 1400
		echo_down
	fi
}

xdp() {
	if ! in_ns "$a" "$tool" ping 10.9.1.1:7400 -b dpdk -e "$plain --vdev net_af_xdp0,iface=va" -p 10.9.1.9:1 -n 1 -t 0 >"$dir/ping" 2>&1 &&
		! grep -q '^ready' "$dir/ping"; then
		skip "no XDP here: $(tail -n 1 "$dir/ping")"
		return
	fi
	have_xdp=yes
	if echo_up "$a" 10.9.1.1:7400 -b dpdk -e "$plain --vdev net_af_xdp0,iface=va"; then
		has "XDP" echo "sleeps in poll"
		ping_ok "XDP" "$b" 10.9.1.2:7401 -b epoll -p 10.9.1.1:7400 -n 3000 -s 1400
		echo_down
	fi
	# All buffers come round, also those that lie last: in the first half alone it would work.
	if echo_up "$a" 10.9.1.1:7400 -b dpdk -w busy -e "$plain --vdev net_af_xdp0,iface=va"; then
		ping_ok "XDP, busy" "$b" 10.9.1.2:7401 -b epoll -p 10.9.1.1:7400 -n 6000 -s 1400
		echo_down
	fi
}

mistakes
memif
vhost
if veth_up; then
	against_kernel
	v6
	routed
	both
	xdp
	huge
else
	skip "no network namespaces here (CAP_NET_ADMIN): nothing ran over a veth"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
