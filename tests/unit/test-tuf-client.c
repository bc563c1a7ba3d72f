/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers such as 5.3.4 are clauses of the TUF specification, 1.0.
 */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/string-util.h"
#include "tuf-repository.h"
#include "update/tuf-client.h"

static void refresh_ok(struct repository *repository)
{
	_cleanup_error_ struct error *err = NULL;

	assert_ok(repository_refresh(repository, &err), err);
}

/* The refresh fails so, and no copy of *name* is kept but what was before. */
static void refresh_refused(struct repository *repository, int code, const char *name, const char *message)
{
	json_t *before = json_incref(json_object_get(repository->kept, name));
	_cleanup_error_ struct error *err = NULL;

	assert_error(repository_refresh(repository, &err), code, err, message);
	assert_ptr_equal(json_object_get(repository->kept, name), before);
	json_decref(before);
}

static void assert_fetched(struct repository *repository, const char *names)
{
	_cleanup_free_ char *fetched = repository_fetched(repository);

	assert_string_equal(fetched, names);
}

static void assert_kept(const struct repository *repository, int64_t root, int64_t timestamp,
	int64_t snapshot, int64_t targets)
{
	assert_int_equal(repository_kept(repository, "root.json"), root);
	assert_int_equal(repository_kept(repository, "timestamp.json"), timestamp);
	assert_int_equal(repository_kept(repository, "snapshot.json"), snapshot);
	assert_int_equal(repository_kept(repository, "targets.json"), targets);
}

static const char *text_of(const json_t *texts, const char *name)
{
	return json_string_value(json_object_get(texts, name));
}

static json_t *metas(struct repository *repository, enum tuf_type type)
{
	return json_object_get(repository->body[type], "meta");
}

static void set_meta(struct repository *repository, enum tuf_type type, const char *name, int64_t version)
{
	repository_set(json_object_get(metas(repository, type), name), "version", version);
}

/* ---- A repository where all is well ---- */

static void a_refresh_fetches_each_document_in_its_order(void **state)
{
	_cleanup_repository_ struct repository repository;

	(void)state;
	repository_init(&repository);
	refresh_ok(&repository);
	assert_fetched(&repository, "2.root.json timestamp.json 1.snapshot.json 1.targets.json ");
	assert_kept(&repository, 1, 1, 1, 1);
	assert_string_equal(
		text_of(repository.kept, "timestamp.json"), text_of(repository.server, "timestamp.json"));
}

static void what_is_published_is_followed(void **state)
{
	(void)state;
	for (int hashes = 0; hashes <= 1; hashes++) {
		_cleanup_repository_ struct repository repository;

		repository_init(&repository);
		repository.hashes = hashes;
		for (int64_t version = 2; version <= 4; version++) {
			repository_publish(&repository);
			refresh_ok(&repository);
			assert_kept(&repository, 1, version, version, version);
		}
	}
}

/* 5.4.3.1: nothing else can have changed. The timestamp itself is asked for all the same. */
static void where_nothing_is_new_only_the_timestamp_is_fetched(void **state)
{
	_cleanup_repository_ struct repository repository;

	(void)state;
	repository_init(&repository);
	refresh_ok(&repository);
	free(repository_fetched(&repository));
	refresh_ok(&repository);
	assert_fetched(&repository, "2.root.json timestamp.json ");
}

static void a_new_timestamp_alone_leads_to_no_other_fetch(void **state)
{
	_cleanup_repository_ struct repository repository;

	(void)state;
	repository_init(&repository);
	refresh_ok(&repository);
	free(repository_fetched(&repository));
	repository_publish_timestamp(&repository);
	refresh_ok(&repository);
	assert_fetched(&repository, "2.root.json timestamp.json ");
	assert_kept(&repository, 1, 2, 1, 1);
}

static void without_consistent_snapshots_names_have_no_version(void **state)
{
	_cleanup_repository_ struct repository repository;

	(void)state;
	repository_init(&repository);
	json_object_set_new(repository.body[TUF_ROOT], "consistent_snapshot", json_false());
	repository_publish_root(&repository, TUF_TYPES, NULL, 0, KEYS(1));
	repository_publish(&repository);
	refresh_ok(&repository);
	assert_fetched(&repository, "2.root.json 3.root.json timestamp.json snapshot.json targets.json ");
	assert_kept(&repository, 2, 2, 2, 2);
}

static void what_is_trusted_can_be_looked_at_once_it_is(void **state)
{
	_cleanup_repository_ struct repository repository;
	_cleanup_tuf_client_ struct tuf_client *client = NULL;
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	repository_init(&repository);
	client = repository_client(&repository);
	assert_int_equal(tuf_client_metadata(client, TUF_ROOT)->version, 1);
	assert_null(tuf_client_metadata(client, TUF_TIMESTAMP));
	assert_ok(tuf_client_refresh(client, &err), err);
	for (enum tuf_type type = TUF_ROOT; type < TUF_TYPES; type++)
		assert_int_equal(tuf_client_metadata(client, type)->type, type);
	/* The same client again. */
	repository_publish(&repository);
	assert_ok(tuf_client_refresh(client, &err), err);
	assert_int_equal(tuf_client_metadata(client, TUF_TARGETS)->version, 2);
	repository_set_text(repository.server, "timestamp.json", "{}");
	assert_int_equal(tuf_client_refresh(client, NULL), -EBADMSG);
	assert_null(tuf_client_metadata(client, TUF_TARGETS));
}

/* ---- The root to begin with (5.2) ---- */

static void the_first_root_has_to_be_sound(void **state)
{
	static const struct {
		const char *text; /* NULL: signed by another key */
		int code;
	} cases[] = {{"", -EBADMSG}, {"{}", -EBADMSG}, {NULL, -EKEYREJECTED}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_repository_ struct repository repository;
		const struct tuf_client_io io = {.userdata = &repository};
		struct tuf_client_options options = {.io = &io};
		_cleanup_error_ struct error *err = NULL;
		struct tuf_client *client = NULL;

		repository_init(&repository);
		repository_put_as(&repository, "1.root.json", repository.body[TUF_ROOT], KEYS(2, 7));
		options.root = cases[i].text ? cases[i].text : text_of(repository.server, "1.root.json");
		options.root_size = strlen(options.root);
		assert_error(tuf_client_new(&options, &client, &err), cases[i].code, err,
			"the root that is trusted to begin with: root: ");
		assert_null(client);
	}
}

static void an_expired_first_root_does_not_matter_where_there_is_a_newer_one(void **state)
{
	_cleanup_repository_ struct repository repository;

	(void)state;
	repository_init(&repository);
	repository_set_text(repository.body[TUF_ROOT], "expires", REPOSITORY_PAST);
	repository_put(&repository, TUF_ROOT);
	free(repository.root);
	repository.root = strdup(text_of(repository.server, "1.root.json"));
	refresh_refused(&repository, -EKEYEXPIRED, "timestamp.json", "root.json: version 1 expired");
	repository_set_text(repository.body[TUF_ROOT], "expires", REPOSITORY_FUTURE);
	repository_publish_root(&repository, TUF_TYPES, NULL, 0, KEYS(1));
	refresh_ok(&repository);
}

/* ---- root (5.3) ---- */

struct rotation {
	const int *keys;
	int threshold;
	const int *signers;
};

