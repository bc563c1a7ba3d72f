/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "boot-data.h"
#include "fat-disk.h"

#include "format/uki.h"
#include "update/boot-entries.h"

static struct boot_entry parse(const char *name)
{
	struct boot_entry entry = {};

	if (boot_entry_parse(name, &entry) != 0)
		fail_msg("%s is no boot entry", name);
	assert_string_equal(entry.name, name);
	return entry;
}

/* The series are those of "Automatic Boot Assessment" and of the comment in systemd-boot's boot.c. */
static void names_are_taken_apart(void **state)
{
	static const struct {
		const char *name, *version;
		bool counted;
		uint32_t left, done;
		unsigned left_digits, done_digits;
		bool bad, staged;
	} names[] = {
		{"orlop_202611.23.0.efi", "202611.23.0", false, 0, 0, 0, 0, false},
		{"orlop_202611.23.0+3.efi", "202611.23.0", true, 3, 0, 1, 0, false},
		{"orlop_202611.23.0+2-1.efi", "202611.23.0", true, 2, 1, 1, 1, false},
		{"orlop_202611.23.0+1-2.efi", "202611.23.0", true, 1, 2, 1, 1, false},
		{"orlop_202611.23.0+0-3.efi", "202611.23.0", true, 0, 3, 1, 1, true},
		{"orlop_202611.23.0+4-0.efi", "202611.23.0", true, 4, 0, 1, 1, false},
		{"orlop_202611.23.0+0.efi", "202611.23.0", true, 0, 0, 1, 0, false, .staged = true},
		{"orlop_202611.23.0+00.efi", "202611.23.0", true, 0, 0, 2, 0, false, .staged = true},
		{"orlop_202611.23.0+0-0.efi", "202611.23.0", true, 0, 0, 1, 1, true},
		{"orlop_1+010-009.efi", "1", true, 10, 9, 3, 3, false},
		{"orlop_1+00000000000003.efi", "1", true, 3, 0, 14, 0, false},
		{"orlop_1+2147483647.efi", "1", true, INT32_MAX, 0, 10, 0, false},
		{"ORLOP_1~RC1.EFI", "1~RC1", false, 0, 0, 0, 0, false},
		{"orlop_6.12-1.efi", "6.12-1", false, 0, 0, 0, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(boot_entry_release) struct boot_entry entry = parse(names[i].name);

		assert_string_equal(entry.version, names[i].version);
		assert_int_equal(entry.counted, names[i].counted);
		assert_int_equal(entry.left, names[i].left);
		assert_int_equal(entry.done, names[i].done);
		assert_int_equal(entry.left_digits, names[i].left_digits);
		assert_int_equal(entry.done_digits, names[i].done_digits);
		assert_int_equal(boot_entry_is_bad(&entry), names[i].bad);
		assert_int_equal(boot_entry_is_staged(&entry), names[i].staged);
		assert_int_equal(boot_entry_is_last(&entry), names[i].bad || names[i].staged);
	}
}

static void other_names_are_not_ours(void **state)
{
	static const char *const names[] = {"", ".efi", "orlop_.efi", "orlop_", "orlop_1", "orlop_1.conf",
		"orlop-1.efi", "debian_1+3.efi", "orlop_+3.efi", "orlop_1+.efi", "orlop_1+3-.efi",
		"orlop_1+-3.efi", "orlop_1+3-1-1.efi", "orlop_1+3+2.efi", "orlop_1+x.efi", "orlop_1+3x.efi",
		"orlop_1+3.EFI", "orlop_1+2147483648.efi", "orlop_1+3-99999999999999999999999.efi",
		"orlop_1 2.efi", "orlop_1.efi.efi.bak", "orlop_/.efi"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct boot_entry entry;

		if (boot_entry_parse(names[i], &entry) != -ENOENT)
			fail_msg("'%s' was taken for a boot entry", names[i]);
	}
}

/* In the order in which systemd-boot 257 would start them. */
static const char *const preferred[] = {"orlop_202612.1.0+1-9.efi", "orlop_202611.23.10.efi",
	"orlop_202611.23.9+10.efi", "orlop_202611.23.9+3.efi", "orlop_202611.23.9+2-3.efi",
	"orlop_202611.23.9+2-1.efi", "orlop_202611.23.9.efi", "orlop_202611.23.9~2+3.efi",
	"orlop_202611.22.0.efi", "orlop_202701.1.0+0-3.efi", "orlop_202611.23.9+0-4.efi",
	"orlop_202611.23.9+0-3.efi", "orlop_1+0.efi"};

static void order_is_that_of_the_boot_loader(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(preferred); i++)
		for (size_t j = 0; j < ARRAY_SIZE(preferred); j++) {
			_cleanup_(boot_entry_release) struct boot_entry a = parse(preferred[i]);
			_cleanup_(boot_entry_release) struct boot_entry b = parse(preferred[j]);
			int r = boot_entry_compare(&a, &b);

			if (i < j ? r >= 0 : i > j ? r <= 0 : r != 0)
				fail_msg("%s and %s: %d", preferred[i], preferred[j], r);
		}
}

