/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster file: what it means, and word for word what is said about wrong ones. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "host/cluster.h"
#include "host/yaml.h"
#include "tests/lib/test.h"

struct fixture {
	struct weir_region region;
	struct weir_diags diags;
	struct weir_cluster *c;
	int rc;
};

static struct fixture f;

static void build_in(const char *text, const char *dir)
{
	struct weir_doc *doc;

	memset(&f, 0, sizeof(f));
	weir_region_init(&f.region, &weir_test_mem);
	weir_diags_init(&f.diags, &f.region);
	assert_int_equal(weir_yaml_parse(weir_str_c(text), &f.region, &doc, &f.diags), 0);
	f.rc = weir_cluster_build(doc, "c.yaml", dir, &f.region, &f.c, &f.diags);
}

static void done(void)
{
	weir_region_fini(&f.region);
}

static void expect(const char *text, const char *errors)
{
	static char got[65536];
	struct weir_buf b = weir_buf_of(got, sizeof(got) - 1);

	build_in(text, "");
	for (uint32_t i = 0; i < f.diags.count; i++)
		weir_buf_printf(&b, "%u:%u: %s\n", f.diags.diag[i].pos.line,
				f.diags.diag[i].pos.column, f.diags.diag[i].text);
	got[b.len] = 0;
	if (strcmp(got, errors))
		print_error("%s\n", text);
	assert_string_equal(got, errors);
	assert_int_equal(f.rc, *errors ? WEIR_E_CONFIG : 0);
	assert_true(!f.c == (*errors != 0));
	done();
}

static void test_cluster_defaults(void **state)
{
	(void)state;
	build_in(
		"cluster: shop\n"
		"regions:\n"
		"  eu: {gateways: [{listen: \"10.1.0.1:7400\"}]}\n"
		"  us-2: {data: d, gateways: [{listen: \"[fd00::1]:7400\"}, {listen: \"gw.example.org:7400\"}]}\n",
		"/etc/weir");
	assert_int_equal(f.rc, 0);
	assert_string_equal(f.c->name, "shop");
	assert_string_equal(f.c->file, "c.yaml");
	assert_string_equal(f.c->certs, "");
	assert_int_equal(f.c->region_count, 2);
	assert_string_equal(f.c->region[0].name, "eu");
	assert_string_equal(f.c->region[0].data, "/etc/weir/.weir/eu");
	assert_string_equal(f.c->region[1].data, "/etc/weir/d");
	assert_int_equal(f.c->region[1].gateway_count, 2);
	assert_string_equal(f.c->region[1].gateway[0].name, "gw0");
	assert_string_equal(f.c->region[1].gateway[0].listen, "[fd00::1]:7400");
	assert_string_equal(f.c->region[1].gateway[1].name, "gw1");
	assert_int_equal(f.c->region[1].gateway[1].backend, WEIR_NET_AUTO);
	assert_string_equal(f.c->region[1].gateway[1].eal, "");
	assert_string_equal(f.c->region[1].gateway[1].device, "");
	assert_string_equal(f.c->region[1].gateway[1].wait, "adaptive");
	assert_int_equal(f.c->linger_ns, 1000000);
	assert_int_equal(f.c->window_bytes, 32 << 20);
	assert_int_equal(f.c->heartbeat_ns, 250000000);
	assert_int_equal(f.c->suspect_ns, 1000000000);
	assert_int_equal(f.c->dead_ns, 3000000000);
	assert_false(f.c->cubic);
	assert_int_equal(f.c->buffer_bytes, 64 << 20);
	assert_int_equal(f.c->spill_bytes, 1 << 30);
	assert_int_equal(f.c->compression, WEIR_COMPRESS_AUTO);
	assert_int_equal(weir_cluster_find(f.c, WEIR_STR("us-2")), 1);
	assert_int_equal(weir_cluster_find(f.c, WEIR_STR("us")), -1);
	assert_int_equal(weir_cluster_gateway_find(&f.c->region[1], WEIR_STR("gw1")), 1);
	assert_int_equal(weir_cluster_gateway_find(&f.c->region[1], WEIR_STR("gw2")), -1);
	done();
}

