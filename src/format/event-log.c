/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/event-log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/utf16.h"

#define ALGORITHM_SHA256 0x000b

/* TCG_PCClientPCREvent, the old form that the header has: index, type, SHA-1 digest, size. */
#define HEADER_SIZE 32
#define HEADER_EVENT_SIZE 28

/* TCG_EfiSpecIDEvent */
#define SPEC_SIGNATURE "Spec ID Event03"
#define SPEC_ALGORITHM_COUNT 24
#define SPEC_ALGORITHMS 28

/* Event types that are told apart here. */
#define EV_NO_ACTION 0x00000003
#define EV_SEPARATOR 0x00000004
#define EV_EVENT_TAG 0x00000006
#define EV_IPL 0x0000000d
#define EV_EFI_VARIABLE_DRIVER_CONFIG 0x80000001
#define EV_EFI_VARIABLE_BOOT 0x80000002
#define EV_EFI_BOOT_SERVICES_APPLICATION 0x80000003
#define EV_EFI_ACTION 0x80000007
#define EV_EFI_VARIABLE_AUTHORITY 0x800000e0

/* UEFI_IMAGE_LOAD_EVENT: the length of the device path that begins at 32. */
#define IMAGE_PATH_LENGTH 24
#define IMAGE_PATH 32
/* UEFI_VARIABLE_DATA: the length, in characters, of the name that begins at 32. */
#define VARIABLE_NAME_LENGTH 16
#define VARIABLE_NAME 32

#define TEXT_MAX 256

static int malformed(struct error **err, size_t offset)
{
	return error_set(err, -EBADMSG, "TPM event log: damaged at offset %zu", offset);
}

static int parse_algorithms(struct event_log *log, size_t spec_size, struct error **err)
{
	const uint8_t *spec = log->data + HEADER_SIZE;
	uint32_t count = read_le32(spec + SPEC_ALGORITHM_COUNT);
	bool sha256 = false;

	if (count > EVENT_LOG_ALGORITHMS_MAX || spec_size - SPEC_ALGORITHMS < 4 * (size_t)count)
		return malformed(err, HEADER_SIZE);
	for (size_t i = 0; i < count; i++) {
		log->algorithms[i].id = read_le16(spec + SPEC_ALGORITHMS + 4 * i);
		log->algorithms[i].size = read_le16(spec + SPEC_ALGORITHMS + 4 * i + 2);
		if (log->algorithms[i].id != ALGORITHM_SHA256)
			continue;
		if (log->algorithms[i].size != PCR_SIZE)
			return malformed(err, HEADER_SIZE);
		sha256 = true;
	}
	log->algorithm_count = count;
	if (!sha256)
		return error_set(err, -EOPNOTSUPP, "TPM event log: has no SHA-256 digests");
	return 0;
}

int event_log_parse(const void *data, size_t size, struct event_log *ret, struct error **err)
{
	struct event_log log = {.data = data, .size = size};
	size_t spec_size;
	int r;

	if (size < HEADER_SIZE || size > EVENT_LOG_MAX)
		return malformed(err, 0);
	spec_size = read_le32(log.data + HEADER_EVENT_SIZE);
	if (spec_size > size - HEADER_SIZE)
		return malformed(err, HEADER_EVENT_SIZE);
	if (read_le32(log.data + 4) != EV_NO_ACTION || spec_size < SPEC_ALGORITHMS ||
		memcmp(log.data + HEADER_SIZE, SPEC_SIGNATURE, sizeof(SPEC_SIGNATURE)) != 0)
		return error_set(
			err, -EOPNOTSUPP, "TPM event log: not in the crypto-agile format of TPM 2.0");
	r = parse_algorithms(&log, spec_size, err);
	if (r < 0)
		return r;
	log.first = HEADER_SIZE + spec_size;
	*ret = log;
	return 0;
}

static size_t digest_size(const struct event_log *log, uint16_t id)
{
	for (size_t i = 0; i < log->algorithm_count; i++)
		if (log->algorithms[i].id == id)
			return log->algorithms[i].size;
	return 0;
}