/* systemd's own order of versions, and of names where these are equal. */
static int systemd_compare(const char *a, const char *b)
{
	static const struct {
		const char *mark;
		int order;
	} marks[] = {{"<", -1}, {"==", 0}, {">", 1}};

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		const char *const arguments[] = {
			"systemd-analyze", "compare-versions", a, marks[i].mark, b, NULL};
		_cleanup_process_result_ struct process_result result = {};
		_cleanup_error_ struct error *err = NULL;

		assert_ok(process_run(arguments, NULL, 0, MiB(1), &result, &err), err);
		if (result.status == 0)
			return marks[i].order;
	}
	fail_msg("systemd-analyze can't compare %s and %s", a, b);
	return 0;
}

static void versions_are_ordered_as_by_systemd(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(preferred); i++)
		for (size_t j = i + 1; j < ARRAY_SIZE(preferred); j += 3) {
			_cleanup_(boot_entry_release) struct boot_entry a = parse(preferred[i]);
			_cleanup_(boot_entry_release) struct boot_entry b = parse(preferred[j]);
			int r = systemd_compare(b.version, a.version);

			if (boot_entry_is_bad(&a) != boot_entry_is_bad(&b))
				continue;
			if (r == 0)
				r = systemd_compare(preferred[j], preferred[i]);
			assert_int_equal(r < 0, boot_entry_compare(&a, &b) < 0);
		}
}

static void write_file(const char *path, const struct buffer *data)
{
	_cleanup_close_ int fd = tool_file(path, 0);

	assert_int_equal(write_full(fd, data->data, data->size), 0);
}

/* A folder with kernel images as the build makes them, of which bootctl says in which order it lists them. */
static char *bootctl_list(const char *const *names, size_t count)
{
	_cleanup_boot_parts_ struct boot_parts boot = boot_parts();
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_error_ struct error *err = NULL;
	const char *const arguments[] = {"unshare", "-rm", "sh", "-c",
		"mount --bind esp esp && cd esp && SYSTEMD_RELAX_ESP_CHECKS=1 exec bootctl "
		"--esp-path=\"$PWD\" list "
		"--json=pretty",
		NULL};

	assert_int_equal(chdir(tool_folder), 0);
	assert_ok(mkdir_parents("esp/EFI/Linux", &err), err);
	assert_ok(mkdir_parents("esp/loader/entries", &err), err);
	for (size_t i = 0; i < count; i++) {
		_cleanup_(boot_entry_release) struct boot_entry entry = parse(names[i]);
		_cleanup_free_ char *path = string_format("esp/EFI/Linux/%s", names[i]), *osrel = NULL;
		_cleanup_buffer_ struct buffer image = {};

		osrel = string_format("ID=orlop\nIMAGE_ID=orlop-container-linux\nIMAGE_VERSION=%s\nPRETTY_"
				      "NAME=\"Orlop %s\"\n",
			entry.version, entry.version);
		assert_true(path && osrel);
		boot.parts.osrel = (struct uki_part){osrel, strlen(osrel)};
		assert_ok(uki_build(&boot.parts, &image, &err), err);
		write_file(path, &image);
	}
	assert_ok(process_run(arguments, NULL, 0, MiB(1), &result, &err), err);
	if (result.status != 0)
		return NULL;
	buffer_append_u8(&result.output, 0);
	return buffer_take(&result.output, NULL);
}

