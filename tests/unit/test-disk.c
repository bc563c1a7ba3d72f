/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <sched.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/string-util.h"
#include "disk-file.h"

#define SIGNATURE "{\"rootHash\":\"00\"}"

static const struct tree_attributes attributes = {.mode = 0644, .mtime = 1795441062, .origin = "test"};

/* A file of *size* bytes with data at its beginning and end, and a hole between. */
static int sparse_file(const char *name, uint64_t size, uint8_t byte)
{
	uint8_t block[4096];
	int fd = tool_file(tool_path(name), size);

	memset(block, byte, sizeof(block));
	assert_int_equal(pwrite_full(fd, block, sizeof(block), 0), 0);
	assert_int_equal(pwrite_full(fd, block, 100, size - 100), 0);
	return fd;
}

static struct tree *esp_tree(void)
{
	_cleanup_content_ struct content *content = content_copy("loader", 6);
	struct tree *tree = tree_new();
	_cleanup_error_ struct error *err = NULL;

	assert_ok(tree_add_file(tree, "EFI/BOOT/BOOTX64.EFI", &attributes, content, NULL, &err), err);
	assert_ok(tree_add_file(tree, "EFI/Linux/orlop_202611.23.0.efi", &attributes, content, NULL, &err),
		err);
	return tree;
}

static struct disk_image image_of(const struct tree *esp, int usr, int verity)
{
	struct disk_image image = {
		.architecture = "amd64",
		.version = "202611.23.0",
		.esp_size = MiB(64),
		.usr_size = MiB(20),
		.verity_size = MiB(2),
		.signature_size = 16384,
		.state_size = MiB(32),
		.esp = tree_root(esp),
		.usr = usr,
		.verity = verity,
		.signature = SIGNATURE,
		.signature_length = strlen(SIGNATURE),
	};

	for (size_t i = 0; i < SHA256_SIZE; i++)
		image.root_hash[i] = (uint8_t)(0xf0 - i);
	return image;
}

static const char *member(json_t *table, size_t partition, const char *key)
{
	json_t *item = json_array_get(json_object_get(table, "partitions"), partition);
	const char *text = json_string_value(json_object_get(item, key));

	return text ? text : "";
}

static uint64_t number(json_t *table, size_t partition, const char *key)
{
	json_t *item = json_array_get(json_object_get(table, "partitions"), partition);

	return (uint64_t)json_integer_value(json_object_get(item, key));
}

/* The content of partition *number* is that of a file, then zeros. */
static void assert_content(const char *disk, json_t *table, size_t partition, const char *file)
{
	char offset[64], script[PATH_MAX * 3];

	(void)snprintf(offset, sizeof(offset), "%ju", (uintmax_t)number(table, partition, "start") * 512);
	(void)snprintf(script, sizeof(script),
		"size=$(stat -c %%s '%s'); cmp -n $size -i %s:0 '%s' '%s' && ! tail -c +$((%s + size + 1)) "
		"'%s' | "
		"head -c $((%ju - size)) | tr -d '\\0' | grep -q .",
		file, offset, disk, file, offset, disk, (uintmax_t)number(table, partition, "size") * 512);
	tool_do("sh", "-c", script);
}

