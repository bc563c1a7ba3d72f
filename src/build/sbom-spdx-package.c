/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What SPDX says of one package or file. "x.y" in comments are clauses of that specification.
 */
#include <errno.h>

#include "base/encoding.h"
#include "build/sbom-spdx-part.h"

/* ---- Identifiers ---- */

/* Debian's names have no capital letters, so that these two stay apart. */
static void put_id(const char *name, char *at, const char *end)
{
	for (; *name && at + 1 < end; name++)
		*at++ = *name == '+' ? 'P' : *name == '~' ? 'T' : *name == ':' ? 'C' : *name;
	*at = 0;
}

const char *spdx_package_id(const struct sbom_package *package, spdx_id ret)
{
	int length = snprintf(ret, sizeof(spdx_id), "SPDXRef-Package-");

	put_id(package->package->name, ret + length, ret + sizeof(spdx_id));
	return ret;
}

const char *spdx_source_id(const struct sbom_source *source, spdx_id ret)
{
	int length = snprintf(ret, sizeof(spdx_id), "SPDXRef-Source-");

	put_id(source->name, ret + length, ret + sizeof(spdx_id));
	length = (int)strlen(ret);
	if (length + 2 < (int)sizeof(spdx_id)) {
		ret[length] = '-';
		put_id(source->version, ret + length + 1, ret + sizeof(spdx_id));
	}
	return ret;
}

int spdx_file_id(const struct sbom_file *file, spdx_id ret)
{
	uint8_t digest[SHA256_SIZE];
	char digits[SHA256_HEX_SIZE];
	int r = sha256_bytes(file->path, strlen(file->path), digest);

	hex_encode(digest, SHA256_SIZE, digits);
	(void)snprintf(ret, sizeof(spdx_id), "SPDXRef-File-%.24s", digits);
	return r;
}

/* ---- Packages ---- */

json_t *spdx_checksum(const uint8_t digest[SHA256_SIZE])
{
	return json_pack("{s:s, s:o}", "algorithm", "SHA256", "checksumValue", sbom_hex(digest, SHA256_SIZE));
}

json_t *spdx_package_new(const char *id, const char *name, const char *version, const char *license)
{
	json_t *package = json_pack("{s:s, s:o}", "SPDXID", id, "name", sbom_text(name));
	int r = *version ? json_object_set_new(package, "versionInfo", sbom_text(version)) : 0;

	if (r >= 0)
		r = json_object_update_new(package,
			json_pack("{s:s, s:b, s:s, s:s, s:s}", "downloadLocation", "NOASSERTION",
				"filesAnalyzed", 0, "licenseConcluded", "NOASSERTION", "licenseDeclared",
				license ? license : "NOASSERTION", "copyrightText", "NOASSERTION"));
	if (r >= 0)
		return package;
	json_decref(package);
	return NULL;
}

int spdx_put_purl(json_t *package, char *purl)
{
	json_t *refs = json_pack("[{s:s, s:s, s:s}]", "referenceCategory", "PACKAGE-MANAGER", "referenceType",
		"purl", "referenceLocator", purl);

	free(purl);
	return json_object_set_new(package, "externalRefs", refs);
}

/* "Name <address>" as 7.5 has it. Teams maintain most packages, and say so in their names. */
static json_t *supplier(const char *maintainer)
{
	static const char *const words[] = {
		"team", "group", "maintainers", "developers", "project", "packagers"};
	const char *address = strchr(maintainer, '<'), *kind = "Person";
	size_t name = address ? (size_t)(address - maintainer) : strlen(maintainer);
	_cleanup_free_ char *text = NULL;

	while (name > 0 && maintainer[name - 1] == ' ')
		name--;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasestr(maintainer, words[i]))
			kind = "Organization";
	text = address ? string_format("%s: %.*s (%.*s)", kind, (int)name, maintainer,
				 (int)strcspn(address + 1, ">"), address + 1)
		       : string_format("%s: %.*s", kind, (int)name, maintainer);
	return text ? sbom_text(text) : NULL;
}

static int put_line(json_t *package, const char *member, const char *text)
{
	size_t length = text ? strcspn(text, "\n") : 0;
	_cleanup_free_ char *line = NULL;

	if (length == 0)
		return 0;
	line = strndup(text, length);
	return line ? json_object_set_new(package, member, sbom_text(line)) : -1;
}

static int put_holders(json_t *package, const struct strv *holders)
{
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_free_ char *joined = NULL;

	if (holders->count == 0)
		return 0;
	for (size_t i = 0; i < holders->count; i++)
		buffer_printf(&text, "%s%s", i > 0 ? "\n" : "", holders->items[i]);
	joined = buffer_take(&text, NULL);
	return joined ? json_object_set_new(package, "copyrightText", sbom_text(joined)) : -1;
}

int spdx_fill_package(const struct sbom *sbom, const struct sbom_package *from, json_t *package)
{
	const char *maintainer = sbom_field(from, "Maintainer"), *homepage = sbom_field(from, "Homepage");
	_cleanup_free_ char *built = string_format(
		"built package from: %s %s", from->package->source, from->package->source_version);
	int r = built ? json_object_set_new(package, "sourceInfo", sbom_text(built)) : -1;

	if (r >= 0)
		r = json_object_set_new(
			package, "checksums", json_pack("[o]", spdx_checksum(from->package->sha256)));
	if (r >= 0 && from->package->file)
		r = put_line(package, "packageFileName", from->package->file);
	if (r >= 0 && maintainer)
		r = json_object_set_new(package, "supplier", supplier(maintainer));
	if (r >= 0 && homepage && startswith(homepage, "http"))
		r = put_line(package, "homepage", homepage);
	if (r >= 0)
		r = put_line(package, "summary", sbom_field(from, "Description"));
	if (r >= 0)
		r = put_line(package, "licenseComments", from->why);
	if (r >= 0)
		r = put_holders(package, &from->copyright.holders);
	return r < 0 ? r : spdx_put_purl(package, sbom_purl(sbom, from));
}

/* ---- Files of a package ---- */

static int compare_digests(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* 7.9: the SHA-1 of the sorted SHA-1s, in hexadecimal, of the files of the package that are here. */
int spdx_put_verification_code(const struct sbom *sbom, size_t package, json_t *object)
{
	_cleanup_free_ char(*digits)[SHA1_HEX_SIZE] = calloc(sbom->file_count + 1, sizeof(*digits));
	_cleanup_buffer_ struct buffer all = {};
	uint8_t code[SHA1_SIZE];
	size_t count = 0;

	if (!digits)
		return -1;
	for (size_t i = 0; i < sbom->file_count; i++)
		if (sbom->files[i].package == package)
			hex_encode(sbom->files[i].digests->sha1, SHA1_SIZE, digits[count++]);
	if (count == 0)
		return 0;
	qsort(digits, count, sizeof(*digits), compare_digests);
	for (size_t i = 0; i < count; i++)
		buffer_append(&all, digits[i], SHA1_HEX_SIZE - 1);
	if (buffer_failed(&all) || sha1_bytes(all.data, all.size, code) < 0 ||
		json_object_set_new(object, "filesAnalyzed", json_true()) < 0)
		return -1;
	return json_object_set_new(object, "packageVerificationCode",
		json_pack("{s:o}", "packageVerificationCodeValue", sbom_hex(code, SHA1_SIZE)));
}
