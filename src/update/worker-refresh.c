/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A refresh of metadata as the process sees it that trusts nobody: what it gives the worker, and how it reads
 * what came back.
 */
#include <errno.h>
#include <string.h>

#include "base/string-util.h"
#include "update/worker-work.h"

/* What a client can fetch at most: roots, the three others, and the roles that it looks at for each target.
 */
#define FILES_MAX(wanted) (TUF_ROOTS_MAX + 4 + (TUF_ROLES_MAX + 1) * (wanted))
#define METADATA_MAX MiB(24) /* bytes of all of it together */

struct refreshing {
	const struct worker_metadata *in;
	struct wire_files *files;
	size_t max_count, max_total;
	struct worker_outcome outcome;
};

static int take_refresh(struct exchange *exchange, const struct wire_message *message, struct error **err)
{
	struct refreshing *refreshing = exchange->userdata;
	int r;

	if (message->header.type == WIRE_FINISHED && refreshing->files->open == 0)
		return exchange_outcome(exchange, message, 0, &refreshing->outcome, err);
	if (message->header.type != WIRE_FILE)
		return error_set(err, -EPROTO, "the worker sent a message that does not belong here");
	r = wire_files_take(refreshing->files, message, refreshing->max_count, refreshing->max_total, err);
	if (r < 0)
		(void)error_wrap(err, "the worker sent");
	return r;
}

/* The root, and what was kept, so that the worker fetches only what is new. */
static int load_kept(const struct worker_metadata *in, struct wire_files *ret, struct error **err)
{
	static const struct {
		const char *name;
		uint64_t max;
	} documents[] = {{"root.json", TUF_ROOT_MAX}, {"timestamp.json", TUF_TIMESTAMP_MAX},
		{"snapshot.json", TUF_SNAPSHOT_MAX}, {"targets.json", TUF_TARGETS_MAX}};
	int r = wire_files_add(ret, WORKER_ROOT_NAME, in->root, in->root_size);

	for (size_t i = 0; i < ARRAY_SIZE(documents) && r >= 0; i++) {
		_cleanup_buffer_ struct buffer text = {};

		/* What can't be read is fetched anew. */
		if (in->kept->load(in->kept->userdata, documents[i].name, documents[i].max, &text, NULL) < 0)
			continue;
		if (text.size > 0 && text.size <= documents[i].max)
			r = wire_files_add(ret, documents[i].name, text.data, text.size);
	}
	return r < 0 ? error_set_errno(err, r, "metadata") : 0;
}

/* The names in *job* stay the caller's. */
static int write_job(const struct worker_metadata *in, const struct exchange *exchange, struct buffer *ret)
{
	struct worker_refresh_job job = {.now = in->now,
		.files = (uint32_t)exchange->files->count,
		.wanted_count = (uint32_t)in->wanted_count};

	exchange_source(exchange, &job.source);
	for (size_t i = 0; i < in->wanted_count; i++)
		job.wanted[i] = (struct worker_wanted_job){
			.name = (char *)in->wanted[i].name, .max = in->wanted[i].max};
	return worker_refresh_job_write(&job, ret);
}

static int set_limits(struct refreshing *refreshing, struct error **err)
{
	const struct worker_metadata *in = refreshing->in;

	if (in->wanted_count > WORKER_WANTED_MAX)
		return error_set(err, -E2BIG, "more than %d targets at once", WORKER_WANTED_MAX);
	refreshing->max_count = FILES_MAX(in->wanted_count);
	refreshing->max_total = METADATA_MAX;
	for (size_t i = 0; i < in->wanted_count; i++)
		if (!checked_add(refreshing->max_total, in->wanted[i].max, &refreshing->max_total))
			return error_set(err, -EFBIG, "%s", in->wanted[i].name);
	return 0;
}

int worker_refresh(
	struct worker *worker, const struct worker_metadata *in, struct wire_files *ret, struct error **err)
{
	struct refreshing refreshing = {.in = in, .files = ret};
	_cleanup_(wire_files_release) struct wire_files kept = {};
	_cleanup_buffer_ struct buffer job = {};
	struct exchange exchange = {.worker = worker,
		.source = in->source,
		.take = take_refresh,
		.userdata = &refreshing,
		.files = &kept};
	int r = set_limits(&refreshing, err);

	if (r >= 0)
		r = load_kept(in, &kept, err);
	if (r < 0)
		return r;
	r = write_job(in, &exchange, &job);
	if (r < 0)
		return error_set_errno(err, r, "the worker's job");
	r = exchange_run(&exchange, WIRE_REFRESH, &job, err);
	return MIN(r, 0);
}

/* What was delivered under that path. */
static int find(const struct wire_files *files, const char *folder, const char *name, uint64_t max,
	struct buffer *ret, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder, name);
	const struct wire_file *file = path ? wire_files_find(files, path) : NULL;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", name);
	/* One that isn't complete was being sent when the worker died. */
	if (!file || (files->open > 0 && file == &files->items[files->count - 1]))
		return error_set(err, -ENODATA, "%s: the worker did not fetch it", path);
	if (file->absent)
		return error_set(err, -ENOENT, "%s: the server does not have it", path);
	if (file->size > max)
		return error_set(
			err, -EFBIG, "%s has %zu bytes, more than %ju", path, file->size, (uintmax_t)max);
	buffer_append(ret, file->data, file->size);
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "%s", name) : 0;
}

int worker_files_fetch(const struct wire_files *files, const char *name, uint64_t max, struct buffer *ret,
	struct error **err)
{
	return find(files, "metadata", name, max, ret, err);
}

int worker_files_target(const struct wire_files *files, struct tuf_client *client, const char *name,
	struct buffer *ret, struct error **err)
{
	_cleanup_tuf_target_info_ struct tuf_target_info info = {};
	size_t before = ret->size;
	int r = tuf_client_target(client, name, &info, err);

	if (r >= 0)
		r = find(files, "targets", info.path, info.length, ret, err);
	if (r >= 0)
		r = tuf_target_check(&info, ret->data + before, ret->size - before, err);
	if (r < 0)
		ret->size = before;
	return r;
}
