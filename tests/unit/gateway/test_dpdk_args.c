/* SPDX-License-Identifier: Apache-2.0 */
/* From the cluster file's words to a device and to the arguments of DPDK. */
#include <string.h>

#include "gateway/edge/dpdk_args.h"
#include "tests/lib/test.h"

#define GIB ((uint64_t)1 << 30)

static struct weir_dpdk_args args;
static struct weir_err err;

/* The arguments behind the name, joined by spaces. */
static const char *made(const char *eal, uint64_t huge_free, uint32_t queues, uint32_t mtu)
{
	struct weir_dpdk_host host = {.huge_free = huge_free, .cpus = "0-1"};
	struct weir_dpdk_device d = {.queues = queues, .mtu = mtu};
	static char text[8192];

	if (weir_dpdk_args_make(eal, &d, &host, &args, &err) < 0)
		return NULL;
	text[0] = 0;
	assert_string_equal(args.argv[0], "weir");
	for (int i = 1; i < args.argc; i++) {
		strcat(text, args.argv[i]);
		strcat(text, i + 1 < args.argc ? " " : "");
	}
	assert_null(args.argv[args.argc]);
	return text;
}

static void test_args(void **state)
{
	(void)state;
	assert_string_equal(made("--vdev net_af_packet0,iface=e0", GIB, 0, 0),
			    "--in-memory --no-pci --no-telemetry --lcores 0@(0-1) "
			    "--vdev net_af_packet0,iface=e0");
	assert_true(args.huge);
	/* Without huge pages, or with too few. */
	assert_string_equal(made("", 0, 0, 0), "--no-huge --no-shconf -m 64 --no-pci "
					       "--no-telemetry --lcores 0@(0-1)");
	assert_false(args.huge);
	assert_non_null(strstr(made("", GIB / 128, 1, 0), "--no-huge"));
	/* More buffers want more. */
	assert_non_null(strstr(made("", 0, 16, 9600), "-m 504"));
	/* A card. */
	assert_string_equal(made(" -a 0000:03:00.0\t--no-telemetry ", GIB, 0, 0),
			    "--in-memory --lcores 0@(0-1) -a 0000:03:00.0 --no-telemetry");
	assert_null(strstr(made("--allow=03:00.0", GIB, 0, 0), "--no-pci"));
	/* What is said is not said again. */
	assert_string_equal(made("--no-huge -m128 -l 1 --no-pci --telemetry --file-prefix=x", GIB,
				 0, 0),
			    "--no-huge -m128 -l 1 --no-pci --telemetry --file-prefix=x");
	assert_string_equal(made("--in-memory -c 3", 0, 0, 0),
			    "--no-pci --no-telemetry --in-memory -c 3");
	assert_true(args.huge);
	assert_string_equal(
		made("--huge-dir /h --file-prefix y", 0, 0, 0),
		"--no-pci --no-telemetry --lcores 0@(0-1) --huge-dir /h --file-prefix y");
	/* Another argument that starts alike. */
	assert_non_null(strstr(made("--no-hugepages-x", 0, 0, 0), "--no-huge --no-shconf"));
}

static void test_too_many(void **state)
{
	static char eal[10000];

	(void)state;
	for (int i = 0; i < 70; i++)
		strcat(eal, "x ");
	assert_null(made(eal, GIB, 0, 0));
	assert_non_null(strstr(err.text, "too many"));
	memset(eal, 'x', 5000);
	eal[5000] = 0;
	assert_null(made(eal, GIB, 0, 0));
	eal[3000] = 0;
	assert_non_null(made(eal, GIB, 0, 0));
}

static void test_device(void **state)
{
	struct weir_dpdk_device d;

	(void)state;
	assert_int_equal(weir_dpdk_device_parse("", false, &d, &err), 0);
	assert_string_equal(d.name, "");
	assert_int_equal(d.queues, 0);
	assert_false(d.has_router);
	assert_int_equal(weir_dpdk_device_parse(
				 "net_af_packet0,queues=4,mtu=9000,router=10.1.0.254,prefix=20",
				 false, &d, &err),
			 0);
	assert_string_equal(d.name, "net_af_packet0");
	assert_int_equal(d.queues, 4);
	assert_int_equal(d.mtu, 9000);
	assert_true(d.has_router);
	assert_int_equal(d.router.b[3], 254);
	assert_int_equal(d.prefix, 20);
	assert_int_equal(weir_dpdk_device_parse("0000:03:00.0,router=fe80::1", true, &d, &err), 0);
	assert_true(d.router.v6);
	assert_int_equal(d.router.b[15], 1);
	assert_int_equal(d.prefix, 64);
	assert_int_equal(weir_dpdk_device_parse(",router=10.0.0.1", false, &d, &err), 0);
	assert_int_equal(d.prefix, 24);
}

static void test_bad_device(void **state)
{
	static const struct {
		const char *text, *says;
		bool v6;
	} bad[] = {
		{"x,queues=0", "1 to 16", false},
		{"x,queues=17", "1 to 16", false},
		{"x,queues=", "1 to 16", false},
		{"x,queues=4294967297", "1 to 16", false},
		{"x,queues=2x", "1 to 16", false},
		{"x,mtu=500", "576 to", false},
		{"x,mtu=1279", "1280 to", true},
		{"x,prefix=33,router=10.0.0.1", "1 to 32", false},
		{"x,prefix=24", "say also router", false},
		{"x,router=fe80::1", "IPv4", false},
		{"x,router=10.0.0.1", "IPv6", true},
		{"x,router=0.0.0.0", "IPv4", false},
		{"x,router=224.0.0.1", "IPv4", false},
		{"x,speed=9", "write NAME", false},
		{"x,queues", "write NAME", false},
		{"x,", "write NAME", false},
		{"x,mtu2=5", "write NAME", false},
		{"0123456789012345678901234567890123456789012345678901234567890123", "63 bytes",
		 false},
		{"x,router=0123456789012345678901234567890123456789012345678901234567890123456789"
		 "0123456789",
		 "IPv4", false},
	};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++) {
		struct weir_dpdk_device d;

		err = (struct weir_err){0};
		assert_int_equal(weir_dpdk_device_parse(bad[i].text, bad[i].v6, &d, &err),
				 WEIR_E_CONFIG);
		assert_non_null(strstr(err.text, bad[i].says));
	}
}

static void test_buffers(void **state)
{
	uint64_t bytes;

	(void)state;
	assert_int_equal(weir_dpdk_buffers(0, 0, &bytes), 4095);
	assert_int_equal(bytes, 4095 * 2560);
	assert_int_equal(weir_dpdk_buffers(4, 9000, &bytes), 10239);
	assert_int_equal(bytes, UINT64_C(10239) * 9512);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_args),	cmocka_unit_test(test_too_many),
	cmocka_unit_test(test_device),	cmocka_unit_test(test_bad_device),
	cmocka_unit_test(test_buffers),
};

WEIR_TEST_MAIN("dpdk_args", tests)
