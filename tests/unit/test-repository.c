/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/encoding.h"
#include "build/keys.h"
#include "release/publish.h"
#include "release/rotate.h"

#define NOW 1800000000 /* 2027 */
#define DAY 86400

/* ---- Faults: what stands in for libc's calls that change a file system ---- */

enum fault_kind { FAULT_NONE, FAULT_KILL, FAULT_ONCE, FAULT_FULL };

static struct {
	enum fault_kind kind;
	unsigned at, count; /* the call that fails, and those that were made */
	bool record;
	struct strv dirty; /* folders that changed and were not flushed */
	bool timestamp_early;
} faults;

static bool begin_call(bool takes_space)
{
	faults.count++;
	if (faults.kind == FAULT_KILL && faults.count == faults.at)
		_exit(99);
	if (faults.kind == FAULT_ONCE && faults.count == faults.at) {
		errno = EIO;
		return false;
	}
	if (faults.kind == FAULT_FULL && faults.count >= faults.at && takes_space) {
		errno = ENOSPC;
		return false;
	}
	return true;
}

static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
}

static bool in_draft(const char *path)
{
	return strstr(path, "/.orlop-publish-") != NULL;
}

static void note_change(const char *path)
{
	if (faults.record && !in_draft(path))
		(void)strv_push(&faults.dirty, parent_of(path));
}

int rename(const char *from, const char *to)
{
	if (!begin_call(false))
		return -1;
	if (faults.record && endswith(to, "/metadata/timestamp.json") && !in_draft(to))
		for (size_t i = 0; i < faults.dirty.count; i++)
			faults.timestamp_early = faults.timestamp_early || *faults.dirty.items[i];
	note_change(to);
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int mkdir(const char *path, mode_t mode)
{
	int r;

	if (!begin_call(true))
		return -1;
	r = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
	if (r == 0)
		note_change(path);
	return r;
}

int fsync(int fd)
{
	char self[64], path[4096];
	ssize_t n;

	if (!begin_call(true))
		return -1;
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = readlink(self, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = 0;
	for (size_t i = 0; i < faults.dirty.count; i++)
		if (streq(faults.dirty.items[i], path))
			*faults.dirty.items[i] = 0;
	/* No test here outlives the machine, whose disk is shared and slow. */
	return 0;
}

ssize_t write(int fd, const void *data, size_t size)
{
	return begin_call(true) ? syscall(SYS_write, fd, data, size) : -1;
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	return begin_call(true) ? (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags) : -1;
}

int link(const char *from, const char *to)
{
	return begin_call(true) ? (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0) : -1;
}

static void no_faults(void)
{
	strv_release(&faults.dirty);
	memset(&faults, 0, sizeof(faults));
}

/* ---- A repository ---- */

static char *base_keys, *other_keys; /* made once: RSA keys take their time */

struct place {
	char *folder, *repo, *keys;
};

/* In memory where that can be: there are thousands of files to be made. */
static char *new_folder(void)
{
	char *path = strdup("/dev/shm/orlop-test-XXXXXX");

	assert_non_null(path);
	if (mkdtemp(path))
		return path;
	free(path);
	return scratch_new();
}

/* The keys are shared: who changes them makes a copy first. */
static struct place place_new(void)
{
	struct place place = {.folder = new_folder()};

	place.repo = string_format("%s/repo", place.folder);
	place.keys = string_format("%s/keys", place.folder);
	assert_int_equal(symlink(base_keys, place.keys), 0);
	return place;
}

static void own_keys(const struct place *place)
{
	_cleanup_free_ char *script = string_format("rm keys; cp -a '%s' keys", base_keys);

	shell(place->folder, script);
}

static void place_release(struct place *place)
{
	scratch_remove(&place->folder);
	free(place->repo);
	free(place->keys);
}
#define _cleanup_place_ _cleanup_(place_release)

static int open_at(
	const struct place *place, int64_t now, bool read, struct repository **ret, struct error **err)
{
	return repository_open(
		&(struct repository_options){
			.path = place->repo, .keys = place->keys, .now = now, .create = !read, .read = read},
		ret, err);
}

/* Publishes a release of two files and the text as releases.json. */
static int publish_text(
	const struct place *place, int64_t now, const char *version, const char *text, struct error **err)
{
	_cleanup_repository_ struct repository *repository = NULL;
	_cleanup_free_ char *folder = string_format("test/%s/amd64", version), *path = NULL;
	_cleanup_free_ char *name = string_format("%s/release.json", folder);
	const char *made;
	int r = open_at(place, now, false, &repository, err);

	if (r >= 0)
		r = repository_folder(repository, folder, &made, err);
	if (r >= 0) {
		path = string_format("%s/usr.blocks.zst", made);
		r = file_write_atomic(path, version, strlen(version), 0644, err);
	}
	if (r >= 0)
		r = repository_put(repository, name, version, strlen(version), err);
	if (r >= 0)
		r = repository_put(repository, "releases.json", text, strlen(text), err);
	return r < 0 ? r : repository_commit(repository, err);
}

/* All that the metadata says is there; returns releases.json, "" where there is no repository yet. */
static char *read_whole(const struct place *place, int64_t now)
{
	_cleanup_repository_ struct repository *repository = NULL;
	_cleanup_free_ char *timestamp = string_format("%s/metadata/timestamp.json", place->repo);
	_cleanup_error_ struct error *err = NULL;
	const struct tuf_metadata *targets;
	char *found = NULL;
	int r = open_at(place, now, true, &repository, &err);

	/* Without a timestamp nobody finds anything: a first publication that was cut. */
	if (r == -ENOENT || (r == -EBADMSG && access(timestamp, F_OK) < 0))
		return strdup("");
	assert_ok(r, err);
	targets = repository_metadata(repository, TUF_TARGETS);
	for (size_t i = 0; i < targets->target_count; i++) {
		_cleanup_free_ char *text = NULL, *file = NULL;
		size_t size;
		int fd;

		assert_ok(repository_read(repository, targets->targets[i].name, MiB(1), &text, &size, &err),
			err);
		if (streq(targets->targets[i].name, "releases.json")) {
			found = TAKE_PTR(text);
			continue;
		}
		/* What is no target comes with its release. */
		file = string_format("test/%s/amd64/usr.blocks.zst", text);
		fd = repository_open_file(repository, file, &err);
		assert_ok(fd, err);
		(void)close(fd);
	}
	assert_non_null(found);
	return found;
}

static bool reads(const struct place *place, const char *text)
{
	_cleanup_free_ char *found = read_whole(place, NOW);

	return streq(found, text);
}

static struct strv listed; /* nftw() has no place for it */

static int list_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)where;
	return kind == FTW_D ? 0 : strv_add(&listed, path);
}