static void test_cluster_everything_said(void **state)
{
	(void)state;
	build_in(
		"cluster: shop\n"
		"certs: /pki\n"
		"regions:\n"
		"  eu:\n"
		"    data: /var/lib/weir/eu\n"
		"    gateways:\n"
		"      - {name: fast, listen: \"10.1.0.2:7400\", backend: dpdk, eal: \"--vdev x\", device: net0, wait: busy}\n"
		"      - {listen: \"10.1.0.2:7401\", backend: io_uring}\n"
		"      - {listen: \"10.1.0.3:7400\", backend: epoll}\n"
		"  us: {gateways: [{listen: \"10.2.0.1:7400\"}]}\n"
		"links: {linger: 0, window: 64MiB, heartbeat: 100ms, suspect: 500ms, dead: 2s, congestion: cubic}\n"
		"edges: {buffer: 8MiB, spill: 2GiB, compression: zstd}\n",
		"");
	assert_int_equal(f.rc, 0);
	assert_string_equal(f.c->certs, "/pki");
	assert_string_equal(f.c->region[0].data, "/var/lib/weir/eu");
	assert_string_equal(f.c->region[1].data, ".weir/us");
	assert_string_equal(f.c->region[0].gateway[0].name, "fast");
	assert_int_equal(f.c->region[0].gateway[0].backend, WEIR_NET_DPDK);
	assert_string_equal(f.c->region[0].gateway[0].eal, "--vdev x");
	assert_string_equal(f.c->region[0].gateway[0].device, "net0");
	assert_string_equal(f.c->region[0].gateway[0].wait, "busy");
	assert_int_equal(f.c->region[0].gateway[1].backend, WEIR_NET_URING);
	assert_int_equal(f.c->region[0].gateway[2].backend, WEIR_NET_EPOLL);
	assert_int_equal(f.c->linger_ns, 0);
	assert_int_equal(f.c->window_bytes, 64 << 20);
	assert_int_equal(f.c->heartbeat_ns, 100000000);
	assert_int_equal(f.c->suspect_ns, 500000000);
	assert_int_equal(f.c->dead_ns, 2000000000);
	assert_true(f.c->cubic);
	assert_int_equal(f.c->buffer_bytes, 8 << 20);
	assert_int_equal(f.c->spill_bytes, UINT64_C(2) << 30);
	assert_int_equal(f.c->compression, WEIR_COMPRESS_ZSTD);
	done();
}

#define TWO                                                                                        \
	"cluster: c\nregions:\n"                                                                   \
	"  eu: {gateways: [{listen: \"10.0.0.1:7400\"}]}\n"                                        \
	"  us: {gateways: [{listen: \"10.0.0.2:7400\"}]}\n"
#define US "  us: {gateways: [{listen: \"10.0.0.2:7400\"}]}\n"

static void test_cluster_one_region_needs_no_gateway(void **state)
{
	(void)state;
	expect("cluster: c\nregions: {eu: }\n", "");
	expect("cluster: c\nregions: {eu: {}}\n", "");
	expect("cluster: c\nregions: {eu: {data: x}}\n", "");
	expect("cluster: c\nregions:\n  eu: {data: x}\n" US,
	       "3:3: region `eu` needs `gateways`: the other regions could not reach it\n");
	expect("cluster: c\nregions:\n  eu: \n" US,
	       "3:6: `eu`: expected a mapping, found nothing\n");
}

static void test_cluster_errors_of_shape(void **state)
{
	(void)state;
	expect("[a]", "1:1: expected a mapping with `cluster` and `regions`\n");
	expect("{cluster: c}", "1:1: a cluster file needs `regions`\n");
	expect("{cluster: c, regoins: {}}",
	       "1:14: unknown key `regoins` in a cluster file; did you mean `regions`?\n");
	expect("{cluster: c, regions: {}}", "1:23: `regions`: the mapping is empty\n");
	expect("{cluster: c, regions: [eu]}",
	       "1:23: `regions`: expected a mapping, found a list\n");
	expect("{cluster: [c], regions: {eu: }}",
	       "1:11: `cluster`: expected a name, found a list\n");
	expect("{cluster: '', regions: {eu: }}", "1:11: `cluster`: the text is empty\n");
	expect("{cluster: 9c, regions: {eu: }}",
	       "1:11: `cluster`: `9c` is no name: at most 63 letters, digits, `_` and `-`, the "
	       "first a letter or `_`\n");
	expect("{cluster: \"a\\0b\", regions: {eu: }}",
	       "1:11: `cluster`: the text contains a zero byte\n");
	expect(TWO "zebra: 1\n", "5:1: unknown key `zebra` in a cluster file; known are cluster, "
				 "certs, regions, links, edges\n");
	expect(TWO "\"a\\tb\": 1\n",
	       "5:1: unknown key `a?b` in a cluster file; known are cluster, certs, regions, "
	       "links, edges\n");
	expect("cluster: c\nregions:\n  eu: {gateways: {}}\n" US,
	       "3:18: `gateways`: expected a list, found a mapping\n");
	expect("cluster: c\nregions:\n  eu: {gateways: []}\n" US,
	       "3:18: `gateways`: the list is empty\n");
	expect("cluster: c\nregions:\n  eu: {gateways: [x, {name: g}, {}]}\n" US,
	       "3:19: `gateways`: expected a mapping, found a text\n"
	       "3:22: a gateway needs `listen`\n"
	       "3:33: `gateways`: the mapping is empty\n");
}

