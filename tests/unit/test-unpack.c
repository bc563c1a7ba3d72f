/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "build/unpack.h"
#include "source/cache.h"

/* Packages made by dpkg-deb in a folder of their own. */
struct fixture {
	char *folder;
	struct unpack_package packages[8];
	size_t count;
	struct unpack_options options;
	const char *compressor; /* of the packages; NULL: "none" */
	struct tree *tree;
	struct unpacked unpacked;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	fixture->folder = scratch_new();
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < fixture->count; i++) {
		free((char *)fixture->packages[i].name);
		free((char *)fixture->packages[i].path);
	}
	strv_release(&fixture->options.exclude);
	strv_release(&fixture->options.keep);
	tree_free(fixture->tree);
	unpacked_release(&fixture->unpacked);
	scratch_remove(&fixture->folder);
	free(fixture);
	return 0;
}

/* Builds package *name* out of what *script* puts into the folder it runs in. */
static void package(struct fixture *fixture, const char *name, const char *fields, const char *script)
{
	_cleanup_free_ char *text =
		string_format("mkdir -p %s/DEBIAN; cd %s; printf 'Package: %s\\nVersion: 2\\nArchitecture: "
			      "all\\nMaintainer: "
			      "N <n@x>\\nDescription: x\\n%s' > DEBIAN/control; %s; cd ..; "
			      "dpkg-deb -Z%s --root-owner-group -b %s %s.deb >/dev/null",
			name, name, name, fields, script, fixture->compressor ? fixture->compressor : "none",
			name, name);
	_cleanup_free_ char *data = NULL, *file = string_format("%s.deb", name);
	struct unpack_package *package = &fixture->packages[fixture->count++];
	size_t size;

	shell(fixture->folder, text);
	data = scratch_read(fixture->folder, file, &size);
	package->name = strdup(name);
	package->path = string_format("%s/%s", fixture->folder, file);
	package->size = size;
	assert_int_equal(sha256_bytes(data, size, package->sha256), 0);
}

/* A package named "bad", whose payload *script* makes, as *data*, out of usr/bin/x in the folder it runs in.
 */
static void odd_package(struct fixture *fixture, const char *data, const char *script)
{
	_cleanup_free_ char *text =
		string_format("rm -rf bad; mkdir -p bad/usr/bin; cd bad; echo x > usr/bin/x; "
			      "printf 'Package: bad\nVersion: 2\nArchitecture: all\n' > "
			      "control; tar -cf control.tar control; echo 2.0 > debian-binary; "
			      "%s; ar rc ../bad.deb debian-binary control.tar %s",
			script, data);
	struct unpack_package *package = &fixture->packages[fixture->count++];
	_cleanup_free_ char *bytes = NULL;
	size_t size;

	shell(fixture->folder, "rm -f bad.deb");
	shell(fixture->folder, text);
	bytes = scratch_read(fixture->folder, "bad.deb", &size);
	package->name = strdup("bad");
	package->path = string_format("%s/bad.deb", fixture->folder);
	package->size = size;
	assert_int_equal(sha256_bytes(bytes, size, package->sha256), 0);
}

static int run(struct fixture *fixture, struct error **err)
{
	fixture->tree = tree_free(fixture->tree);
	unpacked_release(&fixture->unpacked);
	return unpack(fixture->packages, fixture->count, &fixture->options, &fixture->tree,
		&fixture->unpacked, err);
}

static void puts_packages_together_below_usr(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_error_ struct error *err = NULL;
	struct tree *tree;

	package(fixture, "a", "",
		"mkdir -p lib/x bin; echo tool > bin/tool; chmod 4755 bin/tool; ln bin/tool bin/other; echo "
		"x > lib/x/a");
	package(fixture, "base", "",
		"mkdir -p usr/bin usr/lib; ln -s usr/bin bin; ln -s usr/lib lib; ln -s ../bin/tool "
		"usr/lib/link");
	package(fixture, "c", "", "mkdir -p usr/lib/x; chmod 2750 usr/lib/x; echo c > usr/lib/x/c");
	assert_ok(run(fixture, &err), err);
	tree = fixture->tree;
	assert_string_equal(tree_lookup(tree, "bin")->target, "usr/bin");
	assert_int_equal(tree_lookup(tree, "usr/bin/tool")->mode, S_IFREG | 04755);
	assert_ptr_equal(tree_lookup(tree, "usr/bin/tool"), tree_lookup(tree, "usr/bin/other"));
	assert_string_equal(tree_lookup(tree, "usr/bin/tool")->origin, "a");
	assert_string_equal(tree_lookup(tree, "usr/lib/x/c")->origin, "c");
	assert_int_equal(tree_lookup(tree, "usr/lib/x")->mode, S_IFDIR | 02750);
	assert_int_equal(fixture->unpacked.packages[0].files, 3);
	assert_int_equal(fixture->unpacked.packages[0].size, 7);
	assert_string_equal(control_get(&fixture->unpacked.packages[2].control, "Package"), "c");
}

