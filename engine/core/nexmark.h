/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/nexmark.h - the Nexmark auction stream: event n is a pure function of (options, n).
 *
 * Shape:  of every 50 events 1 is a person, 3 are auctions, 46 are bids. Field set of the current
 *         Nexmark (bid with channel and url). Same (options, range): same bytes on every machine; no
 *         floating point, no library random numbers.
 * Source: Nexmark (Tucker, Tufte, Papadimos, Maier 2002); proportions and hot keys as in the Apache
 *         Beam and nexmark/nexmark generators, re-derived so that each event stands alone.
 * Differs from those: references name only persons and auctions that came before (theirs run up to
 *         ten ahead); the hot urls are constants, and the url of a channel depends on its number alone;
 *         event times are not cut to milliseconds; `region` is added as the last field.
 * Golden: tests/data/nexmark-*. Pure; any thread.
 */
#ifndef WEIR_ENGINE_CORE_NEXMARK_H
#define WEIR_ENGINE_CORE_NEXMARK_H

#include "base/schema.h"
#include "engine/core/pipeline.h"

void weir_nexmark_defaults(struct weir_nexmark_options *o);

/* Schema of stream WEIR_NEXMARK_PERSON, _AUCTION or _BID (static; time field is "dateTime"). */
const struct weir_schema *weir_nexmark_schema(unsigned stream);
const char *weir_nexmark_stream_name(unsigned stream); /* "person", "auction", "bid" */

/* Stream of event n. */
unsigned weir_nexmark_stream_of(uint64_t n);

#define WEIR_NEXMARK_FRAME_MAX 1024 /* bytes that always suffice for one event */

/* Builds event n at mem (8-byte aligned, WEIR_NEXMARK_FRAME_MAX bytes; what lies behind the frame
 * may be written too). o->events_per_second is not 0, o->region is not NULL and at most
 * WEIR_NAME_MAX bytes. Returns its stride. */
uint32_t weir_nexmark_event(const struct weir_nexmark_options *o, uint64_t n, void *mem);

/* No event >= n has an event time at or below this: the watermark before event n. */
int64_t weir_nexmark_watermark(const struct weir_nexmark_options *o, uint64_t n);

#endif
