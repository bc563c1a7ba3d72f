/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "module-files.h"

#include <errno.h>

#include "base/file.h"
#include "build/firmware.h"

/* disk-one and helper ask for firmware, as does something that is built in. */
static const char script[] =
	"mod $m/kernel/drivers/block/disk-one.ko "
	"'depends=|firmware=one.bin|firmware=sub/two.bin|firmware=gone.bin' "
	"'disk_probe' ''\n"
	"mod $m/kernel/misc/helper.ko 'depends=|firmware=help-?.fw|firmware=sub/three.bin' 'help' ''\n"
	"printf '%s\\0' zlib.license=GPL zlib.firmware=built.bin >$m/modules.builtin.modinfo\n"
	"mkdir -p usr/lib/firmware/sub/deep usr/lib/firmware/real usr/lib/firmware/empty\n"
	"cd usr/lib/firmware\n"
	"for f in one.bin.xz sub/three.bin help-1.fw.zst help-22.fw built.bin other.bin real/v2.bin "
	"real/v1.bin "
	"sub/deep/x.bin; do echo $f >$f; done\n"
	"ln -s ../real/link.bin sub/two.bin; ln -s v2.bin real/link.bin; ln -s real alias; ln -s v1.bin "
	"real/unused.bin\n";

struct fixture {
	char *folder;
	struct tree *tree;
	struct kernel_modules *modules;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	_cleanup_error_ struct error *err = NULL;

	f->folder = scratch_new();
	make_modules(f->folder, script);
	f->tree = tree_of_folder(f->folder);
	assert_ok(kernel_modules_read(f->tree, NULL, 1, &f->modules, &err), err);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	kernel_modules_free(f->modules);
	tree_free(f->tree);
	scratch_remove(&f->folder);
	free(f);
	return 0;
}

static int note_file(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	const char *name = startswith(path, "usr/lib/firmware/");

	(void)err;
	assert_int_equal(inode->number, 0);
	if (name && !S_ISDIR(inode->mode))
		buffer_printf(userdata, "%s ", name);
	return 0;
}

static void assert_kept(const struct fixture *f, const char *expected)
{
	_cleanup_buffer_ struct buffer seen = {};

	assert_int_equal(tree_walk(f->tree, note_file, &seen, NULL), 0);
	buffer_append_u8(&seen, 0);
	assert_string_equal((char *)seen.data, expected);
}

static void add_all(struct strv *list, const char *const *texts)
{
	for (; *texts; texts++)
		assert_int_equal(strv_add(list, *texts), 0);
}

static void what_modules_ask_for_stays_with_the_links_that_lead_there(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(firmware_keep(f->modules, f->tree, &(struct strv){}, &err), err);
	assert_kept(
		f, "built.bin help-1.fw.zst one.bin.xz real/link.bin real/v2.bin sub/three.bin sub/two.bin ");
	/* Folders that nothing is left in are gone. */
	assert_null(tree_lookup(f->tree, "usr/lib/firmware/empty"));
	assert_null(tree_lookup(f->tree, "usr/lib/firmware/sub/deep"));
}

static void what_modules_ask_for_that_are_gone_goes_too(void **state)
{
	struct fixture *f = *state;
	_cleanup_strv_ struct strv patterns = {};
	_cleanup_error_ struct error *err = NULL;

	add_all(&patterns, (const char *const[]){"sum_fast", NULL});
	assert_ok(kernel_modules_keep(f->modules, f->tree, &patterns, &err), err);
	assert_ok(firmware_keep(f->modules, f->tree, &(struct strv){}, &err), err);
	assert_kept(f, "built.bin ");
}

static void patterns_keep_more(void **state)
{
	struct fixture *f = *state;
	_cleanup_strv_ struct strv patterns = {};
	_cleanup_error_ struct error *err = NULL;

	add_all(&patterns, (const char *const[]){"**/x.bin", "alias", "help-22.fw", NULL});
	assert_ok(firmware_keep(f->modules, f->tree, &patterns, &err), err);
	assert_kept(f, "alias built.bin help-1.fw.zst help-22.fw one.bin.xz real/link.bin real/v2.bin "
		       "sub/deep/x.bin sub/three.bin sub/two.bin ");
}

static void a_pattern_that_matches_nothing_is_an_error(void **state)
{
	struct fixture *f = *state;
	_cleanup_strv_ struct strv patterns = {};
	_cleanup_error_ struct error *err = NULL;

	add_all(&patterns, (const char *const[]){"other.bin", "oter.bin", NULL});
	assert_int_equal(firmware_keep(f->modules, f->tree, &patterns, &err), -ENOENT);
	assert_string_equal(err->subject, "oter.bin");
}

static void add_file(struct tree *tree, const char *path, const char *text)
{
	static const struct tree_attributes attributes = {.mode = 0644, .origin = "package"};
	_cleanup_content_ struct content *content = content_copy(text, strlen(text));
	_cleanup_error_ struct error *err = NULL;

	assert_ok(tree_add_file(tree, path, &attributes, content, NULL, &err), err);
}

/* The kernel's documentation: all blobs of a vendor one behind the other, under these two names. */
static void microcode_is_an_archive_of_one_file_for_each_vendor(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = string_format("%s/ucode", folder), *seen = NULL;
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_buffer_ struct buffer archive = {};
	_cleanup_error_ struct error *err = NULL;
	const uint8_t *intel;
	size_t size;

	(void)state;
	assert_ok(microcode_write(tree, &archive, &err), err);
	assert_int_equal(archive.size, 0);
	add_file(tree, "usr/lib/firmware/intel-ucode/06-02-01", "INTEL-B");
	add_file(tree, "usr/lib/firmware/intel-ucode/06-01-01", "INTEL-A");
	add_file(tree, "usr/lib/firmware/amd-ucode/microcode_amd_fam17h.bin", "AMD-B");
	add_file(tree, "usr/lib/firmware/amd-ucode/microcode_amd.bin", "AMD-A");
	add_file(tree, "usr/lib/firmware/amd-ucode/microcode_amd.bin.asc", "signature");
	add_file(tree, "usr/lib/firmware/amd-ucode/README", "read me");
	assert_ok(microcode_write(tree, &archive, &err), err);
	intel = memmem(archive.data, archive.size, "INTEL-A", 7);
	assert_non_null(intel);
	assert_int_equal((intel - archive.data) % 16, 0);
	assert_ok(file_write_atomic(path, archive.data, archive.size, 0644, &err), err);
	shell(folder,
		"busybox cpio -id <ucode && cd kernel/x86/microcode && { ls; cat AuthenticAMD.bin; echo; cat "
		"GenuineIntel.bin; } >../../../seen");
	seen = scratch_read(folder, "seen", &size);
	assert_string_equal(seen, "AuthenticAMD.bin\nGenuineIntel.bin\nAMD-AAMD-B\nINTEL-AINTEL-B");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_modules_ask_for_stays_with_the_links_that_lead_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_modules_ask_for_that_are_gone_goes_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(patterns_keep_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_pattern_that_matches_nothing_is_an_error, set_up, tear_down),
		cmocka_unit_test(microcode_is_an_archive_of_one_file_for_each_vendor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
