/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/definition.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "build/definition-text.h"
#include "build/overlay.h"

#define DEFINITION_MAX MiB(1)

static const char *const requirements[] = {"secure-boot", "tpm2", "command-line", NULL};
static const char *const verbs[] = {"enable", "disable", "mask", NULL};

#define FIELD(name, kind, member, text, ...)                                                  \
	{                                                                                     \
		.key = (name), .type = (kind), .offset = offsetof(struct definition, member), \
		.help = (text), __VA_ARGS__                                                   \
	}

/* Fields of a mapping are found from the mapping's own beginning. */
#define OPTION(name, kind, group, member, text, ...)                                                      \
	{                                                                                                 \
		.key = (name), .type = (kind),                                                            \
		.offset = offsetof(struct definition, group.member) - offsetof(struct definition, group), \
		.help = (text), __VA_ARGS__                                                               \
	}
#define SUBFIELD(...) OPTION(__VA_ARGS__, .required = true)

/* Fields of a row of a table. */
#define COLUMN(name, kind, structure, member, text, ...)                                                     \
	{                                                                                                    \
		.key = (name), .type = (kind), .offset = offsetof(struct structure, member), .help = (text), \
		__VA_ARGS__                                                                                  \
	}

static const struct yaml_field kernel_fields[] = {
	SUBFIELD("command-line", YAML_STRINGS, kernel, command_line, "arguments of the kernel",
		.text = &definition_text_argument),
	SUBFIELD("modules", YAML_STRINGS, kernel, modules,
		"patterns of the modules to keep, ! in front: not these"),
	OPTION("firmware", YAML_STRINGS, kernel, firmware,
		"patterns of the firmware to keep besides what the modules ask for"),
	{},
};

static const struct yaml_field source_fields[] = {
	COLUMN("url", YAML_STRING, definition_source, url,
		"where it is: an http, https or file URL, or a folder beside the definition",
		.required = true, .text = &definition_text_url),
	COLUMN("suite", YAML_STRING, definition_source, suite, "its suite", .required = true,
		.text = &definition_text_suite),
	COLUMN("components", YAML_STRINGS, definition_source, components, "its components; main by itself",
		.text = &definition_text_component),
	COLUMN("keyring", YAML_STRING, definition_source, keyring,
		"file, beside the definition, with the OpenPGP keys that its metadata is signed with",
		.required = true),
	COLUMN("packages", YAML_STRINGS, definition_source, packages,
		"names of packages, or patterns of names, that may come from there", .required = true,
		.text = &definition_text_taken, .least = 1),
	{},
};

