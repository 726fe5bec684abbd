/* SPDX-License-Identifier: Apache-2.0 */
/* Meaning of the cluster file. Keys and values one by one: cluster_walk.c, cluster_address.c. */
#include "host/cluster.h"

#include <stdio.h>

#include "host/cluster_walk.h"
#include "host/text_file.h"
#include "host/yaml.h"

#define KEY(key_, kind_, type, member, ...)                                                        \
	{                                                                                          \
		.key = key_, .kind = kind_, .offset = offsetof(type, member), ##__VA_ARGS__        \
	}

#define MS UINT64_C(1000000)
#define S (1000 * MS)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* ---- gateways ---- */

struct gateway {
	struct weir_cluster_gateway g;
	int backend;
	struct weir_clisten listen;
};

static const struct weir_cchoice backend_choice[] = {
	{"auto", WEIR_NET_AUTO},
	{"io_uring", WEIR_NET_URING},
	{"epoll", WEIR_NET_EPOLL},
	{"dpdk", WEIR_NET_DPDK},
	{NULL, 0},
};

static const struct weir_ckey gateway_key[] = {
	KEY("listen", WEIR_CKEY_LISTEN, struct gateway, listen, .required = true),
	KEY("name", WEIR_CKEY_NAME, struct gateway, g.name),
	KEY("backend", WEIR_CKEY_CHOICE, struct gateway, backend, .choice = backend_choice),
	KEY("eal", WEIR_CKEY_TEXT, struct gateway, g.eal),
	KEY("device", WEIR_CKEY_TEXT, struct gateway, g.device),
	KEY("wait", WEIR_CKEY_TEXT, struct gateway, g.wait),
};

/* Addresses of all gateways so far. */
struct taken {
	uint32_t count;
	const char *same[WEIR_REGIONS_MAX * WEIR_GATEWAYS_MAX];
	const char *owner[WEIR_REGIONS_MAX * WEIR_GATEWAYS_MAX]; /* "gw0 of region eu" */
};

static void check_dpdk(struct weir_cluster_read *r, const struct weir_doc *doc,
		       const struct gateway *g)
{
	static const char *const key[] = {"eal", "device", "wait"};
	const struct weir_doc *wait = weir_doc_get(doc, "wait");

	for (size_t i = 0; g->backend != WEIR_NET_DPDK && i < WEIR_COUNT_OF(key); i++)
		for (uint32_t e = 0; e < doc->count; e++)
			if (weir_str_is(doc->entry[e].key, key[i]))
				weir_diag(r->diags, doc->entry[e].pos,
					  "`%s` goes with `backend: dpdk` only", key[i]);
	if (g->backend == WEIR_NET_DPDK && strcmp(g->g.wait, "adaptive") &&
	    strcmp(g->g.wait, "busy"))
		weir_diag(r->diags, wait->pos, "`wait`: expected adaptive or busy, found `%s`",
			  weir__cluster_show(r, wait->text));
}

static void check_taken(struct weir_cluster_read *r, const struct weir_cluster_region *to,
			const struct gateway *g, struct taken *taken)
{
	for (uint32_t i = 0; i < taken->count; i++) {
		if (strcmp(taken->same[i], g->listen.same))
			continue;
		weir_diag(r->diags, g->listen.pos,
			  "`listen`: %s is the address of gateway %s; each needs one of its own",
			  g->listen.text, taken->owner[i]);
		return;
	}
	taken->same[taken->count] = g->listen.same;
	taken->owner[taken->count++] =
		weir_region_printf(r->region, "%s of region %s", g->g.name, to->name);
}

static void read_gateway(struct weir_cluster_read *r, const struct weir_doc *doc,
			 struct weir_cluster_region *to, struct taken *taken)
{
	struct gateway g = {.g = {.eal = "", .device = "", .wait = "adaptive"}};
	const struct weir_doc *name = weir_doc_get(doc, "name");
	uint32_t before = r->diags->count + r->diags->dropped;

	if (!weir__cluster_map(r, doc, "gateways"))
		return;
	weir__cluster_keys(r, doc, "a gateway", gateway_key, WEIR_COUNT_OF(gateway_key), &g);
	if (r->diags->count + r->diags->dropped == before)
		check_dpdk(r, doc, &g);
	if (!g.g.name[0])
		snprintf(g.g.name, sizeof(g.g.name), "gw%u", to->gateway_count);
	if (weir_cluster_gateway_find(to, weir_str_c(g.g.name)) >= 0)
		weir_diag(r->diags, name ? name->pos : doc->pos,
			  "region `%s` has a gateway `%s` already%s", to->name, g.g.name,
			  name ? "" : "; give this one a `name`");
	if (g.listen.text)
		check_taken(r, to, &g, taken);
	g.g.backend = (enum weir_net_backend)g.backend;
	g.g.listen = g.listen.text;
	to->gateway[to->gateway_count++] = g.g;
}

/* ---- regions ---- */

static const struct weir_ckey region_key[] = {
	KEY("data", WEIR_CKEY_PATH, struct weir_cluster_region, data),
	{.key = "gateways"},
};

