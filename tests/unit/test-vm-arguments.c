/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>

#include "vm/arguments.h"

struct lines {
	struct vm_config config;
	struct vm_launch launch;
	struct strv credentials, words;
};

static int set_up(void **state)
{
	struct lines *lines = calloc(1, sizeof(*lines));

	assert_non_null(lines);
	vm_config_init(&lines->config);
	lines->config.image = "/images/disk.raw";
	lines->launch = (struct vm_launch){
		.platform = vm_platform_find("amd64"),
		.code = "/fw/code.fd",
		.vars = "/run/vars.fd",
		.serial_log = "/run/serial.log",
		.credentials = &lines->credentials,
		.qmp_fd = 5,
		.serial_fd = 6,
		.tpm_fd = 7,
	};
	assert_non_null(lines->launch.platform);
	*state = lines;
	return 0;
}

static int tear_down(void **state)
{
	struct lines *lines = *state;

	strv_release(&lines->credentials);
	strv_release(&lines->words);
	vm_config_release(&lines->config);
	free(lines);
	return 0;
}

static void make(struct lines *lines)
{
	strv_release(&lines->words);
	assert_int_equal(vm_qemu_arguments(&lines->config, &lines->launch, &lines->words), 0);
}

/* True where the two words stand one behind the other. */
static bool has(const struct lines *lines, const char *option, const char *value)
{
	for (size_t i = 0; i + 1 < lines->words.count; i++)
		if (streq(lines->words.items[i], option) && streq(lines->words.items[i + 1], value))
			return true;
	return false;
}

static bool mentions(const struct lines *lines, const char *part)
{
	for (size_t i = 0; i < lines->words.count; i++)
		if (strstr(lines->words.items[i], part))
			return true;
	return false;
}

static void secure_boot_keeps_the_guest_from_the_variable_store(void **state)
{
	struct lines *lines = *state;

	make(lines);
	assert_string_equal(lines->words.items[0], "qemu-system-x86_64");
	assert_true(has(lines, "-machine", "q35,smm=on"));
	assert_true(has(lines, "-global", "driver=cfi.pflash01,property=secure,value=on"));
	assert_true(has(lines, "-global", "ICH9-LPC.disable_s3=1"));
	assert_true(has(lines, "-drive", "if=pflash,unit=0,format=raw,readonly=on,file=/fw/code.fd"));
	assert_true(has(lines, "-drive", "if=pflash,unit=1,format=raw,file=/run/vars.fd"));

	lines->config.variables = VM_VARIABLES_NONE;
	make(lines);
	assert_true(has(lines, "-machine", "q35,smm=off"));
	assert_false(mentions(lines, "property=secure"));
}

static void says_what_runs_the_guest(void **state)
{
	struct lines *lines = *state;

	lines->config.memory = GiB(3);
	lines->config.cpus = 4;
	make(lines);
	assert_true(has(lines, "-accel", "tcg,thread=single"));
	assert_true(has(lines, "-cpu", "max"));
	assert_true(has(lines, "-m", "3072"));
	assert_true(has(lines, "-smp", "4"));
	assert_true(mentions(lines, "-nodefaults"));
	assert_true(has(lines, "-display", "none"));

	lines->launch.parallel = true;
	make(lines);
	assert_true(has(lines, "-accel", "tcg,thread=multi"));

	lines->launch.kvm = true;
	make(lines);
	assert_true(has(lines, "-accel", "kvm"));
	assert_true(has(lines, "-cpu", "host"));
	lines->config.cpu = "EPYC-Rome,+svm,+npt";
	make(lines);
	assert_true(has(lines, "-cpu", "EPYC-Rome,+svm,+npt"));
}

static void only_write_lets_the_image_change(void **state)
{
	struct lines *lines = *state;

	make(lines);
	assert_true(has(lines, "-drive",
		"if=none,id=disk,format=raw,discard=unmap,snapshot=on,cache=unsafe,file=/images/disk.raw"));
	lines->config.write = true;
	lines->config.format = VM_IMAGE_QCOW2;
	make(lines);
	assert_true(has(lines, "-drive", "if=none,id=disk,format=qcow2,discard=unmap,file=/images/disk.raw"));
	assert_false(mentions(lines, "cache=unsafe"));
}

static void a_url_needs_no_disk(void **state)
{
	struct lines *lines = *state;

	lines->config.image = "http://10.0.2.2:8000/x.efi";
	make(lines);
	assert_false(mentions(lines, "id=disk") || mentions(lines, "drive=disk") || mentions(lines, "http:"));
	assert_true(has(lines, "-device", "virtio-net-pci,romfile=,netdev=net"));
}

static void commas_in_paths_are_doubled(void **state)
{
	struct lines *lines = *state;

	lines->config.image = "/a,b/,x,,snapshot=off";
	lines->launch.vars = "/v,s";
	lines->launch.serial_log = "/s,l";
	assert_int_equal(strv_add(&lines->credentials, "/c,d"), 0);
	make(lines);
	assert_true(mentions(lines, "file=/a,,b/,,x,,,,snapshot=off"));
	assert_true(mentions(lines, "file=/v,,s"));
	assert_true(mentions(lines, "logfile=/s,,l"));
	assert_true(has(lines, "-smbios", "type=11,path=/c,,d"));
}