static void test_cluster_errors_of_names(void **state)
{
	(void)state;
#define CANNOT                                                                                     \
	" cannot be a region: names have at most 15 small letters, digits and `-`, and begin "     \
	"with a letter\n"
	expect("cluster: c\nregions:\n"
	       "  EU: {gateways: [{listen: \"10.0.0.1:7400\"}]}\n"
	       "  1a: {gateways: [{listen: \"10.0.0.3:7400\"}]}\n"
	       "  a-much-too-long-name: {gateways: [{listen: \"10.0.0.4:7400\"}]}\n"
	       "  a_b: {gateways: [{listen: \"10.0.0.5:7400\"}]}\n"
	       "  all: {gateways: [{listen: \"10.0.0.6:7400\"}]}\n" US,
	       "3:3: `EU`" CANNOT "4:3: `1a`" CANNOT "5:3: `a-much-too-long-name`" CANNOT
	       "6:3: `a_b`" CANNOT
	       "7:3: a region cannot be called `all`: in pipeline files that means every region\n");
	expect("cluster: c\nregions:\n"
	       "  eu:\n"
	       "    gateways:\n"
	       "      - {name: gw1, listen: \"10.0.0.1:7400\"}\n"
	       "      - {listen: \"10.0.0.1:7401\"}\n"
	       "      - {name: gw1, listen: \"10.0.0.1:7402\"}\n" US,
	       "6:9: region `eu` has a gateway `gw1` already; give this one a `name`\n"
	       "7:16: region `eu` has a gateway `gw1` already\n");
}

/* One gateway with this address, in quotes. */
static void expect_listen(const char *address, const char *error)
{
	char text[1024], want[1024];

	snprintf(text, sizeof(text),
		 "cluster: c\nregions:\n  eu: {gateways: [{listen: \"%s\"}]}\n" US, address);
	snprintf(want, sizeof(want), *error ? "3:28: `listen`: %s\n" : "%s", error);
	expect(text, want);
}

static void test_cluster_listen(void **state)
{
	static const char *const ok[] = {"127.0.0.1:7400", "[::1]:1",	     "localhost:65535",
					 "a-b_c.d:7400",   "[fe80::1]:7400", "0a.example.org:7400"};
	static const char *const wild[] = {"0.0.0.0", "*"};
	static const char *const wild6[] = {"::", "0:0::0", "::ffff:0.0.0.0"};
	static const char *const no[] = {"7400",       ":7400",		  "10.0.0.1",
					 "10.0.0.1:",  "10.0.0.1:65536",  "10.0.0.1:x",
					 "::1:7400",   "[::1]",		  "[]:7400",
					 "[::1:7400",  "[10.0.0.1]:7400", "0:7400",
					 "127.1:7400", "0x7f000001:7400", "10.0.0.1:07400",
					 "a b:7400",   "a/b:7400",	  "10.0.0.256:7400"};
	char text[512], want[256];

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(ok); i++)
		expect_listen(ok[i], "");
	for (size_t i = 0; i < WEIR_COUNT_OF(wild) + WEIR_COUNT_OF(wild6); i++) {
		bool six = i >= WEIR_COUNT_OF(wild);
		const char *host = six ? wild6[i - WEIR_COUNT_OF(wild)] : wild[i];
		char address[64];

		snprintf(address, sizeof(address), six ? "[%s]:7400" : "%s:7400", host);
		snprintf(text, sizeof(text),
			 "%s is any address of the host; say the one where the other regions reach "
			 "this gateway",
			 host);
		expect_listen(address, text);
	}
	expect_listen("239.1.2.3:7400",
		      "239.1.2.3 is no address of one host; say the one where the "
		      "other regions reach this gateway");
	expect_listen("255.255.255.255:1",
		      "255.255.255.255 is no address of one host; say the one where the other "
		      "regions reach this gateway");
	expect_listen("[ff02::1]:7400", "ff02::1 is no address of one host; say the one where the "
					"other regions reach this gateway");
	expect_listen("10.0.0.1:0", "port 0 is any free one, which the other regions cannot know; "
				    "say a number");
	for (size_t i = 0; i < WEIR_COUNT_OF(no); i++) {
		snprintf(text, sizeof(text),
			 "expected an address and a port such as 10.1.0.1:7400 or [fd00::1]:7400, "
			 "found `%s`",
			 no[i]);
		expect_listen(no[i], text);
	}
	expect_listen("", "the text is empty");
	/* Longer than any name; cut in the message. */
	memset(text, 'a', 300);
	strcpy(text + 300, ":7400");
	snprintf(want, sizeof(want),
		 "expected an address and a port such as 10.1.0.1:7400 or [fd00::1]:7400, found "
		 "`%.60s...`",
		 text);
	expect_listen(text, want);
}

