/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "module-files.h"

#include "base/file.h"
#include "build/definition.h"
#include "build/modules.h"
#include "format/module-info.h"

static struct kernel_modules *read_modules(const struct tree *tree)
{
	struct kernel_modules *modules = NULL;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(kernel_modules_read(tree, NULL, 0, &modules, &err), err);
	return modules;
}

static struct strv list(const char *const *items)
{
	struct strv strings = {};

	for (; *items; items++)
		assert_int_equal(strv_add(&strings, *items), 0);
	return strings;
}
#define LIST(...) list((const char *const[]){__VA_ARGS__, NULL})

static int note_module(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	(void)err;
	if (S_ISREG(inode->mode) && startswith(path, MODULES "/kernel/"))
		buffer_printf(userdata, "%s ", path + strlen(MODULES "/kernel/"));
	return 0;
}

static void assert_kept(const struct tree *tree, const char *expected)
{
	_cleanup_buffer_ struct buffer seen = {};

	assert_int_equal(tree_walk(tree, note_module, &seen, NULL), 0);
	buffer_append_u8(&seen, 0);
	assert_string_equal((char *)seen.data, expected);
}

static void keeps_chosen_modules_and_what_they_need(void **state)
{
	static const struct {
		const char *const patterns[4];
		const char *kept;
	} cases[] = {
		{{"helper"}, "misc/helper.ko "},
		{{"disk-one"}, "drivers/block/disk-one.ko lib/core-bus.ko "},
		{{"disk?one"}, "drivers/block/disk-one.ko lib/core-bus.ko "},
		{{"kernel/drivers/*"}, ""},
		{{"kernel/drivers/**"}, "drivers/block/disk-one.ko lib/core-bus.ko "},
		{{"kernel/*/core-bus"}, "lib/core-bus.ko "},
		{{"bigfs"}, "crypto/sum_fast.ko crypto/sum_slow.ko drivers/block/disk-one.ko fs/bigfs.ko "
			    "lib/core-bus.ko misc/helper.ko "},
		{{"lonely"}, "crypto/sum_fast.ko misc/helper.ko misc/lonely.ko "},
		{{"sum_*", "!sum_slow"}, "crypto/sum_fast.ko "},
		{{"!sum_slow", "sum_*"}, "crypto/sum_fast.ko crypto/sum_slow.ko "},
		{{"disk_one", "!core_bus"}, "drivers/block/disk-one.ko lib/core-bus.ko "},
		{{"helper", "-absent", "built_in_fs", "kernel/lib/zlib"}, "misc/helper.ko "},
	};
	_cleanup_scratch_ char *folder = scratch_new();

	(void)state;
	make_modules(folder, "xz $m/kernel/lib/core-bus.ko $m/kernel/misc/helper.ko");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_tree_ struct tree *tree = tree_of_folder(folder);
		_cleanup_kernel_modules_ struct kernel_modules *modules = read_modules(tree);
		_cleanup_error_ struct error *err = NULL;
		_cleanup_strv_ struct strv patterns = {};

		for (size_t j = 0; j < ARRAY_SIZE(cases[i].patterns) && cases[i].patterns[j]; j++)
			assert_int_equal(strv_add(&patterns, cases[i].patterns[j]), 0);
		if (cases[i].kept[0] == 0) {
			assert_error(kernel_modules_keep(modules, tree, &patterns, &err), -ENOENT, err,
				"no kernel module matches \"kernel/drivers/*\" (kernel 6.1-test)");
			continue;
		}
		assert_ok(kernel_modules_keep(modules, tree, &patterns, &err), err);
		assert_kept(tree, cases[i].kept);
		assert_non_null(tree_lookup(tree, MODULES "/modules.order"));
	}
}

static void stores_modules_as_they_were_before_compression(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_kernel_modules_ struct kernel_modules *modules = NULL;
	_cleanup_error_ struct error *err = NULL;
	const struct tree_inode *inode;

	(void)state;
	make_modules(folder, "cp $m/kernel/lib/core-bus.ko plain; xz -C crc32 $m/kernel/lib/core-bus.ko; "
			     "chmod 600 $m/kernel/lib/core-bus.ko.xz");
	tree = tree_of_folder(folder);
	modules = read_modules(tree);
	assert_ok(kernel_modules_keep(modules, tree, &(struct strv){}, &err), err);
	assert_same_content(tree, MODULES "/kernel/lib/core-bus.ko", folder, "plain");
	inode = tree_lookup(tree, MODULES "/kernel/lib/core-bus.ko");
	assert_int_equal(inode->mtime, 7);
	assert_string_equal(inode->origin, "test");
	assert_kept(tree, "crypto/sum_fast.ko crypto/sum_slow.ko drivers/block/disk-one.ko fs/bigfs.ko "
			  "lib/core-bus.ko misc/helper.ko misc/lonely.ko ");
}

