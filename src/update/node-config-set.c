/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes one line of node.yaml. libyaml says where a value stands; nothing else of the text is touched. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <yaml.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/string-util.h"
#include "update/node-config.h"

/* Where something stands in the text, in characters as libyaml counts them. */
struct span {
	size_t begin, end;
};

struct place {
	bool found;
	bool block;    /* the keys stand in lines of their own, not within { } */
	bool scalar;   /* the value is a text on one line, or nothing */
	size_t column; /* of the keys */
	size_t line;   /* of the key, from 0 */
	struct span key, value;
};

struct cursor {
	yaml_parser_t parser;
	yaml_event_t event;
	bool loaded;
};

static void cursor_release(struct cursor *cursor)
{
	if (cursor->loaded)
		yaml_event_delete(&cursor->event);
	yaml_parser_delete(&cursor->parser);
}

/* The next event; NULL where the text is not valid. */
static const yaml_event_t *next_event(struct cursor *cursor)
{
	if (cursor->loaded)
		yaml_event_delete(&cursor->event);
	cursor->loaded = yaml_parser_parse(&cursor->parser, &cursor->event) != 0;
	return cursor->loaded ? &cursor->event : NULL;
}

static struct span span_of(const yaml_event_t *event)
{
	return (struct span){event->start_mark.index, event->end_mark.index};
}

static bool is_one_line(const yaml_event_t *event)
{
	return event->type == YAML_SCALAR_EVENT && event->start_mark.line == event->end_mark.line;
}

static int nesting(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		return 1;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return -1;
	default:
		return 0;
	}
}

/* Goes on to the end of the value whose first event is the current one. */
static bool skip_value(struct cursor *cursor)
{
	const yaml_event_t *event = &cursor->event;
	int depth = nesting(event);

	while (event && depth > 0) {
		event = next_event(cursor);
		depth += event ? nesting(event) : 0;
	}
	return event;
}

/* Goes through the keys of the mapping that has just begun. False where the text is not valid. */
static bool find_in_mapping(struct cursor *cursor, const char *key, struct place *ret)
{
	const yaml_event_t *event;

	ret->block = cursor->event.data.mapping_start.style != YAML_FLOW_MAPPING_STYLE;
	ret->column = cursor->event.start_mark.column;
	while ((event = next_event(cursor)) && event->type != YAML_MAPPING_END_EVENT) {
		bool here = event->type == YAML_SCALAR_EVENT &&
			    streq((const char *)event->data.scalar.value, key);

		if (here) {
			ret->key = span_of(event);
			ret->line = event->start_mark.line;
		}
		if (!skip_value(cursor) || !(event = next_event(cursor)))
			return false;
		if (here) {
			ret->found = true;
			ret->value = span_of(event);
			ret->scalar = is_one_line(event) && event->start_mark.line == ret->line;
		}
		if (!skip_value(cursor))
			return false;
	}
	return event;
}