/* Of one version there is one entry here: about two of them bootctl thinks other than the boot loader. */
static void bootctl_lists_entries_in_this_order(void **state)
{
	static const char *const names[] = {"orlop_202612.1.0+1-9.efi", "orlop_202611.23.10.efi",
		"orlop_202611.23.9+3.efi", "orlop_202611.22.0.efi", "orlop_202701.1.0+0-3.efi",
		"orlop_202611.21.0+0.efi"};
	_cleanup_free_ char *list = bootctl_list(names, ARRAY_SIZE(names));
	const char *at = list;

	(void)state;
	if (!list)
		skip(); /* because there are no user namespaces here: bootctl wants the root of a file system
			 */
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(boot_entry_release) struct boot_entry entry = parse(names[i]);
		_cleanup_free_ char *line = string_format("\"version\" : \"%s\"", entry.version);

		at = strstr(at, line);
		if (!at)
			fail_msg("%s is not where it should be in %s", names[i], list);
		if (i + 1 < ARRAY_SIZE(names)) {
			_cleanup_(boot_entry_release) struct boot_entry behind = parse(names[i + 1]);

			assert_true(boot_entry_compare(&entry, &behind) < 0);
		}
	}
}

/* ---- On a volume ---- */

#define TIME FAT_DISK_MTIME

static void make(struct fat_disk *disk)
{
	fat_disk_mkfs(disk, "esp-volume", MiB(40), "512", "1");
	tool_do("mmd", "-i", disk->path, "::/EFI", "::/EFI/Linux", "::/EFI/Linux/orlop_5.efi");
}

static struct boot_entry entry_of(struct fat_volume *volume, const char *version)
{
	_cleanup_(boot_entries_release) struct boot_entries entries = {};
	struct boot_entry entry = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(boot_entries_read(volume, &entries, &err), err);
	for (size_t i = 0; i < entries.count; i++)
		if (streq(entries.items[i].version, version))
			entry = parse(entries.items[i].name);
	assert_non_null(entry.name);
	return entry;
}

/* An entry as it is staged (GOOD: and found good). */
enum { STAGED, GOOD };

static int add_bytes(
	struct fat_volume *volume, const char *version, const void *data, size_t size, struct error **err)
{
	const struct block_io image = block_io_bytes(data, size);
	uint8_t digest[SHA256_SIZE];

	assert_int_equal(sha256_bytes(data, size, digest), 0);
	return boot_entry_add(volume, version, &image, digest, TIME, err);
}

static bool is(struct fat_volume *volume, const struct boot_entry *entry, const void *data, size_t size)
{
	_cleanup_error_ struct error *err = NULL;
	uint8_t digest[SHA256_SIZE];
	bool same;

	assert_int_equal(sha256_bytes(data, size, digest), 0);
	assert_ok(boot_entry_is(volume, entry, size, digest, &same, &err), err);
	return same;
}

static void add(struct fat_volume *volume, const char *version, bool good)
{
	_cleanup_(boot_entry_release) struct boot_entry entry = {};
	_cleanup_error_ struct error *err = NULL;
	uint8_t data[5000];

	fat_disk_fill(version, data, sizeof(data));
	assert_ok(add_bytes(volume, version, data, sizeof(data), &err), err);
	if (!good)
		return;
	entry = entry_of(volume, version);
	assert_ok(boot_entry_bless(volume, &entry, &err), err);
}

