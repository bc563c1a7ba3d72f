/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file tree in memory: what packages are unpacked into, what finishers change, and what the EROFS and cpio
 * writers write out. It knows folders, regular files and symbolic links; device nodes, sockets and FIFOs have
 * no place in an image and can't be made.
 *
 * As in a file system, a name (`struct tree_entry`) leads to an inode; two names of one inode are hard links.
 * The entries of a folder are sorted by byte value, so whoever walks a tree always meets it in the same
 * order. Paths are given from the root, with or without a leading "/"; empty components and "." are skipped,
 * ".." is refused.
 *
 * A tree belongs to one thread at a time; the contents may be read by several.
 */
#pragma once

#include <sys/stat.h>

#include "base/sha256.h"
#include "format/content.h"

struct tree_xattr {
	char *name; /* with its prefix, "security.capability" */
	uint8_t *value;
	size_t size;
};

struct tree_inode {
	mode_t mode; /* type (S_IFDIR, S_IFREG or S_IFLNK) and permissions */
	uint32_t uid, gid;
	int64_t mtime;		 /* seconds since 1970 */
	uint32_t links;		 /* names that lead here; 1 for a folder */
	const char *origin;	 /* the package or finisher that made it; belongs to the tree (tree_intern) */
	struct content *content; /* of a regular file, never NULL there */
	char *target;		 /* of a symbolic link */
	struct tree_xattr *xattrs; /* sorted by name */
	size_t xattr_count;
	struct tree_entry *entries; /* of a folder, sorted by name */
	size_t entry_count;
	uint64_t number; /* for the writer that walks the tree: whatever it wants to note; 0 at first */
};

struct tree_entry {
	char *name;
	struct tree_inode *inode;
};

struct tree;

/* An empty tree: a root folder of mode 0755, owned by 0:0, mtime 0. NULL where memory is out. */
struct tree *tree_new(void);
struct tree *tree_free(struct tree *tree);
DEFINE_CLEANUP(struct tree *, tree_free);
#define _cleanup_tree_ _cleanup_(tree_freep)

struct tree_inode *tree_root(const struct tree *tree);

/* The tree's own copy of a string, the same pointer for equal strings; NULL where memory is out. */
const char *tree_intern(struct tree *tree, const char *string);

/* The inode of one name in a folder, NULL where there is none. */
struct tree_inode *tree_child(const struct tree_inode *folder, const char *name);

/*
 * The inode at *path*, NULL where there is none. Symbolic links in the folders that lead there are followed
 * inside the tree; the last component is followed by tree_resolve() and not by tree_lookup(). At most 40
 * links are followed.
 */
struct tree_inode *tree_lookup(const struct tree *tree, const char *path);
struct tree_inode *tree_resolve(const struct tree *tree, const char *path);

/* What an inode is to look like. */
struct tree_attributes {
	mode_t mode; /* permissions; type bits are ignored */
	uint32_t uid, gid;
	int64_t mtime;
	const char *origin; /* copied into the tree */
};

/*
 * Each adds one name. Folders on the way that are missing are made with mode 0755, 0:0 and the same mtime and
 * origin. *ret* (may be NULL) is the new inode, which belongs to the tree. -EEXIST where the name is taken,
 * with *err* naming both origins; for tree_add_folder() an existing folder is no error and keeps its
 * attributes. -ENOTDIR where a component on the way is no folder. A path with "..", a NUL or a component
 * longer than 255 bytes is -EINVAL. tree_add_file() takes a reference of its own to *content*.
 */
int tree_add_folder(struct tree *tree, const char *path, const struct tree_attributes *attributes,
	struct tree_inode **ret, struct error **err);
int tree_add_file(struct tree *tree, const char *path, const struct tree_attributes *attributes,
	struct content *content, struct tree_inode **ret, struct error **err);
int tree_add_symlink(struct tree *tree, const char *path, const struct tree_attributes *attributes,
	const char *target, struct tree_inode **ret, struct error **err);

/* Adds a hard link at *path* to the regular file at *existing*. */
int tree_add_link(struct tree *tree, const char *path, const char *existing, struct error **err);

/* Removes a name, a folder with all below it. -ENOENT where there is none. */
int tree_remove(struct tree *tree, const char *path, struct error **err);

/* Moves a name, a folder with all below it, to a path that must be free. */
int tree_move(struct tree *tree, const char *from, const char *to, struct error **err);

/* Gives a regular file new content (a reference of the tree's own). */
void inode_set_content(struct tree_inode *inode, struct content *content);

/* Sets, replaces or (with *value* NULL) removes an extended attribute; *value* is copied. 0 or -ENOMEM. */
int inode_set_xattr(struct tree_inode *inode, const char *name, const void *value, size_t size);
const struct tree_xattr *inode_get_xattr(const struct tree_inode *inode, const char *name);

/*
 * Calls *fn* for each name below the root in byte order of the names, a folder before what is in it. *path*
 * has no leading "/". Stops at the first negative value and returns it. *fn* must not add or remove names.
 */
typedef int (*tree_walk_fn)(const char *path, struct tree_inode *inode, void *userdata, struct error **err);
int tree_walk(const struct tree *tree, tree_walk_fn fn, void *userdata, struct error **err);