static void keeps_excluded_files_out_and_counts_them(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_error_ struct error *err = NULL;

	package(fixture, "a", "",
		"mkdir -p usr/share/doc/a usr/share/man/man1 usr/bin; echo c > usr/share/doc/a/copyright; "
		"echo long > usr/share/doc/a/NEWS; echo m > usr/share/man/man1/a.1; echo b > usr/bin/a");
	assert_int_equal(strv_add(&fixture->options.exclude, "usr/share/doc/**"), 0);
	assert_int_equal(strv_add(&fixture->options.exclude, "/usr/share/man"), 0);
	assert_int_equal(strv_add(&fixture->options.keep, "usr/share/doc/*/copyright"), 0);
	assert_ok(run(fixture, &err), err);
	assert_non_null(tree_lookup(fixture->tree, "usr/share/doc/a/copyright"));
	assert_null(tree_lookup(fixture->tree, "usr/share/doc/a/NEWS"));
	assert_null(tree_lookup(fixture->tree, "usr/share/man"));
	assert_int_equal(fixture->unpacked.packages[0].left_out, 2);
	assert_int_equal(fixture->unpacked.packages[0].left_out_size, 7);
	assert_int_equal(fixture->unpacked.packages[0].files, 2);
	assert_int_equal(fixture->unpacked.idle_exclude.count, 0);
	assert_int_equal(fixture->unpacked.idle_keep.count, 0);
}

static void says_which_patterns_matched_nothing(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_error_ struct error *err = NULL;

	package(fixture, "a", "", "mkdir -p usr/share/doc/a; echo c > usr/share/doc/a/copyright");
	assert_int_equal(strv_add(&fixture->options.exclude, "usr/share/doc"), 0);
	assert_int_equal(strv_add(&fixture->options.exclude, "usr/share/dco"), 0);
	/* What an earlier pattern has matched already is matched. */
	assert_int_equal(strv_add(&fixture->options.exclude, "usr/share/doc/a/*"), 0);
	assert_int_equal(strv_add(&fixture->options.keep, "usr/share/doc/b"), 0);
	assert_ok(run(fixture, &err), err);
	assert_int_equal(fixture->unpacked.idle_exclude.count, 1);
	assert_string_equal(fixture->unpacked.idle_exclude.items[0], "usr/share/dco");
	assert_int_equal(fixture->unpacked.idle_keep.count, 1);
}

static void refuses_one_file_of_two_packages_but_not_the_same_one(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_error_ struct error *err = NULL;

	package(fixture, "a", "", "mkdir -p usr/bin; echo same > usr/bin/same; ln -s x usr/bin/link");
	package(fixture, "b", "", "mkdir -p bin; echo same > bin/same; ln -s x bin/link");
	assert_ok(run(fixture, &err), err);
	assert_string_equal(tree_lookup(fixture->tree, "usr/bin/same")->origin, "a");
	package(fixture, "c", "", "mkdir -p usr/bin; echo other > usr/bin/same");
	assert_error(run(fixture, &err), -EEXIST, err, "\"usr/bin/same\" is in package a and in package c");
	fixture->count--;
	free((char *)fixture->packages[2].name);
	free((char *)fixture->packages[2].path);
	package(fixture, "d", "", "mkdir -p usr/bin; echo same > usr/bin/same; chmod 755 usr/bin/same");
	assert_error(run(fixture, &err), -EEXIST, err, "in package d");
}

static void a_package_that_replaces_another_has_the_file(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_error_ struct error *err = NULL;

	package(fixture, "a", "Replaces: b (<< 3)\\n", "mkdir -p usr/bin; echo a > usr/bin/x");
	package(fixture, "b", "", "mkdir -p usr/bin; echo bb > usr/bin/x; ln usr/bin/x usr/bin/y");
	package(fixture, "c", "Replaces: q, a (= 2)\\n", "mkdir -p usr/bin; echo c > usr/bin/x");
	assert_ok(run(fixture, &err), err);
	assert_string_equal(tree_lookup(fixture->tree, "usr/bin/x")->origin, "c");
	assert_string_equal(
		(const char *)content_data(tree_lookup(fixture->tree, "usr/bin/y")->content), "bb\n");
	assert_int_equal(fixture->unpacked.packages[0].files, 0);
	assert_int_equal(fixture->unpacked.packages[0].size, 0);
	package(fixture, "d", "Replaces: c (<< 2)\\n", "mkdir -p usr/bin; echo d > usr/bin/x");
	assert_error(run(fixture, &err), -EEXIST, err, "neither replaces the other");
}

