/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The TCG event log: what firmware, boot loader and kernel say that they have measured, as Linux shows it in
 * /sys/kernel/security/tpm0/binary_bios_measurements (TCG PC Client Platform Firmware Profile 1.06, 10: the
 * crypto-agile format). Anybody may have written it: it only explains register values, and is true where
 * replaying it gives them.
 */
#pragma once

#include "format/pcr.h"

#define EVENT_LOG_ALGORITHMS_MAX 16
#define EVENT_LOG_MAX MiB(16)

struct event_log {
	const uint8_t *data; /* the caller's */
	size_t size;
	size_t first; /* offset of the first event behind the header */
	struct {
		uint16_t id;
		uint16_t size;
	} algorithms[EVENT_LOG_ALGORITHMS_MAX];
	size_t algorithm_count;
};

struct event_log_event {
	uint32_t pcr;
	uint32_t type;
	uint8_t digest[PCR_SIZE]; /* of the SHA-256 bank */
	const uint8_t *data;	  /* points into the log */
	size_t size;
};

/*
 * Reads the header. Returns 0; -EBADMSG where the log is damaged; -EOPNOTSUPP where it is of the old format,
 * or has no SHA-256 digests.
 */
int event_log_parse(const void *data, size_t size, struct event_log *ret, struct error **err);

/*
 * Reads the next event; *position* is 0 at first. Returns 1 and *ret*, 0 behind the last one, or -EBADMSG.
 */
int event_log_next(
	const struct event_log *log, size_t *position, struct event_log_event *ret, struct error **err);

/* The values of all registers after the log's events, as a TPM that started at zero would have them. */
int event_log_replay(const struct event_log *log, uint8_t ret[PCR_COUNT][PCR_SIZE], struct error **err);

/*
 * An event in words, without a newline: its type, and what its data says where that is text or a file's path.
 * The caller frees it; NULL where memory is out.
 */
char *event_log_describe(const struct event_log_event *event);
