/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool.h"

#include <errno.h>
#include <jansson.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/crc32.h"
#include "base/string-util.h"
#include "format/gpt.h"

static struct uuid uuid(const char *text)
{
	struct uuid uuid = {};

	assert_int_equal(uuid_parse(text, &uuid), 0);
	return uuid;
}

static void put(struct gpt *gpt, const char *type, const char *label, uint64_t offset, uint64_t size,
	uint64_t attributes)
{
	struct gpt_partition partition = {.offset = offset, .size = size, .attributes = attributes};
	_cleanup_error_ struct error *err = NULL;

	partition.type = gpt_type_lookup(type, "amd64")->id;
	memset(partition.id.bytes, 0x11, UUID_SIZE);
	partition.id.bytes[0] = (uint8_t)(offset / MiB(1));
	(void)snprintf(partition.label, sizeof(partition.label), "%s", label);
	assert_ok(gpt_put(gpt, &partition, &err), err);
}

/* A table with one of each kind of label and attribute, on a new file. */
static int small_disk(const char *path, uint64_t size, uint32_t sector_size, struct gpt *ret)
{
	const struct uuid disk = uuid("01234567-89ab-8def-8123-456789abcdef");
	_cleanup_error_ struct error *err = NULL;
	int fd = tool_file(path, size);

	assert_ok(gpt_init(ret, size, sector_size, &disk, &err), err);
	put(ret, "esp", "esp", MiB(1), MiB(1), 0);
	put(ret, "usr", "orlop_202611.23.0", MiB(2), MiB(1), GPT_READ_ONLY | GPT_GROW_FILE_SYSTEM);
	put(ret, "usr-verity", "caf\xc3\xa9 \xf0\xa3\x8e\xb4", MiB(4), MiB(1), GPT_READ_ONLY | GPT_NO_AUTO);
	assert_ok(gpt_write(fd, ret, &err), err);
	return fd;
}

static void assert_same(const struct gpt *a, const struct gpt *b)
{
	struct gpt_partition p = {}, q = {};

	assert_memory_equal(&a->disk, &b->disk, UUID_SIZE);
	assert_int_equal(a->first_usable, b->first_usable);
	assert_int_equal(a->last_usable, b->last_usable);
	while (gpt_next(a, &p)) {
		assert_true(gpt_next(b, &q));
		assert_memory_equal(&p, &q, offsetof(struct gpt_partition, label));
		assert_string_equal(p.label, q.label);
	}
	assert_false(gpt_next(b, &q));
}

static void assert_judges_agree(const char *path)
{
	assert_tool_says("No errors detected.", "sfdisk", "--verify", path);
	assert_tool_says("No problems found.", "sgdisk", "-v", path);
}

/* What util-linux calls them. */
static void types_are_those_that_sfdisk_lists(void **state)
{
	static const struct {
		const char *name, *title;
	} titles[] = {{"esp", "EFI System"}, {"xbootldr", "Linux extended boot"}, {"usr", "Linux /usr"},
		{"usr-verity", "Linux /usr verity"}, {"usr-verity-sig", "Linux /usr verity sign."},
		{"root", "Linux root"}, {"root-verity", "Linux root verity"},
		{"root-verity-sig", "Linux root verity sign."}, {"var", "Linux variable data"},
		{"swap", "Linux swap"}, {"linux-generic", "Linux filesystem"}};
	_cleanup_free_ char *list = tool_run("sfdisk", "--label", "gpt", "--list-types");
	size_t seen = 0;

	(void)state;
	for (const struct gpt_type *type = gpt_types; type->name; type++) {
		char id[UUID_TEXT_SIZE], line[256];

		for (char *c = uuid_format(&type->id, id); *c; c++)
			*c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
		for (size_t i = 0; i < ARRAY_SIZE(titles); i++) {
			if (!streq(titles[i].name, type->name))
				continue;
			(void)snprintf(line, sizeof(line), "%s  %s%s\n", id, titles[i].title,
				!type->architecture		     ? ""
				: streq(type->architecture, "amd64") ? " (x86-64)"
								     : " (ARM-64)");
			if (!strstr(list, line))
				fail_msg("sfdisk does not list: %s", line);
			seen++;
		}
		assert_ptr_equal(gpt_type_find(&type->id), type);
		assert_ptr_equal(gpt_type_lookup(type->name, type->architecture), type);
	}
	assert_int_equal(seen, 17);
	assert_null(gpt_type_lookup("usr", NULL));
	assert_null(gpt_type_lookup("usr", "riscv64"));
	assert_non_null(gpt_type_lookup("esp", "arm64"));
	assert_null(gpt_type_find(&(const struct uuid){}));
}