static void refuses_a_path_above_and_below_usr_in_one_package(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_error_ struct error *err = NULL;

	package(fixture, "a", "", "mkdir -p usr/bin bin; echo x > usr/bin/x; echo x > bin/x");
	assert_error(run(fixture, &err), -EEXIST, err, "twice");
}

static void refuses_folders_that_disagree(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_error_ struct error *err = NULL;

	package(fixture, "a", "", "mkdir -p usr/x; chmod 700 usr/x");
	package(fixture, "b", "", "mkdir -p usr/x; echo > usr/x/b");
	assert_ok(run(fixture, &err), err);
	assert_int_equal(tree_lookup(fixture->tree, "usr/x")->mode, S_IFDIR | 0700);
	package(fixture, "c", "", "mkdir -p usr/x; chmod 750 usr/x");
	assert_error(run(fixture, &err), -EEXIST, err, "0700 0:0 in a and 0750 0:0 in c");
}

static void names_the_package_whose_payload_is_damaged(void **state)
{
	static const struct {
		const char *data, *script;
		int code;
		const char *says;
	} cases[] = {
		{"data.tar.xz", "tar -cJf d.xz usr; head -c 100 d.xz > data.tar.xz", -EBADMSG,
			"data.tar.xz: is damaged, cut off, or goes on behind its end"},
		{"data.tar.xz", "tar -cJf data.tar.xz usr; printf garbage >> data.tar.xz", -EBADMSG,
			"data.tar.xz: is damaged, cut off, or goes on behind its end"},
		{"data.tar",
			"tar --format=pax --pax-option=SCHILY.xattr.security.capability:=bad -cf data.tar "
			"usr/bin/x",
			-EBADMSG, "\"usr/bin/x\" has a security.capability that is malformed"},
		{"data.tar", "tar --format=gnu --transform=s,x$,$(printf '%0256d' 0), -cf data.tar usr/bin/x",
			-EINVAL, "\" has a name longer than 255 bytes"},
		{"data.tar", "tar -P --transform=s,bin,.., -cf data.tar usr/bin/x", -EINVAL,
			"\"usr/../x\" leads out of the tree"},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error *err = NULL;
		int r;

		odd_package(fixture, cases[i].data, cases[i].script);
		r = run(fixture, &err);
		if (!err || !startswith(error_message(err), "package bad: "))
			fail_msg("case %zu: %s", i, error_message(err));
		assert_error(r, cases[i].code, err, cases[i].says);
		fixture->count--;
		free((char *)fixture->packages[fixture->count].name);
		free((char *)fixture->packages[fixture->count].path);
	}
}

static void refuses_a_package_that_is_not_the_one_promised(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_error_ struct error *err = NULL;

	package(fixture, "a", "", "mkdir -p usr; echo > usr/a");
	fixture->packages[0].sha256[31] ^= 1;
	assert_error(run(fixture, &err), -EBADMSG, err, "SHA-256");
	fixture->packages[0].sha256[31] ^= 1;
	fixture->packages[0].size--;
	assert_error(run(fixture, &err), -EFBIG, err, "larger than the repository says");
	fixture->packages[0].size++;
	free((char *)fixture->packages[0].name);
	fixture->packages[0].name = strdup("b");
	assert_error(run(fixture, &err), -EBADMSG, err, "Package is \"a\"");
}

static void what_is_said_of_a_package_is_what_it_says_itself(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_error_ struct error *err = NULL;
	struct unpack_package *first = &fixture->packages[0], *second = &fixture->packages[1];

	package(fixture, "a", "Source: b (1:3)\\n", "mkdir -p usr; echo > usr/a");
	package(fixture, "c", "", "mkdir -p usr; echo > usr/c");
	first->version = second->version = "2";
	first->architecture = second->architecture = "all";
	first->source = "b";
	first->source_version = "1:3";
	second->source = "c";
	second->source_version = "2";
	assert_ok(run(fixture, &err), err);
	first->version = "3";
	assert_error(run(fixture, &err), -EBADMSG, err, "Version is \"2\"");
	first->version = "2";
	first->architecture = "amd64";
	assert_error(run(fixture, &err), -EBADMSG, err, "is \"all\" in the package, and \"amd64\" in");
	first->architecture = "all";
	first->source = "bb";
	assert_error(run(fixture, &err), -EBADMSG, err, "is \"b\" in the package, and \"bb\"");
	first->source = "b";
	first->source_version = "3";
	assert_error(run(fixture, &err), -EBADMSG, err, "is \"1:3\" in the package, and \"3\"");
	first->source_version = "1:3";
	second->source = "b";
	assert_error(run(fixture, &err), -EBADMSG, err, "is \"c\" in the package, and \"b\"");
}