static void each_bus_has_its_device(void **state)
{
	static const struct {
		enum vm_disk_bus bus;
		const char *device;
	} buses[] = {
		{VM_DISK_VIRTIO, "virtio-blk-pci,drive=disk,bootindex=1"},
		{VM_DISK_SCSI, "scsi-hd,drive=disk,bus=scsi.0,bootindex=1"},
		{VM_DISK_NVME, "nvme,drive=disk,serial=orlop,bootindex=1"},
		{VM_DISK_SATA, "ide-hd,drive=disk,bus=ide.0,bootindex=1"},
	};
	struct lines *lines = *state;

	for (size_t i = 0; i < ARRAY_SIZE(buses); i++) {
		lines->config.bus = buses[i].bus;
		make(lines);
		assert_true(has(lines, "-device", buses[i].device));
		assert_int_equal(mentions(lines, "virtio-scsi-pci,id=scsi"), buses[i].bus == VM_DISK_SCSI);
	}
}

static void forwards_only_from_loopback(void **state)
{
	struct lines *lines = *state;

	assert_int_equal(vm_config_add_port(&lines->config, "8080:80", NULL), 0);
	assert_int_equal(vm_config_add_port(&lines->config, "0:53/udp", NULL), 0);
	make(lines);
	assert_true(has(lines, "-netdev",
		"user,id=net,hostfwd=tcp:127.0.0.1:0-:22,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=udp:127.0.0."
		"1:0-:53"));
	lines->config.offline = true;
	make(lines);
	assert_true(mentions(lines, "user,id=net,restrict=on,"));
}

static void a_tpm_is_there_where_it_has_a_connection(void **state)
{
	struct lines *lines = *state;

	make(lines);
	assert_true(has(lines, "-chardev", "socket,id=tpm,fd=7"));
	assert_true(has(lines, "-tpmdev", "emulator,id=tpm0,chardev=tpm"));
	assert_true(has(lines, "-device", "tpm-crb,tpmdev=tpm0"));
	assert_true(has(lines, "-chardev", "socket,id=qmp,server=on,wait=off,fd=5"));
	assert_true(
		has(lines, "-chardev", "socket,id=serial,server=on,wait=off,fd=6,logfile=/run/serial.log"));
	lines->launch.tpm_fd = -1;
	make(lines);
	assert_false(mentions(lines, "tpm"));
}

static void swtpm_keeps_its_state_in_the_folder(void **state)
{
	_cleanup_strv_ struct strv words = {};
	static const char *const expected[] = {"swtpm", "socket", "--tpm2", "--terminate", "--tpmstate",
		"dir=/state", "--ctrl", "type=unixio,clientfd=9"};

	(void)state;
	assert_int_equal(vm_swtpm_arguments("/state", 9, &words), 0);
	assert_int_equal(words.count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < words.count; i++)
		assert_string_equal(words.items[i], expected[i]);
}

static void a_guest_of_arm64_has_a_machine_of_its_own(void **state)
{
	struct lines *lines = *state;

	lines->launch.platform = vm_platform_find("arm64");
	assert_non_null(lines->launch.platform);
	lines->config.bus = VM_DISK_SATA;
	make(lines);
	assert_string_equal(lines->words.items[0], "qemu-system-aarch64");
	assert_true(has(lines, "-machine", "virt"));
	assert_true(has(lines, "-cpu", "neoverse-n1"));
	assert_true(has(lines, "-device", "tpm-tis-device,tpmdev=tpm0"));
	/* The machine has no SATA by itself. */
	assert_true(has(lines, "-device", "ahci,id=ide"));
	assert_true(has(lines, "-device", "ide-hd,drive=disk,bus=ide.0,bootindex=1"));
	assert_false(mentions(lines, "smm"));
	assert_false(mentions(lines, "-global"));
	lines->launch.kvm = true;
	make(lines);
	assert_true(has(lines, "-cpu", "host"));
	lines->config.bus = VM_DISK_VIRTIO;
	make(lines);
	assert_false(mentions(lines, "ahci"));
}

static void firmware_that_is_missing_names_the_package(void **state)
{
	const char *const missing[] = {"/nonexistent/code.fd", NULL};
	const char *const second[] = {"/nonexistent/code.fd", "/dev/null", NULL};
	const char *found = NULL;
	struct error *err = NULL;

	(void)state;
	assert_null(vm_platform_find("vax"));
	assert_error(vm_firmware_find(vm_platform_find("amd64"), missing, &found, &err), -ENOENT, err,
		"package ovmf");
	assert_null(found);
	assert_ok(vm_firmware_find(vm_platform_find("amd64"), second, &found, &err), err);
	assert_string_equal(found, "/dev/null");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			secure_boot_keeps_the_guest_from_the_variable_store, set_up, tear_down),
		cmocka_unit_test_setup_teardown(says_what_runs_the_guest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_guest_of_arm64_has_a_machine_of_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_write_lets_the_image_change, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_url_needs_no_disk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(commas_in_paths_are_doubled, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_bus_has_its_device, set_up, tear_down),
		cmocka_unit_test_setup_teardown(forwards_only_from_loopback, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_tpm_is_there_where_it_has_a_connection, set_up, tear_down),
		cmocka_unit_test(swtpm_keeps_its_state_in_the_folder),
		cmocka_unit_test(firmware_that_is_missing_names_the_package),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
