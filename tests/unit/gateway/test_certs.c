/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: what is made, what is never overwritten, who a certificate is for; and the verb. */
#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>

#include "gateway/edge/certs_file.h"
#include "gateway/edge/cmd_certs.h"
#include "tests/unit/gateway/quic_world.h"

struct fixture {
	char top[64], dir[96], file[96];
};

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	struct fixture *f = (struct fixture *)calloc(1, sizeof(*f));

	strcpy(f->top, "/tmp/weir-test-certs.XXXXXX");
	assert_non_null(mkdtemp(f->top));
	snprintf(f->dir, sizeof(f->dir), "%s/certs", f->top);
	snprintf(f->file, sizeof(f->file), "%s/cluster.yaml", f->top);
	put(f->file, "cluster: shop\n"
		     "certs: certs\n"
		     "regions:\n"
		     "  eu: {gateways: [{listen: \"10.1.0.1:7400\"}]}\n"
		     "  us: {gateways: [{listen: \"10.2.0.1:7400\"}]}\n");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	world_remove(f->top);
	free(f);
	return 0;
}

static int verb(const char *line, ...)
{
	char text[1024], *argv[16], *at;
	int argc = 0;
	va_list ap;

	va_start(ap, line);
	vsnprintf(text, sizeof(text), line, ap);
	va_end(ap);
	for (char *p = strtok_r(text, " ", &at); p; p = strtok_r(NULL, " ", &at))
		argv[argc++] = p;
	argv[argc] = NULL;
	fflush(NULL);
	return weir_cmd_certs(argc, argv);
}

static mode_t mode(const char *dir, const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) < 0 ? 0 : st.st_mode & 07777;
}

static void test_init(void **state)
{
	static const char *const files[] = {"ca.pem", "ca.key", "eu.pem",
					    "eu.key", "us.pem", "us.key"};
	struct fixture *f = (struct fixture *)*state;
	struct weir_certs_info i;
	struct weir_err err;

	assert_int_equal(verb("certs init %s --days 30", f->file), 0);
	assert_int_equal(mode(f->dir, "."), 0700);
	for (size_t k = 0; k < WEIR_COUNT_OF(files); k++)
		assert_int_equal(mode(f->dir, files[k]), 0600);
	assert_int_equal(weir_certs_read(f->dir, "ca", &i, &err), 0);
	assert_true(i.ca && i.key && i.signed_by_ca && !i.open);
	assert_in_range(i.until_s - i.from_s, 3650 * 86400 + 3600, 3650 * 86400 + 3602);
	assert_int_equal(weir_certs_read(f->dir, "us", &i, &err), 0);
	assert_true(!i.ca && i.key && i.signed_by_ca && !i.open);
	assert_string_equal(i.id.cluster, "shop");
	assert_string_equal(i.id.region, "us");
	assert_in_range(i.until_s - i.from_s, 30 * 86400 + 3600, 30 * 86400 + 3602);
	assert_int_equal(verb("certs show %s", f->file), 0);
}

static void same(const char *dir, const char *name, const char *ending, bool want, uint8_t *keep,
		 size_t *keep_n)
{
	uint8_t *p;
	size_t n;

	assert_int_equal(weir_certs_file(dir, name, ending, &p, &n, NULL), 0);
	assert_int_equal(n == *keep_n && !memcmp(p, keep, n), want);
	memcpy(keep, p, n);
	*keep_n = n;
	free(p);
}

