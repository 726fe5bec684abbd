/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/cmd_certs.h - the verb `weir-gateway certs` (`weir certs` forwards to it): certificates of a cluster.
 *
 * argv[0] is "certs". Prints to stdout, errors to stderr. Returns the exit code: 0, 1 failed (show: something is wrong with a
 * certificate), 2 wrong usage, 3 the cluster file is wrong.
 */
#ifndef WEIR_GATEWAY_EDGE_CMD_CERTS_H
#define WEIR_GATEWAY_EDGE_CMD_CERTS_H

int weir_cmd_certs(int argc, char **argv);

#endif
