/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host/log.h - log lines on stderr: logfmt, or JSON with --log-format json.
 *
 * Use: weir_log(WEIR_LOG_WARN, "message", "key", "value", ..., NULL): pairs of texts. Nothing secret.
 * Thread: any; one line is one write.
 */
#ifndef WEIR_HOST_LOG_H
#define WEIR_HOST_LOG_H

#include "base/base.h"

enum weir_log_level { WEIR_LOG_INFO = 0, WEIR_LOG_WARN = 1, WEIR_LOG_ERROR = 2 };

void weir_log_format_json(bool json);
/* Lines below this level are dropped. */
void weir_log_level(enum weir_log_level least);
void weir_log(enum weir_log_level level, const char *msg, ...) __attribute__((sentinel));

#endif
