/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/string-util.h"
#include "format/fat.h"

/* 2026-11-23 13:37:42 UTC */
#define MTIME 1795441062

static const struct tree_attributes attributes = {.mode = 0644, .mtime = MTIME, .origin = "test"};

/* Bytes that no two files of these tests share. */
static void add(struct tree *tree, const char *path, size_t size)
{
	_cleanup_free_ uint8_t *data = malloc(size + 1);
	_cleanup_content_ struct content *content = NULL;
	_cleanup_error_ struct error *err = NULL;
	uint32_t state = (uint32_t)size;

	assert_non_null(data);
	for (const char *at = path; *at; at++)
		state = state * 31 + (uint8_t)*at;
	for (size_t i = 0; i < size; i++) {
		state = state * 1664525 + 1013904223;
		data[i] = (uint8_t)(state >> 24);
	}
	content = content_copy(data, size);
	assert_non_null(content);
	assert_ok(tree_add_file(tree, path, &attributes, content, NULL, &err), err);
}

/* An ESP as Orlop has it, and names of every kind. */
static struct tree *esp_tree(void)
{
	static const struct {
		const char *path;
		size_t size;
	} files[] = {
		{"EFI/BOOT/BOOTX64.EFI", 123456},
		{"EFI/systemd/systemd-bootx64.efi", 4096},
		{"EFI/Linux/orlop_202611.23.0+3.efi", 1234567},
		{"EFI/Linux/orlop_202611.24.0+3-1.efi", 513},
		{"loader/loader.conf", 17},
		{"loader/keys/auto/PK.auth", 1},
		{"loader/keys/auto/db.auth", 512},
		{"loader/empty", 0},
		{"UPPER.TXT", 10},
		{"lower.txt", 11},
		{"Mixed.Txt", 12},
		{"longna~1.con", 13},
		{"longnames.conf", 14},
		{"longnamed.conf", 15},
		{".hidden", 16},
		{"a b.c d", 17},
		{"two.dots.txt", 18},
		{"+", 19},
		{"thirteen-char", 20},
		{"twenty-six-characters-of-n", 21},
		{"stra\xc3\x9f"
		 "e \xe2\x82\xac.txt",
			22},
	};
	struct tree *tree = tree_new();
	_cleanup_error_ struct error *err = NULL;
	char name[256];

	assert_non_null(tree);
	tree_root(tree)->mtime = MTIME;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		add(tree, files[i].path, files[i].size);
	memset(name, 'n', 255);
	name[255] = 0;
	add(tree, name, 24);
	assert_ok(tree_add_folder(tree, "nothing", &attributes, NULL, &err), err);
	for (unsigned i = 0; i < 300; i++) {
		(void)snprintf(name, sizeof(name), "many/a-long-name-that-repeats-%03u.conf", i);
		add(tree, name, i);
	}
	return tree;
}

static void write_image(const char *path, const struct tree *tree, uint64_t size)
{
	const struct fat_options options = {.size = size, .volume_id = 0x1234abcd, .label = "ESP"};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_close_ int fd = tool_file(path, size);

	assert_ok(fat_write(tree_root(tree), &options, fd, 0, &err), err);
}

/* Writes the files of a tree below a folder of the host. */
static int note_on_host(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	_cleanup_free_ char *full = string_format("%s/%s", (const char *)userdata, path);
	_cleanup_close_ int fd = -1;

	assert_non_null(full);
	if (S_ISDIR(inode->mode))
		return mkdir_parents(full, err);
	fd = tool_file(full, 0);
	return write_full(fd, content_data(inode->content), content_size(inode->content));
}

static void assert_mtools_read_back(const char *image, const struct tree *tree)
{
	const char *expected = tool_path("expected"), *seen = tool_path("seen");
	_cleanup_error_ struct error *err = NULL;

	assert_ok(remove_tree(expected, &err), err);
	assert_ok(remove_tree(seen, &err), err);
	assert_ok(mkdir_parents(expected, &err), err);
	assert_ok(mkdir_parents(seen, &err), err);
	assert_ok(tree_walk(tree, note_on_host, (void *)expected, &err), err);
	tool_do("mcopy", "-s", "-n", "-i", image, "::/", seen);
	tool_do("diff", "-r", expected, seen);
}

