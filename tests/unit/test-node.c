/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <fcntl.h>

#include "base/encoding.h"
#include "update/node.h"

#define ROOT_HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define MACHINE "0123456789abcdef0123456789abcdef"
#define BOOT_WITH(degraded)                                                              \
	"{\"slot\": \"b\", \"label\": \"orlop_202611.23.0\", \"rootHash\": \"" ROOT_HASH \
	"\", \"signature\": true, \"disk\": \"/dev/vda\", \"degraded\": " degraded "}\n"
#define DB "/sys/firmware/efi/efivars/db-d719b2cb-3d3a-4596-a3bc-dad00e67656f"

/* ---- A root folder as a node has it ---- */

/* Below /var/tmp, which is no tmpfs: disks are opened with O_DIRECT, which not every tmpfs can do. */
struct machine {
	char root[64];
	struct node *node;
};

static void put_bytes(const struct machine *m, const char *path, const void *data, size_t size)
{
	_cleanup_free_ char *whole = string_format("%s%s", m->root, path);
	_cleanup_error_ struct error *err = NULL;

	assert_non_null(whole);
	assert_ok(file_write_atomic(whole, data, size, 0644, &err), err);
}

static void put(const struct machine *m, const char *path, const char *text)
{
	put_bytes(m, path, text, strlen(text));
}

static void drop(const struct machine *m, const char *path)
{
	_cleanup_free_ char *whole = string_format("%s%s", m->root, path);

	assert_non_null(whole);
	assert_int_equal(unlink(whole), 0);
}

static int set_up(void **state)
{
	struct machine *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	(void)snprintf(m->root, sizeof(m->root), "/var/tmp/orlop-test-node-XXXXXX");
	assert_non_null(mkdtemp(m->root));
	shell(m->root, "mkdir -p usr/lib run/orlop etc/orlop dev sys/firmware/efi/efivars "
		       "sys/class/block/vda/vda1 sys/class/block/vda/vda13");
	put(m, "/usr/lib/os-release",
		"NAME=Orlop\nVARIANT_ID=container-linux\nIMAGE_VERSION=202611.23.0\nARCHITECTURE=x86-64\n");
	put(m, "/run/orlop/boot.json", BOOT_WITH("null"));
	put(m, "/etc/machine-id", MACHINE "\n");
	*state = m;
	return 0;
}

static int tear_down(void **state)
{
	struct machine *m = *state;

	node_free(m->node);
	assert_int_equal(remove_tree(m->root, NULL), 0);
	free(m);
	return 0;
}

static int look(struct machine *m, struct error **err)
{
	const struct node_options options = {.root = m->root};

	m->node = node_free(m->node);
	return node_open(&options, &m->node, err);
}

/* What is found while a file has another text. */
static int look_with(struct machine *m, const char *path, const char *text, struct error **err)
{
	put(m, path, text);
	return look(m, err);
}

/* ---- What is found out ---- */

static void finds_what_runs_from_where(void **state)
{
	struct machine *m = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *disk = string_format("%s/dev/vda", m->root);
	char digits[SHA256_HEX_SIZE];
	struct install install;

	assert_ok(look(m, &err), err);
	assert_string_equal(m->node->edition, "container-linux");
	assert_string_equal(m->node->version, "202611.23.0");
	assert_string_equal(m->node->architecture, "amd64");
	assert_int_equal(m->node->slot, 'b');
	assert_string_equal(m->node->disk_path, disk);
	assert_null(m->node->degraded);
	hex_encode(m->node->root_hash, SHA256_SIZE, digits);
	assert_string_equal(digits, ROOT_HASH);
	hex_encode(m->node->machine, MACHINE_ID_SIZE, digits);
	assert_string_equal(digits, MACHINE);
	assert_int_equal(m->node->disk_fd, -1);

	install = node_install(m->node, 77);
	assert_string_equal(install.architecture, "amd64");
	assert_string_equal(install.running_version, "202611.23.0");
	assert_memory_equal(install.running_root, m->node->root_hash, SHA256_SIZE);
	assert_int_equal(install.now, 77);
}

