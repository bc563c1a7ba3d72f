/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>

#include "base/calendar.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/progress.h"
#include "format/canonical-json.h"
#include "format/tuf-write.h"
#include "release/repository-parts.h"

/* ---- Taking back ---- */

/* The number of the timestamp that the repository has, 0 where it has none. */
static int timestamp_version(const char *repository, uint64_t *ret)
{
	_cleanup_free_ char *path = string_format("%s/metadata/timestamp.json", repository), *text = NULL;
	_cleanup_tuf_metadata_ struct tuf_metadata timestamp = {};
	size_t size;
	int r;

	*ret = 0;
	if (!path)
		return -ENOMEM;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = file_read(path, REPOSITORY_FILE_MAX, &text, &size, NULL);
	if (r >= 0)
		r = tuf_metadata_parse(text, size, TUF_TIMESTAMP, &timestamp, NULL);
	if (r >= 0)
		*ret = timestamp.version;
	return r;
}

/* Whether a line of a journal is a path that a commit can have put there. */
static bool is_own_path(const char *path)
{
	return (startswith(path, "metadata/") || startswith(path, "targets/")) && !strstr(path, "/.") &&
	       !strstr(path, "//") && !endswith(path, "/");
}

/* Removes it, and the folders around it that are empty then. */
static int take_back_path(const char *repository, const char *name)
{
	_cleanup_free_ char *path = string_format("%s/%s", repository, name);
	size_t least = strlen(repository) + strlen("/metadata");
	char *slash;
	int r = path ? remove_tree(path, NULL) : -ENOMEM;

	while (r >= 0 && (slash = strrchr(path, '/')) && (size_t)(slash - path) > least) {
		*slash = 0;
		if (rmdir(path) < 0)
			break;
	}
	return r;
}

/* What a draft did to the repository is undone, unless its timestamp is there: then all of it is. */
static int take_back(const char *repository, const char *draft)
{
	_cleanup_free_ char *path = string_format("%s/" REPOSITORY_JOURNAL, draft), *text = NULL;
	char *line, *rest;
	uint64_t intended, found;
	int r;

	if (!path)
		return -ENOMEM;
	if (access(path, F_OK) < 0)
		return errno == ENOENT ? 0 : -errno;
	r = file_read(path, REPOSITORY_FILE_MAX, &text, NULL, NULL);
	if (r < 0)
		return r;
	rest = text;
	line = strsep(&rest, "\n");
	if (parse_u64(line, &intended) < 0)
		return -EBADMSG;
	r = timestamp_version(repository, &found);
	if (r < 0 || found >= intended)
		return r;
	while (r >= 0 && (line = strsep(&rest, "\n")))
		if (is_own_path(line))
			r = take_back_path(repository, line);
	return r;
}

const struct draft_kind repository_draft = {.prefix = ".orlop-publish-", .recover = take_back};

/* ---- The draft ---- */

static int begin_draft(struct repository *repository, struct error **err)
{
	if (repository->draft.path)
		return 0;
	return draft_open(&repository->draft, repository->path, &repository_draft, err);
}

/* The path of *name* in the draft, whose folders are made. */
static char *draft_path(struct repository *repository, const char *name, struct error **err)
{
	_cleanup_free_ char *path = NULL;
	char *slash;
	int r = begin_draft(repository, err);

	if (r < 0)
		return NULL;
	path = string_format("%s/%s", repository->draft.path, name);
	if (!path) {
		(void)error_set_errno(err, -ENOMEM, "%s", name);
		return NULL;
	}
	slash = strrchr(path, '/');
	*slash = 0;
	r = mkdir_parents(path, err);
	*slash = '/';
	return r < 0 ? NULL : TAKE_PTR(path);
}

static int error_of(struct error **err)
{
	return err && *err ? (*err)->code : -ENOMEM;
}

static int add_staged(struct repository *repository, const char *name, struct error **err)
{
	if (strv_contains(&repository->staged, name))
		return 0;
	return strv_add(&repository->staged, name) < 0 ? error_set_errno(err, -ENOMEM, "%s", name) : 0;
}

int repository_stage(
	struct repository *repository, const char *name, const void *data, size_t size, struct error **err)
{
	_cleanup_error_ struct error *fault = NULL;
	_cleanup_free_ char *path = draft_path(repository, name, &fault);
	int r = path ? file_write_atomic(path, data, size, 0644, &fault) : error_of(&fault);