static char *order(const struct kernel_modules *modules, struct strv names)
{
	const struct kernel_module **items = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct buffer text = {};
	size_t count;

	assert_ok(kernel_modules_order(modules, &names, &items, &count, &err), err);
	for (size_t i = 0; i < count; i++)
		buffer_printf(&text, "%s ", items[i]->name);
	free(items);
	strv_release(&names);
	return buffer_take(&text, NULL);
}

static void orders_modules_behind_what_they_need(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_kernel_modules_ struct kernel_modules *modules = NULL;
	_cleanup_free_ char *all = NULL, *two = NULL, *none = NULL;

	(void)state;
	make_modules(folder, "");
	tree = tree_of_folder(folder);
	modules = read_modules(tree);
	all = order(modules, LIST("bigfs", "core-bus", "bigfs"));
	assert_string_equal(all, "core_bus disk_one sum_fast sum_slow bigfs helper ");
	two = order(modules, LIST("lonely", "disk-one"));
	assert_string_equal(two, "lonely core_bus disk_one ");
	none = order(modules, LIST("built-in-fs", "-absent"));
	assert_string_equal(none, "");
}

static void lists_modules_for_the_initrd(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_kernel_modules_ struct kernel_modules *modules = NULL;
	_cleanup_strv_ struct strv always = LIST("sum_fast", "zlib"),
				   devices = LIST("disk_one", "built_in_fs");
	_cleanup_strv_ struct strv bare = LIST("bare");
	const struct kernel_module **files = NULL;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *text = NULL;
	size_t count;

	(void)state;
	make_modules(folder, "mod $m/kernel/bare.ko depends= '' ''");
	tree = tree_of_folder(folder);
	modules = read_modules(tree);
	assert_ok(kernel_modules_table(modules, &always, &devices, &text, &files, &count, &err), err);
	assert_string_equal(text,
		"sum_fast /" MODULES "/kernel/crypto/sum_fast.ko - always\n"
		"core_bus /" MODULES "/kernel/lib/core-bus.ko - acpi*:BUS0:*\n"
		"disk_one /" MODULES "/kernel/drivers/block/disk-one.ko core_bus virtio:d00000002v*\n");
	assert_int_equal(count, 3);
	assert_string_equal(files[2]->path, MODULES "/kernel/drivers/block/disk-one.ko");
	free(files);
	assert_error(kernel_modules_table(modules, &always, &bare, &text, &files, &count, &err), -EINVAL, err,
		"bare names no devices");
}

static void loads_what_soft_dependencies_ask_for_in_a_circle(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_kernel_modules_ struct kernel_modules *modules = NULL;
	_cleanup_strv_ struct strv always = LIST("one"), devices = {};
	const struct kernel_module **files = NULL;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *text = NULL;
	size_t count;

	(void)state;
	make_modules(folder, "mod $m/kernel/one.ko 'softdep=pre: two' '' ''\n"
			     "mod $m/kernel/two.ko 'softdep=pre: one' '' ''");
	tree = tree_of_folder(folder);
	modules = read_modules(tree);
	assert_ok(kernel_modules_table(modules, &always, &devices, &text, &files, &count, &err), err);
	free(files);
	assert_string_equal(
		text, "two /" MODULES "/kernel/two.ko - always\none /" MODULES "/kernel/one.ko two always\n");
}

static void refuses_what_could_not_be_loaded(void **state)
{
	static const struct {
		const char *more, *text;
		int code;
	} cases[] = {
		{"mod $m/kernel/x.ko depends=nowhere '' ''", "x.ko needs the kernel module nowhere", -ENOENT},
		{"mod $m/extra/disk_one.ko '' '' ''", "disk_one is there twice", -EEXIST},
		{"mkdir -p usr/lib/modules/6.2/kernel", "two kernels, 6.1-test and 6.2", -EEXIST},
		{"rm -r $m/kernel", "no kernel's modules", -ENOENT},
		{"rm $m/modules.builtin", "modules.builtin is missing", -ENOENT},
		{"xz $m/kernel/misc/helper.ko; truncate -s -9 $m/kernel/misc/helper.ko.xz",
			"helper.ko.xz: damaged xz", -EBADMSG},
		{"truncate -s 300 $m/kernel/misc/helper.ko", "helper.ko: damaged ELF file", -EBADMSG},
		{": > $m/kernel/misc/helper.ko", "helper.ko: not an ELF file", -ENOEXEC},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_scratch_ char *folder = scratch_new();
		_cleanup_tree_ struct tree *tree = NULL;
		struct kernel_modules *modules = NULL;
		_cleanup_error_ struct error *err = NULL;

		make_modules(folder, cases[i].more);
		tree = tree_of_folder(folder);
		assert_error(kernel_modules_read(tree, NULL, 0, &modules, &err), cases[i].code, err,
			cases[i].text);
	}
}