static void test_cluster_one_address_one_gateway(void **state)
{
	(void)state;
	expect("cluster: c\nregions:\n"
	       "  eu: {gateways: [{listen: \"gw.example.org:7400\"}, {listen: \"[fd00::0:1]:7400\"}]}\n"
	       "  us: {gateways: [{name: x, listen: \"GW.Example.org:7400\"}]}\n"
	       "  ap: {gateways: [{listen: \"[FD00::1]:7400\"}, {listen: \"[fd00::1]:7401\"}]}\n",
	       "4:37: `listen`: GW.Example.org:7400 is the address of gateway gw0 of region eu; "
	       "each needs one of its own\n"
	       "5:28: `listen`: [FD00::1]:7400 is the address of gateway gw1 of region eu; each "
	       "needs one of its own\n");
}

static void test_cluster_dpdk_options(void **state)
{
	(void)state;
	expect("cluster: c\nregions:\n"
	       "  eu: {gateways: [{listen: \"10.0.0.1:7400\", eal: x, device: y, wait: busy}]}\n"
	       "  us: {gateways: [{listen: \"10.0.0.2:7400\", backend: dpdk, wait: lazy}]}\n"
	       "  ap: {gateways: [{listen: \"10.0.0.3:7400\", backend: xdp}]}\n",
	       "3:45: `eal` goes with `backend: dpdk` only\n"
	       "3:53: `device` goes with `backend: dpdk` only\n"
	       "3:64: `wait` goes with `backend: dpdk` only\n"
	       "4:66: `wait`: expected adaptive or busy, found `lazy`\n"
	       "5:54: `backend`: unknown value `xdp`; known are auto, io_uring, epoll, dpdk\n");
}

static void test_cluster_options(void **state)
{
	(void)state;
	expect(TWO "links: {linger: 2s, window: 3, heartbeat: x, suspect: -1s, dead: 5}\n",
	       "5:17: `linger`: 2s is out of range; allowed are 0s to 1s\n"
	       "5:29: `window`: 3 is out of range; allowed are 1MiB to 4GiB\n"
	       "5:43: `heartbeat`: expected a duration, found `x`; write it as 10s, 250ms or 1h30m\n"
	       "5:55: `suspect`: -1s is out of range; allowed are 10ms to 10m0s\n"
	       "5:66: `dead`: expected a duration, found `5`; write it as 10s, 250ms or 1h30m\n");
	expect(TWO "links: {heartbeat: 1s}\n",
	       "5:8: `links`: `heartbeat` must be shorter than `suspect`, and that shorter than "
	       "`dead` (defaults 250ms, 1s, 3s)\n");
	expect(TWO "links: {suspect: 4s}\n",
	       "5:8: `links`: `heartbeat` must be shorter than `suspect`, and that shorter than "
	       "`dead` (defaults 250ms, 1s, 3s)\n");
	expect(TWO "links: {congestion: reno, window: [1]}\n",
	       "5:21: `congestion`: unknown value `reno`; known are bbr, cubic\n"
	       "5:35: `window`: expected a size such as 64MiB, found a list\n");
	expect(TWO "links: []\nedges: x\n", "5:8: `links`: expected a mapping, found a list\n"
					    "6:8: `edges`: expected a mapping, found a text\n");
	expect(TWO "edges: {buffer: 64M, spill: 99999999999999999999GiB, compression: [lz4]}\n",
	       "5:17: `buffer`: expected a size, found `64M`; write it as 64MiB, 10kB or 512\n"
	       "5:29: `spill`: 99999999999999999999GiB is out of range; allowed are 1MiB to 16TiB\n"
	       "5:67: `compression`: expected a text, found a list\n");
	expect(TWO "links: {linger: [1]}\ncerts: {}\n",
	       "5:17: `linger`: expected a duration such as 10s, found a list\n"
	       "6:8: `certs`: expected a path, found a mapping\n");
	expect("cluster: c\nregions:\n"
	       "  eu: {gateways: [{listen: [x], backend: dpdk, eal: {}, device: }]}\n" US,
	       "3:28: `listen`: expected an address and a port such as 10.1.0.1:7400, found a list\n"
	       "3:53: `eal`: expected a text, found a mapping\n"
	       "3:65: `device`: expected a text, found nothing\n");
}

