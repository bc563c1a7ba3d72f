/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/definition.h"

#include <errno.h>

#include "base/file.h"

#define DEFINITION_MAX MiB(1)

static const char *const requirements[] = {"secure-boot", "tpm2", "command-line", NULL};

#define FIELD(name, kind, member, text, ...)                                                  \
	{                                                                                     \
		.key = (name), .type = (kind), .offset = offsetof(struct definition, member), \
		.help = (text), __VA_ARGS__                                                   \
	}

/* Fields of a mapping are found from the mapping's own beginning. */
#define SUBFIELD(name, kind, group, member, text)                                                         \
	{                                                                                                 \
		.key = (name), .type = (kind),                                                            \
		.offset = offsetof(struct definition, group.member) - offsetof(struct definition, group), \
		.required = true, .help = (text)                                                          \
	}

static const struct yaml_field kernel_fields[] = {
	SUBFIELD("command-line", YAML_STRINGS, kernel, command_line, "arguments of the kernel"),
	SUBFIELD("modules", YAML_STRINGS, kernel, modules,
		"patterns of the modules to keep, ! in front: not these"),
	{},
};

static const struct yaml_field initrd_fields[] = {
	SUBFIELD("modules", YAML_STRINGS, initrd, modules, "modules that are always loaded"),
	SUBFIELD("devices", YAML_STRINGS, initrd, devices, "modules loaded where the hardware asks for them"),
	{},
};

static const struct yaml_field disk_fields[] = {
	SUBFIELD("esp", YAML_SIZE, disk, esp, "size of the EFI system partition"),
	SUBFIELD("usr", YAML_SIZE, disk, usr, "size of each slot for /usr"),
	SUBFIELD("verity", YAML_SIZE, disk, verity, "size of each slot for the hash tree"),
	SUBFIELD("signature", YAML_SIZE, disk, signature, "size of each slot for the root hash's signature"),
	SUBFIELD("state", YAML_SIZE, disk, state, "room that the image leaves for the state partition"),
	{},
};

static const struct yaml_field fields[] = {
	FIELD("name", YAML_STRING, name, "the edition's id", .required = true),
	FIELD("title", YAML_STRING, title, "the edition's name for people", .required = true),
	FIELD("suite", YAML_STRING, suite, "Debian suite", .required = true),
	FIELD("components", YAML_STRINGS, components, "components of the archive", .required = true),
	FIELD("packages", YAML_STRINGS, packages, "packages, with their dependencies", .required = true),
	FIELD("absent", YAML_STRINGS, absent,
		"packages that others depend on and that the image does without"),
	FIELD("boot-packages", YAML_STRINGS, boot_packages, "packages that only the build reads",
		.required = true),
	FIELD("exclude", YAML_STRINGS, exclude, "patterns of paths that are not unpacked"),
	FIELD("keep", YAML_STRINGS, keep, "exceptions from exclude"),
	FIELD("programs", YAML_STRINGS, programs, "programs of Orlop's own that the node has"),
	FIELD("files", YAML_STRING, files, "folder, beside the definition, that is laid over the tree"),
	FIELD("links", YAML_PAIRS, links, "symbolic links: path and target"),
	FIELD("mask", YAML_STRINGS, mask, "units that can't be started"),
	FIELD("setuid", YAML_STRINGS, setuid, "files that keep their setuid or setgid bit"),
	FIELD("accounts", YAML_PAIRS, accounts, "fixed ids of system accounts"),
	FIELD("kernel", YAML_MAPPING, kernel, "the kernel", .required = true, .fields = kernel_fields),
	FIELD("initrd", YAML_MAPPING, initrd, "the initrd", .required = true, .fields = initrd_fields),
	FIELD("disk", YAML_MAPPING, disk, "the disk image", .required = true, .fields = disk_fields),
	FIELD("require", YAML_CHOICES, require, "what a node must have to come up", .choices = requirements),
	{},
};

/* The folder of *path*, "." where it names none. */
static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* A name is part of file names, partition labels and os-release: it has a small alphabet. */
static int check_name(const struct definition *definition, struct error **err)
{
	size_t length = strspn(definition->name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (definition->name[length] || length > 32 || definition->name[0] == '-')
		return error_set(err, -EINVAL,
			"%s: name: \"%s\" may hold a-z, 0-9 and \"-\", at most 32 of them", definition->path,
			definition->name);
	return 0;
}

static int check_sizes(const struct definition *definition, struct error **err)
{
	const struct {
		const char *key;
		uint64_t size, least;
	} sizes[] = {
		{"esp", definition->disk.esp, MiB(64)},
		{"usr", definition->disk.usr, MiB(64)},
		{"verity", definition->disk.verity, definition->disk.usr / 128 + MiB(1)},
		{"signature", definition->disk.signature, KiB(16)},
		{"state", definition->disk.state, MiB(64)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		char text[SIZE_TEXT_MAX];

		if (sizes[i].size < sizes[i].least)
			return error_set(err, -EINVAL, "%s: disk: %s: must be at least %s", definition->path,
				sizes[i].key, format_size(sizes[i].least, text));
		if (sizes[i].size % KiB(4) || sizes[i].size > GiB(1024))
			return error_set(err, -EINVAL,
				"%s: disk: %s: must be a multiple of 4 KiB and at most 1024 GiB",
				definition->path, sizes[i].key);
	}
	return 0;
}

static int check_accounts(const struct definition *definition, struct error **err)
{
	for (size_t i = 0; i < definition->accounts.count; i++) {
		const struct pair *pair = &definition->accounts.items[i];
		uint64_t id;

		if (parse_u64(pair->value, &id) < 0 || id == 0 || id > 999)
			return error_set(err, -EINVAL,
				"%s: accounts: %s: an id of a system account is 1 to 999", definition->path,
				pair->name);
	}
	return 0;
}

int definition_parse(
	const char *text, size_t size, const char *path, struct definition **ret, struct error **err)
{
	_cleanup_definition_ struct definition *definition = calloc(1, sizeof(*definition));
	int r;

	if (!definition || !(definition->path = strdup(path)) || !(definition->folder = parent_of(path)))
		return error_set_errno(err, -ENOMEM, "%s", path);
	r = yaml_parse(text, size, path, fields, definition, err);
	if (r >= 0)
		r = check_name(definition, err);
	if (r >= 0)
		r = check_sizes(definition, err);
	if (r >= 0)
		r = check_accounts(definition, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(definition);
	return 0;
}

int definition_load(const char *path, struct definition **ret, struct error **err)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	r = file_read(path, DEFINITION_MAX, &text, &size, err);
	return r < 0 ? r : definition_parse(text, size, path, ret, err);
}

struct definition *definition_free(struct definition *definition)
{
	if (definition) {
		yaml_release(fields, definition);
		free(definition->path);
		free(definition->folder);
		free(definition);
	}
	return NULL;
}

static char *expand(const char *text, const char *architecture)
{
	static const char mark[] = "{architecture}";
	const char *at = strstr(text, mark);

	if (!at)
		return strdup(text);
	return string_format("%.*s%s%s", (int)(at - text), text, architecture, at + strlen(mark));
}

int definition_expand(const struct strv *list, const char *architecture, struct strv *ret, struct error **err)
{
	for (size_t i = 0; i < list->count; i++)
		if (strv_push(ret, expand(list->items[i], architecture)) < 0)
			return error_set_errno(err, -ENOMEM, "definition");
	return 0;
}
