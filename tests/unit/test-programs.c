/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "base/bytes.h"
#include "build/keys.h"
#include "build/programs.h"
#include "format/elf.h"
#include "format/tuf-write.h"

#define TIME 1767225600
#define PROGRAM "/usr/bin/true" /* needs the C library, which needs the dynamic loader */

static const struct platform *platform(void)
{
	const char *native = platform_native();

	if (!native)
		skip(); /* because Orlop knows no platform like this machine */
	return platform_find(native);
}

static const char *loader(void)
{
	return streq(platform()->architecture, "amd64") ? "ld-linux-x86-64.so.2" : "ld-linux-aarch64.so.1";
}

static const struct platform *other_platform(void)
{
	return platform_find(streq(platform()->architecture, "amd64") ? "arm64" : "amd64");
}

static void put_bytes(struct tree *tree, const char *name, const void *data, size_t size)
{
	const struct tree_attributes attributes = {.mode = 0644, .mtime = 1, .origin = "libc6"};
	_cleanup_content_ struct content *content = content_copy(data, size);
	_cleanup_free_ char *path = string_format("%s/%s", platform()->libraries, name);
	_cleanup_error_ struct error *err = NULL;

	assert_non_null(content);
	assert_non_null(path);
	assert_ok(tree_add_file(tree, path, &attributes, content, NULL, &err), err);
}

/* Puts a library of this machine into the tree. */
static void put_library(struct tree *tree, const char *name)
{
	_cleanup_free_ char *folder = string_format("/%s", platform()->libraries), *data = NULL;
	size_t size;

	assert_non_null(folder);
	data = scratch_read(folder, name, &size);
	put_bytes(tree, name, data, size);
}

static int add(struct tree *tree, const char *path, const struct platform *of, struct error **err)
{
	const struct definition definition = {.path = (char *)"own.yaml",
		.programs = {.items = (char *[]){(char *)"orlop-test"}, .count = 1}};
	_cleanup_strv_ struct strv paths = {};

	assert_int_equal(strv_add(&paths, path), 0);
	return programs_add(tree, &definition, &paths, of, TIME, err);
}

/* ---- Programs ---- */

static void a_program_whose_libraries_are_there_is_added(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *expected = NULL;
	const struct tree_inode *inode;
	size_t size;

	(void)state;
	put_library(tree, "libc.so.6");
	put_library(tree, loader());
	assert_ok(add(tree, PROGRAM, platform(), &err), err);
	inode = tree_lookup(tree, "usr/bin/orlop-test");
	assert_non_null(inode);
	assert_int_equal(inode->mode, S_IFREG | 0755);
	assert_int_equal(inode->mtime, TIME);
	assert_int_equal(inode->uid, 0);
	expected = scratch_read("/usr/bin", "true", &size);
	assert_int_equal(content_size(inode->content), size);
	assert_memory_equal(content_data(inode->content), expected, size);
}

static void a_library_may_be_a_link_inside_the_tree(void **state)
{
	const struct tree_attributes attributes = {.mode = 0777, .origin = "libc6"};
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_free_ char *from = string_format("%s/libc.so.6", platform()->libraries),
			    *to = string_format("%s/libc-2.so", platform()->libraries);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	put_library(tree, "libc.so.6");
	put_library(tree, loader());
	assert_ok(tree_move(tree, from, to, &err), err);
	assert_ok(tree_add_symlink(tree, from, &attributes, "libc-2.so", NULL, &err), err);
	assert_ok(add(tree, PROGRAM, platform(), &err), err);
	assert_ok(tree_remove(tree, to, &err), err);
	assert_ok(tree_remove(tree, "usr/bin/orlop-test", &err), err);
	assert_error(add(tree, PROGRAM, platform(), &err), -ENOENT, err, "needs the library libc.so.6");
}

static void a_missing_library_is_named_with_who_needs_it(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_error(add(tree, PROGRAM, platform(), &err), -ENOENT, err,
		PROGRAM ": orlop-test needs the library libc.so.6, which no package");
	assert_null(tree_lookup(tree, "usr/bin/orlop-test"));
}

