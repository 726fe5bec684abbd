#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make install, a program of one's own on the installed library, operators, make uninstall.
# shellcheck disable=SC2016,SC2317 # messages quote names in backquotes; functions are called by name
set -u
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
begin install

variant=$(basename "$build")
cc=${CC:-gcc}
case $variant in
release) ;;
*)
	skip "install: only of the release variant, this is $variant"
	finish
	;;
esac

root=$dir/root
home=$root/opt/weir
inst() {
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s --no-print-directory "$1" DESTDIR="$root" PREFIX=/opt/weir >"$dir/$1.log" 2>&1
}
check "make install" inst install
for file in bin/weir bin/weir-engine bin/weir-rings bin/weir-sim bin/weir-gateway bin/weir-lab lib/libweir.a lib/libweir.so lib/libweir.so.0 \
	"lib/libweir.so.$(cat VERSION)" lib/pkgconfig/weir.pc include/weir/weir.h share/man/man1/weir.1 \
	share/man/man1/weir-gateway.1 share/man/man1/weir-lab.1 share/weir/examples/first.yaml share/weir/examples/regions.yaml \
	share/weir/examples/clusters/five.yaml lib/systemd/system/weir-engine@.service \
	lib/systemd/system/weir-gateway@.service; do
	check "installed: $file" [ -e "$home/$file" ]
done
has "the service starts the installed program" "$home/lib/systemd/system/weir-engine@.service" \
	"ExecStart=/opt/weir/bin/weir-engine run"
has "the gateway's service too" "$home/lib/systemd/system/weir-gateway@.service" \
	'ExecStart=/opt/weir/bin/weir-gateway $WEIR_REGION_OPTIONS'
if [ -e "$build/lib/weir-dpdk.so" ]; then
	check "installed: the DPDK back end" [ -e "$home/lib/weir/weir-dpdk.so" ]
else
	skip "installed: the DPDK back end: this build has none"
fi
weir=$home/bin/weir
ok "the installed program finds the gateway" gateway --version
ok "and the lab" lab --help
ok "a cluster of the examples" check --cluster "$home/share/weir/examples/clusters/five.yaml" "$home/share/weir/examples/regions.yaml"
ok "the installed program finds the others" check "$home/share/weir/examples/first.yaml"
ok "and the rings" rings --help
is "nothing but our own names in the library" \
	"$(nm -D --defined-only "$home/lib/libweir.so" | awk '$2 ~ /[TDB]/ {print $3}' | grep -cv '^weir_')" 0

# ---- a program that runs a pipeline ----
cat >"$dir/app.c" <<'X'
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>

int main(int argc, char **argv)
{
	struct weir_run_options opt = {.size = sizeof(opt), .workers = 2, .fresh = 1, .no_pin = 1};
	unsigned long long in, out;
	uint64_t records_in, records_out;
	char err[4096] = "";
	struct weir_handle *h;
	int r;

	if (argc < 2)
		return 2;
	h = weir_pipeline_open(argv[1], &opt, err, sizeof(err));
	if (!h) {
		printf("open: %s\n", err);
		return 3;
	}
	if (weir_pipeline_start(h, err, sizeof(err))) {
		printf("start: %s\n", err);
		return 1;
	}
	if (argc > 2) {
		do
			weir_pipeline_counts(h, &records_in, &records_out);
		while (records_out < 1000 && weir_pipeline_wait(h, 10, err, sizeof(err)) == 1);
		weir_pipeline_stop(h, !strcmp(argv[2], "now"));
	}
	r = weir_pipeline_wait(h, -1, err, sizeof(err));
	weir_pipeline_counts(h, &records_in, &records_out);
	in = records_in, out = records_out;
	if (r)
		printf("wait: %s\n", err);
	printf("%s %s %llu\n", weir_version(), in > 0 && out > 0 ? "records" : "nothing", argc > 2 ? 0 : in - out);
	weir_pipeline_close(h);
	return r ? 1 : 0;
}
X
pc() {
	PKG_CONFIG_PATH=$home/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root pkg-config "$@" weir
}
is "pkg-config: version" "$(pc --modversion)" "$(cat VERSION)"
# shellcheck disable=SC2046
check "a program links with -lweir" "$cc" -Wall -Wextra -Werror -o "$dir/app" "$dir/app.c" $(pc --cflags --libs)
# shellcheck disable=SC2046
check "and with libweir.a" "$cc" -Wall -Wextra -Werror -o "$dir/app-static" "$dir/app.c" $(pc --cflags) \
	"$home/lib/libweir.a" $(sed -n 's/^Libs.private: //p' "$home/lib/pkgconfig/weir.pc") \
	$(pkg-config --libs "$(sed -n 's/^Requires.private: //p' "$home/lib/pkgconfig/weir.pc")")
if command -v g++ >/dev/null; then
	printf '#include <weir/weir.h>\nint main() { return weir_version() == nullptr; }\n' >"$dir/app.cc"
	# shellcheck disable=SC2046
	check "the header is C++ too" g++ -Wall -Wextra -Werror -o "$dir/app-cc" "$dir/app.cc" $(pc --cflags --libs)
else
	skip "no g++ to try the header with"
fi
pipe embed <<'X'
pipeline: embed
steps:
  events: {source: {nexmark: {events: 100000}}}
  out: {from: events.bid, sink: {file: {path: embed}}}
X
pipe endless <<'X'
pipeline: endless
steps:
  events: {source: nexmark}
  out: {from: events.bid, sink: blackhole}
