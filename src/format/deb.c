/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/deb-part.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "format/tar.h"

#define CONTROL_FILE_MAX MiB(4)
#define DATA_SLACK MiB(16)
#define DATA_MAX GiB(8)
#define ENTRIES_MAX 1000000

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

int deb_control_read(
	const struct deb_members *members, const char *package, struct deb *deb, struct error **err)
{
	_cleanup_free_ char *control = NULL, *conffiles = NULL;
	_cleanup_free_ char *what = string_format("%s: %s", package, members->control_name);
	_cleanup_(deb_stream_close) struct deb_stream stream = {.what = what, .left = DEB_CONTROL_MAX};
	_cleanup_tar_ struct tar *tar = what ? tar_new(what, deb_stream_read, &stream) : NULL;
	struct tar_entry *entry;
	int r;

	if (!tar)
		return error_set_errno(err, -ENOMEM, "%s", package);
	r = deb_stream_open(&stream, members->control_name + strlen("control.tar"), members->control, err);
	while (r >= 0 && (r = tar_next(tar, &entry, err)) > 0) {
		if (streq(entry->path, "control"))
			r = read_text(tar, entry, what, &control, err);
		else if (streq(entry->path, "conffiles"))
			r = read_text(tar, entry, what, &conffiles, err);
	}
	return r < 0 ? r : parse_control(control, conffiles, what, deb, err);
}

uint64_t deb_payload_limit(const struct control *control)
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

/* A package's payload while it is read. */
struct payload {
	struct content *package; /* NULL: its bytes do not stay */
	struct deb_stream stream;
	struct tar *tar;
	const char *what;
	struct deb *deb;
};

/* Where the stream is in the package's bytes; 0: it decompresses what is there. */
static size_t payload_offset(const struct payload *payload)
{
	const struct deb_stream *stream = &payload->stream;

	return payload->package && !stream->archive
		       ? (size_t)(stream->plain.data - content_data(payload->package))
		       : 0;
}

static int copy_content(struct payload *payload, size_t size, struct content **ret, struct error **err)
{
	uint8_t *data = malloc(size + 1);
	int r;

	if (!data)
		return error_set_errno(err, -ENOMEM, "%s", payload->what);
	r = tar_read(payload->tar, data, size, err);
	if (r < 0) {
		free(data);
		return r;
	}
	*ret = content_new(data, size);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "%s", payload->what);
}

/* Of what cannot be a slice, since the archive ends before, the error is that of reading it. */
static int read_content(struct payload *payload, uint64_t size, struct content **ret, struct error **err)
{
	size_t offset = payload_offset(payload);

	if (offset == 0 || size > payload->stream.plain.size)
		return copy_content(payload, size, ret, err);
	*ret = content_slice(payload->package, offset, size);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "%s", payload->what);
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
static int keep(struct deb *deb, struct tar_entry *from, struct content *content, size_t offset,
	const char *what, struct error **err)
{
	struct deb_entry *entry = grow(&deb->entries, &deb->entry_count);

	if (!entry)
		return error_set_errno(err, -ENOMEM, "%s", what);
	*entry = (struct deb_entry){
		.mode = from->mode,
		.uid = from->uid,
		.gid = from->gid,
		.mtime = from->mtime,
		.content = content ? content_ref(content) : NULL,
		.offset = content ? offset : 0,
		.xattr_count = from->xattr_count,
	};
	entry->path = TAKE_PTR(from->path);
	entry->target = TAKE_PTR(from->target);
	entry->existing = TAKE_PTR(from->existing);
	entry->xattrs = TAKE_PTR(from->xattrs);
	from->xattr_count = 0;
	deb->size += content ? from->size : 0;
	return 0;
}

