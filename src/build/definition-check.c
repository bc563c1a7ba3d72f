/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a definition must be beyond its types. All of it is checked when the definition is read: before
 * anything is fetched or made.
 */
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include "build/definition-check.h"
#include "format/compressor.h"

/* The kernel takes 2048 bytes on x86 with the NUL, and "usrhash=" and a digest come behind the arguments. */
#define COMMAND_LINE_MAX (2047 - strlen(" usrhash=") - 64)

/* A name is part of file names, partition labels and os-release: it has a small alphabet. */
static int check_name(const struct definition *definition, struct error **err)
{
	size_t length = strspn(definition->name, LOWER DIGITS "-");

	if (definition->name[length] || length > 32 || definition->name[0] == '-')
		return definition_error(definition, "name", NULL, err,
			"\"%s\" may hold a-z, 0-9 and \"-\", at most 32 of them", definition->name);
	return 0;
}

/* os-release(5) takes a title without escapes, whatever reads it. */
static int check_title(const struct definition *definition, struct error **err)
{
	for (const char *at = definition->title; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 127 || strchr("\"'\\$`", *at))
			return definition_error(definition, "title", NULL, err,
				"\"%s\" may hold no quote, \"$\", backslash or control character",
				definition->title);
	return 0;
}

bool definition_is_word(const char *text, const char *end, const char *alphabet)
{
	if (text == end || !strchr(LOWER UPPER DIGITS, *text))
		return false;
	while (text < end && strchr(alphabet, *text))
		text++;
	return text == end;
}

/* Debian Policy, 5.6.1: a name of a package; here also with "{architecture}" in it. */
static bool is_package(const char *text, size_t length)
{
	static const char mark[] = "{architecture}";
	const char *at = strstr(text, mark), *end = text + length;

	if (!at || at >= end)
		return definition_is_word(text, end, LOWER DIGITS "+.-");
	return at > text && definition_is_word(text, at, LOWER DIGITS "+.-") &&
	       strspn(at + strlen(mark), LOWER DIGITS "+.-") == (size_t)(end - at) - strlen(mark);
}

/* *separator* begins what may follow the name: "=" a version, ":" an architecture. */
static int check_package(const struct definition *definition, const char *key, const char *entry,
	const char *name, const char *separator, struct error **err)
{
	size_t length = strcspn(name, separator);

	if (is_package(name, length) && (!name[length] || name[length + 1]))
		return 0;
	return definition_error(definition, key, entry, err, "\"%s\" is no name of a package", entry);
}

static int check_packages(
	const struct definition *definition, const char *key, const struct strv *list, struct error **err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < list->count; i++)
		r = check_package(definition, key, list->items[i], list->items[i], "=", err);
	return r;
}

static int check_absent(const struct definition *definition, struct error **err)
{
	for (size_t i = 0; i < definition->absent.count; i++) {
		const char *entry = definition->absent.items[i], *name = entry + (entry[0] == '-');
		int r = check_package(definition, "absent", entry, name, ":", err);

		if (r < 0)
			return r;
		if (strv_contains(&definition->packages, name))
			return definition_error(definition, "absent", entry, err,
				"%s is asked for as well, in packages", name);
	}
	return 0;
}

static int check_all_packages(const struct definition *definition, struct error **err)
{
	int r = check_packages(definition, "packages", &definition->packages, err);

	if (r >= 0)
		r = check_packages(definition, "boot-packages", &definition->boot_packages, err);
	return r < 0 ? r : check_absent(definition, err);
}

/* A path in the tree: relative, and nowhere out of it. */
static int check_path(
	const struct definition *definition, const char *key, const char *path, struct error **err)
{
	for (const char *at = path;; at++) {
		size_t length = strcspn(at, "/");

		if (length == 0 || (length == 1 && *at == '.') ||
			(length == 2 && at[0] == '.' && at[1] == '.'))
			return definition_error(definition, key, path, err,
				"\"%s\" is no path from the root without a leading \"/\", \".\" and \"..\"",
				path);
		if (length > NAME_MAX)
			return definition_error(definition, key, path, err,
				"\"%.64s…\" has a name longer than %d bytes", path, NAME_MAX);
		at += length;
		if (!*at)
			return 0;
	}
}

/* An image carries /usr and what it says about /etc and /var; the others are links to folders in /usr. */
static bool is_carried(const char *path)
{
	static const char *const folders[] = {
		"usr/", "etc/", "var/", "bin/", "sbin/", "lib/", "lib32/", "lib64/"};

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (startswith(path, folders[i]))
			return true;
	return false;
}

static int check_links(const struct definition *definition, struct error **err)
{
	for (size_t i = 0; i < definition->links.count; i++) {
		const char *path = definition->links.items[i].name;
		int r = check_path(definition, "links", path, err);

		if (r < 0)
			return r;
		if (!is_carried(path))
			return definition_error(definition, "links", path, err,
				"\"%s\" is outside of /usr, /etc and /var, which are all that an image has",
				path);
	}
	return 0;
}

static int check_setuid(const struct definition *definition, struct error **err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < definition->setuid.count; i++)
		r = check_path(definition, "setuid", definition->setuid.items[i], err);
	return r;
}