/* [a-z][a-z0-9-]*: it is in names of rings, edges and files. */
static bool read_region_name(struct weir_cluster_read *r, const struct weir_doc_entry *e, char *ret)
{
	bool ok = e->key.n <= WEIR_REGION_MAX;

	for (size_t i = 0; ok && i < e->key.n; i++) {
		char c = e->key.p[i];

		ok = (c >= 'a' && c <= 'z') || (i > 0 && ((c >= '0' && c <= '9') || c == '-'));
	}
	if (!ok || e->key.n == 0) {
		weir_diag(r->diags, e->pos,
			  "`%s` cannot be a region: names have at most %d small letters, digits "
			  "and `-`, and begin with a letter",
			  weir__cluster_show(r, e->key), WEIR_REGION_MAX);
		return false;
	}
	memcpy(ret, e->key.p, e->key.n);
	if (strcmp(ret, "all"))
		return true;
	weir_diag(r->diags, e->pos,
		  "a region cannot be called `all`: in pipeline files that means "
		  "every region");
	return false;
}

static void read_region(struct weir_cluster_read *r, const struct weir_doc_entry *e,
			struct weir_cluster_region *to, bool alone, struct taken *taken)
{
	const struct weir_doc *gateways = weir_doc_get(e->value, "gateways");
	bool named = read_region_name(r, e, to->name);

	if (e->value->kind == WEIR_DOC_MAP)
		weir__cluster_keys(r, e->value, "a region", region_key, WEIR_COUNT_OF(region_key),
				   to);
	else if (!alone || e->value->kind != WEIR_DOC_NULL)
		weir__cluster_map(r, e->value, named ? to->name : "regions");
	if (!to->data)
		to->data = weir__cluster_path(
			r, weir_str_c(weir_region_printf(r->region, ".weir/%s", to->name)));
	if (!gateways && !alone && e->value->kind == WEIR_DOC_MAP)
		weir_diag(r->diags, e->pos,
			  "region `%s` needs `gateways`: the other regions could not reach it",
			  weir__cluster_show(r, e->key));
	if (!gateways || !weir__cluster_list(r, gateways, "gateways"))
		return;
	if (gateways->count > WEIR_GATEWAYS_MAX) {
		weir_diag(r->diags, gateways->item[WEIR_GATEWAYS_MAX]->pos,
			  "`gateways`: more than %d", WEIR_GATEWAYS_MAX);
		return;
	}
	for (uint32_t i = 0; i < gateways->count; i++)
		read_gateway(r, gateways->item[i], to, taken);
}

static void read_regions(struct weir_cluster_read *r, const struct weir_doc *doc,
			 struct weir_cluster *c)
{
	struct taken *taken = weir_region_new(r->region, struct taken);

	if (!weir__cluster_map(r, doc, "regions"))
		return;
	if (doc->count > WEIR_REGIONS_MAX) {
		weir_diag(r->diags, doc->entry[WEIR_REGIONS_MAX].pos, "`regions`: more than %d",
			  WEIR_REGIONS_MAX);
		return;
	}
	c->region_count = doc->count;
	for (uint32_t i = 0; i < doc->count; i++)
		read_region(r, &doc->entry[i], &c->region[i], doc->count == 1, taken);
}

/* ---- links, edges ---- */

struct options {
	uint64_t linger_ns, window_bytes, heartbeat_ns, suspect_ns, dead_ns;
	uint64_t buffer_bytes, spill_bytes, edge_window_bytes;
	int cubic, compression;
};

static const struct weir_cchoice congestion_choice[] = {{"bbr", false}, {"cubic", true}, {NULL, 0}};

static const struct weir_ckey link_key[] = {
	KEY("linger", WEIR_CKEY_DURATION, struct options, linger_ns, .max = S),
	KEY("window", WEIR_CKEY_SIZE, struct options, window_bytes, .min = MIB, .max = 4 * GIB),
	KEY("heartbeat", WEIR_CKEY_DURATION, struct options, heartbeat_ns, .min = 10 * MS,
	    .max = 60 * S),
	KEY("suspect", WEIR_CKEY_DURATION, struct options, suspect_ns, .min = 10 * MS,
	    .max = 600 * S),
	KEY("dead", WEIR_CKEY_DURATION, struct options, dead_ns, .min = 10 * MS, .max = 3600 * S),
	KEY("congestion", WEIR_CKEY_CHOICE, struct options, cubic, .choice = congestion_choice),
};

static const struct weir_cchoice compression_choice[] = {
	{"auto", WEIR_COMPRESS_AUTO},
	{"none", WEIR_COMPRESS_NONE},
	{"lz4", WEIR_COMPRESS_LZ4},
	{"zstd", WEIR_COMPRESS_ZSTD},
	{NULL, 0},
};

