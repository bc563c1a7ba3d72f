/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trees.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/string-util.h"

uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717u;
}

uint64_t random_below(uint64_t *state, uint64_t limit)
{
	return (random_next(state) >> 16) % limit;
}

static void *must(void *pointer)
{
	if (!pointer)
		abort();
	return pointer;
}

static void must_do(int r)
{
	if (r < 0)
		abort();
}

static struct content *random_content(uint64_t *state)
{
	static const size_t sizes[] = {0, 1, 31, 32, 1000, 1024, 1025, 3967, 4000, 4064, 4065, 4095, 4096,
		4097, 5120, 5121, 8191, 8192, 12288 + 900, 70000};
	size_t size = sizes[random_below(state, ARRAY_SIZE(sizes))];
	/* Few seeds, so that some files have the same content. */
	uint64_t seed = 1 + random_below(state, 7);
	uint8_t *data = must(malloc(size + 1));

	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)random_next(&seed);
	return must(content_new(data, size));
}

static void random_name(uint64_t *state, enum tree_features features, char *ret)
{
	static const char letters[] = "abcdefgh.-_ !+~#0\x01\x7f\xc3\xa4\xff";
	size_t length = random_below(state, 12) == 0 ? (features == TREE_HOST ? 254 : 255)
						     : 1 + random_below(state, 12);

	for (size_t i = 0; i < length; i++)
		ret[i] = letters[random_below(state, sizeof(letters) - 1)];
	ret[length] = 0;
}

static void random_xattrs(uint64_t *state, struct tree_inode *inode, enum tree_features features)
{
	static const uint8_t acl[] = {2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 1, 0, 0, 0, 4,
		0, 4, 0, 255, 255, 255, 255, 16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255,
		255};
	static const char *const names[] = {
		"user.a", "user.other", "trusted.overlay.opaque", "security.test"};
	uint8_t value[5000];

	if (features == TREE_HOST || random_below(state, 4) > 0)
		return;
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)random_next(state);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!S_ISLNK(inode->mode) || !startswith(names[i], "user."))
			must_do(inode_set_xattr(inode, names[i], value,
				random_below(state, random_below(state, 10) == 0 ? sizeof(value) : 60)));
	if (!S_ISLNK(inode->mode) && random_below(state, 2) == 0)
		must_do(inode_set_xattr(inode, "system.posix_acl_access", acl, sizeof(acl)));
}

static struct tree_attributes random_attributes(uint64_t *state)
{
	static const uint32_t ids[] = {0, 0, 0, 1, 1000, 65535, 65536, 4000000000};

	return (struct tree_attributes){.mode = (mode_t)random_below(state, 010000),
		.uid = ids[random_below(state, ARRAY_SIZE(ids))],
		.gid = ids[random_below(state, ARRAY_SIZE(ids))],
		.mtime = 1700000000 + (int64_t)random_below(state, 3),
		.origin = "random"};
}

static void random_symlink(uint64_t *state, struct tree *tree, const char *path,
	const struct tree_attributes *attributes, struct tree_inode **ret)
{
	static const size_t lengths[] = {1, 20, 31, 4000, 4064, 4065, 4095};
	char target[PATH_MAX];
	size_t length = lengths[random_below(state, ARRAY_SIZE(lengths))];

	for (size_t i = 0; i < length; i++)
		target[i] = (char)('a' + random_below(state, 26));
	target[length] = 0;
	must_do(tree_add_symlink(tree, path, attributes, target, ret, NULL));
}

struct tree *tree_random(uint64_t seed, size_t count, enum tree_features features)
{
	struct tree *tree = must(tree_new());
	_cleanup_strv_ struct strv folders = {}, files = {};
	uint64_t state = seed * 2 + 1;

