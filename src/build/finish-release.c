/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/buffer.h"
#include "build/finishers.h"

#define OS_RELEASE "usr/lib/os-release"
#define PACKAGES "usr/share/orlop/packages.json"

/* Fields that are ours; those of Debian's file are left out, all others kept. */
static bool is_ours(const char *line)
{
	static const char *const fields[] = {"PRETTY_NAME=", "NAME=", "VERSION_ID=", "VERSION=", "ID=",
		"ID_LIKE=", "VARIANT=", "VARIANT_ID=", "IMAGE_ID=", "IMAGE_VERSION=", "HOME_URL=",
		"SUPPORT_URL=", "BUG_REPORT_URL=", "ARCHITECTURE=", "DEFAULT_HOSTNAME="};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (startswith(line, fields[i]))
			return true;
	return false;
}

/* os-release(5) takes these without quotes or escapes, whatever reads it. */
static bool is_plain(const char *text)
{
	return *text && !text[strcspn(text, "\"'\\$`\n\r")];
}

/* systemd's names (ARCHITECTURE=, by which system extensions are matched). */
static const char *systemd_architecture(const char *architecture)
{
	return streq(architecture, "amd64") ? "x86-64" : architecture;
}

int finish_os_release(struct finish *finish, const struct finish_options *options, struct error **err)
{
	const char *line = finish_text(finish, OS_RELEASE);
	_cleanup_buffer_ struct buffer text = {};

	if (!is_plain(options->name) || !is_plain(options->title) || !is_plain(options->version))
		return error_set(err, -EINVAL,
			"finisher os-release: name, title or version has a quote or \"$\" in it");
	buffer_printf(&text, "PRETTY_NAME=\"%s %s\"\nNAME=\"%s\"\nID=orlop\nID_LIKE=debian\n", options->title,
		options->version, options->title);
	buffer_printf(&text, "VERSION=\"%s\"\nVERSION_ID=\"%s\"\nVARIANT_ID=\"%s\"\n", options->version,
		options->version, options->name);
	buffer_printf(&text, "IMAGE_ID=\"orlop-%s\"\nIMAGE_VERSION=\"%s\"\nARCHITECTURE=\"%s\"\n",
		options->name, options->version, systemd_architecture(finish->architecture));
	buffer_append_string(&text, "DEFAULT_HOSTNAME=\"orlop\"\n");
	for (size_t length; line && *line; line += length + (line[length] == '\n')) {
		length = strcspn(line, "\n");
		if (length > 0 && !is_ours(line))
			buffer_printf(&text, "%.*s\n", (int)length, line);
	}
	if (buffer_failed(&text))
		return error_set_errno(err, -ENOMEM, "finisher os-release");
	return finish_file(finish, "os-release", OS_RELEASE, 0644, text.data, text.size, err);
}

/* "source (version)" or "source"; a package without the field was built from a source of its own name. */
static json_t *source_of(const struct unpacked_package *package)
{
	const char *source = control_get(&package->control, "Source");
	const char *version = control_get(&package->control, "Version");
	const char *bracket = source ? strchr(source, '(') : NULL;
	size_t name = source ? strcspn(source, " (") : 0;

	if (!source)
		return json_pack("{s:s, s:s}", "name", package->name, "version", version);
	if (!bracket)
		return json_pack("{s:s%, s:s}", "name", source, name, "version", version);
	return json_pack(
		"{s:s%, s:s%}", "name", source, name, "version", bracket + 1, strcspn(bracket + 1, ")"));
}

static json_t *describe(const struct unpacked_package *package)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:I, s:I, s:I}", "name", package->name, "version",
		control_get(&package->control, "Version"), "architecture",
		control_get(&package->control, "Architecture"), "source", source_of(package), "files",
		(json_int_t)package->files, "size", (json_int_t)package->size, "left_out",
		(json_int_t)package->left_out);
}

static int compare_names(const void *a, const void *b)
{
	const struct unpacked_package *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

static json_t *describe_all(const struct unpacked *unpacked)
{
	_cleanup_free_ const struct unpacked_package **sorted = calloc(unpacked->count + 1, sizeof(*sorted));
	json_t *list = sorted ? json_array() : NULL;

	for (size_t i = 0; sorted && i < unpacked->count; i++)
		sorted[i] = &unpacked->packages[i];
	if (sorted)
		qsort(sorted, unpacked->count, sizeof(*sorted), compare_names);
	for (size_t i = 0; list && i < unpacked->count; i++)
		if (json_array_append_new(list, describe(sorted[i])) < 0) {
			json_decref(list);
			list = NULL;
		}
	return list;
}

int finish_package_list(struct finish *finish, const struct unpacked *unpacked, struct error **err)
{
	json_t *list = describe_all(unpacked),
	       *root = list ? json_pack("{s:i, s:o}", "version", 1, "packages", list) : NULL;
	_cleanup_free_ char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;

	json_decref(root);
	if (!text)
		return error_set_errno(err, -ENOMEM, "finisher packages");
	return finish_file(finish, "packages", PACKAGES, 0644, text, strlen(text), err);
}
