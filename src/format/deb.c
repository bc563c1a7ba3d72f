/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/deb.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "format/tar.h"

#define CONTROL_FILE_MAX MiB(4)
#define CONTROL_TAR_MAX MiB(64)
#define DATA_SLACK MiB(16)
#define DATA_MAX GiB(8)
#define ENTRIES_MAX 1000000

struct slice {
	const uint8_t *data; /* NULL: not there */
	size_t size;
};

/* The ar members of a package. */
struct members {
	struct slice version, control, data;
	char control_name[17], data_name[17];
};

static void entry_release(struct deb_entry *entry)
{
	free(entry->path);
	free(entry->target);
	free(entry->existing);
	content_unref(entry->content);
	for (size_t i = 0; i < entry->xattr_count; i++) {
		free(entry->xattrs[i].name);
		free(entry->xattrs[i].value);
	}
	free(entry->xattrs);
}

void deb_entries_release(struct deb_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		entry_release(&entries[i]);
	free(entries);
}

void deb_release(struct deb *deb)
{
	control_release(&deb->control);
	strv_release(&deb->conffiles);
	deb_entries_release(deb->entries, deb->entry_count);
	deb_entries_release(deb->aside, deb->aside_count);
	*deb = (struct deb){};
}

/* A member's name as far as its padding, without the "/" that GNU ar puts behind it. */
static void member_name(const uint8_t *header, char ret[17])
{
	size_t length = 16;

	memcpy(ret, header, 16);
	while (length > 0 && ret[length - 1] == ' ')
		length--;
	if (length > 0 && ret[length - 1] == '/')
		length--;
	ret[length] = 0;
}

static bool member_size(const uint8_t *header, uint64_t *ret)
{
	char text[11];

	memcpy(text, header + 48, 10);
	text[10] = 0;
	text[strcspn(text, " ")] = 0;
	return parse_u64(text, ret) == 0;
}

/* Puts a member where it belongs: they come in a fixed order, and one whose name begins with "_" may stand
 * between. */
static int place_member(
	struct members *members, const char *name, struct slice member, const char *what, struct error **err)
{
	struct slice *place = NULL;
	bool in_order = true;

	if (streq(name, "debian-binary")) {
		place = &members->version;
		in_order = !members->control.data && !members->data.data;
	} else if (startswith(name, "control.tar")) {
		place = &members->control;
		in_order = members->version.data && !members->data.data;
		memcpy(members->control_name, name, sizeof(members->control_name));
	} else if (startswith(name, "data.tar")) {
		place = &members->data;
		in_order = members->control.data;
		memcpy(members->data_name, name, sizeof(members->data_name));
	} else if (name[0] == '_' || members->data.data) {
		return 0; /* deb(5): to be passed over */
	}
	if (!place || !in_order || place->data)
		return error_set(
			err, -EBADMSG, "%s: member \"%s\" is not expected where it stands", what, name);
	*place = member;
	return 0;
}

static int read_members(struct slice file, const char *what, struct members *ret, struct error **err)
{
	size_t at = 8;

	if (file.size < 8 || memcmp(file.data, "!<arch>\n", 8) != 0)
		return error_set(err, -EBADMSG, "%s: this is no Debian package (no ar archive)", what);
	while (at < file.size) {
		const uint8_t *header = file.data + at;
		char name[17];
		uint64_t size;
		int r;

		if (file.size - at < 60 || memcmp(header + 58, "`\n", 2) != 0 || !member_size(header, &size))
			return error_set(err, -EBADMSG, "%s: a member's header is damaged", what);
		at += 60;
		if (size > file.size - at)
			return error_set(err, -EBADMSG, "%s: the file ends too early", what);
		member_name(header, name);
		r = place_member(ret, name, (struct slice){file.data + at, size}, what, err);
		if (r < 0)
			return r;
		at += MIN(size + size % 2, file.size - at);
	}
	if (!ret->version.data || !ret->control.data || !ret->data.data)
		return error_set(
			err, -EBADMSG, "%s: debian-binary, control.tar or data.tar is missing", what);
	if (ret->version.size < 4 || memcmp(ret->version.data, "2.", 2) != 0)
		return error_set(err, -ENOTSUP, "%s: the package is not of format 2", what);
	return 0;
}

/* A decompressed member, read no further than *left* more bytes. */
struct stream {
	struct archive *archive;
	const char *what;
	uint64_t left;
};

static void stream_close(struct stream *stream)
{
	if (stream->archive)
		archive_read_free(stream->archive);
}