static void fsck_and_mtools_read_what_we_write(void **state)
{
	/* The smallest, each size of cluster, and sizes that no cluster divides. */
	static const uint64_t sizes[] = {
		MiB(34), MiB(64), MiB(260), MiB(261), MiB(512) - 512, GiB(4), GiB(9), GiB(17), GiB(33)};
	_cleanup_tree_ struct tree *tree = esp_tree();
	struct stat st;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		const char *path = tool_path("esp");

		write_image(path, tree, sizes[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_in_range(st.st_blocks, 1, 8 * MiB(1) / 512);
		tool_do("fsck.fat", "-n", "-v", path);
		assert_mtools_read_back(path, tree);
	}
}

static void names_times_label_and_volume_id_are_as_mtools_see_them(void **state)
{
	_cleanup_tree_ struct tree *tree = esp_tree();
	const char *path = tool_path("esp-names");
	_cleanup_free_ char *list = NULL, *loader = NULL;

	(void)state;
	write_image(path, tree, MiB(64));
	assert_int_equal(setenv("TZ", "UTC", 1), 0);
	list = tool_run("mdir", "-i", path, "::/");
	assert_non_null(strstr(list, "Volume in drive : is ESP"));
	assert_non_null(strstr(list, "Volume Serial Number is 1234-ABCD"));
	assert_non_null(strstr(list, "UPPER    TXT        10 2026-11-23  13:37 \n"));
	assert_non_null(strstr(list, "LOWER    TXT        11 2026-11-23  13:37  lower.txt\n"));
	assert_non_null(strstr(list, "LONGNA~1 CON        13 2026-11-23  13:37  longna~1.con\n"));
	assert_non_null(strstr(list, "LONGNA~2 CON        15 2026-11-23  13:37  longnamed.conf\n"));
	assert_non_null(strstr(list, "LONGNA~3 CON        14 2026-11-23  13:37  longnames.conf\n"));
	loader = tool_run("mdir", "-i", path, "::/EFI/BOOT");
	assert_non_null(strstr(loader, "BOOTX64  EFI    123456 2026-11-23  13:37 \n"));
}

static void equal_trees_give_equal_bytes(void **state)
{
	_cleanup_tree_ struct tree *a = esp_tree(), *b = esp_tree();

	(void)state;
	write_image(tool_path("a"), a, MiB(64));
	write_image(tool_path("b"), b, MiB(64));
	tool_do("cmp", tool_path("a"), tool_path("b"));
}

static void minfo_reads_the_geometry(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	const char *path = tool_path("esp-info");
	_cleanup_free_ char *info = NULL;

	(void)state;
	write_image(path, tree, MiB(512));
	info = tool_run("minfo", "-i", path);
	assert_non_null(strstr(info, "cluster size: 8 sectors"));
	assert_non_null(strstr(info, "reserved (boot) sectors: 32"));
	assert_non_null(strstr(info, "fats: 2"));
	assert_non_null(strstr(info, "big size: 1048576 sectors"));
	assert_non_null(strstr(info, "backup boot sector=6"));
	assert_non_null(strstr(info, "disk type=\"FAT32   \""));
}

static void refuse(const struct tree *tree, uint64_t size, const char *label, int code, const char *says)
{
	const struct fat_options options = {.size = size, .label = label};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_close_ int fd = tool_file(tool_path("refused"), 0);

	assert_error(fat_write(tree_root(tree), &options, fd, 0, &err), code, err, says);
}

static void what_fat_can_not_hold_is_refused(void **state)
{
	static const struct {
		const char *name, *says;
	} names[] = {{"a:b", "':'"}, {"a\x01", "0x01"}, {"a.", "end in a dot"},
		{"a ", "end in a dot or space"}, {"a\xff", "not UTF-8"}};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_tree_ struct tree *tree = tree_new();

		add(tree, names[i].name, 1);
		refuse(tree, MiB(64), "ESP", -EINVAL, names[i].says);
	}
	_cleanup_tree_ struct tree *same = tree_new(), *link = tree_new(), *large = tree_new(),
				   *none = tree_new();

	add(same, "readme", 1);
	add(same, "README", 1);
	refuse(same, MiB(64), "ESP", -EINVAL, "does not tell these names apart");
	assert_ok(tree_add_symlink(link, "link", &attributes, "x", NULL, &err), err);
	refuse(link, MiB(64), "ESP", -EINVAL, "link: FAT holds folders and files");
	add(large, "large", MiB(34));
	refuse(large, MiB(34), "ESP", -ENOSPC, "the files need 35652");
	refuse(none, MiB(65) / 2, "ESP", -EINVAL, "at least 33 MiB");
	refuse(none, MiB(64) + 1, "ESP", -EINVAL, "67108865 bytes");
	refuse(none, GiB(2048), "ESP", -EINVAL, "bytes");
	refuse(none, MiB(64), "", -EINVAL, "label");
	refuse(none, MiB(64), "lower", -EINVAL, "label");
	refuse(none, MiB(64), "ABCDEFGHIJKL", -EINVAL, "label");
}

/* Two trees have the same names and contents. */
struct comparison {
	const struct tree *other;
	size_t names;
};

