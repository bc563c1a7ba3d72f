/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/repository.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "base/encoding.h"
#include "base/file.h"
#include "format/canonical-json.h"
#include "format/tuf-write.h"
#include "release/repository-parts.h"

static const uint32_t default_days[TUF_TYPES] = {
	[TUF_ROOT] = 3653,
	[TUF_TIMESTAMP] = 7,
	[TUF_SNAPSHOT] = 30,
	[TUF_TARGETS] = 90,
};

struct repository *repository_free(struct repository *repository)
{
	if (!repository)
		return NULL;
	draft_close(&repository->draft);
	for (enum tuf_type type = TUF_ROOT; type < TUF_TYPES; type++) {
		tuf_metadata_release(&repository->of[type]);
		tuf_signers_release(&repository->signers[type]);
	}
	json_decref(repository->targets);
	strv_release(&repository->staged);
	strv_release(&repository->folders);
	strv_release(&repository->paths);
	cleanup_closep(&repository->lock);
	free(repository->path);
	free(repository->keys);
	free(repository);
	return NULL;
}

char *repository_path(const struct repository *repository, const char *name, struct error **err)
{
	char *path = string_format("%s/%s", repository->path, name);

	if (!path)
		(void)error_set_errno(err, -ENOMEM, "%s", name);
	return path;
}

char *repository_metadata_name(enum tuf_type type, uint64_t version)
{
	if (type == TUF_TIMESTAMP)
		return strdup("metadata/timestamp.json");
	return string_format("metadata/%ju.%s.json", (uintmax_t)version, tuf_type_name(type));
}

char *repository_target_file(const char *name, const char *digest)
{
	const char *slash = strrchr(name, '/');
	int folder = slash ? (int)(slash + 1 - name) : 0;

	return string_format("targets/%.*s%s.%s", folder, name, digest, name + folder);
}

const struct tuf_metadata *repository_root(const struct repository *repository)
{
	return &repository->of[TUF_ROOT];
}

const struct tuf_metadata *repository_metadata(const struct repository *repository, enum tuf_type type)
{
	return repository->of[type].document ? &repository->of[type] : NULL;
}

bool repository_signed(const struct repository *repository, enum tuf_type type)
{
	return repository->was_signed[type];
}

bool repository_has(const struct repository *repository, const char *name)
{
	return json_object_get(json_object_get(repository->targets, "targets"), name) != NULL;
}

/* ---- Verifying ---- */

int repository_parse(const struct tuf_metadata *root, enum tuf_type type, const void *data, size_t size,
	const char *name, struct tuf_metadata *ret, struct error **err)
{
	_cleanup_tuf_metadata_ struct tuf_metadata metadata = {};
	int r = tuf_metadata_parse(data, size, type, &metadata, err);

	if (r >= 0)
		r = tuf_verify(&metadata, &root->keys, &root->roles[type], err);
	if (r < 0)
		return error_wrap(err, "%s", name), r;
	*ret = metadata;
	metadata = (struct tuf_metadata){};
	return 0;
}

/* Reads a file of the repository; -ENOENT without *err* where there is none. */
static int read_file(const struct repository *repository, const char *name, size_t max, char **ret,
	size_t *ret_size, struct error **err)
{
	_cleanup_free_ char *path = repository_path(repository, name, err);

	if (!path)
		return -ENOMEM;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return -ENOENT;
	return file_read(path, max, ret, ret_size, err);
}

