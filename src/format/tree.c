/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/tree.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <search.h>
#include <string.h>

#include "base/buffer.h"
#include "base/string-util.h"

#define FOLLOW_MAX 40

struct tree {
	struct tree_inode *root;
	void *strings; /* tsearch() tree of the interned strings */
};

static void inode_unref(struct tree_inode *inode);

static void entries_release(struct tree_inode *folder)
{
	for (size_t i = 0; i < folder->entry_count; i++) {
		free(folder->entries[i].name);
		inode_unref(folder->entries[i].inode);
	}
	free(folder->entries);
}

static void inode_unref(struct tree_inode *inode)
{
	if (--inode->links > 0)
		return;
	entries_release(inode);
	for (size_t i = 0; i < inode->xattr_count; i++) {
		free(inode->xattrs[i].name);
		free(inode->xattrs[i].value);
	}
	free(inode->xattrs);
	content_unref(inode->content);
	free(inode->target);
	free(inode);
}

static struct tree_inode *inode_new(struct tree *tree, mode_t type, const struct tree_attributes *attributes)
{
	struct tree_inode *inode = calloc(1, sizeof(*inode));

	if (!inode)
		return NULL;
	inode->origin = tree_intern(tree, attributes->origin ? attributes->origin : "");
	if (!inode->origin) {
		free(inode);
		return NULL;
	}
	inode->mode = type | (attributes->mode & 07777);
	inode->uid = attributes->uid;
	inode->gid = attributes->gid;
	inode->mtime = attributes->mtime;
	inode->links = 1;
	return inode;
}

struct tree *tree_new(void)
{
	static const struct tree_attributes attributes = {.mode = 0755};
	struct tree *tree = calloc(1, sizeof(*tree));

	if (!tree)
		return NULL;
	tree->root = inode_new(tree, S_IFDIR, &attributes);
	return tree->root ? tree : tree_free(tree);
}

struct tree *tree_free(struct tree *tree)
{
	if (tree) {
		if (tree->root)
			inode_unref(tree->root);
		tdestroy(tree->strings, free);
		free(tree);
	}
	return NULL;
}

struct tree_inode *tree_root(const struct tree *tree)
{
	return tree->root;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(a, b);
}

const char *tree_intern(struct tree *tree, const char *string)
{
	char **found = tfind(string, &tree->strings, compare_strings);
	char *copy;

	if (found)
		return *found;
	copy = strdup(string);
	if (!copy)
		return NULL;
	found = tsearch(copy, &tree->strings, compare_strings);
	if (!found) {
		free(copy);
		return NULL;
	}
	return *found;
}

