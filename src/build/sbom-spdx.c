/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SPDX 2.3 in JSON. "x.y" in comments are clauses of that specification.
 */
#include <errno.h>

#include "build/sbom-spdx-part.h"

#define IMAGE "SPDXRef-Image"
#define KERNEL "SPDXRef-KernelImage"
#define ORLOP "SPDXRef-Orlop"
#define INIT "SPDXRef-Init"
#define DISTRIBUTION "SPDXRef-Distribution"
#define TRACKER "https://security-tracker.debian.org/tracker/"

struct spdx {
	const struct sbom *sbom;
	size_t kernel; /* whose the kernel is */
	json_t *packages, *files, *relations;
};

static int relate(struct spdx *spdx, const char *from, const char *type, const char *to)
{
	return json_array_append_new(
		spdx->relations, json_pack("{s:s, s:s, s:s}", "spdxElementId", from, "relationshipType", type,
					 "relatedSpdxElement", to));
}

/* ---- Files ---- */

static int add_file(struct spdx *spdx, const struct sbom_file *file)
{
	const char *finisher = startswith(file->inode->origin, "finisher:");
	_cleanup_free_ char *name = string_format("./%s", file->path), *comment = NULL;
	const struct sbom *sbom = spdx->sbom;
	spdx_id id, owner;
	int r = spdx_file_id(file, id);

	if (finisher)
		comment = string_format("made at build by the finisher \"%s\"", finisher);
	if (r < 0 || !name || (finisher && !comment))
		return -1;
	if (file->package < sbom->package_count)
		(void)spdx_package_id(&sbom->packages[file->package], owner);
	else
		(void)snprintf(owner, sizeof(owner), "%s", file->package == SBOM_OF_ORLOP ? ORLOP : IMAGE);
	r = json_array_append_new(
		spdx->files, json_pack("{s:s, s:o, s:[{s:s, s:o}, o], s:s*}", "SPDXID", id, "fileName",
				     sbom_text(name), "checksums", "algorithm", "SHA1", "checksumValue",
				     sbom_hex(file->digests->sha1, SHA1_SIZE),
				     spdx_checksum(file->digests->sha256), "comment", comment));
	if (r >= 0)
		r = relate(spdx, owner, "CONTAINS", id);
	if (r >= 0 && finisher && streq(finisher, "depmod") && spdx->kernel != SIZE_MAX)
		r = relate(spdx, id, "GENERATED_FROM", spdx_package_id(&sbom->packages[spdx->kernel], owner));
	return r;
}

/* ---- Packages ---- */

static int add_dependencies(struct spdx *spdx, size_t index, const char *id, bool *marks)
{
	const struct sbom *sbom = spdx->sbom;
	spdx_id other;
	int r = 0;

	sbom_dependencies(sbom, index, marks);
	for (size_t i = 0; i < sbom->package_count && r >= 0; i++)
		if (marks[i])
			r = relate(spdx, id, "DEPENDS_ON", spdx_package_id(&sbom->packages[i], other));
	return r;
}

static int add_package(struct spdx *spdx, size_t index, bool *marks)
{
	const struct sbom *sbom = spdx->sbom;
	const struct sbom_package *from = &sbom->packages[index];
	spdx_id id, source;
	json_t *package = spdx_package_new(
		spdx_package_id(from, id), from->package->name, from->package->version, from->license);
	int r = json_array_append_new(spdx->packages, package);

	if (r >= 0)
		r = spdx_fill_package(sbom, from, package);
	if (r >= 0)
		r = spdx_put_verification_code(sbom, index, package);
	if (r >= 0)
		r = relate(spdx, IMAGE, "CONTAINS", id);
	if (r >= 0)
		r = relate(spdx, id, "GENERATED_FROM", spdx_source_id(&sbom->sources[from->source], source));
	if (r >= 0 && (from->boot || index == spdx->kernel))
		r = relate(spdx, KERNEL, "GENERATED_FROM", id);
	return r < 0 ? r : add_dependencies(spdx, index, id, marks);
}

static int add_source(struct spdx *spdx, const struct sbom_source *source)
{
	spdx_id id;
	json_t *package = spdx_package_new(spdx_source_id(source, id), source->name, source->version, NULL),
	       *refs;
	int r = json_array_append_new(spdx->packages, package);

	if (r >= 0)
		r = json_object_set_new(package, "primaryPackagePurpose", json_string("SOURCE"));
	if (r >= 0)
		r = spdx_put_purl(package, sbom_source_purl(spdx->sbom, source));
	refs = json_object_get(package, "externalRefs");
	for (size_t i = 0; i < source->cves.count && r >= 0; i++) {
		_cleanup_free_ char *url = string_format(TRACKER "%s", source->cves.items[i]);

		r = url ? json_array_append_new(
				  refs, json_pack("{s:s, s:s, s:s, s:s}", "referenceCategory", "SECURITY",
						"referenceType", "fix", "referenceLocator", url, "comment",
						"the package's changelog names it"))
			: -1;
	}
	return r;
}

/* ---- What is no package of Debian's ---- */

struct own {
	const char *id, *name, *version, *file, *purpose, *license;
	const uint8_t *sha256; /* of *file*; NULL: there is none */
	size_t files;	       /* which of the image's files are its own, as in struct sbom_file */
};

