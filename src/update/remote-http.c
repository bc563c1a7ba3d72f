/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/remote-http.h"

#include <errno.h>
#include <string.h>

#include "base/http.h"
#include "base/string-util.h"

#define CONNECTIONS 4
#define TRIES 6
#define TRIES_OPTIONAL 3 /* of a file that can be done without */
#define CONNECT_SECONDS 20
#define STALL_SECONDS 30
#define RATE_FLOOR 1024
#define PAUSE_MS 500
#define ERROR_BODY_MAX 65536 /* of the text that comes with a status that is an error */

struct remote_http {
	CURLM *multi;
	struct remote_http_options options;
	char *url, *proxy, *authorities;
	struct remote_counts counts;
	uint64_t rate, rate_asked_ms; /* what the hook said, and when */
};

/* One range on its way. */
struct piece {
	uint64_t done; /* bytes handed on */
	bool running;
};

struct pull;

/* One request. A whole file has no piece of its own, but serves all. */
struct transfer {
	struct pull *pull;
	CURL *easy; /* NULL: this place is free */
	size_t piece;
	uint64_t begin, end; /* of the file, what was asked for; *end* does not belong to it */
	uint64_t received;   /* bytes of the body, of any kind */
	struct http_range range;
	bool has_range, accepted, is_page;
	struct error *fault; /* why the write function stopped it */
	char message[CURL_ERROR_SIZE];
	struct curl_slist *headers;
};

/* A call of fetch(). */
struct pull {
	struct remote_http *http;
	const struct remote_request *request;
	char *url;
	struct piece *pieces;
	size_t first, running; /* the first piece that is not done; transfers under way */
	size_t done;
	bool whole, whole_wanted; /* the server sends the file whole */
	unsigned failures;	  /* since a piece was done, … */
	unsigned others;	  /* … and of these, where the server's file has another size */
	uint64_t not_before;	  /* milliseconds: no request until then */
	struct transfer transfers[REMOTE_PARALLEL_MAX];
};

/* ---- Set-up ---- */

static void set_defaults(struct remote_http_options *options)
{
	options->connections = options->connections ? options->connections : CONNECTIONS;
	options->connections = MIN(options->connections, (unsigned)REMOTE_PARALLEL_MAX);
	options->tries = options->tries ? options->tries : TRIES;
	options->connect_seconds = options->connect_seconds ? options->connect_seconds : CONNECT_SECONDS;
	options->stall_seconds = options->stall_seconds ? options->stall_seconds : STALL_SECONDS;
	options->floor = options->floor ? options->floor : RATE_FLOOR;
	options->pause_ms = options->pause_ms ? options->pause_ms : PAUSE_MS;
}

static int copy_string(const char **string, char **ret)
{
	*ret = *string ? strdup(*string) : NULL;
	if (*string && !*ret)
		return -ENOMEM;
	*string = *ret;
	return 0;
}

int remote_http_new(const struct remote_http_options *options, struct remote_http **ret, struct error **err)
{
	_cleanup_remote_http_ struct remote_http *http = calloc(1, sizeof(*http));

	if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return error_set_errno(err, -ENOMEM, "libcurl");
	http->options = *options;
	set_defaults(&http->options);
	http->multi = curl_multi_init();
	if (!http->multi || copy_string(&http->options.url, &http->url) < 0 ||
		copy_string(&http->options.proxy, &http->proxy) < 0 ||
		copy_string(&http->options.authorities, &http->authorities) < 0)
		return error_set_errno(err, -ENOMEM, "libcurl");
	(void)curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)http->options.connections);
	*ret = TAKE_PTR(http);
	return 0;
}

struct remote_http *remote_http_free(struct remote_http *http)
{
	if (http) {
		if (http->multi)
			(void)curl_multi_cleanup(http->multi);
		free(http->url);
		free(http->proxy);
		free(http->authorities);
		free(http);
	}
	return NULL;
}

/* ---- What libcurl calls ---- */