/* What is in the tree, with the digests of files, for comparing two. */
static char *describe(const struct tree *tree)
{
	static const char *const files[] = {
		"usr/none", "usr/short", "usr/block", "usr/large", "usr/other/large", "usr/linked"};
	_cleanup_buffer_ struct buffer text = {};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const struct tree_inode *inode = tree_lookup(tree, files[i]);
		const struct digests *digests;
		struct digests computed;
		const uint8_t *data;
		size_t size;

		assert_non_null(inode);
		data = content_data(inode->content);
		size = content_size(inode->content);
		assert_int_equal(data[size], 0);
		assert_int_equal(content_digests(inode->content, &digests), 0);
		assert_int_equal(digests_compute(data, size, &computed), 0);
		assert_memory_equal(digests, &computed, sizeof(computed));
		buffer_printf(&text, "%s %o %zu %02x%02x\n", files[i], inode->mode, size, digests->sha256[0],
			digests->sha1[19]);
	}
	return buffer_take(&text, NULL);
}

/* Changes a byte in the middle of every object that was derived. */
static void damage_derived(const struct fixture *fixture)
{
	shell(fixture->folder, "find cache/derived -type f | while read -r f; do "
			       "at=$(($(stat -c %s $f) / 2)); old=$(od -An -tu1 -j $at -N 1 $f | tr -d ' '); "
			       "printf \"\\\\$(printf %03o $((old ^ 1)))\" | dd of=$f bs=1 seek=$at "
			       "conv=notrunc status=none; done");
}

static void a_cache_changes_nothing_but_the_time(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_free_ char *folder = string_format("%s/cache", fixture->folder), *plain = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct cache *cache = NULL;

	fixture->compressor = "xz";
	/* A package of which most is wanted, and one of which little is; files that end where a block of tar
	 * does. */
	package(fixture, "a", "Installed-Size: 900\n",
		"mkdir -p usr; : >usr/none; echo x >usr/short; head -c 1024 /dev/urandom >usr/block; "
		"head -c 700001 /dev/urandom >usr/large; ln usr/large usr/linked");
	package(fixture, "b", "Installed-Size: 3000\n",
		"mkdir -p usr/other usr/doc; head -c 300001 /dev/urandom >usr/other/large; head -c 2000000 "
		"/dev/zero >usr/doc/x");
	assert_int_equal(strv_add(&fixture->options.exclude, "usr/doc"), 0);
	assert_ok(run(fixture, &err), err);
	plain = describe(fixture->tree);
	assert_ok(cache_open(folder, &cache, &err), err);
	fixture->options.cache = cache;
	for (unsigned round = 0; round < 4; round++) {
		_cleanup_free_ char *text = NULL;

		assert_ok(run(fixture, &err), err);
		text = describe(fixture->tree);
		assert_string_equal(text, plain);
		assert_int_equal(fixture->unpacked.packages[1].left_out, 1);
		if (round == 1)
			damage_derived(fixture);
		if (round == 2)
			shell(fixture->folder, "chmod a+w *.deb; for f in *.deb; do echo >$f; done");
	}
	cache_close(cache);
}

static void a_part_of_a_package_that_was_not_kept_is_there_all_the_same(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_free_ char *folder = string_format("%s/cache", fixture->folder);
	_cleanup_error_ struct error *err = NULL;
	const struct digests *digests;
	struct cache *cache = NULL;
	struct digests computed;

	package(fixture, "a", "Installed-Size: 20\n", "mkdir -p usr; echo x >usr/x; echo y >usr/y");
	assert_int_equal(strv_add(&fixture->options.exclude, "usr/y"), 0);
	assert_ok(cache_open(folder, &cache, &err), err);
	fixture->options.cache = cache;
	assert_ok(run(fixture, &err), err);
	strv_release(&fixture->options.exclude);
	assert_ok(run(fixture, &err), err);
	assert_int_equal(content_digests(tree_lookup(fixture->tree, "usr/y")->content, &digests), 0);
	assert_int_equal(digests_compute("y\n", 2, &computed), 0);
	assert_memory_equal(digests, &computed, sizeof(computed));
	cache_close(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(puts_packages_together_below_usr, setup, teardown),
		cmocka_unit_test_setup_teardown(says_which_patterns_matched_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_excluded_files_out_and_counts_them, setup, teardown),
		cmocka_unit_test_setup_teardown(
			refuses_one_file_of_two_packages_but_not_the_same_one, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_package_that_replaces_another_has_the_file, setup, teardown),
		cmocka_unit_test_setup_teardown(
			refuses_a_path_above_and_below_usr_in_one_package, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_said_of_a_package_is_what_it_says_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_folders_that_disagree, setup, teardown),
		cmocka_unit_test_setup_teardown(names_the_package_whose_payload_is_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(
			refuses_a_package_that_is_not_the_one_promised, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cache_changes_nothing_but_the_time, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_part_of_a_package_that_was_not_kept_is_there_all_the_same, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
