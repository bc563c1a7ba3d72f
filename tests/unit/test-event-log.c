/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/encoding.h"
#include "boot-data.h"
#include "format/event-log.h"

/* The registers of the TPM (swtpm) in the start that event-log.bin is from, read by Linux. */
static const struct {
	unsigned int index;
	const char *value;
} registers[] = {
	{0, "756c01e14599ac536aa25978fd104d4ecfb39c02a3f8e9057e1a16622d0af94f"},
	{1, "86a297bf5f89b24202ec2f7a1e2c7bf46b6f5060ff85cdb326c0a8f302027a62"},
	{2, "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969"},
	{3, "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969"},
	{4, "309172656281916a7bf3b8a79bfaf27a27d0f0755e34bda9305b400b7e34d8a4"},
	{5, "c1fd69731e1ccd11ae6ba98d3cb1951e36abd29abc2ee51e46b1872b3ab55336"},
	{7, "1a8039f5fdcc0b2e1883a5735bef49bf8219b6509d70a028ca48257a1219b34e"},
	{8, "0000000000000000000000000000000000000000000000000000000000000000"},
	{9, "c01c8329659fdc129aab2d356242823f78fd88855f3ee21a04463b9530fe6105"},
	{11, "b2482e987e72d53babdbf6df23f893dc3d591a4db0a567c4d46a5e5eda97819f"},
	{12, "0000000000000000000000000000000000000000000000000000000000000000"},
};

static void replay_gives_what_the_tpm_had(void **state)
{
	_cleanup_buffer_ struct buffer file = boot_data("event-log.bin");
	_cleanup_error_ struct error *err = NULL;
	uint8_t pcrs[PCR_COUNT][PCR_SIZE];
	struct event_log log;

	(void)state;
	assert_ok(event_log_parse(file.data, file.size, &log, &err), err);
	assert_ok(event_log_replay(&log, pcrs, &err), err);
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
		char text[SHA256_HEX_SIZE];

		hex_encode(pcrs[registers[i].index], PCR_SIZE, text);
		assert_string_equal(text, registers[i].value);
	}
}

static void describes_events_in_words(void **state)
{
	static const char *const expected[] = {
		"EV_EFI_ACTION: Calling EFI Application from Boot Option",
		"EV_EFI_BOOT_SERVICES_APPLICATION: \\EFI\\BOOT\\BOOTX64.EFI",
		"EV_EFI_BOOT_SERVICES_APPLICATION: \\EFI\\Linux\\orlop_1.efi",
		"EV_EFI_VARIABLE_DRIVER_CONFIG: SecureBoot",
		"EV_EFI_VARIABLE_AUTHORITY: db",
		"EV_EVENT_TAG: LOADED_IMAGE::LoadOptions",
		"EV_EVENT_TAG: Linux initrd",
	};
	_cleanup_buffer_ struct buffer file = boot_data("event-log.bin");
	_cleanup_error_ struct error *err = NULL;
	bool seen[ARRAY_SIZE(expected)] = {};
	struct event_log_event event;
	struct event_log log;
	size_t position = 0;
	int r;

	(void)state;
	assert_ok(event_log_parse(file.data, file.size, &log, &err), err);
	while ((r = event_log_next(&log, &position, &event, &err)) > 0) {
		_cleanup_free_ char *text = event_log_describe(&event);

		assert_non_null(text);
		for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
			seen[i] |= strcmp(text, expected[i]) == 0;
	}
	assert_ok(r, err);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		if (!seen[i])
			fail_msg("no event is \"%s\"", expected[i]);
}

/* A log that ends in the middle of an event is damaged; one that ends between two is only shorter. */
static void truncation_is_never_read_past(void **state)
{
	_cleanup_buffer_ struct buffer file = boot_data("event-log.bin");
	uint8_t pcrs[PCR_COUNT][PCR_SIZE];
	size_t whole = 0, damaged = 0, events = 1;
	struct event_log_event event;
	struct event_log log;
	size_t position = 0;

	(void)state;
	assert_int_equal(event_log_parse(file.data, file.size, &log, NULL), 0);
	while (event_log_next(&log, &position, &event, NULL) > 0)
		events++;
	for (size_t size = 0; size < file.size; size++) {
		uint8_t *copy = malloc(size + 1);

		assert_non_null(copy);
		memcpy(copy, file.data, size);
		if (event_log_parse(copy, size, &log, NULL) == 0 && event_log_replay(&log, pcrs, NULL) == 0)
			whole++;
		else
			damaged++;
		free(copy);
	}
	assert_int_equal(whole, events - 1);
	assert_int_equal(whole + damaged, file.size);
}

/* An event of no action, with digests of zeros as the profile (10.4.5) wants them. */
static void append_no_action(struct buffer *file, const struct event_log *log, const void *data, size_t size)
{
	buffer_append_le32(file, 0);
	buffer_append_le32(file, 3);
	buffer_append_le32(file, (uint32_t)log->algorithm_count);
	for (size_t i = 0; i < log->algorithm_count; i++) {
		buffer_append_le16(file, log->algorithms[i].id);
		buffer_append_zeros(file, log->algorithms[i].size);
	}
	buffer_append_le32(file, (uint32_t)size);
	buffer_append(file, data, size);
}

static void events_of_no_action_extend_nothing_but_tell_the_locality(void **state)
{
	_cleanup_buffer_ struct buffer file = boot_data("event-log.bin");
	_cleanup_error_ struct error *err = NULL;
	uint8_t pcrs[PCR_COUNT][PCR_SIZE], expected[PCR_SIZE] = {};
	struct event_log log;

	(void)state;
	assert_ok(event_log_parse(file.data, file.size, &log, &err), err);
	file.size = log.first;
	append_no_action(&file, &log, "anything", 8);
	assert_false(buffer_failed(&file));
	assert_ok(event_log_parse(file.data, file.size, &log, &err), err);
	assert_ok(event_log_replay(&log, pcrs, &err), err);
	assert_memory_equal(pcrs[0], expected, PCR_SIZE);

	append_no_action(&file, &log, "StartupLocality\0\3", 17);
	assert_ok(event_log_parse(file.data, file.size, &log, &err), err);
	assert_ok(event_log_replay(&log, pcrs, &err), err);
	expected[PCR_SIZE - 1] = 3;
	assert_memory_equal(pcrs[0], expected, PCR_SIZE);
}

static void refuses_other_formats(void **state)
{
	_cleanup_buffer_ struct buffer file = boot_data("event-log.bin");
	_cleanup_error_ struct error *err = NULL;
	struct event_log log;

	(void)state;
	write_le16(file.data + 32 + 28, 0x1234);
	write_le16(file.data + 32 + 28 + 4, 0x1234);
	write_le16(file.data + 32 + 28 + 8, 0x1234);
	write_le16(file.data + 32 + 28 + 12, 0x1234);
	assert_error(event_log_parse(file.data, file.size, &log, &err), -EOPNOTSUPP, err, "no SHA-256");
	file.data[32 + 14] = '2';
	assert_error(event_log_parse(file.data, file.size, &log, &err), -EOPNOTSUPP, err, "crypto-agile");
	write_le32(file.data + 28, 0xffffffff);
	assert_error(event_log_parse(file.data, file.size, &log, &err), -EBADMSG, err, "damaged");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replay_gives_what_the_tpm_had),
		cmocka_unit_test(describes_events_in_words),
		cmocka_unit_test(truncation_is_never_read_past),
		cmocka_unit_test(events_of_no_action_extend_nothing_but_tell_the_locality),
		cmocka_unit_test(refuses_other_formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
