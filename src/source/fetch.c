/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/fetch.h"

#include <errno.h>
#include <string.h>

#include "base/encoding.h"
#include "base/http.h"
#include "base/string-util.h"
#include "source/partial.h"

#define CONNECTIONS 8
#define TRIES 5
#define CONNECT_SECONDS 20
#define STALL_SECONDS 30
#define PAUSE_MS 500
#define RATE_FLOOR 1024	     /* bytes a second */
#define ERROR_BODY_MAX 65536 /* of the text that comes with a status that is an error */

struct fetch {
	CURLM *multi;
	char *proxy;
	struct fetch_options options;
};

enum transfer_state { TRANSFER_WAITING, TRANSFER_RUNNING, TRANSFER_DONE };

/* One item on its way. What belongs to a single try is reset when the try begins. */
struct transfer {
	struct fetch *fetch;
	struct fetch_item *item;
	struct progress *progress;
	enum transfer_state state;
	unsigned tries;
	uint64_t not_before; /* milliseconds, CLOCK_MONOTONIC */
	bool mistrusted;     /* a complete file had the wrong digest once */

	CURL *easy;
	struct partial partial; /* for an item with a path */
	uint64_t offset;	/* where the Range of this try begins */
	uint64_t received;	/* bytes of this try, of any kind */
	uint64_t range_begin;	/* from Content-Range */
	bool accepted;		/* the status is good, the body is the file's */
	bool html;		/* the body begins like a web page */
	struct error *fault;	/* why the write function stopped the transfer */
	char message[CURL_ERROR_SIZE];
};

int fetch_new(const struct fetch_options *options, struct fetch **ret, struct error **err)
{
	_cleanup_fetch_ struct fetch *fetch = calloc(1, sizeof(*fetch));

	if (!fetch || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return error_set_errno(err, -ENOMEM, "libcurl");
	if (options)
		fetch->options = *options;
	if (fetch->options.proxy && !(fetch->proxy = strdup(fetch->options.proxy)))
		return error_set_errno(err, -ENOMEM, "libcurl");
	fetch->options.proxy = fetch->proxy;
	fetch->options.connections = fetch->options.connections ? fetch->options.connections : CONNECTIONS;
	fetch->options.tries = fetch->options.tries ? fetch->options.tries : TRIES;
	fetch->options.connect_seconds =
		fetch->options.connect_seconds ? fetch->options.connect_seconds : CONNECT_SECONDS;
	fetch->options.stall_seconds =
		fetch->options.stall_seconds ? fetch->options.stall_seconds : STALL_SECONDS;
	fetch->options.pause_ms = fetch->options.pause_ms ? fetch->options.pause_ms : PAUSE_MS;
	fetch->multi = curl_multi_init();
	if (!fetch->multi)
		return error_set_errno(err, -ENOMEM, "libcurl");
	(void)curl_multi_setopt(
		fetch->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)fetch->options.connections);
	*ret = TAKE_PTR(fetch);
	return 0;
}

struct fetch *fetch_free(struct fetch *fetch)
{
	if (fetch) {
		curl_multi_cleanup(fetch->multi);
		free(fetch->proxy);
		free(fetch);
	}
	return NULL;
}

static uint64_t transfer_size(const struct transfer *transfer)
{
	return transfer->item->path ? transfer->partial.size : transfer->item->body->size;
}

static int transfer_restart(struct transfer *transfer)
{
	progress_add(transfer->progress, UINT64_C(0) - transfer_size(transfer));
	if (transfer->item->path)
		return partial_restart(&transfer->partial);
	transfer->item->body->size = 0;
	return 0;
}

/* ---- What libcurl calls ---- */

static size_t on_header(char *data, size_t unit, size_t size, void *userdata)
{
	struct transfer *transfer = userdata;
	struct http_range range;

	(void)unit;
	/* A redirect's headers come first; each answer begins with its status line. */
	if (size >= 5 && memcmp(data, "HTTP/", 5) == 0)
		transfer->range_begin = UINT64_MAX;
	if (http_parse_range(data, size, &range))
		transfer->range_begin = range.begin;
	return size;
}

/* Begins like a page in HTML. Nothing that a repository is asked for does: ar, xz, gzip and clear-signed
 * text. */
static bool looks_like_html(const char *data, size_t size)
{
	while (size > 0 && (*data == ' ' || *data == '\n' || *data == '\r' || *data == '\t'))
		data++, size--;
	return size > 0 && *data == '<';
}

