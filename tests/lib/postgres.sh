#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A PostgreSQL server for one test: own directory, unix socket only, no service.
#   postgres.sh start DIR      makes a cluster in DIR (an empty directory) and starts it; prints the connection
#                              string. Exit 77 with the reason when there are no server binaries
#   postgres.sh again DIR      starts it once more
#   postgres.sh stop DIR       orderly; sessions are closed
#   postgres.sh crash DIR      at once, as a power cut would: recovery at the next start
#   postgres.sh freeze DIR     stops all its processes (SIGSTOP);   thaw DIR lets them go on
#   postgres.sh remove DIR     crash, and the directory goes
# As root the server runs as the user postgres (or nobody): it refuses to be root.
set -eu
what=${1:?start, again, stop, crash, freeze, thaw or remove}
dir=${2:?directory}

find_bin() {
	for d in $(pg_config --bindir 2>/dev/null) $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
		[ -x "$d/initdb" ] && [ -x "$d/pg_ctl" ] && echo "$d" && return
	done
	command -v initdb >/dev/null && dirname "$(command -v initdb)"
}
bin=$(find_bin || :)
[ -n "$bin" ] || { echo "no server of PostgreSQL: install the package postgresql"; exit 77; }

if [ "$(id -u)" = 0 ]; then
	user=postgres
	id "$user" >/dev/null 2>&1 || user=nobody
	as() { setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups -- "$@"; }
else
	as() { "$@"; }
fi
ctl() { (cd / && as "$bin/pg_ctl" -D "$dir/data" -s -w -t 60 "$@") >/dev/null; }
# The postmaster and its children, from its pid file.
pids() {
	p=$(head -n 1 "$dir/data/postmaster.pid")
	echo "$p" && ps -o pid= --ppid "$p"
}

case "$what" in
start)
	if [ "$(id -u)" = 0 ]; then
		chown "$user" "$dir"
	fi
	if ! (cd / && as "$bin/initdb" -D "$dir/data" -U weir -A trust -E UTF8 --locale=C --no-sync) >"$dir/initdb.log" 2>&1; then
		tail -n 5 "$dir/initdb.log" >&2
		exit 1
	fi
	# Here no machine loses power: the cluster need not reach the disk.
	cat >>"$dir/data/postgresql.conf" <<-CONF
		listen_addresses = ''
		unix_socket_directories = '$dir'
		fsync = off
		full_page_writes = off
		shared_buffers = 16MB
		max_connections = 30
		max_wal_size = 64MB
		min_wal_size = 32MB
		autovacuum = off
		log_min_messages = warning
	CONF
	ctl -l "$dir/log" start || { tail -n 5 "$dir/log" >&2; exit 1; }
	echo "host=$dir dbname=postgres user=weir"
	;;
again) ctl -l "$dir/log" start ;;
stop) ctl -m fast stop ;;
crash) ctl -m immediate stop ;;
freeze) for p in $(pids); do kill -STOP "$p"; done ;;
thaw) for p in $(pids); do kill -CONT "$p"; done ;;
remove)
	if [ -e "$dir/data/postmaster.pid" ]; then
		for p in $(pids); do kill -CONT "$p" 2>/dev/null || :; done
		ctl -m immediate stop || :
	fi
	rm -rf "$dir"
	;;
*)
	echo "postgres.sh: $what?" >&2
	exit 2
	;;
esac
