# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What the end-to-end scripts share. A script: sets -u, sources this, calls begin NAME, checks, finish.
# Everything it makes is in $dir; sockets of its pipelines are in a short directory of their own.

passed=0
failed=0
skipped=0
code=0
pids=

# begin NAME
begin() {
	build=${WEIR_BUILD:-build/release}
	case $build in
	/*) ;;
	*) build=$PWD/$build ;;
	esac
	weir=$build/bin/weir
	if [ ! -x "$weir" ]; then
		echo "no $weir: make all"
		exit 1
	fi
	# The interpreter itself: what is called python3 may be a slow wrapper.
	python=$(python3 -c 'import sys; print(sys.executable)')
	dir=$build/test/e2e-$1
	rm -rf "$dir"
	mkdir -p "$dir"
	# A socket's path must be short, and the build folder may be deep.
	WEIR_RUN_DIR=$(mktemp -d /tmp/weir-e2e-XXXXXX)
	export WEIR_RUN_DIR
	trap leave EXIT
	trap 'exit 1' INT TERM
}

leave() {
	for pid in $pids; do
		kill -KILL "$pid" 2>/dev/null
	done
	rm -rf "$WEIR_RUN_DIR"
}

finish() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
	exit
}

pass() {
	passed=$((passed + 1))
}

# fail WHAT [FILE...]: shows the ends of the files.
fail() {
	failed=$((failed + 1))
	echo "FAILED: $1"
	shift
	for file in "$@"; do
		echo "  $file:"
		tail -c 1500 "$file" 2>/dev/null | sed 's/^/    /'
	done
}

skip() {
	skipped=$((skipped + 1))
	echo "SKIP: $1"
}

# check WHAT COMMAND...: passes when the command does.
check() {
	what=$1
	shift
	if "$@" >"$dir/check.out" 2>&1; then
		pass
	else
		fail "$what: $*" "$dir/check.out"
	fi
}

# is WHAT GOT WANT
is() {
	if [ "$2" = "$3" ]; then
		pass
	else
		fail "$1: got '$2', want '$3'"
	fi
}

# has WHAT FILE TEXT: the file has the text in one of its lines.
has() {
	if grep -qF -e "$3" "$2"; then
		pass
	else
		fail "$1: no '$3'" "$2"
	fi
}

hasnt() {
	if grep -qF -e "$3" "$2"; then
		fail "$1: has '$3'" "$2"
	else
		pass
	fi
}

same() {
	if cmp -s "$2" "$3"; then
		pass
	else
		fail "$1: $2 and $3 differ"
		diff "$2" "$3" 2>&1 | head -n 10
	fi
}

# pipe NAME: the pipeline file $dir/NAME.yaml from standard input.
pipe() {
	cat >"$dir/$1.yaml"
}

# run ARGS...: weir with a time limit; output in $dir/out, messages in $dir/err, exit code in $code.
run() {
	timeout -k 5 "${limit:-60}" "$weir" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	code=$?
}

# ok WHAT ARGS...: it must end with 0.
ok() {
	what=$1
	shift
	run "$@"
	if [ $code = 0 ]; then
		pass
	else
		fail "$what: exit $code" "$dir/err"
	fi
}

# refused WHAT CODE TEXT ARGS...: exit code and a text in the messages.
refused() {
	what=$1 want=$2 text=$3
	shift 3
	run "$@"
	if [ $code != "$want" ]; then
		fail "$what: exit $code, want $want" "$dir/err"
	elif ! grep -qF -e "$text" "$dir/err"; then
		fail "$what: no '$text'" "$dir/err"
	else
		pass
	fi
}

# start NAME ARGS...: weir run in the background, pid in $pid; NAME.out and NAME.err in $dir.
start() {
	name=$1
	shift
	"$weir" run "$@" >"$dir/$name.out" 2>"$dir/$name.err" </dev/null &
	pid=$!
	pids="$pids $pid"
}

# until_ok SECONDS COMMAND...: tries again and again, at most so long.
until_ok() {
	end=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# comes WHAT COMMAND...: becomes true within half a minute.
comes() {
	what=$1
	shift
	if until_ok 30 "$@"; then
		pass
	else
		fail "$what: never came: $*"
	fi
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# ends WHAT PID CODE: the background pipeline ends by itself, with that code.
ends() {
	until_ok 60 gone "$2" || kill -KILL "$2"
	wait "$2"
	is "$1: exit code" "$?" "$3"
}

# up NAME: a pipeline answers.
up() {
	until_ok 30 "$weir" status "$1"
}

lines() {
	if [ -d "$1" ]; then
		cat "$1"/part-* 2>/dev/null | wc -l
	else
		wc -l <"$1"
	fi
}

# status_of PIPELINE EXPRESSION: a value of the status, in python, of s.
status_of() {
	"$weir" status -o json "$1" | "$python" -c "
import json, sys
s = json.loads(sys.stdin.readline())
step = {x['step']: x for x in s['steps']}
print($2)"
}

# json FILE EXPRESSION: a value of the last JSON line of a file, as j.
json() {
	"$python" -c "
import json, sys
j = json.loads(open(sys.argv[1]).read().strip().splitlines()[-1])
print($2)" "$1"
}

free_port() {
	"$python" -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}