	if (r < 0) {
		error_move(err, TAKE_PTR(fault));
		return r;
	}
	return add_staged(repository, name, err);
}

/* Keeps a path that is handed out. */
static int hand_out(struct repository *repository, char *path, const char **ret, struct error **err)
{
	if (strv_push(&repository->paths, path) < 0)
		return error_set_errno(err, -ENOMEM, "%s", repository->path);
	*ret = repository->paths.items[repository->paths.count - 1];
	return 0;
}

static int make_draft_folder(
	struct repository *repository, const char *name, const char **ret, struct error **err)
{
	_cleanup_error_ struct error *fault = NULL;
	_cleanup_free_ char *path = draft_path(repository, name, &fault);
	int r = path ? mkdir_parents(path, &fault) : error_of(&fault);

	if (r < 0) {
		error_move(err, TAKE_PTR(fault));
		return r;
	}
	return hand_out(repository, TAKE_PTR(path), ret, err);
}

int repository_folder(
	struct repository *repository, const char *name, const char **ret_path, struct error **err)
{
	_cleanup_free_ char *below = string_format("targets/%s", name);
	int r;

	if (!below || strv_add(&repository->folders, below) < 0)
		return error_set_errno(err, -ENOMEM, "%s", name);
	r = make_draft_folder(repository, below, ret_path, err);
	return r < 0 ? r : add_staged(repository, below, err);
}

int repository_scratch(struct repository *repository, const char **ret_path, struct error **err)
{
	return make_draft_folder(repository, "scratch", ret_path, err);
}

/* ---- Targets ---- */

static int list_target(struct repository *repository, const char *name, uint64_t size, const char *digest,
	struct error **err)
{
	json_t *targets = json_object_get(repository->targets, "targets");

	if (json_object_set_new(targets, name,
		    json_pack("{s:I, s:{s:s}}", "length", (json_int_t)size, "hashes", "sha256", digest)) < 0)
		return error_set_errno(err, -ENOMEM, "%s", name);
	repository->changed = true;
	return 0;
}

/* Its place, unless it is in a folder that is put in place whole. */
static int stage_target(struct repository *repository, const char *file, struct error **err)
{
	for (size_t i = 0; i < repository->folders.count; i++) {
		const char *rest = startswith(file, repository->folders.items[i]);

		if (rest && *rest == '/')
			return 0;
	}
	return add_staged(repository, file, err);
}

int repository_put(
	struct repository *repository, const char *name, const void *data, size_t size, struct error **err)
{
	_cleanup_free_ char *file = NULL, *path = NULL;
	_cleanup_error_ struct error *fault = NULL;
	uint8_t sha256[SHA256_SIZE];
	char digest[SHA256_HEX_SIZE];
	int r = sha256_bytes(data, size, sha256);

	if (r < 0)
		return error_set_errno(err, r, "%s", name);
	hex_encode(sha256, SHA256_SIZE, digest);
	file = repository_target_file(name, digest);
	path = file ? draft_path(repository, file, &fault) : NULL;
	r = path ? file_write_atomic(path, data, size, 0644, &fault) : error_of(&fault);
	if (r < 0) {
		error_move(err, TAKE_PTR(fault));
		return r;
	}
	r = stage_target(repository, file, err);
	return r < 0 ? r : list_target(repository, name, size, digest, err);
}

/* Copies *size* bytes and hashes what it copies. */
static int copy_hashed(int from, int to, uint64_t size, uint8_t ret[SHA256_SIZE], struct progress *progress,
	struct error **err)
{
	_cleanup_free_ uint8_t *piece = malloc(MiB(1));
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	int r = piece && context ? 0 : -ENOMEM;

	for (uint64_t done = 0; done < size && r >= 0;) {
		size_t length = (size_t)MIN(size - done, MiB(1));

		r = pread_full(from, piece, length, done);
		if (r >= 0)
			r = write_full(to, piece, length);
		if (r < 0)
			break;
		sha256_update(context, piece, length);
		progress_add(progress, length);
		done += length;
	}
	if (r < 0)
		return error_set_errno(err, r, "copying");
	sha256_final(context, ret);
	return 0;
}

static int copy_file(const char *path, int fd, uint64_t size, const uint8_t sha256[SHA256_SIZE],
	struct progress *progress, struct error **err)
{
	_cleanup_atomic_file_ struct atomic_file file = ATOMIC_FILE_INIT;
	uint8_t found[SHA256_SIZE];
	int r = atomic_file_open(&file, path, 0644, err);

