/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/layout.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"

struct layout {
	struct finish *finish;
	const struct strv *setuid;
	size_t stripped;
	struct strv made; /* "/var/run": what others' tmpfiles.d lines make */
	struct buffer tmpfiles;
};

/* The next word of a line; NULL at its end. */
static char *next_word(char **at)
{
	char *word;

	while ((word = strsep(at, " \t")) && !*word)
		;
	return word;
}

/*
 * Gives a folder of /etc the mode that a node's start would give it: packages bring some with 0755, and their
 * scripts run systemd-tmpfiles(8).
 */
static void adjust_folder(struct layout *layout, const char *path, const char *mode)
{
	struct tree_inode *folder = tree_lookup(layout->finish->tree, path);
	size_t digits = mode ? strspn(mode, "01234567") : 0;

	if (folder && S_ISDIR(folder->mode) && digits > 0 && digits <= 4 && !mode[digits])
		folder->mode = S_IFDIR | (mode_t)strtoul(mode, NULL, 8);
}

/* Notes the path of a line that makes something (tmpfiles.d(5)): the others only adjust, or remove. */
static int note_line(struct layout *layout, const char *line, size_t length)
{
	_cleanup_free_ char *copy = strndup(line, length);
	char *at = copy, *type = next_word(&at), *path;

	if (!type || !strchr("fdDvqQpLcbC", *type))
		/* Both point into the copy, which is released. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		return copy ? 0 : -ENOMEM;
	path = next_word(&at);
	if (path && startswith(path, "/etc/") && strchr("dD", *type))
		adjust_folder(layout, path + 1, next_word(&at));
	return path && startswith(path, "/var/") ? strv_add(&layout->made, path) : 0;
}

/*
 * Reads the tmpfiles.d files that packages and the edition have in a folder, but those that *over* has too:
 * these take their place.
 */
static int note_files(struct layout *layout, const char *folder_path, const char *over_path)
{
	const struct tree_inode *folder = tree_resolve(layout->finish->tree, folder_path),
				*over = over_path ? tree_resolve(layout->finish->tree, over_path) : NULL;
	int r = 0;

	for (size_t i = 0; folder && i < folder->entry_count; i++) {
		const struct tree_inode *file = folder->entries[i].inode;
		const char *text;

		if (!S_ISREG(file->mode) || !endswith(folder->entries[i].name, ".conf") ||
			(over && tree_child(over, folder->entries[i].name)))
			continue;
		for (text = (const char *)content_data(file->content); r >= 0 && *text;) {
			size_t length = strcspn(text, "\n");

			r = note_line(layout, text, length);
			text += length + (text[length] == '\n');
		}
	}
	return r;
}

/* Appends a name as tmpfiles.d wants it: "%" is a specifier there, white space and quotes end or change a
 * field. */
static int append_name(struct buffer *line, const char *name)
{
	for (; *name; name++) {
		if (strchr(" \t\n\"'\\", *name))
			return -EINVAL;
		if (*name == '%')
			buffer_append_u8(line, '%');
		buffer_append_u8(line, (uint8_t)*name);
	}
	return 0;
}

/* An error about a name that is no part of an image. *instead* is what whoever has it in `files` or `links`
 * can do. */
static int refuse(const struct layout *layout, const char *path, const struct tree_inode *inode,
	const char *why, const char *instead, struct error **err)
{
	if (own_is(inode))
		return own_error(layout->finish->definition, path, err, "/%s: %s; %s", path, why, instead);
	return error_set(err, -EINVAL, "/%s of %s: %s; exclude it", path, inode->origin, why);
}

/* Whether others' tmpfiles.d lines make it. */
static bool is_made(const struct layout *layout, const char *path)
{
	for (size_t i = 0; i < layout->made.count; i++)
		if (streq(layout->made.items[i] + 1, path))
			return true;
	return false;
}

/*
 * One line for a name below /var that nobody else makes. Of two lines the first would count, in the order of
 * the files' names: base-files has a folder /var/run, where systemd makes a link to /run.
 */
static int describe_var(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	struct layout *layout = userdata;
	struct buffer *line = &layout->tmpfiles;
	int r;

	if (!startswith(path, "var/"))
		return 0;
	if (S_ISREG(inode->mode))
		return refuse(layout, path, inode, "the image can't carry a file in /var",
			"tmpfiles.d(5) can make it when the node starts", err);
	if (is_made(layout, path))
		return own_is(inode) && S_ISLNK(inode->mode)
			       ? refuse(layout, path, inode,
					 "a file in tmpfiles.d makes that, and would count",
					 "a file of the same name in etc/tmpfiles.d takes its place", err)
			       : 0;
	buffer_append_string(line, S_ISDIR(inode->mode) ? "d /" : "L /");
	r = append_name(line, path);
	if (r >= 0 && S_ISDIR(inode->mode))
		buffer_printf(line, " %04o %u %u -\n", (unsigned)inode->mode & 07777, inode->uid, inode->gid);
	else if (r >= 0) {
		buffer_append_string(line, " - - - - ");
		r = append_name(line, inode->target);
		buffer_append_u8(line, '\n');
	}
	return r < 0 ? refuse(layout, path, inode, "no name for tmpfiles.d(5)", "choose another one", err)
		     : 0;
}

static int write_tmpfiles(struct layout *layout, struct error **err)
{
	const struct tree_attributes attributes = {
		.mode = 0644, .mtime = layout->finish->mtime, .origin = "finisher:layout"};
	_cleanup_content_ struct content *content = NULL;
	char *text;
	size_t size;
	int r;

	r = note_files(layout, "usr/lib/tmpfiles.d", "etc/tmpfiles.d");
	if (r >= 0)
		r = note_files(layout, "etc/tmpfiles.d", NULL);
	if (r < 0)
		return error_set_errno(err, r, LAYOUT_TMPFILES);
	buffer_append_string(&layout->tmpfiles,
		"# The folders that packages have in /var and make nowhere else. Made by the build.\n");
	r = tree_walk(layout->finish->tree, describe_var, layout, err);
	if (r < 0)
		return r;
	text = buffer_take(&layout->tmpfiles, &size);
	content = text ? content_new(text, size) : NULL;
	if (!content)
		return error_set_errno(err, -ENOMEM, LAYOUT_TMPFILES);
	return tree_add_file(layout->finish->tree, LAYOUT_TMPFILES, &attributes, content, NULL, err);
}

/* Sees to it that only folders, and links of the top level, are about to be dropped, and nothing of the
 * definition. */
static int check_outside(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	static const char *const folders[] = {"usr", "etc", "var"};

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		const char *rest = startswith(path, folders[i]);

		if (rest && (*rest == '/' || (!*rest && S_ISDIR(inode->mode))))
			return 0;
	}
	if (!own_is(inode) && (S_ISDIR(inode->mode) || (S_ISLNK(inode->mode) && !strchr(path, '/'))))
		return 0;
	return refuse(userdata, path, inode, "only /usr, /etc and folders in /var can be part of an image",
		"tmpfiles.d(5) can make others when the node starts", err);
}