static void a_librarys_missing_library_is_named_with_who_needs_it(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_free_ char *text = string_format("libc.so.6 needs the library %s, which", loader());
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	put_library(tree, "libc.so.6");
	assert_error(add(tree, PROGRAM, platform(), &err), -ENOENT, err, text);
	assert_null(tree_lookup(tree, "usr/bin/orlop-test"));
}

static void a_library_that_is_none_is_named(void **state)
{
	static const char script[] = "/* GNU ld script */ GROUP ( libc.so )\n";
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	put_bytes(tree, "libc.so.6", script, sizeof(script) - 1);
	assert_error(add(tree, PROGRAM, platform(), &err), -ENOEXEC, err, "libc.so.6: not an ELF file");
}

static void a_program_of_another_architecture_is_refused(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_free_ char *text = string_format("is no program for %s", other_platform()->architecture);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_error(add(tree, PROGRAM, other_platform(), &err), -ENOEXEC, err, text);
	assert_error(program_check_platform(PROGRAM, other_platform(), &err), -ENOEXEC, err, text);
	assert_ok(program_check_platform(PROGRAM, platform(), &err), err);
}

static void what_is_no_program_is_refused(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_free_ char *script = string_format("%s/script", folder),
			    *object = string_format("%s/object", folder),
			    *cut = string_format("%s/cut", folder), *data = NULL;
	_cleanup_error_ struct error *err = NULL;
	size_t size;

	(void)state;
	shell(folder, "printf '#!/bin/sh\\n' > script; head -c 40 " PROGRAM " > cut");
	data = scratch_read("/usr/bin", "true", &size);
	write_le16((uint8_t *)data + 16, ELF_TYPE_RELOCATABLE); /* e_type */
	assert_ok(file_write_atomic(object, data, size, 0755, &err), err);

	assert_error(add(tree, script, platform(), &err), -ENOEXEC, err, "script: not an ELF file");
	assert_error(program_check_platform(script, platform(), &err), -ENOEXEC, err, "not an ELF file");
	assert_error(add(tree, object, platform(), &err), -ENOEXEC, err, "object: is no program for");
	assert_error(add(tree, cut, platform(), &err), -EBADMSG, err, "cut: damaged ELF file");
	assert_error(add(tree, "/nowhere/at-all", platform(), &err), -ENOENT, err, "/nowhere/at-all");
	assert_null(tree_lookup(tree, "usr/bin"));
}

/* ---- Root of trust ---- */

static void put_root(const char *folder, const void *data, size_t size)
{
	_cleanup_free_ char *path = string_format("%s/root.json", folder);
	_cleanup_error_ struct error *err = NULL;

	assert_non_null(path);
	assert_ok(file_write_atomic(path, data, size, 0644, &err), err);
}

static int add_root(struct tree *tree, const char *folder, struct error **err)
{
	const struct definition definition = {.path = (char *)"own.yaml"};
	_cleanup_content_ struct content *root = NULL;
	int r = programs_read_root(folder, &root, err);

	return r < 0 ? r : programs_add_root(tree, &definition, root, TIME, err);
}

static void a_folder_without_a_root_is_refused_and_what_to_do_is_said(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_error(add_root(tree, folder, &err), -ENOENT, err,
		"/root.json is missing, without which no node can update: copy it from the keys that sign");
	assert_null(tree_lookup(tree, PROGRAMS_ROOT));
}

static void the_root_of_new_keys_is_added_as_it_is(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *keys = string_format("%s/keys", folder), *expected = NULL;
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_error_ struct error *err = NULL;
	const struct tree_inode *inode;
	size_t size;

	(void)state;
	assert_ok(keys_init(keys, &(struct keys_options){.now = TIME}, &err), err);
	assert_ok(add_root(tree, keys, &err), err);
	inode = tree_lookup(tree, PROGRAMS_ROOT);
	assert_non_null(inode);
	assert_int_equal(inode->mode, S_IFREG | 0644);
	expected = scratch_read(keys, "root.json", &size);
	assert_int_equal(content_size(inode->content), size);
	assert_memory_equal(content_data(inode->content), expected, size);
}

static struct tuf_signer *make_signer(void)
{
	_cleanup_error_ struct error *err = NULL;
	struct tuf_signer *signer;
	char *pem;

