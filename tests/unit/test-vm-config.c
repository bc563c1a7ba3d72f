/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "vm/config.h"

static void names_are_short_words_that_begin_with_a_letter(void **state)
{
	static const char *const good[] = {"a", "Node-1_b", "abcdefghijklmnopqrstuvwxyz012345"};
	static const char *const bad[] = {"", "1a", "-a", ".", "..", "a.b", "a/b", "a b", "a\n", "\xc3\xa4",
		"abcdefghijklmnopqrstuvwxyz0123456"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(vm_name_check(good[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error *err = NULL;

		assert_error(vm_name_check(bad[i], &err), -EINVAL, err, "is no name");
	}
}

static void reads_ports(void **state)
{
	_cleanup_vm_config_ struct vm_config config = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(vm_config_add_port(&config, "8080:80", &err), err);
	assert_ok(vm_config_add_port(&config, "0:65535/udp", &err), err);
	assert_ok(vm_config_add_port(&config, "65535:1/tcp", &err), err);
	assert_int_equal(config.port_count, 3);
	assert_int_equal(config.ports[0].host, 8080);
	assert_int_equal(config.ports[0].guest, 80);
	assert_false(config.ports[0].udp);
	assert_int_equal(config.ports[1].host, 0);
	assert_int_equal(config.ports[1].guest, 65535);
	assert_true(config.ports[1].udp);
	assert_false(config.ports[2].udp);
}

static void refuses_what_is_no_port(void **state)
{
	static const char *const bad[] = {"", ":", "80", "80:", ":80", "80:0", "65536:1", "1:65536",
		"1:2/sctp", "1:2/", "-1:2", "1:2:3", " 1:2", "1:2 ", "0x1:2", "123456789012345678901:2"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_vm_config_ struct vm_config config = {};
		struct error *err = NULL;

		assert_error(vm_config_add_port(&config, bad[i], &err), -EINVAL, err, "HOST:GUEST");
		assert_int_equal(config.port_count, 0);
	}
}

static void a_credential_is_a_value_or_a_file_and_the_last_one_counts(void **state)
{
	_cleanup_vm_config_ struct vm_config config = {};
	_cleanup_error_ struct error *err = NULL;
	char path[] = "/tmp/test-vm-config.XXXXXX", text[64];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write_full(fd, "a\0b", 3), 0);
	close(fd);
	(void)snprintf(text, sizeof(text), "network.wan:%s", path);
	assert_ok(vm_config_parse_credential(&config, "system.hostname=one", &err), err);
	assert_ok(vm_config_parse_credential(&config, text, &err), err);
	assert_ok(vm_config_parse_credential(&config, "system.hostname=a:b=c", &err), err);
	assert_ok(vm_config_parse_credential(&config, "empty=", &err), err);
	(void)unlink(path);
	assert_int_equal(config.credential_count, 3);
	assert_string_equal(config.credentials[0].name, "system.hostname");
	assert_int_equal(config.credentials[0].size, 5);
	assert_memory_equal(config.credentials[0].value, "a:b=c", 5);
	assert_string_equal(config.credentials[1].name, "network.wan");
	assert_int_equal(config.credentials[1].size, 3);
	assert_memory_equal(config.credentials[1].value, "a\0b", 3);
	assert_int_equal(config.credentials[2].size, 0);
}

static void refuses_credentials_without_a_good_name_or_file(void **state)
{
	_cleanup_vm_config_ struct vm_config config = {};
	struct error *err = NULL;

	(void)state;
	assert_error(
		vm_config_parse_credential(&config, "name", &err), -EINVAL, err, "NAME=VALUE or NAME:FILE");
	assert_error(vm_config_parse_credential(&config, "=x", &err), -EINVAL, err, "a name is");
	assert_error(vm_config_parse_credential(&config, "a b=x", &err), -EINVAL, err, "a name is");
	assert_error(vm_config_parse_credential(&config, "a/b=x", &err), -EINVAL, err, "a name is");
	assert_error(vm_config_parse_credential(&config, "..=x", &err), -EINVAL, err, "a name is");
	assert_error(vm_config_parse_credential(&config, "\xc3\xa4=x", &err), -EINVAL, err, "a name is");
	assert_error(vm_config_parse_credential(&config, "a:/nonexistent/x", &err), -ENOENT, err,
		"/nonexistent/x");
	assert_int_equal(config.credential_count, 0);
}

/* The form is that of systemd's documentation (systemd(1), "SMBIOS type 11"); the base64 is RFC 4648's,
 * section 10. */
static void encodes_a_credential_for_smbios(void **state)
{
	_cleanup_vm_config_ struct vm_config config = {};
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(vm_config_add_credential(&config, "tmpfiles.extra", "fooba", 5, &err), err);
	assert_int_equal(vm_credential_encode(&config.credentials[0], &text), 0);
	buffer_append_u8(&text, 0);
	assert_string_equal((char *)text.data, "io.systemd.credential.binary:tmpfiles.extra=Zm9vYmE=");
}

static void checks_sizes_and_what_excludes_what(void **state)
{
	_cleanup_vm_config_ struct vm_config config = {};
	struct error *err = NULL;

	(void)state;
	vm_config_init(&config);
	assert_ok(vm_config_check(&config, &err), err);
	config.memory = MiB(127);
	assert_error(vm_config_check(&config, &err), -EINVAL, err, "at least 128M");
	config.memory = MiB(128) + 1;
	assert_error(vm_config_check(&config, &err), -EINVAL, err, "multiple of 1M");
	config.memory = MiB(128);
	config.cpus = 0;
	assert_error(vm_config_check(&config, &err), -EINVAL, err, "processors");
	config.cpus = 256;
	assert_error(vm_config_check(&config, &err), -EINVAL, err, "processors");
	config.cpus = 255;
	config.disk_size = 1000;
	assert_error(vm_config_check(&config, &err), -EINVAL, err, "512 bytes");
	config.disk_size = 1024;
	assert_ok(vm_config_check(&config, &err), err);
	config.write = true;
	assert_error(vm_config_check(&config, &err), -EINVAL, err, "grow");
	config.disk_size = 0;
	config.tpm = false;
	config.tpm_state = "x";
	assert_error(vm_config_check(&config, &err), -EINVAL, err, "TPM");
}

static void a_url_takes_the_place_of_a_disk(void **state)
{
	_cleanup_vm_config_ struct vm_config config = {};
	struct error *err = NULL;

	(void)state;
	assert_true(vm_image_is_url("http://10.0.2.2/x.efi") && vm_image_is_url("https://host/x.efi"));
	assert_false(
		vm_image_is_url("disk.raw") || vm_image_is_url("http:/x") || vm_image_is_url("./http://x"));
	vm_config_init(&config);
	config.image = "http://10.0.2.2/x.efi";
	assert_ok(vm_config_check(&config, &err), err);
	config.write = true;
	assert_error(vm_config_check(&config, &err), -EINVAL, err, "no disk to write to");
	config.write = false;
	config.disk_size = MiB(1);
	assert_error(vm_config_check(&config, &err), -EINVAL, err, "no disk to write to");
	config.disk_size = 0;
	config.offline = true;
	assert_error(vm_config_check(&config, &err), -EINVAL, err, "offline");
	config.offline = false;
	config.variables = VM_VARIABLES_FILE;
	assert_error(vm_config_check(&config, &err), -EINVAL, err, "variable store");
	config.variables = VM_VARIABLES_EMPTY;
	assert_error(vm_config_check(&config, &err), -EINVAL, err, "variable store");
	config.variables = VM_VARIABLES_NONE;
	assert_ok(vm_config_check(&config, &err), err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_short_words_that_begin_with_a_letter),
		cmocka_unit_test(reads_ports),
		cmocka_unit_test(refuses_what_is_no_port),
		cmocka_unit_test(a_credential_is_a_value_or_a_file_and_the_last_one_counts),
		cmocka_unit_test(refuses_credentials_without_a_good_name_or_file),
		cmocka_unit_test(encodes_a_credential_for_smbios),
		cmocka_unit_test(checks_sizes_and_what_excludes_what),
		cmocka_unit_test(a_url_takes_the_place_of_a_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
