/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/wire.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"

/* ---- Headers ---- */

/* Who sends a type, and the sizes that its payload may have. */
static const struct rule {
	const char *name;
	bool parent, worker;
	uint32_t min, max, unit; /* *unit*: a multiple of it; 0: any */
} rules[WIRE_TYPES] = {
	[WIRE_BRING] = {.name = "bring", .parent = true, .min = 1, .max = WIRE_PAYLOAD_MAX},
	[WIRE_REFRESH] = {.name = "refresh", .parent = true, .min = 1, .max = WIRE_PAYLOAD_MAX},
	[WIRE_GET] = {.name = "get", .parent = true, .min = 1, .max = WIRE_PAYLOAD_MAX},
	[WIRE_TAKEN] = {.name = "taken", .parent = true},
	[WIRE_RATE] = {.name = "rate", .parent = true},
	[WIRE_FILE] = {.name = "file", .parent = true, .worker = true, .min = 5, .max = WIRE_PAYLOAD_MAX},
	[WIRE_READY] = {.name = "ready", .worker = true},
	[WIRE_ALIVE] = {.name = "alive", .worker = true},
	[WIRE_PROGRESS] = {.name = "progress", .worker = true, .min = 4, .max = 4},
	[WIRE_DATA] = {.name = "data",
		.worker = true,
		.min = WIRE_BLOCK_SIZE,
		.max = WIRE_PAYLOAD_MAX,
		.unit = WIRE_BLOCK_SIZE},
	[WIRE_TREE] = {.name = "tree",
		.worker = true,
		.min = WIRE_BLOCK_SIZE,
		.max = WIRE_PAYLOAD_MAX,
		.unit = WIRE_BLOCK_SIZE},
	[WIRE_FLUSH] = {.name = "flush", .worker = true},
	[WIRE_COPY] = {.name = "copy",
		.worker = true,
		.min = WIRE_RUN_SIZE,
		.max = WIRE_RUNS_MAX * WIRE_RUN_SIZE,
		.unit = WIRE_RUN_SIZE},
	[WIRE_BYTES] = {.name = "bytes", .worker = true, .min = 1, .max = WIRE_PAYLOAD_MAX},
	[WIRE_FINISHED] = {.name = "finished", .worker = true, .max = 1024},
	[WIRE_FAILED] = {.name = "failed", .worker = true, .max = WIRE_TEXT_MAX},
};

void wire_header_write(const struct wire_header *header, uint8_t ret[WIRE_HEADER_SIZE])
{
	write_le32(ret, (uint32_t)header->type);
	write_le32(ret + 4, header->size);
	write_le64(ret + 8, header->offset);
	write_le64(ret + 16, header->serial);
}

int wire_header_parse(const uint8_t data[WIRE_HEADER_SIZE], enum wire_side from, struct wire_header *ret,
	struct error **err)
{
	uint32_t type = read_le32(data), size = read_le32(data + 4);
	const struct rule *rule = type < WIRE_TYPES ? &rules[type] : NULL;

	if (!rule || !(from == WIRE_PARENT ? rule->parent : rule->worker))
		return error_set(err, -EPROTO, "a message of type %u, which it can't send", type);
	if (size < rule->min || size > rule->max || (rule->unit > 0 && size % rule->unit != 0))
		return error_set(
			err, -EPROTO, "a message '%s' of %u bytes, which none can have", rule->name, size);
	*ret = (struct wire_header){.type = (enum wire_type)type,
		.size = size,
		.offset = read_le64(data + 8),
		.serial = read_le64(data + 16)};
	return 0;
}

/* ---- The stream ---- */

void wire_reader_release(struct wire_reader *reader)
{
	free(reader->payload);
	reader->payload = NULL;
}

size_t wire_reader_want(struct wire_reader *reader, uint8_t **ret)
{
	if (reader->have < WIRE_HEADER_SIZE) {
		*ret = reader->raw + reader->have;
		return WIRE_HEADER_SIZE - reader->have;
	}
	*ret = reader->payload + (reader->have - WIRE_HEADER_SIZE);
	return WIRE_HEADER_SIZE + reader->header.size - reader->have;
}

static int make_room(struct wire_reader *reader, struct error **err)
{
	void *payload;

	if (reader->payload || reader->header.size == 0)
		return 0;
	if (posix_memalign(&payload, WIRE_ALIGN, WIRE_PAYLOAD_MAX) != 0)
		return error_set_errno(err, -ENOMEM, "a message");
	reader->payload = payload;
	return 0;
}

int wire_reader_got(struct wire_reader *reader, size_t size, struct wire_message *ret, struct error **err)
{
	bool had_header = reader->have >= WIRE_HEADER_SIZE;
	int r = 0;

	reader->have += size;
	if (!had_header && reader->have == WIRE_HEADER_SIZE) {
		r = wire_header_parse(reader->raw, reader->from, &reader->header, err);
		if (r >= 0)
			r = make_room(reader, err);
	}
	if (r < 0 || reader->have < WIRE_HEADER_SIZE || reader->have < WIRE_HEADER_SIZE + reader->header.size)
		return r;
	reader->have = 0;
	*ret = (struct wire_message){.header = reader->header, .payload = reader->payload};
	return 1;
}

