/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/firmware.h"

#include <errno.h>

#include "base/glob.h"

#define FOLDER "usr/lib/firmware"
#define LINKS_MAX 40 /* that are followed, one behind the other */

/* What is noted in tree_inode.number as long as we look; it is 0 again behind that. */
#define KEPT 1

struct listing {
	struct strv paths; /* of all below the folder, a folder before what is in it */
};

static int list_path(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	struct listing *listing = userdata;

	if (!startswith(path, FOLDER "/"))
		return 0;
	inode->number = 0;
	return strv_add(&listing->paths, path) < 0 ? error_set_errno(err, -ENOMEM, "firmware") : 0;
}

/* Where the link at *link* leads, with *rest* behind it, as a path from the root; NULL where memory is out.
 */
static char *follow(const char *link, const char *target, const char *rest)
{
	const char *slash = strrchr(link, '/');
	_cleanup_free_ char *folder = strndup(link, slash ? (size_t)(slash - link) : 0);

	while (folder && target[0] != '/' && startswith(target, "../")) {
		char *last = strrchr(folder, '/');

		*(last ? last : folder) = 0;
		target += strlen("../");
	}
	if (!folder)
		return NULL;
	return target[0] == '/' ? string_format("%s%s", target + 1, rest)
				: string_format("%s/%s%s", folder, target, rest);
}

/* Keeps what is at *path*, and all links that lead there. */
static int mark(const struct tree *tree, const char *path, unsigned links)
{
	size_t end = 0;

	while (path[end]) {
		_cleanup_free_ char *prefix = NULL, *to = NULL;
		struct tree_inode *inode;

		end += strspn(path + end, "/");
		end += strcspn(path + end, "/");
		prefix = strndup(path, end);
		if (!prefix)
			return -ENOMEM;
		inode = tree_lookup(tree, prefix);
		if (!inode)
			return 0;
		if (S_ISDIR(inode->mode))
			continue;
		if (startswith(prefix, FOLDER "/"))
			inode->number = KEPT;
		if (!S_ISLNK(inode->mode) || links == LINKS_MAX)
			return 0;
		to = follow(prefix, inode->target, path + end);
		return to ? mark(tree, to, links + 1) : -ENOMEM;
	}
	return 0;
}

static const char *const endings[] = {"", ".xz", ".zst"};

static int mark_name(const struct tree *tree, const char *name)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(endings) && r >= 0; i++) {
		_cleanup_free_ char *path = string_format(FOLDER "/%s%s", name, endings[i]);

		r = path ? mark(tree, path, 0) : -ENOMEM;
	}
	return r;
}

/* Whether *pattern* matches the file *name*, which may be a compressed one. */
static bool matches(const char *pattern, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		_cleanup_free_ char *plain = strdup(name);
		size_t length = strlen(name) - (endswith(name, endings[i]) ? strlen(endings[i]) : 0);

		if (!plain || !endswith(name, endings[i]))
			continue;
		plain[length] = 0;
		if (glob_match(pattern, plain))
			return true;
	}
	return false;
}

static int mark_matching(
	const struct tree *tree, const struct listing *listing, const char *pattern, bool *ret_found)
{
	int r = 0;

	for (size_t i = 0; i < listing->paths.count && r >= 0; i++) {
		const char *path = listing->paths.items[i];

		if (!matches(pattern, path + strlen(FOLDER "/")))
			continue;
		*ret_found = true;
		r = mark(tree, path, 0);
	}
	return r;
}

static int mark_wanted(const struct tree *tree, const struct listing *listing, const char *wanted)
{
	bool found;

	return strpbrk(wanted, "*?") ? mark_matching(tree, listing, wanted, &found) : mark_name(tree, wanted);
}

/* What modules ask for that are built into the kernel: "NAME.firmware=FILE", each with a NUL behind it. */
static int mark_builtin(
	const struct kernel_modules *modules, const struct tree *tree, const struct listing *listing)
{
	_cleanup_free_ char *path =
		string_format("usr/lib/modules/%s/modules.builtin.modinfo", modules->version);
	const struct tree_inode *inode = path ? tree_resolve(tree, path) : NULL;
	const char *at, *end;
	int r = path ? 0 : -ENOMEM;

	if (!inode || !S_ISREG(inode->mode))
		return r;
	/* There is one more NUL behind the content. */
	at = (const char *)content_data(inode->content);
	end = at + content_size(inode->content);
	for (; at < end && r >= 0; at += strlen(at) + 1) {
		const char *key = strchr(at, '.'), *name = key ? startswith(key, ".firmware=") : NULL;

		if (name)
			r = mark_wanted(tree, listing, name);
	}
	return r;
}

static int mark_modules(
	const struct kernel_modules *modules, const struct tree *tree, const struct listing *listing)
{
	int r = mark_builtin(modules, tree, listing);

	for (size_t i = 0; i < modules->count && r >= 0; i++) {
		const struct kernel_module *module = &modules->items[i];

		if (!tree_lookup(tree, module->path))
			continue;
		for (size_t k = 0; k < module->firmware.count && r >= 0; k++)
			r = mark_wanted(tree, listing, module->firmware.items[k]);
	}
	return r;
}

static int mark_patterns(const struct tree *tree, const struct listing *listing, const struct strv *patterns,
	struct error **err)
{
	for (size_t i = 0; i < patterns->count; i++) {
		const char *pattern = patterns->items[i];
		bool found = false;

		if (mark_matching(tree, listing, pattern, &found) < 0)
			return error_set_errno(err, -ENOMEM, "firmware");
		if (!found)
			return error_about(err, pattern,
				error_set(err, -ENOENT, "no package has firmware that matches \"%s\"",
					pattern));
	}
	return 0;
}

/* Backwards, so that a folder comes behind all that is in it. */
static int remove_others(struct tree *tree, const struct listing *listing, struct error **err)
{
	int r = 0;

	for (size_t i = listing->paths.count; i-- > 0 && r >= 0;) {
		const char *path = listing->paths.items[i];
		struct tree_inode *inode = tree_lookup(tree, path);
		bool kept = S_ISDIR(inode->mode) ? inode->entry_count > 0 : inode->number == KEPT;

		if (!kept)
			r = tree_remove(tree, path, err);
	}
	return r;
}

static int forget(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	(void)path;
	(void)userdata;
	(void)err;
	inode->number = 0;
	return 0;
}

int firmware_keep(const struct kernel_modules *modules, struct tree *tree, const struct strv *patterns,
	struct error **err)
{
	struct listing listing = {};
	int r = tree_walk(tree, list_path, &listing, err);

	if (r >= 0 && mark_modules(modules, tree, &listing) < 0)
		r = error_set_errno(err, -ENOMEM, "firmware");
	if (r >= 0)
		r = mark_patterns(tree, &listing, patterns, err);
	if (r >= 0)
		r = remove_others(tree, &listing, err);
	if (r >= 0)
		r = tree_walk(tree, forget, NULL, err);
	strv_release(&listing.paths);
	return r;
}