static void test_never_overwrites(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	static uint8_t eu[65536], ca[65536];
	size_t eu_n = 0, ca_n = 0;
	char path[256];

	assert_int_equal(verb("certs init %s", f->file), 0);
	same(f->dir, "eu", "key", false, eu, &eu_n);
	same(f->dir, "ca", "key", false, ca, &ca_n);
	assert_int_equal(verb("certs init %s", f->file), 1);
	assert_int_equal(verb("certs add eu %s", f->file), 1);
	snprintf(path, sizeof(path), "%s/ca.pem", f->dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(verb("certs init %s", f->file), 1); /* the key alone is enough */
	same(f->dir, "eu", "key", true, eu, &eu_n);
	same(f->dir, "ca", "key", true, ca, &ca_n);
	assert_int_equal(verb("certs init --force %s", f->file), 0);
	same(f->dir, "eu", "key", false, eu, &eu_n);
	same(f->dir, "ca", "key", false, ca, &ca_n);
	assert_int_equal(verb("certs add eu %s --force --days 7", f->file), 0);
	same(f->dir, "eu", "key", false, eu, &eu_n);
	same(f->dir, "ca", "key", true, ca, &ca_n);
	assert_int_equal(verb("certs show %s", f->file), 0);
	assert_int_equal(mode(f->dir, "eu.key.tmp"), 0);
}

static void test_add(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct weir_certs_info i;
	struct weir_err err;

	assert_int_equal(verb("certs add eu %s", f->file), 1); /* no CA yet */
	assert_int_equal(verb("certs init %s", f->file), 0);
	assert_int_equal(verb("certs add ap %s", f->file), 1); /* not in the file */
	put(f->file, "cluster: shop\n"
		     "certs: certs\n"
		     "regions:\n"
		     "  eu: {gateways: [{listen: \"10.1.0.1:7400\"}]}\n"
		     "  us: {gateways: [{listen: \"10.2.0.1:7400\"}]}\n"
		     "  ap: {gateways: [{listen: \"10.3.0.1:7400\"}]}\n");
	assert_int_equal(verb("certs show %s", f->file), 1);
	assert_int_equal(verb("certs add ap %s", f->file), 0);
	assert_int_equal(weir_certs_read(f->dir, "ap", &i, &err), 0);
	assert_string_equal(i.id.region, "ap");
	assert_int_equal(verb("certs show %s", f->file), 0);
	assert_int_equal(verb("certs show %s --dir /nowhere", f->file), 1);
}

/* Each thing that can be wrong is seen. */
static void test_show_sees(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	char a[256], b[256], other[160];
	struct weir_certs_info i;
	struct weir_err err = {0};

	assert_int_equal(verb("certs init %s", f->file), 0);
	snprintf(a, sizeof(a), "%s/eu.key", f->dir);
	snprintf(b, sizeof(b), "%s/us.key", f->dir);
	assert_int_equal(chmod(a, 0644), 0);
	assert_int_equal(verb("certs show %s", f->file), 1);
	assert_int_equal(weir_certs_read(f->dir, "eu", &i, &err), 0);
	assert_true(i.open && i.key);
	assert_int_equal(chmod(a, 0600), 0);
	assert_int_equal(unlink(b), 0);
	assert_int_equal(verb("certs show %s", f->file), 1);
	assert_int_equal(rename(a, b), 0); /* the other region's key */
	assert_int_equal(weir_certs_read(f->dir, "us", &i, &err), 0);
	assert_false(i.key);
	assert_int_equal(verb("certs init --force %s", f->file), 0);
	snprintf(a, sizeof(a), "%s/ca.key",
		 f->dir); /* gone to a safe place: that is as it should be */
	assert_int_equal(unlink(a), 0);
	assert_int_equal(verb("certs show %s", f->file), 0);
	/* A certificate of another CA, and of another cluster. */
	snprintf(other, sizeof(other), "%s/other", f->top);
	assert_int_equal(weir_certs_make_ca(other, "shop", 10, false, &err), 0);
	assert_int_equal(weir_certs_make_region(other, "shop", "eu", 10, false, &err), 0);
	snprintf(a, sizeof(a), "%s/eu.pem", other);
	snprintf(b, sizeof(b), "%s/eu.pem", f->dir);
	assert_int_equal(rename(a, b), 0);
	assert_int_equal(verb("certs show %s", f->file), 1);
	assert_int_equal(weir_certs_read(f->dir, "eu", &i, &err), 0);
	assert_false(i.signed_by_ca);
	/* What is no certificate. */
	put(b, "nothing\n");
	assert_int_equal(weir_certs_read(f->dir, "eu", &i, &err), WEIR_E_FORMAT);
	assert_non_null(strstr(err.text, "eu.pem is no certificate"));
	snprintf(a, sizeof(a), "%s/ca.key", f->dir);
	put(a, "nothing\n");
	assert_int_equal(weir_certs_make_region(f->dir, "shop", "eu", 10, true, &err),
			 WEIR_E_FORMAT);
	snprintf(b, sizeof(b), "%s/ca.key", other);
	assert_int_equal(rename(b, a), 0);
	assert_int_equal(weir_certs_make_region(f->dir, "shop", "eu", 10, true, &err),
			 WEIR_E_CONFIG);
	assert_non_null(strstr(err.text, "does not belong to"));
}

static void test_folder(void **state)
{
	struct fixture *f = (struct fixture *)*state;
	struct weir_err err = {0};
	uint8_t *p;
	size_t n;
	char path[256];
	static char long_dir[5000];
	FILE *big;

	assert_int_equal(mkdir(f->dir, 0755), 0);
	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(weir_certs_folder(f->dir, &err), -EPERM);
	assert_non_null(strstr(err.text, "chmod 700"));
	assert_int_equal(weir_certs_folder(f->file, &err), -ENOTDIR);
	assert_int_equal(weir_certs_folder("/nowhere/at/all", &err), -ENOENT);
	assert_int_equal(weir_certs_file(f->dir, "ca", "pem", &p, &n, &err), -ENOENT);
	assert_non_null(strstr(err.text, "weir certs"));
	snprintf(path, sizeof(path), "%s/ca.pem", f->dir);
	big = fopen(path, "w");
	for (int i = 0; i < 70000; i++)
		fputc('x', big);
	fclose(big);
	assert_int_equal(weir_certs_file(f->dir, "ca", "pem", &p, &n, &err), WEIR_E_RANGE);
	assert_int_equal(weir_certs_file(f->top, "certs/ca.pem/x", "pem", &p, &n, &err), -ENOTDIR);
	memset(long_dir, 'x', sizeof(long_dir) - 1);
	assert_int_equal(weir_certs_file(long_dir, "ca", "pem", &p, &n, &err), -ENAMETOOLONG);
	assert_int_equal(weir_certs_absent(long_dir, "ca", false, &err), -ENAMETOOLONG);
	assert_int_equal(weir_certs_store(long_dir, "ca", "pem", "x", 1, false, &err),
			 -ENAMETOOLONG);
	assert_int_equal(weir_certs_store("/nowhere", "ca", "pem", "x", 1, false, &err), -ENOENT);
	assert_int_equal(weir_certs_store(f->dir, "ca", "pem", "x", 1, false, &err), -EEXIST);
}

static void test_usage(void **state)
{
	struct fixture *f = (struct fixture *)*state;

	assert_int_equal(verb("certs"), 2);
	assert_int_equal(verb("certs --help"), 0);
	assert_int_equal(verb("certs init"), 2);
	assert_int_equal(verb("certs add eu"), 2);
	assert_int_equal(verb("certs frobnicate %s", f->file), 2);
	assert_int_equal(verb("certs init %s --wat", f->file), 2);
	assert_int_equal(verb("certs init %s --days 0", f->file), 2);
	assert_int_equal(verb("certs init %s --days 1x", f->file), 2);
	assert_int_equal(verb("certs init %s --days -1", f->file), 2);
	assert_int_equal(verb("certs init %s.not-there", f->file), 3);
	put(f->file, "cluster: shop\nregions: {eu: {gateways: [{listen: \"10.1.0.1:7400\"}]}}\n");
	assert_int_equal(verb("certs init %s", f->file), 2); /* no folder */
	assert_int_equal(verb("certs init %s --dir %s", f->file, f->dir), 0);
	put(f->file, "cluster: shop\nregion: {}\n");
	assert_int_equal(verb("certs init %s", f->file), 3);
}

/* A certificate with these names, as DER. */
static int identity_of(const char *const *uri, int count, const char *dns,
		       struct weir_certs_id *ret)
{
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	gnutls_datum_t der;
	int r;

	gnutls_x509_privkey_init(&key);
	gnutls_x509_privkey_generate(key, GNUTLS_PK_EDDSA_ED25519, 256, 0);
	gnutls_x509_crt_init(&crt);
	gnutls_x509_crt_set_version(crt, 3);
	gnutls_x509_crt_set_serial(crt, "\1", 1);
	gnutls_x509_crt_set_activation_time(crt, 1000000);
	gnutls_x509_crt_set_expiration_time(crt, 2000000);
	gnutls_x509_crt_set_key(crt, key);
	for (int i = 0; i < count; i++)
		assert_int_equal(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_URI, uri[i],
								      (unsigned)strlen(uri[i]),
								      GNUTLS_FSAN_APPEND),
				 0);
	if (dns)
		gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, dns,
						     (unsigned)strlen(dns), GNUTLS_FSAN_APPEND);
	assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA512, 0), 0);
	assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der), 0);
	r = weir_certs_identity(der.data, der.size, ret);
	if (r == 0) /* no byte of it may be missing */
		assert_int_equal(weir_certs_identity(der.data, der.size - 1,
						     &(struct weir_certs_id){0}),
				 WEIR_E_FORMAT);
	gnutls_free(der.data);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
	return r;
}