/* What libarchive alone says of a file that is cut off, or goes on behind its end, helps nobody. */
static int stream_damaged(const struct stream *stream, struct error **err)
{
	const char *details = archive_error_string(stream->archive);

	return error_set(err, -EBADMSG, "%s: is damaged, cut off, or goes on behind its end (%s)",
		stream->what, details ? details : "it is empty");
}

static ssize_t stream_read(void *userdata, void *buffer, size_t size, struct error **err)
{
	struct stream *stream = userdata;
	size_t done = 0;

	while (done < size) {
		la_ssize_t n = archive_read_data(stream->archive, (uint8_t *)buffer + done, size - done);

		if (n < 0)
			return stream_damaged(stream, err);
		if (n == 0)
			break;
		done += (size_t)n;
	}
	if (done > stream->left)
		return error_set(
			err, -EFBIG, "%s: holds much more than the package's Installed-Size", stream->what);
	stream->left -= done;
	return (ssize_t)done;
}

/* Lets libarchive decompress what the member's name says, and nothing else. */
static int stream_open(struct stream *stream, const char *ending, struct slice member, struct error **err)
{
	struct archive_entry *entry;
	int r;

	stream->archive = archive_read_new();
	if (!stream->archive)
		return error_set_errno(err, -ENOMEM, "%s", stream->what);
	if (streq(ending, ".xz"))
		r = archive_read_support_filter_xz(stream->archive);
	else if (streq(ending, ".zst"))
		r = archive_read_support_filter_zstd(stream->archive);
	else if (streq(ending, ".gz"))
		r = archive_read_support_filter_gzip(stream->archive);
	else if (*ending == 0)
		r = ARCHIVE_OK;
	else
		return error_set(err, -ENOTSUP, "%s: compression \"%s\" is not known (gz, xz and zst are)",
			stream->what, ending);
	if (r == ARCHIVE_OK)
		r = archive_read_support_format_raw(stream->archive);
	if (r == ARCHIVE_OK)
		r = archive_read_open_memory(stream->archive, member.data, member.size);
	if (r == ARCHIVE_OK)
		r = archive_read_next_header(stream->archive, &entry);
	if (r != ARCHIVE_OK)
		return stream_damaged(stream, err);
	if (*ending && archive_filter_count(stream->archive) < 2)
		return error_set(err, -EBADMSG, "%s: is not compressed as its name says", stream->what);
	return 0;
}

static int read_text(
	struct tar *tar, const struct tar_entry *entry, const char *what, char **ret, struct error **err)
{
	_cleanup_free_ char *text = NULL;
	int r;

	if (*ret || !S_ISREG(entry->mode) || entry->existing || entry->size > CONTROL_FILE_MAX)
		return error_set(err, -EBADMSG, "%s: \"%s\" stands twice or is no file of at most 4 MiB",
			what, entry->path);
	text = calloc(1, entry->size + 1);
	if (!text)
		return error_set_errno(err, -ENOMEM, "%s", what);
	r = tar_read(tar, text, entry->size, err);
	if (r >= 0)
		*ret = TAKE_PTR(text);
	return r;
}

/* Each line is "/etc/foo" or "remove-on-upgrade /etc/foo", which names a file that the package does not have.
 */
static int read_conffiles(char *text, const char *what, struct strv *ret, struct error **err)
{
	for (char *line = text, *next; line; line = next) {
		size_t length = strcspn(line, "\n");

		next = line[length] ? line + length + 1 : NULL;
		line[length] = 0;
		while (length > 0 && strchr(" \t\r", line[length - 1]))
			line[--length] = 0;
		if (line[0] == '/' && strv_add(ret, line) < 0)
			return error_set_errno(err, -ENOMEM, "%s", what);
	}
	return 0;
}

static int check_fields(const struct control *control, const char *what, struct error **err)
{
	static const char *const fields[] = {"Package", "Version", "Architecture"};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const char *value = control_get(control, fields[i]);

		if (!value || !*value || strpbrk(value, " \t\n/"))
			return error_set(err, -EBADMSG, "%s: field %s is missing or has no possible value",
				what, fields[i]);
	}
	return 0;
}

