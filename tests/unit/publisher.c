/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publisher.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/string-util.h"
#include "format/canonical-json.h"
#include "release/rotate.h"
#include "scratch.h"

#define COMPRESSION_LEVEL 1

static struct repository *open_repository(const struct publisher *publisher, int64_t now)
{
	struct repository *repository;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(repository_open(&(struct repository_options){.path = publisher->repository,
					  .keys = publisher->keys,
					  .now = now,
					  .create = true},
			  &repository, &err),
		err);
	return repository;
}

/* A timestamp is overwritten by the next one: each is kept beside the repository. */
static char *timestamp_path(const struct publisher *publisher, uint64_t version)
{
	return string_format("%s/%ju.timestamp.json", publisher->folder, (uintmax_t)version);
}

static void keep_timestamp(const struct publisher *publisher, uint64_t version)
{
	_cleanup_free_ char *to = timestamp_path(publisher, version), *text = NULL;
	size_t size;

	text = scratch_read(publisher->repository, "metadata/timestamp.json", &size);
	assert_ok(file_write_atomic(to, text, size, 0644, NULL), NULL);
}

/* What is in the repository now, with what *change* says of the releases. */
static void note(struct publisher *publisher, const struct repository *repository, struct publication change)
{
	change.expires = INT64_MAX;
	for (enum tuf_type type = TUF_ROOT; type < TUF_TYPES; type++) {
		const struct tuf_metadata *metadata = type == TUF_ROOT
							      ? repository_root(repository)
							      : repository_metadata(repository, type);

		change.versions[type] = metadata->version;
		change.expires = MIN(change.expires, metadata->expires);
	}
	publisher->log = reallocarray(publisher->log, publisher->count + 1, sizeof(*publisher->log));
	assert_non_null(publisher->log);
	publisher->log[publisher->count++] = change;
	keep_timestamp(publisher, change.versions[TUF_TIMESTAMP]);
}

const struct publication *publisher_now(const struct publisher *publisher)
{
	return &publisher->log[publisher->count - 1];
}

const struct publication *publisher_find(const struct publisher *publisher, uint64_t targets)
{
	for (size_t i = publisher->count; i > 0; i--)
		if (publisher->log[i - 1].versions[TUF_TARGETS] == targets)
			return &publisher->log[i - 1];
	return NULL;
}

void publisher_publish(struct publisher *publisher, size_t release, unsigned patches, int64_t now)
{
	_cleanup_repository_ struct repository *repository = open_repository(publisher, now);
	_cleanup_publish_result_ struct publish_result result = {};
	_cleanup_error_ struct error *err = NULL;
	const struct publish_options options = {.build = publisher->pool->items[release].folder,
		.signer = publisher->pool->items[release].signer,
		.audience = {.channels = RELEASE_WEEKLY},
		.patch_from = patches,
		.level = COMPRESSION_LEVEL,
		.threads = 1,
		.notes = "notes",
		.now = now};
	struct publication change = publisher->count > 0 ? *publisher_now(publisher) : (struct publication){};
	struct publisher_release *made = &publisher->releases[release];

	assert_ok(publish_run(repository, &options, &result, &err), err);
	assert_int_equal(result.count, 1);
	made->signature = TAKE_PTR(result.items[0].info.signature);
	made->signature_size = result.items[0].info.signature_size;
	assert_ok(repository_root_text(repository, &made->root, &err), err);
	change.listed |= 1u << release;
	note(publisher, repository, change);
}

bool publisher_publish_killed(
	struct publisher *publisher, size_t release, unsigned patches, int64_t now, unsigned us)
{
	_cleanup_free_ char *before = NULL, *after = NULL;
	size_t size, size_after;
	int status;
	pid_t pid;

	before = scratch_read(publisher->repository, "metadata/timestamp.json", &size);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		publisher_publish(publisher, release, patches, now);
		_exit(0);
	}
	(void)usleep(us);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
	after = scratch_read(publisher->repository, "metadata/timestamp.json", &size_after);
	return size == size_after && memcmp(before, after, size) == 0;
}

void publisher_change(struct publisher *publisher, enum publish_change_kind kind, size_t release, int64_t now)
{
	_cleanup_repository_ struct repository *repository = open_repository(publisher, now);
	_cleanup_release_index_ struct release_index index = {};
	_cleanup_error_ struct error *err = NULL;
	const struct publish_selection selection = {.version = publisher->pool->items[release].version};
	const struct publish_change change = {.kind = kind, .reason = "it eats disks", .now = now};
	struct publication said = *publisher_now(publisher);

	assert_ok(publish_read_index(repository, &index, &err), err);
	assert_int_equal(publish_change(&index, &change, &selection, &err), 1);
	assert_ok(publish_put_index(repository, &index, &err), err);
	assert_ok(repository_commit(repository, &err), err);
	if (kind == PUBLISH_WITHDRAW)
		said.withdrawn |= 1u << release;
	if (kind == PUBLISH_FLOOR)
		said.floor = release;
	note(publisher, repository, said);
}

void publisher_refresh(struct publisher *publisher, int64_t now)
{
	_cleanup_repository_ struct repository *repository = open_repository(publisher, now);
	_cleanup_error_ struct error *err = NULL;

	assert_ok(repository_commit(repository, &err), err);
	note(publisher, repository, *publisher_now(publisher));
}

void publisher_rotate(struct publisher *publisher, enum tuf_type role, int64_t now)
{
	_cleanup_repository_ struct repository *repository = open_repository(publisher, now);
	_cleanup_error_ struct error *err = NULL;
	bool ended;

	assert_ok(rotate_key(repository, &(struct rotation){.role = role, .keys = publisher->keys}, &ended,
			  &err),
		err);
	assert_false(ended);
	note(publisher, repository, *publisher_now(publisher));
}

json_t *publisher_document(const struct publisher *publisher, enum tuf_type type, uint64_t version)
{
	_cleanup_free_ char *path = type == TUF_TIMESTAMP
					    ? timestamp_path(publisher, version)
					    : string_format("%s/metadata/%ju.%s.json", publisher->repository,
						      (uintmax_t)version, tuf_type_name(type));

	return json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
}

void publisher_init(struct publisher *publisher, const struct release_pool *pool, const char *folder,
	const char *keys, int64_t now)
{
	_cleanup_free_ char *copy = string_format("cp -a '%s' keys && ln -s repository served", keys);

	*publisher = (struct publisher){.pool = pool,
		.folder = strdup(folder),
		.repository = string_format("%s/repository", folder),
		.keys = string_format("%s/keys", folder),
		.attacked = string_format("%s/attacked", folder),
		.served = string_format("%s/served", folder)};
	shell(folder, copy);
	publisher_publish(publisher, 0, 0, now);
}

void publisher_release(struct publisher *publisher)
{
	for (size_t i = 0; i < POOL_RELEASES; i++) {
		free(publisher->releases[i].signature);
		buffer_release(&publisher->releases[i].root);
	}
	free(publisher->log);
	free(publisher->folder);
	free(publisher->repository);
	free(publisher->keys);
	free(publisher->attacked);
	free(publisher->served);
	*publisher = (struct publisher){};
}
