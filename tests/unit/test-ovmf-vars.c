/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/string-util.h"
#include "boot-data.h"
#include "format/ovmf-vars.h"

#define FILE_SIZE 0x84000 /* of OVMF_VARS_4M.fd */
#define FIRST_VARIABLE 0x64
#define VARIABLES_END 0x40000
#define ENROLL_TIME 1700000000

/* A whole VARS file from its beginning; the rest is erased flash memory. */
static struct buffer store(const char *head)
{
	struct buffer file = boot_data(head);
	size_t size = file.size;
	uint8_t *rest = buffer_extend(&file, FILE_SIZE - size);

	assert_non_null(rest);
	memset(rest, 0xff, FILE_SIZE - size);
	return file;
}

static bool find(const struct buffer *file, const char *name, struct ovmf_variable *ret)
{
	_cleanup_error_ struct error *err = NULL;
	struct ovmf_vars vars;
	size_t position = 0;
	int r;

	assert_ok(ovmf_vars_parse(file->data, file->size, &vars, &err), err);
	while ((r = ovmf_vars_next(&vars, &position, ret, &err)) > 0) {
		if (streq(ret->name, name))
			return true;
		ovmf_variable_release(ret);
	}
	assert_ok(r, err);
	return false;
}

static void enrolls_what_virt_fw_vars_enrolls(void **state)
{
	static const char *const names[] = {"PK", "KEK", "db", "SecureBootEnable", "CustomMode"};
	_cleanup_boot_trust_ struct boot_trust trust = boot_trust();
	_cleanup_buffer_ struct buffer expected = store("vars-virt-firmware.head");
	_cleanup_buffer_ struct buffer empty = store("vars-empty.head"), made = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(ovmf_vars_enroll(empty.data, empty.size, &trust.trust, ENROLL_TIME, &made, &err), err);
	assert_int_equal(made.size, empty.size);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_ovmf_variable_ struct ovmf_variable ours = {}, theirs = {};

		if (!find(&made, names[i], &ours) || !find(&expected, names[i], &theirs))
			fail_msg("%s is missing", names[i]);
		assert_true(uuid_equal(&ours.vendor, &theirs.vendor));
		assert_int_equal(ours.attributes, theirs.attributes);
		assert_int_equal(ours.size, theirs.size);
		assert_memory_equal(ours.data, theirs.data, ours.size);
	}
	/* Headers and the area for fault-tolerant writes stay as they were. */
	assert_memory_equal(made.data, empty.data, FIRST_VARIABLE);
	assert_memory_equal(made.data + VARIABLES_END, empty.data + VARIABLES_END, FILE_SIZE - VARIABLES_END);
}

/* The load option as UEFI 2.10, 3.1.3 and 10.3.4.23 have it, byte by byte. */
static void a_url_is_the_first_boot_option(void **state)
{
	static const uint8_t option[] = {1, 0, 0, 0,			      // active
		23, 0,							      // bytes of the path
		'N', 0, 'e', 0, 't', 0, 'w', 0, 'o', 0, 'r', 0, 'k', 0, 0, 0, // its name
		3, 24, 19, 0, 'h', 't', 't', 'p', ':', '/', '/', 'h', '/', 'x', '.', 'e', 'f', 'i', 'x', 0x7f,
		0xff, 4, 0};
	_cleanup_boot_trust_ struct boot_trust trust = boot_trust();
	_cleanup_buffer_ struct buffer empty = store("vars-empty.head"), made = {};
	_cleanup_ovmf_variable_ struct ovmf_variable boot = {}, order = {};
	char long_url[OVMF_URL_MAX + 2];
	struct error *err = NULL;

	(void)state;
	assert_ok(ovmf_vars_enroll(empty.data, empty.size, &trust.trust, ENROLL_TIME, &made, &err), err);
	assert_ok(ovmf_vars_set_boot_url(&made, "http://h/x.efix", &err), err);
	assert_true(find(&made, "Boot0000", &boot) && find(&made, "BootOrder", &order));
	assert_true(uuid_equal(&boot.vendor, &efi_global_variable));
	assert_int_equal(boot.attributes, 7);
	assert_int_equal(boot.size, sizeof(option));
	assert_memory_equal(boot.data, option, sizeof(option));
	assert_int_equal(order.size, 2);
	assert_memory_equal(order.data, "\0", 2);
	memset(long_url, 'x', sizeof(long_url) - 1);
	long_url[sizeof(long_url) - 1] = 0;
	assert_error(ovmf_vars_set_boot_url(&made, long_url, &err), -EINVAL, err, "255");
}

/* What stands at the beginning of Debian 12's AAVMF_VARS.snakeoil.fd, which QEMU's firmware itself has
 * formatted. */
static const uint8_t virt_head[FIRST_VARIABLE] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,	//
	0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c, 0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50, //
	0, 0, 0x0c, 0, 0, 0, 0, 0, 0x5f, 0x46, 0x56, 0x48, 0x36, 0x0e, 0, 0,				//
	0x48, 0, 0xf8, 0xf8, 0, 0, 0, 0x02, 0, 0x01, 0, 0, 0, 0, 0x04, 0,				//
	0, 0, 0, 0, 0, 0, 0, 0, 0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43,				//
	0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92, 0xb8, 0xff, 0x03, 0, 0x5a, 0xfe, 0, 0,		//
	0, 0, 0, 0};

