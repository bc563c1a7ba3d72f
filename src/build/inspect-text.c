/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An inspection as text. What a part holds stands indented under it.
 */
#include <errno.h>
#include <string.h>

#include "base/string-util.h"
#include "build/inspect-part.h"

struct text {
	struct buffer *out;
	int indent;
};

static void print_object(struct text *text, const json_t *object);

static const char *string_of(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static uint64_t number_of(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

/* "name: value", where there is a value. */
static void print_field(struct text *text, const char *name, const char *value)
{
	if (*value)
		buffer_printf(text->out, "%*s%s: %s\n", text->indent, "", name, value);
}

static void print_size(struct text *text, const char *name, uint64_t size)
{
	char human[SIZE_TEXT_MAX];

	buffer_printf(text->out, "%*s%s: %s (%llu bytes)\n", text->indent, "", name, format_size(size, human),
		(unsigned long long)size);
}

static void print_error(struct text *text, const json_t *object)
{
	print_field(text, "ERROR", string_of(object, "error"));
}

static void print_heading(struct text *text, const char *name, size_t count)
{
	buffer_printf(text->out, "%*s%s: %zu\n", text->indent, "", name, count);
}

static void print_privileged(struct text *text, const char *name, const json_t *list)
{
	const json_t *file;
	size_t i;

	print_heading(text, name, json_array_size(list));
	json_array_foreach(list, i, file) buffer_printf(text->out, "%*s%s %llu:%llu %s%s%s\n",
		text->indent + 2, "", string_of(file, "mode"), (unsigned long long)number_of(file, "uid"),
		(unsigned long long)number_of(file, "gid"), string_of(file, "path"),
		json_object_get(file, "capabilities") ? " " : "", string_of(file, "capabilities"));
}

static void print_packages(struct text *text, const char *name, const json_t *list)
{
	const json_t *package;
	size_t i;

	if (!list)
		return;
	print_heading(text, name, json_array_size(list));
	json_array_foreach(list, i, package) buffer_printf(text->out, "%*s%s %s\n", text->indent + 2, "",
		string_of(package, "name"), string_of(package, "version"));
}

/* A name to a line: type, mode, owner, size and path. */
static void print_names(struct text *text, const char *name, const json_t *list)
{
	const json_t *file;
	size_t i;

	if (!list)
		return;
	print_heading(text, name, json_array_size(list));
	json_array_foreach(list, i, file)
	{
		buffer_printf(text->out, "%*s%-6s %s %3llu:%-3llu %9llu %s", text->indent + 2, "",
			string_of(file, "type"), string_of(file, "mode"),
			(unsigned long long)number_of(file, "uid"),
			(unsigned long long)number_of(file, "gid"),
			(unsigned long long)number_of(file, "size"), string_of(file, "path"));
		if (json_object_get(file, "target"))
			buffer_printf(text->out, " -> %s", string_of(file, "target"));
		buffer_append_u8(text->out, '\n');
	}
}

static void print_erofs(struct text *text, const json_t *object)
{
	print_field(text, "EROFS image", string_of(object, "label"));
	print_field(text, "UUID", string_of(object, "uuid"));
	print_field(text, "system", string_of(object, "os"));
	print_size(text, "size", number_of(object, "size"));
	buffer_printf(text->out, "%*sfiles: %llu, folders: %llu, links: %llu\n", text->indent, "",
		(unsigned long long)number_of(object, "files"),
		(unsigned long long)number_of(object, "folders"),
		(unsigned long long)number_of(object, "links"));
	print_size(text, "content of the files", number_of(object, "bytes"));
	print_privileged(text, "setuid and setgid files", json_object_get(object, "setuid"));
	print_privileged(text, "files with capabilities", json_object_get(object, "capabilities"));
	print_packages(text, "packages", json_object_get(object, "packages"));
	print_names(text, "names", json_object_get(object, "names"));
}

static void print_verity(struct text *text, const json_t *object)
{
	print_size(text, "verity hash tree", number_of(object, "size"));
	print_size(text, "over", number_of(object, "data_size"));
	print_field(text, "UUID", string_of(object, "uuid"));
	print_field(text, "salt", string_of(object, "salt"));
}

static void print_signature(struct text *text, const json_t *object)
{
	print_size(text, "verity signature", number_of(object, "size"));
	print_field(text, "root hash", string_of(object, "root_hash"));
	print_field(text, "certificate SHA-256", string_of(object, "certificate_sha256"));
}

static void print_program(struct text *text, const json_t *object)
{
	const json_t *signatures = json_object_get(object, "signatures"), *item;
	size_t i;

	print_field(text, streq(string_of(object, "kind"), "uki") ? "unified kernel image" : "EFI program",
		string_of(object, "architecture"));
	print_size(text, "size", number_of(object, "size"));
	print_field(text, "Authenticode SHA-256", string_of(object, "authenticode_sha256"));
	print_field(text, "system", string_of(object, "os"));
	print_field(text, "kernel", string_of(object, "kernel"));
	print_field(text, "command line", string_of(object, "command_line"));
	print_heading(text, "signatures (not checked)", json_array_size(signatures));
	json_array_foreach(signatures, i, item) buffer_printf(text->out, "%*s%s, certificate SHA-256 %s\n",
		text->indent + 2, "", string_of(item, "subject"), string_of(item, "certificate_sha256"));
	print_heading(text, "sections", json_array_size(json_object_get(object, "sections")));
	json_array_foreach(json_object_get(object, "sections"), i, item)
		buffer_printf(text->out, "%*s%-8s %10llu\n", text->indent + 2, "", string_of(item, "name"),
			(unsigned long long)number_of(item, "size"));
}

static void print_fat(struct text *text, const json_t *object)
{
	const json_t *file, *program;
	size_t i;

	buffer_printf(text->out, "%*sFAT%llu file system: %s\n", text->indent, "",
		(unsigned long long)number_of(object, "bits"), string_of(object, "label"));
	print_size(text, "size", number_of(object, "size"));
	print_size(text, "free", number_of(object, "free"));
	print_heading(text, "files", json_array_size(json_object_get(object, "files")));
	text->indent += 2;
	json_array_foreach(json_object_get(object, "files"), i, file)
	{
		buffer_printf(text->out, "%*s%s %llu\n", text->indent, "", string_of(file, "path"),
			(unsigned long long)number_of(file, "size"));
		program = json_object_get(file, "program");
		text->indent += 2;
		print_error(text, file);
		if (program)
			print_object(text, program);
		text->indent -= 2;
	}
	text->indent -= 2;
}

static void print_manifest(struct text *text, const json_t *object)
{
	const json_t *output;
	size_t i;

	buffer_printf(text->out, "%*smanifest of %s %s for %s\n", text->indent, "",
		string_of(object, "edition"), string_of(object, "version"),
		string_of(object, "architecture"));
	print_field(text, "kernel", string_of(object, "kernel"));
	print_field(text, "command line", string_of(object, "command_line"));
	print_field(text, "root hash", string_of(object, "root_hash"));
	print_field(text, "certificate SHA-256", string_of(object, "certificate_sha256"));
	json_array_foreach(json_object_get(object, "outputs"), i, output)
	{
		buffer_printf(text->out, "%*s%s: %s\n", text->indent, "", string_of(output, "kind"),
			string_of(output, "name"));
		text->indent += 2;
		print_size(text, "size", number_of(output, "size"));
		print_field(text, "SHA-256", string_of(output, "sha256"));
		print_field(text, "fs-verity digest", string_of(output, "fsverity"));
		text->indent -= 2;
	}
	print_privileged(text, "setuid and setgid files", json_object_get(object, "setuid"));
	print_privileged(text, "files with capabilities", json_object_get(object, "capabilities"));
	print_packages(text, "packages", json_object_get(object, "packages"));
	print_packages(
		text, "packages of which boot programs are taken", json_object_get(object, "boot_packages"));
}

static void print_sbom(struct text *text, const json_t *object)
{
	print_field(text, "bill of materials", string_of(object, "name"));
	print_field(text, "format", string_of(object, "format"));
	buffer_printf(text->out, "%*spackages and other components: %llu\n", text->indent, "",
		(unsigned long long)number_of(object, "packages"));
	if (json_object_get(object, "files"))
		buffer_printf(text->out, "%*sfiles: %llu\n", text->indent, "",
			(unsigned long long)number_of(object, "files"));
	if (json_object_get(object, "vulnerabilities"))
		buffer_printf(text->out, "%*sCVE ids that changelogs name: %llu\n", text->indent, "",
			(unsigned long long)number_of(object, "vulnerabilities"));
}

static void print_provenance(struct text *text, const json_t *object)
{
	const json_t *definition = json_object_get(json_object_get(object, "predicate"), "buildDefinition");
	const json_t *parameters = json_object_get(definition, "externalParameters"), *subject;
	size_t i;

	buffer_printf(text->out, "%*sprovenance of %s %s for %s\n", text->indent, "",
		string_of(parameters, "edition"), string_of(parameters, "version"),
		string_of(parameters, "architecture"));
	print_field(text, "signed by", string_of(object, "signer"));
	print_field(text, "certificate SHA-256", string_of(object, "certificate_sha256"));
	print_field(text, "kind of build", string_of(definition, "buildType"));
	print_heading(text, "made from packages and files",
		json_array_size(json_object_get(definition, "resolvedDependencies")));
	print_heading(text, "files that it is about", json_array_size(json_object_get(object, "subjects")));
	json_array_foreach(json_object_get(object, "subjects"), i, subject)
	{
		bool is_fsverity = json_object_get(subject, "fsverity");

		buffer_printf(text->out, "%*s%s%s  %s\n", text->indent + 2, "",
			is_fsverity ? "fsverity:" : "",
			string_of(subject, is_fsverity ? "fsverity" : "sha256"), string_of(subject, "name"));
	}
}

static void print_partition(struct text *text, const json_t *partition)
{
	const json_t *content = json_object_get(partition, "content"), *attribute;
	size_t i;

	buffer_printf(text->out, "\n%*spartition %llu: %s%s%s, %s\n", text->indent, "",
		(unsigned long long)number_of(partition, "number"),
		json_object_get(partition, "type") ? string_of(partition, "type")
						   : string_of(partition, "type_uuid"),
		json_object_get(partition, "architecture") ? " " : "", string_of(partition, "architecture"),
		string_of(partition, "label"));
	text->indent += 2;
	print_field(text, "partition UUID", string_of(partition, "uuid"));
	buffer_printf(text->out, "%*soffset: %llu\n", text->indent, "",
		(unsigned long long)number_of(partition, "offset"));
	print_size(text, "partition size", number_of(partition, "size"));
	json_array_foreach(json_object_get(partition, "attributes"), i, attribute)
		print_field(text, "attribute", json_string_value(attribute));
	print_error(text, partition);
	if (content)
		print_object(text, content);
	text->indent -= 2;
}

static void print_slot(struct text *text, const json_t *slot)
{
	bool empty = json_is_true(json_object_get(slot, "empty"));

	buffer_printf(text->out, "\n%*sslot of partitions %llu, %llu", text->indent, "",
		(unsigned long long)number_of(slot, "data"), (unsigned long long)number_of(slot, "verity"));
	if (json_object_get(slot, "signature"))
		buffer_printf(text->out, ", %llu", (unsigned long long)number_of(slot, "signature"));
	buffer_printf(text->out, ": %s\n", empty ? "empty" : string_of(slot, "label"));
	text->indent += 2;
	print_field(text, "root hash", string_of(slot, "root_hash"));
	print_error(text, slot);
	if (!empty && !json_object_get(slot, "error"))
		print_field(text, "hash tree",
			json_is_true(json_object_get(slot, "verified"))
				? "belongs to the root hash, and every block of the data is right"
				: "belongs to the root hash (--verify checks the data)");
	text->indent -= 2;
}

static void print_disk(struct text *text, const json_t *object)
{
	const json_t *item;
	size_t i;

	print_size(text, "disk", number_of(object, "size"));
	print_field(text, "UUID", string_of(object, "uuid"));
	if (json_is_true(json_object_get(object, "primary_table_damaged")))
		print_field(text, "partition table", "the primary copy is damaged, this is the backup");
	if (json_is_true(json_object_get(object, "backup_table_damaged")))
		print_field(text, "partition table", "the backup is damaged or not at the disk's end");
	if (json_is_true(json_object_get(object, "backup_table_differs")))
		print_field(text, "partition table", "the backup says something else");
	json_array_foreach(json_object_get(object, "partitions"), i, item) print_partition(text, item);
	json_array_foreach(json_object_get(object, "slots"), i, item) print_slot(text, item);
}

static void print_object(struct text *text, const json_t *object)
{
	static const struct {
		const char *kind;
		void (*print)(struct text *text, const json_t *object);
	} kinds[] = {
		{"disk", print_disk},
		{"erofs", print_erofs},
		{"verity", print_verity},
		{"verity-signature", print_signature},
		{"efi", print_program},
		{"uki", print_program},
		{"fat", print_fat},
		{"manifest", print_manifest},
		{"sbom", print_sbom},
		{"provenance", print_provenance},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (streq(string_of(object, "kind"), kinds[i].kind))
			kinds[i].print(text, object);
}

/* Overwrites control characters: C0, DEL, and C1, which are two bytes as UTF-8. */
static int make_printable(json_t *value)
{
	_cleanup_free_ char *text = NULL;
	size_t size = json_string_length(value);

	text = malloc(size + 1);
	if (!text)
		return -ENOMEM;
	memcpy(text, json_string_value(value), size + 1);
	for (size_t i = 0; i < size; i++) {
		bool c1 = (uint8_t)text[i] == 0xc2 && (uint8_t)text[i + 1] >= 0x80 &&
			  (uint8_t)text[i + 1] < 0xa0;

		if (c1)
			text[i] = text[i + 1] = '?';
		else if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = '?';
	}
	return json_string_setn(value, text, size) < 0 ? -ENOMEM : 0;
}

/* The same for all text in a value. Its depth is bounded by JSON's own reader (JSON_PARSER_MAX_DEPTH). */
static int make_all_printable(json_t *value)
{
	const char *key;
	json_t *item;
	size_t i;
	int r = 0;

	if (json_is_string(value))
		return make_printable(value);
	json_array_foreach(value, i, item) if (r >= 0) r = make_all_printable(item);
	json_object_foreach(value, key, item) if (r >= 0) r = make_all_printable(item);
	return r;
}

int inspect_text(const json_t *object, struct buffer *ret, struct error **err)
{
	_cleanup_inspect_json_ json_t *copy = json_deep_copy(object);
	struct text text = {.out = ret};

	if (!copy || make_all_printable(copy) < 0)
		return error_set_errno(err, -ENOMEM, "inspecting");
	print_object(&text, copy);
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "inspecting") : 0;
}
