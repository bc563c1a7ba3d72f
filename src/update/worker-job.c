/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/worker-job.h"

#include <errno.h>
#include <string.h>

#define COUNT_MAX (UINT64_C(1) << 56) /* of bytes and requests, where nothing else bounds them */

/* ---- What every job begins with ---- */

void worker_source_job_release(struct worker_source_job *job)
{
	free(job->url);
	free(job->proxy);
	free(job->authorities);
	*job = (struct worker_source_job){};
}

static void write_source(const struct worker_source_job *job, struct buffer *ret)
{
	buffer_append_le32(ret, job->uid);
	buffer_append_le32(ret, job->gid);
	wire_put_string(ret, job->http.url);
	wire_put_string(ret, job->http.proxy);
	wire_put_string(ret, job->http.authorities);
	buffer_append_le32(ret, job->http.connections);
	buffer_append_le32(ret, job->http.tries);
	buffer_append_le32(ret, job->http.connect_seconds);
	buffer_append_le32(ret, job->http.stall_seconds);
	buffer_append_le32(ret, job->http.pause_ms);
	buffer_append_le64(ret, job->http.floor);
	buffer_append_le64(ret, job->rate);
	buffer_append_le32(ret, job->is_limited);
}

static void take_source(struct wire_fields *fields, struct worker_source_job *ret)
{
	ret->uid = wire_take_u32(fields);
	ret->gid = wire_take_u32(fields);
	ret->url = wire_take_string(fields, WORKER_URL_MAX);
	ret->proxy = wire_take_string(fields, WORKER_URL_MAX);
	ret->authorities = wire_take_string(fields, WORKER_URL_MAX);
	ret->http = (struct remote_http_options){
		.url = ret->url, .proxy = ret->proxy, .authorities = ret->authorities};
	ret->http.connections = wire_take_u32(fields);
	ret->http.tries = wire_take_u32(fields);
	ret->http.connect_seconds = wire_take_u32(fields);
	ret->http.stall_seconds = wire_take_u32(fields);
	ret->http.pause_ms = wire_take_u32(fields);
	ret->http.floor = wire_take_u64(fields);
	ret->rate = wire_take_u64(fields);
	ret->is_limited = wire_take_u32(fields) != 0;
	if (!ret->url)
		fields->failed = true;
}

static int finish(const struct buffer *job)
{
	return buffer_failed(job) ? -ENOMEM : job->size > WIRE_PAYLOAD_MAX ? -EFBIG : 0;
}

/* ---- Bring ---- */

void worker_bring_job_release(struct worker_bring_job *job)
{
	worker_source_job_release(&job->source);
	image_files_release(&job->image);
}

int worker_bring_job_write(const struct worker_bring_job *job, struct buffer *ret)
{
	json_t *json = image_files_json(&job->image);
	_cleanup_free_ char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	if (!text)
		return -ENOMEM;
	write_source(&job->source, ret);
	for (size_t i = 0; i < WORKER_PLACES; i++) {
		buffer_append_le64(ret, job->places[i].begin);
		buffer_append_le64(ret, job->places[i].size);
		buffer_append_le32(ret, job->places[i].align);
	}
	buffer_append_le32(ret, job->threads);
	buffer_append_le64(ret, job->window);
	buffer_append_le32(ret, job->no_patch);
	buffer_append_le32(ret, job->no_tree_delta);
	buffer_append_le32(ret, job->has_active_root);
	buffer_append(ret, job->active_root, SHA256_SIZE);
	wire_put_string(ret, text);
	return finish(ret);
}

static int parse_image(const char *text, struct image_files *ret, struct error **err)
{
	json_t *json = json_loads(text, 0, NULL);
	int r = json ? image_files_parse(json, ret, err) : error_set(err, -EBADMSG, "no JSON");

	json_decref(json);
	return r;
}

