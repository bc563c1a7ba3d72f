/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>

#include "format/deb-plain.h"
#include "format/deb.h"

/* The folder that dpkg-deb makes packages of in these tests. */
static const char sources[] =
	"mkdir -p p/DEBIAN p/usr/bin p/etc p/lib/x "
	"p/usr/share/deep/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/"
	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb/"
	"ccccccccccccccccccccccccccccccccccc;"
	"printf 'Package: p\\nVersion: 1:2-3\\nArchitecture: all\\nMaintainer: N <n@x>\\nDescription: one\\n "
	"two\\n' "
	"  > p/DEBIAN/control;"
	"printf '/etc/p.conf\\n' > p/DEBIAN/conffiles; echo a=1 > p/etc/p.conf;"
	"printf '#!/bin/sh\\ntouch /tmp/orlop-ran-a-script\\n' > p/DEBIAN/postinst; chmod 755 "
	"p/DEBIAN/postinst;"
	"seq 5000 > p/usr/bin/tool; chmod 4755 p/usr/bin/tool; ln p/usr/bin/tool p/usr/bin/tool2;"
	"ln -s ../bin/tool p/lib/x/link; : > p/lib/x/empty; chmod 2770 p/usr/share/deep;"
	"ln -s $(printf '%0150d' 0)/x p/lib/x/long-target; echo e > 'p/etc/Főtan ú.crt';"
	"echo deep > $(echo p/usr/share/deep/aaa*/bbb*/ccc*)/file; echo t > p/usr/share/deep/$(printf "
	"'%0120d' 7);"
	"touch -d @1234567890 p/etc/p.conf;";

static int read_deb(
	const char *folder, const char *name, deb_filter_fn filter, struct deb *ret, struct error **err)
{
	size_t size;
	_cleanup_free_ char *data = scratch_read(folder, name, &size);

	return deb_read(data, size, name, filter, NULL, ret, err);
}

static const struct deb_entry *find(const struct deb *deb, const char *path)
{
	for (size_t i = 0; i < deb->entry_count; i++)
		if (streq(deb->entries[i].path, path))
			return &deb->entries[i];
	return NULL;
}

/* One entry against what dpkg-deb unpacked. */
static void assert_like_dpkg(const struct deb *deb, const struct deb_entry *entry, const char *folder)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder, entry->path);
	const struct deb_entry *file = entry->existing ? find(deb, entry->existing) : entry;
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & S_IFMT, entry->mode & S_IFMT);
	if (!S_ISDIR(entry->mode)) /* folders get new times as tar puts files into them */
		assert_int_equal(st.st_mtime, file->mtime);
	if (S_ISLNK(entry->mode)) {
		char target[4096] = "";

		assert_true(readlink(path, target, sizeof(target) - 1) > 0);
		assert_string_equal(target, entry->target);
		return;
	}
	assert_int_equal(st.st_mode & 07777, entry->mode & 07777);
	if (S_ISREG(entry->mode)) {
		size_t size;
		_cleanup_free_ char *data = scratch_read(folder, entry->path, &size);

		assert_int_equal(size, content_size(file->content));
		assert_memory_equal(data, content_data(file->content), size);
	}
}

static size_t count_names(const char *folder)
{
	_cleanup_process_result_ struct process_result result = {};
	size_t count = 0;

	assert_int_equal(
		process_run((const char *const[]){"find", folder, "-mindepth", "1", "-printf", "x", NULL},
			NULL, 0, MiB(64), &result, NULL),
		0);
	count = result.output.size;
	return count;
}

