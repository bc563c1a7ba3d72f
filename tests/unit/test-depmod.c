/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "module-files.h"

#include "build/depmod.h"

/*
 * tests/data/depmod holds what depmod of kmod 34.2 (Debian 13) made of these modules: `make_modules()` in an
 * empty folder, then `depmod -b FOLDER 6.1-test`. kmod 30 of Debian 12 writes the same trees with the nodes
 * in another order, so only the text files are compared with whatever depmod is installed.
 */
static const char *const texts[] = {
	"modules.dep", "modules.alias", "modules.softdep", "modules.weakdep", "modules.devname"};
static const char *const indexes[] = {"modules.dep.bin", "modules.alias.bin", "modules.symbols.bin",
	"modules.builtin.bin", "modules.builtin.alias.bin"};

static struct tree *finished_tree(const char *folder)
{
	struct tree *tree = tree_of_folder(folder);
	struct finish finish = {.tree = tree, .architecture = "amd64", .mtime = 99};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(finish_depmod(&finish, &err), err);
	return tree;
}

static const char *in_modules(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", MODULES, name);
	return path;
}

static void writes_what_kmod_34_writes(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *golden = string_format("%s/depmod", getenv("ORLOP_TEST_DATA"));
	_cleanup_tree_ struct tree *tree = NULL;

	(void)state;
	make_modules(folder, "");
	tree = finished_tree(folder);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_same_content(tree, in_modules(texts[i]), golden, texts[i]);
	for (size_t i = 0; i < ARRAY_SIZE(indexes); i++)
		assert_same_content(tree, in_modules(indexes[i]), golden, indexes[i]);
	assert_int_equal(tree_lookup(tree, in_modules("modules.dep"))->mtime, 99);
	assert_string_equal(tree_lookup(tree, in_modules("modules.dep"))->origin, "finisher:depmod");
}

static void texts_are_those_of_the_installed_depmod(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *made = string_format("%s/%s", folder, MODULES);
	_cleanup_tree_ struct tree *tree = NULL;

	(void)state;
	if (!have_program("depmod")) {
		print_message("skipped, because depmod is not installed\n");
		skip();
	}
	make_modules(folder, "xz -k $m/kernel/misc/lonely.ko; rm $m/kernel/misc/lonely.ko");
	tree = finished_tree(folder);
	shell(folder, "depmod -b \"$PWD\" 6.1-test; cd " MODULES
		      "; touch modules.weakdep; sort modules.symbols > sorted");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!streq(texts[i], "modules.weakdep")) /* kmod 30 knows none */
			assert_same_content(tree, in_modules(texts[i]), made, texts[i]);
	assert_same_content(tree, in_modules("modules.symbols"), made, "sorted");
}

/* Puts the finisher's files where modprobe looks for them. */
static void write_files(const struct tree *tree, const char *folder, const char *const *names, size_t count)
{
	_cleanup_error_ struct error *err = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct content *content = tree_content(tree, in_modules(names[i]));
		_cleanup_free_ char *path = string_format("%s/%s", folder, in_modules(names[i]));

		assert_non_null(path);
		assert_ok(file_write_atomic(path, content_data(content), content_size(content), 0644, &err),
			err);
	}
}

static void modprobe_finds_modules_in_it(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_free_ char *answers = NULL;

	(void)state;
	if (!have_program("modprobe")) {
		print_message("skipped, because modprobe is not installed\n");
		skip();
	}
	make_modules(folder, "");
	tree = finished_tree(folder);
	write_files(tree, folder, texts, ARRAY_SIZE(texts));
	write_files(tree, folder, indexes, ARRAY_SIZE(indexes));
	shell(folder, "{ modprobe -C /dev/null -d \"$PWD\" -S 6.1-test --show-depends bigfs | sed 's,.*/,,; "
		      "s, *$,,'\n"
		      "for a in virtio:d00000002v00001af4 of:NxTbCx-y of:NxTdCx-y symbol:help fs-built-in "
		      "crypto-sum; do\n"
		      "echo \"$a: $(modprobe -C /dev/null -d \"$PWD\" -S 6.1-test -R $a 2>/dev/null)\"; "
		      "done; } > answers");
	answers = scratch_read(folder, "answers", NULL);
	assert_string_equal(answers,
		"core-bus.ko\ndisk-one.ko\nsum_slow.ko\nsum_fast.ko\nbigfs.ko\nhelper.ko\n"
		"virtio:d00000002v00001af4: disk_one\nof:NxTbCx-y: lonely\nof:NxTdCx-y: "
		"\nsymbol:help: helper\n"
		"fs-built-in: built_in_fs\ncrypto-sum: sum_slow\nsum_fast\n");
}

static void refuses_what_modprobe_could_not_use(void **state)
{
	static const struct {
		const char *more, *text;
		int code;
	} cases[] = {
		{"mod $m/extra/disk_one.ko '' '' ''", "disk_one is there twice", -EEXIST},
		{"mod $m/kernel/lib/core-bus.ko '' 'bus_register bus_leave' disk_probe",
			"need each other: ", -ELOOP},
		{"echo text > $m/kernel/x.ko", "/kernel/x.ko: not an ELF file", -ENOEXEC},
		{"mod $m/kernel/x.ko 'alias=caf\xc3\xa9' '' ''", "modules.alias.bin: \"caf\xc3\xa9\"",
			-EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_scratch_ char *folder = scratch_new();
		_cleanup_tree_ struct tree *tree = NULL;
		struct finish finish = {.architecture = "amd64"};
		_cleanup_error_ struct error *err = NULL;

		make_modules(folder, cases[i].more);
		tree = tree_of_folder(folder);
		finish.tree = tree;
		assert_error(finish_depmod(&finish, &err), cases[i].code, err, cases[i].text);
	}
}

static void does_not_replace_what_the_definition_has(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_tree_ struct tree *tree = NULL;
	struct definition definition = {.path = (char *)"own.yaml"};
	struct finish finish = {.architecture = "amd64", .definition = &definition};
	struct error *err = NULL;

	(void)state;
	make_modules(folder, "");
	finish.tree = tree = finished_tree(folder);
	tree_lookup(tree, in_modules("modules.alias"))->origin = tree_intern(tree, OWN_ORIGIN);
	assert_error(finish_depmod(&finish, &err), -EINVAL, err,
		"modules.alias is made by the build, by its finisher modules");
}

static void a_tree_without_modules_is_left_alone(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	struct finish finish = {.tree = tree, .architecture = "amd64"};

	(void)state;
	assert_int_equal(finish_depmod(&finish, NULL), 0);
	assert_int_equal(tree_root(tree)->entry_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_what_kmod_34_writes),
		cmocka_unit_test(texts_are_those_of_the_installed_depmod),
		cmocka_unit_test(modprobe_finds_modules_in_it),
		cmocka_unit_test(refuses_what_modprobe_could_not_use),
		cmocka_unit_test(does_not_replace_what_the_definition_has),
		cmocka_unit_test(a_tree_without_modules_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
