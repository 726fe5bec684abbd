/* SPDX-License-Identifier: Apache-2.0 */
/* What weir-dpdk.so shows: opening and closing. */
#include <stdio.h>

#include <rte_version.h>

#include "gateway/dpdk/port.h"
#include "gateway/edge/datagram_socket.h"
#include "host/heap.h"

static void dpdk_close(struct weir_dgram_io *io)
{
	struct weir_dpdk_io *d = (struct weir_dpdk_io *)(void *)io;

	weir_dpdk_port_stop(d);
	weir_heap_mem.free(NULL, d, sizeof(*d));
}

static int choose_wait(struct weir_dpdk_io *d, const char *wait, struct weir_err *err)
{
	if (!wait || !*wait || !strcmp(wait, "adaptive"))
		d->sleep = WEIR_DPDK_NAPS;
	else if (!strcmp(wait, "busy"))
		d->sleep = WEIR_DPDK_BUSY;
	else
		return weir_err_set(err, WEIR_E_CONFIG, "wait: `%s`: adaptive or busy", wait);
	return 0;
}

static void finish(struct weir_dpdk_io *d, bool huge)
{
	uint8_t hello[WEIR_IP_SMALL];

	d->ops = (struct weir_dgram_ops){.name = d->name,
					 .recv = weir_dpdk_recv,
					 .send = weir_dpdk_send,
					 .wait = weir_dpdk_wait,
					 .stats = weir_dpdk_stats,
					 .close = dpdk_close};
	d->io.ops = &d->ops;
	d->io.payload_max = d->mtu - (d->host.ip.v6 ? WEIR_UDP_HEAD_V6 : WEIR_UDP_HEAD_V4);
	snprintf(d->io.text, sizeof(d->io.text),
		 "%s (%s), mtu %u, %u queue%s, %s, %s, checksums by %s", d->name,
		 d->info.driver_name, d->mtu, d->queues, d->queues > 1 ? "s" : "",
		 huge ? "huge pages" : "no huge pages", weir_dpdk_wait_text(d),
		 d->offload & WEIR_IP_UDP_OFFLOAD ? "the device" : "us");
	weir_dpdk_send_frame(d, hello, weir_ip_host_announce(&d->host, hello));
	weir_dpdk_eal_running();
}

static int start(struct weir_dpdk_io *d, const struct weir_dgram_options *o,
		 const struct weir_dpdk_program *program, struct weir_err *err)
{
	struct weir_dpdk_device dev;
	bool huge;
	int r = weir_dgram_resolve(o, &d->io.local, &d->io.local_len, err);

	if (r < 0)
		return r;
	weir_ip_of(&d->io.local, &d->host.ip, &d->host.port);
	if (!d->host.port)
		return weir_err_set(err, WEIR_E_CONFIG,
				    "%s: DPDK wants a port: no kernel picks one", o->listen);
	r = weir_dpdk_device_parse(o->device ? o->device : "", d->host.ip.v6, &dev, err);
	r = r < 0 ? r : choose_wait(d, o->wait, err);
	if (r < 0)
		return r;
	d->host.has_router = dev.has_router;
	d->host.router = dev.router;
	d->host.prefix = dev.prefix;
	r = weir_dpdk_eal_start(o, &dev, program, &huge, err);
	if (r < 0)
		return r;
	r = weir_dpdk_port_start(d, &dev, err);
	if (r < 0) {
		weir_dpdk_port_stop(d);
		return r;
	}
	finish(d, huge);
	return 0;
}

static int dpdk_open(const struct weir_dgram_options *o, const struct weir_dpdk_program *program,
		     struct weir_dgram_io **ret, struct weir_err *err)
{
	struct weir_dpdk_io *d =
		weir_heap_mem.alloc(NULL, sizeof(*d), _Alignof(struct weir_dpdk_io));
	int r;

	weir_panic_set_hook(program->panic);
	r = start(d, o, program, err);
	if (r < 0) {
		weir_heap_mem.free(NULL, d, sizeof(*d));
		return r;
	}
	*ret = &d->io;
	return 0;
}

const struct weir_dpdk_plugin *weir_dpdk_plugin(void)
{
	static struct weir_dpdk_plugin plugin = {.built = WEIR_DPDK_BUILT, .open = dpdk_open};

	plugin.dpdk = rte_version();
	return &plugin;
}