static int compare_name(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	struct comparison *comparison = userdata;
	const struct tree_inode *other = tree_lookup(comparison->other, path);

	(void)err;
	if (!other)
		fail_msg("%s is missing", path);
	assert_int_equal(inode->mode & S_IFMT, other->mode & S_IFMT);
	if (S_ISREG(inode->mode)) {
		assert_int_equal(content_size(inode->content), content_size(other->content));
		assert_memory_equal(content_data(inode->content), content_data(other->content),
			content_size(inode->content));
		assert_int_equal(inode->mtime, other->mtime);
	}
	comparison->names++;
	return 0;
}

static void assert_same_tree(const struct tree *a, const struct tree *b)
{
	struct comparison ab = {.other = b}, ba = {.other = a};

	assert_int_equal(tree_walk(a, compare_name, &ab, NULL), 0);
	assert_int_equal(tree_walk(b, compare_name, &ba, NULL), 0);
	assert_int_equal(ab.names, ba.names);
}

static void we_read_what_we_write(void **state)
{
	_cleanup_tree_ struct tree *tree = esp_tree(), *back = NULL;
	const char *path = tool_path("round");
	_cleanup_error_ struct error *err = NULL;
	_cleanup_close_ int fd = -1;
	struct fat_info info;

	(void)state;
	add(tree, "\xf0\x9f\x9a\xa2.txt", 23); /* outside of the plane that mtools knows */
	write_image(path, tree, MiB(64));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_ok(fat_read(fd, 0, MiB(64), GiB(1), &back, &info, &err), err);
	assert_same_tree(tree, back);
	assert_int_equal(info.bits, 32);
	assert_int_equal(info.volume_id, 0x1234abcd);
	assert_int_equal(info.cluster_size, 512);
	assert_string_equal(info.label, "ESP");
	assert_true(info.free_clusters < info.clusters);
}

/* mkfs.fat and mcopy make what fat_read() reads. */
static void check_made_by_others(const char *bits, const char *sector, const char *cluster, uint64_t size)
{
	_cleanup_tree_ struct tree *tree = esp_tree(), *back = NULL;
	_cleanup_close_ int fd = tool_file(tool_path("made"), size);
	_cleanup_error_ struct error *err = NULL;
	struct fat_info info;
	char script[PATH_MAX * 3];

	/* mcopy gives this very name to another file first. */
	assert_ok(tree_remove(tree, "longna~1.con", &err), err);
	assert_ok(remove_tree(tool_path("files"), &err), err);
	assert_ok(mkdir_parents(tool_path("files"), &err), err);
	assert_ok(tree_walk(tree, note_on_host, (void *)tool_path("files"), &err), err);
	tool_do("mkfs.fat", "-F", bits, "-S", sector, "-s", cluster, "-n", "Q LABEL", "-i", "CAFE0123",
		tool_path("made"));
	(void)snprintf(script, sizeof(script),
		"cd '%s' && find files -exec touch -d @%d {} + && TZ=UTC mcopy -s -m -i made files/* "
		"files/.hidden ::/",
		tool_folder, MTIME);
	tool_do("sh", "-c", script);
	assert_ok(fat_read(fd, 0, size, GiB(1), &back, &info, &err), err);
	assert_same_tree(tree, back);
	assert_int_equal(info.bits, atoi(bits));
	assert_int_equal(info.sector_size, atoi(sector));
	assert_int_equal(info.cluster_size, atoi(sector) * atoi(cluster));
	assert_int_equal(info.volume_id, 0xcafe0123);
	assert_string_equal(info.label, "Q LABEL");
}

static void we_read_what_mkfs_fat_and_mcopy_make(void **state)
{
	(void)state;
	check_made_by_others("12", "512", "8", MiB(8));
	check_made_by_others("16", "512", "4", MiB(32));
	check_made_by_others("32", "512", "1", MiB(64));
	check_made_by_others("32", "4096", "1", MiB(300));
}

/* The file system in check_damage(): a folder "D" with a file "F" of three clusters, and a file "E" of one.
 */
#define TABLE(image, cluster) ((image) + 32 * 512 + 4 * (cluster))

static void check_damage(void (*damage)(uint8_t *image), uint64_t size, int code, const char *says)
{
	_cleanup_tree_ struct tree *tree = tree_new(), *back = NULL;
	const char *path = tool_path("damaged");
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ uint8_t *head = malloc(MiB(2));
	_cleanup_close_ int fd = -1;

	assert_non_null(head);
	add(tree, "D/F", 3 * 512);
	add(tree, "E", 512);
	write_image(path, tree, MiB(33));
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread_full(fd, head, MiB(2), 0), 0);
	damage(head);
	assert_int_equal(pwrite_full(fd, head, MiB(2), 0), 0);
	assert_error(fat_read(fd, 0, size, 2048, &back, NULL, &err), code, err, says);
	assert_null(back);
}