static void reads_what_dpkg_builds_with_every_compression(void **state)
{
	static const char *const compressions[] = {"none", "gzip", "xz", "zstd"};
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	shell(folder, sources);
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++) {
		_cleanup_free_ char *script = string_format("rm -rf x; dpkg-deb -Z%s --root-owner-group -b p "
							    "p.deb >/dev/null; dpkg-deb -x p.deb x; "
							    "stat -c %%Y p/etc/p.conf >/dev/null",
			compressions[i]);
		_cleanup_free_ char *unpacked = string_format("%s/x", folder);
		_cleanup_deb_ struct deb deb = {};

		shell(folder, script);
		assert_ok(read_deb(folder, "p.deb", NULL, &deb, &err), err);
		assert_int_equal(deb.entry_count, count_names(unpacked));
		for (size_t k = 0; k < deb.entry_count; k++) {
			assert_like_dpkg(&deb, &deb.entries[k], unpacked);
			assert_int_equal(deb.entries[k].uid, 0);
			assert_int_equal(deb.entries[k].gid, 0);
		}
		assert_string_equal(control_get(&deb.control, "version"), "1:2-3");
		assert_string_equal(control_get(&deb.control, "Description"), "one\ntwo");
		assert_int_equal(deb.conffiles.count, 1);
		assert_string_equal(deb.conffiles.items[0], "/etc/p.conf");
		assert_int_equal(find(&deb, "usr/bin/tool")->mode, S_IFREG | 04755);
		assert_string_equal(find(&deb, "usr/bin/tool2")->existing, "usr/bin/tool");
	}
	assert_int_equal(access("/tmp/orlop-ran-a-script", F_OK), -1);
}

static unsigned want_no_etc(const char *path, mode_t mode, void *userdata)
{
	(void)mode;
	(void)userdata;
	return startswith(path, "etc") ? 0 : DEB_KEEP;
}

static unsigned set_some_aside(const char *path, mode_t mode, void *userdata)
{
	(void)mode;
	(void)userdata;
	return streq(path, "usr/bin/tool") ? DEB_KEEP | DEB_ASIDE : DEB_ASIDE;
}

static void leaves_out_and_counts_what_the_filter_does_not_want(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_error_ struct error *err = NULL;
	_cleanup_deb_ struct deb deb = {};

	(void)state;
	shell(folder, sources);
	shell(folder, "dpkg-deb -Zxz --root-owner-group -b p p.deb >/dev/null");
	assert_ok(read_deb(folder, "p.deb", want_no_etc, &deb, &err), err);
	assert_null(find(&deb, "etc"));
	assert_null(find(&deb, "etc/p.conf"));
	assert_int_equal(deb.left_out, 2);
	assert_int_equal(deb.left_out_size, 6);
}

static void sets_files_and_links_aside(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_error_ struct error *err = NULL;
	_cleanup_deb_ struct deb deb = {};
	bool config = false, tool = false;

	(void)state;
	shell(folder, sources);
	shell(folder, "dpkg-deb -Zxz --root-owner-group -b p p.deb >/dev/null");
	assert_ok(read_deb(folder, "p.deb", set_some_aside, &deb, &err), err);
	assert_int_equal(deb.entry_count, 1);
	assert_int_equal(deb.size, content_size(deb.entries[0].content));
	for (size_t i = 0; i < deb.aside_count; i++) {
		const struct deb_entry *entry = &deb.aside[i];

		assert_false(S_ISDIR(entry->mode));
		assert_null(entry->existing);
		config |= streq(entry->path, "etc/p.conf") && entry->content;
		tool |= streq(entry->path, "usr/bin/tool") && entry->content == deb.entries[0].content;
	}
	assert_true(config);
	assert_true(tool);
	/* What is aside is not in the package's tree, and so counts as left out. */
	assert_true(deb.left_out >= deb.aside_count - 1);
}

static void refuses_truncated_packages_wherever_they_end(void **state)
{
	static const char *const compressions[] = {"none", "gzip", "xz", "zstd"};
	_cleanup_scratch_ char *folder = scratch_new();

	(void)state;
	shell(folder, sources);
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++) {
		_cleanup_free_ char *script = string_format(
			"dpkg-deb -Z%s --root-owner-group -b p p.deb >/dev/null", compressions[i]);
		_cleanup_free_ char *data = NULL;
		size_t size;

		shell(folder, script);
		data = scratch_read(folder, "p.deb", &size);
		for (size_t length = 0; length < size - 1; length += MAX(size / 97, 1U)) {
			_cleanup_error_ struct error *err = NULL;
			_cleanup_deb_ struct deb deb = {};

			if (deb_read(data, length, "cut.deb", NULL, NULL, &deb, &err) != -EBADMSG)
				fail_msg("%s cut at %zu of %zu: %s", compressions[i], length, size,
					error_message(err));
		}
	}
}