/* One root after another, each signed by the one before and by itself (specification, 5.3). */
static int follow_root(struct repository *repository, bool *ret_more, struct error **err)
{
	struct tuf_metadata *root = &repository->of[TUF_ROOT];
	_cleanup_free_ char *name = repository_metadata_name(TUF_ROOT, root->version + 1), *text = NULL;
	_cleanup_tuf_metadata_ struct tuf_metadata next = {};
	size_t size;
	int r;

	if (!name)
		return error_set_errno(err, -ENOMEM, "root");
	r = read_file(repository, name, RELEASE_ROOT_MAX, &text, &size, err);
	*ret_more = r >= 0;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = repository_parse(root, TUF_ROOT, text, size, name, &next, err);
	if (r >= 0 && next.version != root->version + 1)
		r = error_set(err, -EBADMSG, "%s: it is version %ju", name, (uintmax_t)next.version);
	if (r >= 0 && tuf_verify(&next, &next.keys, &next.roles[TUF_ROOT], err) < 0)
		r = (error_wrap(err, "%s", name), -EKEYREJECTED);
	if (r < 0)
		return r;
	tuf_metadata_release(root);
	*root = next;
	next = (struct tuf_metadata){};
	return 0;
}

static int follow_roots(struct repository *repository, struct error **err)
{
	bool more = true;
	int r = 0;

	for (unsigned i = 0; i < REPOSITORY_ROOTS_MAX && r >= 0 && more; i++)
		r = follow_root(repository, &more, err);
	return r;
}

/* The trusted root has to be the repository's root of that version, byte by byte in what is signed. */
static int check_trusted_root(const struct repository *repository, struct error **err)
{
	const struct tuf_metadata *root = &repository->of[TUF_ROOT];
	_cleanup_free_ char *name = repository_metadata_name(TUF_ROOT, root->version), *text = NULL;
	_cleanup_tuf_metadata_ struct tuf_metadata same = {};
	size_t size;
	int r;

	if (!name)
		return error_set_errno(err, -ENOMEM, "root");
	r = read_file(repository, name, RELEASE_ROOT_MAX, &text, &size, err);
	if (r == -ENOENT)
		return error_set(err, -ESTALE,
			"%s/%s is missing: the repository's root is older than %s/root.json, or was made "
			"with "
			"other keys; bring back a newer copy of the repository",
			repository->path, name, repository->keys);
	if (r >= 0)
		r = repository_parse(root, TUF_ROOT, text, size, name, &same, err);
	if (r >= 0 &&
		(same.signed_bytes.size != root->signed_bytes.size ||
			memcmp(same.signed_bytes.data, root->signed_bytes.data, same.signed_bytes.size) != 0))
		r = error_set(err, -EKEYREJECTED, "%s is not %s/root.json", name, repository->keys);
	return r;
}

static int load_own_root(struct repository *repository, struct error **err)
{
	_cleanup_free_ char *text = NULL;
	struct tuf_metadata *root = &repository->of[TUF_ROOT];
	size_t size;
	int r = read_file(repository, "metadata/1.root.json", RELEASE_ROOT_MAX, &text, &size, err);

	if (r == -ENOENT)
		return error_set(
			err, r, "%s is no repository: metadata/1.root.json is missing", repository->path);
	if (r >= 0)
		r = tuf_metadata_parse(text, size, TUF_ROOT, root, err);
	return r < 0 ? r : tuf_verify(root, &root->keys, &root->roles[TUF_ROOT], err);
}

static int load_root(struct repository *repository, struct error **err)
{
	int r = repository->keys
			? release_root_load(repository->keys, 0, &repository->of[TUF_ROOT], NULL, err)
			: load_own_root(repository, err);

	if (r >= 0 && repository->keys && !repository->fresh)
		r = check_trusted_root(repository, err);
	return r < 0 || repository->fresh ? r : follow_roots(repository, err);
}

/* Reads a document that another one lists, NULL: the timestamp. */
static int load_listed(
	struct repository *repository, enum tuf_type type, const struct tuf_meta *meta, struct error **err)
{
	_cleanup_free_ char *name = repository_metadata_name(type, meta ? meta->version : 0), *text = NULL;
	struct tuf_metadata *metadata = &repository->of[type];
	size_t size;
	int r;