static void test_identity(void **state)
{
	static const char *const bad[] = {
		"weir://shop",
		"weir://",
		"weir:///eu",
		"weir://shop/",
		"weir://shop/eu/us",
		"weir://shop/abcdefghijklmnop",
		"weir://c123456789012345678901234567890123456789012345678901234567890123/eu",
		"https://shop/eu",
		"WEIR://shop/eu"};
	const char *good = "weir://shop/eu";
	const char *two[] = {"weir://shop/eu", "weir://shop/us"};
	const char *other[] = {"https://example.org/", "weir://shop/eu"};
	char long_uri[600] = "https://";
	const char *with_long[] = {long_uri, "weir://shop/eu"};
	struct weir_certs_id id;

	(void)state;
	assert_int_equal(identity_of(&good, 1, NULL, &id), 0);
	assert_string_equal(id.cluster, "shop");
	assert_string_equal(id.region, "eu");
	assert_int_equal(identity_of(&good, 1, "eu", &id), 0);
	assert_int_equal(identity_of(other, 2, NULL, &id), 0);
	memset(long_uri + 8, 'x', 500);
	assert_int_equal(identity_of(with_long, 2, NULL, &id), 0);
	assert_int_equal(identity_of(two, 2, NULL, &id), WEIR_E_FORMAT);
	assert_int_equal(identity_of(NULL, 0, NULL, &id), WEIR_E_FORMAT);
	assert_int_equal(identity_of(NULL, 0, "weir://shop/eu", &id), WEIR_E_FORMAT);
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++)
		assert_int_equal(identity_of(&bad[i], 1, NULL, &id), WEIR_E_FORMAT);
	assert_int_equal(weir_certs_identity("nothing", 7, &id), WEIR_E_FORMAT);
	assert_int_equal(weir_certs_identity("", 0, &id), WEIR_E_FORMAT);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_init, setup, teardown),
	cmocka_unit_test_setup_teardown(test_never_overwrites, setup, teardown),
	cmocka_unit_test_setup_teardown(test_add, setup, teardown),
	cmocka_unit_test_setup_teardown(test_show_sees, setup, teardown),
	cmocka_unit_test_setup_teardown(test_folder, setup, teardown),
	cmocka_unit_test_setup_teardown(test_usage, setup, teardown),
	cmocka_unit_test(test_identity),
};

WEIR_TEST_MAIN("gateway/certs", tests)
