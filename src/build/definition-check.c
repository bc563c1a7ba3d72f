/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a definition must be beyond each of its texts (build/definition-text.h). All of it is checked when the
 * definition is read: before anything is fetched or made.
 */
#include <errno.h>
#include <sys/stat.h>

#include "build/definition.h"
#include "build/overlay.h"

#define SOURCES_MAX 16

/* The kernel takes 2048 bytes on x86 with the NUL, and "usrhash=" and a digest come behind the arguments. */
#define COMMAND_LINE_MAX (2047 - strlen(" usrhash=") - 64)

static int check_sources(const struct definition *definition, struct error **err)
{
	if (definition->sources.count > SOURCES_MAX)
		return definition_error(definition, "sources", NULL, err, "has more than %d", SOURCES_MAX);
	for (size_t i = 0; i < definition->sources.count; i++) {
		const char *name = definition_source(definition, i)->name;

		if (streq(name, definition->suite))
			return definition_error(definition, "sources", name, err,
				"\"%s\" is the name of the archive's suite", name);
	}
	return 0;
}

static int check_absent(const struct definition *definition, struct error **err)
{
	for (size_t i = 0; i < definition->absent.count; i++) {
		const char *entry = definition->absent.items[i], *name = entry + (entry[0] == '-');

		if (strv_contains(&definition->packages, name))
			return definition_error(definition, "absent", entry, err,
				"%s is asked for as well, in packages", name);
	}
	return 0;
}

static int check_ids(const struct definition *definition, struct error **err)
{
	const struct pairs *ids = &definition->ids;

	for (size_t i = 0; i < ids->count; i++) {
		const struct pair *pair = &ids->items[i];
		uint64_t id = 0, other;

		(void)parse_u64(pair->value, &id);
		for (size_t j = 0; j < i; j++)
			if (parse_u64(ids->items[j].value, &other) == 0 && other == id)
				return definition_error(definition, "ids", pair->name, err,
					"%s: %s has the id %s already", pair->name, ids->items[j].name,
					pair->value);
	}
	return 0;
}

/* The pattern of what is refused here is in build/definition-text.c. */
static int check_command_line(const struct definition *definition, struct error **err)
{
	static const char key[] = "kernel: command-line";
	const struct strv *arguments = &definition->kernel.command_line;
	size_t length = 0;

	for (size_t i = 0; i < arguments->count; i++) {
		const char *argument = arguments->items[i];
		size_t size = strcspn(argument, " ");

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

/* The least size of whole blocks that *bytes* go into, as a definition can have it: what format_size() rounds
 * may be less. */
static char *write_size(uint64_t bytes, char ret[SIZE_TEXT_MAX])
{
	static const char units[] = "KMGT";
	uint64_t value = round_up_u64(bytes, KiB(4)) / KiB(1);
	size_t unit = 0;

	for (; value % 1024 == 0 && units[unit + 1]; unit++)
		value /= 1024;
	(void)snprintf(ret, SIZE_TEXT_MAX, "%ju%c", (uintmax_t)value, units[unit]);
	return ret;
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
				write_size(sizes[i].least, text));
		if (sizes[i].size % KiB(4) || sizes[i].size > GiB(1024))
			return definition_error(definition, sizes[i].key, NULL, err,
				"must be a multiple of 4 KiB and at most 1024 GiB");
	}
	return 0;
}

int definition_check(const struct definition *definition, struct error **err)
{
	static int (*const checks[])(const struct definition *, struct error **) = {
		check_sources, check_absent, check_ids, check_command_line, check_initrd, check_sizes};
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
	int r = path ? overlay_has(folder, link) : -ENOMEM;

	if (r < 0)
		return error_set_errno(err, r, "%s", link);
	if (r == 0 || strv_contains(&definition->left_out, path))
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
