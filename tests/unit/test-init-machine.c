/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What orlop-init reads of the machine: notices, firmware variables, ext4's superblock, the kernel's files;
 * and what it writes of it.
 */
#include "scratch.h"

#include <jansson.h>

#include "init/efivar.h"
#include "init/ext4.h"
#include "init/record.h"
#include "init/require.h"
#include "init/uevent.h"

/* A notice as `udevadm monitor --kernel --property` shows it of a virtio disk. */
static void reads_the_kernels_notices(void **state)
{
	static const char message[] = "add@/devices/pci0000:00/0000:00:04.0/virtio1\0ACTION=add\0"
				      "DEVPATH=/devices/pci0000:00/0000:00:04.0/virtio1\0SUBSYSTEM=virtio\0"
				      "MODALIAS=virtio:d00000002v00001AF4\0SEQNUM=1263";
	struct uevent event;

	(void)state;
	assert_int_equal(uevent_parse(message, sizeof(message), &event), 0);
	assert_string_equal(event.action, "add");
	assert_string_equal(event.subsystem, "virtio");
	assert_string_equal(event.modalias, "virtio:d00000002v00001AF4");
	assert_int_equal(uevent_parse(message, sizeof(message) - 1, &event), -EBADMSG);
	assert_int_equal(uevent_parse(message, 0, &event), -EBADMSG);
	assert_int_equal(uevent_parse("libudev\0ACTION=add", 19, &event), -EBADMSG);
	assert_int_equal(uevent_parse("add@/x\0SUBSYSTEM=a", 19, &event), -EBADMSG);
}

static void reads_text_variables_of_the_boot_loader(void **state)
{
	static const uint8_t value[] = {6, 0, 0, 0, '1', 0, '1', 0, 0, 0}, foreign[] = {6, 0, 0, 0, 'a', 1};
	char text[8];

	(void)state;
	assert_int_equal(efivar_parse_text(value, sizeof(value), text, sizeof(text)), 0);
	assert_string_equal(text, "11");
	assert_int_equal(efivar_parse_text(value, 8, text, sizeof(text)), 0);
	assert_string_equal(text, "11");
	assert_int_equal(efivar_parse_text(value, 4, text, sizeof(text)), 0);
	assert_string_equal(text, "");
	assert_int_equal(efivar_parse_text(value, 8, text, 2), -EBADMSG);
	assert_int_equal(efivar_parse_text(value, 7, text, sizeof(text)), -EBADMSG);
	assert_int_equal(efivar_parse_text(value, 3, text, sizeof(text)), -EBADMSG);
	assert_int_equal(efivar_parse_text(foreign, sizeof(foreign), text, sizeof(text)), -EBADMSG);
}

static void reads_superblocks_that_mkfs_writes(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = string_format("%s/image", folder);
	struct ext4_info info;

	(void)state;
	shell(folder, "truncate -s 40M image; PATH=$PATH:/sbin:/usr/sbin; mkfs.ext4 -q -b 4096 image");
	assert_int_equal(ext4_read(path, &info), 0);
	assert_int_equal(info.block_size, 4096);
	assert_int_equal(info.blocks, 10240);
	assert_false(info.errors);
	shell(folder, "PATH=$PATH:/sbin:/usr/sbin; debugfs -w -R 'ssv state 2' image 2>/dev/null");
	assert_int_equal(ext4_read(path, &info), 0);
	assert_true(info.errors);
	shell(folder, "dd if=/dev/zero of=image bs=1 seek=1080 count=2 conv=notrunc status=none");
	assert_int_equal(ext4_read(path, &info), -EBADMSG);
	shell(folder, "truncate -s 1500 image");
	assert_int_equal(ext4_read(path, &info), -ENODATA);
}

static void tells_a_locked_kernel_and_an_untouched_pcr(void **state)
{
	(void)state;
	assert_true(require_is_locked_down("none [integrity] confidentiality\n"));
	assert_true(require_is_locked_down("none integrity [confidentiality]\n"));
	assert_false(require_is_locked_down("[none] integrity confidentiality\n"));
	assert_false(require_is_locked_down(""));
	assert_true(require_is_zero("0000\n"));
	assert_true(require_is_zero("0000"));
	assert_false(require_is_zero("0010\n"));
	assert_false(require_is_zero("00\n1"));
	assert_false(require_is_zero("\n"));
	assert_false(require_is_zero(""));
}

static void record_is_json_whatever_the_label_holds(void **state)
{
	struct slot slot = {.letter = 'b',
		.label = "a\"b\\c\n\x01é",
		.disk.path = "/dev/vda",
		.usr.path = "/dev/vda5",
		.esp.path = "/dev/vda1"};
	struct state mounted = {.device.path = "/dev/vda8", .made = true};
	struct record record = {
		.slot = &slot, .root_hash = "ab", .signature = true, .state = &mounted, .done_ms = 7};
	_cleanup_buffer_ struct buffer text = {};
	const char *letter, *label, *path, *esp;
	int made, ms;
	json_t *json;

	(void)state;
	record_format(&record, &text);
	json = json_loadb((char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_int_equal(json_unpack(json, "{s:s,s:s,s:s,s:s,s:b,s:i,s:n}", "slot", &letter, "label", &label,
				 "state", &path, "esp", &esp, "stateMade", &made, "doneMs", &ms, "degraded"),
		0);
	assert_string_equal(letter, "b");
	assert_string_equal(label, slot.label);
	assert_string_equal(path, "/dev/vda8");
	assert_string_equal(esp, "/dev/vda1");
	assert_true(made);
	assert_int_equal(ms, 7);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_kernels_notices),
		cmocka_unit_test(reads_text_variables_of_the_boot_loader),
		cmocka_unit_test(reads_superblocks_that_mkfs_writes),
		cmocka_unit_test(tells_a_locked_kernel_and_an_untouched_pcr),
		cmocka_unit_test(record_is_json_whatever_the_label_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