/*
 * Hostile packages: an ar of debian-binary, a control.tar that GNU tar makes, and a data.tar written field by
 * field.
 */
struct hostile {
	struct buffer tar;
};

static void hostile_entry(struct hostile *hostile, const char *path, char type, const char *link,
	uint64_t size, const char *data)
{
	uint8_t header[512] = {};
	unsigned sum = 0;

	(void)snprintf((char *)header, 100, "%s", path);
	(void)snprintf((char *)header + 100, 8, "%07o", 0644U);
	(void)snprintf((char *)header + 108, 8, "%07o", 0U);
	(void)snprintf((char *)header + 116, 8, "%07o", 0U);
	(void)snprintf((char *)header + 124, 12, "%011llo", (unsigned long long)size);
	(void)snprintf((char *)header + 136, 12, "%011o", 1U);
	memset(header + 148, ' ', 8);
	header[156] = (uint8_t)type;
	(void)snprintf((char *)header + 157, 100, "%s", link);
	memcpy(header + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(header); i++)
		sum += header[i];
	(void)snprintf((char *)header + 148, 8, "%06o", sum);
	buffer_append(&hostile->tar, header, sizeof(header));
	buffer_append(&hostile->tar, data, strlen(data));
	buffer_align(&hostile->tar, 512);
}

static void append_member(struct buffer *ar, const char *name, const void *data, size_t size)
{
	buffer_printf(ar, "%-16s%-12u%-6u%-6u%-8s%-10zu`\n", name, 0U, 0U, 0U, "100644", size);
	buffer_append(ar, data, size);
	buffer_align(ar, 2);
}

static void build(struct buffer *ar, const char *folder, const struct buffer *data_tar)
{
	size_t size;
	_cleanup_free_ char *control = NULL;

	shell(folder, "[ -e control.tar ] || { mkdir -p p/DEBIAN; "
		      "printf 'Package: p\\nVersion: 1\\nArchitecture: all\\nInstalled-Size: 1\\n' > "
		      "p/DEBIAN/control; "
		      "tar -C p/DEBIAN --format=gnu -cf control.tar ./control; }");
	control = scratch_read(folder, "control.tar", &size);
	buffer_append_string(ar, "!<arch>\n");
	append_member(ar, "debian-binary", "2.0\n", 4);
	append_member(ar, "control.tar", control, size);
	append_member(ar, "data.tar", data_tar->data, data_tar->size);
	assert_false(buffer_failed(ar));
}