/* Decides with the first bytes of a body what they are. Returns 0 or a negative errno with transfer->fault
 * set. */
static int accept_body(struct transfer *transfer, const char *data, size_t size)
{
	long status = 0;
	int r = 0;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	transfer->html = status == 200 && looks_like_html(data, size);
	transfer->accepted = !transfer->html && (status == 200 || status == 206 || status == 0);
	if (!transfer->accepted)
		return 0;
	/* The whole file where the rest was asked for: the server ignores Range. */
	if (status == 200 && transfer->offset > 0)
		r = transfer_restart(transfer);
	else if (status == 206 && transfer->range_begin != transfer->offset) {
		(void)error_set(
			&transfer->fault, -EAGAIN, "the server sent another range than was asked for");
		return transfer_restart(transfer) < 0 ? -EIO : -EAGAIN;
	}
	if (r < 0 && !transfer->fault)
		(void)error_set_errno(&transfer->fault, r, "%s", transfer->partial.path);
	return r;
}

static int store_body(struct transfer *transfer, const char *data, size_t size)
{
	const struct fetch_item *item = transfer->item;
	uint64_t have = transfer_size(transfer);
	int r;

	if (size > item->size || have > item->size - size)
		return error_set(&transfer->fault, -EBADMSG, "longer than the %ju bytes that it may have",
			(uintmax_t)item->size);
	if (!item->path) {
		buffer_append(item->body, data, size);
		return buffer_failed(item->body) ? error_set_errno(&transfer->fault, -ENOMEM, "answer") : 0;
	}
	r = partial_append(&transfer->partial, data, size);
	if (r < 0)
		return error_set_errno(&transfer->fault, r, "%s", transfer->partial.path);
	return 0;
}

static size_t on_body(char *data, size_t unit, size_t size, void *userdata)
{
	struct transfer *transfer = userdata;

	(void)unit;
	if (transfer->received == 0 && size > 0 && accept_body(transfer, data, size) < 0)
		return 0;
	transfer->received += size;
	if (!transfer->accepted)
		return transfer->html || transfer->received > ERROR_BODY_MAX ? 0 : size;
	if (store_body(transfer, data, size) < 0)
		return 0;
	progress_add(transfer->progress, size);
	return size;
}

/* ---- One try ---- */

static int set_options(struct transfer *transfer)
{
	const struct fetch_options *options = &transfer->fetch->options;
	const struct http_limits limits = {.proxy = options->proxy,
		.connect_seconds = options->connect_seconds,
		.stall_seconds = options->stall_seconds,
		.floor = RATE_FLOOR};
	CURL *easy = transfer->easy;
	CURLcode code = CURLE_OK;
	char range[32];
	int r = http_prepare(easy, transfer->item->url, &limits, transfer->message);

	if (r < 0)
		return r;
#define SET(option, value)                                            \
	do {                                                          \
		if (code == CURLE_OK)                                 \
			code = curl_easy_setopt(easy, option, value); \
	} while (0)
	SET(CURLOPT_PRIVATE, (void *)transfer);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, (void *)transfer);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, (void *)transfer);
	if (transfer->offset > 0) {
		(void)snprintf(range, sizeof(range), "%ju-", (uintmax_t)transfer->offset);
		SET(CURLOPT_RANGE, range);
	}
#undef SET
	return code == CURLE_OK ? 0 : code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -ENOTSUP;
}

static void transfer_end(struct transfer *transfer)
{
	if (transfer->easy) {
		(void)curl_multi_remove_handle(transfer->fetch->multi, transfer->easy);
		curl_easy_cleanup(transfer->easy);
		transfer->easy = NULL;
	}
	if (transfer->item->path)
		partial_release(&transfer->partial);
	transfer->fault = error_free(transfer->fault);
}

/* Checks a complete file and gives it its name. -EBADMSG where it is another one; it is then emptied. */
static int transfer_complete(struct transfer *transfer, struct error **err)
{
	const struct fetch_item *item = transfer->item;
	char found[SHA256_HEX_SIZE], expected[SHA256_HEX_SIZE];
	uint8_t digest[SHA256_SIZE];
	int r;

	if (!item->path)
		return 0;
	partial_digest(&transfer->partial, digest);
	if (memcmp(digest, item->sha256, SHA256_SIZE) == 0)
		return partial_commit(&transfer->partial, item->path, err);
	hex_encode(digest, SHA256_SIZE, found);
	hex_encode(item->sha256, SHA256_SIZE, expected);
	r = transfer_restart(transfer);
	if (r < 0)
		return error_set_errno(err, r, "%s", transfer->partial.path);
	return error_set(err, -EBADMSG,
		"its SHA-256 is %s, and the signed metadata says %s: the mirror is damaged, or changes files "
		"on the way "
		"(try another with --mirror)",
		found, expected);
}