static size_t on_header(char *data, size_t unit, size_t size, void *userdata)
{
	struct transfer *transfer = userdata;

	(void)unit;
	/* A redirect's headers come first; each answer begins with its status line. */
	if (size >= 5 && memcmp(data, "HTTP/", 5) == 0)
		transfer->has_range = false;
	if (http_parse_range(data, size, &transfer->range))
		transfer->has_range = true;
	return size;
}

/* The server's file has another size than the one that is signed. It may be on its way to becoming that. */
static int other_file(struct transfer *transfer, uint64_t size)
{
	struct pull *pull = transfer->pull;

	pull->others++;
	return error_set(&transfer->fault, -EAGAIN,
		"the server has a file of %ju bytes, the release one of %ju", (uintmax_t)size,
		(uintmax_t)pull->request->file_size);
}

/* What came in answer to a request for all of it is less than that, and the server means it. */
static bool is_shorter(const struct transfer *transfer)
{
	curl_off_t length = -1;
	long status = 0;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	return transfer->begin == 0 && status == 200 && length >= 0 && (uint64_t)length == transfer->received;
}

static int check_range(struct transfer *transfer)
{
	const struct http_range *range = &transfer->range;
	uint64_t size = transfer->pull->request->file_size;

	if (!transfer->has_range || range->begin != transfer->begin || range->end != transfer->end)
		return error_set(
			&transfer->fault, -EAGAIN, "the server sent another range than was asked for");
	if (range->total != UINT64_MAX && range->total != size)
		return other_file(transfer, range->total);
	return 0;
}

static const char no_ranges[] = "the server knows no ranges";

/* Decides with the first bytes of a body what they are. Returns 0 or a negative errno with the fault set. */
static int accept_body(struct transfer *transfer, const char *data)
{
	struct pull *pull = transfer->pull;
	bool is_whole = transfer->begin == 0 && transfer->end == pull->request->file_size;
	long status = 0;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	transfer->is_page = status == 200 && *data == '<';
	transfer->accepted = !transfer->is_page && (status == 0 || status == 206 || status == 200);
	if (status == 206)
		return check_range(transfer);
	if (status == 200 && transfer->accepted && !is_whole) {
		pull->http->counts.whole = true;
		pull->whole_wanted = !pull->request->ranges_only;
		return error_set(
			&transfer->fault, pull->whole_wanted ? -EAGAIN : -EOPNOTSUPP, "%s", no_ranges);
	}
	return 0;
}

/* Hands what belongs to one piece on. *offset* is where *data* begins in the file. */
static int feed_piece(
	struct transfer *transfer, size_t index, uint64_t offset, const uint8_t *data, uint64_t size)
{
	const struct remote_request *request = transfer->pull->request;
	const struct remote_range *range = &request->ranges[index];
	struct piece *piece = &transfer->pull->pieces[index];
	uint64_t next = range->offset + piece->done, end = range->offset + range->size, length;
	int r;

	if (next < offset || next >= offset + size || next == end)
		return 0;
	length = MIN(offset + size, end) - next;
	r = request->sink(index, data + (next - offset), (size_t)length, request->userdata, &transfer->fault);
	if (r < 0)
		return transfer->fault ? r : error_set_errno(&transfer->fault, r, "what came");
	piece->done += length;
	if (piece->done == range->size) {
		transfer->pull->done++;
		transfer->pull->failures = transfer->pull->others = 0;
	}
	return 0;
}

/* Hands what came of a whole file on to all pieces that it touches. */
static int feed_all(struct transfer *transfer, uint64_t offset, const uint8_t *data, uint64_t size)
{
	struct pull *pull = transfer->pull;
	const struct remote_range *ranges = pull->request->ranges;
	int r = 0;

	while (pull->first < pull->request->count &&
		pull->pieces[pull->first].done == ranges[pull->first].size)
		pull->first++;
	for (size_t i = pull->first; i < pull->request->count && ranges[i].offset < offset + size && r >= 0;
		i++)
		r = feed_piece(transfer, i, offset, data, size);
	return r;
}

