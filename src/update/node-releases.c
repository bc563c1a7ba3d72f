/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/node-releases.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/string-util.h"

#define ROOT "/usr/share/orlop/root.json"
#define METADATA NODE_STATE "/tuf"
#define KEPT_INDEX NODE_STATE "/" RELEASE_INDEX_TARGET

struct node_releases *node_releases_free(struct node_releases *releases)
{
	if (releases) {
		release_index_release(&releases->index);
		tuf_client_free(releases->client);
		worker_free(releases->worker);
		free(releases->targets_url);
		free(releases);
	}
	return NULL;
}

/* ---- What is kept ---- */

/* What the worker brought, for a client that keeps what it verified. */
struct delivery {
	const struct node *node;
	struct wire_files files;
};

static void delivery_release(struct delivery *delivery)
{
	wire_files_release(&delivery->files);
}

static char *kept_path(const struct node *node, const char *name)
{
	return string_format("%s" METADATA "/%s", node->root, name);
}

static int load(
	const struct node *node, const char *name, uint64_t max, struct buffer *ret, struct error **err)
{
	_cleanup_free_ char *path = kept_path(node, name), *data = NULL;
	size_t size;
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", name);
	r = file_read(path, max, &data, &size, err);
	if (r >= 0)
		buffer_append(ret, data, size);
	return r;
}

static int store(const struct node *node, const char *name, const void *data, size_t size, struct error **err)
{
	_cleanup_free_ char *path = kept_path(node, name);

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", name);
	if (size > 0)
		return file_write_atomic(path, data, size, 0600, err);
	return unlink(path) < 0 && errno != ENOENT ? error_set_errno(err, -errno, "%s", path) : 0;
}

/* ---- Metadata ---- */

static int fetch(void *userdata, const char *name, uint64_t max, struct buffer *ret, struct error **err)
{
	const struct delivery *delivery = userdata;

	return worker_files_fetch(&delivery->files, name, max, ret, err);
}

static int load_kept(void *userdata, const char *name, uint64_t max, struct buffer *ret, struct error **err)
{
	return load(((struct delivery *)userdata)->node, name, max, ret, err);
}

static int store_kept(void *userdata, const char *name, const void *data, size_t size, struct error **err)
{
	return store(((struct delivery *)userdata)->node, name, data, size, err);
}

/* Nothing is newer than what was kept, as far as anybody knows. */
static int fetch_kept(void *userdata, const char *name, uint64_t max, struct buffer *ret, struct error **err)
{
	if (streq(name, "timestamp.json"))
		return load_kept(userdata, name, max, ret, err);
	return error_set(err, -ENOENT, "%s was not kept", name);
}

static int store_nothing(void *userdata, const char *name, const void *data, size_t size, struct error **err)
{
	(void)userdata;
	(void)name;
	(void)data;
	(void)size;
	(void)err;
	return 0;
}

static int take_index(struct node_releases *releases, const struct delivery *delivery, struct error **err)
{
	_cleanup_free_ char *kept = node_path(releases->node, KEPT_INDEX);
	_cleanup_buffer_ struct buffer text = {};
	int r = worker_files_target(&delivery->files, releases->client, RELEASE_INDEX_TARGET, &text, err);

	if (r >= 0)
		r = release_index_parse(text.data, text.size, &releases->index, err);
	if (r < 0)
		return error_wrap(err, "%s", RELEASE_INDEX_TARGET);
	if (!kept)
		return error_set_errno(err, -ENOMEM, "%s", RELEASE_INDEX_TARGET);
	return file_write_atomic(kept, text.data, text.size, 0644, err);
}

/* The worker's steps, and then the same ones here. */
static int refresh(
	struct node_releases *releases, const char *root, size_t root_size, int64_t now, struct error **err)
{
	_cleanup_(delivery_release) struct delivery delivery = {.node = releases->node};
	const struct tuf_client_io io = {
		.fetch = fetch, .load = load_kept, .store = store_kept, .userdata = &delivery};
	static const struct worker_wanted wanted = {.name = RELEASE_INDEX_TARGET, .max = RELEASE_INDEX_MAX};
	int r = worker_refresh(releases->worker,
		&(struct worker_metadata){.source = &releases->source,
			.kept = &io,
			.root = root,
			.root_size = root_size,
			.now = now,
			.wanted = &wanted,
			.wanted_count = 1},
		&delivery.files, err);