	must_do(strv_add(&folders, ""));
	for (size_t i = 0; i < count; i++) {
		_cleanup_content_ struct content *content = random_content(&state);
		_cleanup_free_ char *path = NULL;
		const char *folder = folders.items[random_below(&state, folders.count)];
		struct tree_attributes attributes = random_attributes(&state);
		struct tree_inode *inode = NULL;
		char name[256];
		uint64_t kind = random_below(&state, 10);

		random_name(&state, features, name);
		path = must(string_format("%s/%s", folder, name));
		if (streq(name, ".") || streq(name, "..") || strlen(path) > 2000 || tree_lookup(tree, path))
			continue;
		if (kind == 0) {
			must_do(tree_add_folder(tree, path, &attributes, &inode, NULL));
			must_do(strv_add(&folders, path));
		} else if (kind == 1 && files.count > 0) {
			must_do(tree_add_link(
				tree, path, files.items[random_below(&state, files.count)], NULL));
		} else if (kind == 2) {
			random_symlink(&state, tree, path, &attributes, &inode);
		} else {
			must_do(tree_add_file(tree, path, &attributes, content, &inode, NULL));
			must_do(strv_add(&files, path));
		}
		if (inode)
			random_xattrs(&state, inode, features);
	}
	return tree;
}

/* An inode of the host that has several names, and where it was met first. */
struct host_link {
	dev_t dev;
	ino_t ino;
	char *path;
};

struct reading {
	struct tree *tree;
	const char *top, *skip;
	struct host_link *links;
	size_t link_count;
};