/* 5.3.4: by the threshold of the root before, and by its own. */
static void roots_are_signed_by_the_old_and_the_new_keys(void **state)
{
	static const int one[] = {1, -1}, two[] = {2, -1}, one_two[] = {1, 2, -1}, three[] = {1, 2, 3, -1},
			 five[] = {10, 11, 12, 13, 14, -1}, changed[] = {10, 11, 13, 14, 15, -1},
			 nobody[] = {-1};
	const struct {
		struct rotation roots[3];
		int64_t version; /* reached; where that is not the last, the next one is refused */
	} cases[] = {
		{{{one, 1, one}, {two, 1, one_two}, {two, 1, two}}, 3},
		{{{one, 1, three}, {two, 1, three}, {two, 1, (const int[]){3, 2, -1}}}, 3},
		{{{one, 1, one}, {one_two, 2, one_two}}, 2},
		{{{one_two, 2, one_two}, {one_two, 1, one_two}, {one_two, 1, one}}, 3},
		{{{five, 3, (const int[]){10, 12, 14, -1}}, {five, 3, (const int[]){10, 14, 11, -1}},
			 {changed, 3, (const int[]){10, 11, 14, -1}}},
			3},
		{{{one, 1, one}, {one, 1, nobody}}, 1},
		{{{one, 1, one}, {two, 1, two}}, 1},		 /* not by the old key */
		{{{one, 1, one}, {two, 1, one}}, 1},		 /* not by the new key */
		{{{one_two, 2, one_two}, {one_two, 1, one}}, 1}, /* not by the old threshold */
		{{{one_two, 1, one}, {one_two, 2, one}}, 1},	 /* not by the new threshold */
		{{{five, 3, (const int[]){10, 12, 14, -1}},	 /* two of the old three */
			 {changed, 3, (const int[]){10, 14, 15, -1}}},
			1},
		{{{one, 1, one}, {one_two, 2, one_two}, {one_two, 2, one}}, 2},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_repository_ struct repository repository;
		_cleanup_error_ struct error *err = NULL;
		int64_t last = 0;
		int r;

		repository_init(&repository);
		repository_set(repository.body[TUF_ROOT], "version", 0);
		for (; last < 3 && cases[i].roots[last].keys; last++)
			repository_publish_root(&repository, TUF_ROOT, cases[i].roots[last].keys,
				cases[i].roots[last].threshold, cases[i].roots[last].signers);
		free(repository.root);
		repository.root = strdup(text_of(repository.server, "1.root.json"));
		r = repository_refresh(&repository, &err);
		if (r != (cases[i].version == last ? 0 : -EKEYREJECTED) ||
			repository_kept(&repository, "root.json") != cases[i].version)
			fail_msg("%zu: %d: %s", i, r, error_message(err));
	}
}

