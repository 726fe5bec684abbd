/* SPDX-License-Identifier: Apache-2.0 */
/* engine/cli/client.h - talking to running pipelines over their control sockets. */
#ifndef WEIR_ENGINE_CLI_CLIENT_H
#define WEIR_ENGINE_CLI_CLIENT_H

#include <jansson.h>

#include "base/err.h"

/* Connects to a pipeline by name; NULL: to the only one that runs. Descriptor or a negative code. */
int weir_client_connect(const char *pipeline, struct weir_err *err);

/* Sends one command line and reads one answer line. NULL with err on any failure, also when the answer
 * says "ok":false. The caller drops the reference. */
json_t *weir_client_ask(int fd, const char *command, struct weir_err *err);

/* Names of the sockets in the run directory, at most cap. */
size_t weir_client_list(char (*ret_name)[64], size_t cap);

#endif