static int read_xattrs(const char *path, struct tree_inode *inode)
{
	char names[65536];
	uint8_t value[65536];
	ssize_t size = llistxattr(path, names, sizeof(names));

	if (size < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *name = names; name < names + size; name += strlen(name) + 1) {
		ssize_t length = lgetxattr(path, name, value, sizeof(value));

		if (length < 0)
			return -errno;
		if (inode_set_xattr(inode, name, value, (size_t)length) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int read_file(struct reading *reading, const char *host, const char *path, const struct stat *st,
	const struct tree_attributes *attributes, struct tree_inode **ret, struct error **err)
{
	_cleanup_content_ struct content *content = NULL;
	struct host_link *links;
	char *data;
	size_t size;
	int r;

	for (size_t i = 0; st->st_nlink > 1 && i < reading->link_count; i++)
		if (reading->links[i].ino == st->st_ino && reading->links[i].dev == st->st_dev)
			return tree_add_link(reading->tree, path, reading->links[i].path, err);
	r = file_read(host, SIZE_MAX / 2, &data, &size, err);
	if (r < 0)
		return r;
	content = must(content_new(data, size));
	r = tree_add_file(reading->tree, path, attributes, content, ret, err);
	if (r < 0 || st->st_nlink == 1)
		return r;
	links = must(reallocarray(reading->links, reading->link_count + 1, sizeof(*links)));
	links[reading->link_count++] =
		(struct host_link){.dev = st->st_dev, .ino = st->st_ino, .path = must(strdup(path))};
	reading->links = links;
	return 0;
}

static int read_folder(struct reading *reading, const char *path, struct error **err);

static int read_name(struct reading *reading, const char *path, struct error **err)
{
	_cleanup_free_ char *host = must(string_format("%s/%s", reading->top, path));
	struct tree_attributes attributes = {.origin = "host"};
	struct tree_inode *inode = NULL;
	char target[PATH_MAX] = "";
	struct stat st;
	int r = 0;

	if (lstat(host, &st) < 0)
		return error_set_errno(err, -errno, "%s", host);
	attributes.mode = st.st_mode & 07777;
	attributes.uid = st.st_uid;
	attributes.gid = st.st_gid;
	attributes.mtime = st.st_mtime;
	if (S_ISREG(st.st_mode)) {
		r = read_file(reading, host, path, &st, &attributes, &inode, err);
	} else if (S_ISLNK(st.st_mode)) {
		if (readlink(host, target, sizeof(target) - 1) < 0)
			return error_set_errno(err, -errno, "%s", host);
		r = tree_add_symlink(reading->tree, path, &attributes, target, &inode, err);
	} else if (S_ISDIR(st.st_mode)) {
		inode = tree_root(reading->tree);
		if (path[0])
			r = tree_add_folder(reading->tree, path, &attributes, &inode, err);
		inode->mode = S_IFDIR | attributes.mode;
		inode->uid = attributes.uid;
		inode->gid = attributes.gid;
		inode->mtime = attributes.mtime;
	}
	if (r >= 0 && inode)
		r = read_xattrs(host, inode) < 0 ? error_set(err, -EIO, "%s: attributes", host) : 0;
	if (r >= 0 && S_ISDIR(st.st_mode))
		r = read_folder(reading, path, err);
	return r;
}

static int read_folder(struct reading *reading, const char *path, struct error **err)
{
	_cleanup_free_ char *host = must(string_format("%s/%s", reading->top, path));
	DIR *dir = opendir(host);
	const struct dirent *entry;
	int r = 0;

	if (!dir)
		return error_set_errno(err, -errno, "%s", host);
	while (r >= 0 && (entry = readdir(dir))) {
		_cleanup_free_ char *below = must(string_format("%s/%s", path, entry->d_name));

		if (streq(entry->d_name, ".") || streq(entry->d_name, "..") ||
			(!path[0] && reading->skip && streq(entry->d_name, reading->skip)))
			continue;
		r = read_name(reading, below, err);
	}
	closedir(dir);
	return r;
}

int tree_read_folder(const char *path, const char *skip, struct tree **ret, struct error **err)
{
	_cleanup_tree_ struct tree *tree = must(tree_new());
	struct reading reading = {.tree = tree, .top = path, .skip = skip};
	int r = read_name(&reading, "", err);

	for (size_t i = 0; i < reading.link_count; i++)
		free(reading.links[i].path);
	free(reading.links);
	if (r >= 0)
		*ret = TAKE_PTR(tree);
	return r;
}

static int write_inode(const char *host, const struct tree_inode *inode)
{
	if (S_ISDIR(inode->mode))
		return mkdir(host, 0700) < 0 && errno != EEXIST ? -errno : 0;
	if (S_ISLNK(inode->mode))
		return symlink(inode->target, host) < 0 ? -errno : 0;
	_cleanup_close_ int fd = open(host, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	return write_full(fd, content_data(inode->content), content_size(inode->content));
}

static int write_attributes(const char *host, const struct tree_inode *inode)
{
	struct timespec times[2] = {{.tv_sec = inode->mtime}, {.tv_sec = inode->mtime}};

	if (geteuid() == 0 && lchown(host, inode->uid, inode->gid) < 0)
		return -errno;
	for (size_t i = 0; i < inode->xattr_count; i++)
		if (lsetxattr(host, inode->xattrs[i].name, inode->xattrs[i].value, inode->xattrs[i].size, 0) <
			0)
			return -errno;
	if (!S_ISLNK(inode->mode) && chmod(host, inode->mode & 07777) < 0)
		return -errno;
	return utimensat(AT_FDCWD, host, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

struct writing {
	const char *top;
	struct strv names; /* of the inodes that are written, by number - 1 */
};

static int write_name(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	struct writing *writing = userdata;
	_cleanup_free_ char *host = must(string_format("%s/%s", writing->top, path));
	int r;

	if (inode->number > 0)
		r = link(writing->names.items[inode->number - 1], host) < 0 ? -errno : 0;
	else
		r = write_inode(host, inode);
	if (r >= 0 && inode->number == 0) {
		must_do(strv_add(&writing->names, host));
		inode->number = writing->names.count;
	}
	return r < 0 ? error_set_errno(err, r, "%s", host) : 0;
}

static int finish_name(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	struct writing *writing = userdata;
	_cleanup_free_ char *host = must(string_format("%s/%s", writing->top, path));
	int r = S_ISDIR(inode->mode) ? 0 : write_attributes(host, inode);

	return r < 0 ? error_set_errno(err, r, "%s", host) : 0;
}

/* Folders last and from below: what is put into one changes its time. */
static int finish_folders(const struct tree_inode *folder, const char *host, struct error **err)
{
	int r;

	for (size_t i = 0; i < folder->entry_count; i++) {
		_cleanup_free_ char *below = must(string_format("%s/%s", host, folder->entries[i].name));

		if (!S_ISDIR(folder->entries[i].inode->mode))
			continue;
		r = finish_folders(folder->entries[i].inode, below, err);
		if (r < 0)
			return r;
	}
	r = write_attributes(host, folder);
	return r < 0 ? error_set_errno(err, r, "%s", host) : 0;
}

static int forget(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	(void)path;
	(void)userdata;
	(void)err;
	inode->number = 0;
	return 0;
}

int tree_write_folder(const struct tree *tree, const char *path, struct error **err)
{
	struct writing writing = {.top = path};
	int r = tree_walk(tree, forget, NULL, err);

	if (r >= 0)
		r = tree_walk(tree, write_name, &writing, err);
	if (r >= 0)
		r = tree_walk(tree, finish_name, &writing, err);
	if (r >= 0)
		r = finish_folders(tree_root(tree), path, err);
	strv_release(&writing.names);
	return r;
}

static const char *attribute_difference(const struct tree_inode *a, const struct tree_inode *b, bool times)
{
	if (a->mode != b->mode)
		return "mode";
	if (a->uid != b->uid || a->gid != b->gid)
		return "owner";
	if (times && a->mtime != b->mtime)
		return "time";
	if (a->links != b->links)
		return "number of links";
	if (S_ISLNK(a->mode) && !streq(a->target, b->target))
		return "target";
	if (S_ISREG(a->mode) && (content_size(a->content) != content_size(b->content) ||
					memcmp(content_data(a->content), content_data(b->content),
						content_size(a->content)) != 0))
		return "content";
	if (a->xattr_count != b->xattr_count)
		return "number of attributes";
	for (size_t i = 0; i < a->xattr_count; i++)
		if (!streq(a->xattrs[i].name, b->xattrs[i].name) || a->xattrs[i].size != b->xattrs[i].size ||
			memcmp(a->xattrs[i].value, b->xattrs[i].value, a->xattrs[i].size) != 0)
			return "attribute";
	return NULL;
}

static char *compare_folders(
	const struct tree_inode *a, const struct tree_inode *b, const char *path, bool times, uint64_t *met)
{
	if (a->entry_count != b->entry_count)
		return string_format("%s: %zu and %zu names", path, a->entry_count, b->entry_count);
	for (size_t i = 0; i < a->entry_count; i++) {
		const struct tree_entry *x = &a->entries[i], *y = &b->entries[i];
		_cleanup_free_ char *below = must(string_format("%s/%s", path, x->name));
		const char *what = attribute_difference(x->inode, y->inode, times);
		char *found;

		if (!streq(x->name, y->name))
			return string_format("%s: the other has %s", below, y->name);
		if (what)
			return string_format("%s: %s", below, what);
		if (x->inode->number != y->inode->number)
			return string_format("%s: other names of the same inode", below);
		if (x->inode->number == 0)
			x->inode->number = y->inode->number = ++*met;
		if (S_ISDIR(x->inode->mode)) {
			found = compare_folders(x->inode, y->inode, below, times, met);
			if (found)
				return found;
		}
	}
	return NULL;
}

static void forget_folder(struct tree_inode *inode)
{
	inode->number = 0;
	for (size_t i = 0; i < inode->entry_count; i++)
		forget_folder(inode->entries[i].inode);
}

char *tree_difference(struct tree_inode *a, struct tree_inode *b, bool times)
{
	const char *what = attribute_difference(a, b, times);
	uint64_t met = 0;

	if (what)
		return string_format("/: %s", what);
	forget_folder(a);
	forget_folder(b);
	return compare_folders(a, b, "", times, &met);
}