static const struct {
	const char *path;
	char type;
	const char *link;
	uint64_t size;
	const char *data;
	int code;
	const char *says;
} refused[] = {
	{"./dev/console", '3', "", 0, "", -ENOTSUP, "\"dev/console\" is a character device"},
	{"./dev/sda", '4', "", 0, "", -ENOTSUP, "\"dev/sda\" is a block device"},
	{"./run/pipe", '6', "", 0, "", -ENOTSUP, "\"run/pipe\" is a FIFO"},
	{"./x", '7', "", 0, "", -ENOTSUP, "unknown type (0x37)"},
	{"./x", 's', "", 0, "", -ENOTSUP, "unknown type"},
	{"./x", 'g', "", 0, "", -ENOTSUP, "unknown type"},
	{"./x", 'V', "", 0, "", -ENOTSUP, "unknown type"},
	{"./x", 'S', "", 0, "", -ENOTSUP, "sparse"},
	{"/etc/passwd", '0', "", 0, "", -EINVAL, "/etc/passwd"},
	{"./../etc/passwd", '0', "", 0, "", -EINVAL, "leads out"},
	{"./usr/..", '5', "", 0, "", -EINVAL, "leads out"},
	{"./usr/./x", '0', "", 0, "", -EINVAL, "has a \".\" in it"},
	{"./usr//x", '0', "", 0, "", -EINVAL, "has an empty name in it"},
	{"./usr/a\nb", '0', "", 0, "", -EINVAL, "control character"},
	{"", '0', "", 0, "", -EINVAL, "no path"},
	{"./", '0', "", 0, "", -EINVAL, "root is no folder"},
	{"./x", '2', "", 0, "", -EBADMSG, "link to nowhere"},
	{"./x", '1', "./nowhere", 0, "", -EBADMSG, "hard link to \"nowhere\""},
	{"./x", '1', "./x", 0, "", -EBADMSG, "hard link to \"x\""},
	{"./x", '1', "../../etc/shadow", 0, "", -EINVAL, "leads out"},
	{"./x", '2', "y", 5, "12345", -EBADMSG, "has a content"},
	{"./x", '5', "", 5, "12345", -EBADMSG, "has a content"},
	{"./x", '0', "", 5000, "short", -EBADMSG, "too early"},
	{"./x", '0', "", 3, "much more than three bytes", 0, ""},
	{"./x", '0', "", 1, "1234567890123456789012345678901234567890", 0, ""},
	{"./x", '0', "", 077777777777, "", -EFBIG, "\"x\": more than the package's Installed-Size"},
};

static void refuses_what_has_no_place_in_a_package(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_(buffer_release) struct buffer ar = {};
		struct hostile hostile = {};
		_cleanup_error_ struct error *err = NULL;
		_cleanup_deb_ struct deb deb = {};
		int r;

		hostile_entry(&hostile, "./", '5', "", 0, "");
		hostile_entry(&hostile, refused[i].path, refused[i].type, refused[i].link, refused[i].size,
			refused[i].data);
		buffer_append_zeros(&hostile.tar, 1024);
		build(&ar, folder, &hostile.tar);
		buffer_release(&hostile.tar);
		r = deb_read(ar.data, ar.size, "bad.deb", NULL, NULL, &deb, &err);
		if (refused[i].code == 0)
			assert_ok(r, err);
		else
			assert_error(r, refused[i].code, err, refused[i].says);
	}
}

/* A record of a pax header: "LENGTH KEY=VALUE\n" (POSIX.1-2017, pax, "Extended Header"), the length of all of
 * it. */
static void pax_record(struct buffer *header, const char *record)
{
	size_t length = strlen(record) + 2, all = length;
	char digits[24];

	do {
		length = all;
		all = strlen(record) + 2 + (size_t)snprintf(digits, sizeof(digits), "%zu", length);
	} while (all != length);
	buffer_printf(header, "%zu %s\n", length, record);
}

static int read_with_pax_header(const char *folder, const char *header, struct deb *ret, struct error **err)
{
	_cleanup_(buffer_release) struct buffer ar = {};
	struct hostile hostile = {};

	hostile_entry(&hostile, "PaxHeaders/x", 'x', "", strlen(header), header);
	hostile_entry(&hostile, "./x", '0', "", 1, "1");
	buffer_append_zeros(&hostile.tar, 1024);
	build(&ar, folder, &hostile.tar);
	buffer_release(&hostile.tar);
	return deb_read(ar.data, ar.size, "bad.deb", NULL, NULL, ret, err);
}

