/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/history.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "base/file.h"
#include "format/canonical-json.h"
#include "format/release-index.h"
#include "format/tuf.h"

#define LINE_MAX_SIZE KiB(8)		 /* bytes; ours are shorter */
#define FILE_MAX (HISTORY_MAX + KiB(64)) /* with what is carried over */

static const char *const names[] = {
	[HISTORY_STAGED] = "staged",
	[HISTORY_STARTED] = "started",
	[HISTORY_HEALTHY] = "healthy",
	[HISTORY_FAILED] = "failed",
	[HISTORY_ROLLED_BACK] = "rolled-back",
	[HISTORY_REFUSED] = "refused",
	[HISTORY_ERROR] = "error",
	[HISTORY_REJECTED] = "rejected",
};

const char *history_event_name(enum history_event event)
{
	return names[event];
}

static void entry_release(struct history_entry *entry)
{
	free(entry->version);
	free(entry->from);
	free(entry->detail);
	*entry = (struct history_entry){};
}

void history_release(struct history *history)
{
	for (size_t i = 0; i < history->count; i++)
		entry_release(&history->entries[i]);
	free(history->entries);
	*history = (struct history){};
}

/* ---- Reading ---- */

static bool parse_event(const char *name, enum history_event *ret)
{
	for (unsigned i = 0; name && i < ARRAY_SIZE(names); i++)
		if (streq(names[i], name)) {
			*ret = (enum history_event)i;
			return true;
		}
	return false;
}

/* What a member holds; NULL where it is missing or no text. */
static const char *text_of(const json_t *json, const char *member)
{
	return json_string_value(json_object_get(json, member));
}

static bool is_version(const char *text)
{
	return text && release_version_is_valid(text);
}

/* Returns 1 where the line is one of ours, 0 where it is not, -ENOMEM. */
static int parse_line(const char *line, size_t size, struct history_entry *ret)
{
	_cleanup_json_ json_t *json =
		size <= LINE_MAX_SIZE ? json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const char *time = text_of(json, "time"), *version = text_of(json, "version");
	const char *from = text_of(json, "from"), *detail = text_of(json, "detail");

	if (!time || tuf_time_parse(time, &ret->time) < 0 ||
		!parse_event(text_of(json, "event"), &ret->event) || !is_version(version) ||
		(from && !is_version(from)))
		return 0;
	ret->version = strdup(version);
	ret->from = from ? strdup(from) : NULL;
	ret->detail = detail ? strdup(detail) : NULL;
	if (ret->version && (ret->from || !from) && (ret->detail || !detail))
		return 1;
	entry_release(ret);
	return -ENOMEM;
}

static int add_line(struct history *history, const char *line, size_t size)
{
	struct history_entry entry = {}, *entries;
	int r;

	if (size == 0)
		return 0;
	r = parse_line(line, size, &entry);
	if (r == 0)
		history->skipped++;
	if (r <= 0)
		return r;
	entries = reallocarray(history->entries, history->count + 1, sizeof(*entries));
	if (!entries) {
		entry_release(&entry);
		return -ENOMEM;
	}
	history->entries = entries;
	entries[history->count++] = entry;
	return 0;
}

int history_parse(const char *text, size_t size, struct history *ret, struct error **err)
{
	while (size > 0) {
		const char *newline = memchr(text, '\n', size);
		size_t length = newline ? (size_t)(newline - text) : size;

		if (add_line(ret, text, length) < 0)
			return error_set_errno(err, -ENOMEM, "history");
		length += newline != NULL;
		text += length;
		size -= length;
	}
	return 0;
}

/* Adds the lines of an open log; of a large one the last FILE_MAX bytes. */
static int parse_fd(int fd, const char *path, struct history *ret, struct error **err)
{
	_cleanup_free_ char *text = NULL;
	uint64_t begin = 0;
	struct stat st;
	size_t size;
	int r;

	if (fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "%s: not a regular file", path);
	if ((uint64_t)st.st_size > FILE_MAX)
		begin = (uint64_t)st.st_size - FILE_MAX;
	size = (size_t)((uint64_t)st.st_size - begin);
	text = malloc(size + 1);
	if (!text)
		return error_set_errno(err, -ENOMEM, "%s", path);
	r = pread_full(fd, text, size, begin);
	if (r < 0)
		return error_set_errno(err, r, "%s", path);
	return history_parse(text, size, ret, err);
}