	if (r >= 0)
		r = copy_hashed(fd, file.fd, size, found, progress, err);
	if (r >= 0 && memcmp(found, sha256, SHA256_SIZE) != 0)
		r = error_set(err, -EBADMSG, "its content is not what its digest says");
	return r < 0 ? r : atomic_file_commit(&file, err);
}

int repository_put_file(struct repository *repository, const char *name, int fd, uint64_t size,
	const uint8_t sha256[SHA256_SIZE], struct progress *progress, struct error **err)
{
	_cleanup_free_ char *file = NULL, *path = NULL;
	_cleanup_error_ struct error *fault = NULL;
	char digest[SHA256_HEX_SIZE];
	int r;

	hex_encode(sha256, SHA256_SIZE, digest);
	file = repository_target_file(name, digest);
	path = file ? draft_path(repository, file, &fault) : NULL;
	r = path ? copy_file(path, fd, size, sha256, progress, &fault) : error_of(&fault);
	if (r < 0) {
		error_move(err, TAKE_PTR(fault));
		return error_wrap(err, "%s", name), r;
	}
	r = stage_target(repository, file, err);
	return r < 0 ? r : list_target(repository, name, size, digest, err);
}

/* ---- Signing ---- */

static int load_signers(struct repository *repository, enum tuf_type role, struct error **err)
{
	int r;

	if (repository->loaded[role])
		return 0;
	if (!repository->keys)
		return error_set(err, -ENOKEY, "%s was opened without keys", repository->path);
	r = release_signers_load(repository->keys, role, &repository->of[TUF_ROOT], repository->secret,
		&repository->signers[role], err);
	repository->loaded[role] = r >= 0;
	return r;
}

int repository_unlock(struct repository *repository, struct error **err)
{
	int r = load_signers(repository, TUF_TARGETS, err);

	if (r >= 0)
		r = load_signers(repository, TUF_SNAPSHOT, err);
	return r < 0 ? r : load_signers(repository, TUF_TIMESTAMP, err);
}

static uint64_t next_version(const struct repository *repository, enum tuf_type type)
{
	return repository->of[type].version + 1;
}

/* Signs a body, verifies that by the root, and stages it. *ret* is the document, which belongs to the caller.
 */
static int sign(struct repository *repository, enum tuf_type type, json_t *body, struct tuf_metadata *ret,
	struct buffer *ret_text, struct error **err)
{
	int64_t expires = repository->now + (int64_t)repository->days[type] * SECONDS_PER_DAY;
	uint64_t version = next_version(repository, type);
	_cleanup_free_ char *name = repository_metadata_name(type, version);
	int r = load_signers(repository, type, err);

	if (r < 0)
		return r;
	if (!name || tuf_body_update(body, version, expires) < 0)
		return error_set_errno(err, -ENOMEM, "%s", tuf_type_name(type));
	r = tuf_document_write(
		body, repository->signers[type].items, repository->signers[type].count, ret_text, err);
	if (r >= 0)
		r = repository_parse(
			&repository->of[TUF_ROOT], type, ret_text->data, ret_text->size, name, ret, err);
	return r < 0 ? r : repository_stage(repository, name, ret_text->data, ret_text->size, err);
}

/* The body of a document that lists another one. */
static json_t *listing(enum tuf_type type, const char *name, uint64_t version, const struct buffer *text)
{
	_cleanup_json_ json_t *body = tuf_body_new(type, 1, 0);
	uint8_t sha256[SHA256_SIZE];
	char digest[SHA256_HEX_SIZE];

	if (!body || sha256_bytes(text->data, text->size, sha256) < 0)
		return NULL;
	hex_encode(sha256, SHA256_SIZE, digest);
	if (json_object_set_new(body, "meta",
		    json_pack("{s:{s:I, s:I, s:{s:s}}}", name, "version", (json_int_t)version, "length",
			    (json_int_t)text->size, "hashes", "sha256", digest)) < 0)
		return NULL;
	return TAKE_PTR(body);
}

/* The documents of one commit. */
struct signing {
	struct tuf_metadata of[TUF_TYPES];
	bool made[TUF_TYPES];
};

static void signing_release(struct signing *signing)
{
	for (enum tuf_type type = TUF_ROOT; type < TUF_TYPES; type++)
		tuf_metadata_release(&signing->of[type]);
}

