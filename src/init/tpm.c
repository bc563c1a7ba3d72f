/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/tpm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "base/bytes.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/string-util.h"
#include "init/efivar.h"

#define TPM_DEVICE "/dev/tpm0"
#define LOG_FOLDER "/run/log/systemd"
#define LOG_FILE LOG_FOLDER "/tpm2-measure.log"

/* TPM 2.0 Library, part 2. */
enum {
	TPM_ST_SESSIONS = 0x8002,
	TPM_CC_PCR_EVENT = 0x13c,
	TPM_RS_PW = 0x40000009,
	TPM_HEADER_SIZE = 10,
	TPM_RESPONSE_MAX = 4096,
};

static const struct {
	uint16_t id;
	uint16_t size;
	const char *name;
} algorithms[] = {
	{0x0004, 20, "sha1"},
	{0x000b, 32, "sha256"},
	{0x000c, 48, "sha384"},
	{0x000d, 64, "sha512"},
	{0x0012, 32, "sm3-256"},
};

static void append_be16(struct buffer *buffer, uint16_t value)
{
	uint8_t bytes[2];

	write_be16(bytes, value);
	buffer_append(buffer, bytes, sizeof(bytes));
}

void tpm_event_command(uint32_t pcr, const void *data, size_t size, struct buffer *ret)
{
	append_be16(ret, TPM_ST_SESSIONS);
	buffer_append_be32(ret, (uint32_t)(TPM_HEADER_SIZE + 4 + 4 + 9 + 2 + size));
	buffer_append_be32(ret, TPM_CC_PCR_EVENT);
	buffer_append_be32(ret, pcr);
	/* One session: an empty password. */
	buffer_append_be32(ret, 9);
	buffer_append_be32(ret, TPM_RS_PW);
	append_be16(ret, 0);
	buffer_append_u8(ret, 0);
	append_be16(ret, 0);
	append_be16(ret, (uint16_t)size);
	buffer_append(ret, data, size);
}

/* Takes one TPMT_HA off the front. */
static int take_digest(const uint8_t **at, size_t *left, struct tpm_digest *ret)
{
	uint16_t id;

	if (*left < 2)
		return -EBADMSG;
	id = read_be16(*at);
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		size_t size = algorithms[i].size;

		if (algorithms[i].id != id)
			continue;
		if (*left - 2 < size)
			return -EBADMSG;
		ret->algorithm = algorithms[i].name;
		ret->size = size;
		memcpy(ret->digest, *at + 2, size);
		*at += 2 + size;
		*left -= 2 + size;
		return 0;
	}
	return -EBADMSG;
}

int tpm_event_response(const uint8_t *data, size_t size, struct tpm_event *ret, struct error **err)
{
	struct tpm_event event = {};
	uint32_t code, count;
	const uint8_t *at;
	size_t left;

	if (size < TPM_HEADER_SIZE || read_be32(data + 2) != size)
		return error_set(err, -EBADMSG, "the TPM's answer is malformed");
	code = read_be32(data + 6);
	if (code != 0)
		return error_set(err, -EIO, "the TPM refused to extend a PCR: error 0x%03x", code);
	if (size < TPM_HEADER_SIZE + 8)
		return error_set(err, -EBADMSG, "the TPM's answer is malformed");
	at = data + TPM_HEADER_SIZE + 4;
	left = MIN(size - TPM_HEADER_SIZE - 4, (size_t)read_be32(data + TPM_HEADER_SIZE));
	count = left < 4 ? UINT32_MAX : read_be32(at);
	if (count > TPM_BANKS_MAX)
		return error_set(err, -EBADMSG, "the TPM's answer is malformed");
	at += 4;
	left -= 4;
	for (; event.count < count; event.count++)
		if (take_digest(&at, &left, &event.digests[event.count]) < 0)
			return error_set(err, -EBADMSG, "the TPM's answer is malformed");
	*ret = event;
	return 0;
}

