/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/bytes.h"
#include "init/tpm.h"

/* TPM 2.0 Library, part 3, table "TPM2_PCR_Event command", with the password session of part 1, 19.4. */
static void command_is_as_specified(void **state)
{
	static const uint8_t expected[] = {0x80, 0x02, 0, 0, 0, 41, 0, 0, 0x01, 0x3c, 0, 0, 0, 11, 0, 0, 0, 9,
		0x40, 0, 0, 9, 0, 0, 0, 0, 0, 0, 12, 'e', 'n', 't', 'e', 'r', '-', 'i', 'n', 'i', 't', 'r',
		'd'};
	_cleanup_buffer_ struct buffer command = {};

	(void)state;
	tpm_event_command(11, "enter-initrd", 12, &command);
	assert_int_equal(command.size, sizeof(expected));
	assert_memory_equal(command.data, expected, sizeof(expected));
}

static void digest(const char *algorithm, const char *text, uint8_t *ret)
{
	unsigned size;

	assert_int_equal(
		EVP_Digest(text, strlen(text), ret, &size, EVP_get_digestbyname(algorithm), NULL), 1);
}

/* An answer with the banks SHA-1 and SHA-256, and the session behind them. */
static size_t make_response(uint8_t data[128])
{
	static const uint8_t session[] = {0, 0, 1, 0, 0};
	size_t size = 14 + 4 + 2 + 20 + 2 + 32;

	memset(data, 0, 128);
	write_be16(data, 0x8002);
	write_be32(data + 10, (uint32_t)(size - 14));
	write_be32(data + 14, 2);
	write_be16(data + 18, 0x0004);
	digest("SHA1", "enter-initrd", data + 20);
	write_be16(data + 40, 0x000b);
	digest("SHA256", "enter-initrd", data + 42);
	memcpy(data + size, session, sizeof(session));
	size += sizeof(session);
	write_be32(data + 2, (uint32_t)size);
	return size;
}

static void reads_the_digests_of_all_banks(void **state)
{
	_cleanup_error_ struct error *err = NULL;
	uint8_t data[128];
	size_t size = make_response(data);
	struct tpm_event event;

	(void)state;
	assert_ok(tpm_event_response(data, size, &event, &err), err);
	assert_int_equal(event.count, 2);
	assert_string_equal(event.digests[0].algorithm, "sha1");
	assert_int_equal(event.digests[0].size, 20);
	assert_string_equal(event.digests[1].algorithm, "sha256");
	assert_memory_equal(event.digests[1].digest, data + 42, 32);
}

static void a_refusal_and_a_malformed_answer_are_errors(void **state)
{
	uint8_t data[128];
	size_t size = make_response(data);
	struct tpm_event event;
	struct error *err = NULL;

	(void)state;
	for (size_t cut = 0; cut < size; cut++) {
		write_be32(data + 2, (uint32_t)cut);
		if (cut < size - 5)
			assert_error(tpm_event_response(data, cut, &event, &err), -EBADMSG, err, "malformed");
	}
	size = make_response(data);
	write_be32(data + 14, 9);
	assert_error(tpm_event_response(data, size, &event, &err), -EBADMSG, err, "malformed");
	write_be32(data + 14, 2);
	write_be16(data + 18, 0x7777);
	assert_error(tpm_event_response(data, size, &event, &err), -EBADMSG, err, "malformed");
	/* TPM_RC_LOCALITY */
	write_be32(data + 2, 10);
	write_be32(data + 6, 0x907);
	assert_error(tpm_event_response(data, 10, &event, &err), -EIO, err, "0x907");
}

/* The members are those that systemd's tpm2_userspace_log() writes and systemd-pcrlock reads. */
static void record_has_the_members_of_systemds_log(void **state)
{
	const struct tpm_record record = {.pcr = 11,
		.phase = "leave-initrd",
		.boot_id = "0123456789abcdef0123456789abcdef",
		.time_us = 5000001};
	struct tpm_event event = {
		.count = 1, .digests[0] = {.algorithm = "sha256", .size = 2, .digest = {0xab, 1}}};
	_cleanup_buffer_ struct buffer text = {};
	const char *algorithm, *hex, *type, *phase, *boot_id, *kind;
	json_int_t time;
	json_t *json;
	int pcr;

	(void)state;
	tpm_log_record(&record, &event, &text);
	assert_int_equal(text.data[0], 0x1e);
	assert_int_equal(text.data[text.size - 1], '\n');
	json = json_loadb((char *)text.data + 1, text.size - 2, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_int_equal(
		json_unpack(json, "{s:i,s:[{s:s,s:s!}!],s:s,s:{s:s,s:s,s:I,s:s!}!}", "pcr", &pcr, "digests",
			"hashAlg", &algorithm, "digest", &hex, "content_type", &type, "content", "string",
			&phase, "bootId", &boot_id, "timestamp", &time, "eventType", &kind),
		0);
	assert_int_equal(pcr, 11);
	assert_string_equal(algorithm, "sha256");
	assert_string_equal(hex, "ab01");
	assert_string_equal(type, "systemd");
	assert_string_equal(phase, "leave-initrd");
	assert_string_equal(boot_id, "0123456789abcdef0123456789abcdef");
	assert_int_equal(time, 5000001);
	assert_string_equal(kind, "phase");
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_is_as_specified),
		cmocka_unit_test(reads_the_digests_of_all_banks),
		cmocka_unit_test(a_refusal_and_a_malformed_answer_are_errors),
		cmocka_unit_test(record_has_the_members_of_systemds_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