	if (r >= 0)
		r = tuf_client_new(
			&(struct tuf_client_options){
				.io = &io, .root = root, .root_size = root_size, .now = now},
			&releases->client, err);
	if (r >= 0)
		r = tuf_client_refresh(releases->client, err);
	return r < 0 ? r : take_index(releases, &delivery, err);
}

static uint64_t rate_of(void *userdata)
{
	return ((const struct node_releases *)userdata)->node->config.rate_limit;
}

static bool is_stopped(void *userdata)
{
	const struct node_releases *releases = userdata;

	return releases->options.stop && releases->options.stop(releases->options.userdata);
}

static int set_up(struct node_releases *releases, const struct node *node,
	const struct node_releases_options *options, struct error **err)
{
	releases->node = node;
	releases->options = *options;
	releases->targets_url = string_format("%s/targets", node->config.repository);
	if (!releases->targets_url)
		return error_set_errno(err, -ENOMEM, "repository");
	releases->source = (struct remote_http_options){.url = node->config.repository,
		.proxy = node->config.proxy,
		.authorities = node->config.certificate_authorities,
		.rate = node->config.rate_limit > 0 ? rate_of : NULL,
		.stop = is_stopped,
		.userdata = releases};
	return worker_new(options->worker, &releases->worker, err);
}

/* The root document that the image has. */
static int read_root(const struct node *node, char **ret, size_t *ret_size, struct error **err)
{
	_cleanup_free_ char *path = node_path(node, ROOT);
	int r = path ? file_read(path, TUF_ROOT_MAX, ret, ret_size, err)
		     : error_set_errno(err, -ENOMEM, "root of trust");

	if (r == -ENOENT)
		return error_wrap(err, "this image has no root of trust for updates"), -ENOKEY;
	return r;
}

/* The index as it was kept, where it is the one that the client's metadata has. */
static int check_kept_index(struct node_releases *releases, struct error **err)
{
	_cleanup_tuf_target_info_ struct tuf_target_info info = {};
	_cleanup_free_ char *path = node_path(releases->node, KEPT_INDEX), *text = NULL;
	size_t size;
	int r = path ? file_read(path, RELEASE_INDEX_MAX, &text, &size, err)
		     : error_set_errno(err, -ENOMEM, RELEASE_INDEX_TARGET);

	if (r >= 0)
		r = tuf_client_target(releases->client, RELEASE_INDEX_TARGET, &info, err);
	if (r >= 0)
		r = tuf_target_check(&info, text, size, err);
	return r < 0 ? r : release_index_parse(text, size, &releases->index, err);
}

int node_releases_recall(const struct node *node, int64_t now, struct node_releases **ret, struct error **err)
{
	_cleanup_node_releases_ struct node_releases *releases = calloc(1, sizeof(*releases));
	struct delivery kept = {.node = node};
	const struct tuf_client_io io = {
		.fetch = fetch_kept, .load = load_kept, .store = store_nothing, .userdata = &kept};
	_cleanup_free_ char *root = NULL;
	size_t root_size;
	int r;

	if (!releases)
		return error_set_errno(err, -ENOMEM, "releases");
	releases->node = node;
	r = read_root(node, &root, &root_size, err);
	if (r >= 0)
		r = tuf_client_new(
			&(struct tuf_client_options){
				.io = &io, .root = root, .root_size = root_size, .now = now},
			&releases->client, err);
	if (r >= 0)
		r = tuf_client_refresh(releases->client, err);
	if (r >= 0)
		r = check_kept_index(releases, err);
	if (r < 0) {
		(void)error_wrap(err, "what is known of the repository");
		return r;
	}
	*ret = TAKE_PTR(releases);
	return 0;
}

int64_t node_releases_expire(const struct node_releases *releases)
{
	int64_t first = INT64_MAX;

	for (enum tuf_type type = 0; type < TUF_TYPES; type++) {
		const struct tuf_metadata *metadata = tuf_client_metadata(releases->client, type);

		if (metadata)
			first = MIN(first, metadata->expires);
	}
	return first;
}

static const char *advice(int code)
{
	switch (code) {
	case -ETIMEDOUT:
	case -EIO:
		return "does this machine reach that server? repository: and proxy: in " NODE_CONFIG_PATH
		       " say whom it asks";
	case -EACCES:
		return "may this machine read from that server?";
	default:
		return NULL;
	}
}