static int parse_file(const char *path, struct history *ret, struct error **err)
{
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;

	if (!path)
		return error_set_errno(err, -ENOMEM, "history");
	if (fd < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, -errno, "%s", path);
	return parse_fd(fd, path, ret, err);
}

int history_load(const char *path, struct history *ret, struct error **err)
{
	_cleanup_free_ char *older = string_format("%s.1", path);
	int r;

	r = parse_file(older, ret, err);
	return r < 0 ? r : parse_file(path, ret, err);
}

/* ---- What it says ---- */

struct rejected {
	const struct history_entry *entries[HISTORY_REJECTED_MAX];
	size_t count;
};

static void forget(struct rejected *rejected, const char *version)
{
	size_t kept = 0;

	for (size_t i = 0; i < rejected->count; i++)
		if (!streq(rejected->entries[i]->version, version))
			rejected->entries[kept++] = rejected->entries[i];
	rejected->count = kept;
}

static void collect(const struct history *history, struct rejected *ret)
{
	*ret = (struct rejected){};
	for (size_t i = 0; i < history->count; i++) {
		const struct history_entry *entry = &history->entries[i];
		bool bad = entry->event == HISTORY_FAILED || entry->event == HISTORY_ROLLED_BACK ||
			   entry->event == HISTORY_REJECTED;

		if (bad || entry->event == HISTORY_HEALTHY)
			forget(ret, entry->version);
		if (bad && ret->count == HISTORY_REJECTED_MAX)
			forget(ret, ret->entries[0]->version);
		if (bad)
			ret->entries[ret->count++] = entry;
	}
}

int history_rejected(const struct history *history, struct strv *ret, struct error **err)
{
	struct rejected rejected;

	collect(history, &rejected);
	for (size_t i = 0; i < rejected.count; i++)
		if (strv_add(ret, rejected.entries[i]->version) < 0)
			return error_set_errno(err, -ENOMEM, "history");
	return 0;
}

/* ---- Adding ---- */

/*
 * A text that can stand in a line of JSON and on a terminal: no control characters, well-formed, not too
 * long. NULL where memory is out.
 */
static char *tidy(const char *text)
{
	size_t length = strnlen(text, HISTORY_DETAIL_MAX);
	_cleanup_json_ json_t *json = NULL;
	char *copy;

	while (length > 0 && text[length] && (text[length] & 0xc0) == 0x80)
		length--;
	copy = strndup(text, length);
	for (char *at = copy; at && *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = ' ';
	json = copy ? json_string(copy) : NULL;
	for (char *at = copy; at && !json && *at; at++)
		if ((unsigned char)*at >= 0x80)
			*at = '?';
	return copy;
}

static int set_text(json_t *json, const char *member, const char *text)
{
	_cleanup_free_ char *clean = text ? tidy(text) : NULL;

	if (!text)
		return 0;
	return clean && json_object_set_new(json, member, json_string(clean)) == 0 ? 0 : -ENOMEM;
}

/* Appends an entry's line to *ret*, with this event and detail instead of its own. */
static int write_line(const struct history_entry *entry, enum history_event event, const char *detail,
	struct buffer *ret, struct error **err)
{
	_cleanup_json_ json_t *json = json_object();
	_cleanup_free_ char *text = NULL;
	char time[TUF_TIME_SIZE];
	int r = json ? 0 : -ENOMEM;

	if (!is_version(entry->version) || (entry->from && !is_version(entry->from)) ||
		tuf_time_format(entry->time, time) < 0)
		return error_set(err, -EINVAL, "history: the entry has no valid version or time");
	if (r == 0)
		r = set_text(json, "time", time);
	if (r == 0)
		r = set_text(json, "event", names[event]);
	if (r == 0)
		r = set_text(json, "version", entry->version);
	if (r == 0)
		r = set_text(json, "from", entry->from);
	if (r == 0)
		r = set_text(json, "detail", detail);
	text = r == 0 ? json_dumps(json, JSON_COMPACT) : NULL;
	if (text) {
		buffer_append_string(ret, text);
		buffer_append_u8(ret, '\n');
	}
	return text && !buffer_failed(ret) ? 0 : error_set_errno(err, -ENOMEM, "history");
}

/* Opens the log and locks it against others who add to it; one that was rotated meanwhile is left alone. */
static int open_locked(const char *path, struct error **err)
{
	for (;;) {
		_cleanup_close_ int fd =
			open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0644);
		struct stat here, there;

		if (fd < 0 || flock(fd, LOCK_EX) < 0 || fstat(fd, &here) < 0)
			return error_set_errno(err, -errno, "%s", path);
		if (stat(path, &there) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino)
			return TAKE_FD(fd);
	}
}