/* The entries are these, in this order, each with the content of its version. */
static void assert_entries(struct fat_volume *volume, const char *expected)
{
	_cleanup_(boot_entries_release) struct boot_entries entries = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buffer_ struct buffer names = {};

	assert_ok(boot_entries_read(volume, &entries, &err), err);
	for (size_t i = 0; i < entries.count; i++) {
		uint8_t data[5001];

		buffer_printf(&names, "%s%s", i > 0 ? " " : "", entries.items[i].name);
		fat_disk_fill(entries.items[i].version, data, 5000);
		data[5000] = 0;
		assert_int_equal(entries.items[i].size, 5000);
		for (size_t size = 4999; size <= 5001; size++)
			assert_int_equal(is(volume, &entries.items[i], data, size), size == 5000);
		data[4999]++;
		assert_false(is(volume, &entries.items[i], data, 5000));
	}
	buffer_append_u8(&names, 0);
	assert_string_equal((char *)names.data, expected);
}

static void a_release_on_trial_comes_first_and_falls_back(void **state)
{
	_cleanup_fat_disk_ struct fat_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_(boot_entry_release) struct boot_entry staged = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	make(&disk);
	volume = fat_disk_open(&disk);
	add(volume, "202611.23.0", GOOD);
	add(volume, "202611.24.0", STAGED);
	assert_entries(volume, "orlop_202611.23.0.efi orlop_202611.24.0+0.efi");
	staged = entry_of(volume, "202611.24.0");
	assert_ok(boot_entry_retry(volume, &staged, 3, &err), err);
	assert_entries(volume, "orlop_202611.24.0+3-0.efi orlop_202611.23.0.efi");
	/* What systemd-boot does with each start, done by another program that knows FAT. */
	tool_do("mren", "-i", disk.path, "::/EFI/Linux/orlop_202611.24.0+3-0.efi",
		"orlop_202611.24.0+2-1.efi");
	volume = fat_volume_free(volume);
	volume = fat_disk_open(&disk);
	assert_entries(volume, "orlop_202611.24.0+2-1.efi orlop_202611.23.0.efi");
	tool_do("mren", "-i", disk.path, "::/EFI/Linux/orlop_202611.24.0+2-1.efi",
		"orlop_202611.24.0+0-3.efi");
	volume = fat_volume_free(volume);
	volume = fat_disk_open(&disk);
	assert_entries(volume, "orlop_202611.23.0.efi orlop_202611.24.0+0-3.efi");
	assert_false(fat_disk_fsck(&disk, NULL));
}

static int bless(struct fat_volume *volume, const struct boot_entry *entry, struct error **err)
{
	return boot_entry_bless(volume, entry, err);
}

static int demote(struct fat_volume *volume, const struct boot_entry *entry, struct error **err)
{
	return boot_entry_demote(volume, entry, err);
}

static int retry_three(struct fat_volume *volume, const struct boot_entry *entry, struct error **err)
{
	return boot_entry_retry(volume, entry, 3, err);
}

static int retry_twelve(struct fat_volume *volume, const struct boot_entry *entry, struct error **err)
{
	return boot_entry_retry(volume, entry, 12, err);
}

static int remove_it(struct fat_volume *volume, const struct boot_entry *entry, struct error **err)
{
	return boot_entry_remove(volume, entry, err);
}

static const struct change {
	int (*call)(struct fat_volume *volume, const struct boot_entry *entry, struct error **err);
	const char *counter, *becomes; /* NULL: it goes */
} changes[] = {
	{bless, "+3", ""},
	{bless, "+2-1", ""},
	{bless, "+0-3", ""},
	{bless, "", ""},
	{demote, "", "+0-0"},
	{demote, "+3", "+0-0"},
	{demote, "+2-1", "+0-1"},
	{boot_entry_spare, "+0-1", "+1-1"},
	{boot_entry_spare, "+0-3", "+1-3"},
	{boot_entry_spare, "+0-0", "+1-1"},
	{demote, "+02-011", "+00-011"},
	{demote, "+0-3", "+0-3"},
	{demote, "+0", "+0-0"},
	{retry_three, "+0-3", "+3-0"},
	{retry_three, "+0-12", "+3-00"},
	{retry_three, "+002", "+003-0"},
	{retry_three, "+0", "+3-0"},
	{retry_three, "", "+3-0"},
	{retry_twelve, "+0-3", "+12-0"},
	{remove_it, "+3", NULL},
	{remove_it, "", NULL},
};