	if (!name)
		return error_set_errno(err, -ENOMEM, "%s", tuf_type_name(type));
	r = read_file(repository, name, REPOSITORY_FILE_MAX, &text, &size, err);
	if (r == -ENOENT)
		return error_set(err, -EBADMSG, "%s/%s is missing", repository->path, name);
	if (r >= 0 && meta && meta->has_length && meta->length != size)
		r = error_set(err, -EBADMSG, "%s has %zu bytes, and should have %ju", name, size,
			(uintmax_t)meta->length);
	if (r >= 0 && meta && meta->has_hashes)
		r = tuf_hashes_check_bytes(&meta->hashes, text, size, err);
	if (r >= 0)
		r = repository_parse(&repository->of[TUF_ROOT], type, text, size, name, metadata, err);
	if (r >= 0 && meta && metadata->version != meta->version)
		r = error_set(err, -EBADMSG, "%s: it is version %ju", name, (uintmax_t)metadata->version);
	return r;
}

static int load_metadata(struct repository *repository, struct error **err)
{
	int r = load_listed(repository, TUF_TIMESTAMP, NULL, err);

	if (r >= 0)
		r = load_listed(repository, TUF_SNAPSHOT,
			tuf_find_meta(&repository->of[TUF_TIMESTAMP], "snapshot.json"), err);
	if (r >= 0)
		r = load_listed(repository, TUF_TARGETS,
			tuf_find_meta(&repository->of[TUF_SNAPSHOT], "targets.json"), err);
	if (r < 0)
		return error_wrap(err, "%s is not what was published", repository->path), r;
	if (!repository->of[TUF_ROOT].consistent_snapshot)
		return error_set(err, -EBADMSG, "%s: its root has no consistent snapshots", repository->path);
	repository->targets = json_deep_copy(json_object_get(repository->of[TUF_TARGETS].document, "signed"));
	return repository->targets ? 0 : error_set_errno(err, -ENOMEM, "targets");
}

/* ---- Opening ---- */