static size_t on_body(char *data, size_t unit, size_t size, void *userdata)
{
	struct transfer *transfer = userdata;
	struct pull *pull = transfer->pull;
	uint64_t offset = transfer->begin + transfer->received;
	int r;

	(void)unit;
	if (transfer->received == 0 && size > 0 && accept_body(transfer, data) < 0)
		return 0;
	transfer->received += size;
	if (!transfer->accepted)
		return transfer->is_page || transfer->received > ERROR_BODY_MAX ? 0 : size;
	if (size > transfer->end - offset) {
		(void)error_set(&transfer->fault, -EAGAIN, "longer than the %ju bytes that were asked for",
			(uintmax_t)(transfer->end - transfer->begin));
		return 0;
	}
	r = pull->whole ? feed_all(transfer, offset, (const uint8_t *)data, size)
			: feed_piece(transfer, transfer->piece, offset, (const uint8_t *)data, size);
	return r < 0 ? 0 : size;
}

/* ---- One request ---- */

static uint64_t rate_now(struct remote_http *http)
{
	if (http->options.rate && http_now_ms() - http->rate_asked_ms >= 1000) {
		http->rate = http->options.rate(http->options.userdata);
		http->rate_asked_ms = http_now_ms();
	}
	return http->options.rate ? http->rate : 0;
}

/* Divides the rate among the transfers under way. */
static void share_rate(struct pull *pull)
{
	uint64_t rate = rate_now(pull->http);
	uint64_t share = rate / MAX(pull->running, (size_t)1);

	for (size_t i = 0; i < REMOTE_PARALLEL_MAX && pull->http->options.rate; i++)
		if (pull->transfers[i].easy)
			(void)curl_easy_setopt(pull->transfers[i].easy, CURLOPT_MAX_RECV_SPEED_LARGE,
				(curl_off_t)(rate > 0 ? MAX(share, UINT64_C(1)) : 0));
}

static int set_options(struct transfer *transfer)
{
	struct pull *pull = transfer->pull;
	const struct remote_http_options *options = &pull->http->options;
	uint64_t rate = rate_now(pull->http);
	struct http_limits limits = {.proxy = options->proxy,
		.connect_seconds = options->connect_seconds,
		.stall_seconds = options->stall_seconds,
		.floor = options->floor};
	CURLcode code = CURLE_OK;
	char range[64];
	int r;

	/* Who slows a transfer down itself can't ask for as much of it. */
	if (rate > 0)
		limits.floor = MIN(limits.floor, rate / (2 * options->connections) + 1);
	r = http_prepare(transfer->easy, pull->url, &limits, transfer->message);
	if (r < 0)
		return r;
	if (pull->request->again && !(transfer->headers = curl_slist_append(NULL, "Cache-Control: no-cache")))
		return -ENOMEM;
#define SET(option, value)                                                      \
	do {                                                                    \
		if (code == CURLE_OK)                                           \
			code = curl_easy_setopt(transfer->easy, option, value); \
	} while (0)
	SET(CURLOPT_PRIVATE, (void *)transfer);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, (void *)transfer);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, (void *)transfer);
	SET(CURLOPT_HTTPHEADER, transfer->headers);
	SET(CURLOPT_PIPEWAIT, 1L); /* rather several streams of one connection, where that is to be had */
	if (options->authorities)
		SET(CURLOPT_CAINFO, options->authorities);
	if (transfer->begin > 0 || transfer->end < pull->request->file_size) {
		(void)snprintf(range, sizeof(range), "%ju-%ju", (uintmax_t)transfer->begin,
			(uintmax_t)transfer->end - 1);
		SET(CURLOPT_RANGE, range);
	}
#undef SET
	return code == CURLE_OK ? 0 : code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -ENOTSUP;
}

