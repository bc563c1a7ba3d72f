/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/string-util.h"
#include "format/disk-format.h"
#include "format/uuid.h"

#define CLUSTER KiB(64)
#define JUDGE "qemu-img"

/* What qemu-img calls them. */
static const char *const judges[DISK_FORMATS] = {
	[DISK_FORMAT_QCOW2] = "qcow2", [DISK_FORMAT_VHD] = "vpc", [DISK_FORMAT_VHDX] = "vhdx"};

static struct disk_source source_of(int fd, uint64_t size)
{
	/* 2026-11-23 */
	return (struct disk_source){.fd = fd, .size = size, .digest = {1, 2, 3}, .time = 1795392000};
}

static void write_byte(int fd, uint64_t offset, uint8_t byte)
{
	assert_int_equal(pwrite_full(fd, &byte, 1, offset), 0);
}

/*
 * A disk of 600 MiB, more than one table of addresses in a qcow2 covers. Single bytes at the edges of blocks
 * and of tables, and a MiB at an odd place.
 */
#define DISK_SIZE MiB(600)
static int make_disk(const char *path)
{
	static const uint64_t bytes[] = {
		0, 4095, KiB(128) - 1, MiB(300), MiB(512) - 1, MiB(512), DISK_SIZE - 1};
	_cleanup_free_ uint8_t *run = malloc(MiB(1));
	int fd = tool_file(path, DISK_SIZE);

	assert_non_null(run);
	memset(run, 0xa5, MiB(1));
	assert_int_equal(pwrite_full(fd, run, MiB(1), MiB(40) + 12345), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bytes); i++)
		write_byte(fd, bytes[i], (uint8_t)(i + 1));
	return fd;
}

static int write_format(unsigned format, const struct disk_source *source, const char *path)
{
	_cleanup_error_ struct error *err = NULL;
	int fd = tool_file(path, 0);

	assert_ok(disk_format_write(format, source, fd, &err), err);
	return fd;
}

static uint64_t size_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_size;
}

static void assert_same_disk(unsigned format, const char *raw, const char *path, uint64_t size)
{
	char text[64];

	tool_do(JUDGE, "compare", "-f", "raw", "-F", judges[format], raw, path);
	(void)snprintf(text, sizeof(text), "\"virtual-size\": %ju,", (uintmax_t)size);
	assert_tool_says(text, JUDGE, "info", "-f", judges[format], "--output=json", path);
	if (format != DISK_FORMAT_VHD) /* of which it can check nothing */
		assert_tool_says("No errors were found", JUDGE, "check", "-f", judges[format], path);
}

static void each_reads_as_the_same_disk_and_takes_no_space_for_zeros(void **state)
{
	_cleanup_close_ int raw = make_disk(tool_path("disk.raw"));
	struct disk_source source = source_of(raw, DISK_SIZE);

	(void)state;
	for (unsigned format = 0; format < DISK_FORMATS; format++) {
		_cleanup_close_ int fd = write_format(format, &source, tool_path("disk"));
		struct stat st;

		assert_same_disk(format, tool_path("disk.raw"), tool_path("disk"), DISK_SIZE);
		assert_int_equal(fstat(fd, &st), 0);
		assert_in_range(st.st_blocks * 512, 1, MiB(3));
	}
}

static void a_disk_of_nothing_and_one_that_is_full_are_the_same_disk_too(void **state)
{
	_cleanup_free_ uint8_t *run = malloc(MiB(3));

	(void)state;
	assert_non_null(run);
	memset(run, 'x', MiB(3));
	for (unsigned format = 0; format < 2 * DISK_FORMATS; format++) {
		_cleanup_close_ int raw = tool_file(tool_path("disk.raw"), MiB(3)), fd = -1;
		struct disk_source source = source_of(raw, MiB(3));

		if (format >= DISK_FORMATS)
			assert_int_equal(pwrite_full(raw, run, MiB(3), 0), 0);
		fd = write_format(format % DISK_FORMATS, &source, tool_path("disk"));
		assert_same_disk(format % DISK_FORMATS, tool_path("disk.raw"), tool_path("disk"), MiB(3));
	}
}

static void a_disk_ends_within_a_block(void **state)
{
	static const unsigned any_size[] = {DISK_FORMAT_QCOW2, DISK_FORMAT_VHDX};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(any_size); i++) {
		_cleanup_close_ int raw = tool_file(tool_path("disk.raw"), MiB(2) + 512), fd = -1;
		struct disk_source source = source_of(raw, MiB(2) + 512);

		write_byte(raw, MiB(2) + 511, 7);
		fd = write_format(any_size[i], &source, tool_path("disk"));
		assert_same_disk(any_size[i], tool_path("disk.raw"), tool_path("disk"), MiB(2) + 512);
	}
}

