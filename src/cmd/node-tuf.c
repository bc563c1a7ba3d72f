/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop-node tuf: the client of The Update Framework by itself, with the command line that the TUF
 * conformance suite calls (theupdateframework/tuf-conformance, CLIENT-CLI).
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <time.h>

#include "base/file.h"
#include "base/string-util.h"
#include "cmd/node.h"
#include "update/http-get.h"
#include "update/tuf-client.h"

struct values {
	const char *metadata_dir, *metadata_url, *target_name, *target_base_url, *target_dir, *authorities;
};

static const struct command_option options[] = {
	{"metadata-dir", 0, "DIR", "Where the trusted metadata is kept.", OPTION_STRING,
		offsetof(struct values, metadata_dir)},
	{"metadata-url", 0, "URL", "Of the folder with the repository's metadata: http, https or file.",
		OPTION_STRING, offsetof(struct values, metadata_url)},
	{"target-name", 0, "PATH", "Path of the target that download fetches.", OPTION_STRING,
		offsetof(struct values, target_name)},
	{"target-base-url", 0, "URL", "Of the folder with the repository's targets.", OPTION_STRING,
		offsetof(struct values, target_base_url)},
	{"target-dir", 0, "DIR",
		"Where download writes the target: into a file called as its path, with all characters but "
		"letters, "
		"digits and _.-~ as %XX.",
		OPTION_STRING, offsetof(struct values, target_dir)},
	{"authorities", 0, "FILE",
		"CA certificates in PEM that servers are trusted by, in place of the system's.",
		OPTION_STRING, offsetof(struct values, authorities)},
	{},
};

static const struct command_usage usage = {
	.name = "orlop-node tuf",
	.arguments = "init FILE | refresh | download",
	.summary =
		"Follows a repository of The Update Framework. init takes FILE as the root document that is "
		"trusted to begin with. refresh brings the metadata in --metadata-dir up to date. download "
		"does the same, and fetches a target that the metadata lists, unless it is there already.",
	.notes = "The metadata is kept as root.json, timestamp.json, snapshot.json, targets.json and "
		 "ROLE.json.",
	.options = options,
	.least = 1,
	.most = 2,
};

/* ---- What the client reads and writes ---- */

static int join_url(const char *base, const char *name, char **ret, struct error **err)
{
	*ret = string_format("%s%s%s", base, endswith(base, "/") ? "" : "/", name);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "%s", name);
}

static int fetch(void *userdata, const char *name, uint64_t max, struct buffer *ret, struct error **err)
{
	const struct values *values = userdata;
	const struct http_get_options how = {.authorities = values->authorities, .refuse_pages = true};
	_cleanup_free_ char *url = NULL;
	int r = join_url(values->metadata_url, name, &url, err);

	return r < 0 ? r : http_get(url, max, &how, ret, err);
}

static char *path_of(const struct values *values, const char *name)
{
	return string_format("%s/%s", values->metadata_dir, name);
}

static int load(void *userdata, const char *name, uint64_t max, struct buffer *ret, struct error **err)
{
	_cleanup_free_ char *path = path_of(userdata, name), *data = NULL;
	size_t size;
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", name);
	r = file_read(path, max, &data, &size, err);
	if (r < 0)
		return r;
	buffer_append(ret, data, size);
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "%s", name) : 0;
}

/*
 * The one root that is kept is root.json, and the next walk begins at it: the roots before it are not needed
 * again, and the folder has nothing but what is trusted now.
 */
static bool is_numbered_root(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return digits > 0 && streq(name + digits, ".root.json");
}

static int store(void *userdata, const char *name, const void *data, size_t size, struct error **err)
{
	_cleanup_free_ char *path = path_of(userdata, name);

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", name);
	if (is_numbered_root(name))
		return 0;
	if (size > 0)
		return file_write_atomic(path, data, size, 0644, err);
	return unlink(path) < 0 && errno != ENOENT ? error_set_errno(err, -errno, "%s", path) : 0;
}