static char *name_of(const char *counter)
{
	return string_format("orlop_202611.24.0%s.efi", counter);
}

/* The names in the folder, without what does not change. */
static char *changing_names(struct fat_disk *disk)
{
	_cleanup_fat_volume_ struct fat_volume *volume = fat_disk_open(disk);
	_cleanup_(boot_entries_release) struct boot_entries entries = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buffer_ struct buffer names = {};

	assert_ok(boot_entries_read(volume, &entries, &err), err);
	for (size_t i = 0; i < entries.count; i++)
		if (streq(entries.items[i].version, "202611.24.0"))
			buffer_append_string(&names, entries.items[i].name);
		else
			assert_string_equal(entries.items[i].name, "orlop_202611.23.0.efi");
	buffer_append_u8(&names, 0);
	return buffer_take(&names, NULL);
}

/* The writes so far, and any one of the others since the last flush. */
static void assert_never_halved(struct fat_disk *disk, const char *old, const char *new)
{
	_cleanup_buffer_ struct buffer log = disk->log;
	const struct fat_disk_write *writes = (const void *)log.data;
	const size_t count = log.size / sizeof(*writes);

	disk->log = (struct buffer){};
	for (size_t from = 0; from < count; from++) {
		for (size_t also = from; also < count && writes[also].at != FAT_DISK_FLUSH; also++) {
			_cleanup_free_ char *names = NULL;

			for (size_t i = 0; i <= from; i++)
				if (i < from && writes[i].at != FAT_DISK_FLUSH)
					fat_disk_put(disk, writes[i].at, writes[i].data);
			fat_disk_put(disk, writes[also].at, writes[also].data);
			names = changing_names(disk);
			if (!streq(names, old) && !streq(names, new))
				fail_msg("%s: neither %s nor %s", names, old, new);
			fat_disk_undo(disk);
		}
	}
}

static void changes_are_made_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		_cleanup_free_ char *old = name_of(changes[i].counter),
				    *path = string_format("EFI/Linux/%s", old);
		_cleanup_free_ char *new = changes[i].becomes ? name_of(changes[i].becomes) : strdup("");
		_cleanup_(boot_entry_release) struct boot_entry entry = {};
		_cleanup_fat_volume_ struct fat_volume *volume = NULL;
		_cleanup_fat_disk_ struct fat_disk disk = {};
		_cleanup_error_ struct error *err = NULL;
		_cleanup_free_ char *names = NULL;

		make(&disk);
		volume = fat_disk_open(&disk);
		add(volume, "202611.23.0", GOOD);
		assert_ok(fat_disk_create(volume, path, 5000, &err), err);
		fat_disk_keep(&disk);
		entry = entry_of(volume, "202611.24.0");
		disk.recording = true;
		assert_ok(changes[i].call(volume, &entry, &err), err);
		disk.recording = false;
		assert_false(fat_disk_fsck(&disk, NULL));
		names = changing_names(&disk);
		assert_string_equal(names, new);
		fat_disk_undo(&disk);
		assert_never_halved(&disk, old, new);
	}
}

/* A kernel image on a disk that gives other bytes from some place on, or none. */
struct bad_image {
	const uint8_t *data;
	uint64_t bad_at;
	int code; /* 0: other bytes */
	size_t largest;
};

static int bad_read(void *userdata, uint64_t at, void *data, size_t size)
{
	struct bad_image *image = userdata;
	bool bad = at + size > image->bad_at;

	image->largest = MAX(image->largest, size);
	if (bad && image->code < 0)
		return image->code;
	memcpy(data, image->data + at, size);
	if (bad)
		((uint8_t *)data)[image->bad_at > at ? image->bad_at - at : 0] ^= 1;
	return 0;
}