static void equal_disks_give_equal_files_wherever_their_holes_are(void **state)
{
	_cleanup_close_ int sparse = tool_file(tool_path("sparse.raw"), MiB(8)), full = -1;
	struct disk_source source = source_of(sparse, MiB(8));

	(void)state;
	write_byte(sparse, KiB(100), 1);
	write_byte(sparse, MiB(3), 2);
	write_byte(sparse, MiB(7), 0);
	tool_do("cp", "--sparse=never", tool_path("sparse.raw"), tool_path("full.raw"));
	full = open(tool_path("full.raw"), O_RDONLY | O_CLOEXEC);
	assert_true(full >= 0);
	for (unsigned format = 0; format < DISK_FORMATS; format++) {
		_cleanup_close_ int a = -1, b = -1, c = -1;

		source.fd = sparse;
		a = write_format(format, &source, tool_path("a"));
		source.fd = full;
		b = write_format(format, &source, tool_path("b"));
		tool_do("cmp", tool_path("a"), tool_path("b"));
		/* What isn't the same disk has other ids, where there are any. */
		source.digest[5] = 1;
		c = write_format(format, &source, tool_path("c"));
		assert_int_equal(size_of(a), size_of(c));
		if (format != DISK_FORMAT_QCOW2)
			tool_do("sh", "-c", "! cmp -s \"$0\" \"$1\"", tool_path("a"), tool_path("c"));
		source.digest[5] = 0;
	}
}

/* ---- qcow2 ---- */

static void a_qcow2_has_the_clusters_that_are_not_zero_and_no_others(void **state)
{
	_cleanup_close_ int raw = make_disk(tool_path("disk.raw")), fd = -1;
	struct disk_source source = source_of(raw, DISK_SIZE);
	uint8_t header[112];

	(void)state;
	fd = write_format(DISK_FORMAT_QCOW2, &source, tool_path("disk.qcow2"));
	assert_int_equal(pread_full(fd, header, sizeof(header), 0), 0);
	assert_memory_equal(header, "QFI\xfb", 4);
	assert_int_equal(read_be32(header + 4), 3);
	assert_int_equal(read_be64(header + 24), DISK_SIZE);
	assert_int_equal(read_be64(header + 72), 0); /* features that a reader has to know */
	/*
	 * The first two clusters, 17 of the run, 300 MiB, both sides of 512 MiB, the last one; the header;
	 * two tables of level 2; one each of level 1, of the refcount table, and of refcounts.
	 */
	assert_int_equal(size_of(fd) / CLUSTER, (2 + 17 + 1 + 2 + 1) + 1 + 2 + 3);
	assert_int_equal(size_of(fd) % CLUSTER, 0);
	assert_tool_says(
		"\"allocated-clusters\": 23,", JUDGE, "check", "--output=json", tool_path("disk.qcow2"));
}

/* A block of refcounts counts 32768 clusters: eight tables and so many of the disk, or one more of these. */
static void refcounts_count_themselves(void **state)
{
	static const uint64_t clusters[] = {32760, 32761};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(clusters); i++) {
		uint64_t size = clusters[i] * CLUSTER;
		/* So many pieces are much work for a file system on a disk. */
		_cleanup_close_ int raw = memfd_create("disk", 0), fd = memfd_create("disk.qcow2", 0);
		struct disk_source source = source_of(raw, size);
		_cleanup_error_ struct error *err = NULL;
		char path[64];

		for (uint64_t at = 0; at < size; at += CLUSTER)
			write_byte(raw, at, 1);
		assert_int_equal(ftruncate(raw, (off_t)size), 0);
		assert_ok(disk_format_write(DISK_FORMAT_QCOW2, &source, fd, &err), err);
		assert_int_equal(size_of(fd) / CLUSTER, clusters[i] + 8 + i);
		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
		assert_tool_says("No errors were found", JUDGE, "check", "-f", "qcow2", path);
	}
}

/* ---- VHD ---- */

static void read_footer(int fd, uint8_t ret[512])
{
	assert_int_equal(pread_full(fd, ret, 512, size_of(fd) - 512), 0);
}

