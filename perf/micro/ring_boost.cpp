/* SPDX-License-Identifier: Apache-2.0 */
/* boost::lockfree::spsc_queue: one by one, and arrays of 32. */
#include <boost/lockfree/spsc_queue.hpp>

#include "perf/micro/ring_bench.h"

namespace
{

ring_pool *current;

/* The queue's memory comes from the same place as everybody's. */
template <class T> struct pool_allocator {
	typedef T value_type;
	template <class U> struct rebind {
		typedef pool_allocator<U> other;
	};
	pool_allocator() = default;
	template <class U> pool_allocator(const pool_allocator<U> &)
	{
	}
	T *allocate(size_t n)
	{
		return static_cast<T *>(ring_pool_get(current, n * sizeof(T)));
	}
	void deallocate(T *, size_t)
	{
	}
};

template <class T>
using queue = boost::lockfree::spsc_queue<T, boost::lockfree::allocator<pool_allocator<T>>>;

template <class T> void *open(ring_pool *pool, uint64_t records, unsigned)
{
	current = pool;
	return new (ring_pool_get(pool, sizeof(queue<T>))) queue<T>(records);
}

template <class T> void close(void *q)
{
	static_cast<queue<T> *>(q)->~queue<T>();
}

template <class T> bool push(void *q, T *r)
{
	return static_cast<queue<T> *>(q)->push(*r);
}

template <class T> bool pop(void *q, T *r)
{
	return static_cast<queue<T> *>(q)->pop(*r);
}

template <class T> size_t push_n(void *q, T *r, size_t n)
{
	return static_cast<queue<T> *>(q)->push(r, n);
}

template <class T> size_t pop_n(void *q, T *r, size_t n)
{
	return static_cast<queue<T> *>(q)->pop(r, n);
}

RING_SINGLE_LOOPS(single8, rec8, push<rec8>, pop<rec8>)
RING_SINGLE_LOOPS(single64, rec64, push<rec64>, pop<rec64>)
RING_RTT_LOOPS(single8, push<rec8>, pop<rec8>)
RING_BULK_LOOPS(bulk8, rec8, push_n<rec8>, pop_n<rec8>)
RING_BULK_LOOPS(bulk64, rec64, push_n<rec64>, pop_n<rec64>)

const ring_contestant list[] = {
	{"boost spsc_queue", 8, 1, open<rec8>, close<rec8>, single8_produce, single8_consume,
	 single8_ping, single8_pong},
	{"boost spsc_queue", 64, 1, open<rec64>, close<rec64>, single64_produce, single64_consume,
	 nullptr, nullptr},
	{"boost spsc_queue arrays", 8, 32, open<rec8>, close<rec8>, bulk8_produce, bulk8_consume,
	 nullptr, nullptr},
	{"boost spsc_queue arrays", 64, 32, open<rec64>, close<rec64>, bulk64_produce,
	 bulk64_consume, nullptr, nullptr},
};

} // namespace

const ring_contestants ring_boost = {list, sizeof(list) / sizeof(list[0])};
