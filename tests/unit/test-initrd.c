/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <archive.h>
#include <archive_entry.h>

#include "build/initrd.h"
#include "init/modules.h"
#include "init/settings.h"

/* Two modules, the second needing the first, as kernel_modules_read() would find them. */
struct fixture {
	struct kernel_modules modules;
	struct kernel_module items[2];
	const struct kernel_module *needs[1];
	char *aliases[1];
	struct strv always, devices;
	char *folder, *init;
	const char *settings; /* NULL: some */
	const struct initrd_carried *carried;
};

static void fixture_init(struct fixture *f)
{
	static char names[][16] = {"dm_mod", "virtio_blk"};
	static char files[][24] = {"kernel/dm-mod.ko", "kernel/virtio_blk.ko"};
	static char paths[][48] = {
		"usr/lib/modules/6/kernel/dm-mod.ko", "usr/lib/modules/6/kernel/virtio_blk.ko"};
	static char version[] = "6", alias[] = "virtio:d00000002v*";

	*f = (struct fixture){.aliases = {alias}, .needs = {&f->items[0]}, .folder = scratch_new()};
	for (size_t i = 0; i < 2; i++) {
		f->items[i].name = names[i];
		f->items[i].file = files[i];
		f->items[i].path = f->items[i].stored = paths[i];
		f->items[i].content = content_copy(names[i], strlen(names[i]));
		assert_non_null(f->items[i].content);
	}
	f->items[1].needs = f->needs;
	f->items[1].need_count = 1;
	f->items[1].aliases = (struct strv){f->aliases, 1};
	f->modules = (struct kernel_modules){.version = version, .items = f->items, .count = 2};
	assert_int_equal(strv_add(&f->always, "dm_mod"), 0);
	assert_int_equal(strv_add(&f->devices, "virtio_blk"), 0);
	f->init = string_format("%s/orlop-init", f->folder);
	shell(f->folder, "echo program >orlop-init");
}

static void fixture_release(struct fixture *f)
{
	content_unref(f->items[0].content);
	content_unref(f->items[1].content);
	strv_release(&f->always);
	strv_release(&f->devices);
	free(f->init);
	scratch_remove(&f->folder);
}

static void build(const struct fixture *f, struct buffer *ret)
{
	const struct initrd_options options = {.init = f->init,
		.modules = &f->modules,
		.always = &f->always,
		.devices = &f->devices,
		.mtime = 1700000000};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(initrd_write_settings(f->settings ? f->settings : "x=y\n", options.mtime, ret, &err), err);
	if (f->carried)
		assert_ok(initrd_write_carried(f->carried, options.mtime, ret, &err), err);
	assert_ok(initrd_write_rest(&options, ret, &err), err);
}

/* Where the last archive begins, the compressed one. */
static size_t second_archive(const struct buffer *initrd)
{
	const uint8_t *magic = memmem(initrd->data, initrd->size, "\x1f\x8b\x08", 3);

	assert_non_null(magic);
	assert_int_equal((magic - initrd->data) % 4, 0);
	return (size_t)(magic - initrd->data);
}

/* The names and permissions that libarchive sees; the content of *name* goes to *ret*. */
static void read_one(
	const uint8_t *data, size_t size, struct buffer *names, const char *name, struct buffer *ret)
{
	struct archive *reader = archive_read_new();
	struct archive_entry *entry;

	assert_int_equal(archive_read_support_format_cpio(reader), ARCHIVE_OK);
	assert_int_equal(archive_read_support_filter_gzip(reader), ARCHIVE_OK);
	assert_int_equal(archive_read_open_memory(reader, data, size), ARCHIVE_OK);
	while (archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
		buffer_printf(names, "%s %o\n", archive_entry_pathname(entry), archive_entry_perm(entry));
		if (streq(archive_entry_pathname(entry), name)) {
			void *to = buffer_extend(ret, (size_t)archive_entry_size(entry));

			assert_int_equal(archive_read_data(reader, to, (size_t)archive_entry_size(entry)),
				archive_entry_size(entry));
		}
	}
	assert_int_equal(archive_read_free(reader), ARCHIVE_OK);
}