static bool are_places(const struct worker_place_job *places)
{
	for (size_t i = 0; i < WORKER_PLACES; i++)
		if (places[i].size > (uint64_t)INT64_MAX - MIN(places[i].begin, (uint64_t)INT64_MAX) ||
			(places[i].align != 0 &&
				(!is_power_of_two_u64(places[i].align) || places[i].align > WIRE_ALIGN)))
			return false;
	return true;
}

int worker_bring_job_parse(const void *data, size_t size, struct worker_bring_job *ret, struct error **err)
{
	struct wire_fields fields = {.data = data, .size = size};
	_cleanup_free_ char *text = NULL;
	int r;

	take_source(&fields, &ret->source);
	for (size_t i = 0; i < WORKER_PLACES; i++) {
		ret->places[i].begin = wire_take_u64(&fields);
		ret->places[i].size = wire_take_u64(&fields);
		ret->places[i].align = wire_take_u32(&fields);
	}
	ret->threads = wire_take_u32(&fields);
	ret->window = wire_take_u64(&fields);
	ret->no_patch = wire_take_u32(&fields) != 0;
	ret->no_tree_delta = wire_take_u32(&fields) != 0;
	ret->has_active_root = wire_take_u32(&fields) != 0;
	wire_take_bytes(&fields, ret->active_root, SHA256_SIZE);
	text = wire_take_string(&fields, WIRE_PAYLOAD_MAX);
	r = wire_fields_end(&fields, "job", err);
	if (r < 0)
		return r;
	if (!text || ret->window == 0 || !are_places(ret->places))
		return error_set(err, -EPROTO, "a malformed job");
	return parse_image(text, &ret->image, err);
}

int worker_runs_write(const struct slot_run *runs, size_t count, struct buffer *ret)
{
	for (size_t i = 0; i < count; i++) {
		buffer_append_le32(ret, (uint32_t)runs[i].place);
		buffer_append_le32(ret, runs[i].from);
		buffer_append_le32(ret, runs[i].to);
		buffer_append_le32(ret, runs[i].count);
	}
	return buffer_failed(ret) ? -ENOMEM : 0;
}

void worker_runs_parse(const uint8_t *data, size_t size, struct slot_run *ret)
{
	struct wire_fields fields = {.data = data, .size = size};

	for (size_t i = 0; i < size / WIRE_RUN_SIZE; i++) {
		ret[i].place = (enum slot_place)wire_take_u32(&fields);
		ret[i].from = wire_take_u32(&fields);
		ret[i].to = wire_take_u32(&fields);
		ret[i].count = wire_take_u32(&fields);
	}
}

/* ---- Get ---- */

void worker_get_job_release(struct worker_get_job *job)
{
	worker_source_job_release(&job->source);
	free(job->name);
	job->name = NULL;
}

int worker_get_job_write(const struct worker_get_job *job, struct buffer *ret)
{
	write_source(&job->source, ret);
	wire_put_string(ret, job->name);
	buffer_append_le64(ret, job->size);
	return finish(ret);
}

int worker_get_job_parse(const void *data, size_t size, struct worker_get_job *ret, struct error **err)
{
	struct wire_fields fields = {.data = data, .size = size};
	int r;

	take_source(&fields, &ret->source);
	ret->name = wire_take_string(&fields, WIRE_NAME_MAX);
	ret->size = wire_take_u64(&fields);
	r = wire_fields_end(&fields, "job", err);
	if (r >= 0 && (!ret->name || ret->size == 0))
		r = error_set(err, -EPROTO, "a malformed job");
	return r;
}

/* ---- Refresh ---- */

void worker_refresh_job_release(struct worker_refresh_job *job)
{
	worker_source_job_release(&job->source);
	for (size_t i = 0; i < WORKER_WANTED_MAX; i++)
		free(job->wanted[i].name);
	*job = (struct worker_refresh_job){};
}