/* Begins a try. Returns 1 where a transfer is under way, 0 where the file is complete already. */
static int transfer_begin(struct transfer *transfer, struct error **err)
{
	struct fetch_item *item = transfer->item;
	int r;

	transfer->tries++;
	transfer->offset = transfer->received = 0;
	transfer->accepted = transfer->html = false;
	transfer->range_begin = UINT64_MAX;
	transfer->message[0] = 0;
	if (item->path) {
		r = partial_open(&transfer->partial, item->path, item->size, err);
		if (r < 0)
			return r;
		progress_add(transfer->progress, transfer->partial.size);
		if (transfer->partial.size == item->size && transfer_complete(transfer, NULL) >= 0)
			return 0;
		if (http_is_file_url(item->url) && (r = transfer_restart(transfer)) < 0)
			return error_set_errno(err, r, "%s", transfer->partial.path);
		transfer->offset = transfer->partial.size;
	} else {
		item->body->size = 0;
	}
	transfer->easy = curl_easy_init();
	r = transfer->easy ? set_options(transfer) : -ENOMEM;
	if (r >= 0 && curl_multi_add_handle(transfer->fetch->multi, transfer->easy) != CURLM_OK)
		r = -ENOMEM;
	return r < 0 ? error_set_errno(err, r, "libcurl") : 1;
}

/* ---- What came of it ---- */

static bool is_missing(CURLcode code, long status)
{
	return code == CURLE_FILE_COULDNT_READ_FILE || code == CURLE_REMOTE_FILE_NOT_FOUND || status == 404 ||
	       status == 410;
}

static int judge_body(struct transfer *transfer, struct error **err)
{
	uint64_t have = transfer_size(transfer);
	int r;

	if (!transfer->item->path)
		return 0;
	if (have < transfer->item->size)
		return error_set(err, -EAGAIN, "ended after %ju of %ju bytes", (uintmax_t)have,
			(uintmax_t)transfer->item->size);
	r = transfer_complete(transfer, err);
	if (r == -EBADMSG && !transfer->mistrusted) {
		/* The part from an earlier run may be to blame, or a fault on the way: once more, from the
		 * beginning. */
		transfer->mistrusted = true;
		if (err && *err)
			(*err)->code = -EAGAIN;
		return -EAGAIN;
	}
	return r;
}

static int judge_fault(struct transfer *transfer, struct error **err)
{
	int code = transfer->fault->code;

	error_move(err, TAKE_PTR(transfer->fault));
	if (code == -ENOSPC || code == -EDQUOT || code == -EFBIG)
		return error_wrap(err,
			"there is no room for the file (free some, or choose another folder with --cache)");
	if (code == -EBADMSG && transfer->offset > 0) {
		/* What we had was perhaps not its beginning. */
		(void)transfer_restart(transfer);
		return -EAGAIN;
	}
	return code;
}

/* Returns 0: fetched (or known to be missing); -EAGAIN: try again; else lasting. */
static int judge(struct transfer *transfer, CURLcode code, struct error **err)
{
	const struct http_outcome outcome = {.easy = transfer->easy,
		.code = code,
		.message = transfer->message,
		.is_page = transfer->html};
	uint64_t wait_ms;
	long status = 0;
	int r;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (transfer->fault)
		return judge_fault(transfer, err);
	if (is_missing(code, status)) {
		transfer->item->missing = true;
		if (transfer->item->optional)
			return 0;
		return error_set(err, -ENOENT,
			"the server does not have it: the mirror is being updated (try again in some "
			"minutes) or out of date "
			"(choose another with --mirror)");
	}
	if (status == 416 && transfer->offset > 0) {
		r = transfer_restart(transfer);
		return r < 0 ? error_set_errno(err, r, "%s", transfer->partial.path)
			     : error_set(err, -EAGAIN, "the server has less of it than we do");
	}
	r = http_judge(&outcome, &wait_ms, err);
	if (wait_ms > 0)
		transfer->not_before = http_now_ms() + wait_ms;
	return r < 0 ? r : judge_body(transfer, err);
}

