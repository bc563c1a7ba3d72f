/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "update/worker-job.h"

static void headers_are_laid_out_as_documented(void **state)
{
	/* docs/formats/worker-protocol.md, by hand. */
	static const uint8_t expected[WIRE_HEADER_SIZE] = {
		10, 0, 0, 0, 0, 0x20, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1, 0xff, 0, 0, 0, 0, 0, 0, 0x80};
	const struct wire_header header = {.type = WIRE_DATA,
		.size = 8192,
		.offset = UINT64_C(0x0102030405060708),
		.serial = UINT64_C(0x80000000000000ff)};
	uint8_t raw[WIRE_HEADER_SIZE];
	struct wire_header parsed;

	(void)state;
	wire_header_write(&header, raw);
	assert_memory_equal(raw, expected, sizeof(raw));
	assert_int_equal(wire_header_parse(raw, WIRE_WORKER, &parsed, NULL), 0);
	assert_memory_equal(&parsed, &header, sizeof(header));
}

static void types_belong_to_a_side_and_have_sizes(void **state)
{
	static const struct {
		uint32_t type, size;
		bool parent, worker;
	} cases[] = {{0, 0, false, false}, {1, 100, true, false}, {1, 0, false, false}, {4, 0, true, false},
		{4, 1, false, false}, {6, 4, false, false}, {6, WIRE_PAYLOAD_MAX, true, true},
		{6, WIRE_PAYLOAD_MAX + 1, false, false}, {7, 0, false, true}, {9, 3, false, false},
		{9, 4, false, true}, {10, 4096, false, true}, {10, 0, false, false}, {10, 4097, false, false},
		{10, WIRE_PAYLOAD_MAX, false, true}, {10, WIRE_PAYLOAD_MAX + 4096, false, false},
		{11, 8192, false, true}, {12, 0, false, true}, {12, 4096, false, false},
		{13, 16, false, true}, {13, 24, false, false}, {13, 0, false, false},
		{13, 16384, false, true}, {13, 16400, false, false}, {14, 1, false, true},
		{15, 136, false, true}, {15, 1025, false, false}, {16, 4096, false, true},
		{16, 4097, false, false}, {17, 0, false, false}, {UINT32_MAX, 0, false, false},
		{10, UINT32_MAX - 4095, false, false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct wire_header header = {
			.type = (enum wire_type)cases[i].type, .size = cases[i].size};
		uint8_t raw[WIRE_HEADER_SIZE];
		struct wire_header parsed;

		wire_header_write(&header, raw);
		assert_int_equal(
			wire_header_parse(raw, WIRE_PARENT, &parsed, NULL), cases[i].parent ? 0 : -EPROTO);
		assert_int_equal(
			wire_header_parse(raw, WIRE_WORKER, &parsed, NULL), cases[i].worker ? 0 : -EPROTO);
	}
}

static void messages_come_whole_whatever_the_pieces(void **state)
{
	static const char text[] = "some bytes";
	const struct wire_header header = {.type = WIRE_BYTES, .size = sizeof(text), .offset = 5};
	struct wire_reader reader = {.from = WIRE_WORKER};
	struct wire_message message;
	_cleanup_error_ struct error *err = NULL;
	uint8_t stream[WIRE_HEADER_SIZE + sizeof(text)];
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	wire_header_write(&header, stream);
	memcpy(stream + WIRE_HEADER_SIZE, text, sizeof(text));
	for (size_t i = 0; i < sizeof(stream); i++) {
		assert_int_equal(wire_receive(pair[1], &reader, false, &message, NULL), 0);
		assert_int_equal(write(pair[0], stream + i, 1), 1);
	}
	assert_int_equal(wire_receive(pair[1], &reader, false, &message, NULL), 1);
	assert_memory_equal(message.payload, text, sizeof(text));
	assert_int_equal((uintptr_t)message.payload % WIRE_ALIGN, 0);
	/* Two at once are two. */
	for (int i = 0; i < 2; i++)
		assert_int_equal(wire_send(pair[0], &header, text, NULL), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(wire_receive(pair[1], &reader, true, &message, NULL), 1);
	assert_int_equal(wire_receive(pair[1], &reader, false, &message, NULL), 0);
	(void)close(pair[0]);
	assert_error(wire_receive(pair[1], &reader, true, &message, &err), -EPIPE, err, "gone");
	assert_error(wire_send(pair[1], &header, text, &err), -EPIPE, err, "sending");
	(void)close(pair[1]);
	wire_reader_release(&reader);
}

static void texts_become_harmless(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {{"", ""}, {"plain ~", "plain ~"}, {"a\nb\tc\x7f", "a?b?c?"}, {"\033[31m", "?[31m"},
		{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x9a\xa2", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x9a\xa2"},
		{"\xc2\x9b", "??"}, /* C1: the beginning of a control sequence */
		{"\xc0\xaf", "??"}, /* overlong "/" */
		{"\xe0\x80\xaf", "???"}, {"\xed\xa0\x80", "???"}, /* a surrogate */
		{"\xf4\x90\x80\x80", "????"}, {"\xe2\x80\xae", "???"}, {"\xe2\x82", "??"}, {"\xff", "?"}};
	uint8_t endless[WIRE_TEXT_MAX + 100];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = wire_text((const uint8_t *)cases[i].text, strlen(cases[i].text));

		assert_string_equal(text, cases[i].expected);
	}
	memset(endless, 'x', sizeof(endless));
	{
		_cleanup_free_ char *text = wire_text(endless, sizeof(endless));

		assert_int_equal(strlen(text), WIRE_TEXT_MAX);
	}
}

static void jobs_come_as_they_were_given(void **state)
{
	struct worker_get_job get = {.name = (char *)"file", .size = 77}, parsed = {};
	_cleanup_buffer_ struct buffer payload = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	get.source = (struct worker_source_job){.uid = 5, .gid = 6, .rate = 9, .is_limited = true};
	get.source.http =
		(struct remote_http_options){.url = "http://host/", .authorities = "/ca", .tries = 3};
	assert_int_equal(worker_get_job_write(&get, &payload), 0);
	assert_ok(worker_get_job_parse(payload.data, payload.size, &parsed, &err), err);
	assert_string_equal(parsed.name, "file");
	assert_string_equal(parsed.source.http.url, "http://host/");
	assert_string_equal(parsed.source.http.authorities, "/ca");
	assert_null(parsed.source.http.proxy);
	assert_int_equal(parsed.size, 77);
	assert_int_equal(parsed.source.uid, 5);
	assert_true(parsed.source.http.tries == 3 && parsed.source.rate == 9 && parsed.source.is_limited);
	worker_get_job_release(&parsed);
	/* Cut anywhere, or with more behind it, it is none. */
	for (size_t size = 0; size < payload.size; size++) {
		assert_error(
			worker_get_job_parse(payload.data, size, &parsed, &err), -EPROTO, err, "malformed");
		worker_get_job_release(&parsed);
	}
	buffer_append_u8(&payload, 0);
	assert_error(
		worker_get_job_parse(payload.data, payload.size, &parsed, &err), -EPROTO, err, "malformed");
	worker_get_job_release(&parsed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_laid_out_as_documented),
		cmocka_unit_test(types_belong_to_a_side_and_have_sizes),
		cmocka_unit_test(messages_come_whole_whatever_the_pieces),
		cmocka_unit_test(texts_become_harmless),
		cmocka_unit_test(jobs_come_as_they_were_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
