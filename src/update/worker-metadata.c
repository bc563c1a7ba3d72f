/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The worker's part of a refresh: the TUF client over HTTP, with all that it fetched kept for the parent,
 * whose own client goes the same way through it.
 */
#include <errno.h>
#include <string.h>

#include "base/string-util.h"
#include "update/http-get.h"
#include "update/tuf-client.h"
#include "update/worker-job.h"
#include "update/worker-link.h"

struct refreshing {
	struct link *link;
	const struct worker_refresh_job *job;
	struct wire_files *kept, *files;
	struct http_get_options http;
};

static bool is_stopped(void *userdata)
{
	return !link_tick(userdata);
}

/* Fetches "FOLDER/NAME" and keeps it, or that it isn't there, for the parent. */
static int fetch(struct refreshing *refreshing, const char *folder, const char *name, uint64_t max,
	struct buffer *ret, struct error **err)
{
	const char *base = refreshing->job->source.url;
	_cleanup_free_ char *path = string_format("%s/%s", folder, name);
	_cleanup_free_ char *url =
		path ? string_format("%s%s%s", base, endswith(base, "/") ? "" : "/", path) : NULL;
	size_t before = ret->size;
	int r = url ? http_get(url, max, &refreshing->http, ret, err)
		    : error_set_errno(err, -ENOMEM, "%s", name);

	if (r < 0 && r != -ENOENT)
		return r;
	if (wire_files_add(refreshing->files, path, r < 0 ? NULL : ret->data + before,
		    r < 0 ? 0 : ret->size - before) < 0)
		return r < 0 ? r : error_set_errno(err, -ENOMEM, "%s", name);
	return r;
}

static int fetch_metadata(
	void *userdata, const char *name, uint64_t max, struct buffer *ret, struct error **err)
{
	return fetch(userdata, "metadata", name, max, ret, err);
}

static int load(void *userdata, const char *name, uint64_t max, struct buffer *ret, struct error **err)
{
	const struct refreshing *refreshing = userdata;
	const struct wire_file *file = wire_files_find(refreshing->kept, name);

	if (!file || file->absent)
		return error_set(err, -ENOENT, "%s is not kept", name);
	if (file->size > max)
		return error_set(err, -EFBIG, "%s", name);
	buffer_append(ret, file->data, file->size);
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "%s", name) : 0;
}

static int store(void *userdata, const char *name, const void *data, size_t size, struct error **err)
{
	const struct refreshing *refreshing = userdata;

	/* For this client's own use later on. */
	if (wire_files_add(refreshing->kept, name, size > 0 ? data : NULL, size) < 0)
		return error_set_errno(err, -ENOMEM, "%s", name);
	return 0;
}

/* A target that isn't listed is for the parent to notice, by itself. */
static int get_target(struct refreshing *refreshing, struct tuf_client *client,
	const struct worker_wanted_job *wanted, struct error **err)
{
	_cleanup_tuf_target_info_ struct tuf_target_info info = {};
	_cleanup_error_ struct error *fault = NULL;
	_cleanup_buffer_ struct buffer content = {};
	int r = tuf_client_target(client, wanted->name, &info, &fault);

	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		error_move(err, TAKE_PTR(fault));
		return r;
	}
	if (info.length > wanted->max)
		return error_set(err, -EFBIG, "%s has %ju bytes, more than %ju", wanted->name,
			(uintmax_t)info.length, (uintmax_t)wanted->max);
	r = fetch(refreshing, "targets", info.path, info.length, &content, err);
	return r < 0 ? r : tuf_target_check(&info, content.data, content.size, err);
}

int worker_metadata_run(struct link *link, const struct worker_refresh_job *job, struct wire_files *kept,
	struct wire_files *ret, struct error **err)
{
	const struct remote_http_options *source = &job->source.http;
	struct refreshing refreshing = {.link = link,
		.job = job,
		.kept = kept,
		.files = ret,
		.http = {.proxy = source->proxy,
			.authorities = source->authorities,
			.tries = source->tries,
			.connect_seconds = source->connect_seconds,
			.stall_seconds = source->stall_seconds,
			.floor = source->floor,
			.pause_ms = source->pause_ms,
			.refuse_pages = true,
			.stop = is_stopped,
			.userdata = link}};
	const struct tuf_client_io io = {
		.fetch = fetch_metadata, .load = load, .store = store, .userdata = &refreshing};
	const struct wire_file *root = wire_files_find(kept, WORKER_ROOT_NAME);
	struct tuf_client_options options = {.io = &io, .now = job->now};
	_cleanup_tuf_client_ struct tuf_client *client = NULL;
	_cleanup_buffer_ struct buffer first = {};
	int r;

	if (!root)
		return error_set(err, -EPROTO, "no root to begin with");
	/* A copy: files that are added later move the others. */
	buffer_append(&first, root->data, root->size);
	if (buffer_failed(&first))
		return error_set_errno(err, -ENOMEM, "root");
	options.root = first.data;
	options.root_size = first.size;
	r = tuf_client_new(&options, &client, err);
	if (r >= 0)
		r = tuf_client_refresh(client, err);
	for (size_t i = 0; i < job->wanted_count && r >= 0; i++)
		r = get_target(&refreshing, client, &job->wanted[i], err);
	return r;
}
