/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/decode.h"

#include "engine/core/decode_impl.h"

void weir_decoder_place(const struct weir_decoder *d, struct weir_decoder_place *ret)
{
	bool raw = d->format == WEIR_FORMAT_RAW;

	*ret = (struct weir_decoder_place){
		.line = d->line,
		.record = d->raw.record,
		.skip_bytes = d->raw.skip_bytes,
		.at_start = d->at_start,
		.skipping = d->skipping,
		.headed = raw ? d->raw.head_done : d->csv.header_done,
	};
}

bool weir_decoder_has_head(const struct weir_decoder *d)
{
	return d->format == WEIR_FORMAT_RAW ||
	       (d->format == WEIR_FORMAT_CSV && d->csv_options.header);
}

void weir_decoder_put_back(struct weir_decoder *d, const struct weir_decoder_place *p)
{
	d->line = p->line;
	d->scanned = 0;
	d->at_start = p->at_start;
	d->skipping = p->skipping;
	d->raw.record = p->record;
	d->raw.skip_bytes = p->skip_bytes;
}
