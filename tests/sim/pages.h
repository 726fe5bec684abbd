/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/pages.h - large zeroed memory that is mostly never touched: images of files, buffers of the journal.
 *
 * Page faults and clearing cost more than everything else a short life does: what is given back is cleared only up to
 * its last byte that is not 0, and stays mapped.
 */
#ifndef WEIR_TESTS_SIM_PAGES_H
#define WEIR_TESTS_SIM_PAGES_H

#include <stddef.h>

/* Zeroed, aligned to a page. */
void *sim_pages_take(size_t n);
void sim_pages_give(void *p, size_t n); /* n as taken; p may be NULL */
void sim_pages_give_used(void *p, size_t n, size_t used); /* behind used it is still zeroed */
void sim_pages_free(void); /* all that were given back */

#endif