static const char *text_of(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* Compares what sfdisk reads with a table of ours. */
static void assert_sfdisk_reads(const char *path, const struct gpt *gpt)
{
	_cleanup_free_ char *output = tool_run("sfdisk", "--json", path);
	json_t *root = json_loads(output, 0, NULL), *table = json_object_get(root, "partitiontable"), *item;
	struct gpt_partition partition = {};
	char id[UUID_TEXT_SIZE];
	size_t i;

	assert_non_null(table);
	assert_int_equal(strcasecmp(text_of(table, "id"), uuid_format(&gpt->disk, id)), 0);
	assert_int_equal(json_integer_value(json_object_get(table, "firstlba")), gpt->first_usable);
	assert_int_equal(json_integer_value(json_object_get(table, "lastlba")), gpt->last_usable);
	json_array_foreach(json_object_get(table, "partitions"), i, item)
	{
		assert_true(gpt_next(gpt, &partition));
		assert_int_equal(strcasecmp(text_of(item, "type"), uuid_format(&partition.type, id)), 0);
		assert_int_equal(strcasecmp(text_of(item, "uuid"), uuid_format(&partition.id, id)), 0);
		assert_int_equal(json_integer_value(json_object_get(item, "start")), partition.offset / 512);
		assert_int_equal(json_integer_value(json_object_get(item, "size")), partition.size / 512);
		assert_string_equal(text_of(item, "name"), partition.label);
		assert_int_equal(
			!!(partition.attributes & GPT_READ_ONLY), !!strstr(text_of(item, "attrs"), "60"));
		assert_int_equal(!!(partition.attributes & GPT_GROW_FILE_SYSTEM),
			!!strstr(text_of(item, "attrs"), "59"));
		assert_int_equal(
			!!(partition.attributes & GPT_NO_AUTO), !!strstr(text_of(item, "attrs"), "63"));
	}
	assert_false(gpt_next(gpt, &partition));
	json_decref(root);
}

static void other_tools_read_what_we_write(void **state)
{
	_cleanup_gpt_ struct gpt gpt = {};
	const char *path = tool_path("ours");
	_cleanup_close_ _unused_ int fd = small_disk(path, MiB(8), 512, &gpt);

	(void)state;
	assert_judges_agree(path);
	assert_sfdisk_reads(path, &gpt);
	assert_tool_says("1        16383   primary     0xEE", "sgdisk", "--print-mbr", path);
}

static void fdisk_reads_a_table_with_sectors_of_4096_bytes(void **state)
{
	_cleanup_gpt_ struct gpt gpt = {}, back = {};
	_cleanup_error_ struct error *err = NULL;
	const char *path = tool_path("ours-4k");
	_cleanup_close_ int fd = small_disk(path, MiB(8), 4096, &gpt);
	const char *const check[] = {"fdisk", "-b", "4096", path, NULL};
	_cleanup_free_ char *said = tool_input(check, "v\nq\n"), *list = NULL;

	(void)state;
	assert_non_null(strstr(said, "No errors detected."));
	list = tool_run("fdisk", "-b", "4096", "-l", "-o", "Start,End,Type,Name", path);
	assert_non_null(strstr(list, "  256   511 EFI System  "));
	assert_non_null(strstr(list, "  512   767 Linux /usr (x86-64)  "));
	assert_non_null(strstr(list, " orlop_202611.23.0\n"));
	assert_ok(gpt_read(fd, MiB(8), 0, &back, &err), err);
	assert_int_equal(back.sector_size, 4096);
	assert_same(&gpt, &back);
}

static void we_read_what_fdisk_writes_with_4096_bytes(void **state)
{
	_cleanup_gpt_ struct gpt gpt = {};
	_cleanup_error_ struct error *err = NULL;
	struct gpt_partition partition;
	const char *path = tool_path("fdisk-4k");
	_cleanup_close_ int fd = tool_file(path, MiB(16));
	const char *const make[] = {"fdisk", "-b", "4096", path, NULL};

	(void)state;
	tool_quiet(make, "g\nn\n1\n\n+2M\nn\n5\n\n\nw\n");
	assert_ok(gpt_read(fd, MiB(16), 0, &gpt, &err), err);
	assert_int_equal(gpt.sector_size, 4096);
	assert_false(gpt.backup_damaged || gpt.backup_differs || gpt.primary_damaged);
	assert_int_equal(gpt_get(&gpt, 1, &partition), 0);
	assert_int_equal(partition.offset, MiB(1));
	assert_int_equal(partition.size, MiB(2));
	assert_int_equal(gpt_get(&gpt, 5, &partition), 0);
	assert_int_equal(partition.offset, MiB(3));
	assert_int_equal(gpt_get(&gpt, 2, &partition), -ENOENT);
	assert_int_equal(gpt_get(&gpt, 0, &partition), -ENOENT);
	assert_int_equal(gpt_get(&gpt, 129, &partition), -ENOENT);
}

static void we_read_what_sfdisk_writes(void **state)
{
	static const char script[] =
		"label: gpt\nlabel-id: 0F4868E9-9952-4706-979F-3ED3A473E947\nunit: sectors\n"
		"3 : start=8192, size=2048, type=BC13C2FF-59E6-4262-A352-B275FD6F7172, "
		"uuid=AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE, name=\"sp\xc3\xa4ter\", attrs=\"GUID:60,63\"\n"
		"1 : start=2048, size=1, type=L, name=\"first\", attrs=\"RequiredPartition\"\n";
	const struct uuid third = uuid("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee");
	const char *path = tool_path("sfdisk");
	const char *const make[] = {"sfdisk", path, NULL};
	_cleanup_close_ int fd = tool_file(path, MiB(8));
	_cleanup_error_ struct error *err = NULL;
	_cleanup_gpt_ struct gpt gpt = {};
	struct gpt_partition partition = {};
	char text[UUID_TEXT_SIZE];

	(void)state;
	tool_quiet(make, script);
	assert_ok(gpt_read(fd, MiB(8), 0, &gpt, &err), err);
	assert_string_equal(uuid_format(&gpt.disk, text), "0f4868e9-9952-4706-979f-3ed3a473e947");
	assert_true(gpt.protective_mbr);
	assert_true(gpt_next(&gpt, &partition));
	assert_int_equal(partition.number, 1);
	assert_int_equal(partition.size, 512);
	assert_int_equal(partition.attributes, GPT_REQUIRED);
	assert_string_equal(gpt_type_find(&partition.type)->name, "linux-generic");
	assert_true(gpt_next(&gpt, &partition));
	assert_int_equal(partition.number, 3);
	assert_int_equal(partition.attributes, GPT_READ_ONLY | GPT_NO_AUTO);
	assert_string_equal(partition.label, "sp\xc3\xa4ter");
	assert_int_equal(gpt_find(&gpt, NULL, &third, &partition), 0);
	assert_int_equal(partition.offset, MiB(4));
	assert_int_equal(gpt_find(&gpt, &gpt_type_lookup("esp", NULL)->id, NULL, &partition), -ENOENT);
	assert_sfdisk_reads(path, &gpt);
}

/* sgdisk with a table of 200 entries, and entries whose unknown bits must survive our writing. */
static void we_read_and_keep_what_sgdisk_writes(void **state)
{
	const char *path = tool_path("sgdisk");
	_cleanup_close_ int fd = tool_file(path, MiB(8));
	_cleanup_error_ struct error *err = NULL;
	_cleanup_gpt_ struct gpt gpt = {};
	struct gpt_partition partition;

	(void)state;
	tool_do("sgdisk", "--resize-table=200", "-n", "150:4096:8191", "-c", "150:far", "-A", "150:set:48",
		"-A", "150:set:60", "-n", "2:2048:4095", "-t", "2:ef00", path);
	assert_ok(gpt_read(fd, MiB(8), 0, &gpt, &err), err);
	assert_int_equal(gpt.entry_count, 200);
	assert_int_equal(gpt_get(&gpt, 150, &partition), 0);
	assert_int_equal(partition.attributes, GPT_READ_ONLY | UINT64_C(1) << 48);
	put(&gpt, "var", "state", MiB(5), MiB(1), 0);
	assert_int_equal(gpt_get(&gpt, 1, &partition), 0);
	assert_string_equal(partition.label, "state");
	assert_ok(gpt_write(fd, &gpt, &err), err);
	assert_judges_agree(path);
	assert_sfdisk_reads(path, &gpt);
}

static void flip(int fd, uint64_t offset)
{
	uint8_t byte;

	assert_int_equal(pread_full(fd, &byte, 1, offset), 0);
	byte ^= 0x20;
	assert_int_equal(pwrite_full(fd, &byte, 1, offset), 0);
}

static void either_copy_is_enough_and_both_broken_is_an_error(void **state)
{
	static const uint64_t parts[] = {
		0, 8, 12, 16, 24, 40, 48, 56, 72, 80, 84, 88, 91, 512, 512 + 128 + 60, 512 + 128 * 127};
	_cleanup_gpt_ struct gpt gpt = {};
	_cleanup_close_ int fd = small_disk(tool_path("broken"), MiB(8), 512, &gpt);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		uint64_t primary = 512 + parts[i];
		uint64_t backup =
			parts[i] < 512 ? MiB(8) - 512 + parts[i] : MiB(8) - 33 * 512 + parts[i] - 512;
		_cleanup_gpt_ struct gpt a = {}, b = {}, c = {};
		_cleanup_error_ struct error *err = NULL;

		flip(fd, primary);
		assert_ok(gpt_read(fd, MiB(8), 0, &a, &err), err);
		assert_true(a.primary_damaged);
		assert_same(&gpt, &a);
		flip(fd, backup);
		assert_int_equal(gpt_read(fd, MiB(8), 0, &c, &err), parts[i] == 0 ? -ENODATA : -EBADMSG);
		err = error_free(err);
		flip(fd, primary);
		assert_ok(gpt_read(fd, MiB(8), 0, &b, &err), err);
		assert_false(b.primary_damaged);
		assert_true(b.backup_damaged);
		assert_same(&gpt, &b);
		flip(fd, backup);
	}
}