static void transfer_end(struct transfer *transfer)
{
	struct pull *pull = transfer->pull;
	long headers = 0, request = 0;

	if (!transfer->easy)
		return;
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_HEADER_SIZE, &headers);
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request);
	pull->http->counts.overhead += (uint64_t)(headers + request);
	pull->http->counts.bytes += transfer->received;
	(void)curl_multi_remove_handle(pull->http->multi, transfer->easy);
	curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->headers);
	error_free(transfer->fault);
	if (!pull->whole && transfer->piece < pull->request->count)
		pull->pieces[transfer->piece].running = false;
	*transfer = (struct transfer){};
	pull->running--;
}

/* Begins a request for what *piece* still lacks, or for the whole file. */
static int transfer_begin(struct pull *pull, size_t piece, struct error **err)
{
	const struct remote_request *request = pull->request;
	struct transfer *transfer = pull->transfers;
	int r;

	while (transfer->easy)
		transfer++;
	*transfer = (struct transfer){.pull = pull, .piece = piece, .end = request->file_size};
	if (!pull->whole) {
		transfer->begin = request->ranges[piece].offset + pull->pieces[piece].done;
		transfer->end = request->ranges[piece].offset + request->ranges[piece].size;
		pull->pieces[piece].running = true;
	}
	transfer->easy = curl_easy_init();
	if (!transfer->easy)
		return error_set_errno(err, -ENOMEM, "libcurl");
	pull->running++;
	pull->http->counts.requests++;
	r = set_options(transfer);
	if (r >= 0 && curl_multi_add_handle(pull->http->multi, transfer->easy) != CURLM_OK)
		r = -ENOMEM;
	return r < 0 ? error_set_errno(err, r, "libcurl") : 0;
}

/* ---- What came of it ---- */

/* Returns 0: all that was asked for has come; -EAGAIN: ask again; else lasting. */
static int judge(struct transfer *transfer, CURLcode code, struct error **err)
{
	const struct http_outcome outcome = {.easy = transfer->easy,
		.code = code,
		.message = transfer->message,
		.is_page = transfer->is_page};
	uint64_t wait_ms;
	long status = 0;
	int r;

	if (transfer->fault) {
		r = transfer->fault->code;
		error_move(err, TAKE_PTR(transfer->fault));
		return r;
	}
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status == 416) {
		transfer->pull->others++;
		return error_set(err, -EAGAIN, "the server's file is too short for the release");
	}
	r = http_judge(&outcome, &wait_ms, err);
	if (wait_ms > 0)
		transfer->pull->not_before = http_now_ms() + wait_ms;
	if (r < 0)
		return r;
	if (transfer->received >= transfer->end - transfer->begin)
		return 0;
	if (!is_shorter(transfer))
		return error_set(err, -EAGAIN, "ended after %ju of %ju bytes", (uintmax_t)transfer->received,
			(uintmax_t)(transfer->end - transfer->begin));
	r = other_file(transfer, transfer->received);
	error_move(err, TAKE_PTR(transfer->fault));
	return r;
}

/* All of its piece has come: what else the server has to say does not matter. */
static bool is_complete(const struct transfer *transfer)
{
	const struct pull *pull = transfer->pull;

	return !pull->whole &&
	       pull->pieces[transfer->piece].done == pull->request->ranges[transfer->piece].size;
}

/* Stops all requests: from now on, one asks for the whole file. */
static void go_whole(struct pull *pull)
{
	pull->whole_wanted = false;
	for (size_t i = 0; i < REMOTE_PARALLEL_MAX; i++)
		transfer_end(&pull->transfers[i]);
	pull->whole = true;
}

static int transfer_finish(struct transfer *transfer, CURLcode code, struct error **err)
{
	struct pull *pull = transfer->pull;
	const struct remote_http_options *options = &pull->http->options;
	unsigned tries =
		pull->request->is_optional ? MIN(options->tries, (unsigned)TRIES_OPTIONAL) : options->tries;
	_cleanup_error_ struct error *fault = NULL;
	uint64_t next;
	int r;

	r = pull->whole_wanted || is_complete(transfer) ? 0 : judge(transfer, code, &fault);
	transfer_end(transfer);
	if (pull->whole_wanted)
		go_whole(pull);
	if (r >= 0)
		return 0;
	if (r == -EAGAIN && ++pull->failures < tries) {
		next = http_now_ms() + http_pause_ms(pull->failures, options->pause_ms);
		pull->not_before = MAX(pull->not_before, next);
		pull->http->counts.faults++;
		return 0;
	}
	error_move(err, TAKE_PTR(fault));
	if (r == -EAGAIN) {
		r = pull->others == pull->failures ? -EBADMSG : -ETIMEDOUT;
		(void)error_wrap(err, "given up after %u tries", pull->failures);
		if (err && *err)
			(*err)->code = r;
	}
	(void)error_wrap(err, "%s", pull->url);
	return r;
}

