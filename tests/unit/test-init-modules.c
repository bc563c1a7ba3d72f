/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "init/modules.h"

static const char list[] =
	"dm_bufio /m/dm-bufio.ko -\n"
	"dm_verity /m/dm-verity.ko dm_bufio always\n"
	"\n"
	"scsi_mod /m/scsi_mod.ko -\n"
	"virtio_scsi /m/virtio_scsi.ko scsi_mod virtio:d00000008v*\n"
	"ahci /m/ahci.ko scsi_mod,dm_bufio pci:v*d*sv*sd*bc01sc06i01* pci:v00001002d00004380sv*sd*bc*sc*i*\n";

static void read_list(struct modules *ret)
{
	_cleanup_error_ struct error *err = NULL;

	assert_ok(modules_parse(list, ret, &err), err);
	assert_int_equal(ret->count, 5);
}

static int note(const struct module *module, void *userdata, struct error **err)
{
	buffer_printf(userdata, "%s ", module->name);
	return streq(module->name, "scsi_mod") ? error_set(err, -EIO, "no") : 0;
}

static void assert_noted(struct buffer *noted, const char *expected)
{
	buffer_append_u8(noted, 0);
	assert_string_equal((char *)noted->data, expected);
	noted->size = 0;
}

static void loads_what_is_needed_first_and_nothing_twice(void **state)
{
	_cleanup_modules_ struct modules modules = {};
	_cleanup_buffer_ struct buffer noted = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	read_list(&modules);
	assert_ok(modules_load_always(&modules, note, &noted, &err), err);
	assert_noted(&noted, "dm_bufio dm_verity ");
	modules_load_for(&modules, "virtio:d00000002v00001AF4", note, &noted);
	assert_noted(&noted, "");
	/* The driver whose needs can't be had is not loaded, and not tried again. */
	modules_load_for(&modules, "virtio:d00000008v00001AF4", note, &noted);
	assert_noted(&noted, "scsi_mod ");
	modules_load_for(&modules, "virtio:d00000008v00001AF4", note, &noted);
	assert_noted(&noted, "");
	modules_load_for(&modules, "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", note, &noted);
	assert_noted(&noted, "ahci ");
}

static void a_module_that_is_always_wanted_has_to_load(void **state)
{
	_cleanup_modules_ struct modules modules = {};
	_cleanup_buffer_ struct buffer noted = {};
	struct error *err = NULL;

	(void)state;
	assert_ok(modules_parse("scsi_mod /m -\nsd_mod /m scsi_mod always\n", &modules, &err), err);
	assert_error(modules_load_always(&modules, note, &noted, &err), -EIO, err, "no");
	assert_noted(&noted, "scsi_mod ");
}

static void patterns_fit_as_in_modules_alias(void **state)
{
	_cleanup_modules_ struct modules modules = {};

	(void)state;
	read_list(&modules);
	assert_true(
		module_matches(&modules.items[4], "pci:v00001002d00004380sv00000000sd00000000bc01sc01i8f"));
	assert_true(
		module_matches(&modules.items[4], "pci:v0000FFFFd0000FFFFsv00000000sd00000000bc01sc06i01"));
	assert_false(
		module_matches(&modules.items[4], "pci:v0000FFFFd0000FFFFsv00000000sd00000000bc01sc08i02"));
	assert_false(module_matches(&modules.items[1], "always"));
	assert_false(module_matches(&modules.items[0], ""));
}

static void a_faulty_list_is_named_with_its_line(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"a /a\n", "modules:1: name, file and needs"},
		{"a /a -\nb b -\n", "modules:2: b is no absolute path"},
		{"a /a -\na /a -\n", "modules:2: a stands twice"},
		{"a /a b\nb /b -\n", "modules:1: a needs b, which does not stand before it"},
		{"a /a a\n", "a needs a"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct modules modules = {};
		struct error *err = NULL;

		assert_error(modules_parse(cases[i].text, &modules, &err), -EINVAL, err, cases[i].message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_what_is_needed_first_and_nothing_twice),
		cmocka_unit_test(a_module_that_is_always_wanted_has_to_load),
		cmocka_unit_test(patterns_fit_as_in_modules_alias),
		cmocka_unit_test(a_faulty_list_is_named_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