static void read_archive(
	const struct buffer *initrd, struct buffer *names, const char *name, struct buffer *ret)
{
	size_t second = second_archive(initrd);

	read_one(initrd->data, second, names, name, ret);
	read_one(initrd->data + second, initrd->size - second, names, name, ret);
	buffer_append_u8(names, 0);
	buffer_append_u8(ret, 0);
}

static void holds_what_orlop_init_needs_and_nothing_else(void **state)
{
	_cleanup_buffer_ struct buffer initrd = {}, names = {}, table = {};
	_cleanup_modules_ struct modules modules = {};
	_cleanup_error_ struct error *err = NULL;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	build(&f, &initrd);
	read_archive(&initrd, &names, "etc/orlop/modules", &table);
	assert_string_equal((char *)names.data,
		"etc 755\netc/orlop 755\netc/orlop/init.conf 644\n"
		"dev 755\netc 755\netc/orlop 755\netc/orlop/modules 644\ninit "
		"755\nproc 755\n"
		"run 755\nsys 755\nsysroot 755\nusr 755\nusr/lib 755\nusr/lib/modules 755\nusr/lib/modules/6 "
		"755\n"
		"usr/lib/modules/6/kernel 755\nusr/lib/modules/6/kernel/dm-mod.ko 644\n"
		"usr/lib/modules/6/kernel/virtio_blk.ko 644\n");
	/* What the builder writes, orlop-init reads. */
	assert_ok(modules_parse((char *)table.data, &modules, &err), err);
	assert_int_equal(modules.count, 2);
	assert_true(modules.items[0].always);
	assert_string_equal(modules.items[1].file, "/usr/lib/modules/6/kernel/virtio_blk.ko");
	assert_true(module_matches(&modules.items[1], "virtio:d00000002v00001AF4"));
	fixture_release(&f);
}

static void two_builds_are_equal(void **state)
{
	_cleanup_buffer_ struct buffer one = {}, two = {};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	build(&f, &one);
	build(&f, &two);
	assert_int_equal(one.size, two.size);
	assert_memory_equal(one.data, two.data, one.size);
	fixture_release(&f);
}

static void other_settings_change_nothing_else(void **state)
{
	_cleanup_buffer_ struct buffer one = {}, two = {};
	struct fixture f;
	size_t at;

	(void)state;
	fixture_init(&f);
	build(&f, &one);
	f.settings = "x=z and more\n";
	build(&f, &two);
	at = second_archive(&one);
	assert_int_equal(one.size - at, two.size - second_archive(&two));
	assert_memory_equal(one.data + at, two.data + second_archive(&two), one.size - at);
	assert_true(memmem(two.data, second_archive(&two), "x=z and more", 12));
	fixture_release(&f);
}

/* Number *index* of the plain archives, each of which ends with a trailer. */
static size_t plain_archive(const struct buffer *initrd, size_t index)
{
	const uint8_t *at = initrd->data, *end = initrd->data + second_archive(initrd);

	for (; index > 0; index--) {
		at = memmem(at, (size_t)(end - at), "TRAILER!!!", 10);
		assert_non_null(at);
		at += 10;
		while (at < end && *at == 0)
			at++;
	}
	return (size_t)(at - initrd->data);
}

static void carries_usr_as_it_is(void **state)
{
	_cleanup_content_ struct content *usr = content_copy("image\n", 6), *verity = content_copy("tree", 4),
					 *signature = content_copy("{}\0", 3);
	const struct initrd_carried carried = {.usr = usr, .verity = verity, .signature = signature};
	_cleanup_buffer_ struct buffer plain = {}, with = {}, names = {}, content = {};
	struct fixture f;
	size_t at;

	(void)state;
	fixture_init(&f);
	build(&f, &plain);
	f.carried = &carried;
	build(&f, &with);
	at = plain_archive(&with, 1);
	assert_int_equal(at % 4, 0);
	assert_memory_equal(with.data, plain.data, at);
	read_one(with.data + at, second_archive(&with) - at, &names, "carried/usr.erofs", &content);
	buffer_append_u8(&names, 0);
	assert_string_equal((char *)names.data,
		"carried 755\ncarried/usr.erofs 444\ncarried/usr.signature 444\ncarried/usr.verity 444\n");
	assert_int_equal(content.size, 6);
	assert_memory_equal(content.data, "image\n", 6);
	/* All else is as it is without. */
	assert_int_equal(with.size - second_archive(&with), plain.size - second_archive(&plain));
	assert_memory_equal(with.data + second_archive(&with), plain.data + second_archive(&plain),
		plain.size - second_archive(&plain));
	fixture_release(&f);
}