static const struct yaml_field user_fields[] = {
	COLUMN("description", YAML_STRING, definition_user, description, "what or whom it is for",
		.required = true, .text = &definition_text_description),
	COLUMN("home", YAML_STRING, definition_user, home, "its home folder; / by itself",
		.text = &definition_text_absolute),
	COLUMN("shell", YAML_STRING, definition_user, shell, "its shell; without one nobody can log in",
		.text = &definition_text_absolute),
	COLUMN("groups", YAML_STRINGS, definition_user, groups, "groups besides the one of its own",
		.text = &definition_text_account),
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

#define WITHOUT(name, group, member)                                                                      \
	{                                                                                                 \
		.key = (name), .type = YAML_STRINGS, .help = "entries of what is extended that go",       \
		.offset = offsetof(struct definition, group.member) - offsetof(struct definition, group), \
	}

static const struct yaml_field without_kernel_fields[] = {
	WITHOUT("command-line", without.kernel, command_line),
	WITHOUT("modules", without.kernel, modules),
	WITHOUT("firmware", without.kernel, firmware),
	{},
};

static const struct yaml_field without_initrd_fields[] = {
	WITHOUT("modules", without.initrd, modules),
	WITHOUT("devices", without.initrd, devices),
	{},
};

static const struct yaml_field without_fields[] = {
	WITHOUT("files", without, files),
	WITHOUT("sources", without, sources),
	WITHOUT("packages", without, packages),
	WITHOUT("absent", without, absent),
	WITHOUT("boot-packages", without, boot_packages),
	WITHOUT("exclude", without, exclude),
	WITHOUT("keep", without, keep),
	WITHOUT("programs", without, programs),
	WITHOUT("links", without, links),
	WITHOUT("sysctl", without, sysctl),
	WITHOUT("users", without, users),
	WITHOUT("ids", without, ids),
	WITHOUT("units", without, units),
	WITHOUT("setuid", without, setuid),
	{.key = "kernel",
		.type = YAML_MAPPING,
		.help = "of the kernel's",
		.fields = without_kernel_fields,
		.offset = offsetof(struct definition_without, kernel)},
	{.key = "initrd",
		.type = YAML_MAPPING,
		.help = "of the initrd's",
		.fields = without_initrd_fields,
		.offset = offsetof(struct definition_without, initrd)},
	{},
};

static const struct yaml_field fields[] = {
	FIELD("extends", YAML_STRING, extends, "the edition that this one adds to and takes from"),
	FIELD("without", YAML_MAPPING, without, "what of the extended edition goes",
		.fields = without_fields),
	FIELD("name", YAML_STRING, name, "the edition's id", .required = true, .text = &definition_text_name),
	FIELD("title", YAML_STRING, title, "the edition's name for people", .required = true,
		.text = &definition_text_title),
	FIELD("suite", YAML_STRING, suite, "Debian suite", .required = true, .text = &definition_text_suite),
	FIELD("components", YAML_STRINGS, components, "components of the archive", .required = true,
		.text = &definition_text_component),
	FIELD("sources", YAML_TABLE, sources, "repositories beside the archive", .fields = source_fields,
		.size = sizeof(struct definition_source), .text = &definition_text_source),
	FIELD("packages", YAML_STRINGS, packages, "packages, with their dependencies", .required = true,
		.text = &definition_text_package),
	FIELD("absent", YAML_STRINGS, absent,
		"packages that others depend on and that the image does without",
		.text = &definition_text_absent),
	FIELD("boot-packages", YAML_STRINGS, boot_packages, "packages that only the build reads",
		.required = true, .text = &definition_text_package),
	FIELD("exclude", YAML_STRINGS, exclude, "patterns of paths that are not unpacked"),
	FIELD("keep", YAML_STRINGS, keep, "exceptions from exclude"),
	FIELD("programs", YAML_STRINGS, programs, "programs of Orlop's own that the node has"),
	FIELD("files", YAML_STRING, files, "folder, beside the definition, that is laid over the tree"),
	FIELD("links", YAML_PAIRS, links, "symbolic links: path and target", .text = &definition_text_link),
	FIELD("sysctl", YAML_PAIRS, sysctl, "settings of the kernel: name and value",
		.text = &definition_text_setting, .value = &definition_text_setting_value),
	FIELD("users", YAML_TABLE, users, "accounts of the edition's own", .fields = user_fields,
		.size = sizeof(struct definition_user), .text = &definition_text_account),
	FIELD("ids", YAML_PAIRS, ids, "fixed ids of users and groups", .text = &definition_text_account,
		.value = &definition_text_id),
	FIELD("units", YAML_PAIRS, units, "units, and what becomes of them: enable, disable or mask",
		.text = &definition_text_unit, .choices = verbs),
	FIELD("setuid", YAML_STRINGS, setuid, "files that keep their setuid or setgid bit",
		.text = &definition_text_path),
	FIELD("kernel", YAML_MAPPING, kernel, "the kernel", .required = true, .fields = kernel_fields),
	FIELD("initrd", YAML_MAPPING, initrd, "the initrd", .required = true, .fields = initrd_fields),
	FIELD("compression", YAML_STRING, compression,
		"of /usr: none, lz4, lz4hc or zstd, with a level if need be: zstd:9; none by itself",
		.text = &definition_text_compression),
	FIELD("disk", YAML_MAPPING, disk, "the disk image", .required = true, .fields = disk_fields),
	FIELD("require", YAML_CHOICES, require, "what a node must have to come up", .choices = requirements),
	{},
};

json_t *definition_schema(void)
{
	return yaml_schema(fields, "extends", "Definition of an Orlop edition",
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

char *definition_beside(const struct definition *definition, const char *key, const char *path)
{
	const struct yaml_place *place = yaml_places_find(&definition->places, key, NULL);
	_cleanup_free_ char *folder = parent_of(place ? place->file : definition->path);

	if (path[0] == '/')
		return strdup(path);
	return folder ? string_format("%s/%s", folder, path) : NULL;
}

const struct definition_source *definition_source(const struct definition *definition, size_t index)
{
	const struct definition_source *sources = definition->sources.items;

	return index < definition->sources.count ? &sources[index] : NULL;
}

const struct definition_user *definition_user(const struct definition *definition, size_t index)
{
	const struct definition_user *users = definition->users.items;

	return index < definition->users.count ? &users[index] : NULL;
}

int definition_wrap(
	const struct definition *definition, const char *key, const char *entry, struct error **err)
{
	const struct yaml_place *place = yaml_places_find(&definition->places, key, entry);

	return error_wrap(
		err, "%s:%zu: %s", place ? place->file : definition->path, place ? place->line : 1, key);
}

int definition_verror(const struct definition *definition, const char *key, const char *entry,
	struct error **err, const char *format, va_list args)
{
	_cleanup_free_ char *text = NULL;

	if (vasprintf(&text, format, args) < 0) {
		text = NULL;
		return error_set_errno(err, -ENOMEM, "%s", definition->path);
	}
	(void)error_set(err, -EINVAL, "%s", text);
	(void)definition_wrap(definition, key, entry, err);
	return -EINVAL;
}

int definition_error(const struct definition *definition, const char *key, const char *entry,
	struct error **err, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = definition_verror(definition, key, entry, err, format, args);
	va_end(args);
	return r;
}

int definition_blame(const struct definition *definition, const char *key, int code, struct error **err)
{
	if (code < 0 && err && *err && (*err)->subject)
		(void)definition_wrap(definition, key, (*err)->subject, err);
	return code;
}

static struct definition *definition_new(const char *path, struct error **err)
{
	struct definition *definition = calloc(1, sizeof(*definition));

	if (definition && (definition->path = strdup(path)) && (definition->folder = parent_of(path)))
		return definition;
	(void)error_set_errno(err, -ENOMEM, "%s", path);
	return definition_free(definition);
}

int definition_parse(
	const char *text, size_t size, const char *path, struct definition **ret, struct error **err)
{
	_cleanup_definition_ struct definition *definition = definition_new(path, err);
	int r = definition ? yaml_parse(text, size, path, fields, definition, &definition->places, err)
			   : -ENOMEM;

	if (r >= 0 && definition->extends)
		r = definition_error(definition, "extends", NULL, err, "only a file can extend another one");
	if (r >= 0)
		r = definition_check(definition, err);
	if (r >= 0)
		*ret = TAKE_PTR(definition);
	return r;
}

/* ---- What extends another one ---- */

/* The path of what *definition* extends. */
static char *find_extended(const struct definition *definition, definition_find_fn find, struct error **err)
{
	const char *name = definition->extends;
	_cleanup_free_ char *path = NULL;

	if (name[0] == '/')
		return strdup(name);
	if (strchr(name, '/') || endswith(name, ".yaml"))
		return string_format("%s/%s", definition->folder, name);
	path = string_format("%s/%s.yaml", definition->folder, name);
	if (!path || access(path, R_OK) >= 0 || !find)
		return TAKE_PTR(path);
	return find(name, err);
}

/* Leaves out what *child* does not want of the folders that are laid over the tree before its own. */
static int leave_out(struct definition *definition, const struct definition *child, struct error **err)
{
	for (size_t i = 0; i < child->without.files.count; i++) {
		const char *name = child->without.files.items[i];
		bool found = false;

		for (size_t k = 0; k < definition->overlays.count; k++) {
			const char *folder = definition->overlays.items[k];
			int r = overlay_has(folder, name);

			if (r == 0)
				continue;
			found = true;
			if (r < 0 || strv_addf(&definition->left_out, "%s/%s", folder, name) < 0)
				return error_set_errno(err, -ENOMEM, "%s", child->path);
		}
		if (!found)
			return definition_error(child, "without: files", name, err, "%s has no file \"%s\"",
				child->extends, name);
	}
	return 0;
}

/* Takes out what *child* does not want of what it extends. */
static int subtract(struct definition *definition, const struct definition *child, struct error **err)
{
	_cleanup_free_ char *key = NULL, *place = NULL;
	const char *entry = NULL;
	int r = yaml_subtract(fields, definition, without_fields, &child->without, &key, &entry);

	if (r == -ENOMEM)
		return error_set_errno(err, r, "%s", child->path);
	if (r >= 0)
		return 0;
	place = string_format("without: %s", key);
	return definition_error(child, place ? place : "without", entry, err, "%s has no \"%s\" there",
		child->extends, entry);
}

/* From now on it is the one that extends what it was. */
static int become(struct definition *definition, const struct definition *child)
{
	yaml_release(without_fields, &definition->without);
	free(definition->extends);
	free(definition->path);
	free(definition->folder);
	definition->extends = NULL;
	definition->path = strdup(child->path);
	definition->folder = strdup(child->folder);
	return definition->path && definition->folder ? 0 : -ENOMEM;
}

/* A file that is being read, and the one that extends it, if any does. */
struct reading {
	const char *path;
	const struct reading *child;
};

static int load(
	const struct reading *reading, definition_find_fn find, struct definition **ret, struct error **err);

/* A file may be called by many paths. */
static bool is_same_file(const char *a, const char *b)
{
	struct stat one, other;

	return stat(a, &one) >= 0 && stat(b, &other) >= 0 && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

/* That *path* is not being read already, and not for too long. */
static int check_line(
	const struct definition *child, const struct reading *line, const char *path, struct error **err)
{
	unsigned count = 0;

	for (; line; line = line->child, count++)
		if (is_same_file(line->path, path))
			return definition_error(
				child, "extends", NULL, err, "\"%s\" extends itself", child->extends);
	if (count >= DEFINITION_DEPTH)
		return definition_error(child, "extends", NULL, err,
			"more than %d definitions extend each other", DEFINITION_DEPTH);
	return 0;
}

/* *child* is what its file, *line->path*, says by itself. */
static int extend(const struct definition *child, const char *text, size_t size, definition_find_fn find,
	const struct reading *line, struct definition **ret, struct error **err)
{
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_free_ char *path = find_extended(child, find, err);
	int r = path ? 0 : err && *err ? (*err)->code : error_set_errno(err, -ENOMEM, "%s", child->path);

	if (path && !yaml_places_find(&child->places, "name", NULL))
		return definition_error(child, "extends", NULL, err,
			"an edition that extends another one has a name of its own");
	if (path && check_line(child, line, path, err) < 0)
		return -EINVAL;
	if (path)
		r = load(&(struct reading){path, line}, find, &definition, err);
	if (r < 0)
		return definition_wrap(child, "extends", NULL, err), r;
	assert(definition);
	r = subtract(definition, child, err);
	if (r >= 0)
		r = leave_out(definition, child, err);
	if (r < 0)
		return r;
	if (become(definition, child) < 0)
		return error_set_errno(err, -ENOMEM, "%s", child->path);
	r = yaml_parse_onto(text, size, child->path, fields, definition, &definition->places, err);
	if (r >= 0)
		*ret = TAKE_PTR(definition);
	return r;
}

static int add_overlay(struct definition *definition, const char *files, struct error **err)
{
	if (!files || strv_push(&definition->overlays, definition_beside(definition, "files", files)) >= 0)
		return 0;
	return error_set_errno(err, -ENOMEM, "files");
}

static int load(
	const struct reading *reading, definition_find_fn find, struct definition **ret, struct error **err)
{
	const char *path = reading->path;
	_cleanup_definition_ struct definition *child = definition_new(path, err), *definition = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = child ? file_read(path, DEFINITION_MAX, &text, &size, err) : -ENOMEM;

	if (r >= 0)
		r = yaml_parse_onto(text, size, path, fields, child, &child->places, err);
	if (r < 0)
		return r;
	if (child->extends) {
		r = extend(child, text, size, find, reading, &definition, err);
	} else {
		/* Now with all that is required. */
		definition = definition_new(path, err);
		r = definition ? yaml_parse(text, size, path, fields, definition, &definition->places, err)
			       : -ENOMEM;
	}
	assert(r < 0 || definition);
	if (r >= 0)
		r = add_overlay(definition, child->files, err);
	if (r >= 0)
		*ret = TAKE_PTR(definition);
	return r;
}

int definition_load(const char *path, definition_find_fn find, struct definition **ret, struct error **err)
{
	_cleanup_definition_ struct definition *definition = NULL;
	int r = load(&(struct reading){.path = path}, find, &definition, err);

	if (r >= 0)
		r = definition_check(definition, err);
	if (r >= 0)
		r = definition_check_files(definition, err);
	if (r >= 0)
		*ret = TAKE_PTR(definition);
	return r;
}

struct definition *definition_free(struct definition *definition)
{
	if (definition) {
		yaml_release(fields, definition);
		yaml_places_release(&definition->places);
		strv_release(&definition->overlays);
		strv_release(&definition->left_out);
		free(definition->path);
		free(definition->folder);
		free(definition);
	}
	return NULL;
}

size_t definition_argument(const char *entry, const char *architecture, bool *ret)
{
	size_t length = strcspn(entry, " "), size = strlen(architecture);
	const char *mark = entry + length;

	*ret = !*mark ||
	       (startswith(mark, " [") && startswith(mark + 2, architecture) && streq(mark + 2 + size, "]"));
	return length;
}

int definition_arguments(
	const struct definition *definition, const char *architecture, struct strv *ret, struct error **err)
{
	const struct strv *entries = &definition->kernel.command_line;

	for (size_t i = 0; i < entries->count; i++) {
		bool has;
		size_t length = definition_argument(entries->items[i], architecture, &has);

		if (has && strv_push(ret, strndup(entries->items[i], length)) < 0)
			return error_set_errno(err, -ENOMEM, "definition");
	}
	return 0;
}

int definition_requirements(const struct definition *definition, struct strv *ret, struct error **err)
{
	for (size_t i = 0; requirements[i]; i++)
		if ((definition->require & 1U << i) && strv_add(ret, requirements[i]) < 0)
			return error_set_errno(err, -ENOMEM, "definition");
	return 0;
}

static char *expand(const char *text, const char *architecture)
{
	static const char mark[] = "{architecture}";
	const char *at = strstr(text, mark);

	if (!at)
		return strdup(text);
	return string_format("%.*s%s%s", (int)(at - text), text, architecture, at + strlen(mark));
}

int definition_plain(const struct strv *list, struct strv *ret, struct error **err)
{
	for (size_t i = 0; i < list->count; i++)
		if (strv_add(ret, list->items[i] + (list->items[i][0] == '-')) < 0)
			return error_set_errno(err, -ENOMEM, "definition");
	return 0;
}

int definition_expand(const struct strv *list, const char *architecture, struct strv *ret, struct error **err)
{
	for (size_t i = 0; i < list->count; i++)
		if (strv_push(ret, expand(list->items[i], architecture)) < 0)
			return error_set_errno(err, -ENOMEM, "definition");
	return 0;
}