static void the_footer_of_a_vhd_is_that_of_the_specification(void **state)
{
	_cleanup_close_ int raw = tool_file(tool_path("disk.raw"), MiB(155)), fd = -1;
	struct disk_source source = source_of(raw, MiB(155));
	uint32_t sum = 0;
	uint8_t footer[512];

	(void)state;
	fd = write_format(DISK_FORMAT_VHD, &source, tool_path("disk.vhd"));
	assert_int_equal(size_of(fd), MiB(155) + 512);
	read_footer(fd, footer);
	assert_memory_equal(footer, "conectix\0\0\0\2\0\1\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 24);
	assert_int_equal(read_be32(footer + 24), 1795392000 - 946684800);
	assert_memory_equal(footer + 28, "qem2", 4);
	assert_memory_equal(footer + 36, "Wi2k", 4);
	assert_int_equal(read_be64(footer + 40), MiB(155));
	assert_int_equal(read_be64(footer + 48), MiB(155));
	assert_int_equal(read_be32(footer + 60), 2);
	assert_int_equal(footer[68 + 6] >> 4, 8); /* a UUID made of a name */
	for (size_t i = 0; i < sizeof(footer); i++) {
		sum += i >= 64 && i < 68 ? 0 : footer[i];
		assert_true(i < 84 || footer[i] == 0);
	}
	assert_int_equal(read_be32(footer + 64), ~sum);
}

/* QEMU makes a disk larger where no geometry has its size, so these are some that have one. */
static void the_geometry_of_a_vhd_is_the_one_that_qemu_computes(void **state)
{
	static const struct {
		uint64_t size;
		uint16_t cylinders;
		uint8_t heads, track;
	} disks[] = {
		{MiB(17), 512, 4, 17},
		{MiB(155), 640, 16, 31},
		{MiB(504), 1024, 16, 63},
		{MiB(630), 1280, 16, 63},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(disks); i++) {
		_cleanup_close_ int raw = tool_file(tool_path("disk.raw"), disks[i].size), ours = -1,
				    theirs = -1;
		struct disk_source source = source_of(raw, disks[i].size);
		uint8_t a[512], b[512];
		char size[32];

		(void)snprintf(size, sizeof(size), "%ju", (uintmax_t)disks[i].size);
		ours = write_format(DISK_FORMAT_VHD, &source, tool_path("disk.vhd"));
		tool_do(JUDGE, "create", "-f", "vpc", "-o", "subformat=fixed", tool_path("other.vhd"), size);
		theirs = open(tool_path("other.vhd"), O_RDONLY | O_CLOEXEC);
		assert_true(theirs >= 0);
		assert_int_equal(size_of(ours), size_of(theirs));
		read_footer(ours, a);
		read_footer(theirs, b);
		assert_memory_equal(a + 40, b + 40, 20); /* sizes and geometry */
		assert_int_equal(read_be16(a + 56), disks[i].cylinders);
		assert_int_equal(a[58], disks[i].heads);
		assert_int_equal(a[59], disks[i].track);
	}
}

static void a_vhd_without_a_geometry_of_its_size_has_that_size_nevertheless(void **state)
{
	static const struct {
		uint64_t size;
		uint16_t cylinders;
		uint8_t heads, track;
	} disks[] = {
		{MiB(1), 30, 4, 17},
		{MiB(156), 644, 16, 31},
		{GiB(1), 2080, 16, 63},
		{GiB(128), 65535, 16, 255}, /* more sectors than any geometry has */
		{GiB(2040), 65535, 16, 255},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(disks); i++) {
		_cleanup_close_ int raw = tool_file(tool_path("disk.raw"), disks[i].size), fd = -1;
		struct disk_source source = source_of(raw, disks[i].size);
		uint8_t footer[512];
		char text[64];

		fd = write_format(DISK_FORMAT_VHD, &source, tool_path("disk.vhd"));
		read_footer(fd, footer);
		assert_int_equal(read_be16(footer + 56), disks[i].cylinders);
		assert_int_equal(footer[58], disks[i].heads);
		assert_int_equal(footer[59], disks[i].track);
		(void)snprintf(text, sizeof(text), "\"virtual-size\": %ju,", (uintmax_t)disks[i].size);
		assert_tool_says(text, JUDGE, "info", "-f", "vpc", "--output=json", tool_path("disk.vhd"));
	}
}

static void a_vhd_is_told_by_its_footer_alone(void **state)
{
	_cleanup_close_ int raw = tool_file(tool_path("disk.raw"), MiB(1)), fd = -1;
	struct disk_source source = source_of(raw, MiB(1));
	uint8_t footer[512];

	(void)state;
	fd = write_format(DISK_FORMAT_VHD, &source, tool_path("disk.vhd"));
	read_footer(fd, footer);
	assert_int_equal(vhd_disk_size(footer, MiB(1) + 512), MiB(1));
	assert_int_equal(vhd_disk_size(footer, MiB(1) + 1024), MiB(1) + 1024);
	assert_int_equal(vhd_disk_size(footer, 512), 512);
	/* Whichever byte of it is another one. */
	for (size_t i = 0; i < sizeof(footer); i++) {
		footer[i] ^= 1;
		assert_int_equal(vhd_disk_size(footer, MiB(1) + 512), MiB(1) + 512);
		footer[i] ^= 1;
	}
}

/* ---- VHDX ---- */

static uint32_t checksum_of(uint8_t *data, size_t size)
{
	uint32_t was = read_le32(data + 4), is;

	write_le32(data + 4, 0);
	is = ~crc32c(UINT32_MAX, data, size);
	write_le32(data + 4, was);
	return is;
}

static void both_headers_and_region_tables_of_a_vhdx_are_whole(void **state)
{
	_cleanup_close_ int raw = make_disk(tool_path("disk.raw")), fd = -1;
	struct disk_source source = source_of(raw, DISK_SIZE);
	_cleanup_free_ uint8_t *regions = malloc(2 * KiB(64));
	uint8_t headers[2][4096], identifier[18];

	(void)state;
	assert_non_null(regions);
	fd = write_format(DISK_FORMAT_VHDX, &source, tool_path("disk.vhdx"));
	assert_int_equal(size_of(fd) % MiB(1), 0);
	assert_int_equal(pread_full(fd, identifier, sizeof(identifier), 0), 0);
	assert_memory_equal(identifier, "vhdxfileO\0r\0l\0o\0p\0", 18);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pread_full(fd, headers[i], 4096, KiB(64) * (i + 1)), 0);
		assert_memory_equal(headers[i], "head", 4);
		assert_int_equal(read_le32(headers[i] + 4), checksum_of(headers[i], 4096));
		assert_int_equal(read_le64(headers[i] + 8), i);
	}
	assert_memory_equal(headers[0] + 16, headers[1] + 16, 4096 - 16);
	assert_memory_not_equal(headers[0] + 16, headers[0] + 32, 16);
	assert_true(uuid_is_zero((const struct uuid *)(headers[0] + 48))); /* there is nothing in the log */
	assert_int_equal(pread_full(fd, regions, 2 * KiB(64), KiB(192)), 0);
	assert_memory_equal(regions, "regi", 4);
	assert_memory_equal(regions, regions + KiB(64), KiB(64));
	assert_int_equal(read_le32(regions + 4), checksum_of(regions, KiB(64)));
}