uint8_t *wire_reader_take(struct wire_reader *reader, uint8_t *spare)
{
	uint8_t *payload = reader->payload;

	reader->payload = spare;
	return payload;
}

int wire_receive(int fd, struct wire_reader *reader, bool wait, struct wire_message *ret, struct error **err)
{
	for (;;) {
		uint8_t *into;
		size_t want = wire_reader_want(reader, &into);
		ssize_t n = recv(fd, into, want, wait ? 0 : MSG_DONTWAIT);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return error_set(err, -EPIPE, "is gone");
		if (n < 0)
			return error_set_errno(err, -errno, "receiving");
		r = wire_reader_got(reader, (size_t)n, ret, err);
		if (r != 0)
			return r;
	}
}

int wire_send(int fd, const struct wire_header *header, const void *payload, struct error **err)
{
	uint8_t raw[WIRE_HEADER_SIZE];
	struct iovec parts[2] = {{.iov_base = raw, .iov_len = sizeof(raw)},
		{.iov_base = (void *)payload, .iov_len = header->size}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = header->size > 0 ? 2 : 1};

	wire_header_write(header, raw);
	while (message.msg_iovlen > 0) {
		ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set_errno(err, errno == ECONNRESET ? -EPIPE : -errno, "sending");
		for (size_t sent = (size_t)n; message.msg_iovlen > 0;) {
			struct iovec *part = message.msg_iov;
			size_t gone = MIN(sent, part->iov_len);

			part->iov_base = (uint8_t *)part->iov_base + gone;
			part->iov_len -= gone;
			sent -= gone;
			if (part->iov_len > 0)
				break;
			message.msg_iov++;
			message.msg_iovlen--;
		}
	}
	return 0;
}

/* ---- Payloads ---- */

void wire_put_string(struct buffer *buffer, const char *string)
{
	buffer_append_le32(buffer, string ? (uint32_t)strlen(string) : UINT32_MAX);
	if (string)
		buffer_append_string(buffer, string);
}

static const uint8_t *take(struct wire_fields *fields, size_t size)
{
	const uint8_t *data = fields->data;

	if (fields->failed || size > fields->size) {
		fields->failed = true;
		return NULL;
	}
	fields->data += size;
	fields->size -= size;
	return data;
}

uint32_t wire_take_u32(struct wire_fields *fields)
{
	const uint8_t *data = take(fields, 4);

	return data ? read_le32(data) : 0;
}

uint64_t wire_take_u64(struct wire_fields *fields)
{
	const uint8_t *data = take(fields, 8);

	return data ? read_le64(data) : 0;
}

void wire_take_bytes(struct wire_fields *fields, void *ret, size_t size)
{
	const uint8_t *data = take(fields, size);

	if (data)
		memcpy(ret, data, size);
	else
		memset(ret, 0, size);
}

char *wire_take_string(struct wire_fields *fields, size_t max)
{
	uint32_t length = wire_take_u32(fields);
	const uint8_t *data;
	char *string;

	if (fields->failed || length == UINT32_MAX)
		return NULL;
	data = length <= max ? take(fields, length) : NULL;
	if (!data || memchr(data, 0, length)) {
		fields->failed = true;
		return NULL;
	}
	string = strndup((const char *)data, length);
	fields->failed = !string;
	return string;
}

int wire_fields_end(const struct wire_fields *fields, const char *what, struct error **err)
{
	if (fields->failed || fields->size > 0)
		return error_set(err, -EPROTO, "a malformed %s", what);
	return 0;
}

/* ---- Texts ---- */

/* The bytes of the character at the beginning of *data*; 0 where it is malformed or not printable. */
static size_t printable(const uint8_t *data, size_t size)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = data[0] < 0x80 ? 1 : data[0] >= 0xf0 ? 4 : data[0] >= 0xe0 ? 3 : 2;
	uint32_t code = length == 1 ? data[0] : data[0] & (0x7fu >> length);

	if (length == 1)
		return code >= 0x20 && code < 0x7f;
	if (data[0] < 0xc0 || data[0] >= 0xf8 || length > size)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((data[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (data[i] & 0x3f);
	}
	/* No C1 controls, no surrogates, and none of the characters that turn the direction of a line. */
	if (code < MAX(least[length], UINT32_C(0xa0)) || code > 0x10ffff ||
		(code >= 0xd800 && code < 0xe000) || (code >= 0x2028 && code <= 0x202e) ||
		(code >= 0x2066 && code <= 0x2069) || code == 0x200e || code == 0x200f || code == 0x61c)
		return 0;
	return length;
}

char *wire_text(const uint8_t *data, size_t size)
{
	_cleanup_buffer_ struct buffer text = {};

	size = MIN(size, (size_t)WIRE_TEXT_MAX);
	while (size > 0) {
		size_t n = printable(data, size);

		if (n > 0)
			buffer_append(&text, data, n);
		else
			buffer_append_u8(&text, '?');
		data += MAX(n, (size_t)1);
		size -= MAX(n, (size_t)1);
	}
	return buffer_take(&text, NULL);
}

/* ---- Files in parts ---- */

#define PART_MAX (WIRE_PAYLOAD_MAX - WIRE_NAME_MAX - 4)
#define ABSENT UINT64_MAX /* as the size of the whole */

void wire_files_release(struct wire_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		free(files->items[i].name);
		free(files->items[i].data);
	}
	free(files->items);
	*files = (struct wire_files){};
}

