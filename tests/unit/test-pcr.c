/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/encoding.h"
#include "boot-data.h"
#include "format/authenticode.h"
#include "format/pcr.h"

/* From make-vectors: register 11 by systemd-measure, 4 and 9 by osslsigncode's digests and Python's hashlib.
 */
static const char pcr4_secure_boot[] = "17a0e3ffd3ccf0335c6eba33323a3b6f91891f87977b888c87ebe388c7ce1add";
static const char pcr4_no_secure_boot[] = "ef9d5dff646f85aee3d97db4ec278c69853efb68356eeb70561a0fad3cafbb22";
static const char pcr9[] = "6f58cd60043bb77d65a3a82a72a809d0053850919f2b76cab9d1ea8163a90b9a";
static const char pcr11_stub[] = "8d7991d8e98b290c039f57e06c1f505f505d64941f4d093163cdc8685c037117";
static const char pcr11_running[] = "a40fbd8fb01a7f9a575ee62f8bf5783bbf6ab8ff1b62166e96163488c2481d9e";

static void assert_pcr(const uint8_t pcr[PCR_SIZE], const char *expected)
{
	char text[SHA256_HEX_SIZE];

	hex_encode(pcr, PCR_SIZE, text);
	assert_string_equal(text, expected);
}

static void make_uki(const struct uki_parts *parts, struct buffer *ret)
{
	_cleanup_signer_ struct signer *signer = boot_signer("db");
	_cleanup_buffer_ struct buffer image = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(uki_build(parts, &image, &err), err);
	assert_ok(authenticode_sign(signer, image.data, image.size, ret, &err), err);
}

static void predicts_what_other_tools_compute(void **state)
{
	_cleanup_boot_parts_ struct boot_parts parts = boot_parts();
	_cleanup_buffer_ struct buffer loader = boot_data("addon.sbsign.efi"), uki = {};
	_cleanup_error_ struct error *err = NULL;
	struct pcr_images images = {.loader = loader.data, .loader_size = loader.size, .secure_boot = true};
	struct pcr_prediction prediction;

	(void)state;
	make_uki(&parts.parts, &uki);
	images.uki = uki.data;
	images.uki_size = uki.size;
	assert_ok(pcr_predict(&images, &prediction, &err), err);
	assert_pcr(prediction.boot_programs, pcr4_secure_boot);
	assert_pcr(prediction.kernel_input, pcr9);
	assert_pcr(prediction.kernel_image, pcr11_stub);
	assert_memory_equal(prediction.kernel_config, (uint8_t[PCR_SIZE]){}, PCR_SIZE);
	assert_int_equal(pcr_extend_phases(prediction.kernel_image, pcr_phases_running), 0);
	assert_pcr(prediction.kernel_image, pcr11_running);

	images.secure_boot = false;
	assert_ok(pcr_predict(&images, &prediction, &err), err);
	assert_pcr(prediction.boot_programs, pcr4_no_secure_boot);
	assert_pcr(prediction.kernel_input, pcr9);
}

static void each_part_changes_its_register(void **state)
{
	_cleanup_boot_parts_ struct boot_parts parts = boot_parts();
	_cleanup_buffer_ struct buffer uki = {}, other = {};
	_cleanup_error_ struct error *err = NULL;
	struct pcr_prediction first, second;

	(void)state;
	make_uki(&parts.parts, &uki);
	assert_ok(
		pcr_predict(&(struct pcr_images){.uki = uki.data, .uki_size = uki.size, .secure_boot = true},
			&first, &err),
		err);
	/* The release's name is in register 11 and the signed image, not in what the kernel is given. */
	parts.parts.uname = "6.12.1";
	make_uki(&parts.parts, &other);
	assert_ok(
		pcr_predict(
			&(struct pcr_images){.uki = other.data, .uki_size = other.size, .secure_boot = true},
			&second, &err),
		err);
	assert_memory_not_equal(first.boot_programs, second.boot_programs, PCR_SIZE);
	assert_memory_not_equal(first.kernel_image, second.kernel_image, PCR_SIZE);
	assert_memory_equal(first.kernel_input, second.kernel_input, PCR_SIZE);
}

static void refuses_what_it_cannot_predict(void **state)
{
	static const struct pe_addition profile = {".profile", "ID=x\n", 5, PE_SECTION_READ};
	_cleanup_boot_parts_ struct boot_parts parts = boot_parts();
	_cleanup_buffer_ struct buffer uki = {}, with_profile = {};
	_cleanup_error_ struct error *err = NULL;
	struct pcr_images images = {.uki = parts.stub.data, .uki_size = parts.stub.size};
	struct pcr_prediction prediction;
	struct pe pe;

	(void)state;
	assert_error(pcr_predict(&images, &prediction, &err), -EBADMSG, err, "not a UKI");
	assert_ok(uki_build(&parts.parts, &uki, &err), err);
	assert_ok(pe_parse(uki.data, uki.size, &pe, &err), err);
	assert_ok(pe_add_sections(&pe, &profile, 1, &with_profile, &err), err);
	images.uki = with_profile.data;
	images.uki_size = with_profile.size;
	assert_error(pcr_predict(&images, &prediction, &err), -EOPNOTSUPP, err, ".profile");
	images.uki = uki.data;
	images.uki_size = uki.size;
	images.loader = "MZ";
	images.loader_size = 2;
	assert_error(pcr_predict(&images, &prediction, &err), -EBADMSG, err, "boot loader: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(predicts_what_other_tools_compute),
		cmocka_unit_test(each_part_changes_its_register),
		cmocka_unit_test(refuses_what_it_cannot_predict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