static int new_client(const struct values *values, const void *root, size_t size, struct tuf_client **ret,
	struct error **err)
{
	const struct tuf_client_io io = {
		.fetch = fetch, .load = load, .store = store, .userdata = (void *)values};

	return tuf_client_new(
		&(struct tuf_client_options){
			.io = &io, .root = root, .root_size = size, .now = (int64_t)time(NULL)},
		ret, err);
}

/* ---- init ---- */

static int run_init(const struct values *values, const char *file, struct error **err)
{
	_cleanup_tuf_client_ struct tuf_client *client = NULL;
	_cleanup_free_ char *root = NULL;
	size_t size;
	int r = file_read(file, TUF_ROOT_MAX, &root, &size, err);

	if (r < 0)
		return r;
	r = new_client(values, root, size, &client, err);
	if (r < 0)
		return error_wrap(err, "%s", file), r;
	r = mkdir_parents(values->metadata_dir, err);
	return r < 0 ? r : store((void *)values, "root.json", root, size, err);
}

/* ---- refresh ---- */

static int run_refresh(const struct values *values, struct tuf_client **ret, struct error **err)
{
	_cleanup_buffer_ struct buffer root = {};
	int r = load((void *)values, "root.json", TUF_ROOT_MAX, &root, err);

	if (r < 0)
		return error_wrap(err, "no root is trusted yet (orlop-node tuf … init FILE)"), r;
	r = new_client(values, root.data, root.size, ret, err);
	return r < 0 ? r : tuf_client_refresh(*ret, err);
}

/* ---- download ---- */

/* A target on its way into its file. */
struct arrival {
	struct atomic_file file;
	struct tuf_hasher *hasher;
	uint64_t size;
};

static void arrival_release(struct arrival *arrival)
{
	atomic_file_discard(&arrival->file);
	tuf_hasher_free(arrival->hasher);
}

static int take_bytes(uint64_t offset, const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	struct arrival *arrival = userdata;
	struct tuf_hashes hashes;
	int r = 0;

	if (offset == 0) {
		tuf_hasher_final(arrival->hasher, &hashes);
		if (ftruncate(arrival->file.fd, 0) < 0)
			r = -errno;
	}
	tuf_hasher_update(arrival->hasher, data, size);
	arrival->size = offset + size;
	if (r >= 0)
		r = pwrite_full(arrival->file.fd, data, size, offset);
	return r < 0 ? error_set_errno(err, r, "%s", arrival->file.path) : 0;
}

/* A path is a part of a URL already, but for what can't stand in one, or would end it. */
static char *url_path(const char *path)
{
	_cleanup_buffer_ struct buffer text = {};

	for (; *path; path++)
		if (*path <= ' ' || strchr("\"#<>?\\^`{|}\x7f", *path))
			buffer_printf(&text, "%%%02X", (uint8_t)*path);
		else
			buffer_append_u8(&text, (uint8_t)*path);
	buffer_append_u8(&text, 0);
	return buffer_take(&text, NULL);
}

static int fetch_target(const struct values *values, const struct tuf_target_info *info,
	struct arrival *arrival, struct error **err)
{
	const struct http_get_options how = {.authorities = values->authorities};
	_cleanup_free_ char *path = url_path(info->path), *url = NULL;
	struct tuf_hashes hashes;
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", info->name);
	r = join_url(values->target_base_url, path, &url, err);
	if (r >= 0)
		r = http_get_to(url, info->length, &how, take_bytes, arrival, err);
	if (r < 0)
		return r;
	tuf_hasher_final(arrival->hasher, &hashes);
	if (arrival->size != info->length)
		r = error_set(err, -EBADMSG, "it has %ju bytes, and the signed metadata says %ju",
			(uintmax_t)arrival->size, (uintmax_t)info->length);
	else
		r = tuf_hashes_check(&info->hashes, &hashes, err);
	return r < 0 ? error_wrap(err, "%s", url), r : atomic_file_commit(&arrival->file, err);
}

