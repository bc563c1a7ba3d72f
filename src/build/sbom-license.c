/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Licences: from copyright files to expressions of SPDX, and to those licences that SPDX does not know.
 */
#include <ctype.h>
#include <errno.h>

#include "base/encoding.h"
#include "build/sbom-part.h"
#include "format/license.h"

#define NAME_SHOWN 48 /* characters of a licence's name in its identifier */
#define ID_DIGITS 12  /* and as many of the digest of its text */

/* A name that is being translated. */
struct lookup {
	struct sbom *sbom;
	const struct sbom_package *package;
	const char *whole; /* what the name is a part of */
};

/*
 * The identifier of a licence that SPDX does not know: its name, for people, and a digest, so that two
 * licences of one name are two. Equal texts under one name are one.
 */
static char *make_id(const char *name, const char *text)
{
	char shown[NAME_SHOWN + 1], digits[SHA256_HEX_SIZE];
	uint8_t digest[SHA256_SIZE];
	size_t length = 0;

	for (const char *at = name; *at && length < NAME_SHOWN; at++) {
		bool plain = isascii(*at) && (isalnum((unsigned char)*at) || *at == '.');

		/* One hyphen for all that stands between. */
		if (plain || (length > 0 && shown[length - 1] != '-'))
			shown[length++] = plain ? *at : '-';
	}
	while (length > 0 && shown[length - 1] == '-')
		length--;
	shown[length] = 0;
	if (sha256_bytes(text, strlen(text), digest) < 0)
		return NULL;
	hex_encode(digest, SHA256_SIZE, digits);
	return string_format("LicenseRef-%s%s%.*s", shown, length > 0 ? "-" : "", ID_DIGITS, digits);
}

static int add_license(struct sbom *sbom, const char *name, const char *text, struct buffer *ret)
{
	struct sbom_license *licenses, license = {};

	license.id = make_id(name, text);
	if (!license.id)
		return -ENOMEM;
	buffer_append_string(ret, license.id);
	for (size_t i = 0; i < sbom->license_count; i++)
		if (streq(sbom->licenses[i].id, license.id)) {
			free(license.id);
			return buffer_failed(ret) ? -ENOMEM : 0;
		}
	licenses = reallocarray(sbom->licenses, sbom->license_count + 1, sizeof(*licenses));
	if (licenses)
		sbom->licenses = licenses;
	license.name = strdup(name);
	license.text = strdup(text);
	if (!licenses || !license.name || !license.text || buffer_failed(ret)) {
		free(license.id);
		free(license.name);
		free(license.text);
		return -ENOMEM;
	}
	licenses[sbom->license_count++] = license;
	return 0;
}

static bool is_blank(const char *text)
{
	return !text || text[strspn(text, " \t\r\n")] == 0;
}

/* A licence that SPDX does not know, by what the copyright file has of its text. */
static int note_unknown(const char *name, void *userdata, struct buffer *ret)
{
	const struct lookup *lookup = userdata;
	const struct copyright *copyright = &lookup->package->copyright;
	const char *text = copyright_text(copyright, name);
	_cleanup_free_ char *none = NULL;

	if (is_blank(text))
		text = copyright_text(copyright, lookup->whole);
	if (is_blank(text)) {
		none = string_format(
			"The copyright file of the source package %s names this licence and has no text "
			"of it.",
			lookup->package->package->source);
		if (!none)
			return -ENOMEM;
		text = none;
	}
	return add_license(lookup->sbom, name, text, ret);
}

static int add_name(struct lookup *lookup, const char *name, struct strv *operands)
{
	_cleanup_buffer_ struct buffer id = {};
	int r;

	lookup->whole = name;
	r = license_translate(name, note_unknown, lookup, operands);
	if (r != -EINVAL)
		return r;
	/* No expression, but a name all the same. */
	r = note_unknown(name, lookup, &id);
	if (r < 0)
		return r;
	return strv_push(operands, buffer_take(&id, NULL));
}

/* A copyright file that is prose is the licence: nobody can tell by program what its sentences say. */
static int take_prose(struct sbom *sbom, struct sbom_package *package)
{
	_cleanup_buffer_ struct buffer id = {};
	_cleanup_free_ char *name = string_format("copyright-%s", package->package->source);
	int r = name ? add_license(sbom, name, package->text, &id) : -ENOMEM;

	if (r < 0)
		return r;
	package->why = "its copyright file is not machine-readable: the licence is what the file says";
	package->license = buffer_take(&id, NULL);
	return package->license ? 0 : -ENOMEM;
}

static int find_license(struct sbom *sbom, struct sbom_package *package)
{
	const struct copyright *copyright = &package->copyright;
	struct lookup lookup = {.sbom = sbom, .package = package};
	_cleanup_strv_ struct strv operands = {};
	int r = 0;

	if (is_blank(package->text))
		return 0;
	if (copyright->names.count == 0)
		return take_prose(sbom, package);
	for (size_t i = 0; i < copyright->names.count && r >= 0; i++)
		r = add_name(&lookup, copyright->names.items[i], &operands);
	if (r < 0)
		return r;
	package->license = license_join(&operands);
	return package->license ? 0 : -ENOMEM;
}

int sbom_find_licenses(struct sbom *sbom, struct error **err)
{
	int r = 0;

	for (size_t i = 0; i < sbom->package_count && r >= 0; i++)
		r = find_license(sbom, &sbom->packages[i]);
	return r < 0 ? error_set_errno(err, r, "licences") : 0;
}