/* Entries of bitmaps stand between those of blocks: behind each 4096, which are 4 GiB here. */
static void a_vhdx_of_more_than_one_chunk_is_the_same_disk(void **state)
{
	static const uint64_t bytes[] = {GiB(4) - 1, GiB(4), GiB(8) - 1};
	_cleanup_close_ int raw = tool_file(tool_path("disk.raw"), GiB(8)), fd = -1;
	struct disk_source source = source_of(raw, GiB(8));
	uint8_t bat[8195 * 8];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bytes); i++)
		write_byte(raw, bytes[i], 9);
	fd = write_format(DISK_FORMAT_VHDX, &source, tool_path("disk.vhdx"));
	assert_tool_says("No errors were found", JUDGE, "check", "-f", "vhdx", tool_path("disk.vhdx"));
	assert_int_equal(pread_full(fd, bat, sizeof(bat), MiB(3)), 0);
	assert_int_equal(read_le64(bat), 2);
	assert_int_equal(read_le64(bat + 4095 * 8), UINT64_C(4) << 20 | 6);
	assert_int_equal(read_le64(bat + 4096 * 8), 0);
	assert_int_equal(read_le64(bat + 4097 * 8), UINT64_C(5) << 20 | 6);
	assert_int_equal(read_le64(bat + 8192 * 8), UINT64_C(6) << 20 | 6);
	assert_int_equal(read_le64(bat + 8193 * 8), 0); /* the last block's bitmap has no entry */
	for (size_t i = 0; i < ARRAY_SIZE(bytes); i++) {
		char command[64];

		(void)snprintf(command, sizeof(command), "read -P 9 %ju 1", (uintmax_t)bytes[i]);
		assert_tool_says("read 1/1 bytes", "qemu-io", "-r", "-f", "vhdx", "-c", command,
			tool_path("disk.vhdx"));
	}
}

