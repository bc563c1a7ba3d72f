/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <fcntl.h>

#include "release/rotate-db.h"

#define BEGIN 1700000000

/* Stand in for libc's: the rename or link with this number fails, as if the process had ended there. */
static unsigned trap;

static bool is_trapped(void)
{
	return trap > 0 && --trap == 0;
}

int rename(const char *from, const char *to)
{
	if (is_trapped()) {
		errno = EINTR;
		return -1;
	}
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int link(const char *from, const char *to)
{
	if (is_trapped()) {
		errno = EINTR;
		return -1;
	}
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* Making keys takes long: one set for all tests, of which each has a copy. */
static char *base;

static int make_base(void **state)
{
	_cleanup_free_ char *keys = NULL;

	(void)state;
	base = scratch_new();
	keys = string_format("%s/keys", base);
	return keys ? keys_init(keys, &(struct keys_options){.now = BEGIN}, NULL) : -1;
}

static int drop_base(void **state)
{
	(void)state;
	scratch_remove(&base);
	return 0;
}

static char *make_keys(const char *folder)
{
	char *keys = string_format("%s/keys", folder);
	_cleanup_free_ char *copy = string_format("cp -r '%s/keys' keys", base);

	assert_non_null(keys);
	shell(folder, copy);
	return keys;
}

static int rotate(const char *keys, bool enrol, unsigned *kept, struct error **err)
{
	return rotate_db(&(struct db_rotation){.keys = keys, .enrol = enrol, .now = BEGIN}, kept, err);
}

/* Which certificates a machine is to trust, the signing one first. */
static void fingerprints(const char *keys, uint8_t ret[][SHA256_SIZE], size_t count)
{
	_cleanup_keys_ struct keys opened = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(keys_open(keys, NULL, &opened, &err), err);
	assert_int_equal(1 + opened.more_count, count);
	assert_int_equal(keys_trust(&opened).more_db_count, opened.more_count);
	signer_fingerprint(opened.db, ret[0]);
	for (size_t i = 1; i < count; i++)
		signer_fingerprint(opened.more[i - 1], ret[i]);
}

static void the_new_pair_is_enrolled_first_and_then_changes_places_with_the_old_one(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *keys = make_keys(folder);
	uint8_t before[1][SHA256_SIZE], enrolled[2][SHA256_SIZE], rotated[2][SHA256_SIZE],
		again[3][SHA256_SIZE];
	_cleanup_error_ struct error *err = NULL;
	unsigned kept = 99;

	(void)state;
	fingerprints(keys, before, 1);
	assert_ok(rotate(keys, true, &kept, &err), err);
	assert_int_equal(kept, 0);
	fingerprints(keys, enrolled, 2);
	assert_memory_equal(enrolled[0], before[0], SHA256_SIZE);
	/* The pair that waits is the one that is taken. */
	assert_ok(rotate(keys, true, &kept, &err), err);
	assert_ok(rotate(keys, false, &kept, &err), err);
	assert_int_equal(kept, 1);
	fingerprints(keys, rotated, 2);
	assert_memory_equal(rotated[0], enrolled[1], SHA256_SIZE);
	assert_memory_equal(rotated[1], before[0], SHA256_SIZE);
	assert_ok(rotate(keys, false, &kept, &err), err);
	assert_int_equal(kept, 2);
	fingerprints(keys, again, 3);
	assert_memory_equal(again[2], rotated[0], SHA256_SIZE);
	shell(folder, "openssl x509 -in keys/db.crt.1 -pubkey -noout >a; openssl pkey -in keys/db.key.1 "
		      "-pubout | cmp - a;"
		      "test $(stat -c %a keys/db.key) = 600; test $(stat -c %a keys/db.key.1) = 600;"
		      "test ! -e keys/db.key.new; test ! -e keys/db.crt.new");
}

/* Each rename and link in turn is where the process ends: builds sign with a whole pair or say that there is
 * none, and the next call ends the change. */
static void a_change_that_is_interrupted_is_ended_by_the_next_call(void **state)
{
	_cleanup_error_ struct error *err = NULL;
	unsigned steps = 0;

	(void)state;
	for (unsigned at = 1; at < 20; at++) {
		_cleanup_scratch_ char *folder = scratch_new();
		_cleanup_free_ char *keys = make_keys(folder);
		uint8_t before[1][SHA256_SIZE], after[2][SHA256_SIZE];
		_cleanup_keys_ struct keys opened = {};
		_cleanup_error_ struct error *fault = NULL, *why = NULL;
		unsigned kept;
		int r;

		fingerprints(keys, before, 1);
		trap = at;
		r = rotate(keys, false, &kept, &fault);
		if (r >= 0 && trap > 0)
			break;
		trap = 0;
		assert_true(r < 0);
		steps++;
		r = keys_open(keys, NULL, &opened, &why);
		if (r < 0)
			assert_non_null(strstr(error_message(why), "does not belong to the certificate"));
		assert_ok(rotate(keys, false, &kept, &err), err);
		assert_int_equal(kept, 1);
		fingerprints(keys, after, 2);
		assert_memory_equal(after[1], before[0], SHA256_SIZE);
		assert_memory_not_equal(after[0], before[0], SHA256_SIZE);
		shell(folder, "test \"$(cd keys && ls -A | grep db | tr '\\n' ' ')\" = 'db.crt db.crt.1 "
			      "db.key db.key.1 '");
	}
	trap = 0;
	assert_in_range(steps, 4, 12);
}

static void a_key_of_the_callers_is_taken_and_the_one_that_signs_is_not(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *keys = make_keys(folder), *mine = string_format("%s/mine", folder),
			    *current = string_format("%s/db.key", keys),
			    *small = string_format("%s/small", folder);
	struct db_rotation rotation = {.keys = keys, .now = BEGIN};
	_cleanup_error_ struct error *err = NULL, *same = NULL, *weak = NULL, *busy = NULL;
	unsigned kept;

	(void)state;
	shell(folder, "openssl genpkey -algorithm RSA -out mine 2>/dev/null;"
		      "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out small 2>/dev/null;"
		      "chmod 600 mine small");
	rotation.new_key = current;
	assert_error(rotate_db(&rotation, &kept, &same), -EEXIST, same, "it signs already");
	rotation.new_key = small;
	assert_error(rotate_db(&rotation, &kept, &weak), -EKEYREJECTED, weak, "RSA of at least 2048");
	shell(folder, "test ! -e keys/db.key.new; test ! -e keys/db.crt.new");
	rotation.enrol = true;
	rotation.new_key = mine;
	assert_ok(rotate_db(&rotation, &kept, &err), err);
	rotation.new_key = current;
	assert_error(rotate_db(&rotation, &kept, &busy), -EEXIST, busy, "waits to be used");
	rotation.new_key = NULL;
	rotation.enrol = false;
	assert_ok(rotate_db(&rotation, &kept, &err), err);
	shell(folder, "cmp mine keys/db.key");
}

static int tell(const struct key_question *question, char *ret, size_t size, void *userdata)
{
	(void)question;
	(void)snprintf(ret, size, "%s", (const char *)userdata);
	return 0;
}

static void a_new_key_may_be_encrypted(void **state)
{
	char passphrase[] = "open sesame";
	const struct key_secret secret = {tell, passphrase};
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *keys = make_keys(folder);
	_cleanup_error_ struct error *err = NULL;
	unsigned kept;

	(void)state;
	assert_ok(rotate_db(
			  &(struct db_rotation){
				  .keys = keys, .now = BEGIN, .passphrase = passphrase, .secret = &secret},
			  &kept, &err),
		err);
	shell(folder, "grep -q 'BEGIN ENCRYPTED' keys/db.key;"
		      "openssl x509 -in keys/db.crt -pubkey -noout >a;"
		      "openssl pkey -in keys/db.key -passin 'pass:open sesame' -pubout | cmp - a");
}

static void a_folder_without_keys_is_told(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_error_ struct error *err = NULL;
	unsigned kept;

	(void)state;
	assert_error(rotate(folder, false, &kept, &err), -ENOENT, err, "db.crt is missing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_new_pair_is_enrolled_first_and_then_changes_places_with_the_old_one),
		cmocka_unit_test(a_change_that_is_interrupted_is_ended_by_the_next_call),
		cmocka_unit_test(a_key_of_the_callers_is_taken_and_the_one_that_signs_is_not),
		cmocka_unit_test(a_new_key_may_be_encrypted),
		cmocka_unit_test(a_folder_without_keys_is_told),
	};

	return cmocka_run_group_tests(tests, make_base, drop_base);
}