/* Every file of the repository, one a line. */
static char *list_files(const struct place *place)
{
	_cleanup_buffer_ struct buffer text = {};

	(void)nftw(place->repo, list_one, 16, FTW_PHYS);
	strv_sort_unique(&listed);
	for (size_t i = 0; i < listed.count; i++)
		buffer_printf(&text, "%s\n", listed.items[i] + strlen(place->repo));
	strv_release(&listed);
	return buffer_take(&text, NULL);
}

static uint64_t version_of(const struct place *place, enum tuf_type type, int64_t *ret_expires)
{
	_cleanup_repository_ struct repository *repository = NULL;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(open_at(place, NOW, true, &repository, &err), err);
	if (ret_expires)
		*ret_expires = repository_metadata(repository, type)->expires;
	return repository_metadata(repository, type)->version;
}

/* ---- Publishing ---- */

static void a_repository_holds_what_was_put(void **state)
{
	_cleanup_place_ struct place place = place_new();
	_cleanup_error_ struct error *err = NULL;
	int64_t expires;

	(void)state;
	assert_true(reads(&place, ""));
	assert_ok(publish_text(&place, NOW, "1", "first", &err), err);
	assert_true(reads(&place, "first"));
	assert_ok(publish_text(&place, NOW, "2", "second", &err), err);
	assert_true(reads(&place, "second"));
	for (enum tuf_type type = TUF_TIMESTAMP; type < TUF_TYPES; type++) {
		static const int64_t days[TUF_TYPES] = {
			[TUF_TIMESTAMP] = 7, [TUF_SNAPSHOT] = 30, [TUF_TARGETS] = 90};

		assert_int_equal(version_of(&place, type, &expires), 2);
		assert_int_equal(expires, NOW + days[type] * DAY);
	}
	/* The first generation is still there for whoever reads it now. */
	shell(place.repo,
		"test -e metadata/1.targets.json && test -e metadata/1.snapshot.json && "
		"test $(ls targets/*.releases.json | wc -l) = 2 && test -z \"$(find . -name '.?*')\"");
}

