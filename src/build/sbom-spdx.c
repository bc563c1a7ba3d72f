/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SPDX 2.3 in JSON. "x.y" in comments are clauses of that specification.
 */
#include <errno.h>

#include "base/encoding.h"
#include "build/sbom-part.h"

#define IMAGE "SPDXRef-Image"
#define KERNEL "SPDXRef-KernelImage"
#define ORLOP "SPDXRef-Orlop"
#define INIT "SPDXRef-Init"
#define DISTRIBUTION "SPDXRef-Distribution"
#define TRACKER "https://security-tracker.debian.org/tracker/"

typedef char spdx_id[320];

struct spdx {
	const struct sbom *sbom;
	size_t kernel; /* whose the kernel is */
	json_t *packages, *files, *relations;
};

/* ---- Identifiers: letters, digits, "." and "-" (3.2) ---- */

/* Debian's names have no capital letters, so that these two stay apart. */
static void put_id(const char *name, char *at, const char *end)
{
	for (; *name && at + 1 < end; name++)
		*at++ = *name == '+' ? 'P' : *name == '~' ? 'T' : *name == ':' ? 'C' : *name;
	*at = 0;
}

static const char *package_id(const struct sbom_package *package, spdx_id ret)
{
	int length = snprintf(ret, sizeof(spdx_id), "SPDXRef-Package-");

	put_id(package->package->name, ret + length, ret + sizeof(spdx_id));
	return ret;
}

static const char *source_id(const struct sbom_source *source, spdx_id ret)
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

/* The path's digest: the same in every release. */
static int file_id(const struct sbom_file *file, spdx_id ret)
{
	uint8_t digest[SHA256_SIZE];
	char digits[SHA256_HEX_SIZE];
	int r = sha256_bytes(file->path, strlen(file->path), digest);

	hex_encode(digest, SHA256_SIZE, digits);
	(void)snprintf(ret, sizeof(spdx_id), "SPDXRef-File-%.24s", digits);
	return r;
}

/* ---- Pieces ---- */

static int relate(struct spdx *spdx, const char *from, const char *type, const char *to)
{
	return json_array_append_new(
		spdx->relations, json_pack("{s:s, s:s, s:s}", "spdxElementId", from, "relationshipType", type,
					 "relatedSpdxElement", to));
}

static json_t *sha256_checksum(const uint8_t digest[SHA256_SIZE])
{
	return json_pack("{s:s, s:o}", "algorithm", "SHA256", "checksumValue", sbom_hex(digest, SHA256_SIZE));
}

/* What every package has (7.1, 7.2, 7.7, 7.8, 7.13, 7.15, 7.17). */
static json_t *package_new(const char *id, const char *name, const char *version, const char *license)
{
	return json_pack("{s:s, s:o, s:o*, s:s, s:b, s:s, s:s, s:s}", "SPDXID", id, "name", sbom_text(name),
		"versionInfo", *version ? sbom_text(version) : NULL, "downloadLocation", "NOASSERTION",
		"filesAnalyzed", 0, "licenseConcluded", "NOASSERTION", "licenseDeclared",
		license ? license : "NOASSERTION", "copyrightText", "NOASSERTION");
}

/* Takes *purl* over; NULL, where memory was out, is an error. */
static int put_purl(json_t *package, char *purl)
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
	_cleanup_free_ char *line = text ? strndup(text, strcspn(text, "\n")) : NULL;

	return line && *line ? json_object_set_new(package, member, sbom_text(line)) : 0;
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

/* ---- Files ---- */

