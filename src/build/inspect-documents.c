/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What says what an image is made of, and where it comes from: bills of materials and provenance.
 */
#include <errno.h>

#include "base/string-util.h"
#include "build/inspect-part.h"
#include "format/dsse.h"
#include "format/statement.h"

static int out_of_memory(struct error **err)
{
	return error_set_errno(err, -ENOMEM, "inspecting");
}

/* ---- Bills of materials ---- */

static const json_t *list_of(const json_t *document, const char *member)
{
	const json_t *list = json_object_get(document, member);

	return json_is_array(list) ? list : NULL;
}

static const char *text_of(const json_t *document, const char *member)
{
	return json_string_value(json_object_get(document, member));
}

static int inspect_spdx(const json_t *document, json_t **ret, struct error **err)
{
	const json_t *packages = list_of(document, "packages"), *files = list_of(document, "files");
	const char *name = text_of(document, "name"), *version = text_of(document, "spdxVersion");

	if (!packages || !files || !name || !version)
		return error_set(err, -EBADMSG, "SPDX: \"name\", \"packages\" or \"files\" is missing");
	*ret = json_pack("{s:s, s:s, s:s, s:I, s:I}", "kind", "sbom", "format", version, "name", name,
		"packages", (json_int_t)json_array_size(packages), "files",
		(json_int_t)json_array_size(files));
	return *ret ? 0 : out_of_memory(err);
}

static int inspect_cyclonedx(const json_t *document, json_t **ret, struct error **err)
{
	const json_t *component = json_object_get(json_object_get(document, "metadata"), "component");
	const json_t *components = list_of(document, "components"),
		     *fixes = list_of(document, "vulnerabilities");
	const char *name = text_of(component, "name"), *version = text_of(component, "version"),
		   *specification = text_of(document, "specVersion");

	if (!components || !name || !version || !specification)
		return error_set(err, -EBADMSG,
			"CycloneDX: \"specVersion\", \"components\" or the component of \"metadata\" is "
			"missing");
	*ret = json_pack("{s:s, s:o, s:o, s:I, s:I}", "kind", "sbom", "format",
		json_sprintf("CycloneDX-%s", specification), "name", json_sprintf("%s %s", name, version),
		"packages", (json_int_t)json_array_size(components), "vulnerabilities",
		(json_int_t)json_array_size(fixes));
	return *ret ? 0 : out_of_memory(err);
}

int inspect_sbom(const json_t *document, json_t **ret, struct error **err)
{
	return json_object_get(document, "spdxVersion") ? inspect_spdx(document, ret, err)
							: inspect_cyclonedx(document, ret, err);
}

/* ---- Provenance ---- */

static json_t *subjects_of(const struct statement *statement)
{
	_cleanup_inspect_json_ json_t *list = json_array();

	for (size_t i = 0; i < statement->subject_count; i++) {
		const struct statement_subject *subject = &statement->subjects[i];

		if (json_array_append_new(list, json_pack("{s:o, s:o}", "name",
							inspect_string(subject->name, strlen(subject->name)),
							subject->is_fsverity ? "fsverity" : "sha256",
							inspect_hex(subject->digest, SHA256_SIZE))) < 0)
			return NULL;
	}
	return TAKE_PTR(list);
}

int inspect_provenance(const void *data, size_t size, json_t **ret, struct error **err)
{
	_cleanup_statement_ struct statement statement = {};
	_cleanup_dsse_ struct dsse dsse = {};
	int r = dsse_read(data, size, &dsse, err);

	if (r >= 0 && !streq(dsse.type, DSSE_IN_TOTO))
		r = error_set(err, -EBADMSG, "the signed payload is of the type \"%s\"", dsse.type);
	if (r >= 0)
		r = statement_read(dsse.payload.data, dsse.payload.size, &statement, err);
	if (r < 0)
		return r;
	*ret = json_pack("{s:s, s:s, s:o, s:o, s:o, s:O}", "kind", "provenance", "predicate_type",
		statement.predicate_type, "signer", inspect_string(dsse.subject, strlen(dsse.subject)),
		"certificate_sha256", inspect_hex(dsse.fingerprint, SHA256_SIZE), "subjects",
		subjects_of(&statement), "predicate", statement.predicate);
	return *ret ? 0 : out_of_memory(err);
}
