/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/connector.h"

#include "base/assert.h"

void weir_source_setup(struct weir_source *s, const struct weir_conn_env *env)
{
	const struct weir_source_spec *spec = &env->step->source;

	s->timed = spec->time_field >= 0;
	s->watermark = WEIR_TIME_MIN;
	s->lateness_ns = spec->lateness_ns;
	s->idle_ns = spec->idle_ns;
	/* Shared by the tasks; the first ones take the remainder. */
	s->rate = spec->rate / env->instances + (env->instance < spec->rate % env->instances);
	if (spec->rate && s->rate == 0)
		s->rate = 1;
}

int weir_source_open(struct weir_node *n, const struct weir_conn_env *env)
{
	switch (env->step->source.connector) {
	case WEIR_CONN_FILE:
	case WEIR_CONN_STDIO:
		return weir_source_file_open(n, env);
	case WEIR_CONN_MEMORY:
		return weir_source_memory_open(n, env);
	case WEIR_CONN_TCP:
		return weir_source_tcp_open(n, env);
	case WEIR_CONN_HTTP:
		return weir_source_http_open(n, env);
	case WEIR_CONN_NEXMARK:
		return weir_source_nexmark_open(n, env);
	case WEIR_CONN_EDGE:
		return weir_source_edge_open(n, env);
	default:
		weir_panic(__FILE__, __LINE__, "source connector");
	}
}

int weir_sink_open(struct weir_node *n, const struct weir_conn_env *env)
{
	switch (env->step->sink.connector) {
	case WEIR_CONN_FILE:
		return weir_sink_file_open(n, env);
	case WEIR_CONN_STDIO:
		return weir_sink_stdout_open(n, env);
	case WEIR_CONN_TCP:
		return weir_sink_tcp_open(n, env);
	case WEIR_CONN_POSTGRES:
		return weir_sink_postgres_open(n, env);
	case WEIR_CONN_BLACKHOLE:
		return weir_sink_blackhole_open(n, env);
	case WEIR_CONN_EDGE:
		return weir_sink_edge_open(n, env);
	default:
		weir_panic(__FILE__, __LINE__, "sink connector");
	}
}
