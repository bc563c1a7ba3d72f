/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What both documents write alike: names of packages, texts, digests, times.
 */
#include <ctype.h>
#include <errno.h>

#include "base/calendar.h"
#include "base/encoding.h"
#include "build/inspect-part.h"
#include "build/sbom-part.h"
#include "format/uuid.h"

/* The name space of the documents' UUIDs. It may never change. */
static const struct uuid sbom_space = {.bytes = {0x6f, 0x72, 0x6c, 0x6f, 0x70, 0x2d, 0x40, 0x73, 0x8d, 0x62,
					       0x6f, 0x6d, 0x2d, 0x6e, 0x73, 0x31}};

json_t *sbom_text(const char *text)
{
	return inspect_string(text, strlen(text));
}

json_t *sbom_hex(const uint8_t *digest, size_t size)
{
	return inspect_hex(digest, size);
}

int sbom_dump(json_t *document, struct buffer *ret, struct error **err)
{
	_cleanup_free_ char *text = document ? json_dumps(document, JSON_INDENT(1)) : NULL;

	json_decref(document);
	if (text) {
		buffer_append_string(ret, text);
		buffer_append_u8(ret, '\n');
	}
	return !text || buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "bill of materials") : 0;
}

void sbom_distribution(const struct sbom *sbom, char ret_name[32], const char **ret_version)
{
	const char *text = sbom->input->distribution, *hyphen = strchr(text, '-');

	(void)snprintf(ret_name, 32, "%.*s", (int)(hyphen ? hyphen - text : (ptrdiff_t)strlen(text)), text);
	*ret_version = hyphen ? hyphen + 1 : "";
}

const char *sbom_field(const struct sbom_package *package, const char *name)
{
	return control_get(&package->unpacked->control, name);
}

/* Percent-encodes what a package URL has not as it is (purl-spec, "Rules for each purl component"). */
static void put_encoded(struct buffer *ret, const char *text)
{
	for (; *text; text++)
		if (isascii(*text) && (isalnum((unsigned char)*text) || strchr("-._~:", *text)))
			buffer_append_u8(ret, (uint8_t)*text);
		else
			buffer_printf(ret, "%%%02X", (uint8_t)*text);
}

static void put_purl(const struct sbom *sbom, const char *name, const char *version, const char *architecture,
	struct buffer *ret)
{
	const char *unused;
	char space[32];

	sbom_distribution(sbom, space, &unused);
	buffer_printf(ret, "pkg:deb/");
	put_encoded(ret, space);
	buffer_append_u8(ret, '/');
	put_encoded(ret, name);
	buffer_append_u8(ret, '@');
	put_encoded(ret, version);
	buffer_append_string(ret, "?arch=");
	put_encoded(ret, architecture);
	buffer_append_string(ret, "&distro=");
	put_encoded(ret, sbom->input->distribution);
}

/* Scanners compare versions of source packages: "upstream" tells them which, where that can't be guessed. */
char *sbom_purl(const struct sbom *sbom, const struct sbom_package *from)
{
	const struct package *package = from->package;
	_cleanup_buffer_ struct buffer purl = {};
	bool version = !streq(package->version, package->source_version);

	put_purl(sbom, package->name, package->version, package->architecture, &purl);
	if (version || !streq(package->name, package->source)) {
		_cleanup_free_ char *source = string_format("%s%s%s", package->source, version ? "@" : "",
			version ? package->source_version : "");

		if (!source)
			return NULL;
		buffer_append_string(&purl, "&upstream=");
		put_encoded(&purl, source);
	}
	return buffer_take(&purl, NULL);
}

char *sbom_source_purl(const struct sbom *sbom, const struct sbom_source *source)
{
	_cleanup_buffer_ struct buffer purl = {};

	put_purl(sbom, source->name, source->version, "source", &purl);
	return buffer_take(&purl, NULL);
}

int sbom_uuid(const struct sbom *sbom, const char *kind, char ret[SBOM_UUID_SIZE])
{
	const struct sbom_input *input = sbom->input;
	_cleanup_buffer_ struct buffer name = {};
	struct uuid uuid;

	buffer_printf(&name, "%s %s %s %s %s ", kind, input->builder, input->definition->name, input->version,
		input->architecture);
	buffer_append(&name, input->init_sha256, SHA256_SIZE);
	for (size_t i = 0; i < sbom->package_count; i++)
		buffer_append(&name, sbom->packages[i].package->sha256, SHA256_SIZE);
	for (size_t i = 0; i < sbom->file_count; i++) {
		buffer_append(&name, sbom->files[i].path, strlen(sbom->files[i].path) + 1);
		buffer_append(&name, sbom->files[i].digests->sha256, SHA256_SIZE);
	}
	if (buffer_failed(&name) || uuid_from_name(&sbom_space, name.data, name.size, &uuid) < 0)
		return -ENOMEM;
	(void)uuid_format(&uuid, ret);
	return 0;
}

void sbom_time(const struct sbom *sbom, char ret[SBOM_TIME_SIZE])
{
	struct date day = date_from_days(div_floor(sbom->input->time, SECONDS_PER_DAY));

	(void)snprintf(ret, SBOM_TIME_SIZE, "%04u-%02u-%02uT00:00:00Z", (unsigned)day.year % 10000,
		day.month % 100, day.day % 100);
}