static int add_output(struct spdx *spdx, const struct own *own)
{
	json_t *package = spdx_package_new(own->id, own->name, own->version, own->license);
	int r = json_array_append_new(spdx->packages, package);

	if (r >= 0 && own->file)
		r = json_object_set_new(package, "packageFileName", sbom_text(own->file));
	if (r >= 0 && own->sha256)
		r = json_object_set_new(package, "checksums", json_pack("[o]", spdx_checksum(own->sha256)));
	if (r >= 0 && own->files)
		r = spdx_put_verification_code(spdx->sbom, own->files, package);
	return r < 0 ? r : json_object_set_new(package, "primaryPackagePurpose", json_string(own->purpose));
}

static int add_own(struct spdx *spdx)
{
	const struct sbom_input *input = spdx->sbom->input;
	_cleanup_free_ char *image = string_format("orlop-%s", input->definition->name);
	char distribution[32];
	const char *version;
	int r = image ? 0 : -1;

	sbom_distribution(spdx->sbom, distribution, &version);
	{
		const struct own all[] = {
			{IMAGE, image, input->version, input->disk, "INSTALL", NULL, NULL, SBOM_OF_IMAGE},
			{KERNEL, "unified kernel image", input->version, input->uki, "FILE", NULL, NULL, 0},
			{ORLOP, "orlop", input->builder, NULL, "APPLICATION", ORLOP_LICENSE, NULL,
				SBOM_OF_ORLOP},
			{INIT, "orlop-init", input->builder, "init", "APPLICATION", ORLOP_LICENSE,
				input->init_sha256, 0},
			{DISTRIBUTION, distribution, version, NULL, "OPERATING-SYSTEM", NULL, NULL, 0},
		};

		for (size_t i = 0; i < ARRAY_SIZE(all) && r >= 0; i++)
			r = add_output(spdx, &all[i]);
	}
	return r;
}

static int relate_own(struct spdx *spdx)
{
	static const char *const relations[][3] = {
		{"SPDXRef-DOCUMENT", "DESCRIBES", IMAGE},
		{IMAGE, "DESCENDANT_OF", DISTRIBUTION},
		{IMAGE, "CONTAINS", KERNEL},
		{IMAGE, "CONTAINS", ORLOP},
		{KERNEL, "CONTAINS", INIT},
		{ORLOP, "BUILD_TOOL_OF", IMAGE},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(relations) && r >= 0; i++)
		r = relate(spdx, relations[i][0], relations[i][1], relations[i][2]);
	return r;
}

/* ---- The document ---- */

static json_t *licenses(const struct sbom *sbom)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sbom->license_count && list; i++) {
		const struct sbom_license *license = &sbom->licenses[i];

		if (json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "licenseId", license->id, "name",
							sbom_text(license->name), "extractedText",
							sbom_text(license->text))) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static int fill(struct spdx *spdx)
{
	const struct sbom *sbom = spdx->sbom;
	_cleanup_free_ bool *marks = calloc(sbom->package_count + 1, sizeof(*marks));
	int r = marks ? relate_own(spdx) : -1;

	if (r >= 0)
		r = add_own(spdx);
	for (size_t i = 0; i < sbom->package_count && r >= 0; i++)
		r = add_package(spdx, i, marks);
	for (size_t i = 0; i < sbom->source_count && r >= 0; i++)
		r = add_source(spdx, &sbom->sources[i]);
	for (size_t i = 0; i < sbom->file_count && r >= 0; i++)
		r = add_file(spdx, &sbom->files[i]);
	return r;
}

int sbom_write_spdx(const struct sbom *sbom, struct buffer *ret, struct error **err)
{
	const struct sbom_input *input = sbom->input;
	struct spdx spdx = {.sbom = sbom,
		.kernel = sbom_kernel(sbom),
		.packages = json_array(),
		.files = json_array(),
		.relations = json_array()};
	char created[SBOM_TIME_SIZE], uuid[SBOM_UUID_SIZE];
	_cleanup_free_ char *name = string_format("orlop-%s_%s_%s", input->definition->name, input->version,
				    input->architecture),
			    *space = NULL, *tool = string_format("Tool: orlop-%s", input->builder);
	json_t *document = NULL;

	sbom_time(sbom, created);
	if (name && sbom_uuid(sbom, "spdx", uuid) == 0)
		space = string_format("https://spdx.org/spdxdocs/%s-%s", name, uuid);
	if (space && tool && fill(&spdx) >= 0)
		document = json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:s, s:[s]}, s:O, s:O, s:o, s:O}",
			"spdxVersion", "SPDX-2.3", "dataLicense", "CC0-1.0", "SPDXID", "SPDXRef-DOCUMENT",
			"name", name, "documentNamespace", space, "creationInfo", "created", created,
			"creators", tool, "packages", spdx.packages, "files", spdx.files,
			"hasExtractedLicensingInfos", licenses(sbom), "relationships", spdx.relations);
	json_decref(spdx.packages);
	json_decref(spdx.files);
	json_decref(spdx.relations);
	return sbom_dump(document, ret, err);
}
