/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/tar.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/buffer.h"
#include "base/encoding.h"
#include "base/string-util.h"

#define BLOCK 512
#define EXTRA_MAX MiB(1) /* a pax header or a long name */
#define XATTRS_MAX 64
#define XATTR_VALUE_MAX KiB(64)

/* ustar, POSIX.1-2017, pax, "ustar Interchange Format". */
struct header {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char link[100];
	char magic[8]; /* with the version: "ustar\0" "00", or GNU's "ustar  \0" */
	char uname[32];
	char gname[32];
	char major[8];
	char minor[8];
	char prefix[155];
	char padding[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a tar header fills a block");

/* What extended headers say of the entry that follows them. */
struct extra {
	char *path, *link;
	bool has_size, has_uid, has_gid, has_mtime;
	uint64_t size, uid, gid;
	int64_t mtime;
};

struct tar {
	const char *what;
	tar_source_fn source;
	void *userdata;
	struct tar_entry entry;
	uint64_t left;	  /* of the entry's content */
	uint64_t padding; /* behind it */
	bool ended;
};

struct tar *tar_new(const char *what, tar_source_fn source, void *userdata)
{
	struct tar *tar = calloc(1, sizeof(*tar));

	if (tar)
		*tar = (struct tar){.what = what, .source = source, .userdata = userdata};
	return tar;
}

static void entry_release(struct tar_entry *entry)
{
	free(entry->path);
	free(entry->target);
	free(entry->existing);
	for (size_t i = 0; i < entry->xattr_count; i++) {
		free(entry->xattrs[i].name);
		free(entry->xattrs[i].value);
	}
	free(entry->xattrs);
	*entry = (struct tar_entry){};
}

struct tar *tar_free(struct tar *tar)
{
	if (tar) {
		entry_release(&tar->entry);
		free(tar);
	}
	return NULL;
}

static void extra_release(struct extra *extra)
{
	free(extra->path);
	free(extra->link);
}

static int read_exactly(struct tar *tar, void *data, size_t size, struct error **err)
{
	ssize_t n = tar->source(tar->userdata, data, size, err);

	if (n < 0)
		return (int)n;
	if ((size_t)n != size)
		return error_set(err, -EBADMSG, "%s: the archive ends too early", tar->what);
	return 0;
}

static int skip(struct tar *tar, uint64_t size, struct error **err)
{
	return size > 0 ? read_exactly(tar, NULL, size, err) : 0;
}

int tar_read(struct tar *tar, void *data, size_t size, struct error **err)
{
	int r;

	assert(size <= tar->left);
	r = read_exactly(tar, data, size, err);
	if (r == 0)
		tar->left -= size;
	return r;
}

/* A number: octal digits that end with a space or NUL, or base 256 where the first bit is set. */
static bool parse_number(const char *field, size_t length, uint64_t *ret)
{
	const uint8_t *bytes = (const uint8_t *)field;
	uint64_t value = 0;
	size_t i = 0;

	if (bytes[0] & 0x80) {
		if (bytes[0] != 0x80) /* negative, or larger than anything we take */
			return false;
		for (i = 1; i < length; i++)
			if (!checked_mul(value, (uint64_t)256, &value))
				return false;
			else
				value |= bytes[i];
		*ret = value;
		return true;
	}
	while (i < length && field[i] == ' ')
		i++;
	for (; i < length && field[i] >= '0' && field[i] <= '7'; i++)
		value = value * 8 + (uint64_t)(field[i] - '0'); /* 12 digits at most: 36 bits */
	for (; i < length; i++)
		if (field[i] != ' ' && field[i] != 0)
			return false;
	*ret = value;
	return true;
}

static bool checksum_matches(const struct header *header)
{
	const uint8_t *bytes = (const uint8_t *)header;
	uint64_t sum = 0, expected;

	for (size_t i = 0; i < BLOCK; i++) {
		bool inside = i >= offsetof(struct header, checksum) && i < offsetof(struct header, type);

		sum += inside ? ' ' : bytes[i];
	}
	return parse_number(header->checksum, sizeof(header->checksum), &expected) && sum == expected;
}

static bool is_zero(const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* Behind the first block of zeros: a second one, and nothing but zeros up to the end of the stream. */
static int read_end(struct tar *tar, struct error **err)
{
	uint8_t buffer[16384];
	ssize_t n;
	int r;

	r = read_exactly(tar, buffer, BLOCK, err);
	if (r < 0)
		return r;
	n = BLOCK;
	do {
		if (!is_zero(buffer, (size_t)n))
			return error_set(
				err, -EBADMSG, "%s: there is data behind the archive's end", tar->what);
		n = tar->source(tar->userdata, buffer, sizeof(buffer), err);
	} while (n > 0);
	if (n == 0)
		tar->ended = true;
	return (int)n;
}

/* The content of a "L", "K" or "x" entry, as text with a NUL behind it. */
static int read_extra(struct tar *tar, uint64_t size, struct buffer *ret, struct error **err)
{
	void *data;
	int r;

	if (size > EXTRA_MAX)
		return error_set(err, -EBADMSG, "%s: an extended header of %llu bytes", tar->what,
			(unsigned long long)size);
	data = buffer_extend(ret, size);
	buffer_append_u8(ret, 0);
	if (!data || buffer_failed(ret))
		return error_set_errno(err, -ENOMEM, "%s", tar->what);
	ret->size = size;
	r = read_exactly(tar, ret->data, size, err);
	if (r < 0)
		return r;
	return skip(tar, round_up_u64(size, BLOCK) - size, err);
}

static int set_name(struct tar *tar, char **name, const char *text, size_t length, struct error **err)
{
	if (memchr(text, 0, length))
		return error_set(err, -EBADMSG, "%s: a name holds a NUL byte", tar->what);
	free(*name);
	*name = strndup(text, length);
	return *name ? 0 : error_set_errno(err, -ENOMEM, "%s", tar->what);
}

static int read_long_name(struct tar *tar, uint64_t size, char **name, struct error **err)
{
	_cleanup_buffer_ struct buffer text = {};
	int r;

	r = read_extra(tar, size, &text, err);
	if (r < 0)
		return r;
	while (text.size > 0 && text.data[text.size - 1] == 0)
		text.size--;
	return set_name(tar, name, (char *)text.data, text.size, err);
}

static int add_xattr(struct tar *tar, char *name, uint8_t *value, size_t size, struct error **err)
{
	struct tar_entry *entry = &tar->entry;
	struct tree_xattr *xattrs = NULL;

	if (name && value && size <= XATTR_VALUE_MAX && entry->xattr_count < XATTRS_MAX)
		xattrs = reallocarray(entry->xattrs, entry->xattr_count + 1, sizeof(*xattrs));
	if (!xattrs) {
		free(name);
		free(value);
		return error_set(
			err, -EBADMSG, "%s: extended attributes are too large or too many", tar->what);
	}
	xattrs[entry->xattr_count++] = (struct tree_xattr){.name = name, .value = value, .size = size};
	entry->xattrs = xattrs;
	return 0;
}

/* "SCHILY.xattr.NAME=value", as tar, bsdtar and Python write it. */
static int read_schily_xattr(
	struct tar *tar, const char *name, const char *value, size_t size, struct error **err)
{
	uint8_t *copy = malloc(size + 1);

	if (copy)
		memcpy(copy, value, size);
	return add_xattr(tar, strdup(name), copy, size, err);
}

/* "LIBARCHIVE.xattr.NAME=value": the name URL-encoded, the value in Base64 without padding. */
static int read_libarchive_xattr(
	struct tar *tar, const char *name, const char *value, size_t size, struct error **err)
{
	_cleanup_buffer_ struct buffer padded = {}, decoded = {};
	_cleanup_free_ char *plain = strdup(name);
	char *out = plain;
	size_t decoded_size;
	uint8_t *data;

	buffer_append(&padded, value, size);
	while (padded.size % 4 != 0 && !buffer_failed(&padded))
		buffer_append_u8(&padded, '=');
	if (!plain || buffer_failed(&padded))
		return error_set_errno(err, -ENOMEM, "%s", tar->what);
	for (const char *in = name; *in; out++) {
		bool encoded = *in == '%' && hex_decode(in + 1, out, 1) == 0;

		if (!encoded)
			*out = *in;
		in += encoded ? 3 : 1;
	}
	*out = 0;
	if (base64_decode((char *)padded.data, padded.size, &decoded) < 0)
		return error_set(err, -EBADMSG, "%s: extended attribute %s is damaged", tar->what, plain);
	data = buffer_take(&decoded, &decoded_size);
	return add_xattr(tar, TAKE_PTR(plain), data, decoded_size, err);
}

/* Seconds since 1970 with an optional sign and fraction; the fraction is dropped, downwards. */
static bool parse_time(const char *value, int64_t *ret)
{
	bool negative = *value == '-';
	const char *point = strchrnul(value, '.');
	_cleanup_free_ char *whole = strndup(value + negative, (size_t)(point - value - negative));
	uint64_t seconds;

	if (!whole || parse_u64(whole, &seconds) < 0 || seconds > INT64_MAX / 2)
		return false;
	*ret = negative ? -(int64_t)seconds - (point[0] && point[1 + strspn(point + 1, "0")])
			: (int64_t)seconds;
	return true;
}

static int apply_pax(struct tar *tar, struct extra *extra, const char *key, const char *value, size_t size,
	struct error **err)
{
	const char *rest;
	bool valid = true;

	if (streq(key, "path"))
		return set_name(tar, &extra->path, value, size, err);
	if (streq(key, "linkpath"))
		return set_name(tar, &extra->link, value, size, err);
	if ((rest = startswith(key, "SCHILY.xattr.")) && *rest)
		return read_schily_xattr(tar, rest, value, size, err);
	if ((rest = startswith(key, "LIBARCHIVE.xattr.")) && *rest)
		return read_libarchive_xattr(tar, rest, value, size, err);
	if (startswith(key, "GNU.sparse.") || startswith(key, "SCHILY.acl.") ||
		startswith(key, "SCHILY.real"))
		return error_set(err, -ENOTSUP, "%s: sparse files and ACLs have no place in a package (%s)",
			tar->what, key);
	if (streq(key, "size"))
		valid = extra->has_size = parse_u64(value, &extra->size) == 0;
	else if (streq(key, "uid"))
		valid = extra->has_uid = parse_u64(value, &extra->uid) == 0;
	else if (streq(key, "gid"))
		valid = extra->has_gid = parse_u64(value, &extra->gid) == 0;
	else if (streq(key, "mtime"))
		valid = extra->has_mtime = parse_time(value, &extra->mtime);
	if (!valid)
		return error_set(err, -EBADMSG, "%s: the pax header's %s is no number", tar->what, key);
	return 0;
}

/* Records of "LENGTH KEY=VALUE\n", LENGTH being that of the whole record in decimal. */
static int read_pax(struct tar *tar, uint64_t size, struct extra *extra, struct error **err)
{
	_cleanup_buffer_ struct buffer text = {};
	size_t at = 0;
	int r;

	r = read_extra(tar, size, &text, err);
	while (r >= 0 && at < text.size) {
		char *record = (char *)text.data + at, *space, *equals, *last;
		uint64_t length;

		space = memchr(record, ' ', MIN(text.size - at, 8U));
		if (space)
			*space = 0;
		if (!space || parse_u64(record, &length) < 0 || length > text.size - at)
			return error_set(err, -EBADMSG, "%s: a pax header is damaged", tar->what);
		last = record + length - 1;
		equals = last > space ? memchr(space + 1, '=', (size_t)(last - space)) : NULL;
		if (!equals || *last != '\n')
			return error_set(err, -EBADMSG, "%s: a pax header is damaged", tar->what);
		*equals = 0;
		*last = 0;
		r = apply_pax(tar, extra, space + 1, equals + 1, (size_t)(last - equals - 1), err);
		at += length;
	}
	return r;
}

/*
 * A name as the tree wants it: without "./" in front and "/" behind, and refused where it is absolute, leads
 * out, has empty components or control characters (a newline in a name breaks every list that it stands in).
 */
static int clean_path(const struct tar *tar, const char *raw, char **ret, struct error **err)
{
	const char *path = raw;
	size_t length;

	if (streq(path, "."))
		path++;
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	length = strlen(path);
	while (length > 0 && path[length - 1] == '/' && path[0] != '/')
		length--;
	if (*path == '/' || length >= PATH_MAX || !*raw)
		return error_set(err, -EINVAL, "%s: \"%.128s\" is no path below the root", tar->what, raw);
	for (size_t i = 0, start = 0; i <= length && length > 0; i++) {
		size_t part = i - start;

		if (i < length && ((uint8_t)path[i] < ' ' || path[i] == 0x7f))
			return error_set(err, -EINVAL, "%s: a path with a control character", tar->what);
		if (i < length && path[i] != '/')
			continue;
		if (part > NAME_MAX)
			return error_set(err, -EINVAL, "%s: \"%.64s…\" has a name longer than %d bytes",
				tar->what, raw, NAME_MAX);
		if (part == 0)
			return error_set(
				err, -EINVAL, "%s: \"%.128s\" has an empty name in it", tar->what, raw);
		if (part <= 2 && strspn(path + start, ".") >= part)
			return error_set(err, -EINVAL, "%s: \"%.128s\" %s", tar->what, raw,
				part == 2 ? "leads out of the tree" : "has a \".\" in it");
		start = i + 1;
	}
	*ret = strndup(path, length);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "%s", tar->what);
}

static const char *describe_type(char type)
{
	switch (type) {
	case '3':
		return "a character device";
	case '4':
		return "a block device";
	case '6':
		return "a FIFO";
	case 'S':
		return "a sparse file";
	default:
		return "of an unknown type";
	}
}

static int set_type(struct tar *tar, char type, struct tar_entry *entry, struct error **err)
{
	switch (type) {
	case '0':
	case '1':
	case 0:
		entry->mode |= S_IFREG;
		return 0;
	case '2':
		entry->mode |= S_IFLNK;
		return 0;
	case '5':
		entry->mode |= S_IFDIR;
		return 0;
	default:
		return error_set(err, -ENOTSUP,
			"%s: \"%s\" is %s (0x%02x); packages may hold files, folders and links only",
			tar->what, entry->path, describe_type(type), (uint8_t)type);
	}
}

/* What a pax header says counts; the header's own field may then be anything. */
#define NUMBER(field, has, extra_value, ret) \
	((has) ? (*(ret) = (extra_value), true) : parse_number((field), sizeof(field), (ret)))

static int set_numbers(
	struct tar *tar, const struct header *header, const struct extra *extra, struct error **err)
{
	struct tar_entry *entry = &tar->entry;
	uint64_t mode, uid, gid, mtime = 0;

	if (!NUMBER(header->mode, false, 0, &mode) ||
		!NUMBER(header->uid, extra->has_uid, extra->uid, &uid) ||
		!NUMBER(header->gid, extra->has_gid, extra->gid, &gid) ||
		!NUMBER(header->size, extra->has_size, extra->size, &entry->size) ||
		!NUMBER(header->mtime, extra->has_mtime, 0, &mtime))
		return error_set(
			err, -EBADMSG, "%s: \"%s\" has a number that is none", tar->what, entry->path);
	if (uid >= UINT32_MAX || gid >= UINT32_MAX || mtime > INT64_MAX / 2 || entry->size > INT64_MAX / 2)
		return error_set(
			err, -EBADMSG, "%s: \"%s\" has a number that is too large", tar->what, entry->path);
	entry->mode = mode & 07777;
	entry->uid = (uint32_t)uid;
	entry->gid = (uint32_t)gid;
	entry->mtime = extra->has_mtime ? extra->mtime : (int64_t)mtime;
	return 0;
}

/* A field that ends with a NUL or where its room ends. */
static char *field_text(const char *field, size_t size, const char *prefix, size_t prefix_size)
{
	int length = (int)strnlen(field, size), prefix_length = (int)strnlen(prefix, prefix_size);

	return string_format(
		"%.*s%s%.*s", prefix_length, prefix, prefix_length > 0 ? "/" : "", length, field);
}

static int set_link(
	struct tar *tar, const struct header *header, char type, struct extra *extra, struct error **err)
{
	struct tar_entry *entry = &tar->entry;
	_cleanup_free_ char *link =
		extra->link ? TAKE_PTR(extra->link) : field_text(header->link, sizeof(header->link), "", 0);

	if (!link)
		return error_set_errno(err, -ENOMEM, "%s", tar->what);
	if (type == '1')
		return clean_path(tar, link, &entry->existing, err);
	if (type != '2')
		return 0;
	if (!*link || strlen(link) >= PATH_MAX)
		return error_set(
			err, -EBADMSG, "%s: \"%s\" is a symbolic link to nowhere", tar->what, entry->path);
	entry->target = TAKE_PTR(link);
	return 0;
}

static int finish_entry(struct tar *tar, const struct header *header, struct extra *extra, struct error **err)
{
	bool ustar = memcmp(header->magic, "ustar", 6) == 0;
	struct tar_entry *entry = &tar->entry;
	_cleanup_free_ char *name = extra->path ? TAKE_PTR(extra->path)
						: field_text(header->name, sizeof(header->name),
							  header->prefix, ustar ? sizeof(header->prefix) : 0);
	int r;

	if (!name)
		return error_set_errno(err, -ENOMEM, "%s", tar->what);
	r = clean_path(tar, name, &entry->path, err);
	if (r >= 0)
		r = set_numbers(tar, header, extra, err);
	if (r >= 0)
		r = set_type(tar, header->type, entry, err);
	if (r >= 0)
		r = set_link(tar, header, header->type, extra, err);
	if (r < 0)
		return r;
	if (entry->size > 0 && (!S_ISREG(entry->mode) || entry->existing))
		return error_set(
			err, -EBADMSG, "%s: \"%s\" is no file but has a content", tar->what, entry->path);
	tar->left = entry->size;
	tar->padding = round_up_u64(entry->size, BLOCK) - entry->size;
	return 0;
}

/* Reads an extended header; returns 0 where *header* is the entry's own one. */
static int read_if_extra(
	struct tar *tar, const struct header *header, struct extra *extra, struct error **err)
{
	uint64_t size;
	int r;

	if (!header->type || !strchr("LKx", header->type))
		return 0;
	if (!parse_number(header->size, sizeof(header->size), &size))
		return error_set(err, -EBADMSG, "%s: an extended header is damaged", tar->what);
	if (header->type == 'x')
		r = read_pax(tar, size, extra, err);
	else
		r = read_long_name(tar, size, header->type == 'L' ? &extra->path : &extra->link, err);
	return r < 0 ? r : 1;
}

int tar_next(struct tar *tar, struct tar_entry **ret, struct error **err)
{
	_cleanup_(extra_release) struct extra extra = {};
	struct header header;
	bool first = true;
	int r;

	if (tar->ended)
		return 0;
	entry_release(&tar->entry);
	r = skip(tar, tar->left + tar->padding, err);
	if (r < 0)
		return r;
	tar->left = tar->padding = 0;
	for (;; first = false) {
		r = read_exactly(tar, &header, BLOCK, err);
		if (r < 0)
			return r;
		if (first && is_zero(&header, BLOCK))
			return read_end(tar, err);
		if (memcmp(header.magic, "ustar", 5) != 0 || !checksum_matches(&header))
			return error_set(err, -EBADMSG, "%s: a header of the archive is damaged", tar->what);
		r = read_if_extra(tar, &header, &extra, err);
		if (r < 0)
			return r;
		if (r == 0)
			break;
	}
	r = finish_entry(tar, &header, &extra, err);
	if (r < 0)
		return r;
	*ret = &tar->entry;
	return 1;
}
