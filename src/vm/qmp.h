/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of QEMU's machine protocol (QMP: docs/interop/qmp-spec of QEMU): one JSON object a line, a
 * greeting, then commands, each answered by "return" or "error"; events in between are passed over.
 */
#pragma once

#include <jansson.h>

#include "base/buffer.h"
#include "base/error.h"

struct qmp {
	int fd;
	struct buffer pending; /* received and not yet read as a line */
};
#define QMP_INIT         \
	{                \
		.fd = -1 \
	}

void qmp_release(struct qmp *qmp);
#define _cleanup_qmp_ _cleanup_(qmp_release)

/* Connects to the socket at *path* and leaves negotiation mode, within *timeout_ms*. */
int qmp_connect(struct qmp *qmp, const char *path, uint64_t timeout_ms, struct error **err);

/*
 * Runs a command. *arguments* (may be NULL) is taken over. *ret* (may be NULL) gets the value returned, a
 * reference that the caller releases. -EIO with QEMU's own words in *err* where it refuses, -ETIMEDOUT,
 * -ECONNRESET where it has gone.
 */
int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, uint64_t timeout_ms, json_t **ret,
	struct error **err);

/*
 * The port of 127.0.0.1 that leads to the guest's *guest* port, from the text of QEMU's "info usernet".
 * -ENOENT where there is none. "protocol" is "TCP" or "UDP".
 */
int qmp_parse_usernet(const char *text, const char *protocol, uint16_t guest, uint16_t *ret);
