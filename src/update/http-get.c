/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/http-get.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/http.h"

#define TRIES 6
#define CONNECT_SECONDS 20
#define STALL_SECONDS 30
#define RATE_FLOOR 1024
#define PAUSE_MS 500
#define PAUSE_STEP_MS 1000   /* how often a pause asks whether to stop */
#define ERROR_BODY_MAX 65536 /* of the text that comes with a status that is an error */

/* One file, over all tries. */
struct get {
	const char *url;
	uint64_t max;
	struct http_get_options options;
	http_get_sink_fn sink;
	void *userdata;

	/* of the try that is under way */
	CURL *easy;
	uint64_t received; /* bytes of the body, of any kind */
	bool accepted, is_page;
	struct error *fault; /* why it was stopped from here */
	char message[CURL_ERROR_SIZE];
	uint64_t wait_ms; /* the server asks for it */
};

static void set_defaults(struct http_get_options *options)
{
	options->tries = options->tries ? options->tries : TRIES;
	options->connect_seconds = options->connect_seconds ? options->connect_seconds : CONNECT_SECONDS;
	options->stall_seconds = options->stall_seconds ? options->stall_seconds : STALL_SECONDS;
	options->floor = options->floor ? options->floor : RATE_FLOOR;
	options->pause_ms = options->pause_ms ? options->pause_ms : PAUSE_MS;
}

/* ---- What libcurl calls ---- */

static void accept_body(struct get *get, const char *data)
{
	long status = 0;

	(void)curl_easy_getinfo(get->easy, CURLINFO_RESPONSE_CODE, &status);
	get->is_page = status == 200 && get->options.refuse_pages && *data == '<';
	get->accepted = !get->is_page && (status == 0 || status == 200);
}

static size_t on_body(char *data, size_t unit, size_t size, void *userdata)
{
	struct get *get = userdata;
	uint64_t offset = get->received;
	int r;

	(void)unit;
	if (offset == 0 && size > 0)
		accept_body(get, data);
	get->received += size;
	if (!get->accepted)
		return get->is_page || get->received > ERROR_BODY_MAX ? 0 : size;
	if (get->received > get->max) {
		(void)error_set(&get->fault, -EFBIG, "longer than the %ju bytes that it may have",
			(uintmax_t)get->max);
		return 0;
	}
	r = get->sink(offset, (const uint8_t *)data, size, get->userdata, &get->fault);
	if (r < 0 && !get->fault)
		(void)error_set_errno(&get->fault, r, "what came");
	return r < 0 ? 0 : size;
}

static int on_progress(void *userdata, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
	struct get *get = userdata;

	(void)total, (void)now, (void)up_total, (void)up;
	if (!get->options.stop || !get->options.stop(get->options.userdata))
		return 0;
	(void)error_set(&get->fault, -ECANCELED, "stopped");
	return 1;
}

/* ---- One try ---- */

static int set_options(struct get *get)
{
	const struct http_limits limits = {.proxy = get->options.proxy,
		.connect_seconds = get->options.connect_seconds,
		.stall_seconds = get->options.stall_seconds,
		.floor = get->options.floor};
	CURLcode code = CURLE_OK;
	int r = http_prepare(get->easy, get->url, &limits, get->message);

	if (r < 0)
		return r;
#define SET(option, value)                                                 \
	do {                                                               \
		if (code == CURLE_OK)                                      \
			code = curl_easy_setopt(get->easy, option, value); \
	} while (0)
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, (void *)get);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, (void *)get);
	SET(CURLOPT_NOPROGRESS, 0L);
	if (get->options.authorities)
		SET(CURLOPT_CAINFO, get->options.authorities);
#undef SET
	return code == CURLE_OK ? 0 : code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -ENOTSUP;
}

/* Returns 0: it has come; -EAGAIN: try again; else lasting. */
static int judge(struct get *get, CURLcode code, struct error **err)
{
	const struct http_outcome outcome = {
		.easy = get->easy, .code = code, .message = get->message, .is_page = get->is_page};
	int r;

	if (get->fault) {
		r = get->fault->code;
		error_move(err, TAKE_PTR(get->fault));
		return r;
	}
	r = http_judge(&outcome, &get->wait_ms, err);
	/* It did not ask for a range. */
	if (r == 206)
		return error_set(err, -EPROTO, "the server answers with a part of the file");
	return r < 0 || get->received > 0 ? MIN(r, 0)
					  : get->sink(0, (const uint8_t *)"", 0, get->userdata, err);
}

static int try_once(struct get *get, struct error **err)
{
	int r;

	get->received = get->wait_ms = 0;
	get->accepted = get->is_page = false;
	get->message[0] = 0;
	get->easy = curl_easy_init();
	if (!get->easy)
		return error_set_errno(err, -ENOMEM, "libcurl");
	r = set_options(get);
	r = r < 0 ? error_set_errno(err, r, "libcurl") : judge(get, curl_easy_perform(get->easy), err);
	curl_easy_cleanup(get->easy);
	return r;
}

/* ---- All of them ---- */

static int pause_for(struct get *get, uint64_t ms, struct error **err)
{
	uint64_t end = http_now_ms() + ms, now;

	while ((now = http_now_ms()) < end) {
		uint64_t step = MIN(end - now, (uint64_t)PAUSE_STEP_MS);

		if (on_progress(get, 0, 0, 0, 0) != 0) {
			error_move(err, TAKE_PTR(get->fault));
			return -ECANCELED;
		}
		(void)nanosleep(&(struct timespec){.tv_sec = (time_t)(step / 1000),
					.tv_nsec = (long)(step % 1000) * 1000000},
			NULL);
	}
	return 0;
}

static int try_all(struct get *get, struct error **err)
{
	for (unsigned tries = 1;; tries++) {
		_cleanup_error_ struct error *fault = NULL;
		int r = try_once(get, &fault);

		if (r != -EAGAIN) {
			error_move(err, TAKE_PTR(fault));
			return r;
		}
		if (tries >= get->options.tries)
			return error_set(
				err, -ETIMEDOUT, "given up after %u tries: %s", tries, error_message(fault));
		r = pause_for(get, MAX(http_pause_ms(tries, get->options.pause_ms), get->wait_ms), err);
		if (r < 0)
			return r;
	}
}

int http_get_to(const char *url, uint64_t max, const struct http_get_options *options, http_get_sink_fn sink,
	void *userdata, struct error **err)
{
	struct get get = {.url = url, .max = max, .options = *options, .sink = sink, .userdata = userdata};
	int r;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return error_set_errno(err, -ENOMEM, "libcurl");
	set_defaults(&get.options);
	r = try_all(&get, err);
	return r < 0 ? error_wrap(err, "%s", url), r : 0;
}

struct memory {
	struct buffer *buffer;
	size_t begin; /* what the buffer had before */
};

static int take_bytes(uint64_t offset, const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	struct memory *memory = userdata;

	memory->buffer->size = memory->begin + (size_t)offset;
	buffer_append(memory->buffer, data, size);
	return buffer_failed(memory->buffer) ? error_set_errno(err, -ENOMEM, "%zu bytes", size) : 0;
}

int http_get(const char *url, uint64_t max, const struct http_get_options *options, struct buffer *ret,
	struct error **err)
{
	struct memory memory = {.buffer = ret, .begin = ret->size};
	int r = http_get_to(url, max, options, take_bytes, &memory, err);

	if (r < 0)
		ret->size = memory.begin;
	return r;
}
