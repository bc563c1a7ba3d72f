/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "build/finishers.h"

static int write_text(
	struct finish *finish, const char *name, const char *path, const char *text, struct error **err)
{
	return finish_file(finish, name, path, 0644, text, strlen(text), err);
}

int finish_shells(struct finish *finish, struct error **err)
{
	static const char *const shells[] = {"sh", "bash", "rbash", "dash"};
	_cleanup_buffer_ struct buffer text = {};

	if (own_is(tree_lookup(finish->tree, "etc/shells")))
		return 0;
	buffer_append_string(&text, "# /etc/shells: valid login shells\n");
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		_cleanup_free_ char *path = string_format("usr/bin/%s", shells[i]);

		if (!path)
			return error_set_errno(err, -ENOMEM, "finisher shells");
		if (tree_resolve(finish->tree, path))
			buffer_printf(&text, "/bin/%s\n/usr/bin/%s\n", shells[i], shells[i]);
	}
	if (buffer_failed(&text))
		return error_set_errno(err, -ENOMEM, "finisher shells");
	return finish_file(finish, "shells", "etc/shells", 0644, text.data, text.size, err);
}

/* True where a C library module is in one of the folders that the loader looks in. */
static bool has_module(const struct finish *finish, const char *name)
{
	const struct tree_inode *lib = tree_lookup(finish->tree, "usr/lib");
	_cleanup_free_ char *file = string_format("libnss_%s.so.2", name);

	for (size_t i = 0; file && lib && i < lib->entry_count; i++) {
		const struct tree_inode *folder = lib->entries[i].inode;

		if (streq(lib->entries[i].name, file) || (S_ISDIR(folder->mode) && tree_child(folder, file)))
			return true;
	}
	return false;
}

/* Writes "hosts: files dns" with the modules that are there, in the order that nss-resolve(8) asks for. */
static void append_hosts(struct buffer *text, const struct finish *finish, const char *line, size_t length)
{
	bool resolve = has_module(finish, "resolve"), myhostname = has_module(finish, "myhostname");
	const char *end = line + length;

	while (line < end) {
		size_t blank = strspn(line, " \t"), word = strcspn(line + blank, " \t\n");

		blank = MIN(blank, (size_t)(end - line));
		word = MIN(word, (size_t)(end - line) - blank);
		if (resolve && word == 3 && memcmp(line + blank, "dns", 3) == 0)
			buffer_append_string(text, " resolve [!UNAVAIL=return]");
		buffer_append(text, line, blank + word);
		if (myhostname && word == 5 && memcmp(line + blank, "files", 5) == 0)
			buffer_append_string(text, " myhostname");
		line += blank + word;
	}
}

/* What the C library's package has, for a tree without it. */
static const char nsswitch[] = "passwd:         files\n"
			       "group:          files\n"
			       "shadow:         files\n"
			       "gshadow:        files\n"
			       "\n"
			       "hosts:          files dns\n"
			       "networks:       files\n"
			       "\n"
			       "protocols:      db files\n"
			       "services:       db files\n"
			       "ethers:         db files\n"
			       "rpc:            db files\n"
			       "\n"
			       "netgroup:       nis\n";

static int write_nsswitch(struct finish *finish, struct error **err)
{
	static const char *const databases[] = {"passwd:", "group:", "shadow:", "gshadow:"};
	const char *line = finish_text(finish, "usr/share/libc-bin/nsswitch.conf");
	bool systemd = has_module(finish, "systemd");
	_cleanup_buffer_ struct buffer text = {};

	if (!line)
		line = nsswitch;
	for (size_t length; *line; line += length + (line[length] == '\n')) {
		length = strcspn(line, "\n");
		if (startswith(line, "hosts:"))
			append_hosts(&text, finish, line, length);
		else
			buffer_append(&text, line, length);
		for (size_t i = 0; systemd && i < ARRAY_SIZE(databases); i++)
			if (startswith(line, databases[i]))
				buffer_append_string(&text, " systemd");
		buffer_append_u8(&text, '\n');
	}
	if (buffer_failed(&text))
		return error_set_errno(err, -ENOMEM, "finisher name-service");
	return finish_file(finish, "name-service", "etc/nsswitch.conf", 0644, text.data, text.size, err);
}