/* Reads the digests at *at*, keeps that of SHA-256 and moves *at* on. */
static int read_digests(
	const struct event_log *log, uint32_t count, size_t *at, uint8_t ret[PCR_SIZE], struct error **err)
{
	bool found = false;

	for (; count > 0; count--) {
		uint16_t id;
		size_t size;

		if (log->size - *at < 2)
			return malformed(err, *at);
		id = read_le16(log->data + *at);
		size = digest_size(log, id);
		if (size == 0 || size > log->size - *at - 2)
			return malformed(err, *at);
		if (id == ALGORITHM_SHA256) {
			memcpy(ret, log->data + *at + 2, PCR_SIZE);
			found = true;
		}
		*at += 2 + size;
	}
	return found ? 0 : malformed(err, *at);
}

int event_log_next(
	const struct event_log *log, size_t *position, struct event_log_event *ret, struct error **err)
{
	size_t at = *position == 0 ? log->first : *position;
	uint32_t count, size;
	int r;

	if (at == log->size)
		return 0;
	if (log->size - at < 12)
		return malformed(err, at);
	ret->pcr = read_le32(log->data + at);
	ret->type = read_le32(log->data + at + 4);
	count = read_le32(log->data + at + 8);
	at += 12;
	if (count > log->algorithm_count)
		return malformed(err, at);
	r = read_digests(log, count, &at, ret->digest, err);
	if (r < 0)
		return r;
	if (log->size - at < 4)
		return malformed(err, at);
	size = read_le32(log->data + at);
	at += 4;
	if (size > log->size - at)
		return malformed(err, at);
	ret->data = log->data + at;
	ret->size = size;
	*position = at + size;
	return 1;
}

/* Firmware that started the TPM from another locality begins register 0 with its number (profile, 10.4.5.3).
 */
static void startup_locality(const struct event_log_event *event, uint8_t pcr0[PCR_SIZE])
{
	static const char signature[16] = "StartupLocality";

	if (event->size == sizeof(signature) + 1 && memcmp(event->data, signature, sizeof(signature)) == 0)
		pcr0[PCR_SIZE - 1] = event->data[sizeof(signature)];
}

int event_log_replay(const struct event_log *log, uint8_t ret[PCR_COUNT][PCR_SIZE], struct error **err)
{
	struct event_log_event event = {};
	size_t position = 0;
	int r;

	memset(ret, 0, PCR_COUNT * PCR_SIZE);
	while ((r = event_log_next(log, &position, &event, err)) > 0) {
		if (event.type == EV_NO_ACTION) {
			startup_locality(&event, ret[0]);
			continue;
		}
		if (event.pcr >= PCR_COUNT)
			return malformed(err, position);
		if (pcr_extend_digest(ret[event.pcr], event.digest) < 0)
			return error_set_errno(err, -ENOMEM, "TPM event log");
	}
	return r;
}

static const char *type_name(uint32_t type)
{
	static const struct {
		uint32_t type;
		const char *name;
	} names[] = {
		{0x00000001, "EV_POST_CODE"},
		{EV_NO_ACTION, "EV_NO_ACTION"},
		{EV_SEPARATOR, "EV_SEPARATOR"},
		{0x00000005, "EV_ACTION"},
		{EV_EVENT_TAG, "EV_EVENT_TAG"},
		{0x00000007, "EV_S_CRTM_CONTENTS"},
		{0x00000008, "EV_S_CRTM_VERSION"},
		{0x00000009, "EV_CPU_MICROCODE"},
		{0x0000000a, "EV_PLATFORM_CONFIG_FLAGS"},
		{EV_IPL, "EV_IPL"},
		{EV_EFI_VARIABLE_DRIVER_CONFIG, "EV_EFI_VARIABLE_DRIVER_CONFIG"},
		{EV_EFI_VARIABLE_BOOT, "EV_EFI_VARIABLE_BOOT"},
		{EV_EFI_BOOT_SERVICES_APPLICATION, "EV_EFI_BOOT_SERVICES_APPLICATION"},
		{0x80000004, "EV_EFI_BOOT_SERVICES_DRIVER"},
		{0x80000006, "EV_EFI_GPT_EVENT"},
		{EV_EFI_ACTION, "EV_EFI_ACTION"},
		{0x80000008, "EV_EFI_PLATFORM_FIRMWARE_BLOB"},
		{0x80000009, "EV_EFI_HANDOFF_TABLES"},
		{0x8000000a, "EV_EFI_PLATFORM_FIRMWARE_BLOB2"},
		{0x8000000b, "EV_EFI_HANDOFF_TABLES2"},
		{EV_EFI_VARIABLE_AUTHORITY, "EV_EFI_VARIABLE_AUTHORITY"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].type == type)
			return names[i].name;
	return NULL;
}