static void image_has_the_partitions_of_the_design(void **state)
{
	/* sfdisk's names of the types, from the Discoverable Partitions Specification. */
	static const struct {
		const char *type, *name, *uuid, *attrs;
		uint64_t start, size; /* MiB */
	} expected[] = {
		{"C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "esp", NULL, "", 1, 64},
		{"8484680C-9521-48C6-9C11-B0720656F69E", "orlop_202611.23.0",
			"F0EFEEED-ECEB-EAE9-E8E7-E6E5E4E3E2E1", "GUID:60", 65, 20},
		{"77FF5F63-E7B6-4633-ACF4-1565B864C0E6", "orlop_202611.23.0_verity",
			"E0DFDEDD-DCDB-DAD9-D8D7-D6D5D4D3D2D1", "GUID:60", 85, 2},
		{"E7BB33FB-06CF-4E81-8273-E543B413E2E2", "orlop_202611.23.0_verity_sig", NULL, "GUID:60", 87,
			1},
		{"8484680C-9521-48C6-9C11-B0720656F69E", "_empty", NULL, "GUID:60", 88, 20},
		{"77FF5F63-E7B6-4633-ACF4-1565B864C0E6", "_empty", NULL, "GUID:60", 108, 2},
		{"E7BB33FB-06CF-4E81-8273-E543B413E2E2", "_empty", NULL, "GUID:60", 110, 1},
	};
	_cleanup_close_ int usr = sparse_file("usr", MiB(19) + 4096, 'u'),
			    verity = sparse_file("verity", MiB(1), 'v');
	_cleanup_close_ int signature = tool_file(tool_path("signature"), 0);
	_cleanup_tree_ struct tree *esp = esp_tree();
	struct disk_image image = image_of(esp, usr, verity);
	const char *path = tool_path("disk.raw");
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *text = NULL;
	json_t *root, *table;
	struct stat st;

	(void)state;
	assert_ok(disk_file_write(path, &image, &err), err);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, MiB(111 + 32 + 1));
	assert_in_range(st.st_blocks * 512, 1, MiB(2)); /* holes stay holes */
	assert_tool_says("No errors detected.", "sfdisk", "--verify", path);
	assert_tool_says("No problems found.", "sgdisk", "-v", path);
	text = tool_run("sfdisk", "--json", path);
	root = json_loads(text, 0, NULL);
	table = json_object_get(root, "partitiontable");
	assert_int_equal(json_array_size(json_object_get(table, "partitions")), ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_string_equal(member(table, i, "type"), expected[i].type);
		assert_string_equal(member(table, i, "name"), expected[i].name);
		assert_string_equal(member(table, i, "attrs"), expected[i].attrs);
		assert_int_equal(number(table, i, "start"), expected[i].start * 2048);
		assert_int_equal(number(table, i, "size"), expected[i].size * 2048);
		if (expected[i].uuid)
			assert_string_equal(member(table, i, "uuid"), expected[i].uuid);
		else
			assert_int_equal(member(table, i, "uuid")[14], '8'); /* version 8 */
	}
	assert_content(path, table, 1, tool_path("usr"));
	assert_content(path, table, 2, tool_path("verity"));
	assert_int_equal(write_full(signature, SIGNATURE, strlen(SIGNATURE)), 0);
	assert_content(path, table, 3, tool_path("signature"));
	json_decref(root);
}

static void esp_in_the_image_is_a_sound_file_system(void **state)
{
	_cleanup_close_ int usr = sparse_file("usr", MiB(2), 'u'),
			    verity = sparse_file("verity", MiB(1), 'v');
	_cleanup_tree_ struct tree *esp = esp_tree();
	struct disk_image image = image_of(esp, usr, verity);
	_cleanup_error_ struct error *err = NULL;
	char script[PATH_MAX * 3];

	(void)state;
	assert_ok(disk_file_write(tool_path("disk.raw"), &image, &err), err);
	(void)snprintf(script, sizeof(script),
		"cd '%s' && dd if=disk.raw of=esp bs=1M skip=1 count=64 conv=sparse status=none && fsck.fat "
		"-n esp && "
		"mtype -i disk.raw@@1M ::/EFI/BOOT/BOOTX64.EFI && minfo -i esp | grep 'hidden sectors: 2048'",
		tool_folder);
	assert_tool_says("loader", "sh", "-c", script);
}

static void equal_input_gives_equal_images_and_another_root_hash_others(void **state)
{
	_cleanup_close_ int usr = sparse_file("usr", MiB(2), 'u'),
			    verity = sparse_file("verity", MiB(1), 'v');
	_cleanup_tree_ struct tree *esp = esp_tree();
	struct disk_image image = image_of(esp, usr, verity);
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *a = NULL, *b = NULL;

	(void)state;
	assert_ok(disk_file_write(tool_path("a.raw"), &image, &err), err);
	assert_ok(disk_file_write(tool_path("b.raw"), &image, &err), err);
	tool_do("cmp", tool_path("a.raw"), tool_path("b.raw"));
	image.root_hash[20] ^= 1;
	assert_ok(disk_file_write(tool_path("b.raw"), &image, &err), err);
	a = tool_run("sfdisk", "--disk-id", tool_path("a.raw"));
	b = tool_run("sfdisk", "--disk-id", tool_path("b.raw"));
	assert_string_not_equal(a, b);
}

static void arm64_has_its_own_types(void **state)
{
	_cleanup_close_ int usr = sparse_file("usr", MiB(2), 'u'),
			    verity = sparse_file("verity", MiB(1), 'v');
	_cleanup_tree_ struct tree *esp = esp_tree();
	struct disk_image image = image_of(esp, usr, verity);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	image.architecture = "arm64";
	assert_ok(disk_file_write(tool_path("arm.raw"), &image, &err), err);
	assert_tool_says("B0E01050-EE5F-4390-949A-9101B17104E9", "sfdisk", "--json", tool_path("arm.raw"));
	image.architecture = "sparc";
	assert_error(disk_file_write(tool_path("no.raw"), &image, &err), -EINVAL, err, "'sparc'");
}