/* Adds whole lines to the locked log; what could not be added whole is taken back. */
static int append(int fd, const char *path, struct buffer *lines, struct error **err)
{
	_cleanup_buffer_ struct buffer all = {};
	struct stat st;
	uint8_t last = '\n';
	int r = 0;

	if (fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "%s", path);
	if (st.st_size > 0)
		r = pread_full(fd, &last, 1, (uint64_t)st.st_size - 1);
	if (r < 0)
		return error_set_errno(err, r, "%s", path);
	if (last != '\n')
		buffer_append_u8(&all, '\n');
	buffer_append(&all, lines->data, lines->size);
	if (buffer_failed(&all))
		return error_set_errno(err, -ENOMEM, "%s", path);
	r = write_full(fd, all.data, all.size);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0)
		return 0;
	(void)!ftruncate(fd, st.st_size);
	return error_set_errno(err, r, "%s", path);
}

/*
 * Makes the log the older one. What the one that is older now has and the policy needs comes to the end of it
 * first: so nothing is lost wherever this stops.
 */
static int rotate(int fd, const char *path, struct error **err)
{
	_cleanup_free_ char *older = string_format("%s.1", path);
	_cleanup_history_ struct history history = {};
	_cleanup_buffer_ struct buffer lines = {};
	struct rejected rejected;
	int r;

	r = parse_file(older, &history, err);
	if (r >= 0)
		r = parse_fd(fd, path, &history, err);
	if (r < 0)
		return r;
	collect(&history, &rejected);
	for (size_t i = 0; r >= 0 && i < rejected.count; i++) {
		const struct history_entry *entry = rejected.entries[i];
		bool carried = entry->event == HISTORY_REJECTED;

		r = write_line(
			entry, HISTORY_REJECTED, carried ? entry->detail : names[entry->event], &lines, err);
	}
	if (r >= 0 && lines.size > 0)
		r = append(fd, path, &lines, err);
	if (r >= 0 && rename(path, older) < 0)
		r = error_set_errno(err, -errno, "%s", path);
	return r;
}

int history_add(const char *path, const struct history_entry *entry, struct error **err)
{
	_cleanup_close_ int fd = -1;
	_cleanup_buffer_ struct buffer line = {};
	struct stat st;
	int r;

	r = write_line(entry, entry->event, entry->detail, &line, err);
	if (r < 0)
		return r;
	fd = open_locked(path, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "%s", path);
	if ((uint64_t)st.st_size + line.size > HISTORY_MAX) {
		r = rotate(fd, path, err);
		(void)close(TAKE_FD(fd));
		fd = r < 0 ? r : open_locked(path, err);
		if (fd < 0)
			return fd;
	}
	r = append(fd, path, &line, err);
	return r < 0 ? r : fsync_parent(path, err);
}

char *history_entry_text(const struct history_entry *entry)
{
	_cleanup_free_ char *detail = entry->detail ? tidy(entry->detail) : NULL;
	char time[TUF_TIME_SIZE];

	if ((entry->detail && !detail) || tuf_time_format(entry->time, time) < 0)
		return NULL;
	return string_format("%.10s %.8s UTC  %-11s  %s%s%s%s%s", time, time + 11, names[entry->event],
		entry->version, entry->from ? " from " : "", entry->from ? entry->from : "",
		detail ? ": " : "", detail ? detail : "");
}