/* Where *name* (of *length* bytes) stands in the folder, or would stand; true where it is there. */
static bool find_entry(const struct tree_inode *folder, const char *name, size_t length, size_t *ret)
{
	size_t low = 0, high = folder->entry_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const char *other = folder->entries[middle].name;
		int order = strncmp(other, name, length);

		if (order == 0)
			order = other[length] != 0;
		if (order == 0) {
			*ret = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = low;
	return false;
}

static struct tree_inode *child(const struct tree_inode *folder, const char *name, size_t length)
{
	size_t index;

	if (!S_ISDIR(folder->mode) || !find_entry(folder, name, length, &index))
		return NULL;
	return folder->entries[index].inode;
}

struct tree_inode *tree_child(const struct tree_inode *folder, const char *name)
{
	return child(folder, name, strlen(name));
}

/* Puts an inode, whose reference is taken over on success, under a free name. */
static int insert_entry(struct tree_inode *folder, const char *name, size_t length, struct tree_inode *inode)
{
	struct tree_entry *entries = folder->entries;
	char *copy = strndup(name, length);
	size_t index;

	if (!copy)
		return -ENOMEM;
	if (folder->entry_count == 0 || is_power_of_two_u64(folder->entry_count)) {
		entries = reallocarray(
			entries, folder->entry_count ? 2 * folder->entry_count : 1, sizeof(*entries));
		if (!entries) {
			free(copy);
			return -ENOMEM;
		}
		folder->entries = entries;
	}
	bool taken_already = find_entry(folder, name, length, &index);

	assert(!taken_already);
	(void)taken_already;
	memmove(entries + index + 1, entries + index, (folder->entry_count - index) * sizeof(*entries));
	entries[index] = (struct tree_entry){.name = copy, .inode = inode};
	folder->entry_count++;
	return 0;
}

/* Takes an entry out and returns its inode, whose reference is now the caller's. */
static struct tree_inode *take_entry(struct tree_inode *folder, size_t index)
{
	struct tree_inode *inode = folder->entries[index].inode;

	free(folder->entries[index].name);
	folder->entry_count--;
	memmove(folder->entries + index, folder->entries + index + 1,
		(folder->entry_count - index) * sizeof(*folder->entries));
	return inode;
}

/* Steps over the next component of a path: its length, 0 at the path's end; *at* then points to its
 * beginning. */
static size_t next_component(const char **at)
{
	for (;;) {
		size_t length;

		while (**at == '/')
			(*at)++;
		length = strcspn(*at, "/");
		if (length != 1 || **at != '.')
			return length;
		(*at)++;
	}
}

/* What a look-up has walked through, so that ".." in a link's target leads back. */
struct trail {
	struct tree_inode *folders[PATH_MAX / 2];
	size_t depth;
	unsigned followed;
};

static struct tree_inode *walk_path(
	const struct tree *tree, struct trail *trail, const char *path, bool follow);

static struct tree_inode *follow_link(
	const struct tree *tree, struct trail *trail, const struct tree_inode *link)
{
	if (++trail->followed > FOLLOW_MAX)
		return NULL;
	if (link->target[0] == '/')
		trail->depth = 0;
	return walk_path(tree, trail, link->target, true);
}

/* Walks *path* from the trail's end; the trail then ends in the folder found, or in the one that holds what
 * was found. */
static struct tree_inode *walk_path(
	const struct tree *tree, struct trail *trail, const char *path, bool follow)
{
	struct tree_inode *at = trail->depth > 0 ? trail->folders[trail->depth - 1] : tree->root;
	size_t length;

	while ((length = next_component(&path)) > 0) {
		const char *name = path, *rest = path + length;

		path = rest;
		if (length == 2 && memcmp(name, "..", 2) == 0) {
			trail->depth -= trail->depth > 0;
			at = trail->depth > 0 ? trail->folders[trail->depth - 1] : tree->root;
			continue;
		}
		at = child(at, name, length);
		if (!at)
			return NULL;
		if (S_ISLNK(at->mode) && (follow || next_component(&rest) > 0)) {
			at = follow_link(tree, trail, at);
			if (!at)
				return NULL;
		} else if (S_ISDIR(at->mode)) {
			if (trail->depth == ARRAY_SIZE(trail->folders))
				return NULL;
			trail->folders[trail->depth++] = at;
		}
	}
	return at;
}

struct tree_inode *tree_lookup(const struct tree *tree, const char *path)
{
	struct trail trail = {};

	return walk_path(tree, &trail, path, false);
}

struct tree_inode *tree_resolve(const struct tree *tree, const char *path)
{
	struct trail trail = {};

	return walk_path(tree, &trail, path, true);
}

static int check_component(const char *path, const char *name, size_t length, struct error **err)
{
	if (length == 2 && memcmp(name, "..", 2) == 0)
		return error_set(err, -EINVAL, "path \"%s\" leads out of its folder", path);
	if (length > NAME_MAX)
		return error_set(
			err, -EINVAL, "path \"%.64s…\" has a name longer than %d bytes", path, NAME_MAX);
	return 0;
}

/* The folder *name* in *parent*, made where it is missing; a link to a folder is followed. */
static int descend(struct tree *tree, struct trail *trail, const char *path, const char *name, size_t length,
	const struct tree_attributes *attributes, struct error **err)
{
	struct tree_inode *parent = trail->depth > 0 ? trail->folders[trail->depth - 1] : tree->root;
	struct tree_inode *found = child(parent, name, length);

	if (trail->depth == ARRAY_SIZE(trail->folders))
		return error_set(err, -EINVAL, "path \"%.64s…\" is too deep", path);
	if (!found) {
		struct tree_attributes missing = *attributes;

		missing.mode = 0755;
		missing.uid = missing.gid = 0;
		found = inode_new(tree, S_IFDIR, &missing);
		if (!found || insert_entry(parent, name, length, found) < 0) {
			free(found);
			return error_set_errno(err, -ENOMEM, "%s", path);
		}
	} else if (S_ISLNK(found->mode)) {
		found = follow_link(tree, trail, found);
		if (found && S_ISDIR(found->mode))
			return 0; /* follow_link() has put it on the trail, or left the trail empty for the
				     root */
	}
	if (!found || !S_ISDIR(found->mode))
		return error_set(err, -ENOTDIR, "path \"%s\": \"%.*s\" is not a folder", path,
			(int)(name + length - path), path);
	trail->folders[trail->depth++] = found;
	return 0;
}

/* Finds the folder of a path, making what is missing, and its last component. */
static int open_parent(struct tree *tree, const char *path, const struct tree_attributes *attributes,
	struct tree_inode **ret, const char **ret_name, size_t *ret_length, struct error **err)
{
	struct trail trail = {};
	const char *at = path, *name;
	size_t length = next_component(&at), next;
	int r;

	if (length == 0)
		return error_set(err, -EINVAL, "path \"%s\" names nothing", path);
	for (;;) {
		name = at;
		r = check_component(path, name, length, err);
		if (r < 0)
			return r;
		at += length;
		next = next_component(&at);
		if (next == 0)
			break;
		r = descend(tree, &trail, path, name, length, attributes, err);
		if (r < 0)
			return r;
		length = next;
	}
	*ret = trail.depth > 0 ? trail.folders[trail.depth - 1] : tree->root;
	*ret_name = name;
	*ret_length = length;
	return 0;
}

static const char *describe_type(mode_t mode)
{
	return S_ISDIR(mode) ? "a folder" : S_ISLNK(mode) ? "a symbolic link" : "a file";
}

static int taken(const char *path, const struct tree_inode *there, const char *origin, struct error **err)
{
	return error_set(err, -EEXIST, "\"%s\" of %s is there already: %s of %s", path, origin ? origin : "?",
		describe_type(there->mode), there->origin);
}

/* Adds an inode of *type* under *path*. Where *ret_existing* is given, a folder that is there is no error. */
static int add_inode(struct tree *tree, const char *path, mode_t type,
	const struct tree_attributes *attributes, struct tree_inode **ret, bool *ret_existing,
	struct error **err)
{
	struct tree_inode *parent, *inode;
	const char *name;
	size_t length;
	int r;

	r = open_parent(tree, path, attributes, &parent, &name, &length, err);
	if (r < 0)
		return r;
	inode = child(parent, name, length);
	if (inode) {
		if (inode && ret_existing && S_ISLNK(inode->mode))
			inode = tree_resolve(tree, path);
		if (!inode || !ret_existing || !S_ISDIR(inode->mode))
			return taken(path, child(parent, name, length), attributes->origin, err);
		*ret_existing = true;
		*ret = inode;
		return 0;
	}
	inode = inode_new(tree, type, attributes);
	if (!inode || insert_entry(parent, name, length, inode) < 0) {
		free(inode);
		return error_set_errno(err, -ENOMEM, "%s", path);
	}
	*ret = inode;
	return 0;
}

int tree_add_folder(struct tree *tree, const char *path, const struct tree_attributes *attributes,
	struct tree_inode **ret, struct error **err)
{
	struct tree_inode *inode;
	bool existing = false;
	int r;

	r = add_inode(tree, path, S_IFDIR, attributes, &inode, &existing, err);
	if (r >= 0 && ret)
		*ret = inode;
	return r;
}

int tree_add_file(struct tree *tree, const char *path, const struct tree_attributes *attributes,
	struct content *content, struct tree_inode **ret, struct error **err)
{
	struct tree_inode *inode;
	int r;

	r = add_inode(tree, path, S_IFREG, attributes, &inode, NULL, err);
	if (r < 0)
		return r;
	inode->content = content_ref(content);
	if (ret)
		*ret = inode;
	return 0;
}

int tree_add_symlink(struct tree *tree, const char *path, const struct tree_attributes *attributes,
	const char *target, struct tree_inode **ret, struct error **err)
{
	struct tree_attributes link = *attributes;
	struct tree_inode *inode;
	char *copy;
	int r;

	if (target[0] == 0 || strlen(target) >= PATH_MAX)
		return error_set(
			err, -EINVAL, "symbolic link \"%s\" has a target of %zu bytes", path, strlen(target));
	copy = strdup(target);
	if (!copy)
		return error_set_errno(err, -ENOMEM, "%s", path);
	link.mode = 0777;
	r = add_inode(tree, path, S_IFLNK, &link, &inode, NULL, err);
	if (r < 0) {
		free(copy);
		return r;
	}
	inode->target = copy;
	if (ret)
		*ret = inode;
	return 0;
}

int tree_add_link(struct tree *tree, const char *path, const char *existing, struct error **err)
{
	struct tree_inode *inode = tree_lookup(tree, existing), *parent, *there;
	struct tree_attributes attributes = {};
	const char *name;
	size_t length;
	int r;

	if (!inode || !S_ISREG(inode->mode))
		return error_set(err, -ENOENT, "hard link \"%s\": no file \"%s\" to link to", path, existing);
	attributes.mtime = inode->mtime;
	attributes.origin = inode->origin;
	r = open_parent(tree, path, &attributes, &parent, &name, &length, err);
	if (r < 0)
		return r;
	there = child(parent, name, length);
	if (there)
		return taken(path, there, inode->origin, err);
	r = insert_entry(parent, name, length, inode);
	if (r < 0)
		return error_set_errno(err, r, "%s", path);
	inode->links++;
	return 0;
}

/* The last component of a path. False where there is none. */
static bool last_component(const char *path, const char **ret, size_t *ret_length)
{
	size_t next;

	*ret = NULL;
	while ((next = next_component(&path)) > 0) {
		*ret = path;
		*ret_length = next;
		path += next;
	}
	return *ret;
}

/* Finds the folder and the place in it of an existing name. */
static int find_name(
	struct tree *tree, const char *path, struct tree_inode **ret, size_t *ret_index, struct error **err)
{
	_cleanup_free_ char *parent_path = NULL;
	struct tree_inode *parent;
	const char *name;
	size_t length = 0;

	if (!last_component(path, &name, &length))
		return error_set_errno(err, -ENOENT, "%s", path);
	parent_path = strndup(path, (size_t)(name - path));
	if (!parent_path)
		return error_set_errno(err, -ENOMEM, "%s", path);
	parent = tree_resolve(tree, parent_path);
	if (!parent || !S_ISDIR(parent->mode) || !find_entry(parent, name, length, ret_index))
		return error_set_errno(err, -ENOENT, "%s", path);
	*ret = parent;
	return 0;
}

int tree_remove(struct tree *tree, const char *path, struct error **err)
{
	struct tree_inode *parent;
	size_t index;
	int r;

	r = find_name(tree, path, &parent, &index, err);
	if (r < 0)
		return r;
	inode_unref(take_entry(parent, index));
	return 0;
}

static bool holds(const struct tree_inode *folder, const struct tree_inode *wanted)
{
	if (folder == wanted)
		return true;
	for (size_t i = 0; i < folder->entry_count; i++)
		if (S_ISDIR(folder->entries[i].inode->mode) && holds(folder->entries[i].inode, wanted))
			return true;
	return false;
}

int tree_move(struct tree *tree, const char *from, const char *to, struct error **err)
{
	struct tree_inode *parent, *target, *inode;
	struct tree_attributes attributes = {};
	const char *name;
	size_t index, length;
	bool found;
	int r;

	r = find_name(tree, from, &parent, &index, err);
	if (r < 0)
		return r;
	inode = parent->entries[index].inode;
	attributes.mtime = inode->mtime;
	attributes.origin = inode->origin;
	r = open_parent(tree, to, &attributes, &target, &name, &length, err);
	if (r < 0)
		return r;
	if (child(target, name, length))
		return taken(to, child(target, name, length), inode->origin, err);
	if (holds(inode, target))
		return error_set(err, -EINVAL, "\"%s\" can't be moved into itself (\"%s\")", from, to);
	r = insert_entry(target, name, length, inode);
	if (r < 0)
		return error_set_errno(err, r, "%s", to);
	/* The folder may be the same one, with the entry moved along by the new name. */
	found = last_component(from, &name, &length) && find_entry(parent, name, length, &index);
	assert(found);
	(void)take_entry(parent, index);
	return 0;
}

void inode_set_content(struct tree_inode *inode, struct content *content)
{
	struct content *old = inode->content;

	assert(S_ISREG(inode->mode));
	inode->content = content_ref(content);
	content_unref(old);
}

static size_t find_xattr(const struct tree_inode *inode, const char *name, bool *ret_found)
{
	size_t i = 0;

	while (i < inode->xattr_count && strcmp(inode->xattrs[i].name, name) < 0)
		i++;
	*ret_found = i < inode->xattr_count && streq(inode->xattrs[i].name, name);
	return i;
}

static void remove_xattr(struct tree_inode *inode, size_t index)
{
	free(inode->xattrs[index].name);
	free(inode->xattrs[index].value);
	inode->xattr_count--;
	memmove(inode->xattrs + index, inode->xattrs + index + 1,
		(inode->xattr_count - index) * sizeof(*inode->xattrs));
}

int inode_set_xattr(struct tree_inode *inode, const char *name, const void *value, size_t size)
{
	_cleanup_free_ char *name_copy = NULL;
	_cleanup_free_ uint8_t *value_copy = NULL;
	struct tree_xattr *xattrs;
	bool found;
	size_t index = find_xattr(inode, name, &found);

	if (!value) {
		if (found)
			remove_xattr(inode, index);
		return 0;
	}
	name_copy = strdup(name);
	value_copy = malloc(size + 1);
	xattrs = reallocarray(inode->xattrs, inode->xattr_count + 1, sizeof(*xattrs));
	if (xattrs)
		inode->xattrs = xattrs;
	if (!name_copy || !value_copy || !xattrs)
		return -ENOMEM;
	memcpy(value_copy, value, size);
	if (found)
		remove_xattr(inode, index);
	memmove(xattrs + index + 1, xattrs + index, (inode->xattr_count - index) * sizeof(*xattrs));
	xattrs[index] =
		(struct tree_xattr){.name = TAKE_PTR(name_copy), .value = TAKE_PTR(value_copy), .size = size};
	inode->xattr_count++;
	return 0;
}

const struct tree_xattr *inode_get_xattr(const struct tree_inode *inode, const char *name)
{
	bool found;
	size_t index = find_xattr(inode, name, &found);

	return found ? &inode->xattrs[index] : NULL;
}

static int walk_folder(const struct tree_inode *folder, struct buffer *path, tree_walk_fn fn, void *userdata,
	struct error **err)
{
	size_t length = path->size;

	for (size_t i = 0; i < folder->entry_count; i++) {
		const struct tree_entry *entry = &folder->entries[i];
		int r;

		path->size = length;
		if (length > 0)
			buffer_append_u8(path, '/');
		buffer_append(path, entry->name, strlen(entry->name) + 1);
		if (buffer_failed(path))
			return error_set_errno(err, -ENOMEM, "walking a file tree");
		path->size--;
		r = fn((const char *)path->data, entry->inode, userdata, err);
		if (r >= 0 && S_ISDIR(entry->inode->mode))
			r = walk_folder(entry->inode, path, fn, userdata, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int tree_walk(const struct tree *tree, tree_walk_fn fn, void *userdata, struct error **err)
{
	_cleanup_buffer_ struct buffer path = {};

	return walk_folder(tree->root, &path, fn, userdata, err);
}