/* Half of its time is over. */
static bool is_due(const struct repository *repository, enum tuf_type type)
{
	int64_t left = repository->of[type].expires - repository->now;

	return left < (int64_t)repository->days[type] * SECONDS_PER_DAY / 2;
}

/*
 * Signs *type* where that is due or *force*d. What is listed of it stays as it is otherwise: the body of the
 * one above is then the old one.
 */
static int sign_targets(struct repository *repository, bool force, struct signing *signing,
	json_t **ret_snapshot, struct error **err)
{
	_cleanup_buffer_ struct buffer text = {};
	int r;

	if (!force && !repository->fresh && !repository->changed && !is_due(repository, TUF_TARGETS)) {
		*ret_snapshot =
			json_deep_copy(json_object_get(repository->of[TUF_SNAPSHOT].document, "signed"));
		return *ret_snapshot ? 0 : error_set_errno(err, -ENOMEM, "snapshot");
	}
	r = sign(repository, TUF_TARGETS, repository->targets, &signing->of[TUF_TARGETS], &text, err);
	if (r < 0)
		return r;
	signing->made[TUF_TARGETS] = true;
	*ret_snapshot = listing(TUF_SNAPSHOT, "targets.json", signing->of[TUF_TARGETS].version, &text);
	return *ret_snapshot ? 0 : error_set_errno(err, -ENOMEM, "snapshot");
}

static int sign_snapshot(struct repository *repository, bool force, json_t *body, struct signing *signing,
	json_t **ret_timestamp, struct error **err)
{
	_cleanup_buffer_ struct buffer text = {};
	int r;

	if (!force && !signing->made[TUF_TARGETS] && !is_due(repository, TUF_SNAPSHOT)) {
		*ret_timestamp =
			json_deep_copy(json_object_get(repository->of[TUF_TIMESTAMP].document, "signed"));
		return *ret_timestamp ? 0 : error_set_errno(err, -ENOMEM, "timestamp");
	}
	r = sign(repository, TUF_SNAPSHOT, body, &signing->of[TUF_SNAPSHOT], &text, err);
	if (r < 0)
		return r;
	signing->made[TUF_SNAPSHOT] = true;
	*ret_timestamp = listing(TUF_TIMESTAMP, "snapshot.json", signing->of[TUF_SNAPSHOT].version, &text);
	return *ret_timestamp ? 0 : error_set_errno(err, -ENOMEM, "timestamp");
}

static int sign_all(
	struct repository *repository, enum tuf_type forced, struct signing *signing, struct error **err)
{
	_cleanup_json_ json_t *snapshot = NULL, *timestamp = NULL;
	_cleanup_buffer_ struct buffer text = {};
	int r = sign_targets(repository, forced == TUF_TARGETS, signing, &snapshot, err);

	if (r >= 0)
		r = sign_snapshot(repository, forced == TUF_SNAPSHOT, snapshot, signing, &timestamp, err);
	if (r >= 0)
		r = sign(repository, TUF_TIMESTAMP, timestamp, &signing->of[TUF_TIMESTAMP], &text, err);
	signing->made[TUF_TIMESTAMP] = r >= 0;
	return r;
}

/* ---- Putting in place ---- */

/* All versions of the root that there are, for a repository that begins. */
static int stage_roots(struct repository *repository, struct error **err)
{
	uint64_t newest = repository->of[TUF_ROOT].version;
	int r = 0;

	for (uint64_t version = 1; version <= newest && r >= 0; version++) {
		_cleanup_free_ char *name = repository_metadata_name(TUF_ROOT, version);
		_cleanup_tuf_metadata_ struct tuf_metadata root = {};
		_cleanup_buffer_ struct buffer text = {};

		if (!name)
			return error_set_errno(err, -ENOMEM, "root");
		r = release_root_load(repository->keys, version < newest ? version : 0, &root, &text, err);
		if (r >= 0)
			r = repository_stage(repository, name, text.data, text.size, err);
	}
	return r;
}

static bool exists(const struct repository *repository, const char *name)
{
	_cleanup_free_ char *path = repository_path(repository, name, NULL);

	return path && access(path, F_OK) == 0;
}

