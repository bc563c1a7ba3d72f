/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/definition.h"

#include <errno.h>
#include <stdarg.h>

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

json_t *definition_schema(void)
{
	return yaml_schema(fields, "Definition of an Orlop edition",
		"What `orlop build` reads: what is in an image, and how it starts.");
}

/* The folder of *path*, "." where it names none. */
static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

int definition_wrap(
	const struct definition *definition, const char *key, const char *entry, struct error **err)
{
	return error_wrap(
		err, "%s:%zu: %s", definition->path, yaml_places_line(&definition->places, key, entry), key);
}

int definition_error(const struct definition *definition, const char *key, const char *entry,
	struct error **err, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	(void)error_set(err, -EINVAL, "%s", text ? text : "wrong");
	(void)definition_wrap(definition, key, entry, err);
	return -EINVAL;
}

int definition_blame(const struct definition *definition, const char *key, int code, struct error **err)
{
	if (code < 0 && err && *err && (*err)->subject)
		(void)definition_wrap(definition, key, (*err)->subject, err);
	return code;
}

int definition_parse(
	const char *text, size_t size, const char *path, struct definition **ret, struct error **err)
{
	_cleanup_definition_ struct definition *definition = calloc(1, sizeof(*definition));
	int r;

	if (!definition || !(definition->path = strdup(path)) || !(definition->folder = parent_of(path)))
		return error_set_errno(err, -ENOMEM, "%s", path);
	r = yaml_parse(text, size, path, fields, definition, &definition->places, err);
	if (r >= 0)
		r = definition_check(definition, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(definition);
	return 0;
}

int definition_load(const char *path, struct definition **ret, struct error **err)
{
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	r = file_read(path, DEFINITION_MAX, &text, &size, err);
	if (r >= 0)
		r = definition_parse(text, size, path, &definition, err);
	if (r >= 0)
		r = definition_check_files(definition, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(definition);
	return 0;
}

struct definition *definition_free(struct definition *definition)
{
	if (definition) {
		yaml_release(fields, definition);
		yaml_places_release(&definition->places);
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