static void a_blank_store_is_formatted_as_the_firmware_of_virt_does(void **state)
{
	_cleanup_boot_trust_ struct boot_trust trust = boot_trust();
	_cleanup_free_ uint8_t *blank = calloc(1, MiB(1));
	_cleanup_buffer_ struct buffer made = {}, small = {}, damaged = {};
	_cleanup_ovmf_variable_ struct ovmf_variable pk = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_non_null(blank);
	assert_ok(ovmf_vars_enroll(blank, MiB(1), &trust.trust, ENROLL_TIME, &made, &err), err);
	assert_int_equal(made.size, MiB(1));
	assert_memory_equal(made.data, virt_head, sizeof(virt_head));
	assert_true(find(&made, "PK", &pk));
	assert_int_equal(pk.offset, FIRST_VARIABLE);
	/* Erased up to the end of the volume, and untouched behind it. */
	for (size_t i = VARIABLES_END; i < MiB(1); i++)
		assert_int_equal(made.data[i], i < 0xc0000 ? 0xff : 0);

	assert_error(ovmf_vars_enroll(blank, 0xbffff, &trust.trust, ENROLL_TIME, &small, &err), -EBADMSG, err,
		"too small");
	blank[70] = 1;
	assert_error(ovmf_vars_enroll(blank, MiB(1), &trust.trust, ENROLL_TIME, &damaged, &err), -EBADMSG,
		err, "no firmware volume");
}

static void a_variable_that_is_set_again_is_there_once(void **state)
{
	_cleanup_boot_trust_ struct boot_trust trust = boot_trust();
	_cleanup_buffer_ struct buffer theirs = store("vars-virt-firmware.head"), made = {};
	_cleanup_error_ struct error *err = NULL;
	struct ovmf_vars vars;
	size_t position = 0, seen = 0;
	int r;

	(void)state;
	/* Their store trusts db; ours is to trust KEK's certificate in its place. */
	trust.trust.db = trust.trust.kek;
	assert_ok(ovmf_vars_enroll(theirs.data, theirs.size, &trust.trust, ENROLL_TIME, &made, &err), err);
	assert_ok(ovmf_vars_parse(made.data, made.size, &vars, &err), err);
	for (;;) {
		_cleanup_ovmf_variable_ struct ovmf_variable variable = {};

		r = ovmf_vars_next(&vars, &position, &variable, &err);
		if (r <= 0)
			break;
		if (!streq(variable.name, "db"))
			continue;
		seen++;
		assert_memory_equal(variable.data + variable.size - trust.trust.kek.size, trust.trust.kek.der,
			trust.trust.kek.size);
	}
	assert_ok(r, err);
	assert_int_equal(seen, 1);
}

static void a_full_store_is_an_error(void **state)
{
	static const uint8_t data[0x8000];
	_cleanup_buffer_ struct buffer file = store("vars-empty.head");
	_cleanup_error_ struct error *err = NULL;
	char name[] = "Big0";
	struct ovmf_variable variable = {.name = name, .data = data, .size = sizeof(data)};

	(void)state;
	/* 0x40000 - 0x64 bytes hold seven variables of 0x8000 bytes with their headers, and no eighth. */
	for (int i = 0; i < 7; i++) {
		name[3] = (char)('0' + i);
		assert_ok(ovmf_vars_set(&file, &variable, &err), err);
	}
	name[3] = '7';
	assert_error(ovmf_vars_set(&file, &variable, &err), -ENOSPC, err, "Big7");
}

static void refuses_files_that_are_no_store(void **state)
{
	static const struct {
		size_t offset;
		uint8_t value;
		const char *text;
	} cases[] = {
		{16, 0, "firmware volume"},
		{40, 'x', "firmware volume"},
		{34, 0xff, "cut off"},
		{49, 0xff, "authenticated format"},
		{0x48, 0, "authenticated format"},
		{0x48 + 20, 0, "authenticated format"},
		{0x48 + 18, 0xff, "larger than its volume"},
		{0x48 + 19, 0xff, "larger than its volume"},
	};
	struct ovmf_vars vars;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer file = store("vars-empty.head");
		_cleanup_error_ struct error *err = NULL;

		file.data[cases[i].offset] = cases[i].value;
		assert_error(
			ovmf_vars_parse(file.data, file.size, &vars, &err), -EBADMSG, err, cases[i].text);
	}
	for (size_t size = 0; size < FIRST_VARIABLE; size++) {
		_cleanup_buffer_ struct buffer file = store("vars-empty.head");

		assert_int_equal(ovmf_vars_parse(file.data, size, &vars, NULL), -EBADMSG);
	}
}

static void refuses_variables_whose_lengths_lie(void **state)
{
	static const struct {
		size_t offset; /* in the variable's header */
		uint32_t value;
		const char *text;
	} cases[] = {
		{36, 0xffffffff, "larger"},
		{40, 0xffffffff, "larger"},
		{36, 0, "name"},
		{36, 5, "name"},
		{36, 4, "name"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer file = store("vars-virt-firmware.head");
		_cleanup_ovmf_variable_ struct ovmf_variable variable = {};
		_cleanup_error_ struct error *err = NULL;
		struct ovmf_vars vars;
		size_t position = 0;

		write_le32(file.data + FIRST_VARIABLE + cases[i].offset, cases[i].value);
		assert_ok(ovmf_vars_parse(file.data, file.size, &vars, &err), err);
		assert_error(ovmf_vars_next(&vars, &position, &variable, &err), -EBADMSG, err, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_url_is_the_first_boot_option),
		cmocka_unit_test(enrolls_what_virt_fw_vars_enrolls),
		cmocka_unit_test(a_blank_store_is_formatted_as_the_firmware_of_virt_does),
		cmocka_unit_test(a_variable_that_is_set_again_is_there_once),
		cmocka_unit_test(a_full_store_is_an_error),
		cmocka_unit_test(refuses_files_that_are_no_store),
		cmocka_unit_test(refuses_variables_whose_lengths_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