static int compare_digests(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* 7.9: the SHA-1 of the sorted SHA-1s, in hexadecimal, of the files of the package that are here. */
static int put_verification_code(const struct sbom *sbom, size_t package, json_t *object)
{
	_cleanup_free_ char(*digits)[SHA1_HEX_SIZE] = calloc(sbom->file_count + 1, sizeof(*digits));
	_cleanup_buffer_ struct buffer all = {};
	uint8_t code[SHA1_SIZE];
	size_t count = 0;

	if (!digits)
		return -1;
	for (size_t i = 0; i < sbom->file_count; i++)
		if (sbom->files[i].package == package)
			hex_encode(sbom->files[i].sha1, SHA1_SIZE, digits[count++]);
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

static int add_file(struct spdx *spdx, const struct sbom_file *file)
{
	const char *finisher = startswith(file->inode->origin, "finisher:");
	_cleanup_free_ char *name = string_format("./%s", file->path), *comment = NULL;
	const struct sbom *sbom = spdx->sbom;
	spdx_id id, owner;
	int r = file_id(file, id);

	if (finisher)
		comment = string_format("made at build by the finisher \"%s\"", finisher);
	if (r < 0 || !name || (finisher && !comment))
		return -1;
	if (file->package < sbom->package_count)
		(void)package_id(&sbom->packages[file->package], owner);
	else
		(void)snprintf(owner, sizeof(owner), "%s", file->package == SBOM_OF_ORLOP ? ORLOP : IMAGE);
	r = json_array_append_new(spdx->files,
		json_pack("{s:s, s:o, s:[{s:s, s:o}, o], s:s*}", "SPDXID", id, "fileName", sbom_text(name),
			"checksums", "algorithm", "SHA1", "checksumValue", sbom_hex(file->sha1, SHA1_SIZE),
			sha256_checksum(file->sha256), "comment", comment));
	if (r >= 0)
		r = relate(spdx, owner, "CONTAINS", id);
	if (r >= 0 && finisher && streq(finisher, "depmod") && spdx->kernel != SIZE_MAX)
		r = relate(spdx, id, "GENERATED_FROM", package_id(&sbom->packages[spdx->kernel], owner));
	return r;
}

/* ---- Packages ---- */

static int fill_package(const struct sbom *sbom, const struct sbom_package *from, json_t *package)
{
	const char *maintainer = sbom_field(from, "Maintainer"), *homepage = sbom_field(from, "Homepage");
	_cleanup_free_ char *built = string_format(
		"built package from: %s %s", from->package->source, from->package->source_version);
	int r = built ? json_object_set_new(package, "sourceInfo", sbom_text(built)) : -1;

	if (r >= 0)
		r = json_object_set_new(
			package, "checksums", json_pack("[o]", sha256_checksum(from->package->sha256)));
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
	return r < 0 ? r : put_purl(package, sbom_purl(sbom, from));
}

static int add_dependencies(struct spdx *spdx, size_t index, const char *id, bool *marks)
{
	const struct sbom *sbom = spdx->sbom;
	int r = sbom_dependencies(sbom, index, marks);
	spdx_id other;

	for (size_t i = 0; i < sbom->package_count && r >= 0; i++)
		if (marks[i])
			r = relate(spdx, id, "DEPENDS_ON", package_id(&sbom->packages[i], other));
	return r;
}

static int add_package(struct spdx *spdx, size_t index, bool *marks)
{
	const struct sbom *sbom = spdx->sbom;
	const struct sbom_package *from = &sbom->packages[index];
	spdx_id id, source;
	json_t *package =
		package_new(package_id(from, id), from->package->name, from->package->version, from->license);
	int r = json_array_append_new(spdx->packages, package);

	if (r >= 0)
		r = fill_package(sbom, from, package);
	if (r >= 0)
		r = put_verification_code(sbom, index, package);
	if (r >= 0)
		r = relate(spdx, IMAGE, "CONTAINS", id);
	if (r >= 0)
		r = relate(spdx, id, "GENERATED_FROM", source_id(&sbom->sources[from->source], source));
	if (r >= 0 && (from->boot || index == spdx->kernel))
		r = relate(spdx, KERNEL, "GENERATED_FROM", id);
	return r < 0 ? r : add_dependencies(spdx, index, id, marks);
}

static int add_source(struct spdx *spdx, const struct sbom_source *source)
{
	spdx_id id;
	json_t *package = package_new(source_id(source, id), source->name, source->version, NULL), *refs;
	int r = json_array_append_new(spdx->packages, package);

	if (r >= 0)
		r = json_object_set_new(package, "primaryPackagePurpose", json_string("SOURCE"));
	if (r >= 0)
		r = put_purl(package, sbom_source_purl(spdx->sbom, source));
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
	json_t *package = package_new(own->id, own->name, own->version, own->license);
	int r = json_array_append_new(spdx->packages, package);

	if (r >= 0 && own->file)
		r = json_object_set_new(package, "packageFileName", sbom_text(own->file));
	if (r >= 0 && own->sha256)
		r = json_object_set_new(package, "checksums", json_pack("[o]", sha256_checksum(own->sha256)));
	if (r >= 0 && own->files)
		r = put_verification_code(spdx->sbom, own->files, package);
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
			{IMAGE, image, input->version, input->disk->name, "INSTALL", NULL, NULL,
				SBOM_OF_IMAGE},
			{KERNEL, "unified kernel image", input->version, input->uki->name, "FILE", NULL,
				input->uki->digest, 0},
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
