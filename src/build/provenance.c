/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/provenance.h"

#include <errno.h>

#include "build/sbom-part.h"
#include "format/canonical-json.h"
#include "format/disk-format.h"
#include "format/dsse.h"
#include "format/statement.h"

static json_t *named_digest(const char *name, const uint8_t digest[SHA256_SIZE])
{
	return json_pack("{s:o}", name, sbom_hex(digest, SHA256_SIZE));
}

static json_t *digest(const uint8_t sha256[SHA256_SIZE])
{
	return named_digest("sha256", sha256);
}

static json_t *subjects(const struct manifest_output *outputs, size_t count)
{
	_cleanup_json_ json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		const struct manifest_output *output = &outputs[i];

		if (json_array_append_new(list, json_pack("{s:s, s:o}", "name", output->name, "digest",
							named_digest(output->digest_name, output->digest))) <
			0)
			return NULL;
	}
	return TAKE_PTR(list);
}

/* A package: which one it is, where an archive has it, and its digest. */
static json_t *package_json(const struct sbom *sbom, const struct sbom_package *from)
{
	_cleanup_free_ char *purl = sbom_purl(sbom, from);
	const struct package *package = from->package;

	return purl ? json_pack("{s:s, s:s, s:o, s:{s:s, s:s*, s:s*}}", "name", package->name, "uri", purl,
			      "digest", digest(package->sha256), "annotations", "kind",
			      from->boot ? "boot-package" : "package", "suite", package->suite, "file",
			      package->file)
		    : NULL;
}

static json_t *dependencies(const struct provenance *provenance)
{
	const struct sbom *sbom = provenance->sbom;
	_cleanup_json_ json_t *list = json_array();

	for (size_t i = 0; i < sbom->package_count; i++)
		if (json_array_append_new(list, package_json(sbom, &sbom->packages[i])) < 0)
			return NULL;
	for (size_t i = 0; i < provenance->file_count; i++) {
		const struct provenance_file *file = &provenance->files[i];

		if (json_array_append_new(
			    list, json_pack("{s:o, s:o, s:{s:s}}", "name", sbom_text(file->name), "digest",
					  digest(file->sha256), "annotations", "kind", file->kind)) < 0)
			return NULL;
	}
	return TAKE_PTR(list);
}

static json_t *strings(const struct strv *list)
{
	_cleanup_json_ json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++)
		if (json_array_append_new(array, json_string(list->items[i])) < 0)
			return NULL;
	return TAKE_PTR(array);
}

/* All that a caller of the build chooses. */
static json_t *parameters(const struct provenance *provenance)
{
	const struct definition *definition = provenance->definition;
	_cleanup_json_ json_t *ret = json_pack("{s:s, s:s, s:s, s:s, s:o}", "edition", definition->name,
		"version", provenance->version, "architecture", provenance->architecture, "suite",
		provenance->suite, "components", strings(&definition->components));

	if (provenance->netboot && json_object_set_new(ret, "netboot", json_string(provenance->netboot)) < 0)
		return NULL;
	if (provenance->formats &&
		json_object_set_new(ret, "formats", disk_formats_json(provenance->formats)) < 0)
		return NULL;
	return TAKE_PTR(ret);
}

int provenance_describe(const struct provenance *provenance, json_t **ret, struct error **err)
{
	*ret = json_pack("{s:s, s:[], s:s, s:{s:{s:s, s:o, s:o}, s:{s:{s:s, s:{s:s}}}}}", "_type",
		STATEMENT_TYPE, "subject", "predicateType", STATEMENT_PROVENANCE, "predicate",
		"buildDefinition", "buildType", PROVENANCE_BUILD_TYPE, "externalParameters",
		parameters(provenance), "resolvedDependencies", dependencies(provenance), "runDetails",
		"builder", "id", PROVENANCE_BUILDER, "version", "orlop", provenance->builder);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "provenance");
}

int provenance_write(json_t *statement, const struct manifest_output *outputs, size_t count,
	const struct signer *signer, struct buffer *ret, struct error **err)
{
	_cleanup_free_ char *text = NULL;

	/* The member keeps its place among the others. */
	if (json_object_set_new(statement, "subject", subjects(outputs, count)) == 0)
		text = json_dumps(statement, JSON_COMPACT);
	if (!text)
		return error_set_errno(err, -ENOMEM, "provenance");
	return dsse_write(signer, DSSE_IN_TOTO, text, strlen(text), ret, err);
}