const struct wire_file *wire_files_find(const struct wire_files *files, const char *name)
{
	for (size_t i = 0; i < files->count; i++)
		if (strcmp(files->items[i].name, name) == 0)
			return &files->items[i];
	return NULL;
}

/* A new entry with room for *size* bytes. Takes *name* over, also where it fails. */
static int add(struct wire_files *files, char *name, size_t size, bool absent)
{
	struct wire_file *items =
		name ? realloc(files->items, (files->count + 1) * sizeof(*files->items)) : NULL;
	uint8_t *data = items ? malloc(MAX(size, (size_t)1)) : NULL;

	if (items)
		files->items = items;
	if (!data) {
		free(name);
		return -ENOMEM;
	}
	files->items[files->count++] =
		(struct wire_file){.name = name, .data = data, .size = size, .absent = absent};
	files->total += strlen(name) + size;
	return 0;
}

static void drop(struct wire_files *files, const char *name)
{
	struct wire_file *file = (struct wire_file *)wire_files_find(files, name);

	if (!file)
		return;
	files->total -= strlen(file->name) + file->size;
	free(file->name);
	free(file->data);
	memmove(file, file + 1, (size_t)(files->items + --files->count - file) * sizeof(*file));
}

int wire_files_add(struct wire_files *files, const char *name, const void *data, size_t size)
{
	int r = add(files, strdup(name), size, !data);
	const struct wire_file *first;
	struct wire_file added;

	if (r < 0)
		return r;
	if (data && size > 0)
		memcpy(files->items[files->count - 1].data, data, size);
	/* An older one of that name is the first that is found. */
	added = files->items[files->count - 1];
	first = wire_files_find(files, name);
	assert(first);
	if (first->data != added.data)
		drop(files, name);
	return 0;
}

int wire_files_send(int fd, const struct wire_file *file, struct error **err)
{
	uint64_t at = 0;
	int r;

	do {
		_cleanup_buffer_ struct buffer payload = {};
		size_t part = (size_t)MIN(file->size - at, (uint64_t)PART_MAX);
		struct wire_header header = {
			.type = WIRE_FILE, .offset = at, .serial = file->absent ? ABSENT : file->size};

		wire_put_string(&payload, file->name);
		buffer_append(&payload, file->data + at, part);
		if (buffer_failed(&payload))
			return error_set_errno(err, -ENOMEM, "%s", file->name);
		header.size = (uint32_t)payload.size;
		r = wire_send(fd, &header, payload.data, err);
		at += part;
	} while (r >= 0 && at < file->size);
	return r;
}

/* The first part of a file, which says how large it is. */
static int begin_file(struct wire_files *files, char *name, uint64_t size, size_t max_count, size_t max_total,
	struct error **err)
{
	uint64_t real = size == ABSENT ? 0 : size;

	if (wire_files_find(files, name)) {
		(void)error_set(err, -EPROTO, "a file twice");
		free(name);
		return -EPROTO;
	}
	if (files->count >= max_count || files->total + strlen(name) > max_total ||
		real > max_total - files->total - strlen(name)) {
		free(name);
		return error_set(err, -EFBIG, "more files than it may send");
	}
	files->open = (size_t)real;
	if (add(files, name, (size_t)real, size == ABSENT) < 0)
		return error_set_errno(err, -ENOMEM, "files");
	return 0;
}

int wire_files_take(struct wire_files *files, const struct wire_message *message, size_t max_count,
	size_t max_total, struct error **err)
{
	const struct wire_header *header = &message->header;
	struct wire_fields fields = {.data = message->payload, .size = header->size};
	_cleanup_free_ char *name = wire_take_string(&fields, WIRE_NAME_MAX);
	struct wire_file *last;
	int r = 0;

	if (fields.failed || !name || !name[0])
		return error_set(err, -EPROTO, "a malformed part of a file");
	if (files->open == 0)
		r = begin_file(files, TAKE_PTR(name), header->serial, max_count, max_total, err);
	if (r < 0)
		return r;
	last = &files->items[files->count - 1];
	if ((name && strcmp(name, last->name) != 0) ||
		header->serial != (last->absent ? ABSENT : last->size) || fields.size > files->open ||
		header->offset != last->size - files->open || (fields.size == 0 && files->open > 0))
		return error_set(err, -EPROTO, "a part of a file that does not follow the last one");
	if (fields.size > 0)
		memcpy(last->data + header->offset, fields.data, fields.size);
	files->open -= fields.size;
	return 0;
}