/* ---- What can't be ---- */

static void sizes_that_a_format_cannot_have_are_refused(void **state)
{
	static const struct {
		unsigned format;
		uint64_t size;
		const char *says;
	} cases[] = {
		{DISK_FORMAT_QCOW2, 0, "a qcow2 has a disk of up to 65536 GiB, and not of 0 bytes"},
		{DISK_FORMAT_QCOW2, 1000, "a disk of 1000 bytes can't be a qcow2"},
		{DISK_FORMAT_QCOW2, GiB(65536) + 512, "a qcow2 has a disk of up to 65536 GiB"},
		{DISK_FORMAT_VHD, MiB(1) + 512, "its size has to be a multiple of 1048576"},
		{DISK_FORMAT_VHD, GiB(2040) + MiB(1), "a vhd has a disk of up to 2040 GiB"},
		{DISK_FORMAT_VHDX, 511, "a disk of 511 bytes can't be a vhdx"},
		{DISK_FORMAT_VHDX, GiB(65536) + 512, "a vhdx has a disk of up to 65536 GiB"},
	};
	_cleanup_close_ int raw = tool_file(tool_path("disk.raw"), 0), to = tool_file(tool_path("disk"), 0);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct disk_source source = source_of(raw, cases[i].size);
		_cleanup_error_ struct error *err = NULL;

		assert_error(
			disk_format_write(cases[i].format, &source, to, &err), -EINVAL, err, cases[i].says);
		assert_int_equal(size_of(to), 0);
	}
}

static void a_disk_that_is_cut_short_and_a_full_one_to_write_to_are_said(void **state)
{
	_cleanup_close_ int raw = make_disk(tool_path("disk.raw")),
			    full = open("/dev/full", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_true(full >= 0);
	for (unsigned format = 0; format < DISK_FORMATS; format++) {
		_cleanup_close_ int to = tool_file(tool_path("disk"), 0);
		struct disk_source source = source_of(raw, DISK_SIZE);
		_cleanup_error_ struct error *err = NULL;

		assert_error(disk_format_write(format, &source, full, &err), -ENOSPC, err, "No space left");
		source.size += MiB(1);
		assert_error(disk_format_write(format, &source, to, &err), -ENODATA, err,
			disk_format_name(format));
	}
}

static void formats_have_names(void **state)
{
	(void)state;
	for (unsigned format = 0; format < DISK_FORMATS; format++) {
		const char *name = disk_format_name(format);

		assert_int_equal(disk_format_find(name, strlen(name)), format);
	}
	assert_int_equal(disk_format_find("vhdx", 3), DISK_FORMAT_VHD);
	assert_int_equal(disk_format_find("vhdxy", 5), -ENOENT);
	assert_int_equal(disk_format_find("raw", 3), -ENOENT);
	assert_int_equal(disk_format_find("", 0), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_reads_as_the_same_disk_and_takes_no_space_for_zeros),
		cmocka_unit_test(a_disk_of_nothing_and_one_that_is_full_are_the_same_disk_too),
		cmocka_unit_test(a_disk_ends_within_a_block),
		cmocka_unit_test(equal_disks_give_equal_files_wherever_their_holes_are),
		cmocka_unit_test(a_qcow2_has_the_clusters_that_are_not_zero_and_no_others),
		cmocka_unit_test(refcounts_count_themselves),
		cmocka_unit_test(the_footer_of_a_vhd_is_that_of_the_specification),
		cmocka_unit_test(the_geometry_of_a_vhd_is_the_one_that_qemu_computes),
		cmocka_unit_test(a_vhd_without_a_geometry_of_its_size_has_that_size_nevertheless),
		cmocka_unit_test(a_vhd_is_told_by_its_footer_alone),
		cmocka_unit_test(both_headers_and_region_tables_of_a_vhdx_are_whole),
		cmocka_unit_test(a_vhdx_of_more_than_one_chunk_is_the_same_disk),
		cmocka_unit_test(sizes_that_a_format_cannot_have_are_refused),
		cmocka_unit_test(a_disk_that_is_cut_short_and_a_full_one_to_write_to_are_said),
		cmocka_unit_test(formats_have_names),
	};

	return cmocka_run_group_tests(tests, tool_setup, tool_cleanup);
}