static void damaged_primary_is_mended_by_writing(void **state)
{
	const char *path = tool_path("mend");
	_cleanup_gpt_ struct gpt gpt = {}, back = {}, mended = {};
	_cleanup_close_ int fd = small_disk(path, MiB(8), 512, &gpt);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	flip(fd, 512 + 60);
	flip(fd, 510);
	assert_ok(gpt_read(fd, MiB(8), 0, &back, &err), err);
	assert_false(back.protective_mbr);
	assert_ok(gpt_write(fd, &back, &err), err);
	assert_ok(gpt_read(fd, MiB(8), 0, &mended, &err), err);
	assert_false(mended.primary_damaged || mended.backup_damaged || mended.backup_differs);
	assert_true(mended.protective_mbr);
	assert_judges_agree(path);
}

static void a_disk_without_a_table_and_a_cut_off_one_are_told_apart(void **state)
{
	const char *path = tool_path("cut");
	_cleanup_gpt_ struct gpt gpt = {}, back = {};
	_cleanup_close_ int empty = tool_file(tool_path("empty"), MiB(1));
	_cleanup_close_ int fd = small_disk(path, MiB(8), 512, &gpt);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_error(gpt_read(empty, MiB(1), 0, &back, &err), -ENODATA, err, "no GUID partition table");
	assert_error(gpt_read(empty, 600, 0, &back, &err), -ENODATA, err, "too small");
	assert_error(gpt_read(empty, MiB(1), 1024, &back, &err), -EINVAL, err, "1024");
	assert_int_equal(ftruncate(fd, (off_t)MiB(7)), 0);
	assert_error(gpt_read(fd, MiB(7), 0, &back, &err), -EBADMSG, err, "is it cut off?");
}

