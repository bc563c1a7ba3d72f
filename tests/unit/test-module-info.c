/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "module-files.h"

#include "format/module-info.h"

static void assert_strings(const struct strv *list, const char *expected)
{
	_cleanup_buffer_ struct buffer seen = {};

	for (size_t i = 0; i < list->count; i++)
		buffer_printf(&seen, "%s|", list->items[i]);
	buffer_append_u8(&seen, 0);
	assert_string_equal((char *)seen.data, expected);
}

static void reads_names_wishes_and_symbols(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_module_info_ struct module_info info = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *data = NULL;
	size_t size;

	(void)state;
	make_modules(folder, "mod x.ko 'alias=a|license=GPL|depends=one,two-b|alias=b=c|softdep=pre: "
			     "q|weakdep=w|aliased=no|firmware=x/y.bin|firmware=z*' 'e1 e2' 'i1 i2'");
	data = scratch_read(folder, "x.ko", &size);
	assert_ok(module_info_read(data, size, &info, &err), err);
	assert_strings(&info.aliases, "a|b=c|");
	assert_strings(&info.depends, "one|two-b|");
	assert_strings(&info.softdeps, "pre: q|");
	assert_strings(&info.weakdeps, "w|");
	assert_strings(&info.firmware, "x/y.bin|z*|");
	assert_strings(&info.exports, "e1|e2|");
	assert_strings(&info.imports, "i1|i2|module_layout|");
}

static void exports_without_versions_are_those_in_ksymtab_strings(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_module_info_ struct module_info info = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *data = NULL;
	size_t size;

	(void)state;
	shell(folder,
		"printf '%s\\n' '.section __ksymtab_strings,\"a\"' '.asciz \"\"' '.asciz \"one\"' '.byte 0' "
		"'.asciz \"two\"' | as -o x.ko -");
	data = scratch_read(folder, "x.ko", &size);
	assert_ok(module_info_read(data, size, &info, &err), err);
	assert_strings(&info.exports, "one|two|");
	assert_strings(&info.imports, "");
}

static void refuses_what_is_no_module(void **state)
{
	static const struct {
		const char *script, *text;
		int code;
	} cases[] = {
		{"echo text > x.ko", "not an ELF file", -ENOEXEC},
		{"echo 'int f;' | gcc -shared -nostdlib -o x.ko -x c -", "not a kernel module", -ENOEXEC},
		{"printf '%s\\n' '.section .modinfo,\"a\"' '.ascii \"alias=x\"' | as -o x.ko -",
			".modinfo does not end with a NUL", -EBADMSG},
		{"printf '%s\\n' '.section __versions,\"a\"' '.fill 64,1,65' '.globl s' '.set s,1' | as -o "
		 "x.ko -",
			"a name in __versions does not end", -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_scratch_ char *folder = scratch_new();
		struct module_info info;
		_cleanup_error_ struct error *err = NULL;
		_cleanup_free_ char *data = NULL;
		size_t size;

		shell(folder, cases[i].script);
		data = scratch_read(folder, "x.ko", &size);
		assert_error(module_info_read(data, size, &info, &err), cases[i].code, err, cases[i].text);
	}
}

static void names_come_from_files(void **state)
{
	static const struct {
		const char *file, *name;
		bool is_module;
	} cases[] = {
		{"kernel/fs/a-b_c.ko", "a_b_c", true},
		{"x.y-z.ko.xz", "x", true},
		{"plain", "plain", false},
		{"a/b/", "", false},
		{"dir.ko/readme", "readme", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *name = module_name(cases[i].file);

		assert_string_equal(name, cases[i].name);
		assert_int_equal(module_is_file(cases[i].file), cases[i].is_module);
		for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
			int order = strcmp(name, cases[k].name);
			int found = module_compare_names(cases[i].file, cases[k].file);

			assert_int_equal((found > 0) - (found < 0), (order > 0) - (order < 0));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_names_wishes_and_symbols),
		cmocka_unit_test(exports_without_versions_are_those_in_ksymtab_strings),
		cmocka_unit_test(refuses_what_is_no_module),
		cmocka_unit_test(names_come_from_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