static int parse_control(char *text, char *conffiles, const char *what, struct deb *deb, struct error **err)
{
	const char *at = text, *end = text ? text + strlen(text) : NULL;
	int r;

	if (!text)
		return error_set(err, -EBADMSG, "%s: has no file \"control\"", what);
	r = control_next(&at, end, what, &deb->control, err);
	if (r == 0)
		r = error_set(err, -EBADMSG, "%s: the file \"control\" is empty", what);
	if (r >= 0)
		r = check_fields(&deb->control, what, err);
	if (r >= 0 && conffiles)
		r = read_conffiles(conffiles, what, &deb->conffiles, err);
	return r < 0 ? r : 0;
}

static int read_control(
	const struct members *members, const char *package, struct deb *deb, struct error **err)
{
	_cleanup_free_ char *what = string_format("%s: %s", package, members->control_name), *control = NULL,
			    *conffiles = NULL;
	_cleanup_(stream_close) struct stream stream = {.what = what, .left = CONTROL_TAR_MAX};
	_cleanup_tar_ struct tar *tar = what ? tar_new(what, stream_read, &stream) : NULL;
	struct tar_entry *entry;
	int r;

	if (!tar)
		return error_set_errno(err, -ENOMEM, "%s", package);
	r = stream_open(&stream, members->control_name + strlen("control.tar"), members->control, err);
	while (r >= 0 && (r = tar_next(tar, &entry, err)) > 0) {
		if (streq(entry->path, "control"))
			r = read_text(tar, entry, what, &control, err);
		else if (streq(entry->path, "conffiles"))
			r = read_text(tar, entry, what, &conffiles, err);
	}
	return r < 0 ? r : parse_control(control, conffiles, what, deb, err);
}

/* How many bytes of tar the payload may have: twice the Installed-Size (in KiB) and some room for headers. */
static uint64_t payload_limit(const struct control *control)
{
	const char *text = control_get(control, "Installed-Size");
	uint64_t size;

	if (!text || parse_u64(text, &size) < 0 || size > DATA_MAX / 2048)
		size = text ? DATA_MAX / 2048 : 0;
	return MIN(size * 2048 + DATA_SLACK, DATA_MAX);
}

static int compare_paths(const void *a, const void *b)
{
	const struct deb_entry *const *left = a, *const *right = b;

	return strcmp((*left)->path, (*right)->path);
}

static int find_path(const void *key, const void *entry)
{
	const struct deb_entry *const *other = entry;

	return strcmp(key, (*other)->path);
}

/* No path may stand twice, and a hard link leads to a file before it. */
static int check_entries(struct deb *deb, const char *what, struct error **err)
{
	_cleanup_free_ const struct deb_entry **sorted = calloc(deb->entry_count + 1, sizeof(*sorted));

	if (!sorted)
		return error_set_errno(err, -ENOMEM, "%s", what);
	for (size_t i = 0; i < deb->entry_count; i++)
		sorted[i] = &deb->entries[i];
	qsort(sorted, deb->entry_count, sizeof(*sorted), compare_paths);
	for (size_t i = 1; i < deb->entry_count; i++)
		if (streq(sorted[i - 1]->path, sorted[i]->path))
			return error_set(
				err, -EEXIST, "%s: \"%s\" stands in it twice", what, sorted[i]->path);
	for (size_t i = 0; i < deb->entry_count; i++) {
		struct deb_entry *entry = &deb->entries[i];
		const struct deb_entry **found;

		if (!entry->existing)
			continue;
		found = bsearch(entry->existing, sorted, deb->entry_count, sizeof(*sorted), find_path);
		if (!found || *found >= entry || !S_ISREG((*found)->mode))
			return error_set(err, -EBADMSG,
				"%s: \"%s\" is a hard link to \"%s\", which is no file before it (or is left "
				"out)",
				what, entry->path, entry->existing);
		entry->existing_index = (size_t)(*found - deb->entries);
	}
	return 0;
}

static int read_content(
	struct tar *tar, uint64_t size, const char *what, struct content **ret, struct error **err)
{
	uint8_t *data = malloc(size + 1);
	int r;

	if (!data)
		return error_set_errno(err, -ENOMEM, "%s", what);
	r = tar_read(tar, data, size, err);
	if (r < 0) {
		free(data);
		return r;
	}
	*ret = content_new(data, size);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "%s", what);
}

/* One more entry, zeroed, at the end of a list; NULL where memory is out. */
static struct deb_entry *grow(struct deb_entry **entries, size_t *count)
{
	if (*count == 0 || is_power_of_two_u64(*count)) {
		size_t capacity = MAX(2 * *count, 1U);
		struct deb_entry *grown = reallocarray(*entries, capacity, sizeof(*grown));

		if (!grown)
			return NULL;
		*entries = grown;
	}
	(*entries)[*count] = (struct deb_entry){};
	return &(*entries)[(*count)++];
}

