/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables in several regions: "T+peers@eu", what region eu tells, and "T+peers>eu", what it is told. Every two regions that have the
 * table have an edge in each direction.
 */
#include <stdio.h>

#include "base/assert.h"
#include "base/keyhash.h"
#include "engine/core/edge.h"
#include "engine/core/regions_int.h"
#include "engine/core/table.h"

#define NAME_CAP ((size_t)4 * (WEIR_NAME_MAX + 1))

static struct weir_edge_end edge_end(struct weir__regions *x, const char *of, uint32_t from,
				     uint32_t to)
{
	const struct weir_regions_env *env = x->env;
	struct weir_edge_end e = {
		.of = weir_region_strdup(x->region, weir_str_c(of)),
		.port = "peers",
		.from = weir_region_strdup(x->region, weir_str_c(env->region[from])),
		.to = weir_region_strdup(x->region, weir_str_c(env->region[to])),
		.key_last = WEIR_KEY_GROUPS - 1,
		.renewable = true,
	};

	e.id = weir_edge_id(env->cluster, x->p->name, e.of, e.port, e.from, e.to, 0, "table");
	return e;
}

static void add_source(struct weir__regions *x, struct weir__steps *t, struct weir_step *s,
		       uint32_t from)
{
	char name[NAME_CAP];
	struct weir_step *source;
	uint16_t at;

	snprintf(name, sizeof(name), "%s+peers@%s", s->name, x->env->region[from]);
	source = weir__steps_end(t, name, WEIR_STEP_SOURCE, s->pos, &at);
	source->port_count = 1;
	source->port = weir_region_new(x->region, struct weir_port_def);
	source->port[0].schema = weir_rtable_peer_schema(x->region, from);
	source->source.connector = WEIR_CONN_EDGE;
	source->source.format = WEIR_FORMAT_RAW;
	source->source.stream_count = 1;
	source->source.time_field = -1;
	source->source.edge = edge_end(x, s->name, from, x->env->here);
	weir__steps_input(t, s, at, 0, s->pos);
}

void weir__regions_table(struct weir__regions *x, struct weir__steps *t, uint32_t step,
			 struct weir_step *s)
{
	const struct weir_regions_env *env = x->env;
	struct weir_table_spec *spec = weir_region_new(x->region, struct weir_table_spec);
	const char **region = weir_region_array(x->region, const char *, env->region_count);
	struct weir_port_def *port = weir_region_array(x->region, struct weir_port_def,
						       s->port_count + env->region_count);

	_Static_assert(WEIR_TABLE_PEERS_MAX >= WEIR__REGIONS_MAX, "a port for each");
	weir_assert(s->port_count == WEIR_TABLE_PORT_PEERS);
	*spec = *s->table;
	s->table = spec;
	spec->here = env->here;
	spec->region_count = env->region_count;
	spec->region = region;
	memcpy(port, s->port, s->port_count * sizeof(*port));
	s->port = port;
	for (uint32_t r = 0; r < env->region_count; r++) {
		struct weir_port_def *p = &port[s->port_count];

		region[r] = weir_region_strdup(x->region, weir_str_c(env->region[r]));
		if (r == env->here || !(x->runs[step] & weir__region_bit(r)))
			continue;
		snprintf(p->name, sizeof(p->name), "%s", env->region[r]);
		p->schema = (struct weir_schema *)(uintptr_t)weir_rtable_schema();
		spec->peer_port[r] = s->port_count++;
		add_source(x, t, s, r);
	}
}

void weir__regions_table_sinks(struct weir__regions *x, struct weir__steps *t,
			       const struct weir_step *s, uint16_t at)
{
	for (uint32_t r = 0; r < x->env->region_count; r++) {
		char name[NAME_CAP];
		struct weir_step *sink;
		uint16_t end;

		if (!s->table->peer_port[r])
			continue;
		snprintf(name, sizeof(name), "%s+peers>%s", s->name, x->env->region[r]);
		sink = weir__steps_end(t, name, WEIR_STEP_SINK, s->pos, &end);
		sink->input_count = 1;
		sink->input[0] = (struct weir_input){
			.step = at, .port = (uint16_t)s->table->peer_port[r], .pos = s->pos};
		sink->sink.connector = WEIR_CONN_EDGE;
		sink->sink.format = WEIR_FORMAT_RAW;
		sink->sink.edge = edge_end(x, s->name, x->env->here, r);
	}
}
