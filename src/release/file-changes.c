/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/file-changes.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "format/canonical-json.h"
#include "format/json-text.h"

void file_changes_release(struct file_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		free(changes->items[i].path);
	free(changes->items);
	*changes = (struct file_changes){};
}

/* ---- Comparing ---- */

static bool is_same_content(const struct tree_inode *a, const struct tree_inode *b)
{
	if (S_ISREG(a->mode))
		return a->content == b->content ||
		       (content_size(a->content) == content_size(b->content) &&
			       memcmp(content_data(a->content), content_data(b->content),
				       content_size(a->content)) == 0);
	return !S_ISLNK(a->mode) || streq(a->target, b->target);
}

static bool has_same_xattrs(const struct tree_inode *a, const struct tree_inode *b)
{
	if (a->xattr_count != b->xattr_count)
		return false;
	for (size_t i = 0; i < a->xattr_count; i++)
		if (!streq(a->xattrs[i].name, b->xattrs[i].name) || a->xattrs[i].size != b->xattrs[i].size ||
			(a->xattrs[i].size > 0 &&
				memcmp(a->xattrs[i].value, b->xattrs[i].value, a->xattrs[i].size) != 0))
			return false;
	return true;
}

static unsigned compare_inodes(const struct tree_inode *a, const struct tree_inode *b)
{
	unsigned found = 0;

	if ((a->mode & S_IFMT) != (b->mode & S_IFMT))
		found |= FILE_TYPE;
	else if (!is_same_content(a, b))
		found |= FILE_CONTENT;
	/* Links have permissions, but nobody asks for them. */
	if (!S_ISLNK(a->mode) && !S_ISLNK(b->mode) && (a->mode & 07777) != (b->mode & 07777))
		found |= FILE_MODE;
	if (a->uid != b->uid || a->gid != b->gid)
		found |= FILE_OWNER;
	if (!has_same_xattrs(a, b))
		found |= FILE_XATTRS;
	return found;
}

static int add_change(struct file_changes *changes, char *path, const struct tree_inode *before,
	const struct tree_inode *after, unsigned differences)
{
	if (changes->count == 0 || is_power_of_two_u64(changes->count)) {
		struct file_change *items =
			reallocarray(changes->items, MAX(2 * changes->count, 1U), sizeof(*items));

		if (!items) {
			free(path);
			return -ENOMEM;
		}
		changes->items = items;
	}
	changes->items[changes->count++] = (struct file_change){path, before, after, differences};
	return 0;
}

static int compare_folders(struct file_changes *changes, const char *path, const struct tree_inode *before,
	const struct tree_inode *after);

/* Takes *path* over. One of the inodes may be NULL. */
static int compare_names(struct file_changes *changes, char *path, const struct tree_inode *before,
	const struct tree_inode *after)
{
	unsigned differences = before && after ? compare_inodes(before, after) : 0;
	_cleanup_free_ char *copy = path ? strdup(path) : NULL;
	int r = 0;

	if (!copy) {
		free(path);
		return -ENOMEM;
	}
	if (!before || !after || differences != 0)
		r = add_change(changes, path, before, after, differences);
	else
		free(path);
	if (r == 0)
		r = compare_folders(changes, copy, before && S_ISDIR(before->mode) ? before : NULL,
			after && S_ISDIR(after->mode) ? after : NULL);
	return r;
}

/* Entries are sorted: both folders are walked side by side. The depth is that of a tree that was read. */
static int compare_folders(struct file_changes *changes, const char *path, const struct tree_inode *before,
	const struct tree_inode *after)
{
	size_t i = 0, j = 0, count_before = before ? before->entry_count : 0,
	       count_after = after ? after->entry_count : 0;
	int r = 0;

	while (r == 0 && (i < count_before || j < count_after)) {
		int order = i == count_before  ? 1
			    : j == count_after ? -1
					       : strcmp(before->entries[i].name, after->entries[j].name);
		const struct tree_entry *old = order <= 0 ? &before->entries[i++] : NULL,
					*new = order >= 0 ? &after->entries[j++] : NULL;

		assert(old || new);
		r = compare_names(changes,
			string_format("%s%s%s", path, *path ? "/" : "", old ? old->name : new->name),
			old ? old->inode : NULL, new ? new->inode : NULL);
	}
	return r;
}

int file_changes_find(
	const struct tree *before, const struct tree *after, struct file_changes *ret, struct error **err)
{
	_cleanup_file_changes_ struct file_changes changes = {};
	int r = compare_names(&changes, strdup(""), tree_root(before), tree_root(after));

	if (r < 0)
		return error_set_errno(err, r, "files");
	*ret = changes;
	changes = (struct file_changes){};
	return 0;
}

/* ---- Writing ---- */

static const char *type_name(mode_t mode)
{
	return S_ISDIR(mode) ? "folder" : S_ISLNK(mode) ? "link" : "file";
}

/* A path or a link's target for a terminal, which control characters could command. */
static void put_path(const char *path, struct buffer *ret)
{
	for (; *path; path++)
		buffer_append_u8(ret, (uint8_t)*path < ' ' || *path == 0x7f ? '?' : (uint8_t)*path);
}

static int content_digest(const struct tree_inode *inode, char ret[SHA256_HEX_SIZE])
{
	uint8_t digest[SHA256_SIZE];
	int r = sha256_bytes(content_data(inode->content), content_size(inode->content), digest);

	if (r == 0)
		hex_encode(digest, SHA256_SIZE, ret);
	return r;
}