/* Appends printable text, other bytes as "?", ended by a NUL or by its length. */
static void append_text(struct buffer *text, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < MIN(size, (size_t)TEXT_MAX) && data[i] != 0; i++)
		buffer_append_u8(text, data[i] >= 0x20 && data[i] < 0x7f ? data[i] : '?');
}

static void append_utf16(struct buffer *text, const uint8_t *data, size_t size)
{
	uint16_t units[TEXT_MAX];
	char utf8[UTF8_SIZE(TEXT_MAX)];
	size_t count = 0;

	while (count < TEXT_MAX && 2 * count + 2 <= size) {
		uint16_t unit = read_le16(data + 2 * count);

		if (unit == 0)
			break;
		units[count++] = unit < 0x20 || unit == 0x7f ? '?' : unit;
	}
	(void)utf16_to_utf8(units, count, utf8);
	buffer_append_string(text, utf8);
}

/* The file path nodes (type 4, subtype 4) of a device path (UEFI 2.10, 10.3). */
static void append_file_path(struct buffer *text, const uint8_t *path, size_t size)
{
	while (size >= 4) {
		size_t length = read_le16(path + 2);

		if (length < 4 || length > size)
			return;
		if (path[0] == 4 && path[1] == 4)
			append_utf16(text, path + 4, length - 4);
		path += length;
		size -= length;
	}
}

static void append_details(struct buffer *text, const struct event_log_event *event)
{
	uint64_t length;

	switch (event->type) {
	case EV_EFI_ACTION:
		append_text(text, event->data, event->size);
		break;
	case EV_IPL:
		append_utf16(text, event->data, event->size);
		break;
	case EV_EVENT_TAG: /* number and length of the tag's data come first */
		if (event->size > 8)
			append_text(text, event->data + 8, event->size - 8);
		break;
	case EV_EFI_BOOT_SERVICES_APPLICATION:
		if (event->size < IMAGE_PATH)
			break;
		length = read_le64(event->data + IMAGE_PATH_LENGTH);
		append_file_path(text, event->data + IMAGE_PATH,
			(size_t)MIN(length, (uint64_t)event->size - IMAGE_PATH));
		break;
	case EV_EFI_VARIABLE_DRIVER_CONFIG:
	case EV_EFI_VARIABLE_BOOT:
	case EV_EFI_VARIABLE_AUTHORITY:
		if (event->size < VARIABLE_NAME)
			break;
		length = MIN(read_le64(event->data + VARIABLE_NAME_LENGTH), (uint64_t)TEXT_MAX);
		append_utf16(text, event->data + VARIABLE_NAME,
			(size_t)MIN(2 * length, (uint64_t)event->size - VARIABLE_NAME));
		break;
	default:
		break;
	}
}

char *event_log_describe(const struct event_log_event *event)
{
	_cleanup_buffer_ struct buffer text = {}, details = {};
	const char *name = type_name(event->type);

	if (name)
		buffer_append_string(&text, name);
	else
		buffer_printf(&text, "event type 0x%08" PRIx32, event->type);
	append_details(&details, event);
	if (details.size > 0) {
		buffer_append_string(&text, ": ");
		buffer_append(&text, details.data, details.size);
	}
	return buffer_failed(&details) ? NULL : buffer_take(&text, NULL);
}