int finish_name_service(struct finish *finish, struct error **err)
{
	static const char hosts[] = "127.0.0.1 localhost\n"
				    "::1 localhost ip6-localhost ip6-loopback\n"
				    "ff02::1 ip6-allnodes\n"
				    "ff02::2 ip6-allrouters\n";
	int r = 0;

	if (!tree_lookup(finish->tree, "etc/hosts"))
		r = write_text(finish, "name-service", "etc/hosts", hosts, err);
	if (r >= 0 && !tree_lookup(finish->tree, "etc/nsswitch.conf"))
		r = write_nsswitch(finish, err);
	return r;
}

/* Where the tree has *from* and not yet *path*, makes the one of the other. */
static int copy_default(struct finish *finish, const char *path, const char *from, struct error **err)
{
	if (tree_lookup(finish->tree, path) || !tree_lookup(finish->tree, from))
		return 0;
	return finish_copy(finish, "environment", path, from, err);
}

/* base-files has folders where its script makes links, which systemd's tmpfiles.d(5) no longer has all of. */
static int link_run(struct finish *finish, struct error **err)
{
	static const char *const links[][2] = {{"var/run", "/run"}, {"var/lock", "/run/lock"}};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(links); i++) {
		const struct tree_inode *there = tree_lookup(finish->tree, links[i][0]);

		if (!there || !S_ISDIR(there->mode) || there->entry_count > 0)
			continue;
		r = tree_remove(finish->tree, links[i][0], err);
		if (r >= 0)
			r = finish_link(finish, "environment", links[i][0], links[i][1], err);
	}
	return r;
}

/*
 * Removes what must be a node's own. A host name, or a link to the machine id, is the definition's affair
 * where it has one; an id that all nodes share would make them one node.
 */
static int remove_nodes_own(struct finish *finish, struct error **err)
{
	static const char *const paths[] = {"etc/hostname", "var/lib/dbus/machine-id"};
	int r = finish_clear(finish, "environment", "etc/machine-id", err);

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(paths); i++)
		if (!own_is(tree_lookup(finish->tree, paths[i])))
			r = finish_clear(finish, "environment", paths[i], err);
	return r;
}

int finish_environment(struct finish *finish, struct error **err)
{
	static const char *const links[][2] = {
		{"etc/default/locale", "../locale.conf"},
		{"etc/mtab", "../proc/self/mounts"},
		{"etc/localtime", "../usr/share/zoneinfo/Etc/UTC"},
	};
	int r;

	r = copy_default(finish, "etc/profile", "usr/share/base-files/profile", err);
	if (r >= 0)
		r = copy_default(finish, "etc/motd", "usr/share/base-files/motd", err);
	if (r >= 0 && !tree_lookup(finish->tree, "etc/environment"))
		r = write_text(finish, "environment", "etc/environment", "", err);
	if (r >= 0 && !tree_lookup(finish->tree, "etc/locale.conf"))
		r = write_text(finish, "environment", "etc/locale.conf", "LANG=C.UTF-8\n", err);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(links); i++) {
		const char *path = links[i][0];

		/* Without tzdata the C library takes a missing file for UTC. */
		if (tree_lookup(finish->tree, path) ||
			(streq(path, "etc/localtime") &&
				!tree_lookup(finish->tree, "usr/share/zoneinfo/Etc/UTC")))
			continue;
		r = finish_link(finish, "environment", path, links[i][1], err);
	}
	if (r >= 0)
		r = link_run(finish, err);
	return r < 0 ? r : remove_nodes_own(finish, err);
}