static void put_digest(const struct tree_inode *inode, struct buffer *ret)
{
	char text[SHA256_HEX_SIZE];

	if (content_digest(inode, text) < 0)
		ret->failed = true;
	else
		buffer_printf(ret, "%zu bytes %s", content_size(inode->content), text);
}

static void put_content(const struct file_change *change, struct buffer *ret)
{
	if (S_ISLNK(change->before->mode)) {
		buffer_append_string(ret, "\n    target ");
		put_path(change->before->target, ret);
		buffer_append_string(ret, " -> ");
		put_path(change->after->target, ret);
		return;
	}
	buffer_append_string(ret, "\n    content ");
	put_digest(change->before, ret);
	buffer_append_string(ret, "\n         -> ");
	put_digest(change->after, ret);
}

/* The value of one attribute on both sides, for people: its length tells most. */
static void put_xattrs(const struct file_change *change, struct buffer *ret)
{
	const struct tree_inode *a = change->before, *b = change->after;

	for (size_t i = 0; i < a->xattr_count; i++) {
		const struct tree_xattr *old = &a->xattrs[i], *new = inode_get_xattr(b, old->name);

		if (new &&new->size == old->size &&
			(old->size == 0 || memcmp(new->value, old->value, old->size) == 0))
			continue;
		buffer_printf(ret, "\n    %s ", new ? "xattr another" : "xattr removed");
		put_path(old->name, ret);
	}
	for (size_t i = 0; i < b->xattr_count; i++) {
		if (inode_get_xattr(a, b->xattrs[i].name))
			continue;
		buffer_append_string(ret, "\n    xattr added ");
		put_path(b->xattrs[i].name, ret);
	}
}

/* Of a path that both trees have. */
static void put_differences(const struct file_change *change, struct buffer *ret)
{
	const struct tree_inode *a = change->before, *b = change->after;

	if (change->differences & FILE_TYPE)
		buffer_printf(ret, "\n    type %s -> %s", type_name(a->mode), type_name(b->mode));
	if (change->differences & FILE_MODE)
		buffer_printf(ret, "\n    mode %04o -> %04o", (unsigned)(a->mode & 07777),
			(unsigned)(b->mode & 07777));
	if (change->differences & FILE_OWNER)
		buffer_printf(ret, "\n    owner %" PRIu32 ":%" PRIu32 " -> %" PRIu32 ":%" PRIu32, a->uid,
			a->gid, b->uid, b->gid);
	if (change->differences & FILE_CONTENT)
		put_content(change, ret);
	if (change->differences & FILE_XATTRS)
		put_xattrs(change, ret);
}

static void put_change(const struct file_change *change, struct buffer *ret)
{
	buffer_printf(ret, "  %c ", !change->before ? '+' : !change->after ? '-' : '*');
	put_path(*change->path ? change->path : "/", ret);
	if (change->before && change->after)
		put_differences(change, ret);
	buffer_append_u8(ret, '\n');
}

int file_changes_text(const struct file_changes *changes, struct buffer *ret, struct error **err)
{
	buffer_printf(ret, "\nFiles of /usr (%zu)\n", changes->count);
	for (size_t i = 0; i < changes->count; i++)
		put_change(&changes->items[i], ret);
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "files") : 0;
}

/* ---- JSON ---- */

/* Values in hexadecimal digits: most are no text. */
static json_t *xattrs_json(const struct tree_inode *inode)
{
	json_t *object = json_object();

	for (size_t i = 0; object && i < inode->xattr_count; i++) {
		_cleanup_free_ char *value = hex_encode_new(inode->xattrs[i].value, inode->xattrs[i].size);
		_cleanup_json_ json_t *name = json_text(inode->xattrs[i].name);

		if (!value || !name ||
			json_object_set_new(object, json_string_value(name), json_string(value)) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static int add_content(json_t *json, const struct tree_inode *inode)
{
	char digest[SHA256_HEX_SIZE];

	if (S_ISLNK(inode->mode))
		return json_object_set_new(json, "target", json_text(inode->target));
	if (!S_ISREG(inode->mode))
		return 0;
	if (content_digest(inode, digest) < 0 ||
		json_object_set_new(json, "size", json_integer((json_int_t)content_size(inode->content))) < 0)
		return -1;
	return json_object_set_new(json, "sha256", json_string(digest));
}

static json_t *inode_json(const struct tree_inode *inode)
{
	char mode[16];
	json_t *json;

	if (!inode)
		return json_null();
	(void)snprintf(mode, sizeof(mode), "%04o", (unsigned)(inode->mode & 07777));
	json = json_pack("{s:s, s:s, s:I, s:I, s:o}", "type", type_name(inode->mode), "mode", mode, "uid",
		(json_int_t)inode->uid, "gid", (json_int_t)inode->gid, "xattrs", xattrs_json(inode));
	if (!json || add_content(json, inode) == 0)
		return json;
	json_decref(json);
	return NULL;
}

json_t *file_changes_json(const struct file_changes *changes)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < changes->count; i++) {
		const struct file_change *change = &changes->items[i];

		if (json_array_append_new(list,
			    json_pack("{s:o, s:o, s:o}", "path", json_text(change->path), "before",
				    inode_json(change->before), "after", inode_json(change->after))) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