void tpm_log_record(const struct tpm_record *record, const struct tpm_event *event, struct buffer *ret)
{
	buffer_printf(ret, "\x1e{\"pcr\":%u,\"digests\":[", record->pcr);
	for (size_t i = 0; i < event->count; i++) {
		char digits[2 * TPM_DIGEST_MAX + 1];

		hex_encode(event->digests[i].digest, event->digests[i].size, digits);
		buffer_printf(ret, "%s{\"hashAlg\":\"%s\",\"digest\":\"%s\"}", i > 0 ? "," : "",
			event->digests[i].algorithm, digits);
	}
	buffer_printf(ret,
		"],\"content_type\":\"systemd\",\"content\":{\"string\":\"%s\",\"bootId\":\"%s\","
		"\"timestamp\":%llu,"
		"\"eventType\":\"phase\"}}\n",
		record->phase, record->boot_id, (unsigned long long)record->time_us);
}

bool tpm_present(void)
{
	_cleanup_free_ char *version = NULL;

	return access(TPM_DEVICE, F_OK) == 0 &&
	       file_read("/sys/class/tpm/tpm0/tpm_version_major", 16, &version, NULL, NULL) >= 0 &&
	       *version == '2';
}

bool tpm_measured_boot(void)
{
	char pcr[8];

	return efivar_text("StubPcrKernelImage", EFI_LOADER, pcr, sizeof(pcr)) >= 0 && streq(pcr, "11");
}

static int extend(const char *phase, struct tpm_event *ret, struct error **err)
{
	_cleanup_close_ int fd = open(TPM_DEVICE, O_RDWR | O_CLOEXEC);
	_cleanup_buffer_ struct buffer command = {};
	uint8_t response[TPM_RESPONSE_MAX];
	ssize_t size;

	if (fd < 0)
		return error_set_errno(err, -errno, TPM_DEVICE);
	tpm_event_command(TPM_PHASE_PCR, phase, strlen(phase), &command);
	if (buffer_failed(&command))
		return error_set_errno(err, -ENOMEM, TPM_DEVICE);
	/* One command is one write, one answer one read. */
	size = write(fd, command.data, command.size);
	if (size >= 0)
		size = read(fd, response, sizeof(response));
	if (size < 0)
		return error_set_errno(err, -errno, TPM_DEVICE);
	return tpm_event_response(response, (size_t)size, ret, err);
}

static int read_boot_id(char ret[33])
{
	_cleanup_free_ char *text = NULL;
	size_t length = 0;
	int r = file_read("/proc/sys/kernel/random/boot_id", 64, &text, NULL, NULL);

	if (r < 0)
		return r;
	for (const char *at = text; *at && *at != '\n' && length < 32; at++)
		if (*at != '-')
			ret[length++] = *at;
	ret[length] = 0;
	return 0;
}

/* systemd marks a log that is being written by the sticky bit: a reader then knows that a record may be
 * missing. */
static int append_log(const char *phase, const struct tpm_event *event)
{
	struct tpm_record record = {.pcr = TPM_PHASE_PCR, .phase = phase};
	_cleanup_buffer_ struct buffer line = {};
	_cleanup_close_ int fd = -1;
	struct timespec now;
	char boot_id[33];
	int r = read_boot_id(boot_id);

	if (r < 0)
		return r;
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	record.boot_id = boot_id;
	record.time_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	tpm_log_record(&record, event, &line);
	r = mkdir_parents(LOG_FOLDER, NULL);
	if (r < 0 || buffer_failed(&line))
		return r < 0 ? r : -ENOMEM;
	fd = open(LOG_FILE, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fchmod(fd, 0600 | S_ISVTX) < 0)
		return -errno;
	r = write_full(fd, line.data, line.size);
	return r < 0 ? r : fchmod(fd, 0600) < 0 ? -errno : 0;
}

int tpm_measure_phase(const char *phase, struct error **err)
{
	struct tpm_event event;
	int r = extend(phase, &event, err);

	if (r < 0)
		return error_wrap(err, "phase %s", phase);
	r = append_log(phase, &event);
	return r < 0 ? error_set_errno(err, r, LOG_FILE) : 0;
}
