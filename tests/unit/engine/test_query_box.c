/* SPDX-License-Identifier: Apache-2.0 */
/* Askers and a worker at one box: every question is answered once, or taken back unseen; nothing is touched afterwards. */
#include <pthread.h>
#include <sched.h>

#include "engine/edge/query_box.h"
#include "tests/lib/test.h"

#define ASKERS 3
#define QUESTIONS 4000

static struct weir_query_box box;
static _Atomic bool stop;
static _Atomic uint64_t served;

static void answer(struct weir_query_post *p)
{
	p->code = (int)p->step + 1;
	weir_buf_u64(weir_query_row(&p->out), p->q.at.n[0]);
	weir_query_row_end(&p->out);
	atomic_fetch_add(&served, 1);
	weir_query_box_done(p);
}

static void *worker(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		struct weir_query_post *p =
			weir_query_box_has(&box) ? weir_query_box_take(&box) : NULL;

		if (p)
			answer(p);
		else
			sched_yield();
	}
	return NULL;
}

struct asker {
	pthread_t thread;
	uint32_t number;
	uint64_t answered, unseen, late;
	bool wrong;
};

static void check_answer(struct asker *a, const struct weir_query_post *p, uint32_t i)
{
	char want[32];

	snprintf(want, sizeof(want), "%llu", (unsigned long long)(a->number * 1000000ull + i));
	a->wrong |= p->code != (int)a->number + 1 || p->out.count != 1 ||
		    p->out.rows.len != strlen(want) || memcmp(p->rows, want, strlen(want)) != 0;
}

/* Each question in memory of its own, which goes at once: a worker that still has it is seen by the sanitizers. */
static void one(struct asker *a, uint32_t i)
{
	struct weir_query_post *p = calloc(1, sizeof(*p));
	bool answered = false;

	p->step = a->number;
	p->q.at.n[0] = a->number * 1000000ull + i;
	weir_query_out_init(&p->out, p->rows, 1);
	while (!weir_query_box_post(&box, p))
		sched_yield();
	for (uint32_t looks = i % 7 == 0 ? i % 40 : UINT32_MAX; looks && !answered; looks--) {
		answered = weir_query_box_answered(p);
		sched_yield();
	}
	if (answered) {
		a->answered++;
	} else if (weir_query_box_cancel(&box, p)) {
		a->late++;
		answered = true;
	} else {
		a->unseen++;
		a->wrong |= p->code != 0 || p->out.count != 0;
	}
	if (answered)
		check_answer(a, p, i);
	free(p);
}

static void *asker(void *arg)
{
	struct asker *a = arg;

	for (uint32_t i = 0; i < QUESTIONS; i++)
		one(a, i);
	return NULL;
}

static void test_many_askers_one_worker(void **state)
{
	struct asker a[ASKERS];
	uint64_t answered = 0, unseen = 0;
	pthread_t w;

	(void)state;
	assert_int_equal(pthread_create(&w, NULL, worker, NULL), 0);
	for (uint32_t i = 0; i < ASKERS; i++) {
		a[i] = (struct asker){.number = i};
		assert_int_equal(pthread_create(&a[i].thread, NULL, asker, &a[i]), 0);
	}
	for (uint32_t i = 0; i < ASKERS; i++) {
		pthread_join(a[i].thread, NULL);
		assert_false(a[i].wrong);
		answered += a[i].answered + a[i].late;
		unseen += a[i].unseen;
	}
	atomic_store(&stop, true);
	pthread_join(w, NULL);
	assert_int_equal(answered + unseen, ASKERS * QUESTIONS);
	assert_int_equal(answered, atomic_load(&served));
	assert_false(weir_query_box_has(&box));
}

static void test_one_at_a_time(void **state)
{
	struct weir_query_post *p = calloc(2, sizeof(*p));

	(void)state;
	assert_null(weir_query_box_take(&box));
	assert_true(weir_query_box_post(&box, &p[0]));
	assert_false(weir_query_box_post(&box, &p[1]));
	assert_true(weir_query_box_has(&box));
	assert_false(weir_query_box_cancel(&box, &p[0]));
	assert_false(weir_query_box_has(&box));
	assert_true(weir_query_box_post(&box, &p[1]));
	assert_ptr_equal(weir_query_box_take(&box), &p[1]);
	assert_false(weir_query_box_answered(&p[1]));
	weir_query_box_done(&p[1]);
	assert_true(weir_query_box_answered(&p[1]));
	assert_true(weir_query_box_cancel(&box, &p[1]));
	free(p);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_one_at_a_time),
	cmocka_unit_test(test_many_askers_one_worker),
};

WEIR_TEST_MAIN("engine/query_box", tests)