static void what_must_go_on_does_so_with_wrong_settings(void **state)
{
	struct machine *m = *state;
	_cleanup_error_ struct error *err = NULL, *fault = NULL;
	const struct node_options options = {.root = m->root, .settings_fault = &fault};

	assert_error(look_with(m, "/etc/orlop/node.yaml", "repository: htp://x\n", &err), -EINVAL, err,
		"node.yaml:1: repository");
	assert_ok(node_open(&options, &m->node, &err), err);
	assert_string_equal(m->node->version, "202611.23.0");
	assert_non_null(fault);
	assert_non_null(strstr(error_message(fault), "node.yaml:1: repository"));
	/* As of an empty file. */
	assert_null(m->node->config.repository);
	assert_true(m->node->config.check_interval > 0);
	fault = error_free(fault);
	put(m, "/etc/orlop/node.yaml", "repository: https://example.org/r\n");
	m->node = node_free(m->node);
	assert_ok(node_open(&options, &m->node, &err), err);
	assert_null(fault);
	assert_string_equal(m->node->config.repository, "https://example.org/r");
}

static void os_release_may_have_quotes_of_both_kinds(void **state)
{
	struct machine *m = *state;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(look_with(m, "/usr/lib/os-release",
			  "ARCHITECTURE='arm64'\nIMAGE_VERSION=\"202611.23.1\"\nVARIANT_ID='edge'\n", &err),
		err);
	assert_string_equal(m->node->edition, "edge");
	assert_string_equal(m->node->version, "202611.23.1");
	assert_string_equal(m->node->architecture, "arm64");
}

static void os_release_has_to_have_all_three_fields(void **state)
{
	static const struct {
		const char *text;
		int r;
	} cases[] = {
		{"IMAGE_VERSION=1\nARCHITECTURE=arm64\n", -ENOENT},
		{"VARIANT_ID=a\nARCHITECTURE=arm64\n", -ENOENT},
		{"VARIANT_ID=a\nIMAGE_VERSION=1\n", -ENOENT},
		{"", -ENOENT},
		{"VARIANT_ID=a\nIMAGE_VERSION=\"1\nARCHITECTURE=arm64\n", -EBADMSG},
	};
	struct machine *m = *state;
	_cleanup_error_ struct error *err = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_error(look_with(m, "/usr/lib/os-release", cases[i].text, &err), cases[i].r, err,
			"VARIANT_ID, IMAGE_VERSION and ARCHITECTURE");
	drop(m, "/usr/lib/os-release");
	assert_error(look(m, &err), -ENOENT, err, "/usr/lib/os-release");
}

static void boot_json_says_why_state_is_volatile(void **state)
{
	struct machine *m = *state;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(look_with(m, "/run/orlop/boot.json", BOOT_WITH("\"no TPM\""), &err), err);
	assert_string_equal(m->node->degraded, "no TPM");
	assert_ok(look_with(m, "/run/orlop/boot.json",
			  "{\"slot\":\"a\",\"rootHash\":\"" ROOT_HASH "\",\"disk\":\"/dev/sda\"}", &err),
		err);
	assert_null(m->node->degraded);
	assert_int_equal(m->node->slot, 'a');
}