/* Writes a number into the primary's header, or an entry, with checksums that are right. */
static void forge(int fd, const struct gpt *gpt, uint64_t at, uint64_t value, size_t size)
{
	_cleanup_free_ uint8_t *entries = malloc(128 * 128);
	uint8_t header[512], bytes[8];

	assert_non_null(entries);
	write_le64(bytes, value);
	assert_int_equal(pread_full(fd, header, 512, 512), 0);
	memcpy(entries, gpt->entries, 128 * 128);
	memcpy(at < 512 ? header + at : entries + (at - 512), bytes, size);
	write_le32(header + 88, crc32_update(0, entries, 128 * 128));
	write_le32(header + 16, 0);
	write_le32(header + 16, crc32_update(0, header, 92));
	assert_int_equal(pwrite_full(fd, header, 512, 512), 0);
	assert_int_equal(pwrite_full(fd, entries, 128 * 128, 1024), 0);
}

static void hostile_tables_with_right_checksums_are_refused(void **state)
{
	static const struct {
		uint64_t at, value;
		size_t size;
		const char *says;
	} cases[] = {
		{24, 2, 8, "belongs at sector 2"},
		{40, 33, 8, "usable sectors 33"},
		{40, 16352, 8, "usable sectors 16352"},
		{48, 16351, 8, "is it cut off"},
		{48, UINT64_MAX, 8, "is it cut off"},
		{72, 1, 8, "can't be at sector 1"},
		{72, 3, 8, "can't be at sector 3"},
		{72, UINT64_MAX, 8, "can't be at sector"},
		{80, 0, 4, "0 entries"},
		{80, 0x02000000, 4, "33554432 entries"},
		{80, 1025, 4, "1025 entries"},
		{84, 0, 4, "of 0 bytes"},
		{84, 64, 4, "of 64 bytes"},
		{84, 136, 4, "of 136 bytes"},
		{84, 0x80000000, 4, "of 2147483648 bytes"},
		{512 + 32, 33, 8, "partition 1 (sectors 33"},
		{512 + 32, 4096, 8, "partition 1 (sectors 4096 to 4095)"},
		{512 + 40, UINT64_MAX, 8, "partition 1 (sectors 2048 to 18446744073709551615)"},
		{512 + 40, 4096, 8, "partitions 1 and 2 overlap"},
	};
	_cleanup_gpt_ struct gpt gpt = {};
	_cleanup_close_ int fd = small_disk(tool_path("hostile"), MiB(8), 512, &gpt);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_gpt_ struct gpt back = {};
		_cleanup_error_ struct error *err = NULL;
		struct gpt rewritten = gpt;

		assert_ok(gpt_write(fd, &rewritten, &err), err);
		flip(fd, MiB(8) - 512);
		forge(fd, &gpt, cases[i].at, cases[i].value, cases[i].size);
		assert_error(gpt_read(fd, MiB(8), 512, &back, &err), -EBADMSG, err, cases[i].says);
	}
}