/* A file that is there already is replaced by the same or a better one, and not to be taken back. */
static int write_journal(struct repository *repository, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/" REPOSITORY_JOURNAL, repository->draft.path);
	_cleanup_buffer_ struct buffer text = {};

	buffer_printf(&text, "%ju\n", (uintmax_t)next_version(repository, TUF_TIMESTAMP));
	for (size_t i = 0; i < repository->staged.count; i++)
		if (!exists(repository, repository->staged.items[i]) ||
			strv_contains(&repository->folders, repository->staged.items[i]))
			buffer_printf(&text, "%s\n", repository->staged.items[i]);
	if (!path || buffer_failed(&text))
		return error_set_errno(err, -ENOMEM, "%s", repository->path);
	return file_write_atomic(path, text.data, text.size, 0600, err);
}

/* Flushes all folders from the one that holds *path* up to the repository itself. */
static int flush_folders(const struct repository *repository, char *path, struct error **err)
{
	size_t least = strlen(repository->path);
	char *slash;
	int r = 0;

	while (r >= 0 && (slash = strrchr(path, '/')) && (size_t)(slash - path) >= least) {
		r = fsync_parent(path, err);
		*slash = 0;
	}
	return r;
}

static int place(struct repository *repository, const char *name, struct error **err)
{
	_cleanup_free_ char *from = string_format("%s/%s", repository->draft.path, name);
	_cleanup_free_ char *to = repository_path(repository, name, err);
	char *slash;
	int r;

	if (!from || !to)
		return error_set_errno(err, -ENOMEM, "%s", name);
	slash = strrchr(to, '/');
	*slash = 0;
	r = mkdir_parents(to, err);
	*slash = '/';
	if (r >= 0 && strv_contains(&repository->folders, name))
		r = remove_tree(to, err);
	if (r >= 0 && rename(from, to) < 0)
		r = error_set_errno(err, -errno, "%s", to);
	return r < 0 ? r : flush_folders(repository, to, err);
}

static int place_all(struct repository *repository, struct error **err)
{
	_cleanup_free_ char *last = repository_metadata_name(TUF_TIMESTAMP, 0);
	int r = last ? write_journal(repository, err) : -ENOMEM;

	for (size_t i = 0; i < repository->staged.count && r >= 0; i++)
		if (!streq(repository->staged.items[i], last))
			r = place(repository, repository->staged.items[i], err);
	if (r >= 0)
		r = place(repository, last, err);
	return r;
}

static void end_draft(struct repository *repository)
{
	draft_close(&repository->draft);
	repository->draft = (struct draft)DRAFT_INIT;
	strv_release(&repository->staged);
	strv_release(&repository->folders);
	strv_release(&repository->paths);
}

static void take_over(struct repository *repository, struct signing *signing)
{
	for (enum tuf_type type = TUF_ROOT; type < TUF_TYPES; type++) {
		repository->was_signed[type] = signing->made[type];
		if (!signing->made[type])
			continue;
		tuf_metadata_release(&repository->of[type]);
		repository->of[type] = signing->of[type];
		signing->of[type] = (struct tuf_metadata){};
	}
	repository->changed = false;
	repository->fresh = false;
}

static int commit(struct repository *repository, enum tuf_type forced, struct error **err)
{
	_cleanup_(signing_release) struct signing signing = {};
	int r = 0;

	if (repository->fresh)
		r = stage_roots(repository, err);
	if (r >= 0)
		r = sign_all(repository, forced, &signing, err);
	if (r >= 0)
		r = place_all(repository, err);
	if (r >= 0)
		take_over(repository, &signing);
	else if (repository->draft.path && take_back(repository->path, repository->draft.path) < 0)
		draft_abandon(&repository->draft); /* for the next one to try */
	end_draft(repository);
	return r;
}

int repository_commit(struct repository *repository, struct error **err)
{
	char expired[TUF_TIME_SIZE] = "?";

	if (repository->of[TUF_ROOT].expires > repository->now)
		return commit(repository, TUF_TYPES, err);
	(void)tuf_time_format(repository->of[TUF_ROOT].expires, expired);
	return error_set(err, -EKEYEXPIRED,
		"%s: its root expired at %s, and no node believes it any more; run: orlop keys rotate root",
		repository->path, expired);
}

/* ---- The root ---- */

bool repository_lists_key(const struct repository *repository, enum tuf_type role, const char *keyid)
{
	const struct tuf_role *keys = &repository->of[TUF_ROOT].roles[role];

	for (size_t i = 0; i < keys->count; i++)
		if (streq(keys->keyids[i], keyid))
			return true;
	return false;
}