static void a_damaged_boot_json_is_an_error(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "is not what orlop-init writes"},
		{"{\"slot\": \"a\"", "is not what orlop-init writes"},
		{"[]", "is not what orlop-init writes"},
		{"{\"slot\":\"a\",\"rootHash\":\"" ROOT_HASH "\"}", "is not what orlop-init writes"},
		{"{\"rootHash\":\"" ROOT_HASH "\",\"disk\":\"/dev/sda\"}", "is not what orlop-init writes"},
		{"{\"slot\":\"a\",\"disk\":\"/dev/sda\"}", "is not what orlop-init writes"},
		{"{\"slot\":1,\"rootHash\":\"" ROOT_HASH "\",\"disk\":\"/dev/sda\"}",
			"is not what orlop-init writes"},
		{"{\"slot\":\"a\",\"slot\":\"b\",\"rootHash\":\"" ROOT_HASH "\",\"disk\":\"/dev/sda\"}",
			"is not what orlop-init writes"},
		{"{\"slot\":\"\",\"rootHash\":\"" ROOT_HASH "\",\"disk\":\"/dev/sda\"}",
			"is not what orlop-init writes"},
		{"{\"slot\":\"ab\",\"rootHash\":\"" ROOT_HASH "\",\"disk\":\"/dev/sda\"}",
			"is not what orlop-init writes"},
		{BOOT_WITH("5"), "is not what orlop-init writes"},
		{BOOT_WITH("false"), "is not what orlop-init writes"},
		{"{\"slot\":\"a\",\"rootHash\":\"0011\",\"disk\":\"/dev/sda\"}", "rootHash is no digest"},
		{"{\"slot\":\"a\",\"rootHash\":\"" ROOT_HASH "00\",\"disk\":\"/dev/sda\"}",
			"rootHash is no digest"},
		{"{\"slot\":\"a\",\"rootHash\":\"x" ROOT_HASH "\",\"disk\":\"/dev/sda\"}",
			"rootHash is no digest"},
	};
	struct machine *m = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error *err = NULL;
		int r = look_with(m, "/run/orlop/boot.json", cases[i].text, &err);

		if (r != -EBADMSG || !strstr(error_message(err), cases[i].says))
			fail_msg("%s: %d: %s", cases[i].text, r, error_message(err));
	}
}

static void without_boot_json_this_is_no_node(void **state)
{
	struct machine *m = *state;
	_cleanup_error_ struct error *err = NULL;

	drop(m, "/run/orlop/boot.json");
	assert_error(look(m, &err), -ENOENT, err, "/run/orlop/boot.json");
}

static void a_machine_id_is_32_digits(void **state)
{
	static const char *const wrong[] = {"", "\n", "uninitialized\n", "0123456789abcdef\n", MACHINE "0\n",
		"0123456789abcdef0123456789abcdeg\n", "\n" MACHINE "\n"};
	struct machine *m = *state;
	_cleanup_error_ struct error *err = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_error(look_with(m, "/etc/machine-id", wrong[i], &err), -EBADMSG, err,
			"/etc/machine-id holds no machine id");
	assert_ok(look_with(m, "/etc/machine-id", MACHINE, &err), err);
	drop(m, "/etc/machine-id");
	assert_error(look(m, &err), -ENOENT, err, "/etc/machine-id");
}

/* ---- Settings ---- */

#define GIVEN "/run/orlop/node.yaml"
#define OWN "/etc/orlop/node.yaml"

static void assert_config(const struct machine *m, const char *path, const char *repository)
{
	const char *found = m->node->config_path + strlen(m->root);

	assert_string_equal(found, path);
	if (repository)
		assert_string_equal(m->node->config.repository, repository);
	else
		assert_null(m->node->config.repository);
}

static void the_administrators_settings_come_before_the_credentials(void **state)
{
	struct machine *m = *state;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(look(m, &err), err);
	assert_config(m, OWN, NULL);
	put(m, GIVEN, "repository: https://given.example\n");
	assert_ok(look(m, &err), err);
	assert_config(m, GIVEN, "https://given.example");
	put(m, OWN, "repository: https://own.example\n");
	assert_ok(node_reload(m->node, &err), err);
	assert_config(m, OWN, "https://own.example");
	/* An empty file of one's own counts, too: it turns updates off. */
	put(m, OWN, "");
	assert_ok(node_reload(m->node, &err), err);
	assert_config(m, OWN, NULL);
	drop(m, OWN);
	assert_ok(node_reload(m->node, &err), err);
	assert_config(m, GIVEN, "https://given.example");
}