static void closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* Whether there is metadata but for roots and what has no name yet. */
static int has_metadata(const char *folder, struct error **err)
{
	_cleanup_(closedirp) DIR *dir = opendir(folder);
	struct dirent *entry;
	int found = 0;

	if (!dir)
		return errno == ENOENT ? 0 : error_set_errno(err, -errno, "%s", folder);
	while (!found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.' && endswith(entry->d_name, ".json") &&
			!endswith(entry->d_name, ".root.json");
	return found;
}

/* One publisher at a time: the lock is on metadata/, since the repository's own is taken for drafts. */
static int lock_for_writing(struct repository *repository, bool create, struct error **err)
{
	_cleanup_free_ char *folder = repository_path(repository, "metadata", err);
	_cleanup_close_ int drafts = -1;
	int r = 0;

	if (!folder)
		return -ENOMEM;
	if (create) {
		r = mkdir_parents(folder, err);
		if (r >= 0)
			r = fsync_parent(repository->path, err);
	} else if (access(folder, F_OK) < 0) {
		r = error_set(
			err, -ENOENT, "%s is no repository: it has no folder metadata", repository->path);
	}
	if (r < 0)
		return r;
	repository->lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (repository->lock < 0)
		return error_set_errno(err, -errno, "%s", folder);
	if (flock(repository->lock, LOCK_EX | LOCK_NB) < 0)
		return error_set(err, -EBUSY,
			"%s: another process publishes to it; try again when it is done", repository->path);
	/* Takes back what killed processes left. */
	drafts = draft_lock(repository->path, &repository_draft, err);
	return drafts < 0 ? drafts : 0;
}

static int open_new(const struct repository_options *options, struct repository **ret, struct error **err)
{
	struct repository *repository = calloc(1, sizeof(*repository));

	if (!repository)
		return error_set_errno(err, -ENOMEM, "%s", options->path);
	repository->draft = (struct draft)DRAFT_INIT;
	repository->lock = -1;
	repository->secret = options->secret;
	repository->now = options->now;
	for (enum tuf_type type = TUF_ROOT; type < TUF_TYPES; type++)
		repository->days[type] = options->days[type] ? options->days[type] : default_days[type];
	*ret = repository;
	repository->path = strdup(options->path);
	repository->keys = options->keys ? strdup(options->keys) : NULL;
	return repository->path && (repository->keys || !options->keys)
		       ? 0
		       : error_set_errno(err, -ENOMEM, "%s", options->path);
}

static int find_state(struct repository *repository, bool create, struct error **err)
{
	_cleanup_free_ char *folder = repository_path(repository, "metadata", err);
	int r = folder ? has_metadata(folder, err) : -ENOMEM;

	if (r != 0)
		return r < 0 ? r : 0;
	if (!create)
		return error_set(err, -ENOENT, "%s is no repository: nothing was published there yet",
			repository->path);
	repository->fresh = true;
	repository->targets = tuf_body_new(TUF_TARGETS, 1, repository->now);
	if (!repository->targets || json_object_set_new(repository->targets, "targets", json_object()) < 0)
		return error_set_errno(err, -ENOMEM, "targets");
	return 0;
}

int repository_open(const struct repository_options *options, struct repository **ret, struct error **err)
{
	_cleanup_repository_ struct repository *repository = NULL;
	int r = open_new(options, &repository, err);

	if (r >= 0 && options->keys && access(options->keys, F_OK) < 0)
		r = error_set_errno(err, -errno, "%s", options->keys);
	if (r >= 0 && options->keys && !options->read)
		r = lock_for_writing(repository, options->create, err);
	if (r >= 0)
		r = find_state(repository, options->keys && options->create && !options->read, err);
	if (r >= 0)
		r = load_root(repository, err);
	if (r >= 0 && !repository->fresh)
		r = load_metadata(repository, err);
	if (r >= 0)
		*ret = TAKE_PTR(repository);
	return r;
}

/* ---- Reading ---- */

int repository_read(const struct repository *repository, const char *name, size_t max, char **ret,
	size_t *ret_size, struct error **err)
{
	const struct tuf_target *target =
		repository->fresh ? NULL : tuf_find_target(&repository->of[TUF_TARGETS], name);
	_cleanup_free_ char *path = NULL, *data = NULL;
	char digest[SHA256_HEX_SIZE];
	size_t size;
	int r;

	if (!target)
		return error_set(err, -ENOENT, "%s: no such target", name);
	if (!target->hashes.has_sha256)
		return error_set(err, -ENOTSUP, "%s: it has no SHA-256", name);
	if (target->length > max)
		return error_set(err, -EFBIG, "%s has %ju bytes, more than the %zu that it may have", name,
			(uintmax_t)target->length, max);
	hex_encode(target->hashes.sha256, SHA256_SIZE, digest);
	path = repository_target_file(name, digest);
	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", name);
	r = read_file(repository, path, (size_t)target->length, &data, &size, err);
	if (r == -ENOENT)
		return error_set(err, -ENODATA, "%s/%s is missing", repository->path, path);
	if (r == -EFBIG)
		r = -EBADMSG;
	if (r >= 0 && size != target->length)
		r = error_set(err, -EBADMSG, "%zu bytes, and not %ju", size, (uintmax_t)target->length);
	if (r >= 0)
		r = tuf_hashes_check_bytes(&target->hashes, data, size, err);
	if (r < 0)
		return error_wrap(err, "%s/%s is not what was published", repository->path, path), r;
	*ret = TAKE_PTR(data);
	*ret_size = size;
	return 0;
}

int repository_root_text(const struct repository *repository, struct buffer *ret, struct error **err)
{
	_cleanup_free_ char *name = repository_metadata_name(TUF_ROOT, repository->of[TUF_ROOT].version);
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = name ? read_file(repository, name, RELEASE_ROOT_MAX, &text, &size, err) : -ENOMEM;

	if (r < 0)
		return r;
	buffer_append(ret, text, size);
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "%s", name) : 0;
}

int repository_open_file(const struct repository *repository, const char *name, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/targets/%s", repository->path, name);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return error_set_errno(err, path ? -errno : -ENOMEM, "%s", path ? path : name);
	return fd;
}