static void put_refuses_what_can_not_stand_in_a_table(void **state)
{
	_cleanup_gpt_ struct gpt gpt = {};
	_cleanup_close_ _unused_ int fd = small_disk(tool_path("put"), MiB(8), 512, &gpt);
	const struct gpt_partition good = {.type = gpt_type_lookup("var", NULL)->id,
		.id = uuid("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"),
		.offset = MiB(6),
		.size = MiB(1)};
	_cleanup_error_ struct error *err = NULL;
	struct gpt_partition p;

	(void)state;
	p = good, p.offset = MiB(7);
	assert_error(gpt_put(&gpt, &p, &err), -ENOSPC, err, "usable space");
	p = good, p.offset = 17 * 1024 - 512;
	assert_error(gpt_put(&gpt, &p, &err), -ENOSPC, err, "usable space");
	p = good, p.offset = MiB(5) - 512;
	assert_error(gpt_put(&gpt, &p, &err), -ENOSPC, err, "overlap partition 3");
	p = good, p.size = 0;
	assert_error(gpt_put(&gpt, &p, &err), -EINVAL, err, "whole sectors");
	p = good, p.size = 1000;
	assert_error(gpt_put(&gpt, &p, &err), -EINVAL, err, "whole sectors");
	p = good, p.size = UINT64_MAX - 511;
	assert_error(gpt_put(&gpt, &p, &err), -EINVAL, err, "whole sectors");
	p = good, p.id = (struct uuid){};
	assert_error(gpt_put(&gpt, &p, &err), -EINVAL, err, "zero");
	p = good, memset(p.id.bytes, 0x11, UUID_SIZE), p.id.bytes[0] = 2;
	assert_error(gpt_put(&gpt, &p, &err), -EEXIST, err, "partition 2");
	p = good, memset(p.label, 'x', 37);
	assert_error(gpt_put(&gpt, &p, &err), -EINVAL, err, "36");
	p = good, p.number = 129;
	assert_error(gpt_put(&gpt, &p, &err), -EINVAL, err, "129");
	p = good;
	assert_ok(gpt_put(&gpt, &p, &err), err);
	assert_int_equal(p.number, 4);
	p.size = gpt_room(&gpt, &p);
	assert_int_equal(p.size, MiB(1));
	assert_ok(gpt_put(&gpt, &p, &err), err);
}