static void settings_stay_where_new_ones_are_wrong(void **state)
{
	struct machine *m = *state;
	_cleanup_error_ struct error *err = NULL;

	put(m, GIVEN, "repository: https://given.example\ncheckInterval: 30\n");
	assert_ok(look(m, &err), err);
	put(m, OWN, "repository: https://own.example\ncheckInterval: often\n");
	assert_error(node_reload(m->node, &err), -EINVAL, err, OWN ":2");
	assert_config(m, GIVEN, "https://given.example");
	assert_int_equal(m->node->config.check_interval, 30);
	assert_error(look(m, &err), -EINVAL, err, OWN ":2");
	assert_null(m->node);
}

/* ---- Disk ---- */

static void opens_disk_and_partitions_by_number(void **state)
{
	struct machine *m = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ uint8_t *bytes = calloc(4, 4096);
	struct stat st, opened;
	_cleanup_free_ char *path = string_format("%s/dev/vda13", m->root);
	int fd;

	assert_non_null(bytes);
	assert_ok(look(m, &err), err);
	assert_error(node_open_disk(m->node, false, &err), -ENOENT, err, "/dev/vda");
	put_bytes(m, "/dev/vda", bytes, UINT64_C(4) * 4096);
	assert_ok(node_open_disk(m->node, true, &err), err);
	assert_int_equal(m->node->disk.size, 4 * 4096);
	assert_int_equal(fcntl(m->node->disk_fd, F_GETFL) & O_ACCMODE, O_RDWR);
	assert_ok(node_open_disk(m->node, false, &err), err);
	assert_int_equal(fcntl(m->node->disk_fd, F_GETFL) & O_ACCMODE, O_RDONLY);

	put(m, "/sys/class/block/vda/vda1/partition", "1\n");
	put(m, "/sys/class/block/vda/vda13/partition", "13\n");
	put(m, "/dev/vda1", "one");
	put(m, "/dev/vda13", "thirteen");
	fd = node_open_partition(m->node, 13, &err);
	assert_ok(fd, err);
	assert_int_equal(fstat(fd, &opened), 0);
	(void)close(fd);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(opened.st_ino, st.st_ino);
	assert_error(node_open_partition(m->node, 3, &err), -ENODEV, err, "partition 3");
}

/* ---- Trust ---- */

static void the_store_is_the_variable_without_its_attributes(void **state)
{
	struct machine *m = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buffer_ struct buffer store = {}, empty = {};

	assert_ok(look(m, &err), err);
	put_bytes(m, DB, "\x27\0\0\0the lists", 4 + 9);
	assert_ok(node_trust_store(m->node, &store, &err), err);
	assert_int_equal(store.size, 9);
	assert_memory_equal(store.data, "the lists", 9);
	put_bytes(m, DB, "\x27\0\0\0", 4);
	assert_ok(node_trust_store(m->node, &empty, &err), err);
	assert_int_equal(empty.size, 0);
	put_bytes(m, DB, "\x27\0\0", 3);
	assert_error(node_trust_store(m->node, &empty, &err), -EBADMSG, err, "db is empty");
}

static void a_firmware_without_the_variable_has_no_keys(void **state)
{
	struct machine *m = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buffer_ struct buffer store = {};

	assert_ok(look(m, &err), err);
	assert_error(node_trust_store(m->node, &store, &err), -ENOENT, err,
		"the firmware has no Secure Boot keys (db)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
		TEST(finds_what_runs_from_where),
		TEST(what_must_go_on_does_so_with_wrong_settings),
		TEST(os_release_may_have_quotes_of_both_kinds),
		TEST(os_release_has_to_have_all_three_fields),
		TEST(boot_json_says_why_state_is_volatile),
		TEST(a_damaged_boot_json_is_an_error),
		TEST(without_boot_json_this_is_no_node),
		TEST(a_machine_id_is_32_digits),
		TEST(the_administrators_settings_come_before_the_credentials),
		TEST(settings_stay_where_new_ones_are_wrong),
		TEST(opens_disk_and_partitions_by_number),
		TEST(the_store_is_the_variable_without_its_attributes),
		TEST(a_firmware_without_the_variable_has_no_keys),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