static size_t count_names(const char *folder)
{
	DIR *dir = opendir(folder);
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count - 2;
}

static void what_does_not_fit_is_refused_and_leaves_nothing(void **state)
{
	_cleanup_close_ int usr = sparse_file("usr", MiB(20) + 1, 'u'),
			    verity = sparse_file("verity", MiB(1), 'v');
	_cleanup_tree_ struct tree *esp = esp_tree();
	struct disk_image image = image_of(esp, usr, verity);
	_cleanup_error_ struct error *err = NULL;
	const char *path = tool_path("refused/disk.raw");

	(void)state;
	assert_int_equal(mkdir(tool_path("refused"), 0700), 0);
	assert_error(disk_file_write(path, &image, &err), -ENOSPC, err,
		"partition 'orlop_202611.23.0': its content has 20971521 bytes and the partition");
	image.usr_size = MiB(21);
	image.esp_size = MiB(10);
	assert_error(disk_file_write(path, &image, &err), -EINVAL, err, "partition 'esp': FAT32 needs");
	image.esp_size = UINT64_MAX;
	assert_error(disk_file_write(path, &image, &err), -EFBIG, err, "too large");
	image.esp_size = MiB(64);
	image.version = "2026111111111111111111.23.0";
	assert_error(disk_file_write(path, &image, &err), -EINVAL, err, "36");
	assert_int_equal(count_names(tool_path("refused")), 0);
}

/* In a process of its own: a file system of 1 MiB that an image of 4 MiB does not fit on. */
static int write_to_full_disk(const char *folder, const struct disk_image *image)
{
	_cleanup_error_ struct error *err = NULL;
	char path[PATH_MAX];

	if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("tmpfs", folder, "tmpfs", 0, "size=1m") < 0)
		return 77;
	(void)snprintf(path, sizeof(path), "%s/disk.raw", folder);
	if (disk_file_write(path, image, &err) != -ENOSPC)
		return 1;
	if (!strstr(error_message(err), "No space left on device"))
		return 2;
	return count_names(folder) == 0 ? 0 : 3;
}

static void a_full_file_system_is_an_error_and_leaves_nothing(void **state)
{
	_cleanup_close_ int usr = tool_file(tool_path("usr"), 0), verity = sparse_file("verity", MiB(1), 'v');
	_cleanup_free_ char *data = malloc(MiB(4));
	_cleanup_tree_ struct tree *esp = esp_tree();
	struct disk_image image = image_of(esp, usr, verity);
	int status;
	pid_t pid;

	(void)state;
	assert_non_null(data);
	memset(data, 'x', MiB(4));
	assert_int_equal(write_full(usr, data, MiB(4)), 0);
	assert_int_equal(mkdir(tool_path("full"), 0700), 0);
	pid = fork();
	if (pid == 0)
		_exit(write_to_full_disk(tool_path("full"), &image));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped, because no file system can be mounted here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_file_that_ends_too_early_is_an_error(void **state)
{
	_cleanup_close_ int fd = tool_file(tool_path("short"), 10), to = tool_file(tool_path("x.raw"), 0);
	struct disk_partition partition = {
		.label = "x", .size = MiB(1), .content = DISK_FILE, .fd = fd, .data_size = 11};
	const struct disk_options options = {.id = {{1}}, .partitions = &partition, .count = 1};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	partition.type = gpt_type_lookup("var", NULL)->id;
	partition.id.bytes[0] = 1;
	assert_error(disk_write(to, &options, &err), -ENODATA, err, "partition 'x'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(image_has_the_partitions_of_the_design),
		cmocka_unit_test(esp_in_the_image_is_a_sound_file_system),
		cmocka_unit_test(equal_input_gives_equal_images_and_another_root_hash_others),
		cmocka_unit_test(arm64_has_its_own_types),
		cmocka_unit_test(what_does_not_fit_is_refused_and_leaves_nothing),
		cmocka_unit_test(a_full_file_system_is_an_error_and_leaves_nothing),
		cmocka_unit_test(a_file_that_ends_too_early_is_an_error),
	};

	return cmocka_run_group_tests(tests, tool_setup, tool_cleanup);
}