static void refuses_pax_headers_that_are_damaged_or_say_what_has_no_place(void **state)
{
	static const struct {
		const char *record;
		int code;
		const char *says;
	} cases[] = {
		{"uid=30000x", -EBADMSG, "pax header's uid is no number"},
		{"gid=", -EBADMSG, "pax header's gid is no number"},
		{"size=-1", -EBADMSG, "pax header's size is no number"},
		{"mtime=soon", -EBADMSG, "pax header's mtime is no number"},
		{"uid=4294967295", -EBADMSG, "too large"}, /* (uid_t)-1, which chown(2) takes for no change */
		{"gid=99999999999", -EBADMSG, "too large"},
		{"size=18446744073709551615", -EBADMSG, "too large"},
		{"GNU.sparse.major=1", -ENOTSUP, "GNU.sparse.major"},
		{"SCHILY.acl.access=user::rwx", -ENOTSUP, "SCHILY.acl.access"},
		{"LIBARCHIVE.xattr.user.a=?", -EBADMSG, "extended attribute user.a is damaged"},
		{"path=../../etc/shadow", -EINVAL, "leads out"},
	};
	static const char *const damaged[] = {"uid=1\n", "9 uid=1\n", "0 uid=1\n", "3 uid=1\n", "8 uid=1x",
		"7 uid1\n", "123456789 uid=1\n", "-8 uid=1\n"};
	_cleanup_scratch_ char *folder = scratch_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer header = {};
		_cleanup_deb_ struct deb deb = {};
		struct error *err = NULL;

		pax_record(&header, cases[i].record);
		buffer_append_u8(&header, 0);
		assert_error(read_with_pax_header(folder, (char *)header.data, &deb, &err), cases[i].code,
			err, cases[i].says);
	}
	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		_cleanup_deb_ struct deb deb = {};
		struct error *err = NULL;

		assert_error(read_with_pax_header(folder, damaged[i], &deb, &err), -EBADMSG, err,
			"a pax header is damaged");
	}
}

/* GNU tar writes numbers for which a field has not enough octal digits in base 256. */
static void reads_owners_that_no_octal_field_holds(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_(buffer_release) struct buffer ar = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *tar = NULL;
	_cleanup_deb_ struct deb deb = {};
	size_t size;

	(void)state;
	shell(folder, "echo 1 > x; tar --format=gnu --numeric-owner --owner=:3000000 --group=:4294967294 "
		      "-cf data.tar ./x");
	tar = scratch_read(folder, "data.tar", &size);
	build(&ar, folder, &(struct buffer){.data = (uint8_t *)tar, .size = size});
	assert_ok(deb_read(ar.data, ar.size, "large.deb", NULL, NULL, &deb, &err), err);
	assert_int_equal(deb.entry_count, 1);
	assert_int_equal(deb.entries[0].uid, 3000000);
	assert_int_equal(deb.entries[0].gid, 4294967294);
}

/* dpkg-deb unpacks the same from it. */
static void decompresses_a_package_into_one_that_dpkg_takes(void **state)
{
	static const char *const compressions[] = {"none", "gzip", "xz", "zstd"};
	_cleanup_scratch_ char *folder = scratch_new();

	(void)state;
	shell(folder, sources);
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++) {
		_cleanup_free_ char *script = string_format("rm -rf x; dpkg-deb -Z%s --root-owner-group -b p "
							    "p.deb >/dev/null; dpkg-deb -x p.deb x",
			compressions[i]);
		_cleanup_free_ char *path = string_format("%s/plain.deb", folder), *data = NULL;
		_cleanup_buffer_ struct buffer plain = {}, cut = {};
		_cleanup_error_ struct error *err = NULL;
		size_t size;

		shell(folder, script);
		data = scratch_read(folder, "p.deb", &size);
		assert_ok(deb_decompress(data, size, "p.deb", &plain, &err), err);
		assert_ok(file_write_atomic(path, plain.data, plain.size, 0644, &err), err);
		shell(folder,
			"[ \"$(ar t plain.deb | tr '\\n' ' ')\" = 'debian-binary control.tar data.tar ' ]; "
			"rm -rf y; dpkg-deb -x plain.deb y; diff -r --no-dereference x y; "
			"[ \"$(dpkg-deb -f p.deb)\" = \"$(dpkg-deb -f plain.deb)\" ]");
		assert_error(deb_decompress(data, size / 2, "p.deb", &cut, &err), -EBADMSG, err, "p.deb");
	}
}