static void only_what_has_the_digest_becomes_an_entry(void **state)
{
	static const struct block_ops ops = {.read = bad_read};
	enum { SIZE = MiB(3) + 77 };
	static const uint64_t places[] = {0, 300000, SIZE - 1};
	_cleanup_free_ uint8_t *data = malloc(SIZE);
	_cleanup_fat_disk_ struct fat_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_(boot_entry_release) struct boot_entry entry = {};
	_cleanup_error_ struct error *err = NULL;
	struct bad_image image = {.data = data};
	const struct block_io io = {.ops = &ops, .userdata = &image, .size = SIZE};
	uint8_t digest[SHA256_SIZE];
	uint64_t free_bytes;

	(void)state;
	assert_non_null(data);
	fat_disk_fill("image", data, SIZE);
	assert_int_equal(sha256_bytes(data, SIZE, digest), 0);
	make(&disk);
	volume = fat_disk_open(&disk);
	free_bytes = fat_volume_free_bytes(volume);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(places); i++) {
		image.bad_at = places[i / 2];
		image.code = i % 2 == 0 ? 0 : -EIO;
		assert_error(boot_entry_add(volume, "7", &io, digest, TIME, &err),
			image.code < 0 ? image.code : -EBADMSG, err,
			image.code < 0 ? "orlop_7+0.efi: reading the kernel image at byte"
				       : "orlop_7+0.efi: the kernel image is not what it was");
		assert_entries(volume, "");
		assert_int_equal(fat_volume_free_bytes(volume), free_bytes);
		assert_false(fat_disk_fsck(&disk, NULL));
	}
	image.bad_at = UINT64_MAX;
	assert_ok(boot_entry_add(volume, "7", &io, digest, TIME, &err), err);
	assert_in_range(image.largest, 1, FAT_PIECE_MAX);
	entry = entry_of(volume, "7");
	assert_true(is(volume, &entry, data, SIZE));
}

static void what_can_not_be_is_refused(void **state)
{
	_cleanup_fat_disk_ struct fat_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_(boot_entry_release) struct boot_entry entry = {};
	_cleanup_(boot_entries_release) struct boot_entries entries = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	fat_disk_mkfs(&disk, "esp-volume", MiB(40), "512", "1");
	volume = fat_disk_open(&disk);
	assert_error(boot_entries_read(volume, &entries, &err), -ENOENT, err, "no folder 'EFI'");
	fat_disk_release(&disk);
	volume = fat_volume_free(volume);
	make(&disk);
	volume = fat_disk_open(&disk);
	assert_error(add_bytes(volume, "1+2", "x", 1, &err), -EINVAL, err, "\"1+2\" can't be");
	add(volume, "1", STAGED);
	assert_error(add_bytes(volume, "1", "x", 1, &err), -EEXIST, err, "orlop_1+0.efi: ");
	entry = entry_of(volume, "1");
	assert_error(boot_entry_retry(volume, &entry, 0, &err), -EINVAL, err, "0 tries");
	assert_error(boot_entry_retry(volume, &entry, 100, &err), -EINVAL, err, "100 tries");
	assert_ok(boot_entry_bless(volume, &entry, &err), err);
	add(volume, "1", STAGED);
	assert_error(boot_entry_bless(volume, &entry, &err), -EEXIST, err, "'orlop_1.efi'");
	assert_entries(volume, "orlop_1.efi orlop_1+0.efi");
	for (unsigned i = 0; i < BOOT_ENTRIES_MAX - 1; i++) {
		_cleanup_free_ char *version = string_format("2.%u", i);

		add(volume, version, STAGED);
	}
	assert_error(boot_entries_read(volume, &entries, &err), -E2BIG, err, "boot entries in EFI/Linux");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_taken_apart),
		cmocka_unit_test(other_names_are_not_ours),
		cmocka_unit_test(order_is_that_of_the_boot_loader),
		cmocka_unit_test(versions_are_ordered_as_by_systemd),
		cmocka_unit_test(bootctl_lists_entries_in_this_order),
		cmocka_unit_test(a_release_on_trial_comes_first_and_falls_back),
		cmocka_unit_test(changes_are_made_whole),
		cmocka_unit_test(only_what_has_the_digest_becomes_an_entry),
		cmocka_unit_test(what_can_not_be_is_refused),
	};

	return cmocka_run_group_tests(tests, tool_setup, tool_cleanup);
}