int worker_refresh_job_write(const struct worker_refresh_job *job, struct buffer *ret)
{
	write_source(&job->source, ret);
	buffer_append_le64(ret, (uint64_t)job->now);
	buffer_append_le32(ret, job->files);
	buffer_append_le32(ret, job->wanted_count);
	for (size_t i = 0; i < job->wanted_count; i++) {
		wire_put_string(ret, job->wanted[i].name);
		buffer_append_le64(ret, job->wanted[i].max);
	}
	return finish(ret);
}

int worker_refresh_job_parse(
	const void *data, size_t size, struct worker_refresh_job *ret, struct error **err)
{
	struct wire_fields fields = {.data = data, .size = size};
	uint32_t count;

	take_source(&fields, &ret->source);
	ret->now = (int64_t)wire_take_u64(&fields);
	ret->files = wire_take_u32(&fields);
	count = wire_take_u32(&fields);
	if (ret->files == 0 || ret->files > WORKER_KEPT_MAX || count > WORKER_WANTED_MAX)
		return error_set(err, -EPROTO, "a malformed job");
	for (; ret->wanted_count < count && !fields.failed; ret->wanted_count++) {
		struct worker_wanted_job *wanted = &ret->wanted[ret->wanted_count];

		wanted->name = wire_take_string(&fields, WIRE_NAME_MAX);
		wanted->max = wire_take_u64(&fields);
		fields.failed = fields.failed || !wanted->name;
	}
	return wire_fields_end(&fields, "job", err);
}

/* ---- What comes of them ---- */

void worker_outcome_write(const struct worker_outcome *outcome, struct buffer *ret)
{
	const struct usr_update_result *update = &outcome->update;
	const uint64_t numbers[] = {update->kept, update->zero, update->from_active, update->from_target,
		update->patched, update->fetched, update->damaged, update->tree_bytes, update->index_bytes,
		update->patch_bytes, update->block_bytes, outcome->counts.requests, outcome->counts.bytes,
		outcome->counts.overhead, outcome->counts.faults};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		buffer_append_le64(ret, numbers[i]);
	buffer_append_le32(ret, update->rounds);
	buffer_append_le32(ret, update->tree_kept);
	buffer_append_le32(ret, update->tree_delta);
	buffer_append_le32(ret, outcome->counts.whole);
}

int worker_outcome_parse(
	const void *data, size_t size, uint64_t blocks, struct worker_outcome *ret, struct error **err)
{
	struct wire_fields fields = {.data = data, .size = size};
	struct worker_outcome outcome = {.update.blocks = blocks};
	struct usr_update_result *update = &outcome.update;
	/* Every round may bring every block anew. */
	uint64_t most = USR_UPDATE_ROUNDS * blocks;
	const struct {
		uint64_t *into, most;
	} numbers[] = {{&update->kept, blocks}, {&update->zero, most}, {&update->from_active, most},
		{&update->from_target, most}, {&update->patched, most}, {&update->fetched, most},
		{&update->damaged, most}, {&update->tree_bytes, COUNT_MAX}, {&update->index_bytes, COUNT_MAX},
		{&update->patch_bytes, COUNT_MAX}, {&update->block_bytes, COUNT_MAX},
		{&outcome.counts.requests, COUNT_MAX}, {&outcome.counts.bytes, COUNT_MAX},
		{&outcome.counts.overhead, COUNT_MAX}, {&outcome.counts.faults, COUNT_MAX}};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		*numbers[i].into = wire_take_u64(&fields);
		if (*numbers[i].into > numbers[i].most)
			fields.failed = true;
	}
	update->rounds = wire_take_u32(&fields);
	if (update->rounds > USR_UPDATE_ROUNDS)
		fields.failed = true;
	update->tree_kept = wire_take_u32(&fields) != 0;
	update->tree_delta = wire_take_u32(&fields) != 0;
	outcome.counts.whole = wire_take_u32(&fields) != 0;
	r = wire_fields_end(&fields, "outcome", err);
	if (r >= 0)
		*ret = outcome;
	return r;
}