static void refuses_a_path_that_stands_twice_and_data_behind_the_end(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_(buffer_release) struct buffer ar = {}, late = {}, endless = {};
	struct hostile hostile = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_deb_ struct deb deb = {};

	(void)state;
	hostile_entry(&hostile, "./usr/x", '0', "", 1, "1");
	hostile_entry(&hostile, "./usr/y", '2', "x", 0, "");
	build(&endless, folder, &hostile.tar);
	assert_error(deb_read(endless.data, endless.size, "bad.deb", NULL, NULL, &deb, &err), -EBADMSG, err,
		"ends too early");
	hostile_entry(&hostile, "usr/x/", '5', "", 0, "");
	buffer_append_zeros(&hostile.tar, 1024);
	build(&ar, folder, &hostile.tar);
	assert_error(deb_read(ar.data, ar.size, "bad.deb", NULL, NULL, &deb, &err), -EEXIST, err,
		"\"usr/x\" stands in it twice");
	buffer_append_string(&hostile.tar, "late");
	build(&late, folder, &hostile.tar);
	assert_error(deb_read(late.data, late.size, "bad.deb", NULL, NULL, &deb, &err), -EBADMSG, err,
		"data behind");
	buffer_release(&hostile.tar);
}

static void refuses_members_that_are_not_those_of_a_package(void **state)
{
	static const struct {
		const char *names[4];
		const char *says;
		int code;
	} cases[] = {
		{{"debian-binary", "data.tar", "control.tar", NULL}, "\"data.tar\" is not expected",
			-EBADMSG},
		{{"debian-binary", "control.tar", NULL}, "is missing", -EBADMSG},
		{{"control.tar", NULL}, "not expected", -EBADMSG},
		{{"debian-binary", "evil", "control.tar", NULL}, "\"evil\" is not expected", -EBADMSG},
		{{"debian-binary", "debian-binary", NULL}, "not expected", -EBADMSG},
		{{"debian-binary", "control.tar.lzma", "data.tar", NULL}, "\".lzma\" is not known", -ENOTSUP},
		{{"debian-binary", "control.tar.xz", "data.tar", NULL}, "not compressed as its name says",
			-EBADMSG},
		{{"debian-binary", "_note", "control.tar", "data.tar"}, "has no file \"control\"", -EBADMSG},
	};
	static const char zeros[1024];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buffer_release) struct buffer ar = {};
		_cleanup_error_ struct error *err = NULL;
		_cleanup_deb_ struct deb deb = {};

		buffer_append_string(&ar, "!<arch>\n");
		for (size_t k = 0; k < 4 && cases[i].names[k]; k++)
			append_member(
				&ar, cases[i].names[k], k == 0 ? "2.0\n" : zeros, k == 0 ? 4 : sizeof(zeros));
		assert_error(deb_read(ar.data, ar.size, "bad.deb", NULL, NULL, &deb, &err), cases[i].code,
			err, cases[i].says);
	}
}