/* Where the text begins behind a byte order mark of UTF-8, which libyaml does not count. */
static size_t begin_of(const char *text, size_t size)
{
	return size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/* Finds a key of the file's mapping. A file without one has all its keys still to come, in lines. */
static int find_key(const char *text, size_t size, const char *key, struct place *ret)
{
	_cleanup_(cursor_release) struct cursor cursor = {};
	size_t begin = begin_of(text, size);
	const yaml_event_t *event;

	*ret = (struct place){.block = true};
	if (!yaml_parser_initialize(&cursor.parser))
		return -ENOMEM;
	yaml_parser_set_encoding(&cursor.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&cursor.parser, (const unsigned char *)text + begin, size - begin);
	while ((event = next_event(&cursor)) && event->type != YAML_STREAM_END_EVENT)
		if (event->type == YAML_MAPPING_START_EVENT)
			return find_in_mapping(&cursor, key, ret) ? 0 : -EINVAL;
	return event ? 0 : -EINVAL;
}

/* Where the *index*-th character begins. UTF-8 is well-formed: libyaml has read it. */
static size_t offset_of(const char *text, size_t size, size_t index)
{
	size_t at = begin_of(text, size);

	for (; at < size && index > 0; index--)
		do
			at++;
		while (at < size && (text[at] & 0xc0) == 0x80);
	return at;
}

static bool is_plain(const char *value)
{
	if (!(*value >= '0' && *value <= '9') && !(*value >= 'A' && *value <= 'Z') &&
		!(*value >= 'a' && *value <= 'z') && *value != '/')
		return false;
	/* A colon or number sign means something only beside a space. */
	return value[strspn(value,
		       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~^+-/:")] == 0 &&
	       value[strlen(value) - 1] != ':';
}

static void append_value(struct buffer *text, const char *value)
{
	if (is_plain(value)) {
		buffer_append_string(text, value);
		return;
	}
	buffer_append_u8(text, '"');
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			buffer_append_u8(text, '\\');
		buffer_append_u8(text, (uint8_t)*value);
	}
	buffer_append_u8(text, '"');
}

static void replace_value(
	const char *text, size_t size, const struct place *place, const char *value, struct buffer *ret)
{
	size_t begin = offset_of(text, size, place->value.begin),
	       end = offset_of(text, size, place->value.end);

	buffer_append(ret, text, begin);
	if (begin > 0 && text[begin - 1] == ':')
		buffer_append_u8(ret, ' ');
	append_value(ret, value);
	buffer_append(ret, text + end, size - end);
}

static void add_key(const char *text, size_t size, const struct place *place, const char *key,
	const char *value, struct buffer *ret)
{
	buffer_append(ret, text, size);
	if (size > 0 && text[size - 1] != '\n')
		buffer_append_u8(ret, '\n');
	for (size_t i = 0; i < place->column; i++)
		buffer_append_u8(ret, ' ');
	buffer_printf(ret, "%s: ", key);
	append_value(ret, value);
	buffer_append_u8(ret, '\n');
}

/* Whether a character from *at* to before *end* ends a line for libyaml, other than a newline would. */
static bool has_odd_break(const char *at, const char *end)
{
	for (; at < end; at++)
		if ((*at == '\r' && at + 1 < end) || (end - at >= 2 && memcmp(at, "\xc2\x85", 2) == 0) ||
			(end - at >= 3 &&
				(memcmp(at, "\xe2\x80\xa8", 3) == 0 || memcmp(at, "\xe2\x80\xa9", 3) == 0)))
			return true;
	return false;
}

/* Removes the line with its comment. False where that is not all that the line holds. */
static bool remove_line(const char *text, size_t size, const struct place *place, struct buffer *ret)
{
	size_t begin = offset_of(text, size, place->key.begin), end = offset_of(text, size, place->value.end);
	const char *newline = memchr(text + end, '\n', size - end);
	size_t next = newline ? (size_t)(newline - text) + 1 : size;

	begin -= place->column;
	if ((begin > begin_of(text, size) && text[begin - 1] != '\n') ||
		has_odd_break(text + end, newline ? newline : text + size))
		return false;
	buffer_append(ret, text, begin);
	buffer_append(ret, text + next, size - next);
	return true;
}

/* Makes the new text. Returns 1 where it differs from the old one, 0 where there is nothing to do. */
static int edit(const char *text, size_t size, const char *path, const char *key, const char *value,
	struct buffer *ret, struct error **err)
{
	struct place place;
	int r;

	r = find_key(text, size, key, &place);
	if (r == -ENOMEM)
		return error_set_errno(err, r, "%s", path);
	if (r < 0)
		return error_set(err, r, "%s: not valid YAML; it has to be put right by hand", path);
	if (!value && !place.found)
		return 0;
	if ((place.found && !place.scalar) || (!place.block && (!value || !place.found)) ||
		(!value && !remove_line(text, size, &place, ret)))
		return error_set(err, -EINVAL,
			"%s:%zu: %s: does not stand in a line of its own; it has to be changed by hand", path,
			place.line + 1, key);
	if (value && place.found)
		replace_value(text, size, &place, value, ret);
	else if (value)
		add_key(text, size, &place, key, value, ret);
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "%s", path) : 1;
}

/* What was written must be read as what it was meant to be. */
static int check(const struct buffer *text, const char *path, const char *zones, struct error **err)
{
	_cleanup_node_config_ struct node_config config = {};

	return node_config_parse((const char *)text->data, text->size, path, zones, &config, err);
}

/* Holds others off who change files of this folder; what is open is the lock. */
static int lock_folder(const char *path, struct error **err)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *folder = slash ? strndup(path, (size_t)(slash + 1 - path)) : strdup(".");
	_cleanup_close_ int fd = -1;

	if (!folder)
		return error_set_errno(err, -ENOMEM, "%s", path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return error_set_errno(err, -errno, "%s", folder);
	return TAKE_FD(fd);
}

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

/* The file's text and mode; one that is not there is empty. */
static int read_old(const char *path, char **ret, size_t *ret_size, mode_t *ret_mode, struct error **err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	*ret_size = 0;
	*ret_mode = 0644;
	if (fd < 0 && errno == ENOENT) {
		*ret = strdup("");
		return *ret ? 0 : error_set_errno(err, -ENOMEM, "%s", path);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "%s", path);
	*ret_mode = st.st_mode & 07777;
	return file_read_fd(fd, path, NODE_CONFIG_MAX, ret, ret_size, err);
}

int node_config_set(
	const char *path, const char *zones, const char *key, const char *value, struct error **err)
{
	_cleanup_close_ int lock = lock_folder(path, err);
	_cleanup_buffer_ struct buffer changed = {};
	_cleanup_free_ char *text = NULL;
	size_t size;
	mode_t mode;
	int r;

	if (lock < 0)
		return lock;
	if (value && (!*value || !is_printable(value)))
		return error_set(err, -EINVAL, "%s: %s: not a text that can stand in one line", path, key);
	r = read_old(path, &text, &size, &mode, err);
	if (r >= 0)
		r = edit(text, size, path, key, value, &changed, err);
	if (r <= 0)
		return r;
	r = check(&changed, path, zones, err);
	return r < 0 ? r : file_write_atomic(path, changed.data, changed.size, mode, err);
}