/* 5.3.5 */
static void the_next_root_has_the_next_version(void **state)
{
	static const struct {
		int64_t version;
		int code;
	} cases[] = {{4, -EBADMSG}, {2, 0}, {1, -ESTALE}, {3, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_repository_ struct repository repository;
		_cleanup_error_ struct error *err = NULL;

		repository_init(&repository);
		repository_publish_root(&repository, TUF_TYPES, NULL, 0, KEYS(1));
		repository_set(repository.body[TUF_ROOT], "version", cases[i].version);
		repository_put_as(&repository, "3.root.json", repository.body[TUF_ROOT], KEYS(1));
		assert_int_equal(repository_refresh(&repository, &err), cases[i].code);
		assert_int_equal(repository_kept(&repository, "root.json"), cases[i].version == 3 ? 3 : 2);
		assert_int_equal(repository_kept(&repository, "timestamp.json"), cases[i].code == 0);
	}
}

/* 5.3.6, 5.3.10 */
static void only_the_last_root_must_not_have_expired(void **state)
{
	_cleanup_repository_ struct repository repository;

	(void)state;
	repository_init(&repository);
	repository_set_text(repository.body[TUF_ROOT], "expires", REPOSITORY_PAST);
	repository_publish_root(&repository, TUF_TYPES, NULL, 0, KEYS(1));
	refresh_refused(&repository, -EKEYEXPIRED, "timestamp.json",
		"root.json: version 2 expired at " REPOSITORY_PAST);
	assert_fetched(&repository, "2.root.json 3.root.json ");
	assert_int_equal(repository_kept(&repository, "root.json"), 2); /* 5.3.8 comes before */
	repository_set_text(repository.body[TUF_ROOT], "expires", REPOSITORY_FUTURE);
	repository_publish_root(&repository, TUF_TYPES, NULL, 0, KEYS(1));
	refresh_ok(&repository);
	assert_kept(&repository, 3, 1, 1, 1);
}

/* 5.3.3 */
static void a_refresh_walks_over_a_limited_number_of_roots_and_the_next_one_goes_on(void **state)
{
	_cleanup_repository_ struct repository repository;

	(void)state;
	repository_init(&repository);
	for (int i = 0; i < TUF_ROOTS_MAX + 20; i++)
		repository_publish_root(&repository, TUF_TYPES, NULL, 0, KEYS(1));
	refresh_ok(&repository);
	assert_int_equal(repository_kept(&repository, "root.json"), TUF_ROOTS_MAX + 1);
	refresh_ok(&repository);
	assert_int_equal(repository_kept(&repository, "root.json"), TUF_ROOTS_MAX + 21);
}

static void a_root_that_may_not_be_seen_is_not_there(void **state)
{
	static const struct {
		int fault, code;
	} cases[] = {{-ENOENT, 0}, {-EACCES, 0}, {-ETIMEDOUT, -ETIMEDOUT}, {-EFBIG, -EFBIG}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_repository_ struct repository repository;
		_cleanup_error_ struct error *err = NULL;

		repository_init(&repository);
		repository_set(repository.faults, "2.root.json", cases[i].fault);
		assert_int_equal(repository_refresh(&repository, &err), cases[i].code);
	}
}

/* 5.3.11 */
static void lost_keys_of_timestamp_or_snapshot_delete_what_was_kept(void **state)
{
	static const int two[] = {2, -1}, three[] = {3, -1}, seven[] = {7, -1}, two_seven[] = {2, 7, -1},
			 three_seven[] = {3, 7, -1};
	static const struct {
		enum tuf_type type;
		const int *keys;
		int threshold;
		bool deleted;
	} cases[] = {
		{TUF_TIMESTAMP, seven, 1, true},
		{TUF_SNAPSHOT, seven, 1, true},
		{TUF_TARGETS, seven, 1, false},
		{TUF_TIMESTAMP, two, 1, false},
		{TUF_TIMESTAMP, two_seven, 1, false},
		{TUF_TIMESTAMP, two_seven, 2, false},
		{TUF_SNAPSHOT, three_seven, 1, false},
		{TUF_SNAPSHOT, three, 5, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_repository_ struct repository repository;

		repository_init(&repository);
		refresh_ok(&repository);
		repository_publish_root(
			&repository, cases[i].type, cases[i].keys, cases[i].threshold, KEYS(1));
		/* The refresh ends behind the roots, so that it is seen what they do. */
		repository_set(repository.faults, "timestamp.json", -ETIMEDOUT);
		assert_int_equal(repository_refresh(&repository, NULL), -ETIMEDOUT);
		assert_kept(&repository, 2, !cases[i].deleted, !cases[i].deleted, 1);
	}
}

/* Fast-forward: versions that are never reached again. Rotated keys get the repository out of it. */
static void a_fast_forward_is_recovered_from_by_new_keys(void **state)
{
	(void)state;
	for (enum tuf_type type = TUF_TIMESTAMP; type <= TUF_TARGETS; type++) {
		_cleanup_repository_ struct repository repository;
		enum tuf_type rotated = type == TUF_TARGETS ? TUF_SNAPSHOT : type;

		repository_init(&repository);
		repository_set(repository.body[type], "version", INT64_MAX - 1);
		if (type == TUF_TARGETS)
			repository_publish(&repository);
		else if (type == TUF_SNAPSHOT)
			repository_publish_snapshot(&repository);
		else
			repository_publish_timestamp(&repository);
		refresh_ok(&repository);
		repository_set(repository.body[type], "version", 1);
		repository_publish(&repository);
		assert_int_equal(repository_refresh(&repository, NULL), -ESTALE);

		repository.signers[rotated] = KEYS(7);
		repository_publish_root(&repository, rotated, KEYS(7), 1, KEYS(1));
		repository_publish(&repository);
		refresh_ok(&repository);
		assert_true(repository_kept(&repository, "targets.json") < 10);
		assert_true(repository_kept(&repository, "snapshot.json") < 10);
		assert_true(repository_kept(&repository, "timestamp.json") < 10);
	}
}

/* A second key of the role signs on: what was kept would still verify, so it is the deletion that helps. */
static void recovery_does_not_rest_on_the_old_signatures(void **state)
{
	_cleanup_repository_ struct repository repository;

	(void)state;
	repository_init(&repository);
	repository.signers[TUF_TIMESTAMP] = KEYS(2, 7);
	repository_publish_root(&repository, TUF_TIMESTAMP, KEYS(2, 7), 1, KEYS(1));
	repository_set(repository.body[TUF_TIMESTAMP], "version", INT64_MAX - 1);
	repository_publish_timestamp(&repository);
	refresh_ok(&repository);
	repository.signers[TUF_TIMESTAMP] = KEYS(7);
	repository_publish_root(&repository, TUF_TIMESTAMP, KEYS(7), 1, KEYS(1));
	repository_set(repository.body[TUF_TIMESTAMP], "version", 1);
	repository_publish_timestamp(&repository);
	refresh_ok(&repository);
	assert_int_equal(repository_kept(&repository, "timestamp.json"), 2);
}

/* An image with a newer root takes the place of one, and the roots between them were never seen. */
static void a_newer_first_root_deletes_what_its_lost_keys_signed(void **state)
{
	(void)state;
	for (int rotates = 0; rotates <= 1; rotates++) {
		_cleanup_repository_ struct repository repository;

		repository_init(&repository);
		refresh_ok(&repository);
		repository_publish_root(
			&repository, rotates ? TUF_SNAPSHOT : TUF_TARGETS, KEYS(7), 1, KEYS(1));
		repository_publish_root(&repository, TUF_TYPES, NULL, 0, KEYS(1));
		free(repository.root);
		repository.root = strdup(text_of(repository.server, "3.root.json"));
		repository_set(repository.faults, "timestamp.json", -ETIMEDOUT);
		assert_int_equal(repository_refresh(&repository, NULL), -ETIMEDOUT);
		assert_kept(&repository, 3, !rotates, !rotates, 1);
	}
}

static void roots_that_were_kept_are_not_fetched_again(void **state)
{
	_cleanup_repository_ struct repository repository;

	(void)state;
	repository_init(&repository);
	repository_publish_root(&repository, TUF_ROOT, KEYS(5), 1, KEYS(1, 5));
	repository_publish_root(&repository, TUF_TIMESTAMP, KEYS(6), 1, KEYS(5));
	repository.signers[TUF_TIMESTAMP] = KEYS(6);
	repository_publish_timestamp(&repository);
	refresh_ok(&repository);
	free(repository_fetched(&repository));
	/* The chain begins at the first root again, and what it rotated long ago deletes nothing any more. */
	refresh_ok(&repository);
	assert_fetched(&repository, "4.root.json timestamp.json ");
	assert_kept(&repository, 3, 2, 1, 1);
}

/* ---- timestamp (5.4) ---- */

/* 5.4.2, 5.5.3, 5.6.3: no role's documents are taken from who may not sign them. */
static void every_role_needs_its_own_signatures(void **state)
{
	static const char *const names[] = {NULL, "timestamp.json", "snapshot.json", "targets.json"};
	const struct {
		const int *keys;
		int threshold;
		const int *signers;
		int code;
	} cases[] = {
		{(const int[]){7, -1}, 1, (const int[]){7, -1}, 0},
		{(const int[]){7, -1}, 1, (const int[]){20, 7, 21, -1}, 0},
		{(const int[]){7, 8, 9, -1}, 2, (const int[]){9, 7, -1}, 0},
		{(const int[]){7, -1}, 1, (const int[]){-1}, -EKEYREJECTED},
		{(const int[]){7, -1}, 1, (const int[]){1, 2, 3, 4, -1}, -EKEYREJECTED},
		{(const int[]){7, 8, 9, -1}, 2, (const int[]){7, 20, -1}, -EKEYREJECTED},
		{(const int[]){7, 8, -1}, 3, (const int[]){7, 8, -1}, -EKEYREJECTED},
		{(const int[]){7, 8, -1}, 2, (const int[]){7, 7, -1}, -EBADMSG},
		{(const int[]){7, 7, -1}, 2, (const int[]){7, -1}, -EKEYREJECTED},
		{(const int[]){-1}, 1, (const int[]){7, -1}, -EKEYREJECTED},
	};

	(void)state;
	for (enum tuf_type type = TUF_TIMESTAMP; type < TUF_TYPES; type++)
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			_cleanup_repository_ struct repository repository;
			_cleanup_error_ struct error *err = NULL;
			int r;

			repository_init(&repository);
			repository_publish_root(
				&repository, type, cases[i].keys, cases[i].threshold, KEYS(1));
			repository.signers[type] = cases[i].signers;
			repository_publish(&repository);
			r = repository_refresh(&repository, &err);
			if (r != cases[i].code ||
				repository_kept(&repository, names[type]) != (cases[i].code == 0 ? 2 : 0))
				fail_msg("%s, %zu: %d: %s", names[type], i, r, error_message(err));
		}
}

/* 5.4.3.1 */
static void an_older_timestamp_is_refused(void **state)
{
	_cleanup_repository_ struct repository repository;

	(void)state;
	repository_init(&repository);
	repository_publish_timestamp(&repository);
	refresh_ok(&repository);
	repository_set(repository.body[TUF_TIMESTAMP], "version", 1);
	repository_put(&repository, TUF_TIMESTAMP);
	refresh_refused(&repository, -ESTALE, "timestamp.json",
		"timestamp.json: version 1 of timestamp, and version 2 was trusted before (it is not used");
}

/* 5.4.3.1: of equal versions the one that was kept counts, whatever the other says. */
static void a_timestamp_of_the_same_version_changes_nothing(void **state)
{
	_cleanup_repository_ struct repository repository;

	(void)state;
	repository_init(&repository);
	refresh_ok(&repository);
	free(repository_fetched(&repository));
	set_meta(&repository, TUF_TIMESTAMP, "snapshot.json", 100);
	repository_put(&repository, TUF_TIMESTAMP);
	refresh_ok(&repository);
	assert_fetched(&repository, "2.root.json timestamp.json ");
	assert_null(strstr(text_of(repository.kept, "timestamp.json"), "100"));
}

/* … and what it leads to is looked at all the same. */
static void a_refresh_that_was_cut_is_made_up_for_with_the_same_timestamp(void **state)
{
	_cleanup_repository_ struct repository repository;

	(void)state;
	repository_init(&repository);
	repository_set(repository.faults, "1.snapshot.json", -ETIMEDOUT);
	assert_int_equal(repository_refresh(&repository, NULL), -ETIMEDOUT);
	assert_kept(&repository, 1, 1, 0, 0);
	json_object_clear(repository.faults);
	refresh_ok(&repository);
	assert_kept(&repository, 1, 1, 1, 1);
}

/* 5.4.3.2 */
static void a_timestamp_with_an_older_snapshot_is_refused(void **state)
{
	_cleanup_repository_ struct repository repository;

	(void)state;
	repository_init(&repository);
	repository_publish(&repository);
	refresh_ok(&repository);
	repository_set(repository.body[TUF_SNAPSHOT], "version", 1);
	repository_publish_timestamp(&repository);
	refresh_refused(&repository, -ESTALE, "timestamp.json",
		"timestamp.json: version 1 of snapshot, and version 2 was trusted before");
}

/* 5.4.4, 5.5.6, 5.6.5: an expiry at the very second of the refresh is one. */
static void expired_documents_are_refused(void **state)
{
	static const char *const names[] = {NULL, "timestamp.json", "snapshot.json", "targets.json"};

	(void)state;
	for (enum tuf_type type = TUF_TIMESTAMP; type < TUF_TYPES; type++) {
		_cleanup_repository_ struct repository repository;

		repository_init(&repository);
		refresh_ok(&repository);
		repository_set_text(repository.body[type], "expires", REPOSITORY_PAST);
		repository_publish(&repository);
		refresh_refused(&repository, -EKEYEXPIRED, names[type], "version 2 expired at 2027-01-15");
		assert_int_equal(repository_kept(&repository, names[type]), 1);
		repository_set_text(repository.body[type], "expires", REPOSITORY_FUTURE);
		repository_publish(&repository);
		refresh_ok(&repository);
	}
}

/* A freeze: the same documents are served for ever. */
static void what_was_kept_expires_too(void **state)
{
	static const char *const names[] = {NULL, "timestamp.json", "snapshot.json", "targets.json"};

	(void)state;
	for (enum tuf_type type = TUF_TIMESTAMP; type < TUF_TYPES; type++) {
		_cleanup_repository_ struct repository repository;

		repository_init(&repository);
		repository_set_text(repository.body[type], "expires", REPOSITORY_FUTURE);
		repository_publish(&repository);
		refresh_ok(&repository);
		repository.now++;
		refresh_refused(&repository, -EKEYEXPIRED, names[type], "set the clock if it is wrong");
		/* It is still what newer ones are compared with. */
		repository_set_text(repository.body[type], "expires", "2027-01-15T08:00:02Z");
		repository_publish(&repository);
		refresh_ok(&repository);
		assert_kept(&repository, 1, 3, 3, 3);
	}
}

static void an_expired_copy_still_guards_against_a_rollback(void **state)
{
	_cleanup_repository_ struct repository repository;

	(void)state;
	repository_init(&repository);
	repository_set_text(repository.body[TUF_TIMESTAMP], "expires", REPOSITORY_FUTURE);
	repository_publish(&repository);
	refresh_ok(&repository);
	repository.now++;
	repository_set(repository.body[TUF_TIMESTAMP], "version", 1);
	repository_set_text(repository.body[TUF_TIMESTAMP], "expires", "2099-01-01T00:00:00Z");
	repository_put(&repository, TUF_TIMESTAMP);
	refresh_refused(&repository, -ESTALE, "timestamp.json", "version 2 was trusted before");
}

/* ---- Endless data, and other things that are no document ---- */

static void pad(json_t *body, size_t size)
{
	char *text = malloc(size + 1);

	memset(text, 'x', size);
	text[size] = 0;
	repository_set_text(body, "padding", text);
	free(text);
}

static void documents_have_a_longest_length(void **state)
{
	static const struct {
		enum tuf_type type;
		uint64_t max;
	} cases[] = {{TUF_ROOT, TUF_ROOT_MAX}, {TUF_TIMESTAMP, TUF_TIMESTAMP_MAX},
		{TUF_SNAPSHOT, TUF_SNAPSHOT_MAX}, {TUF_TARGETS, TUF_TARGETS_MAX}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int over = 0; over <= 1; over++) {
			_cleanup_repository_ struct repository repository;
			_cleanup_error_ struct error *err = NULL;

			repository_init(&repository);
			/* The rest of the document has less than 4096 bytes. */
			pad(repository.body[cases[i].type], cases[i].max - (over ? 0 : 4096));
			repository_publish_root(&repository, TUF_TYPES, NULL, 0, KEYS(1));
			repository_publish(&repository);
			assert_int_equal(repository_refresh(&repository, &err), over ? -EFBIG : 0);
		}
}

/* A length that is signed takes the place of the general limit, where it is the smaller. */
static void a_signed_length_bounds_what_is_fetched(void **state)
{
	static const struct {
		enum tuf_type lister;
		const char *name;
		int64_t length;
		int code;
	} cases[] = {
		{TUF_TIMESTAMP, "snapshot.json", 10, -EFBIG},
		{TUF_SNAPSHOT, "targets.json", 10, -EFBIG},
		{TUF_TIMESTAMP, "snapshot.json", TUF_SNAPSHOT_MAX, -EBADMSG},
		{TUF_SNAPSHOT, "targets.json", TUF_TARGETS_MAX, -EBADMSG},
		{TUF_TIMESTAMP, "snapshot.json", TUF_SNAPSHOT_MAX + 1, -EFBIG},
		{TUF_SNAPSHOT, "targets.json", INT64_MAX, -EFBIG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_repository_ struct repository repository;

		repository_init(&repository);
		repository_set(json_object_get(metas(&repository, cases[i].lister), cases[i].name), "length",
			cases[i].length);
		repository_put(&repository, cases[i].lister);
		refresh_refused(&repository, cases[i].code, cases[i].name, "bytes");
	}
}

static void what_is_no_document_is_refused_and_named(void **state)
{
	static const char *const names[] = {
		"2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"};
	static const char *const texts[] = {"", "{", "[]", "<html>", "{\"signed\":{},\"signatures\":[]}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		for (size_t j = 0; j < ARRAY_SIZE(texts); j++) {
			_cleanup_repository_ struct repository repository;
			_cleanup_error_ struct error *err = NULL;

			repository_init(&repository);
			repository_set_text(repository.server, names[i], texts[j]);
			assert_error(repository_refresh(&repository, &err), -EBADMSG, err, names[i]);
		}
}

/* Signed by the right key, and of another role. */
static void a_document_of_another_type_is_refused(void **state)
{
	_cleanup_repository_ struct repository repository;

	(void)state;
	repository_init(&repository);
	repository_set_text(repository.body[TUF_TIMESTAMP], "_type", "snapshot");
	repository_put(&repository, TUF_TIMESTAMP);
	refresh_refused(&repository, -EBADMSG, "timestamp.json", "of type \"snapshot\"");
}

static void another_major_version_of_the_specification_is_refused(void **state)
{
	(void)state;
	for (enum tuf_type type = TUF_ROOT; type < TUF_TYPES; type++) {
		_cleanup_repository_ struct repository repository;
		_cleanup_error_ struct error *err = NULL;

		repository_init(&repository);
		repository_set_text(repository.body[type], "spec_version", "2.0.0");
		repository_publish_root(&repository, TUF_TYPES, NULL, 0, KEYS(1));
		repository_publish(&repository);
		assert_error(repository_refresh(&repository, &err), -EBADMSG, err, "only 1.x is understood");
	}
}

static void a_document_that_is_not_there_is_named(void **state)
{
	static const char *const names[] = {"timestamp.json", "1.snapshot.json", "1.targets.json"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_repository_ struct repository repository;
		_cleanup_error_ struct error *err = NULL;

		repository_init(&repository);
		json_object_del(repository.server, names[i]);
		assert_error(repository_refresh(&repository, &err), -ENOENT, err, names[i]);
	}
}

/* ---- snapshot (5.5) and targets (5.6) ---- */

/* 5.5.2, 5.6.2: the right signature and version, but not the bytes that are spoken of. */
static void documents_with_other_digests_are_refused(void **state)
{
	static const struct {
		enum tuf_type type;
		const char *name;
	} cases[] = {{TUF_SNAPSHOT, "snapshot.json"}, {TUF_TARGETS, "targets.json"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_repository_ struct repository repository;

		repository_init(&repository);
		repository.hashes = true;
		repository_set_text(repository.body[cases[i].type], "note", "a");
		repository_publish(&repository);
		repository_set_text(repository.body[cases[i].type], "note", "b");
		repository_put(&repository, cases[i].type);
		refresh_refused(&repository, -EBADMSG, cases[i].name, "its SHA-256 is");
	}
}

/* 5.5.4, 5.6.4 */
static void documents_of_another_version_are_refused(void **state)
{
	static const struct {
		enum tuf_type lister;
		const char *name, *file;
	} cases[] = {{TUF_TIMESTAMP, "snapshot.json", "2.snapshot.json"},
		{TUF_SNAPSHOT, "targets.json", "2.targets.json"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int64_t version = 1; version <= 3; version += 2) {
			_cleanup_repository_ struct repository repository;

			repository_init(&repository);
			repository_publish(&repository);
			repository_set(repository.body[cases[i].lister + 1], "version", version);
			repository_put_as(&repository, cases[i].file, repository.body[cases[i].lister + 1],
				repository.signers[cases[i].lister + 1]);
			refresh_refused(
				&repository, -EBADMSG, cases[i].name, "and the signed metadata says 2");
		}
}

/* Mix-and-match: documents of two releases, each of them good. */
static void documents_of_different_releases_do_not_go_together(void **state)
{
	(void)state;
	for (int hashes = 0; hashes <= 1; hashes++) {
		_cleanup_repository_ struct repository repository;
		_cleanup_error_ struct error *err = NULL;

		repository_init(&repository);
		repository.hashes = hashes;
		repository_publish(&repository);
		refresh_ok(&repository);
		repository_publish(&repository);
		json_object_set(repository.server, "3.targets.json",
			json_object_get(repository.server, "2.targets.json"));
		assert_int_equal(repository_refresh(&repository, &err), -EBADMSG);
		assert_kept(&repository, 1, 3, 3, 2);
	}
}

/* 5.5.5 */
static void nothing_that_a_snapshot_lists_gets_older(void **state)
{
	static const struct {
		const char *name;
		int64_t version; /* 0: not listed any more */
		const char *message;
	} cases[] = {
		{"targets.json", 4,
			"4.snapshot.json: version 4 of targets.json, and version 5 was trusted before"},
		{"role.json", 6, "version 6 of role.json, and version 7 was trusted before"},
		{"role.json", 0, "it does not list role.json, which was listed before"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int hashes = 0; hashes <= 1; hashes++) {
			_cleanup_repository_ struct repository repository;

			repository_init(&repository);
			repository.hashes = hashes;
			repository_set(repository.body[TUF_TARGETS], "version", 4);
			repository_set(repository.body[TUF_SNAPSHOT], "version", 2);
			json_object_set_new(metas(&repository, TUF_SNAPSHOT), "role.json",
				json_pack("{si}", "version", 7));
			repository_publish(&repository);
			refresh_ok(&repository);
			if (cases[i].version == 0)
				json_object_del(metas(&repository, TUF_SNAPSHOT), cases[i].name);
			else
				set_meta(&repository, TUF_SNAPSHOT, cases[i].name, cases[i].version);
			repository_set(repository.body[TUF_SNAPSHOT], "version", 4);
			repository_put(&repository, TUF_SNAPSHOT);
			repository.hashes = false; /* so that the versions decide */
			repository_publish_timestamp(&repository);
			refresh_refused(&repository, -ESTALE, "snapshot.json", cases[i].message);
		}
}

/* Where the timestamp was lost, the snapshot that was kept still guards. */
static void a_snapshot_does_not_get_older_itself(void **state)
{
	_cleanup_repository_ struct repository repository;

	(void)state;
	repository_init(&repository);
	repository_publish(&repository);
	refresh_ok(&repository);
	json_object_del(repository.kept, "timestamp.json");
	repository_set(repository.body[TUF_SNAPSHOT], "version", 1);
	repository_put(&repository, TUF_SNAPSHOT);
	repository_publish_timestamp(&repository);
	refresh_refused(&repository, -ESTALE, "snapshot.json", "version 1 of snapshot, and version 2");
}

/* ---- What was kept ---- */

static void cut_in_half(json_t *kept, const char *name)
{
	const json_t *text = json_object_get(kept, name);

	json_object_set_new(kept, name, json_stringn(json_string_value(text), json_string_length(text) / 2));
}

static void make_empty(json_t *kept, const char *name)
{
	repository_set_text(kept, name, "");
}

static void make_garbage(json_t *kept, const char *name)
{
	repository_set_text(kept, name,
		"\x7f"
		"ELF");
}

static void take_away(json_t *kept, const char *name)
{
	json_object_del(kept, name);
}

/* Changes what is signed. */
static void tamper(json_t *kept, const char *name)
{
	char *text = strdup(text_of(kept, name)), *at = strstr(text, "2099");

	assert_non_null(at);
	at[3] = '8';
	repository_set_text(kept, name, text);
	free(text);
}

/* Says a very high version, and keeps the signatures. */
static void raise_version(json_t *kept, const char *name)
{
	json_t *document = json_loads(text_of(kept, name), 0, NULL);
	char *text;

	repository_set(json_object_get(document, "signed"), "version", 1000000);
	text = signing_text(document);
	repository_set_text(kept, name, text);
	free(text);
	json_decref(document);
}

static void grow(json_t *kept, const char *name)
{
	char *text = string_format("%s%*s", text_of(kept, name), (int)TUF_TARGETS_MAX, "");

	repository_set_text(kept, name, text);
	free(text);
}

/* Whatever is done to a copy: it is fetched again, and the copy mended. Only who can sign can do harm. */
static void damaged_copies_are_replaced(void **state)
{
	static void (*const harms[])(json_t *, const char *) = {
		cut_in_half, make_empty, make_garbage, take_away, tamper, raise_version, grow};
	static const char *const names[] = {
		"root.json", "2.root.json", "timestamp.json", "snapshot.json", "targets.json", "role.json"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(harms); i++)
		for (size_t j = 0; j < ARRAY_SIZE(names); j++) {
			_cleanup_repository_ struct repository repository;
			_cleanup_tuf_client_ struct tuf_client *client = NULL;
			_cleanup_tuf_target_info_ struct tuf_target_info info = {}, again = {};
			_cleanup_error_ struct error *err = NULL;
			json_t *before;

			repository_init(&repository);
			repository_publish_root(&repository, TUF_TYPES, NULL, 0, KEYS(1));
			repository_delegate(&repository, repository.body[TUF_TARGETS], "role", "[\"*\"]",
				false, repository_targets(&repository, "other"));
			repository_publish(&repository);
			client = repository_client(&repository);
			assert_ok(tuf_client_refresh(client, &err), err);
			assert_ok(tuf_client_target(client, "other", &info, &err), err);
			before = json_deep_copy(repository.kept);
			harms[i](repository.kept, names[j]);
			client = tuf_client_free(client);

			client = repository_client(&repository);
			assert_ok(tuf_client_refresh(client, &err), err);
			assert_ok(tuf_client_target(client, "other", &again, &err), err);
			if (!json_equal(repository.kept, before))
				fail_msg("%zu: %s is not mended", i, names[j]);
			json_decref(before);
		}
}

/* Copies of an older release that was good once are as if the client had been away since. */
static void older_copies_do_no_harm(void **state)
{
	_cleanup_repository_ struct repository repository;
	json_t *old;

	(void)state;
	repository_init(&repository);
	refresh_ok(&repository);
	old = json_deep_copy(repository.kept);
	repository_publish(&repository);
	refresh_ok(&repository);
	json_object_update(repository.kept, old);
	json_decref(old);
	refresh_ok(&repository);
	assert_kept(&repository, 1, 2, 2, 2);
}

/* The digest tells: a copy of the right version with other bytes is not the one that is spoken of. */
static void a_copy_with_another_digest_is_fetched_again(void **state)
{
	_cleanup_repository_ struct repository repository;

	(void)state;
	repository_init(&repository);
	repository.hashes = true;
	repository_publish(&repository);
	refresh_ok(&repository);
	/* The same document, written in another way: its signatures still hold. */
	for (size_t i = 0; i < 2; i++) {
		static const char *const names[] = {"snapshot.json", "targets.json"};
		char *text = string_format("%s ", text_of(repository.kept, names[i]));

		repository_set_text(repository.kept, names[i], text);
		free(text);
	}
	free(repository_fetched(&repository));
	refresh_ok(&repository);
	assert_fetched(&repository, "2.root.json timestamp.json 2.snapshot.json 2.targets.json ");
}

/* Every operation fails once: the refresh ends or goes on without, and the next one arrives. */
static void after_any_fault_the_next_refresh_arrives(void **state)
{
	int count = 0;

	(void)state;
	for (int fault = 0; fault <= count; fault++) {
		_cleanup_repository_ struct repository repository;
		_cleanup_error_ struct error *err = NULL;
		int r;

		repository_init(&repository);
		refresh_ok(&repository);
		repository.signers[TUF_TIMESTAMP] = KEYS(7);
		repository_publish_root(&repository, TUF_TIMESTAMP, KEYS(7), 1, KEYS(1));
		repository_publish_root(&repository, TUF_TYPES, NULL, 0, KEYS(1));
		repository_publish(&repository);
		repository.fail_in = fault == 0 ? 0 : repository.count + fault;
		if (fault == 0)
			repository.count = 0;
		r = repository_refresh(&repository, &err);
		if (r != 0 && r != -EIO && r != -ENOSPC)
			fail_msg("%d: %d: %s", fault, r, error_message(err));
		if (fault == 0)
			count = repository.count;
		repository.fail_in = 0;
		refresh_ok(&repository);
		assert_kept(&repository, 3, 2, 2, 2);
	}
	assert_true(count > 15);
}

/* Cut between a new root and what it does to the copies: it is made up for. */
static void a_cut_before_the_deletion_is_made_up_for(void **state)
{
	_cleanup_repository_ struct repository repository;
	json_t *root;

	(void)state;
	repository_init(&repository);
	refresh_ok(&repository);
	repository_publish_root(&repository, TUF_SNAPSHOT, KEYS(3, 7), 1, KEYS(1));
	repository_publish_root(&repository, TUF_SNAPSHOT, KEYS(7), 1, KEYS(1));
	/* 3.root.json was kept, and nothing came after it. */
	json_object_set(repository.kept, "2.root.json", json_object_get(repository.server, "2.root.json"));
	json_object_set(repository.kept, "3.root.json", json_object_get(repository.server, "3.root.json"));
	root = json_object_get(repository.server, "2.root.json");
	json_object_set(repository.kept, "root.json", root);
	repository_set(repository.faults, "timestamp.json", -ETIMEDOUT);
	assert_int_equal(repository_refresh(&repository, NULL), -ETIMEDOUT);
	assert_kept(&repository, 3, 0, 0, 1);
}

/* ---- Targets (5.6.7, 5.7) ---- */

/* Who delegates to whom, one after the other: "targets>A A>B!" with "!" for a terminating delegation. */
static void delegate_all(struct repository *repository, const char *graph)
{
	json_t *bodies = json_object();
	char from, to, mark;

	json_object_set(bodies, "t", repository->body[TUF_TARGETS]);
	for (const char *at = graph; sscanf(at, "%c>%c%c", &from, &to, &mark) == 3; at += 4 + (mark != ' ')) {
		char parent[] = {from, 0}, child[] = {to, 0};

		if (!json_object_get(bodies, child))
			json_object_set(bodies, child, repository_targets(repository, NULL));
		repository_delegate(repository, json_object_get(bodies, parent), child,
			mark == '-' ? "[\"*.py\"]" : "[\"*\"]", mark == '!', NULL);
	}
	for (const char *at = graph; sscanf(at, "%c>%c%c", &from, &to, &mark) == 3; at += 4 + (mark != ' ')) {
		char child[] = {to, 0}, *listed = string_format("%s.json", child),
		     *file = string_format("1.%s.json", child);

		repository_put_as(repository, file, json_object_get(bodies, child), KEYS(9));
		json_object_set_new(metas(repository, TUF_SNAPSHOT), listed, json_pack("{si}", "version", 1));
		free(listed);
		free(file);
	}
	json_decref(bodies);
	repository_publish(repository);
}

static void delegations_are_searched_depth_first_in_their_order(void **state)
{
	static const struct {
		const char *graph, *order;
	} cases[] = {
		{"t>A ", "1.A.json "},
		{"t>A t>B ", "1.A.json 1.B.json "},
		{"t>A t>B B>C ", "1.A.json 1.B.json 1.C.json "},
		{"t>A t>B A>C A>D ", "1.A.json 1.C.json 1.D.json 1.B.json "},
		{"t>A t>B A>C C>D ", "1.A.json 1.C.json 1.D.json 1.B.json "},
		{"t>A t>B A>C! A>D ", "1.A.json 1.C.json "},
		{"t>A t>B A>C! C>D ", "1.A.json 1.C.json 1.D.json "},
		{"t>A! t>B ", "1.A.json "},
		{"t>A- t>B A>C ", "1.B.json "},
		{"t>A t>B A>C- C>D ", "1.A.json 1.B.json "},
		{"t>A t>B B>C C>D D>B ", "1.A.json 1.B.json 1.C.json 1.D.json "},
		{"t>A A>A ", "1.A.json "},
		{"t>A A>B B>A! t>C ", "1.A.json 1.B.json "},
		{"t>A t>B B>C A>C ", "1.A.json 1.C.json 1.B.json "},
		{"t>A t>B B>C A>C- ", "1.A.json 1.B.json 1.C.json "},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_repository_ struct repository repository;
		_cleanup_tuf_client_ struct tuf_client *client = NULL;
		_cleanup_error_ struct error *err = NULL;
		struct tuf_target_info info;

		repository_init(&repository);
		delegate_all(&repository, cases[i].graph);
		client = repository_client(&repository);
		assert_ok(tuf_client_refresh(client, &err), err);
		free(repository_fetched(&repository));
		assert_error(tuf_client_target(client, "missing", &info, &err), -ENOENT, err,
			"target \"missing\": the repository does not have it");
		assert_fetched(&repository, cases[i].order);
		/* They were kept, and are not fetched again. */
		assert_int_equal(tuf_client_target(client, "missing", &info, NULL), -ENOENT);
		assert_fetched(&repository, "");
	}
}

static int find(
	struct repository *repository, const char *path, struct tuf_target_info *ret, struct error **err)
{
	_cleanup_tuf_client_ struct tuf_client *client = repository_client(repository);

	assert_ok(tuf_client_refresh(client, err), err ? *err : NULL);
	return tuf_client_target(client, path, ret, err);
}

static void targets_are_found_where_they_are_listed(void **state)
{
	static const struct {
		const char *path, *role; /* NULL: not found */
	} cases[] = {{"file", "targets"}, {"README.md", "A"}, {"releases/x/x_v1", "C"},
		{"releases/z/z_v1", NULL}, {"README", NULL}, {"", NULL}, {"../file", NULL}};
	_cleanup_repository_ struct repository repository;
	json_t *b, *targets;

	(void)state;
	repository_init(&repository);
	b = repository_targets(&repository, NULL);
	targets = repository.body[TUF_TARGETS];
	repository_delegate(&repository, targets, "A", "[\"*.doc\",\"*.md\"]", false,
		repository_targets(&repository, "README.md"));
	repository_delegate(&repository, b, "C", "[\"releases/x/*\"]", false,
		repository_targets(&repository, "releases/x/x_v1"));
	/* It lists what nobody trusts it with. */
	repository_delegate(&repository, b, "D", "[\"releases/y/*\"]", false,
		repository_targets(&repository, "releases/z/z_v1"));
	repository_delegate(&repository, targets, "B", "[\"releases/*/*\"]", false, b);
	repository_publish(&repository);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_tuf_target_info_ struct tuf_target_info info = {};
		_cleanup_error_ struct error *err = NULL;
		int r = find(&repository, cases[i].path, &info, &err);

		if (r != (cases[i].role ? 0 : -ENOENT))
			fail_msg("%s: %d: %s", cases[i].path, r, error_message(err));
		if (cases[i].role)
			assert_string_equal(info.role, cases[i].role);
	}
}

static void path_hash_prefixes_lead_to_a_role(void **state)
{
	static const char *const prefixes[] = {"[\"d9298a10\"]", "[\"00\",\"d9\"]", "[\"d8\"]"};

	(void)state;
	/* printf other | sha256sum: d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa */
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		_cleanup_repository_ struct repository repository;
		_cleanup_tuf_target_info_ struct tuf_target_info info = {};
		json_t *role;

		repository_init(&repository);
		repository_delegate(&repository, repository.body[TUF_TARGETS], "bin", "[]", false,
			repository_targets(&repository, "other"));
		role = json_array_get(
			json_object_get(
				json_object_get(repository.body[TUF_TARGETS], "delegations"), "roles"),
			0);
		json_object_del(role, "paths");
		json_object_set_new(role, "path_hash_prefixes", json_loads(prefixes[i], 0, NULL));
		repository_publish(&repository);
		assert_int_equal(find(&repository, "other", &info, NULL), i < 2 ? 0 : -ENOENT);
	}
}

static void a_flood_of_roles_is_cut_off(void **state)
{
	(void)state;
	for (int deep = 0; deep <= 1; deep++)
		for (int over = 0; over <= 1; over++) {
			_cleanup_repository_ struct repository repository;
			_cleanup_tuf_target_info_ struct tuf_target_info info = {};
			_cleanup_error_ struct error *err = NULL;
			json_t *body;
			int last = TUF_ROLES_MAX + over - 1;

			repository_init(&repository);
			body = repository_targets(&repository, "wanted");
			for (int i = last; i >= 0; i--) {
				char name[16];
				json_t *parent = deep && i > 0 ? repository_targets(&repository, NULL)
							       : repository.body[TUF_TARGETS];

				(void)snprintf(name, sizeof(name), "r%d", deep ? i : last - i);
				if (!deep)
					body = repository_targets(&repository, i == 0 ? "wanted" : NULL);
				repository_delegate(&repository, parent, name, "[\"*\"]", false, body);
				body = parent;
			}
			repository_publish(&repository);
			if (over)
				assert_error(find(&repository, "wanted", &info, &err), -ENOENT, err,
					"none of the first 32 roles");
			else
				assert_ok(find(&repository, "wanted", &info, &err), err);
		}
}

/* 5.6.7: what can't be validated ends the search. */
static void a_bad_delegated_document_ends_the_search(void **state)
{
	static const struct {
		const char *what;
		int code;
		const char *message;
	} cases[] = {
		{"key", -EKEYREJECTED,
			"target \"other\": role \"A\": 1.A.json: targets: signed by 0 of the 1"},
		{"version", -EBADMSG, "it is version 2, and the signed metadata says 1"},
		{"expired", -EKEYEXPIRED, "1.A.json: version 1 expired"},
		{"missing", -ENOENT, "1.A.json"},
		{"unlisted", -EBADMSG, "snapshot.json: version 2 does not list A.json"},
		{"type", -EBADMSG, "of type \"snapshot\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_repository_ struct repository repository;
		_cleanup_error_ struct error *err = NULL;
		struct tuf_target_info info;
		json_t *a, *targets;
		const char *what = cases[i].what;

		repository_init(&repository);
		a = repository_targets(&repository, "other");
		targets = repository.body[TUF_TARGETS];
		repository_delegate(&repository, targets, "A", "[\"*\"]", false, a);
		repository_delegate(&repository, targets, "B", "[\"*\"]", false,
			repository_targets(&repository, "other"));
		if (streq(what, "version"))
			repository_set(a, "version", 2);
		if (streq(what, "expired"))
			repository_set_text(a, "expires", REPOSITORY_PAST);
		if (streq(what, "type"))
			repository_set_text(a, "_type", "snapshot");
		repository_put_as(&repository, "1.A.json", a, streq(what, "key") ? KEYS(4) : KEYS(9));
		if (streq(what, "missing"))
			json_object_del(repository.server, "1.A.json");
		if (streq(what, "unlisted"))
			json_object_del(metas(&repository, TUF_SNAPSHOT), "A.json");
		repository_publish(&repository);
		assert_error(find(&repository, "other", &info, &err), cases[i].code, err, cases[i].message);
		assert_int_equal(repository_kept(&repository, "A.json"), 0);
	}
}

/* Another delegation to the same role has other keys: what one trusts is not good for the other. */
static void a_role_is_verified_by_each_who_delegates_to_it(void **state)
{
	_cleanup_repository_ struct repository repository;
	_cleanup_tuf_target_info_ struct tuf_target_info info = {};
	_cleanup_error_ struct error *err = NULL;
	json_t *a, *delegations, *role;

	(void)state;
	repository_init(&repository);
	a = repository_targets(&repository, NULL);
	repository_delegate(&repository, repository.body[TUF_TARGETS], "C", "[\"*.md\"]", false,
		repository_targets(&repository, "x.md"));
	repository_delegate(&repository, a, "C", "[\"*\"]", false, NULL);
	delegations = json_object_get(a, "delegations");
	signing_add_keys(json_object_get(delegations, "keys"), KEYS(10));
	role = signing_role(KEYS(10), 1);
	json_object_set(json_array_get(json_object_get(delegations, "roles"), 0), "keyids",
		json_object_get(role, "keyids"));
	json_decref(role);
	repository_delegate(&repository, repository.body[TUF_TARGETS], "A", "[\"*.txt\"]", false, a);
	repository_publish(&repository);
	assert_ok(find(&repository, "x.md", &info, &err), err);
	tuf_target_info_release(&info);
	assert_error(find(&repository, "x.txt", &info, &err), -EKEYREJECTED, err, "role \"C\"");
}

static void any_name_of_a_role_makes_one_file_name(void **state)
{
	static const struct {
		const char *name, *file; /* urllib.parse.quote(name, safe='') + '.json' */
	} cases[] = {
		{"?", "%3F.json"},
		{"#", "%23.json"},
		{"/role", "%2Frole.json"},
		{"../role", "..%2Frole.json"},
		{"..", "...json"},
		{"a b%41", "a%20b%2541.json"},
		{"\xc3\xbc", "%C3%BC.json"},
		{"A-Z_a.z~0", "A-Z_a.z~0.json"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_repository_ struct repository repository;
		_cleanup_tuf_target_info_ struct tuf_target_info info = {};
		_cleanup_error_ struct error *err = NULL;
		_cleanup_free_ char *fetched = NULL, *remote = string_format("1.%s ", cases[i].file);

		repository_init(&repository);
		repository_delegate(&repository, repository.body[TUF_TARGETS], cases[i].name, "[\"*\"]",
			false, repository_targets(&repository, "other"));
		repository_publish(&repository);
		assert_ok(find(&repository, "other", &info, &err), err);
		assert_int_equal(repository_kept(&repository, cases[i].file), 1);
		fetched = repository_fetched(&repository);
		assert_non_null(strstr(fetched, remote));
	}
}

static void names_of_roles_that_can_be_no_file_of_their_own_are_refused(void **state)
{
	char *longest = calloc(1, 300);
	const struct {
		const char *name, *message;
	} cases[] = {{"2.root", "can't be called \"2.root\""}, {longest, "is too long"}};

	(void)state;
	memset(longest, '/', 80);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_repository_ struct repository repository;
		_cleanup_error_ struct error *err = NULL;
		struct tuf_target_info info;

		repository_init(&repository);
		repository_delegate(&repository, repository.body[TUF_TARGETS], cases[i].name, "[\"*\"]",
			false, repository_targets(&repository, "other"));
		repository_publish(&repository);
		assert_error(find(&repository, "other", &info, &err), -EBADMSG, err, cases[i].message);
	}
	free(longest);
}

/* 5.7.3 */
static void a_target_lies_under_its_digest_with_consistent_snapshots(void **state)
{
#define CONTENT "434728a410a78f56fc1b5899c3593436e61ab0c731e9072d95e96db290205e53"
	static const struct {
		bool consistent;
		const char *name, *path;
	} cases[] = {
		{true, "a", CONTENT ".a"},
		{true, "a/b/c.d", "a/b/" CONTENT ".c.d"},
		{true, "a/", "a/" CONTENT "."},
		{false, "a/b/c.d", "a/b/c.d"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_repository_ struct repository repository;
		_cleanup_tuf_target_info_ struct tuf_target_info info = {};
		_cleanup_error_ struct error *err = NULL;

		repository_init(&repository);
		json_decref(repository.body[TUF_TARGETS]);
		repository.body[TUF_TARGETS] = json_incref(repository_targets(&repository, cases[i].name));
		json_object_set_new(
			repository.body[TUF_ROOT], "consistent_snapshot", json_boolean(cases[i].consistent));
		repository_publish_root(&repository, TUF_TYPES, NULL, 0, KEYS(1));
		repository_publish(&repository);
		assert_ok(find(&repository, cases[i].name, &info, &err), err);
		assert_string_equal(info.path, cases[i].path);
		assert_string_equal(info.name, cases[i].name);
		assert_int_equal(info.length, 8);
		assert_null(info.custom);
	}
}

static void a_targets_bytes_are_checked(void **state)
{
	static const struct {
		const char *content;
		const char *message; /* NULL: good */
	} cases[] = {{"content\n", NULL}, {"Content\n", "its SHA-256 is"}, {"content", "it has 7 bytes"},
		{"content\n ", "it has 9 bytes"}, {"", "it has 0 bytes"}};
	_cleanup_repository_ struct repository repository;
	_cleanup_tuf_target_info_ struct tuf_target_info info = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	repository_init(&repository);
	assert_ok(find(&repository, "file", &info, &err), err);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = tuf_target_check(&info, cases[i].content, strlen(cases[i].content), &err);

		if (cases[i].message)
			assert_error(r, -EBADMSG, err, cases[i].message);
		else
			assert_ok(r, err);
	}
}

static void a_target_without_a_known_digest_is_refused(void **state)
{
	_cleanup_repository_ struct repository repository;
	_cleanup_error_ struct error *err = NULL;
	struct tuf_target_info info;
	json_t *targets;

	(void)state;
	repository_init(&repository);
	targets = json_object_get(repository.body[TUF_TARGETS], "targets");
	json_object_set_new(json_object_get(targets, "file"), "hashes", json_pack("{ss}", "md5", "00"));
	repository_publish(&repository);
	assert_error(find(&repository, "file", &info, &err), -ENOTSUP, err, "no digest of a known algorithm");
}

static void what_is_said_of_a_target_outlives_the_client(void **state)
{
	_cleanup_repository_ struct repository repository;
	_cleanup_tuf_target_info_ struct tuf_target_info info = {};
	_cleanup_error_ struct error *err = NULL;
	json_t *targets;

	(void)state;
	repository_init(&repository);
	targets = json_object_get(repository.body[TUF_TARGETS], "targets");
	json_object_set_new(json_object_get(targets, "file"), "custom", json_pack("{si}", "a", 1));
	repository_publish(&repository);
	assert_ok(find(&repository, "file", &info, &err), err);
	assert_int_equal(json_integer_value(json_object_get(info.custom, "a")), 1);
	assert_string_equal(info.role, "targets");
}

/* ---- Repositories of other programs ---- */

struct folder {
	const char *path;
};

static int fetch_file(void *userdata, const char *name, uint64_t max, struct buffer *ret, struct error **err)
{
	const struct folder *folder = userdata;
	_cleanup_free_ char *path = string_format("%s/%s", folder->path, name), *text = NULL;
	size_t size;
	int r = file_read(path, max, &text, &size, err);

	if (r >= 0)
		buffer_append(ret, text, size);
	return r;
}

static int load_nothing(
	void *userdata, const char *name, uint64_t max, struct buffer *ret, struct error **err)
{
	(void)userdata, (void)max, (void)ret;
	return error_set(err, -ENOENT, "%s", name);
}

static int store_nothing(void *userdata, const char *name, const void *data, size_t size, struct error **err)
{
	(void)userdata, (void)name, (void)data, (void)size, (void)err;
	return 0;
}

static void repositories_of_other_programs_are_followed(void **state)
{
	static const struct {
		const char *folder, *target, *role;
	} cases[] = {
		{"tuf-on-ci", "delegatedrole/artifact", "delegatedrole"},
		{"tufjs", "a/top.txt", "targets"},
		{"tufjs", "a/path.bin", "paths"},
		{"tufjs", "hashed", "hashes"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *path = string_format(
					    "%s/tuf/%s", getenv("ORLOP_TEST_DATA"), cases[i].folder),
				    *root = NULL, *target = NULL;
		struct folder folder = {.path = path};
		const struct tuf_client_io io = {.fetch = fetch_file,
			.load = load_nothing,
			.store = store_nothing,
			.userdata = &folder};
		struct tuf_client_options options = {.io = &io, .now = REPOSITORY_NOW};
		_cleanup_tuf_client_ struct tuf_client *client = NULL;
		_cleanup_tuf_target_info_ struct tuf_target_info info = {};
		_cleanup_buffer_ struct buffer content = {};
		_cleanup_error_ struct error *err = NULL;

		target = string_format("%s/1.root.json", path);
		assert_ok(file_read(target, TUF_ROOT_MAX, &root, &options.root_size, &err), err);
		options.root = root;
		assert_ok(tuf_client_new(&options, &client, &err), err);
		assert_ok(tuf_client_refresh(client, &err), err);
		assert_ok(tuf_client_target(client, cases[i].target, &info, &err), err);
		assert_string_equal(info.role, cases[i].role);
		assert_ok(fetch_file(&folder, info.path, info.length, &content, &err), err);
		assert_ok(tuf_target_check(&info, content.data, content.size, &err), err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refresh_fetches_each_document_in_its_order),
		cmocka_unit_test(what_is_published_is_followed),
		cmocka_unit_test(where_nothing_is_new_only_the_timestamp_is_fetched),
		cmocka_unit_test(a_new_timestamp_alone_leads_to_no_other_fetch),
		cmocka_unit_test(without_consistent_snapshots_names_have_no_version),
		cmocka_unit_test(what_is_trusted_can_be_looked_at_once_it_is),
		cmocka_unit_test(the_first_root_has_to_be_sound),
		cmocka_unit_test(an_expired_first_root_does_not_matter_where_there_is_a_newer_one),
		cmocka_unit_test(roots_are_signed_by_the_old_and_the_new_keys),
		cmocka_unit_test(the_next_root_has_the_next_version),
		cmocka_unit_test(only_the_last_root_must_not_have_expired),
		cmocka_unit_test(a_refresh_walks_over_a_limited_number_of_roots_and_the_next_one_goes_on),
		cmocka_unit_test(a_root_that_may_not_be_seen_is_not_there),
		cmocka_unit_test(lost_keys_of_timestamp_or_snapshot_delete_what_was_kept),
		cmocka_unit_test(a_fast_forward_is_recovered_from_by_new_keys),
		cmocka_unit_test(recovery_does_not_rest_on_the_old_signatures),
		cmocka_unit_test(a_newer_first_root_deletes_what_its_lost_keys_signed),
		cmocka_unit_test(roots_that_were_kept_are_not_fetched_again),
		cmocka_unit_test(every_role_needs_its_own_signatures),
		cmocka_unit_test(an_older_timestamp_is_refused),
		cmocka_unit_test(a_timestamp_of_the_same_version_changes_nothing),
		cmocka_unit_test(a_refresh_that_was_cut_is_made_up_for_with_the_same_timestamp),
		cmocka_unit_test(a_timestamp_with_an_older_snapshot_is_refused),
		cmocka_unit_test(expired_documents_are_refused),
		cmocka_unit_test(what_was_kept_expires_too),
		cmocka_unit_test(an_expired_copy_still_guards_against_a_rollback),
		cmocka_unit_test(documents_have_a_longest_length),
		cmocka_unit_test(a_signed_length_bounds_what_is_fetched),
		cmocka_unit_test(what_is_no_document_is_refused_and_named),
		cmocka_unit_test(a_document_of_another_type_is_refused),
		cmocka_unit_test(another_major_version_of_the_specification_is_refused),
		cmocka_unit_test(a_document_that_is_not_there_is_named),
		cmocka_unit_test(documents_with_other_digests_are_refused),
		cmocka_unit_test(documents_of_another_version_are_refused),
		cmocka_unit_test(documents_of_different_releases_do_not_go_together),
		cmocka_unit_test(nothing_that_a_snapshot_lists_gets_older),
		cmocka_unit_test(a_snapshot_does_not_get_older_itself),
		cmocka_unit_test(damaged_copies_are_replaced),
		cmocka_unit_test(older_copies_do_no_harm),
		cmocka_unit_test(a_copy_with_another_digest_is_fetched_again),
		cmocka_unit_test(after_any_fault_the_next_refresh_arrives),
		cmocka_unit_test(a_cut_before_the_deletion_is_made_up_for),
		cmocka_unit_test(delegations_are_searched_depth_first_in_their_order),
		cmocka_unit_test(targets_are_found_where_they_are_listed),
		cmocka_unit_test(path_hash_prefixes_lead_to_a_role),
		cmocka_unit_test(a_flood_of_roles_is_cut_off),
		cmocka_unit_test(a_bad_delegated_document_ends_the_search),
		cmocka_unit_test(a_role_is_verified_by_each_who_delegates_to_it),
		cmocka_unit_test(any_name_of_a_role_makes_one_file_name),
		cmocka_unit_test(names_of_roles_that_can_be_no_file_of_their_own_are_refused),
		cmocka_unit_test(a_target_lies_under_its_digest_with_consistent_snapshots),
		cmocka_unit_test(a_targets_bytes_are_checked),
		cmocka_unit_test(a_target_without_a_known_digest_is_refused),
		cmocka_unit_test(what_is_said_of_a_target_outlives_the_client),
		cmocka_unit_test(repositories_of_other_programs_are_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