static const struct weir_ckey edge_key[] = {
	KEY("buffer", WEIR_CKEY_SIZE, struct options, buffer_bytes, .min = MIB, .max = 64 * GIB),
	KEY("spill", WEIR_CKEY_SIZE, struct options, spill_bytes, .min = MIB, .max = 16384 * GIB),
	KEY("window", WEIR_CKEY_SIZE, struct options, edge_window_bytes, .min = MIB, .max = GIB),
	KEY("compression", WEIR_CKEY_CHOICE, struct options, compression,
	    .choice = compression_choice),
};

static void check_health(struct weir_cluster_read *r, const struct weir_doc *doc,
			 const struct options *o)
{
	if (o->heartbeat_ns < o->suspect_ns && o->suspect_ns < o->dead_ns)
		return;
	weir_diag(r->diags, doc->pos,
		  "`links`: `heartbeat` must be shorter than `suspect`, and that shorter than "
		  "`dead` (defaults 250ms, 1s, 3s)");
}

static void read_options(struct weir_cluster_read *r, const struct weir_doc *top,
			 struct weir_cluster *c)
{
	struct options o = {.linger_ns = MS,
			    .window_bytes = 32 * MIB,
			    .heartbeat_ns = 250 * MS,
			    .suspect_ns = S,
			    .dead_ns = 3 * S,
			    .buffer_bytes = 64 * MIB,
			    .spill_bytes = GIB,
			    .edge_window_bytes = 8 * MIB};
	const struct weir_doc *links = weir_doc_get(top, "links");
	const struct weir_doc *edges = weir_doc_get(top, "edges");

	if (links && weir__cluster_map(r, links, "links")) {
		weir__cluster_keys(r, links, "`links`", link_key, WEIR_COUNT_OF(link_key), &o);
		check_health(r, links, &o);
	}
	if (edges && weir__cluster_map(r, edges, "edges"))
		weir__cluster_keys(r, edges, "`edges`", edge_key, WEIR_COUNT_OF(edge_key), &o);
	c->linger_ns = o.linger_ns;
	c->window_bytes = o.window_bytes;
	c->heartbeat_ns = o.heartbeat_ns;
	c->suspect_ns = o.suspect_ns;
	c->dead_ns = o.dead_ns;
	c->cubic = o.cubic;
	c->buffer_bytes = o.buffer_bytes;
	c->spill_bytes = o.spill_bytes;
	c->edge_window_bytes = o.edge_window_bytes;
	c->compression = (unsigned)o.compression;
}

/* ---- the file ---- */

static const struct weir_ckey top_key[] = {
	KEY("cluster", WEIR_CKEY_NAME, struct weir_cluster, name, .required = true),
	KEY("certs", WEIR_CKEY_PATH, struct weir_cluster, certs),
	{.key = "regions", .required = true},
	{.key = "links"},
	{.key = "edges"},
};

int weir_cluster_build(const struct weir_doc *doc, const char *file, const char *dir,
		       struct weir_region *region, struct weir_cluster **ret,
		       struct weir_diags *diags)
{
	struct weir_cluster_read r = {region, diags, dir};
	struct weir_cluster *c = weir_region_new(region, struct weir_cluster);
	uint32_t before = diags->count;

	c->file = weir_region_strdup(region, weir_str_c(file));
	c->certs = "";
	if (doc->kind == WEIR_DOC_MAP) {
		weir__cluster_keys(&r, doc, "a cluster file", top_key, WEIR_COUNT_OF(top_key), c);
		if (weir_doc_get(doc, "regions"))
			read_regions(&r, weir_doc_get(doc, "regions"), c);
		read_options(&r, doc, c);
	} else {
		weir_diag(diags, doc->pos, "expected a mapping with `cluster` and `regions`");
	}
	weir_diags_sort(diags);
	if (diags->count > before)
		return WEIR_E_CONFIG;
	*ret = c;
	return 0;
}

int weir_cluster_load(const char *file, struct weir_region *region, struct weir_cluster **ret,
		      struct weir_diags *diags, struct weir_err *err)
{
	struct weir_cluster *c = NULL;
	struct weir_doc *doc;
	struct weir_str text;
	int r, built = 0;

	weir_diags_init(diags, region);
	r = weir_text_file_read(file, WEIR_YAML_BYTES_MAX, region, &text, err);
	if (r < 0)
		return r;
	r = weir_yaml_parse(text, region, &doc, diags);
	if (doc)
		built = weir_cluster_build(doc, file, weir_text_file_folder(file, region), region,
					   &c, diags);
	weir_diags_sort(diags);
	if (r == 0)
		r = built;
	if (r < 0)
		return weir_err_set(err, r, "%s: %u %s", file, diags->count + diags->dropped,
				    diags->count + diags->dropped == 1 ? "error" : "errors");
	*ret = c;
	return 0;
}

int weir_cluster_find(const struct weir_cluster *c, struct weir_str region)
{
	for (uint32_t i = 0; i < c->region_count; i++)
		if (weir_str_is(region, c->region[i].name))
			return (int)i;
	return -1;
}

int weir_cluster_gateway_find(const struct weir_cluster_region *r, struct weir_str name)
{
	for (uint32_t i = 0; i < r->gateway_count; i++)
		if (weir_str_is(name, r->gateway[i].name))
			return (int)i;
	return -1;
}
