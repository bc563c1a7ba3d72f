/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Both directions of the worker's protocol. The first byte says which side has sent the rest, and in how
 * large pieces it comes; the messages go through all that takes their payloads apart.
 */
#include <string.h>

#include "update/worker-job.h"

#define FILES_MAX 4
#define BYTES_MAX 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		__builtin_trap();
}

static void take_job(const struct wire_message *message)
{
	struct worker_bring_job bring = {};
	struct worker_get_job get = {};
	struct worker_refresh_job refresh = {};
	const void *payload = message->payload;
	uint32_t size = message->header.size;

	if (message->header.type == WIRE_BRING && worker_bring_job_parse(payload, size, &bring, NULL) >= 0)
		check(bring.window > 0 && bring.source.url);
	if (message->header.type == WIRE_GET && worker_get_job_parse(payload, size, &get, NULL) >= 0)
		check(get.name && get.size > 0);
	if (message->header.type == WIRE_REFRESH &&
		worker_refresh_job_parse(payload, size, &refresh, NULL) >= 0)
		check(refresh.wanted_count <= WORKER_WANTED_MAX && refresh.files > 0);
	worker_bring_job_release(&bring);
	worker_get_job_release(&get);
	worker_refresh_job_release(&refresh);
}

static void take_text(const struct wire_message *message)
{
	_cleanup_free_ char *text = wire_text(message->payload, message->header.size);

	check(text && strlen(text) <= WIRE_TEXT_MAX);
	for (const char *at = text; *at; at++)
		check((uint8_t)*at >= 0x20 && *at != 0x7f);
}

static bool take_message(const struct wire_message *message, struct wire_files *files)
{
	struct worker_outcome outcome = {};
	uint8_t sum = 0;

	/* Every byte of a payload is there to be read. */
	for (uint32_t i = 0; i < message->header.size; i++)
		sum ^= message->payload[i];
	(void)*(volatile uint8_t *)&sum;
	take_job(message);
	if (message->header.type == WIRE_FAILED)
		take_text(message);
	if (message->header.type == WIRE_FINISHED &&
		worker_outcome_parse(message->payload, message->header.size, 1000, &outcome, NULL) >= 0)
		check(outcome.update.kept <= 1000 && outcome.update.rounds <= USR_UPDATE_ROUNDS);
	if (message->header.type != WIRE_FILE)
		return true;
	if (wire_files_take(files, message, FILES_MAX, BYTES_MAX, NULL) < 0)
		return false;
	check(files->count <= FILES_MAX && files->total <= BYTES_MAX);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_reader reader = {.from = size > 0 && data[0] & 1 ? WIRE_WORKER : WIRE_PARENT};
	size_t piece = size > 0 ? 1 + (data[0] >> 1) * (size_t)97 : 1;
	struct wire_files files = {};
	bool goes_on = size > 0;

	for (size_t at = 1; at < size && goes_on;) {
		struct wire_message message;
		uint8_t *into;
		size_t n = wire_reader_want(&reader, &into);
		int r;

		n = MIN(MIN(n, piece), size - at);
		memcpy(into, data + at, n);
		at += n;
		r = wire_reader_got(&reader, n, &message, NULL);
		goes_on = r == 0 || (r > 0 && take_message(&message, &files));
	}
	wire_files_release(&files);
	wire_reader_release(&reader);
	return 0;
}