static void settings_for_the_network_say_where_usr_and_var_are(void **state)
{
	static const struct {
		enum initrd_netboot netboot;
		bool carried, state;
	} cases[] = {{INITRD_NETBOOT_NONE, false, true}, {INITRD_NETBOOT_MEMORY, true, false},
		{INITRD_NETBOOT_DISK, true, true}};
	char title[] = "An edition";
	struct definition definition = {.title = title, .require = REQUIRE_COMMAND_LINE};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_settings_ struct settings settings = {};
		_cleanup_free_ char *text = NULL;

		assert_ok(initrd_settings(&definition, "amd64", "x", cases[i].netboot, &text, &err), err);
		assert_ok(settings_parse(text, &settings, &err), err);
		assert_int_equal(settings.carried, cases[i].carried);
		assert_int_equal(settings.state, cases[i].state);
		assert_true(settings.signature && settings.state_required);
		assert_string_equal(settings.command_line, "x");
	}
}

static void an_orlop_init_that_is_missing_or_too_large_is_an_error(void **state)
{
	_cleanup_buffer_ struct buffer initrd = {};
	struct initrd_options options = {};
	struct error *err = NULL;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	options.init = f.init;
	options.modules = &f.modules;
	options.always = options.devices = &f.always;
	shell(f.folder, "truncate -s 1048577 orlop-init");
	assert_error(initrd_write_rest(&options, &initrd, &err), -EFBIG, err, "orlop-init");
	shell(f.folder, "rm orlop-init");
	assert_error(initrd_write_rest(&options, &initrd, &err), -ENOENT, err, "orlop-init");
	fixture_release(&f);
}

static void settings_are_those_of_the_edition(void **state)
{
	char title[] = "An edition";
	struct definition definition = {.title = title, .require = REQUIRE_TPM2 | REQUIRE_COMMAND_LINE};
	_cleanup_settings_ struct settings settings = {}, other = {};
	_cleanup_free_ char *text = NULL, *arm = NULL;
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(initrd_settings(&definition, "amd64", "usrhash=1 quiet", INITRD_NETBOOT_NONE, &text, &err),
		err);
	assert_ok(settings_parse(text, &settings, &err), err);
	assert_string_equal(settings.command_line, "usrhash=1 quiet");
	assert_true(settings.tpm2 && settings.signature);
	assert_false(settings.secure_boot);
	assert_string_equal(settings.etc, "/usr/share/orlop/etc");
	assert_string_equal(settings.usr_type, "8484680c-9521-48c6-9c11-b0720656f69e");
	definition.require = REQUIRE_SECURE_BOOT;
	assert_ok(initrd_settings(&definition, "arm64", "x", INITRD_NETBOOT_NONE, &arm, &err), err);
	assert_ok(settings_parse(arm, &other, &err), err);
	assert_true(other.secure_boot);
	assert_false(other.tpm2);
	assert_null(other.command_line);
	assert_string_equal(other.verity_type, "6e11a4e7-fbca-4ded-b9e9-e1a512bb664e");
	assert_error(initrd_settings(&definition, "z80", "x", INITRD_NETBOOT_NONE, &arm, &err), -EINVAL, err,
		"z80");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_what_orlop_init_needs_and_nothing_else),
		cmocka_unit_test(two_builds_are_equal),
		cmocka_unit_test(other_settings_change_nothing_else),
		cmocka_unit_test(an_orlop_init_that_is_missing_or_too_large_is_an_error),
		cmocka_unit_test(settings_are_those_of_the_edition),
		cmocka_unit_test(carries_usr_as_it_is),
		cmocka_unit_test(settings_for_the_network_say_where_usr_and_var_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