int node_releases_open(const struct node *node, const struct node_releases_options *options,
	struct node_releases **ret, struct error **err)
{
	_cleanup_node_releases_ struct node_releases *releases = calloc(1, sizeof(*releases));
	_cleanup_free_ char *root = NULL, *folder = node_path(node, METADATA);
	size_t root_size;
	int r;

	if (!releases || !folder)
		return error_set_errno(err, -ENOMEM, "releases");
	if (!node->config.repository)
		return error_set(err, -ENOTCONN,
			"no repository is configured: write \"repository: URL\" into %s", NODE_CONFIG_PATH);
	r = read_root(node, &root, &root_size, err);
	if (r == -ENOKEY)
		return r;
	if (r >= 0)
		r = mkdir_parents(folder, err);
	if (r >= 0)
		r = set_up(releases, node, options, err);
	if (r >= 0)
		r = refresh(releases, root, root_size, options->now, err);
	if (r < 0) {
		(void)error_advise(err, advice(r));
		(void)error_wrap(err, "repository %s", node->config.repository);
		return r;
	}
	*ret = TAKE_PTR(releases);
	return 0;
}

/* ---- One release ---- */

struct arriving {
	struct buffer *bytes;
};

static int take_bytes(const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	struct arriving *arriving = userdata;

	buffer_append(arriving->bytes, data, size);
	return buffer_failed(arriving->bytes) ? error_set_errno(err, -ENOMEM, "target") : 0;
}

int node_releases_target(struct node_releases *releases, const char *name, uint64_t max,
	struct tuf_target_info *ret, struct error **err)
{
	int r = tuf_client_target(releases->client, name, ret, err);

	if (r < 0)
		return r;
	if (ret->length > max || !ret->hashes.has_sha256)
		return error_set(err, -EFBIG, "%s: has %ju bytes, more than %ju, or no SHA-256", name,
			(uintmax_t)ret->length, (uintmax_t)max);
	return 0;
}

int node_releases_fetch(struct node_releases *releases, const struct tuf_target_info *info,
	worker_bytes_fn fn, void *userdata, struct error **err)
{
	struct remote_http_options source = releases->source;

	source.url = releases->targets_url;
	return worker_get(releases->worker,
		&(struct worker_get){.source = &source,
			.name = info->path,
			.size = info->length,
			.sha256 = info->hashes.sha256,
			.fn = fn,
			.userdata = userdata},
		err);
}

static int get_info(struct node_releases *releases, const char *name, struct buffer *ret, struct error **err)
{
	_cleanup_tuf_target_info_ struct tuf_target_info target = {};
	struct arriving arriving = {.bytes = ret};
	int r = node_releases_target(releases, name, RELEASE_INFO_MAX, &target, err);

	if (r >= 0)
		r = node_releases_fetch(releases, &target, take_bytes, &arriving, err);
	return r < 0 ? r : tuf_target_check(&target, ret->data, ret->size, err);
}

/* What the document says it is about has to be what it was asked for. */
static int check_info(
	const struct node *node, const char *version, const struct release_info *info, struct error **err)
{
	if (!streq(info->edition, node->edition) || !streq(info->architecture, node->architecture) ||
		!streq(info->version, version))
		return error_set(err, -EBADMSG, "release.json is that of %s %s for %s", info->edition,
			info->version, info->architecture);
	return 0;
}

int node_releases_get(
	struct node_releases *releases, const char *version, struct release_info *ret, struct error **err)
{
	const struct node *node = releases->node;
	_cleanup_free_ char *name = release_path(node->edition, version, node->architecture, "release.json");
	_cleanup_release_info_ struct release_info info = {};
	_cleanup_buffer_ struct buffer text = {};
	int r;

	if (!name)
		return error_set_errno(err, -ENOMEM, "release %s", version);
	r = get_info(releases, name, &text, err);
	if (r >= 0)
		r = release_info_parse(text.data, text.size, &info, err);
	if (r >= 0)
		r = check_info(node, version, &info, err);
	if (r < 0) {
		(void)error_wrap(err, "release %s", version);
		return r;
	}
	*ret = info;
	info = (struct release_info){};
	return 0;
}