/* ---- All of them ---- */

static void pull_release(struct pull *pull)
{
	for (size_t i = 0; i < REMOTE_PARALLEL_MAX; i++)
		transfer_end(&pull->transfers[i]);
	free(pull->url);
	free(pull->pieces);
}

/* Begins what may begin now. */
static int pull_start(struct pull *pull, struct error **err)
{
	size_t most = pull->whole ? 1 : pull->http->options.connections, before = pull->running;
	int r = 0;

	if (http_now_ms() < pull->not_before)
		return 0;
	for (size_t i = pull->first; i < pull->request->count && pull->running < most && r >= 0; i++) {
		bool is_done = pull->pieces[i].done == pull->request->ranges[i].size;

		if (i == pull->first && is_done)
			pull->first++;
		if (!is_done && !pull->pieces[i].running)
			r = transfer_begin(pull, i, err);
	}
	if (pull->running != before)
		share_rate(pull);
	return r;
}

static int pull_collect(struct pull *pull, struct error **err)
{
	CURLMsg *message;
	int left, r;

	while ((message = curl_multi_info_read(pull->http->multi, &left))) {
		struct transfer *transfer = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		r = transfer_finish(transfer, message->data.result, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int pull_wait(struct pull *pull, struct error **err)
{
	const struct remote_http_options *options = &pull->http->options;
	uint64_t now = http_now_ms(), asked = pull->http->rate_asked_ms;
	uint64_t wait = pull->not_before > now ? MIN(pull->not_before - now, UINT64_C(1000)) : 1000;
	int running;

	if (options->stop && options->stop(options->userdata))
		return error_set(err, -ECANCELED, "stopped");
	(void)rate_now(pull->http);
	if (pull->http->rate_asked_ms != asked)
		share_rate(pull);
	if (curl_multi_perform(pull->http->multi, &running) != CURLM_OK ||
		(running > 0 || pull->running == 0
				? curl_multi_poll(pull->http->multi, NULL, 0, (int)wait, NULL)
				: CURLM_OK) != CURLM_OK)
		return error_set(err, -EIO, "libcurl can't go on");
	return 0;
}

static int http_fetch(void *userdata, const struct remote_request *request, struct error **err)
{
	struct remote_http *http = userdata;
	_cleanup_(pull_release) struct pull pull = {
		.http = http, .request = request, .whole = http->counts.whole};
	int r = 0;

	if (pull.whole && request->ranges_only)
		return error_set(err, -EOPNOTSUPP, "%s", no_ranges);
	pull.url = string_format("%s%s%s", http->url, endswith(http->url, "/") ? "" : "/", request->name);
	pull.pieces = calloc(request->count, sizeof(*pull.pieces));
	if (!pull.url || !pull.pieces)
		return error_set_errno(err, -ENOMEM, "%s", request->name);
	while (r >= 0 && pull.done < request->count) {
		r = pull_start(&pull, err);
		if (r >= 0)
			r = pull_wait(&pull, err);
		if (r >= 0)
			r = pull_collect(&pull, err);
	}
	return r;
}

static void http_counts(void *userdata, struct remote_counts *ret)
{
	*ret = ((struct remote_http *)userdata)->counts;
}

struct remote remote_http_remote(struct remote_http *http)
{
	static const struct remote_ops ops = {.fetch = http_fetch, .counts = http_counts};

	return (struct remote){.ops = &ops, .userdata = http, .parallel = http->options.connections};
}