static uint8_t *data_of(uint8_t *image, uint32_t cluster)
{
	return image + 32 * 512 + 2 * (size_t)read_le32(image + 36) * 512 + (size_t)(cluster - 2) * 512;
}

static void no_damage(uint8_t *image)
{
	(void)image;
}

static void no_signature(uint8_t *image)
{
	image[510] = 0;
}

static void odd_cluster_size(uint8_t *image)
{
	image[13] = 3;
}

static void no_tables(uint8_t *image)
{
	image[16] = 0;
}

static void small_table(uint8_t *image)
{
	write_le32(image + 36, 100);
}

static void huge_table(uint8_t *image)
{
	write_le32(image + 36, UINT32_MAX);
}

static void root_as_of_fat16(uint8_t *image)
{
	write_le16(image + 17, 512);
}

static void root_beyond_the_end(uint8_t *image)
{
	write_le32(image + 44, 0x0ffffff0);
}

/* Clusters: 2 is the root, 3 is D, 4 E, 5 to 7 F. */
static void chain_that_loops(uint8_t *image)
{
	write_le32(TABLE(image, 6), 5);
}

static void chain_of_another_file(uint8_t *image)
{
	write_le32(TABLE(image, 5), 4);
	write_le32(TABLE(image, 4), 7);
}

static void chain_that_ends_early(uint8_t *image)
{
	write_le32(TABLE(image, 5), 0x0fffffff);
}

static void chain_into_free_space(uint8_t *image)
{
	write_le32(TABLE(image, 5), 0);
}

static void folder_that_holds_itself(uint8_t *image)
{
	uint8_t *entry = data_of(image, 3) + 2 * 32;

	entry[11] = 0x10;
	write_le16(entry + 26, 3);
}

static void folder_that_loops(uint8_t *image)
{
	write_le32(TABLE(image, 3), 3);
}

static void two_files_of_one_name(uint8_t *image)
{
	memcpy(data_of(image, 2) + 2 * 32, "D          ", 11);
}

static void name_with_a_slash(uint8_t *image)
{
	data_of(image, 2)[2 * 32] = '/';
}

static void file_larger_than_allowed(uint8_t *image)
{
	write_le32(data_of(image, 3) + 2 * 32 + 28, 2049);
}

static void damaged_and_hostile_file_systems_are_refused(void **state)
{
	(void)state;
	check_damage(no_signature, MiB(33), -EMEDIUMTYPE, "no FAT file system");
	check_damage(odd_cluster_size, MiB(33), -EMEDIUMTYPE, "no FAT file system");
	check_damage(no_damage, 100, -EMEDIUMTYPE, "too small");
	check_damage(no_damage, MiB(33) - 512, -EBADMSG, "is it cut off?");
	check_damage(no_tables, MiB(33), -EBADMSG, "no room for data");
	check_damage(small_table, MiB(33), -EBADMSG, "table is too small");
	check_damage(huge_table, MiB(33), -EBADMSG, "no room for data");
	check_damage(root_as_of_fat16, MiB(33), -EBADMSG, "a root folder of 16384 bytes");
	check_damage(root_beyond_the_end, MiB(33), -EBADMSG, "cluster 268435440 does not exist");
	check_damage(chain_that_loops, MiB(33), -EBADMSG, "/D/F: cluster 5 belongs to something else");
	check_damage(chain_of_another_file, MiB(33), -EBADMSG, "/E: cluster 4 belongs to something else");
	check_damage(chain_that_ends_early, MiB(33), -EBADMSG, "/D/F: its clusters end at byte 512 of 1536");
	check_damage(chain_into_free_space, MiB(33), -EBADMSG, "/D/F: cluster 0 does not exist");
	check_damage(
		folder_that_holds_itself, MiB(33), -EBADMSG, "/D/F: cluster 3 belongs to something else");
	check_damage(folder_that_loops, MiB(33), -EBADMSG, "/D: cluster 3 belongs to something else");
	check_damage(two_files_of_one_name, MiB(33), -EBADMSG, "/D: the name comes twice");
	check_damage(name_with_a_slash, MiB(33), -EBADMSG, "can't be a name");
	check_damage(file_larger_than_allowed, MiB(33), -EFBIG, "larger than they may be");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fsck_and_mtools_read_what_we_write),
		cmocka_unit_test(names_times_label_and_volume_id_are_as_mtools_see_them),
		cmocka_unit_test(equal_trees_give_equal_bytes),
		cmocka_unit_test(minfo_reads_the_geometry),
		cmocka_unit_test(what_fat_can_not_hold_is_refused),
		cmocka_unit_test(we_read_what_we_write),
		cmocka_unit_test(we_read_what_mkfs_fat_and_mcopy_make),
		cmocka_unit_test(damaged_and_hostile_file_systems_are_refused),
	};

	return cmocka_run_group_tests(tests, tool_setup, tool_cleanup);
}