static int name_fault(const struct transfer *transfer, struct error **err)
{
	return error_wrap(err, "%s: %s", transfer->item->name, transfer->item->url);
}

static int transfer_finish(struct transfer *transfer, CURLcode code, struct error **err)
{
	_cleanup_error_ struct error *fault = NULL;
	uint64_t next;
	int r;

	transfer->not_before = 0;
	r = judge(transfer, code, &fault);
	if (r == -EAGAIN && transfer->tries < transfer->fetch->options.tries) {
		/* The bytes that are kept are counted again when they are taken up. */
		progress_add(transfer->progress, UINT64_C(0) - transfer_size(transfer));
		next = http_now_ms() + http_pause_ms(transfer->tries, transfer->fetch->options.pause_ms);
		transfer->not_before = MAX(transfer->not_before, next);
		transfer->state = TRANSFER_WAITING;
		transfer_end(transfer);
		return 0;
	}
	transfer->state = TRANSFER_DONE;
	transfer_end(transfer);
	if (r >= 0)
		return 0;
	error_move(err, TAKE_PTR(fault));
	if (r == -EAGAIN) {
		(void)error_wrap(err, "given up after %u tries", transfer->tries);
		if (err && *err)
			(*err)->code = r = -ETIMEDOUT;
	}
	(void)name_fault(transfer, err);
	return r;
}

/* ---- All of them ---- */

struct batch {
	struct transfer *transfers;
	size_t count;
	size_t running, done;
};

static void batch_release(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		transfer_end(&batch->transfers[i]);
	free(batch->transfers);
}

/* Begins what may begin; *ret_wait* is the time until something else may, in milliseconds. */
static int batch_start(struct batch *batch, const struct fetch *fetch, uint64_t *ret_wait, struct error **err)
{
	uint64_t now = http_now_ms();

	*ret_wait = 1000;
	for (size_t i = 0; i < batch->count && batch->running < fetch->options.connections; i++) {
		struct transfer *transfer = &batch->transfers[i];
		int r;

		if (transfer->state != TRANSFER_WAITING)
			continue;
		if (transfer->not_before > now) {
			*ret_wait = MIN(*ret_wait, transfer->not_before - now);
			continue;
		}
		r = transfer_begin(transfer, err);
		if (r < 0)
			return name_fault(transfer, err);
		if (r > 0) {
			transfer->state = TRANSFER_RUNNING;
			batch->running++;
		} else {
			transfer->state = TRANSFER_DONE;
			batch->done++;
			transfer_end(transfer);
		}
	}
	return 0;
}

static int batch_collect(struct batch *batch, const struct fetch *fetch, struct error **err)
{
	CURLMsg *message;
	int left, r;

	while ((message = curl_multi_info_read(fetch->multi, &left))) {
		struct transfer *transfer = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		batch->running--;
		r = transfer_finish(transfer, message->data.result, err);
		if (r < 0)
			return r;
		batch->done += transfer->state == TRANSFER_DONE;
	}
	return 0;
}

int fetch_run(struct fetch *fetch, struct fetch_item *items, size_t count, struct progress *progress,
	struct error **err)
{
	_cleanup_(batch_release) struct batch batch = {};
	int r, running;

	batch.transfers = calloc(count ? count : 1, sizeof(*batch.transfers));
	if (!batch.transfers)
		return error_set_errno(err, -ENOMEM, "libcurl");
	for (size_t i = 0; i < count; i++) {
		items[i].missing = false;
		batch.transfers[i] = (struct transfer){
			.fetch = fetch, .item = &items[i], .progress = progress, .partial = PARTIAL_INIT};
	}
	batch.count = count;
	for (;;) {
		uint64_t wait;
		CURLMcode code;

		r = batch_start(&batch, fetch, &wait, err);
		if (r < 0 || batch.done == count)
			return r;
		code = curl_multi_poll(fetch->multi, NULL, 0, (int)wait, NULL);
		if (code == CURLM_OK)
			code = curl_multi_perform(fetch->multi, &running);
		if (code != CURLM_OK)
			return error_set(err, code == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO,
				"libcurl can't go on: %s", curl_multi_strerror(code));
		r = batch_collect(&batch, fetch, err);
		if (r < 0)
			return r;
	}
}
