/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a cluster file. Either there are messages, each with a place and one line long and sorted, or a cluster in
 * which everything holds that engines and gateways rely on.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "host/cluster.h"
#include "host/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *mem_alloc(void *ctx, size_t size, size_t align)
{
	void *p = NULL;

	(void)ctx;
	if (posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size))
		abort();
	memset(p, 0, size);
	return p;
}

static void mem_free(void *ctx, void *p, size_t size)
{
	(void)ctx;
	(void)size;
	free(p);
}

static const struct weir_mem mem = {.alloc = mem_alloc, .free = mem_free};

static void check_diags(const struct weir_diags *d)
{
	for (uint32_t i = 0; i < d->count; i++) {
		const struct weir_diag *x = &d->diag[i];

		weir_assert(x->pos.line >= 1 && x->pos.column >= 1);
		weir_assert(x->text[0] && !strchr(x->text, '\n'));
		if (i)
			weir_assert(x[-1].pos.line < x->pos.line ||
				    (x[-1].pos.line == x->pos.line &&
				     x[-1].pos.column <= x->pos.column));
	}
}

static void check_gateways(const struct weir_cluster *c, uint32_t region)
{
	const struct weir_cluster_region *r = &c->region[region];

	for (uint32_t i = 0; i < r->gateway_count; i++) {
		const struct weir_cluster_gateway *g = &r->gateway[i];

		weir_assert(weir_cluster_gateway_find(r, weir_str_c(g->name)) == (int)i);
		weir_assert(g->listen && strchr(g->listen, ':') && g->eal && g->device && g->wait);
		weir_assert(strncmp(g->listen, "0.0.0.0:", 8) && strncmp(g->listen, "[::]:", 5));
		weir_assert(g->backend == WEIR_NET_DPDK || (!*g->eal && !*g->device));
		for (uint32_t k = 0; k <= region; k++)
			for (uint32_t n = 0; n < c->region[k].gateway_count; n++)
				weir_assert((k == region && n == i) ||
					    strcmp(c->region[k].gateway[n].listen, g->listen));
	}
}

static void check_cluster(const struct weir_cluster *c)
{
	weir_assert(c->name[0] && c->certs && c->region_count > 0 &&
		    c->region_count <= WEIR_REGIONS_MAX);
	for (uint32_t i = 0; i < c->region_count; i++) {
		const struct weir_cluster_region *r = &c->region[i];

		weir_assert(weir_cluster_find(c, weir_str_c(r->name)) == (int)i);
		weir_assert(r->name[0] >= 'a' && r->name[0] <= 'z' && strcmp(r->name, "all"));
		weir_assert(r->data[0] && r->gateway_count <= WEIR_GATEWAYS_MAX);
		weir_assert(r->gateway_count || c->region_count == 1);
		check_gateways(c, i);
	}
	weir_assert(c->heartbeat_ns > 0 && c->heartbeat_ns < c->suspect_ns &&
		    c->suspect_ns < c->dead_ns);
	weir_assert(c->linger_ns <= 1000000000 && c->window_bytes >= 1 << 20);
	weir_assert(c->buffer_bytes >= 1 << 20 && c->spill_bytes >= 1 << 20);
	weir_assert(c->compression <= WEIR_COMPRESS_ZSTD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_cluster *c = NULL;
	struct weir_doc *doc;
	struct weir_region region;
	struct weir_diags diags;
	int rc, built = 0;

	weir_region_init(&region, &mem);
	weir_diags_init(&diags, &region);
	rc = weir_yaml_parse((struct weir_str){(const char *)data, size}, &region, &doc, &diags);
	if (doc)
		built = weir_cluster_build(doc, "fuzz", "dir", &region, &c, &diags);
	weir_diags_sort(&diags);
	weir_assert((rc == 0 && built == 0) == (diags.count == 0));
	check_diags(&diags);
	if (rc == 0 && c)
		check_cluster(c);
	weir_region_fini(&region);
	return 0;
}