static int add_entry(struct payload *payload, struct tar_entry *from, unsigned wanted, struct error **err)
{
	_cleanup_content_ struct content *content = NULL;
	size_t offset = payload_offset(payload);
	struct deb *deb = payload->deb;
	int r = 0;

	if (S_ISDIR(from->mode) || from->existing)
		wanted &= ~(unsigned)DEB_ASIDE;
	if (!(wanted & DEB_KEEP) && !S_ISDIR(from->mode)) {
		deb->left_out++;
		deb->left_out_size += from->size;
	}
	if (wanted && S_ISREG(from->mode) && !from->existing)
		r = read_content(payload, from->size, &content, err);
	if (r >= 0 && wanted & DEB_ASIDE)
		r = set_aside(deb, from, content, payload->what, err);
	if (r >= 0 && wanted & DEB_KEEP)
		r = keep(deb, from, content, offset, payload->what, err);
	return r;
}

/* What is not in the limits, is passed over (the root folder itself), or else becomes an entry. */
static int read_entry(struct payload *payload, struct tar_entry *entry, size_t count, deb_filter_fn filter,
	void *userdata, struct error **err)
{
	if (count > ENTRIES_MAX || entry->size > payload->stream.left)
		return error_set(err, -EFBIG, "%s: \"%s\": more than the package's Installed-Size allows",
			payload->what, entry->path);
	if (!*entry->path)
		return S_ISDIR(entry->mode)
			       ? 0
			       : error_set(err, -EINVAL, "%s: the root is no folder", payload->what);
	return add_entry(payload, entry, filter ? filter(entry->path, entry->mode, userdata) : DEB_KEEP, err);
}

static int read_data(struct payload *payload, const struct deb_members *members, deb_filter_fn filter,
	void *userdata, struct error **err)
{
	struct tar_entry *entry;
	int r = deb_stream_open(
		&payload->stream, members->data_name + strlen("data.tar"), members->data, err);

	for (size_t count = 1; r >= 0 && (r = tar_next(payload->tar, &entry, err)) > 0; count++)
		r = read_entry(payload, entry, count, filter, userdata, err);
	return r < 0 ? r : check_entries(payload->deb, payload->what, err);
}

static int read_payload(const struct deb_members *members, struct content *package, const char *what,
	deb_filter_fn filter, void *userdata, struct deb *deb, struct error **err)
{
	_cleanup_free_ char *about = string_format("%s: %s", what, members->data_name);
	struct payload payload = {.package = package,
		.stream = {.what = about, .left = deb_payload_limit(&deb->control)},
		.what = about,
		.deb = deb};
	int r;

	payload.tar = about ? tar_new(about, deb_stream_read, &payload.stream) : NULL;
	r = payload.tar ? read_data(&payload, members, filter, userdata, err)
			: error_set_errno(err, -ENOMEM, "%s", what);
	tar_free(payload.tar);
	deb_stream_close(&payload.stream);
	return r;
}

/* *package* is NULL where *file* does not stay. */
static int read_package(struct deb_slice file, struct content *package, const char *what,
	deb_filter_fn filter, void *userdata, struct deb *ret, struct error **err)
{
	_cleanup_deb_ struct deb deb = {};
	struct deb_members members = {};
	int r;

	r = deb_members_read(file, what, &members, err);
	if (r >= 0)
		r = deb_control_read(&members, what, &deb, err);
	if (r >= 0)
		r = read_payload(&members, package, what, filter, userdata, &deb, err);
	if (r < 0)
		return r;
	*ret = deb;
	deb = (struct deb){};
	return 0;
}

int deb_read(const void *data, size_t size, const char *what, deb_filter_fn filter, void *userdata,
	struct deb *ret, struct error **err)
{
	return read_package((struct deb_slice){data, size}, NULL, what, filter, userdata, ret, err);
}

int deb_read_content(struct content *package, const char *what, deb_filter_fn filter, void *userdata,
	struct deb *ret, struct error **err)
{
	return read_package((struct deb_slice){content_data(package), content_size(package)}, package, what,
		filter, userdata, ret, err);
}

static int detach(struct deb_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct content *own = entries[i].content ? content_detach(entries[i].content) : NULL;

		if (entries[i].content && !own)
			return -ENOMEM;
		content_unref(entries[i].content);
		entries[i].content = own;
	}
	return 0;
}

int deb_detach(struct deb *deb)
{
	int r = detach(deb->entries, deb->entry_count);

	return r < 0 ? r : detach(deb->aside, deb->aside_count);
}