static void names_that_are_nowhere_are_errors(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_kernel_modules_ struct kernel_modules *modules = NULL;
	_cleanup_strv_ struct strv names = LIST("helper", "absent");
	const struct kernel_module **items = NULL;
	_cleanup_error_ struct error *err = NULL;
	size_t count;

	(void)state;
	make_modules(folder, "");
	tree = tree_of_folder(folder);
	modules = read_modules(tree);
	assert_error(kernel_modules_order(modules, &names, &items, &count, &err), -ENOENT, err,
		"there is no kernel module \"absent\"");
	assert_error(kernel_modules_keep(modules, tree, &names, &err), -ENOENT, err, "matches \"absent\"");
	assert_non_null(tree_lookup(tree, MODULES "/kernel/fs/bigfs.ko"));
}

/* The lines of tests/data/modules/ARCHITECTURE.KIND. */
static void read_lines(const char *architecture, const char *kind, struct strv *ret)
{
	_cleanup_free_ char *path =
		string_format("%s/modules/%s.%s", getenv("ORLOP_TEST_DATA"), architecture, kind);
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *text = NULL;

	assert_ok(file_read(path, MiB(1), &text, NULL, &err), err);
	for (char *at = text, *line; (line = strsep(&at, "\n")) && *line;)
		assert_int_equal(strv_add(ret, line), 0);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct kernel_module *)a)->name, ((const struct kernel_module *)b)->name);
}

/* Debian's kernel of an architecture: only names, and empty files in the tree. */
static struct kernel_modules *named_modules(const char *architecture, struct tree *tree)
{
	const struct tree_attributes attributes = {.mode = 0644};
	struct kernel_modules *modules = calloc(1, sizeof(*modules));
	_cleanup_strv_ struct strv files = {};

	read_lines(architecture, "list", &files);
	read_lines(architecture, "builtin", &modules->builtin);
	modules->version = strdup(architecture);
	modules->items = calloc(files.count, sizeof(*modules->items));
	for (size_t i = 0; i < files.count; i++) {
		struct kernel_module *module = &modules->items[modules->count++];

		*module = (struct kernel_module){.name = module_name(files.items[i]),
			.file = strdup(files.items[i]),
			.path = strdup(files.items[i]),
			.stored = strdup(files.items[i]),
			.content = content_copy("", 0)};
		assert_int_equal(
			tree_add_file(tree, module->path, &attributes, module->content, NULL, NULL), 0);
	}
	qsort(modules->items, modules->count, sizeof(*modules->items), compare_names);
	return modules;
}

static void our_edition_s_modules_are_there_on_both_architectures(void **state)
{
	static const char *const architectures[] = {"amd64", "arm64"};
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_free_ char *path = string_format("%s/container-linux.yaml", getenv("ORLOP_EDITIONS"));
	struct error *err = NULL;

	(void)state;
	assert_ok(definition_load(path, NULL, &definition, &err), err);
	for (size_t i = 0; i < ARRAY_SIZE(architectures); i++) {
		_cleanup_tree_ struct tree *tree = tree_new();
		_cleanup_kernel_modules_ struct kernel_modules *modules =
			named_modules(architectures[i], tree);
		const struct strv *const lists[] = {&definition->initrd.modules, &definition->initrd.devices};

		for (size_t list = 0; list < ARRAY_SIZE(lists); list++) {
			_cleanup_free_ const struct kernel_module **order = NULL;
			size_t count;

			assert_ok(kernel_modules_order(modules, lists[list], &order, &count, &err), err);
		}
		assert_ok(kernel_modules_keep(modules, tree, &definition->kernel.modules, &err), err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_chosen_modules_and_what_they_need),
		cmocka_unit_test(stores_modules_as_they_were_before_compression),
		cmocka_unit_test(orders_modules_behind_what_they_need),
		cmocka_unit_test(lists_modules_for_the_initrd),
		cmocka_unit_test(loads_what_soft_dependencies_ask_for_in_a_circle),
		cmocka_unit_test(refuses_what_could_not_be_loaded),
		cmocka_unit_test(names_that_are_nowhere_are_errors),
		cmocka_unit_test(our_edition_s_modules_are_there_on_both_architectures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
