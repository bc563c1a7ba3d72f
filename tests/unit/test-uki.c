/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/encoding.h"
#include "boot-data.h"

static void equals_what_ukify_builds(void **state)
{
	/* sha256sum of ukify's output, from make-vectors */
	static const char expected[] = "b4fdc194fff7b514b180c8bd560471a243fbd241a370486322e054cd9c6fca69";
	_cleanup_boot_parts_ struct boot_parts parts = boot_parts();
	_cleanup_buffer_ struct buffer image = {};
	_cleanup_error_ struct error *err = NULL;
	uint8_t digest[SHA256_SIZE];
	char text[SHA256_HEX_SIZE];
	struct pe pe;

	(void)state;
	assert_ok(uki_build(&parts.parts, &image, &err), err);
	assert_int_equal(sha256_bytes(image.data, image.size, digest), 0);
	hex_encode(digest, sizeof(digest), text);
	assert_string_equal(text, expected);
	assert_ok(pe_parse(image.data, image.size, &pe, &err), err);
	assert_true(uki_is(&pe));
	assert_ok(pe_parse(parts.stub.data, parts.stub.size, &pe, &err), err);
	assert_false(uki_is(&pe));
}

static void optional_sections_are_there_when_given(void **state)
{
	_cleanup_boot_parts_ struct boot_parts parts = boot_parts();
	_cleanup_buffer_ struct buffer image = {};
	_cleanup_error_ struct error *err = NULL;
	const uint8_t *data;
	struct pe pe;
	size_t size;

	(void)state;
	parts.parts.ucode = (struct uki_part){"microcode", 9};
	parts.parts.dtb = (struct uki_part){"tree", 4};
	assert_ok(uki_build(&parts.parts, &image, &err), err);
	assert_ok(pe_parse(image.data, image.size, &pe, &err), err);
	data = pe_section_data(&pe, pe_find_section(&pe, ".ucode"), &size);
	assert_int_equal(size, 9);
	assert_memory_equal(data, "microcode", 9);
	data = pe_section_data(&pe, pe_find_section(&pe, ".dtb"), &size);
	assert_int_equal(size, 4);
	assert_memory_equal(data, "tree", 4);
}

/* Firmware that enforces the mark would map the kernel as not executable. */
static void is_marked_for_no_execute_memory_only_if_the_kernel_is(void **state)
{
	_cleanup_boot_parts_ struct boot_parts parts = boot_parts();
	_cleanup_buffer_ struct buffer with = {}, without = {};
	_cleanup_error_ struct error *err = NULL;
	struct pe pe;
	uint8_t *field;

	(void)state;
	assert_ok(uki_build(&parts.parts, &with, &err), err);
	assert_ok(pe_parse(with.data, with.size, &pe, &err), err);
	assert_int_equal(pe.dll_characteristics & PE_DLL_NX_COMPAT, PE_DLL_NX_COMPAT);

	assert_ok(pe_parse(parts.kernel.data, parts.kernel.size, &pe, &err), err);
	field = parts.kernel.data + pe.optional_offset + 70;
	write_le16(field, read_le16(field) & (uint16_t)~PE_DLL_NX_COMPAT);
	assert_ok(uki_build(&parts.parts, &without, &err), err);
	assert_ok(pe_parse(without.data, without.size, &pe, &err), err);
	assert_int_equal(pe.dll_characteristics & PE_DLL_NX_COMPAT, 0);
}

static void refuses_missing_and_wrong_parts(void **state)
{
	_cleanup_boot_parts_ struct boot_parts parts = boot_parts();
	_cleanup_buffer_ struct buffer image = {};
	_cleanup_error_ struct error *err = NULL;
	char cmdline[UKI_CMDLINE_MAX + 2];
	struct uki_parts broken;
	struct pe pe;

	(void)state;
#define ASSERT_REFUSED(change, code, text)                                       \
	do {                                                                     \
		broken = parts.parts;                                            \
		change;                                                          \
		assert_error(uki_build(&broken, &image, &err), code, err, text); \
	} while (0)
	ASSERT_REFUSED(broken.stub.size = 0, -EINVAL, "no stub");
	ASSERT_REFUSED(broken.kernel.size = 0, -EINVAL, "no kernel");
	ASSERT_REFUSED(broken.initrd.size = 0, -EINVAL, "no initrd");
	ASSERT_REFUSED(broken.cmdline = "", -EINVAL, "no command line");
	ASSERT_REFUSED(broken.cmdline = NULL, -EINVAL, "no command line");
	ASSERT_REFUSED(broken.osrel.size = 0, -EINVAL, "no os-release");
	ASSERT_REFUSED(broken.uname = NULL, -EINVAL, "no kernel release");
	ASSERT_REFUSED(broken.cmdline = "a\n", -EINVAL, "control character");
	ASSERT_REFUSED(broken.cmdline = "caf\xc3\xa9", -EINVAL, "ASCII");
	ASSERT_REFUSED(broken.cmdline = "a ", -EINVAL, "space");
	ASSERT_REFUSED(broken.kernel = broken.initrd, -EBADMSG, "UKI: kernel: ");
	ASSERT_REFUSED(broken.stub = broken.initrd, -EBADMSG, "UKI: stub: ");

	memset(cmdline, 'x', sizeof(cmdline) - 1);
	cmdline[sizeof(cmdline) - 1] = 0;
	ASSERT_REFUSED(broken.cmdline = cmdline, -EINVAL, "2048 bytes are more than the 2047");
	cmdline[sizeof(cmdline) - 2] = 0;
	broken.cmdline = cmdline;
	assert_ok(uki_build(&broken, &image, &err), err);
	buffer_release(&image);

	assert_ok(pe_parse(parts.kernel.data, parts.kernel.size, &pe, &err), err);
	write_le16(parts.kernel.data + pe.optional_offset - 20, PE_MACHINE_ARM64);
	ASSERT_REFUSED((void)0, -EBADMSG, "different architectures");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_what_ukify_builds),
		cmocka_unit_test(optional_sections_are_there_when_given),
		cmocka_unit_test(is_marked_for_no_execute_memory_only_if_the_kernel_is),
		cmocka_unit_test(refuses_missing_and_wrong_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