/* Copies what can be wanted apart from the package's other files. */
static int set_aside(struct deb *deb, const struct tar_entry *from, struct content *content, const char *what,
	struct error **err)
{
	struct deb_entry *entry = grow(&deb->aside, &deb->aside_count);

	if (!entry)
		return error_set_errno(err, -ENOMEM, "%s", what);
	entry->mode = from->mode;
	entry->mtime = from->mtime;
	entry->content = content ? content_ref(content) : NULL;
	entry->path = strdup(from->path);
	entry->target = from->target ? strdup(from->target) : NULL;
	return entry->path && (entry->target || !from->target) ? 0
							       : error_set_errno(err, -ENOMEM, "%s", what);
}

/* Takes over what the tar entry holds. */
static int keep(struct deb *deb, struct tar_entry *from, struct content *content, const char *what,
	struct error **err)
{
	struct deb_entry *entry = grow(&deb->entries, &deb->entry_count);

	if (!entry)
		return error_set_errno(err, -ENOMEM, "%s", what);
	*entry = (struct deb_entry){
		.path = TAKE_PTR(from->path),
		.mode = from->mode,
		.uid = from->uid,
		.gid = from->gid,
		.mtime = from->mtime,
		.content = content ? content_ref(content) : NULL,
		.target = TAKE_PTR(from->target),
		.existing = TAKE_PTR(from->existing),
		.xattrs = TAKE_PTR(from->xattrs),
		.xattr_count = from->xattr_count,
	};
	from->xattr_count = 0;
	deb->size += content ? from->size : 0;
	return 0;
}

static int add_entry(struct deb *deb, struct tar *tar, struct tar_entry *from, unsigned wanted,
	const char *what, struct error **err)
{
	_cleanup_content_ struct content *content = NULL;
	int r = 0;

	if (S_ISDIR(from->mode) || from->existing)
		wanted &= ~(unsigned)DEB_ASIDE;
	if (!(wanted & DEB_KEEP) && !S_ISDIR(from->mode)) {
		deb->left_out++;
		deb->left_out_size += from->size;
	}
	if (wanted && S_ISREG(from->mode) && !from->existing)
		r = read_content(tar, from->size, what, &content, err);
	if (r >= 0 && wanted & DEB_ASIDE)
		r = set_aside(deb, from, content, what, err);
	if (r >= 0 && wanted & DEB_KEEP)
		r = keep(deb, from, content, what, err);
	return r;
}

static int read_data(const struct members *members, const char *package, deb_filter_fn filter, void *userdata,
	struct deb *deb, struct error **err)
{
	_cleanup_free_ char *what = string_format("%s: %s", package, members->data_name);
	_cleanup_(stream_close) struct stream stream = {.what = what, .left = payload_limit(&deb->control)};
	_cleanup_tar_ struct tar *tar = what ? tar_new(what, stream_read, &stream) : NULL;
	struct tar_entry *entry;
	size_t count = 0;
	int r;

	if (!tar)
		return error_set_errno(err, -ENOMEM, "%s", package);
	r = stream_open(&stream, members->data_name + strlen("data.tar"), members->data, err);
	while (r >= 0 && (r = tar_next(tar, &entry, err)) > 0) {
		if (++count > ENTRIES_MAX || entry->size > stream.left)
			r = error_set(err, -EFBIG,
				"%s: \"%s\": more than the package's Installed-Size allows", what,
				entry->path);
		else if (!*entry->path && !S_ISDIR(entry->mode))
			r = error_set(err, -EINVAL, "%s: the root is no folder", what);
		else if (!*entry->path)
			continue;
		else
			r = add_entry(deb, tar, entry,
				filter ? filter(entry->path, entry->mode, userdata) : DEB_KEEP, what, err);
	}
	return r < 0 ? r : check_entries(deb, what, err);
}

int deb_read(const void *data, size_t size, const char *what, deb_filter_fn filter, void *userdata,
	struct deb *ret, struct error **err)
{
	_cleanup_deb_ struct deb deb = {};
	struct members members = {};
	int r;

	r = read_members((struct slice){data, size}, what, &members, err);
	if (r >= 0)
		r = read_control(&members, what, &deb, err);
	if (r >= 0)
		r = read_data(&members, what, filter, userdata, &deb, err);
	if (r < 0)
		return r;
	*ret = deb;
	deb = (struct deb){};
	return 0;
}