/* Whether an entry of the command line is for all architectures, or for one that there is. */
static bool is_for_any(const char *entry)
{
	static const char *const architectures[] = {"amd64", "arm64"};
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(architectures) && !any; i++)
		(void)definition_argument(entry, architectures[i], &any);
	return any;
}

/*
 * The command line is text that the kernel, systemd and orlop-init take apart at spaces and quotes, each in
 * its own way, that the firmware gets as UTF-16, and that orlop-init compares: one argument is one word of
 * ASCII.
 */
static int check_command_line(const struct definition *definition, struct error **err)
{
	static const char key[] = "kernel: command-line";
	const struct strv *arguments = &definition->kernel.command_line;
	size_t length = 0;

	for (size_t i = 0; i < arguments->count; i++) {
		const char *argument = arguments->items[i];
		size_t size = strcspn(argument, " ");

		for (size_t j = 0; j < size; j++)
			if (argument[j] <= ' ' || argument[j] > '~' || argument[j] == '"')
				size = 0;
		if (size == 0 || !is_for_any(argument))
			return definition_error(definition, key, argument, err,
				"\"%s\" must be one argument of ASCII, without spaces or quotes, and behind "
				"it perhaps [amd64] or [arm64]",
				argument);
		if (startswith(argument, "usrhash=") ||
			(size == strlen("usrhash") && startswith(argument, "usrhash")))
			return definition_error(definition, key, argument, err,
				"\"%s\": the build adds usrhash=, which says what /usr to start", argument);
		if (startswith(argument, "rdinit=") || (size == 2 && startswith(argument, "--")))
			return definition_error(definition, key, argument, err,
				"\"%s\" would keep orlop-init from starting the image", argument);
		length += size + (i > 0);
	}
	if (length > COMMAND_LINE_MAX)
		return definition_error(definition, key, NULL, err,
			"%zu bytes are more than the %zu that the kernel and the build leave", length,
			COMMAND_LINE_MAX);
	return 0;
}

/* "-" and "_" in names of modules are the same. */
static bool same_module(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
			return false;
	return *a == *b;
}

/* What orlop-init can't do without: a kernel that has one built in passes over the name. */
static int check_initrd(const struct definition *definition, struct error **err)
{
	static const char *const needed[] = {"dm_verity", "erofs", "overlay", "efivarfs"};
	const struct strv *modules = &definition->initrd.modules;

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		bool found = false;

		for (size_t j = 0; j < modules->count; j++)
			found |= same_module(modules->items[j], needed[i]);
		if (!found)
			return definition_error(definition, "initrd: modules", NULL, err,
				"must have %s, without which no image starts", needed[i]);
	}
	return 0;
}

static int check_sizes(const struct definition *definition, struct error **err)
{
	const struct {
		const char *key;
		uint64_t size, least;
	} sizes[] = {
		{"disk: esp", definition->disk.esp, MiB(64)},
		{"disk: usr", definition->disk.usr, MiB(64)},
		{"disk: verity", definition->disk.verity, definition->disk.usr / 128 + MiB(1)},
		{"disk: signature", definition->disk.signature, KiB(16)},
		{"disk: state", definition->disk.state, MiB(64)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		char text[SIZE_TEXT_MAX];

		if (sizes[i].size < sizes[i].least)
			return definition_error(definition, sizes[i].key, NULL, err, "must be at least %s",
				format_size(sizes[i].least, text));
		if (sizes[i].size % KiB(4) || sizes[i].size > GiB(1024))
			return definition_error(definition, sizes[i].key, NULL, err,
				"must be a multiple of 4 KiB and at most 1024 GiB");
	}
	return 0;
}

static int check_compression(const struct definition *definition, struct error **err)
{
	struct compression compression;

	int r = definition->compression ? compression_parse(definition->compression, &compression, err) : 0;

	return r < 0 ? definition_wrap(definition, "compression", NULL, err), r : 0;
}

int definition_check(const struct definition *definition, struct error **err)
{
	static int (*const checks[])(const struct definition *, struct error **) = {check_name, check_title,
		definition_check_archive, check_all_packages, check_links, check_setuid,
		definition_check_node, check_command_line, check_initrd, check_compression, check_sizes};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(checks); i++)
		r = checks[i](definition, err);
	return r;
}

/* Two things in the definition's own hand under one name: which of them is meant? */
static int check_link_in_files(
	const struct definition *definition, const char *folder, const char *link, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder, link);
	struct stat st;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", link);
	if (strv_contains(&definition->left_out, path) || lstat(path, &st) < 0)
		return 0;
	return definition_error(
		definition, "links", link, err, "%s is in the folder of files as well, as %s", link, path);
}

static int check_overlay(const struct definition *definition, const char *folder, struct error **err)
{
	struct stat st;
	int r = 0;

	if (stat(folder, &st) < 0)
		return definition_error(definition, "files", NULL, err, "%s: %s", folder, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return definition_error(definition, "files", NULL, err, "%s is no folder", folder);
	for (size_t i = 0; r >= 0 && i < definition->links.count; i++)
		r = check_link_in_files(definition, folder, definition->links.items[i].name, err);
	return r;
}

int definition_check_files(const struct definition *definition, struct error **err)
{
	int r = 0;

	for (size_t i = 0; i < definition->overlays.count && r >= 0; i++)
		r = check_overlay(definition, definition->overlays.items[i], err);
	return r;
}