/* True where the file is there and the right one. */
static bool is_there(const struct tuf_target_info *info, const char *path, struct tuf_hasher *hasher)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct tuf_hashes hashes;
	uint8_t block[KiB(64)];
	uint64_t size = 0;
	ssize_t n = 0;

	while (fd >= 0 && size <= info->length && (n = read(fd, block, sizeof(block))) > 0) {
		tuf_hasher_update(hasher, block, (size_t)n);
		size += (uint64_t)n;
	}
	tuf_hasher_final(hasher, &hashes);
	return fd >= 0 && n == 0 && size == info->length &&
	       tuf_hashes_check(&info->hashes, &hashes, NULL) == 0;
}

/* The path as one file name. There are two that would not be files. */
static char *target_file(const struct values *values, const char *name)
{
	_cleanup_free_ char *encoded = tuf_name_encode(name);
	bool dots = streq(name, ".") || streq(name, "..");

	return encoded ? string_format("%s/%s%s", values->target_dir, dots ? "%2E" : "", encoded + dots)
		       : NULL;
}

static int run_download(const struct values *values, struct error **err)
{
	_cleanup_(arrival_release) struct arrival arrival = {.file = ATOMIC_FILE_INIT};
	_cleanup_tuf_client_ struct tuf_client *client = NULL;
	_cleanup_tuf_target_info_ struct tuf_target_info info = {};
	_cleanup_free_ char *path = target_file(values, values->target_name);
	int r = run_refresh(values, &client, err);

	arrival.hasher = tuf_hasher_new();
	if (!path || !arrival.hasher)
		return error_set_errno(err, -ENOMEM, "%s", values->target_name);
	if (r >= 0)
		r = tuf_client_target(client, values->target_name, &info, err);
	if (r < 0 || is_there(&info, path, arrival.hasher))
		return r;
	r = mkdir_parents(values->target_dir, err);
	if (r >= 0)
		r = atomic_file_open(&arrival.file, path, 0644, err);
	return r < 0 ? r : fetch_target(values, &info, &arrival, err);
}

/* ---- The command line ---- */

/* Returns 0, or EXIT_USAGE with *err* set where a verb lacks what it needs. */
static int check_values(const struct values *values, const struct command_call *call, struct error **err)
{
	bool init = streq(call->arguments[0], "init"), download = streq(call->arguments[0], "download");
	const struct {
		bool wanted;
		const char *value, *name;
	} needs[] = {
		{true, values->metadata_dir, "metadata-dir"},
		{!init, values->metadata_url, "metadata-url"},
		{download, values->target_name, "target-name"},
		{download, values->target_base_url, "target-base-url"},
		{download, values->target_dir, "target-dir"},
	};

	if (!init && !download && !streq(call->arguments[0], "refresh"))
		return command_usage_error(
			&usage, err, "neither init nor refresh nor download: %s", call->arguments[0]);
	if (call->count != 1 + (size_t)init)
		return command_usage_error(&usage, err, init ? "init wants a FILE" : "too many arguments");
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
		if (needs[i].wanted && !needs[i].value)
			return command_usage_error(
				&usage, err, "%s wants --%s", call->arguments[0], needs[i].name);
	return 0;
}

int node_tuf(int argc, char **argv, struct error **err)
{
	_cleanup_tuf_client_ struct tuf_client *client = NULL;
	struct values values = {};
	struct command_call call;
	int status;

	if (!command_parse(&usage, argc, argv, &values, &call, err))
		return call.status;
	status = check_values(&values, &call, err);
	if (status != 0)
		return status;
	if (streq(call.arguments[0], "init"))
		return run_init(&values, call.arguments[1], err);
	if (streq(call.arguments[0], "download"))
		return run_download(&values, err);
	return run_refresh(&values, &client, err);
}
