/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entries of the systemd journal with fields of their own, so that what happened can be asked for by version
 * or step and not only searched for as text.
 *
 *     struct journal journal = JOURNAL_INIT;                // with _cleanup_journal_
 *     journal_open(&journal, JOURNAL_SOCKET, "orlop-node", STDERR_FILENO);
 *     r = journal_log(&journal, LOG_INFO, fields, count, "%s is in slot %s", version, slot);
 *
 * Format: systemd, "Native Journal Protocol": a datagram of fields, "NAME=value\n" each, or, where the value
 * has a newline in it, the name, a newline, the value's size in 8 bytes, little-endian, the value, a newline.
 * What is too large for a datagram goes as a sealed memfd.
 *
 * Where there is no journal, the message alone goes to a file descriptor. Not safe from several threads at
 * once.
 */
#pragma once

#include <syslog.h>

#include "base/buffer.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define JOURNAL_NAME_MAX 64 /* bytes of a field's name (systemd.journal-fields(7)) */

/*
 * A field. The name is of capital letters, digits and "_", and begins with a letter: those that begin with
 * "_" are the journal's own. The value is text or any bytes; *size* 0: up to its NUL. A field without a value
 * is left out.
 */
struct journal_field {
	const char *name;
	const void *value;
	size_t size;
};

struct journal {
	int socket;		/* -1: there is no journal */
	int fallback;		/* the caller's; -1: nowhere */
	const char *path;	/* the caller's */
	const char *identifier; /* the caller's; SYSLOG_IDENTIFIER */
};
#define JOURNAL_INIT                         \
	{                                    \
		.socket = -1, .fallback = -1 \
	}

/* Never fails: where no socket can be had, entries go to *fallback*. *path* and *identifier* outlive it. */
void journal_open(struct journal *journal, const char *path, const char *identifier, int fallback);
void journal_close(struct journal *journal);
#define _cleanup_journal_ _cleanup_(journal_close)

/* Appends the fields as the protocol has them. Returns 0; -EINVAL for a name that is none; -ENOMEM. */
int journal_encode(const struct journal_field *fields, size_t count, struct buffer *ret);

/*
 * Sends an entry: the message, *priority* (LOG_ERR, LOG_INFO …), the identifier, and *fields*. Waits two
 * seconds at most for a journal that does not read.
 *
 * Returns 0 where the journal has it, 1 where it went to the fallback, or a negative errno where it got
 * nowhere; a caller that has nothing better to do about that may ignore it.
 */
int journal_log(struct journal *journal, int priority, const struct journal_field *fields, size_t count,
	const char *format, ...) _printf_(5, 6);