static void a_full_table_takes_no_more(void **state)
{
	_cleanup_gpt_ struct gpt gpt = {};
	struct gpt_partition p = {.type = gpt_type_lookup("var", NULL)->id, .size = 512};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(gpt_init(&gpt, MiB(1), 512, &(const struct uuid){{1}}, &err), err);
	for (unsigned i = 1; i <= GPT_ENTRIES; i++) {
		p.number = 0;
		p.id.bytes[3] = (uint8_t)i;
		p.offset = (100 + i) * 512;
		assert_ok(gpt_put(&gpt, &p, &err), err);
		assert_int_equal(p.number, i);
	}
	p.number = 0;
	p.id.bytes[4] = 1;
	p.offset += 512;
	assert_error(gpt_put(&gpt, &p, &err), -ENOSPC, err, "all 128 entries");
	assert_error(gpt_init(&gpt, 67 * 512, 512, &p.id, &err), -ENOSPC, err, "no room");
}

/* What orlop-init does at the first boot on a disk that is larger than the image. */
static void a_grown_disk_gets_a_partition_behind(void **state)
{
	const char *path = tool_path("grown");
	_cleanup_gpt_ struct gpt old = {}, gpt = {}, back = {};
	_cleanup_close_ int fd = small_disk(path, MiB(8), 512, &old);
	_cleanup_error_ struct error *err = NULL;
	uint64_t offset, size;

	(void)state;
	assert_int_equal(gpt_end_gap(&old, MiB(3), &offset, &size), -ENOSPC);
	assert_int_equal(gpt_end_gap(&old, MiB(2), &offset, &size), 0);
	assert_int_equal(ftruncate(fd, (off_t)(MiB(24) + 3 * 512)), 0);
	assert_ok(gpt_read(fd, MiB(24) + 3 * 512, 512, &gpt, &err), err);
	assert_true(gpt.backup_damaged);
	assert_ok(gpt_resize(&gpt, MiB(24) + 3 * 512, &err), err);
	assert_int_equal(gpt_end_gap(&gpt, MiB(4), &offset, &size), 0);
	assert_int_equal(offset, MiB(5));
	assert_int_equal(size, MiB(18));
	put(&gpt, "var", "state", offset, size, GPT_GROW_FILE_SYSTEM);
	assert_ok(gpt_write(fd, &gpt, &err), err);
	assert_judges_agree(path);
	assert_sfdisk_reads(path, &gpt);
	assert_ok(gpt_read(fd, MiB(24) + 3 * 512, 512, &back, &err), err);
	assert_false(back.backup_damaged || back.backup_differs || !back.protective_mbr);
	assert_same(&gpt, &back);
	assert_error(gpt_resize(&back, MiB(22), &err), -ENOSPC, err, "'state'");
	assert_ok(gpt_resize(&back, MiB(23) + MiB(1) / 2, &err), err);
}

/* A write as recorded: sectors, and the number of flushes before it. */
struct step {
	uint64_t offset;
	uint8_t *data;
	size_t size;
	unsigned epoch;
};

struct record {
	struct step steps[16];
	size_t count;
	unsigned epochs;
};

static int record_step(uint64_t offset, const void *data, size_t size, void *userdata)
{
	struct record *record = userdata;
	struct step *step = &record->steps[record->count];

	if (!data) {
		record->epochs++;
		return 0;
	}
	assert_in_range(record->count, 0, ARRAY_SIZE(record->steps) - 1);
	*step = (struct step){.offset = offset, .data = malloc(size), .size = size, .epoch = record->epochs};
	assert_non_null(step->data);
	memcpy(step->data, data, size);
	record->count++;
	return 0;
}

static void record_release(struct record *record)
{
	for (size_t i = 0; i < record->count; i++)
		free(record->steps[i].data);
}

/* Whether a sector survives a crash in *epoch*: all of earlier ones do, and of its own what *chance* says. */
static bool survives(const struct step *step, unsigned epoch, uint64_t *chance)
{
	if (step->epoch != epoch)
		return step->epoch < epoch;
	*chance = *chance * 6364136223846793005u + 1442695040888963407u;
	return *chance >> 63;
}

/* The disk as a crash in *epoch* leaves it, with any of that epoch's sectors written or not. */
static void replay(int fd, const struct record *record, unsigned epoch, uint64_t chance)
{
	for (size_t i = 0; i < record->count; i++)
		for (size_t done = 0; done < record->steps[i].size; done += 512)
			if (survives(&record->steps[i], epoch, &chance))
				assert_int_equal(pwrite_full(fd, record->steps[i].data + done, 512,
							 record->steps[i].offset + done),
					0);
}