static void what_is_signed_again_is_what_is_due(void **state)
{
	static const struct {
		int64_t days;
		bool snapshot, targets;
	} cases[] = {
		{0, false, false},
		{14, false, false},
		{16, true, false},
		{44, true, false},
		{46, true, true},
		{200, true, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_place_ struct place place = place_new();
		_cleanup_repository_ struct repository *repository = NULL;
		_cleanup_error_ struct error *err = NULL;

		assert_ok(publish_text(&place, NOW, "1", "first", &err), err);
		assert_ok(open_at(&place, NOW + cases[i].days * DAY, false, &repository, &err), err);
		assert_ok(repository_commit(repository, &err), err);
		assert_true(repository_signed(repository, TUF_TIMESTAMP));
		assert_int_equal(repository_signed(repository, TUF_SNAPSHOT), cases[i].snapshot);
		assert_int_equal(repository_signed(repository, TUF_TARGETS), cases[i].targets);
		assert_int_equal(repository_metadata(repository, TUF_TIMESTAMP)->expires,
			NOW + (cases[i].days + 7) * DAY);
		assert_true(reads(&place, "first"));
		assert_int_equal(version_of(&place, TUF_TIMESTAMP, NULL), 2);
	}
}

static void an_expired_root_signs_nothing(void **state)
{
	_cleanup_place_ struct place place = place_new();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(publish_text(&place, NOW, "1", "first", &err), err);
	assert_error(publish_text(&place, NOW + 4000LL * DAY, "2", "second", &err), -EKEYEXPIRED, err,
		"rotate root");
	assert_true(reads(&place, "first"));
}

static void one_process_publishes_at_a_time(void **state)
{
	_cleanup_place_ struct place place = place_new();
	_cleanup_repository_ struct repository *repository = NULL;
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(publish_text(&place, NOW, "1", "first", &err), err);
	assert_ok(open_at(&place, NOW, false, &repository, &err), err);
	assert_error(publish_text(&place, NOW, "2", "second", &err), -EBUSY, err, "another process");
	assert_true(reads(&place, "first"));
	repository = repository_free(repository);
	assert_ok(publish_text(&place, NOW, "2", "second", &err), err);
}

static void keys_that_are_missing_are_found_before_anything_is_written(void **state)
{
	static const char *const names[] = {"targets.key", "snapshot.key", "timestamp.key"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_place_ struct place place = place_new();
		_cleanup_repository_ struct repository *repository = NULL;
		_cleanup_free_ char *path = string_format("%s/%s", place.keys, names[i]);
		_cleanup_error_ struct error *err = NULL;

		own_keys(&place);
		assert_int_equal(unlink(path), 0);
		assert_ok(open_at(&place, NOW, false, &repository, &err), err);
		assert_error(repository_unlock(repository, &err), -ENOKEY, err, names[i]);
	}
}

/* ---- Tampering ---- */

static void a_repository_that_was_tampered_with_is_refused(void **state)
{
	static const struct {
		const char *script;
		int code;
	} cases[] = {
		{"sed -i 's/2027/2028/' metadata/timestamp.json", -EKEYREJECTED},
		{"sed -i 's/2027/2028/' metadata/2.snapshot.json", -EBADMSG},
		{"sed -i 's/2027/2028/' metadata/2.targets.json", -EBADMSG},
		{"cp metadata/1.targets.json metadata/2.targets.json", -EBADMSG},
		{"cp metadata/1.snapshot.json metadata/2.snapshot.json", -EBADMSG},
		{"rm metadata/2.snapshot.json", -EBADMSG},
		{"rm metadata/timestamp.json", -EBADMSG},
		{": >metadata/timestamp.json", -EBADMSG},
		{"sed -i 's/true/false/' metadata/1.root.json", -EKEYREJECTED},
		{"rm metadata/1.root.json", -ESTALE},
		{"cp metadata/1.root.json metadata/2.root.json", -EBADMSG},
		{"cp ../other/root.json metadata/1.root.json", -EKEYREJECTED},
		{"cp ../other/root.json metadata/2.root.json", -EKEYREJECTED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_place_ struct place place = place_new();
		_cleanup_free_ char *script = string_format("ln -s '%s' other", other_keys), *before = NULL,
				    *after = NULL;
		_cleanup_error_ struct error *err = NULL;
		int r;

		shell(place.folder, script);
		assert_ok(publish_text(&place, NOW, "1", "first", &err), err);
		assert_ok(publish_text(&place, NOW, "2", "second", &err), err);
		shell(place.repo, cases[i].script);
		before = list_files(&place);
		r = publish_text(&place, NOW, "3", "third", &err);
		if (r != cases[i].code)
			fail_msg("%s: %d: %s", cases[i].script, r, error_message(err));
		after = list_files(&place);
		assert_string_equal(before, after);
	}
}

static void a_target_that_was_tampered_with_is_not_read(void **state)
{
	static const struct {
		const char *script;
		int code;
	} cases[] = {{"echo more >>$file", -EBADMSG}, {"printf SECOND >$file", -EBADMSG},
		{": >$file", -EBADMSG}, {"rm $file", -ENODATA}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_place_ struct place place = place_new();
		_cleanup_repository_ struct repository *repository = NULL;
		_cleanup_free_ char *script = string_format(
					    "file=$(ls targets/*.releases.json); %s", cases[i].script),
				    *text = NULL;
		_cleanup_error_ struct error *err = NULL;
		size_t size;

		assert_ok(publish_text(&place, NOW, "1", "second", &err), err);
		shell(place.repo, script);
		assert_ok(open_at(&place, NOW, true, &repository, &err), err);
		assert_error(repository_read(repository, "releases.json", 100, &text, &size, &err),
			cases[i].code, err, "releases.json");
		assert_error(repository_read(repository, "nothing.json", 100, &text, &size, &err), -ENOENT,
			err, "nothing");
	}
}

/* ---- Faults ---- */

/* Publishes the second release in a process in which call number *at* is the last, or fails. */
static int publish_with_fault(const struct place *place, enum fault_kind kind, unsigned at)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		faults.kind = kind;
		faults.at = at;
		faults.count = 0;
		_exit(publish_text(place, NOW, "2", "second", NULL) < 0 ? 1 : faults.count < at ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The old repository or the new one, and after the next publisher has looked, no file that is in neither. */
static void judge_after_fault(const struct place *place, const char *old, const char *old_files, unsigned at)
{
	_cleanup_repository_ struct repository *repository = NULL;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *files = NULL;
	bool is_new = reads(place, "second");

	if (!is_new && !reads(place, old))
		fail_msg("neither old nor new after call %u", at);
	assert_ok(open_at(place, NOW, false, &repository, &err), err);
	repository = repository_free(repository);
	assert_true(reads(place, is_new ? "second" : old));
	files = list_files(place);
	assert_null(strstr(files, "/."));
	if (!is_new)
		assert_string_equal(files, old_files);
	if (at % 4 > 0)
		return;
	assert_ok(publish_text(place, NOW, "3", "third", &err), err);
	assert_true(reads(place, "third"));
}

/* Being killed is tried at each call; errors, which take the same ways, at every fifth. */
static unsigned next_call(enum fault_kind kind, unsigned at)
{
	return at + (kind == FAULT_KILL ? 1 : 5);
}

static void whatever_call_is_the_last_the_repository_is_whole(void **state)
{
	static const enum fault_kind kinds[] = {FAULT_KILL, FAULT_ONCE, FAULT_FULL};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (int begun = 0; begun < 2; begun++) {
			unsigned at = 1, failed = 0;

			for (int status = 1; status != 2; at = next_call(kinds[i], at)) {
				_cleanup_place_ struct place place = place_new();
				_cleanup_error_ struct error *err = NULL;
				_cleanup_free_ char *files = NULL;

				if (begun)
					assert_ok(publish_text(&place, NOW, "1", "first", &err), err);
				files = list_files(&place);
				status = publish_with_fault(&place, kinds[i], at);
				failed += status == 1 || status == 99;
				judge_after_fault(&place, begun ? "first" : "", files, at);
			}
			assert_true(failed > (kinds[i] == FAULT_KILL ? 100 : 15));
		}
}

static void all_is_flushed_before_the_timestamp_says_so(void **state)
{
	_cleanup_place_ struct place place = place_new();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	no_faults();
	faults.record = true;
	assert_ok(publish_text(&place, NOW, "1", "first", &err), err);
	assert_true(faults.dirty.count > 5);
	assert_false(faults.timestamp_early);
	for (size_t i = 0; i < faults.dirty.count; i++)
		if (*faults.dirty.items[i])
			fail_msg("%s was not flushed", faults.dirty.items[i]);
	no_faults();
}

/* ---- Rotation ---- */

static int rotate(
	const struct place *place, int64_t now, enum tuf_type role, bool *ret_ended, struct error **err)
{
	_cleanup_repository_ struct repository *repository = NULL;
	int r = open_at(place, now, false, &repository, err);

	return r < 0 ? r
		     : rotate_key(repository, &(struct rotation){.role = role, .keys = place->keys},
			       ret_ended, err);
}

static uint64_t root_version(const struct place *place)
{
	_cleanup_repository_ struct repository *repository = NULL;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(open_at(place, NOW, true, &repository, &err), err);
	return repository_root(repository)->version;
}

/* Also for whoever trusts nothing but the first root. */
static void judge_from_first_root(const struct place *place)
{
	_cleanup_repository_ struct repository *repository = NULL;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(repository_open(&(struct repository_options){.path = place->repo, .now = NOW, .read = true},
			  &repository, &err),
		err);
}

static void any_sequence_of_new_keys_can_be_followed(void **state)
{
	static const enum tuf_type sequence[] = {TUF_TIMESTAMP, TUF_ROOT, TUF_TARGETS, TUF_ROOT, TUF_SNAPSHOT,
		TUF_TIMESTAMP, TUF_TARGETS, TUF_ROOT};
	_cleanup_place_ struct place place = place_new();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	own_keys(&place);
	assert_ok(publish_text(&place, NOW, "1", "first", &err), err);
	for (size_t i = 0; i < ARRAY_SIZE(sequence); i++) {
		_cleanup_free_ char *version = string_format("2.%zu", i);
		bool ended;

		assert_ok(rotate(&place, NOW, sequence[i], &ended, &err), err);
		assert_false(ended);
		assert_int_equal(root_version(&place), i + 2);
		judge_from_first_root(&place);
		assert_ok(publish_text(&place, NOW, version, version, &err), err);
		assert_true(reads(&place, version));
		judge_from_first_root(&place);
	}
	shell(place.keys, "test -e timestamp.key.1 && test -e root.key.2 && test -e root.json.8 && "
			  "test -z \"$(ls | grep new)\" && test \"$(stat -c %a root.key)\" = 600 && "
			  "cmp root.json ../repo/metadata/9.root.json");
}

static void a_new_root_key_helps_an_expired_root(void **state)
{
	_cleanup_place_ struct place place = place_new();
	_cleanup_error_ struct error *err = NULL;
	int64_t later = NOW + 4000LL * DAY;
	bool ended;

	(void)state;
	own_keys(&place);
	assert_ok(publish_text(&place, NOW, "1", "first", &err), err);
	assert_ok(rotate(&place, later, TUF_ROOT, &ended, &err), err);
	assert_ok(publish_text(&place, later, "2", "second", &err), err);
	assert_true(reads(&place, "second"));
}

static int rotate_with_fault(const struct place *place, enum tuf_type role, enum fault_kind kind, unsigned at)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		bool ended;

		faults.kind = kind;
		faults.at = at;
		faults.count = 0;
		_exit(rotate(place, NOW, role, &ended, NULL) < 0 ? 1 : faults.count < at ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Wherever it stops, what is there holds, can be extended, and the next call ends with one new key. */
static void an_interrupted_change_of_keys_is_taken_up(void **state)
{
	static const enum fault_kind kinds[] = {FAULT_KILL, FAULT_ONCE};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (enum tuf_type role = TUF_ROOT; role < TUF_TYPES; role++) {
			unsigned at = 1;

			for (int status = 1; status != 2; at = next_call(kinds[i], at)) {
				_cleanup_place_ struct place place = place_new();
				_cleanup_error_ struct error *err = NULL;
				bool ended;

				own_keys(&place);
				assert_ok(publish_text(&place, NOW, "1", "first", &err), err);
				status = rotate_with_fault(&place, role, kinds[i], at);
				assert_true(reads(&place, "first"));
				judge_from_first_root(&place);
				assert_ok(publish_text(&place, NOW, "2", "second", &err), err);
				assert_true(reads(&place, "second"));
				assert_ok(rotate(&place, NOW, role, &ended, &err), err);
				/* Once more where nothing was left to be taken up. */
				assert_in_range(root_version(&place), 2, 3);
				assert_ok(publish_text(&place, NOW, "3", "third", &err), err);
				judge_from_first_root(&place);
				shell(place.keys, "test -z \"$(ls | grep new)\"");
			}
			assert_true(at > 10);
		}
}

/* ---- Plans and changes ---- */

static void rollout_plans_are_read(void **state)
{
	static const struct {
		const char *text;
		size_t count; /* 0: an error */
	} cases[] = {
		{"10%@0h,50%@24h,100%@72h", 3},
		{"100%@0h", 1},
		{"0%@0h,100%@1h", 2},
		{"", 0},
		{"10%", 0},
		{"10@0h", 0},
		{"10%@0", 0},
		{"101%@0h", 0},
		{"-1%@0h", 0},
		{"10%@0h,", 0},
		{"10%@0h,5%@1h", 0},
		{"10%@0h,20%@0h", 0},
		{"10%@24h,20%@4h", 0},
		{"10%@99999999999h", 0},
		{"10 %@0h", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ struct release_step *steps = NULL;
		_cleanup_error_ struct error *err = NULL;
		size_t count = 0;
		int r = publish_parse_rollout(cases[i].text, &steps, &count, &err);

		if (r != (cases[i].count ? 0 : -EINVAL) || count != cases[i].count)
			fail_msg("%s: %d, %zu steps", cases[i].text, r, count);
	}
	{
		_cleanup_free_ struct release_step *steps = NULL;
		size_t count;

		assert_int_equal(publish_parse_rollout("10%@0h,50%@24h", &steps, &count, NULL), 0);
		assert_int_equal(steps[0].percent, 10);
		assert_int_equal(steps[1].hours, 24);
	}
}

static int change(struct release_index *index, enum publish_change_kind kind,
	const struct publish_selection *selection, struct error **err)
{
	const struct publish_change how = {.kind = kind, .reason = "bad", .now = NOW};

	return publish_change(index, &how, selection, err);
}

/* A rollout of an hour that is paused for a day after half of it has another half to go. */
static void a_paused_rollout_stands_still(void **state)
{
	struct release_step steps[] = {{0, 10}, {1, 100}}, faster[] = {{0, 50}};
	struct release_entry entry = {.edition = (char *)"a",
		.architecture = (char *)"amd64",
		.version = (char *)"1",
		.channels = RELEASE_WEEKLY,
		.published = NOW};
	struct release_index index = {.entries = &entry, .count = 1};
	const struct publish_selection one = {.version = "1"};
	struct publish_change how = {.kind = PUBLISH_PLAN, .audience = {.steps = steps, .step_count = 2}};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_int_equal(publish_change(&index, &how, &one, &err), 1);
	assert_int_equal(publish_change(&index, &how, &one, &err), 0);
	assert_int_equal(entry.step_count, 2);
	assert_int_equal(entry.channels, RELEASE_WEEKLY);
	how = (struct publish_change){.kind = PUBLISH_PAUSE, .now = NOW + 1800};
	assert_int_equal(publish_change(&index, &how, &one, &err), 1);
	assert_int_equal(release_entry_begins(&entry), NOW);
	how = (struct publish_change){.kind = PUBLISH_RESUME, .now = NOW + 1800 + 86400};
	assert_int_equal(publish_change(&index, &how, &one, &err), 1);
	assert_int_equal(release_entry_begins(&entry), NOW + 86400);
	assert_int_equal(entry.published, NOW);
	/* A clock that went back takes nothing off. */
	how = (struct publish_change){.kind = PUBLISH_PAUSE, .now = NOW + 90000};
	assert_int_equal(publish_change(&index, &how, &one, &err), 1);
	how = (struct publish_change){.kind = PUBLISH_RESUME, .now = NOW};
	assert_int_equal(publish_change(&index, &how, &one, &err), 1);
	assert_int_equal(release_entry_begins(&entry), NOW + 86400);
	how = (struct publish_change){.kind = PUBLISH_PLAN,
		.audience = {.channels = RELEASE_SECURITY, .steps = faster, .step_count = 1}};
	assert_int_equal(publish_change(&index, &how, &one, &err), 1);
	assert_int_equal(entry.channels, RELEASE_SECURITY);
	assert_int_equal(entry.steps[0].percent, 50);
	free(entry.steps);
}

static void floors_only_rise_and_withdrawn_releases_are_none(void **state)
{
	static const char text[] = "{\"format\": 1, \"releases\": ["
				   "{\"edition\": \"a\", \"architecture\": \"amd64\", \"version\": \"1\", "
				   "\"channels\": [\"weekly\"],"
				   " \"published\": \"2027-01-01T00:00:00Z\"},"
				   "{\"edition\": \"a\", \"architecture\": \"amd64\", \"version\": \"2\", "
				   "\"channels\": [\"weekly\"],"
				   " \"published\": \"2027-01-02T00:00:00Z\"},"
				   "{\"edition\": \"a\", \"architecture\": \"arm64\", \"version\": \"2\", "
				   "\"channels\": [\"weekly\"],"
				   " \"published\": \"2027-01-02T00:00:00Z\"}]}";
	_cleanup_release_index_ struct release_index index = {};
	_cleanup_buffer_ struct buffer again = {};
	_cleanup_error_ struct error *err = NULL;
	const struct publish_selection one = {.version = "1"}, two = {.version = "2"},
				       none = {.version = "3"},
				       arm = {.version = "2", .architecture = "arm64"};
	static const enum publish_change_kind others[] = {
		PUBLISH_PAUSE, PUBLISH_RESUME, PUBLISH_PLAN, PUBLISH_FLOOR};

	(void)state;
	assert_ok(release_index_parse(text, strlen(text), &index, &err), err);
	assert_int_equal(change(&index, PUBLISH_PAUSE, &two, &err), 2);
	assert_int_equal(change(&index, PUBLISH_PAUSE, &two, &err), 0);
	assert_int_equal(change(&index, PUBLISH_RESUME, &arm, &err), 1);
	assert_int_equal(change(&index, PUBLISH_RESUME, &arm, &err), 0);
	assert_int_equal(release_index_find(&index, "a", "amd64", "2")->paused, NOW);
	assert_int_equal(release_index_find(&index, "a", "arm64", "2")->paused, 0);
	assert_error(change(&index, PUBLISH_PAUSE, &none, &err), -ENOENT, err, "3");
	assert_int_equal(change(&index, PUBLISH_FLOOR, &two, &err), 2);
	assert_error(change(&index, PUBLISH_FLOOR, &one, &err), -EINVAL, err, "never goes down");
	assert_string_equal(release_index_floor(&index, "a", "amd64")->version, "2");
	assert_int_equal(change(&index, PUBLISH_WITHDRAW, &arm, &err), 1);
	assert_int_equal(change(&index, PUBLISH_WITHDRAW, &arm, &err), 0);
	assert_string_equal(release_index_find(&index, "a", "arm64", "2")->withdrawn, "bad");
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_error(change(&index, others[i], &arm, &err), -EINVAL, err, "2 for arm64 is withdrawn");
	assert_ok(release_index_write(&index, &again, &err), err);
}

static int make_keys(void **state)
{
	(void)state;
	base_keys = scratch_new();
	other_keys = scratch_new();
	const struct keys_options options = {.now = NOW};

	return keys_init(base_keys, &options, NULL) | keys_init(other_keys, &options, NULL);
}

static int drop_keys(void **state)
{
	(void)state;
	scratch_remove(&base_keys);
	scratch_remove(&other_keys);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_repository_holds_what_was_put),
		cmocka_unit_test(what_is_signed_again_is_what_is_due),
		cmocka_unit_test(an_expired_root_signs_nothing),
		cmocka_unit_test(one_process_publishes_at_a_time),
		cmocka_unit_test(keys_that_are_missing_are_found_before_anything_is_written),
		cmocka_unit_test(a_repository_that_was_tampered_with_is_refused),
		cmocka_unit_test(a_target_that_was_tampered_with_is_not_read),
		cmocka_unit_test(whatever_call_is_the_last_the_repository_is_whole),
		cmocka_unit_test(all_is_flushed_before_the_timestamp_says_so),
		cmocka_unit_test(any_sequence_of_new_keys_can_be_followed),
		cmocka_unit_test(a_new_root_key_helps_an_expired_root),
		cmocka_unit_test(an_interrupted_change_of_keys_is_taken_up),
		cmocka_unit_test(rollout_plans_are_read),
		cmocka_unit_test(floors_only_rise_and_withdrawn_releases_are_none),
		cmocka_unit_test(a_paused_rollout_stands_still),
	};

	return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
