/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/serial.h"

#include <errno.h>
#include <string.h>

enum {
	LINE_LIMIT = 1024, /* what is longer counts as several lines */
	TAIL_LIMIT = 32768,
};

/* A line that contains one of these is the end of a start. */
static const char *const failures[] = {
	"orlop-init: cannot start:", "Kernel panic - not syncing",
	"Freezing execution", /* systemd as PID 1 */
	"You are in emergency mode", "BdsDxe: No bootable option or device was found",
	"UEFI Interactive Shell", /* the firmware has nothing else to start */
};

void vm_serial_release(struct vm_serial *serial)
{
	buffer_release(&serial->line);
	buffer_release(&serial->tail);
	free(serial->failure);
	serial->failure = NULL;
}

/* Removes a terminal's control sequences (ECMA-48: ESC [ … final byte) and control characters, in place. */
static size_t clean(uint8_t *text, size_t size)
{
	size_t to = 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] == 0x1b && i + 1 < size && text[i + 1] == '[') {
			for (i += 2; i < size && (text[i] < 0x40 || text[i] > 0x7e); i++)
				;
		} else if (text[i] >= ' ' || text[i] == '\t') {
			if (text[i] != 0x7f)
				text[to++] = text[i];
		}
	}
	return to;
}

/* The firmware writes this when it starts a boot program: what a start before has come to is past. */
static const char beginning[] = "BdsDxe: starting ";

static int end_line(struct vm_serial *serial)
{
	struct buffer *line = &serial->line, *tail = &serial->tail;

	line->size = line->size ? clean(line->data, line->size) : 0;
	buffer_append_u8(line, 0);
	if (buffer_failed(line))
		return -ENOMEM;
	if (strstr((char *)line->data, beginning)) {
		free(serial->failure);
		serial->failure = NULL;
	}
	for (size_t i = 0; !serial->failure && i < sizeof(failures) / sizeof(failures[0]); i++)
		if (strstr((char *)line->data, failures[i]) &&
			!(serial->failure = strdup((char *)line->data)))
			return -ENOMEM;
	if (tail->size + line->size > TAIL_LIMIT) {
		memmove(tail->data, tail->data + tail->size / 2, tail->size - tail->size / 2);
		tail->size -= tail->size / 2;
	}
	if (line->size > 1) {
		buffer_append(tail, line->data, line->size - 1);
		buffer_append_u8(tail, '\n');
	}
	line->size = 0;
	return buffer_failed(tail) ? -ENOMEM : 0;
}

int vm_serial_feed(struct vm_serial *serial, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	int r = 0;

	for (size_t i = 0; r == 0 && i < size; i++) {
		if (bytes[i] != '\n')
			buffer_append_u8(&serial->line, bytes[i]);
		if (bytes[i] == '\n' || serial->line.size == LINE_LIMIT)
			r = end_line(serial);
	}
	return r == 0 && buffer_failed(&serial->line) ? -ENOMEM : r;
}

int vm_serial_read(struct vm_serial *serial)
{
	char chunk[16384];
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = pread(serial->fd, chunk, sizeof(chunk), serial->offset)) != 0) {
		if (n < 0)
			return errno == EINTR ? 0 : -errno;
		serial->offset += n;
		r = vm_serial_feed(serial, chunk, (size_t)n);
	}
	return r;
}

char *vm_serial_tail(const struct vm_serial *serial, size_t lines)
{
	_cleanup_buffer_ struct buffer line = {}, text = {};
	const uint8_t *data;
	size_t from;

	buffer_append(&text, serial->tail.data, serial->tail.size);
	buffer_append(&line, serial->line.data, serial->line.size);
	if (buffer_failed(&text) || buffer_failed(&line))
		return NULL;
	line.size = line.size ? clean(line.data, line.size) : 0;
	buffer_append(&text, line.data, line.size);
	while (text.size > 0 && text.data[text.size - 1] == '\n')
		text.size--;
	data = text.data;
	for (from = text.size; from > 0; from--)
		if (data[from - 1] == '\n' && --lines == 0)
			break;
	return text.size ? strndup((const char *)data + from, text.size - from) : strdup("");
}