static int next_root(const struct repository *repository, const struct root_change *change, json_t **ret,
	struct error **err)
{
	_cleanup_json_ json_t *body =
		json_deep_copy(json_object_get(repository->of[TUF_ROOT].document, "signed"));
	int r = body ? tuf_body_update(body, next_version(repository, TUF_ROOT),
			       repository->now + (int64_t)change->days * SECONDS_PER_DAY)
		     : -ENOMEM;

	if (r >= 0 && change->remove)
		r = tuf_root_remove(body, change->role, change->remove);
	if (r >= 0 && change->add)
		r = tuf_root_add(body, change->role, change->add);
	if (r >= 0)
		r = tuf_root_set_threshold(body, change->role, change->threshold);
	if (r == -EINVAL)
		return error_set(err, r, "the role %s would have fewer keys than must sign for it",
			tuf_type_name(change->role));
	if (r < 0)
		return error_set_errno(err, r, "root");
	*ret = TAKE_PTR(body);
	return 0;
}

/* By the keys of the old root and by those of the new one. */
static int sign_root(struct repository *repository, const struct root_change *change, json_t *body,
	struct buffer *ret, struct tuf_metadata *ret_root, struct error **err)
{
	const struct tuf_signers *own = &repository->signers[TUF_ROOT];
	_cleanup_free_ struct tuf_signer **signers = NULL;
	size_t count;
	int r = load_signers(repository, TUF_ROOT, err);

	if (r < 0)
		return r;
	count = own->count;
	signers = calloc(count + 1, sizeof(*signers));
	if (!signers)
		return error_set_errno(err, -ENOMEM, "root");
	memcpy(signers, own->items, count * sizeof(*signers));
	if (change->role == TUF_ROOT && change->add)
		signers[count++] = change->add;
	r = tuf_document_write(body, signers, count, ret, err);
	if (r >= 0)
		r = repository_parse(&repository->of[TUF_ROOT], TUF_ROOT, ret->data, ret->size,
			"the new root", ret_root, err);
	return r < 0 ? r : tuf_verify(ret_root, &ret_root->keys, &ret_root->roles[TUF_ROOT], err);
}

/* What the role signed, by all of its keys and the new one: it holds under the old root and under the new
 * one. */
static int sign_role(
	struct repository *repository, enum tuf_type role, struct tuf_signer **add, struct error **err)
{
	int r = load_signers(repository, role, err);

	if (r < 0)
		return r;
	if (*add && tuf_signers_add(&repository->signers[role], TAKE_PTR(*add)) < 0)
		return error_set_errno(err, -ENOMEM, "signers");
	return commit(repository, role, err);
}

/* What is published holds under the new root, too. */
static int check_under(
	const struct repository *repository, const struct tuf_metadata *root, struct error **err)
{
	int r = 0;

	for (enum tuf_type type = TUF_ROOT + 1; type < TUF_TYPES && r >= 0; type++)
		r = tuf_verify(&repository->of[type], &root->keys, &root->roles[type], err);
	return r;
}

static int place_root(struct repository *repository, struct tuf_metadata *root, const struct buffer *text,
	struct error **err)
{
	_cleanup_free_ char *name = repository_metadata_name(TUF_ROOT, root->version);
	_cleanup_free_ char *path = name ? repository_path(repository, name, err) : NULL;
	int r = path ? file_write_atomic(path, text->data, text->size, 0644, err) : -ENOMEM;

	if (r < 0)
		return r;
	tuf_metadata_release(&repository->of[TUF_ROOT]);
	repository->of[TUF_ROOT] = *root;
	*root = (struct tuf_metadata){};
	return 0;
}

int repository_change_root(
	struct repository *repository, const struct root_change *change, struct error **err)
{
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_tuf_signer_ struct tuf_signer *add = change->add;
	_cleanup_json_ json_t *body = NULL;
	_cleanup_tuf_metadata_ struct tuf_metadata root = {};
	int r = next_root(repository, change, &body, err);

	if (r >= 0)
		r = sign_root(repository, change, body, &text, &root, err);
	if (r >= 0 && change->role != TUF_ROOT)
		r = sign_role(repository, change->role, &add, err);
	if (r >= 0)
		r = check_under(repository, &root, err);
	return r < 0 ? r : place_root(repository, &root, &text, err);
}