	assert_ok(tuf_signer_generate(NULL, &pem, &err), err);
	assert_ok(tuf_signer_from_pem("test", pem, strlen(pem), NULL, &signer, &err), err);
	tuf_pem_free(pem);
	return signer;
}

/* A root for which two of two have to sign; *count* of *signers* do. */
static void write_root(struct tuf_signer *const signers[2], size_t from, size_t count, struct buffer *ret)
{
	json_t *body = tuf_root_new(1, TIME + 86400);
	_cleanup_error_ struct error *err = NULL;

	assert_non_null(body);
	for (unsigned role = TUF_ROOT; role < TUF_TYPES; role++)
		for (size_t i = 0; i < 2; i++)
			assert_int_equal(tuf_root_add(body, (enum tuf_type)role, signers[i]), 0);
	assert_int_equal(json_object_set_new(json_object_get(json_object_get(body, "roles"), "root"),
				 "threshold", json_integer(2)),
		0);
	assert_ok(tuf_document_write(body, signers + from, count, ret, &err), err);
	json_decref(body);
}

static void a_root_that_too_few_signed_is_refused(void **state)
{
	static const struct {
		size_t from, count;
		int r;
	} cases[] = {{0, 0, -EKEYREJECTED}, {0, 1, -EKEYREJECTED}, {1, 1, -EKEYREJECTED}, {0, 2, 0}};
	_cleanup_scratch_ char *folder = scratch_new();
	struct tuf_signer *signers[2] = {make_signer(), make_signer()};
	_cleanup_tree_ struct tree *tree = tree_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error *err = NULL;
		_cleanup_buffer_ struct buffer text = {};

		write_root(signers, cases[i].from, cases[i].count, &text);
		put_root(folder, text.data, text.size);
		if (cases[i].r < 0)
			assert_error(add_root(tree, folder, &err), cases[i].r, err, "root.json: ");
		else
			assert_ok(add_root(tree, folder, &err), err);
		assert_true((cases[i].r < 0) == (tree_lookup(tree, PROGRAMS_ROOT) == NULL));
	}
	for (size_t i = 0; i < 2; i++)
		tuf_signer_free(signers[i]);
}

static void a_damaged_root_is_refused(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	struct tuf_signer *signers[2] = {make_signer(), make_signer()};
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_free_ char *large = calloc(1, KiB(512) + 1);
	char *version;

	(void)state;
	put_root(folder, "", 0);
	assert_error(add_root(tree, folder, &err), -EBADMSG, err, "root.json: ");
	put_root(folder, "{}", 2);
	assert_error(add_root(tree, folder, &err), -EBADMSG, err, "root.json: ");
	write_root(signers, 0, 2, &text);
	put_root(folder, text.data, text.size / 2);
	assert_error(add_root(tree, folder, &err), -EBADMSG, err, "root.json: ");
	/* Well-formed, and not what was signed. */
	buffer_append_u8(&text, 0);
	version = strstr((char *)text.data, "\"version\": 1");
	assert_non_null(version);
	version[11] = '2';
	put_root(folder, text.data, text.size - 1);
	assert_error(add_root(tree, folder, &err), -EKEYREJECTED, err, "root.json: ");
	put_root(folder, large, KiB(512) + 1);
	assert_error(add_root(tree, folder, &err), -EFBIG, err, "root.json");
	assert_null(tree_lookup(tree, PROGRAMS_ROOT));
	for (size_t i = 0; i < 2; i++)
		tuf_signer_free(signers[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_whose_libraries_are_there_is_added),
		cmocka_unit_test(a_library_may_be_a_link_inside_the_tree),
		cmocka_unit_test(a_missing_library_is_named_with_who_needs_it),
		cmocka_unit_test(a_librarys_missing_library_is_named_with_who_needs_it),
		cmocka_unit_test(a_library_that_is_none_is_named),
		cmocka_unit_test(a_program_of_another_architecture_is_refused),
		cmocka_unit_test(what_is_no_program_is_refused),
		cmocka_unit_test(a_folder_without_a_root_is_refused_and_what_to_do_is_said),
		cmocka_unit_test(the_root_of_new_keys_is_added_as_it_is),
		cmocka_unit_test(a_root_that_too_few_signed_is_refused),
		cmocka_unit_test(a_damaged_root_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