static int drop_outside(struct tree *tree, struct error **err)
{
	const struct tree_inode *root = tree_root(tree);
	int r = 0;

	for (size_t i = 0; r >= 0 && i < root->entry_count;) {
		_cleanup_free_ char *name = NULL;

		if (streq(root->entries[i].name, "usr")) {
			i++;
			continue;
		}
		name = strdup(root->entries[i].name);
		r = name ? tree_remove(tree, name, err) : error_set_errno(err, -ENOMEM, "layout");
	}
	return r;
}

static int settle(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	struct layout *layout = userdata;

	(void)err;
	inode->mtime = layout->finish->mtime;
	if (!S_ISREG(inode->mode) || !(inode->mode & (S_ISUID | S_ISGID)))
		return 0;
	if (strv_contains(layout->setuid, path))
		return 0;
	inode->mode &= ~(mode_t)(S_ISUID | S_ISGID);
	layout->stripped++;
	return 0;
}

/* A path that nothing answers to is a mistake, or a file that has gone: in both cases the list has to be
 * looked at. */
static int check_setuid(const struct tree *tree, const struct strv *setuid, struct error **err)
{
	for (size_t i = 0; i < setuid->count; i++) {
		const struct tree_inode *inode = tree_lookup(tree, setuid->items[i]);

		if (!inode || !S_ISREG(inode->mode) || !(inode->mode & (S_ISUID | S_ISGID)))
			return error_about(err, setuid->items[i],
				error_set(err, -ENOENT, "no package has a setuid or setgid file /%s",
					setuid->items[i]));
	}
	return 0;
}

int layout_usr(struct finish *finish, const struct strv *setuid, size_t *ret_stripped, struct error **err)
{
	static const char *const made[] = {LAYOUT_ETC, LAYOUT_TMPFILES};
	struct layout layout = {.finish = finish, .setuid = setuid};
	int r;

	r = tree_walk(finish->tree, check_outside, &layout, err);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(made); i++)
		r = own_check(finish->definition, finish->tree, made[i], "its finisher layout", NULL, err);
	if (r >= 0)
		r = check_setuid(finish->tree, setuid, err);
	if (r >= 0)
		r = write_tmpfiles(&layout, err);
	if (r >= 0 && tree_lookup(finish->tree, "etc"))
		r = tree_move(finish->tree, "etc", LAYOUT_ETC, err);
	if (r >= 0)
		r = drop_outside(finish->tree, err);
	if (r >= 0)
		r = tree_walk(finish->tree, settle, &layout, err);
	buffer_release(&layout.tmpfiles);
	strv_release(&layout.made);
	if (r >= 0 && ret_stripped)
		*ret_stripped = layout.stripped;
	return r;
}
