/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/node-stage.h"

#include <errno.h>

#include "base/http.h"
#include "base/string-util.h"
#include "update/node-kernel.h"
#include "update/release-trust.h"

/* The first system call that reads past the cache wants this alignment of any disk. */
#define PLACE_ALIGN 4096

struct staging {
	struct node *node;
	struct node_releases *releases;
	const struct node_stage_watch *watch;
	const struct release_info *info;
	struct block_file uki_file;
	struct block_io uki; /* the kernel image, when it is there */
	char *url;	     /* of the release's folder */
	struct node_stage_result *result;
};

/* The devices of both slots, opened for the worker: it can read them, and nothing else of the disk. */
struct places {
	int fds[4];
};

static void places_close(struct places *places)
{
	for (size_t i = 0; i < ARRAY_SIZE(places->fds); i++)
		if (places->fds[i] >= 0)
			(void)close(places->fds[i]);
}

static int open_place(const struct staging *staging, const struct gpt_partition *partition, int *fd,
	struct worker_place *ret, struct error **err)
{
	*fd = node_open_partition(staging->node, partition->number, err);
	if (*fd < 0)
		return *fd;
	*ret = (struct worker_place){.fd = *fd, .size = partition->size, .align = PLACE_ALIGN};
	return 0;
}

static int open_places(const struct staging *staging, const struct node_slot *slot,
	const struct node_slot *active_slot, struct places *places, struct worker_bring *bring,
	struct error **err)
{
	int r = open_place(staging, &slot->usr, &places->fds[0], &bring->target_data, err);

	if (r >= 0)
		r = open_place(staging, &slot->verity, &places->fds[1], &bring->target_hash, err);
	if (r >= 0)
		r = open_place(staging, &active_slot->usr, &places->fds[2], &bring->active_data, err);
	if (r >= 0)
		r = open_place(staging, &active_slot->verity, &places->fds[3], &bring->active_hash, err);
	return r;
}

static int bring(const struct node_slot *slot, const struct usr_slot *target,
	const struct node_slot *active_slot, const struct usr_slot *active, void *userdata,
	struct error **err)
{
	struct staging *staging = userdata;
	_cleanup_(places_close) struct places places = {.fds = {-1, -1, -1, -1}};
	struct remote_http_options source = staging->releases->source;
	struct worker_bring how = {.image = &staging->info->usr,
		.source = &source,
		.target = target,
		.active_root = staging->node->root_hash,
		.progress = staging->watch ? staging->watch->progress : NULL,
		.userdata = staging->watch ? staging->watch->userdata : NULL};
	struct remote_counts counts;
	int r = open_places(staging, slot, active_slot, &places, &how, err);

	(void)active;
	if (r < 0)
		return r;
	source.url = staging->url;
	r = worker_bring(staging->releases->worker, &how, &staging->result->update, err);
	worker_counts(staging->releases->worker, &counts);
	remote_counts_add(&counts, &staging->result->counts);
	staging->result->measures = worker_measures(staging->releases->worker);
	return r;
}

static void tell_step(enum install_step step, void *userdata)
{
	const struct staging *staging = userdata;

	if (staging->watch && staging->watch->step)
		staging->watch->step(step, staging->watch->userdata);
}

static int install(struct staging *staging, int64_t now, struct error **err)
{
	struct install how;
	int r = node_open_disk(staging->node, true, err);

	if (r < 0)
		return r;
	how = node_install(staging->node, now);
	return install_release(&how,
		&(struct install_release){.info = staging->info,
			.uki = &staging->uki,
			.bring = bring,
			.step = tell_step,
			.userdata = staging},
		&staging->result->changed, err);
}

static int check_trust(struct staging *staging, struct error **err)
{
	_cleanup_buffer_ struct buffer lists = {};
	int r = node_trust_store(staging->node, &lists, err);

	return r < 0 ? r
		     : release_trust_check(staging->info, &staging->uki,
			       &(struct trust_store){.lists = lists.data, .size = lists.size}, err);
}

/* Proves what is in the file, and brings all of the release. */
static int stage(struct staging *staging, const struct kernel_file *uki, int64_t now, struct error **err)
{
	int r;

	staging->uki_file = (struct block_file){.fd = uki->fd};
	staging->uki = block_io_file(&staging->uki_file, staging->info->uki_size);
	r = check_trust(staging, err);
	return r < 0 ? r : install(staging, now, err);
}

int node_stage(struct node *node, struct node_releases *releases, const char *version, int64_t now,
	const struct node_stage_watch *watch, struct node_stage_result *ret, struct error **err)
{
	_cleanup_release_info_ struct release_info info = {};
	_cleanup_kernel_file_ struct kernel_file uki = KERNEL_FILE_INIT;
	_cleanup_free_ char *folder = release_path(node->edition, version, node->architecture, ""),
			    *url = NULL;
	struct staging staging = {
		.node = node, .releases = releases, .watch = watch, .info = &info, .result = ret};
	uint64_t begun = http_now_ms();
	int r;

	*ret = (struct node_stage_result){};
	staging.url = url = folder ? string_format("%s/%s", releases->targets_url, folder) : NULL;
	if (!url)
		return error_set_errno(err, -ENOMEM, "release %s", version);
	r = node_releases_get(releases, version, &info, err);
	if (r < 0)
		return r;
	ret->size = info.usr.blocks * VERITY_BLOCK_SIZE + info.uki_size;
	r = node_kernel_bring(node, releases, &info, &uki, &ret->counts, err);
	if (r >= 0)
		r = stage(&staging, &uki, now, err);
	if (r >= 0)
		kernel_file_remove(&uki);
	if (r < 0)
		(void)error_wrap(err, "release %s", version);
	ret->ms = http_now_ms() - begun;
	return r;
}