static void test_cluster_limits(void **state)
{
	static char text[65536];
	struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);

	(void)state;
	weir_buf_lit(&b, "cluster: c\nregions:\n");
	for (unsigned i = 0; i <= WEIR_REGIONS_MAX; i++)
		weir_buf_printf(&b, "  r%u: {gateways: [{listen: \"10.0.0.%u:7400\"}]}\n", i, i);
	text[b.len] = 0;
	expect(text, "35:3: `regions`: more than 32\n");
	b.len = 0;
	weir_buf_lit(&b, "cluster: c\nregions:\n  eu:\n    gateways:\n");
	for (unsigned i = 0; i <= WEIR_GATEWAYS_MAX; i++)
		weir_buf_printf(&b, "      - {listen: \"10.0.0.1:%u\"}\n", 7400 + i);
	text[b.len] = 0;
	expect(text, "13:9: `gateways`: more than 8\n");
}

static void put(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void test_cluster_load(void **state)
{
	char dir[] = "/tmp/weir-cluster-XXXXXX", path[64], data[96];
	struct weir_region region;
	struct weir_diags diags;
	struct weir_cluster *c = NULL;
	struct weir_err err = {0};

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/c.yaml", dir);
	weir_region_init(&region, &weir_test_mem);
	assert_int_equal(weir_cluster_load(path, &region, &c, &diags, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(weir_cluster_load(dir, &region, &c, &diags, &err), -EISDIR);
	put(path, TWO "certs: pki\n");
	assert_int_equal(weir_cluster_load(path, &region, &c, &diags, &err), 0);
	snprintf(data, sizeof(data), "%s/.weir/us", dir);
	assert_string_equal(c->region[1].data, data);
	snprintf(data, sizeof(data), "%s/pki", dir);
	assert_string_equal(c->certs, data);
	c = NULL;
	/* What YAML says and what the file says, together. */
	put(path, "cluster: c\ncluster: d\nregions: {EU: }\n");
	assert_int_equal(weir_cluster_load(path, &region, &c, &diags, &err), WEIR_E_CONFIG);
	assert_null(c);
	assert_int_equal(diags.count, 2);
	assert_int_equal(diags.diag[0].pos.line, 2);
	assert_int_equal(diags.diag[1].pos.line, 3);
	assert_non_null(strstr(err.text, "2 errors"));
	put(path, "cluster: c\n");
	assert_int_equal(weir_cluster_load(path, &region, &c, &diags, &err), WEIR_E_CONFIG);
	assert_non_null(strstr(err.text, "1 error"));
	unlink(path);
	rmdir(dir);
	weir_region_fini(&region);
}

static void test_cluster_example(void **state)
{
	struct weir_region region;
	struct weir_diags diags;
	struct weir_cluster *c = NULL;
	struct weir_err err = {0};

	(void)state;
	weir_region_init(&region, &weir_test_mem);
	assert_int_equal(
		weir_cluster_load("examples/clusters/five.yaml", &region, &c, &diags, &err), 0);
	assert_int_equal(c->region_count, 5);
	weir_region_fini(&region);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_cluster_defaults),
	cmocka_unit_test(test_cluster_everything_said),
	cmocka_unit_test(test_cluster_one_region_needs_no_gateway),
	cmocka_unit_test(test_cluster_errors_of_shape),
	cmocka_unit_test(test_cluster_errors_of_names),
	cmocka_unit_test(test_cluster_listen),
	cmocka_unit_test(test_cluster_one_address_one_gateway),
	cmocka_unit_test(test_cluster_dpdk_options),
	cmocka_unit_test(test_cluster_options),
	cmocka_unit_test(test_cluster_limits),
	cmocka_unit_test(test_cluster_load),
	cmocka_unit_test(test_cluster_example),
};

WEIR_TEST_MAIN("cluster", tests)