static bool is_same(const struct gpt *a, const struct gpt *b)
{
	return memcmp(a->entries, b->entries, 128 * 128) == 0 && a->last_usable == b->last_usable;
}

/* Each crash leaves the old table or the new one, for us and for sfdisk. */
static void check_crashes(const char *path, int fd, const char *before, const struct gpt *old,
	const struct gpt *new, uint64_t disk_size)
{
	__attribute__((cleanup(record_release))) struct record record = {};
	uint8_t mbr[GPT_MBR_SIZE];
	size_t olds = 0, news = 0;

	memcpy(mbr, before, sizeof(mbr));
	assert_int_equal(gpt_write_steps(new, mbr, record_step, &record), 0);
	assert_int_equal(record.epochs, record.count == 5 ? 3 : 2);
	for (unsigned epoch = 0; epoch <= record.epochs; epoch++) {
		for (uint64_t chance = 1; chance <= 60; chance++) {
			_cleanup_error_ struct error *err = NULL;
			_cleanup_gpt_ struct gpt gpt = {};

			assert_int_equal(pwrite_full(fd, before, disk_size, 0), 0);
			replay(fd, &record, epoch, chance);
			assert_ok(gpt_read(fd, disk_size, 512, &gpt, &err), err);
			if (is_same(&gpt, old))
				olds++;
			else if (is_same(&gpt, new))
				news++;
			else
				fail_msg("a crash in epoch %u leaves neither table", epoch);
			if (chance <= 2)
				assert_sfdisk_reads(path, &gpt);
			if (epoch == record.epochs)
				assert_true(is_same(&gpt, new));
		}
	}
	assert_true(olds > 0 && news > 0);
}

static void crash_while_a_table_is_written_leaves_a_whole_one(void **state)
{
	const uint64_t size = MiB(12);
	const char *path = tool_path("crash");
	_cleanup_gpt_ struct gpt old = {}, gpt = {}, damaged = {};
	_cleanup_close_ int fd = small_disk(path, MiB(8), 512, &old);
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *before = calloc(1, size);

	(void)state;
	assert_non_null(before);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(pread_full(fd, before, size, 0), 0);
	assert_ok(gpt_read(fd, size, 512, &gpt, &err), err);
	assert_ok(gpt_resize(&gpt, size, &err), err);
	put(&gpt, "var", "state", MiB(5), MiB(6), 0);
	check_crashes(path, fd, before, &old, &gpt, size);

	/* Now the new one is on disk; break its primary, change it, and crash while that is written. */
	assert_ok(gpt_write(fd, &gpt, &err), err);
	flip(fd, 512 + 60);
	assert_int_equal(pread_full(fd, before, size, 0), 0);
	assert_ok(gpt_read(fd, size, 512, &damaged, &err), err);
	assert_true(damaged.primary_damaged);
	put(&damaged, "swap", "swap", MiB(3), MiB(1), 0);
	check_crashes(path, fd, before, &gpt, &damaged, size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_are_those_that_sfdisk_lists),
		cmocka_unit_test(other_tools_read_what_we_write),
		cmocka_unit_test(fdisk_reads_a_table_with_sectors_of_4096_bytes),
		cmocka_unit_test(we_read_what_fdisk_writes_with_4096_bytes),
		cmocka_unit_test(we_read_what_sfdisk_writes),
		cmocka_unit_test(we_read_and_keep_what_sgdisk_writes),
		cmocka_unit_test(either_copy_is_enough_and_both_broken_is_an_error),
		cmocka_unit_test(damaged_primary_is_mended_by_writing),
		cmocka_unit_test(a_disk_without_a_table_and_a_cut_off_one_are_told_apart),
		cmocka_unit_test(hostile_tables_with_right_checksums_are_refused),
		cmocka_unit_test(put_refuses_what_can_not_stand_in_a_table),
		cmocka_unit_test(a_full_table_takes_no_more),
		cmocka_unit_test(a_grown_disk_gets_a_partition_behind),
		cmocka_unit_test(crash_while_a_table_is_written_leaves_a_whole_one),
	};

	return cmocka_run_group_tests(tests, tool_setup, tool_cleanup);
}