X
LD_LIBRARY_PATH=$home/lib
export LD_LIBRARY_PATH
app() {
	timeout 60 "$dir/$1" "$dir/$2" ${3:+"$3"} >"$dir/out" 2>"$dir/err"
	code=$?
}
for kind in app app-static; do
	app "$kind" embed.yaml
	is "$kind: exit code" "$code" 0
	is "$kind: all records" "$(cat "$dir/out")" "$(cat VERSION) records 0"
done
is "its results" "$(lines "$dir/embed" | tr -d ' ')" 92000
app app endless.yaml drain
is "stop, with one more epoch" "$code" 0
app app endless.yaml now
is "stop now" "$code" 1
has "stop now is told" "$dir/out" "wait: stopped before everything was committed"
printf 'pipeline: bad\nstep: 1\nsteps: {a: {sorce: nexmark}}\n' >"$dir/bad.yaml"
app app bad.yaml
is "a wrong file: exit code" "$code" 3
has "a wrong file: first mistake" "$dir/out" "bad.yaml:2:1: unknown key"
has "a wrong file: second mistake" "$dir/out" "bad.yaml:3:13: unknown key"
app app none.yaml
has "a missing file" "$dir/out" "No such file"

# ---- operators ----
# shellcheck disable=SC2046
check "the example operator builds against the installed header" "$cc" -O2 -Wall -Wextra -Werror -fPIC -shared \
	-DWEIR_INSTALLED -o "$dir/dedup.so" examples/operators/dedup.c $(pc --cflags)
for n in 1 3; do
	sed -e "s|^pipeline.*|pipeline: dedup-$n\nparallelism: $n|" -e 's|events: 1000000}}|events: 500000}}\n    parallelism: 1|' -e 's|\.\./build.*/dedup.so|dedup.so|' \
		-e "s|\.\./out/dedup|dedup-$n|" examples/dedup.yaml >"$dir/dedup.yaml"
	ok "the example operator, $n tasks" run "$dir/dedup.yaml"
	cat "$dir/dedup-$n"/part-* | sort >"$dir/got-$n"
done
"$weir" generate nexmark --events 500000 --only bid --seed 0 | "$python" -c '
import datetime, json, sys
until = {}
for line in sys.stdin:
    r = json.loads(line)
    t = r["dateTime"].rstrip("Z").split(".")
    ns = int(datetime.datetime.fromisoformat(t[0] + "+00:00").timestamp()) * 10**9 + int((t[1] if len(t) > 1 else "0").ljust(9, "0"))
    if ns >= until.get(r["bidder"], 0):
        until[r["bidder"]] = ns + 10**10
        sys.stdout.write(line)' | sort >"$dir/want"
same "dedup: exactly the first of each key and ttl" "$dir/got-1" "$dir/want"
same "dedup: also in three tasks" "$dir/got-3" "$dir/want"
check "dedup: there was something to drop" [ "$(lines "$dir/want")" -lt 400000 ]
sed -e 's|ttl: 10s|ttl: soon|' "$dir/dedup.yaml" >"$dir/x.yaml"
refused "an operator that does not like its options" 1 "options: write {ttl: 10s}" run --fresh "$dir/x.yaml"
sed -e 's|name: dedup|name: dedupe|' "$dir/dedup.yaml" >"$dir/x.yaml"
refused "no such operator in the library" 3 'dedup.so exports no operator `dedupe`' check "$dir/x.yaml"
has "the place is told" "$dir/err" "x.yaml:12:15:"
sed -e 's|dedup.so|none.so|' "$dir/dedup.yaml" >"$dir/x.yaml"
refused "no such library" 3 "none.so" check "$dir/x.yaml"
echo "no library" >"$dir/text.so"
sed -e 's|dedup.so|text.so|' "$dir/dedup.yaml" >"$dir/x.yaml"
refused "not a library" 3 "text.so" check "$dir/x.yaml"
sed -e 's|WEIR_ABI,|WEIR_ABI + 1,|' examples/operators/dedup.c >"$dir/new.c"
# shellcheck disable=SC2046
check "an operator of a later engine builds" "$cc" -fPIC -shared -DWEIR_INSTALLED -o "$dir/new.so" "$dir/new.c" $(pc --cflags)
sed -e 's|dedup.so|new.so|' "$dir/dedup.yaml" >"$dir/x.yaml"
refused "another ABI" 3 "was built for ABI 2, this engine has 1: rebuild it" check "$dir/x.yaml"
sed -e 's|dedup_process,|NULL,|' -e 's|static uint32_t dedup_process|uint32_t dedup_process|' examples/operators/dedup.c >"$dir/empty.c"
# shellcheck disable=SC2046
"$cc" -fPIC -shared -DWEIR_INSTALLED -o "$dir/empty.so" "$dir/empty.c" $(pc --cflags)
sed -e 's|dedup.so|empty.so|' "$dir/dedup.yaml" >"$dir/x.yaml"
refused "no process function" 3 "has no process() function" check "$dir/x.yaml"
if [ -e "$build/operators/dedup.so" ]; then
	ok "the example as it is in the tree" check examples/dedup.yaml
fi
app app dedup.yaml
is "an operator in a program of one's own" "$code" 0

# ---- uninstall ----
check "make uninstall" inst uninstall
for unit in engine gateway; do
	check "the service of the $unit is gone" [ ! -e "$home/lib/systemd/system/weir-$unit@.service" ]
done
is "nothing is left" "$(find "$root" ! -type d | wc -l | tr -d ' ')" 0
finish