/* libarchive writes the attribute in both encodings that it knows, and a path that no ustar header holds. */
static void reads_extended_attributes_and_long_names_of_pax_headers(void **state)
{
	static const uint8_t capability[20] = {1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0x20};
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_(buffer_release) struct buffer ar = {}, tar = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_deb_ struct deb deb = {};
	struct archive *archive = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	char path[400] = "./usr/ű/";
	size_t used;

	(void)state;
	memset(path + strlen(path), 'n', 250);
	assert_non_null(buffer_extend(&tar, 65536));
	archive_write_set_format_pax(archive);
	archive_write_set_format_option(archive, "pax", "hdrcharset", "BINARY");
	archive_write_set_bytes_per_block(archive, 512);
	archive_entry_copy_pathname(entry, path);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0755);
	archive_entry_set_uid(entry, 3000000);
	archive_entry_set_gid(entry, 7);
	archive_entry_set_mtime(entry, -2, 0);
	archive_entry_set_size(entry, 4);
	archive_entry_xattr_add_entry(entry, "security.capability", capability, sizeof(capability));
	archive_entry_xattr_add_entry(entry, "user.a=b %", "x", 1);
	assert_int_equal(archive_write_open_memory(archive, tar.data, tar.size, &used), ARCHIVE_OK);
	assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
	assert_int_equal(archive_write_data(archive, "ping", 4), 4);
	assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
	archive_entry_free(entry);
	archive_write_free(archive);
	tar.size = used;
	build(&ar, folder, &tar);
	assert_ok(deb_read(ar.data, ar.size, "pax.deb", NULL, NULL, &deb, &err), err);
	assert_int_equal(deb.entry_count, 1);
	assert_string_equal(deb.entries[0].path, path + 2);
	assert_int_equal(deb.entries[0].uid, 3000000);
	assert_int_equal(deb.entries[0].gid, 7);
	assert_int_equal(deb.entries[0].mtime, -2);
	assert_memory_equal(content_data(deb.entries[0].content), "ping", 5);
	assert_true(deb.entries[0].xattr_count >= 2);
	for (size_t i = 0, seen = 0; i < deb.entries[0].xattr_count; i++) {
		const struct tree_xattr *xattr = &deb.entries[0].xattrs[i];

		if (streq(xattr->name, "security.capability")) {
			assert_int_equal(xattr->size, sizeof(capability));
			assert_memory_equal(xattr->value, capability, sizeof(capability));
			seen++;
		}
		assert_true(seen > 0 || i + 1 < deb.entries[0].xattr_count);
	}
}

/* ORLOP_TEST_DEBS names a folder of real packages; `dpkg-deb -x` unpacks each beside us. */
static void reads_real_packages_as_dpkg_does(void **state)
{
	const char *where = getenv("ORLOP_TEST_DEBS");
	_cleanup_scratch_ char *folder = NULL;
	size_t packages = 0;
	DIR *list;

	(void)state;
	if (!where)
		skip(); /* because ORLOP_TEST_DEBS is not set */
	list = opendir(where);
	assert_non_null(list);
	folder = scratch_new();
	for (struct dirent *file; (file = readdir(list));) {
		_cleanup_free_ char *script =
			string_format("rm -rf x; dpkg-deb -x '%s/%s' x", where, file->d_name);
		_cleanup_free_ char *unpacked = string_format("%s/x", folder);
		_cleanup_error_ struct error *err = NULL;
		_cleanup_deb_ struct deb deb = {};

		if (!endswith(file->d_name, ".deb"))
			continue;
		shell(folder, script);
		assert_ok(read_deb(where, file->d_name, NULL, &deb, &err), err);
		assert_int_equal(deb.entry_count, count_names(unpacked));
		for (size_t k = 0; k < deb.entry_count; k++)
			assert_like_dpkg(&deb, &deb.entries[k], unpacked);
		packages++;
	}
	closedir(list);
	assert_true(packages > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_dpkg_builds_with_every_compression),
		cmocka_unit_test(leaves_out_and_counts_what_the_filter_does_not_want),
		cmocka_unit_test(sets_files_and_links_aside),
		cmocka_unit_test(refuses_truncated_packages_wherever_they_end),
		cmocka_unit_test(refuses_what_has_no_place_in_a_package),
		cmocka_unit_test(refuses_pax_headers_that_are_damaged_or_say_what_has_no_place),
		cmocka_unit_test(reads_owners_that_no_octal_field_holds),
		cmocka_unit_test(decompresses_a_package_into_one_that_dpkg_takes),
		cmocka_unit_test(refuses_a_path_that_stands_twice_and_data_behind_the_end),
		cmocka_unit_test(refuses_members_that_are_not_those_of_a_package),
		cmocka_unit_test(reads_extended_attributes_and_long_names_of_pax_headers),
		cmocka_unit_test(reads_real_packages_as_dpkg_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
