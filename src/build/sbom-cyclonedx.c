/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CycloneDX 1.6 in JSON.
 */
#include <errno.h>

#include "base/encoding.h"
#include "build/sbom-part.h"

#define IMAGE "image"
#define KERNEL "kernel-image"
#define ORLOP "orlop"
#define INIT "orlop-init"
#define DISTRIBUTION "distribution"
#define TRACKER "https://security-tracker.debian.org/tracker/"

struct cyclonedx {
	const struct sbom *sbom;
	char **purls; /* of the packages: what they are referred to by */
	json_t *components, *dependencies, *vulnerabilities;
};

/* ---- Components ---- */

static json_t *hashes(const uint8_t sha256[SHA256_SIZE])
{
	return json_pack("[{s:s, s:o}]", "alg", "SHA-256", "content", sbom_hex(sha256, SHA256_SIZE));
}

static json_t *licenses(const char *expression)
{
	return json_pack("[{s:s, s:s}]", "expression", expression, "acknowledgement", "declared");
}

static int put_property(json_t *list, const char *name, const char *value)
{
	return value && *value ? json_array_append_new(list,
					 json_pack("{s:s, s:o}", "name", name, "value", sbom_text(value)))
			       : 0;
}

static json_t *properties(const struct sbom_package *from)
{
	const struct package *package = from->package;
	json_t *list = json_array();

	if (list && put_property(list, "orlop:source:name", package->source) >= 0 &&
		put_property(list, "orlop:source:version", package->source_version) >= 0 &&
		put_property(list, "orlop:archive:suite", package->suite) >= 0 &&
		put_property(list, "orlop:archive:file", package->file) >= 0 &&
		put_property(list, "orlop:use", from->boot ? "boot" : "usr") >= 0 &&
		put_property(list, "orlop:license:comment", from->why) >= 0)
		return list;
	json_decref(list);
	return NULL;
}

/* What a binary package was built from. */
static json_t *pedigree(const struct sbom *sbom, const struct sbom_source *source)
{
	_cleanup_free_ char *purl = sbom_source_purl(sbom, source);

	return purl ? json_pack("{s:[{s:s, s:s, s:s, s:s}]}", "ancestors", "type", "library", "name",
			      source->name, "version", source->version, "purl", purl)
		    : NULL;
}

/* "Name <address>" */
static json_t *supplier(const char *maintainer)
{
	const char *address = strchr(maintainer, '<');
	size_t length = address ? (size_t)(address - maintainer) : strlen(maintainer);
	_cleanup_free_ char *name = NULL;

	while (length > 0 && maintainer[length - 1] == ' ')
		length--;
	name = strndup(maintainer, length);
	return name ? json_pack("{s:o}", "name", sbom_text(name)) : NULL;
}

static json_t *homepage(const char *url)
{
	_cleanup_free_ char *line = strndup(url, strcspn(url, " \n"));

	return line ? json_pack("[{s:s, s:o}]", "type", "website", "url", sbom_text(line)) : NULL;
}

static int fill_package(const struct sbom *sbom, const struct sbom_package *from, json_t *component)
{
	const char *maintainer = sbom_field(from, "Maintainer"), *url = sbom_field(from, "Homepage"),
		   *about = sbom_field(from, "Description");
	_cleanup_free_ char *line = about ? strndup(about, strcspn(about, "\n")) : NULL;
	int r = about && !line ? -1 : json_object_set_new(component, "hashes", hashes(from->package->sha256));

	if (r >= 0 && maintainer)
		r = json_object_set_new(component, "supplier", supplier(maintainer));
	if (r >= 0 && line)
		r = json_object_set_new(component, "description", sbom_text(line));
	if (r >= 0 && from->license)
		r = json_object_set_new(component, "licenses", licenses(from->license));
	if (r >= 0 && url && startswith(url, "http"))
		r = json_object_set_new(component, "externalReferences", homepage(url));
	if (r >= 0)
		r = json_object_set_new(component, "pedigree", pedigree(sbom, &sbom->sources[from->source]));
	return r < 0 ? r : json_object_set_new(component, "properties", properties(from));
}

static int add_package(struct cyclonedx *document, size_t index)
{
	const struct sbom_package *from = &document->sbom->packages[index];
	const char *purl = document->purls[index];
	json_t *component = json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "library", "bom-ref", purl, "name",
		from->package->name, "version", from->package->version, "purl", purl);
	int r = json_array_append_new(document->components, component);

	return r < 0 ? r : fill_package(document->sbom, from, component);
}

static json_t *own(const char *type, const char *ref, const char *name, const char *version,
	const uint8_t *sha256, const char *license)
{
	json_t *component =
		json_pack("{s:s, s:s, s:o}", "type", type, "bom-ref", ref, "name", sbom_text(name));
	int r = *version ? json_object_set_new(component, "version", sbom_text(version)) : 0;

	if (r >= 0 && sha256)
		r = json_object_set_new(component, "hashes", hashes(sha256));
	if (r >= 0 && license)
		r = json_object_set_new(component, "licenses", licenses(license));
	if (r >= 0)
		return component;
	json_decref(component);
	return NULL;
}

static int add_own(struct cyclonedx *document)
{
	const struct sbom_input *input = document->sbom->input;
	char distribution[32];
	const char *version;
	int r;

	sbom_distribution(document->sbom, distribution, &version);
	r = json_array_append_new(document->components,
		own("operating-system", DISTRIBUTION, distribution, version, NULL, NULL));
	if (r >= 0)
		r = json_array_append_new(
			document->components, own("file", KERNEL, input->uki, input->version, NULL, NULL));
	if (r >= 0)
		r = json_array_append_new(document->components,
			own("application", ORLOP, "orlop", input->builder, NULL, ORLOP_LICENSE));
	if (r >= 0)
		r = json_array_append_new(
			document->components, own("application", INIT, "orlop-init", input->builder,
						      input->init_sha256, ORLOP_LICENSE));
	return r;
}

/* ---- Dependencies ---- */

static int add_dependencies(struct cyclonedx *document, const char *ref, json_t *list)
{
	return json_array_append_new(
		document->dependencies, json_pack("{s:s, s:o}", "ref", ref, "dependsOn", list));
}

static json_t *marked(const struct cyclonedx *document, const bool *marks)
{
	json_t *list = json_array();

	for (size_t i = 0; i < document->sbom->package_count && list; i++)
		if (marks[i] && json_array_append_new(list, json_string(document->purls[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static int add_own_dependencies(struct cyclonedx *document, bool *marks)
{
	const struct sbom *sbom = document->sbom;
	size_t kernel = sbom_kernel(sbom);
	json_t *list;
	int r;

	for (size_t i = 0; i < sbom->package_count; i++)
		marks[i] = !sbom->packages[i].boot;
	list = marked(document, marks);
	r = list ? json_array_append_new(list, json_string(KERNEL)) : -1;
	if (r >= 0)
		r = json_array_append_new(list, json_string(ORLOP));
	if (r >= 0)
		r = json_array_append_new(list, json_string(DISTRIBUTION));
	if (r < 0) {
		json_decref(list);
		return r;
	}
	r = add_dependencies(document, IMAGE, list);
	for (size_t i = 0; i < sbom->package_count; i++)
		marks[i] = sbom->packages[i].boot || i == kernel;
	list = r < 0 ? NULL : marked(document, marks);
	if (!list || json_array_append_new(list, json_string(INIT)) < 0) {
		json_decref(list);
		return -1;
	}
	return add_dependencies(document, KERNEL, list);
}

static int add_all_dependencies(struct cyclonedx *document)
{
	const struct sbom *sbom = document->sbom;
	_cleanup_free_ bool *marks = calloc(sbom->package_count + 1, sizeof(*marks));
	int r = marks ? add_own_dependencies(document, marks) : -1;

	for (size_t i = 0; i < sbom->package_count && r >= 0; i++) {
		sbom_dependencies(sbom, i, marks);
		r = add_dependencies(document, document->purls[i], marked(document, marks));
	}
	return r;
}

/* ---- Vulnerabilities ---- */

struct fix {
	const char *cve;
	size_t source;
};

/* By id, then by source. */
static int compare_fixes(const void *a, const void *b)
{
	const struct fix *x = a, *y = b;
	int r = strcmp(x->cve, y->cve);

	return r != 0 ? r : x->source < y->source ? -1 : x->source > y->source;
}

static struct fix *list_fixes(const struct sbom *sbom, size_t *ret_count)
{
	struct fix *fixes;
	size_t count = 0, at = 0;

	for (size_t i = 0; i < sbom->source_count; i++)
		count += sbom->sources[i].cves.count;
	fixes = calloc(count + 1, sizeof(*fixes));
	for (size_t i = 0; i < sbom->source_count && fixes; i++)
		for (size_t k = 0; k < sbom->sources[i].cves.count; k++)
			fixes[at++] = (struct fix){.cve = sbom->sources[i].cves.items[k], .source = i};
	if (fixes)
		qsort(fixes, count, sizeof(*fixes), compare_fixes);
	*ret_count = count;
	return fixes;
}

static int add_affected(const struct cyclonedx *document, size_t source, json_t *list)
{
	const struct sbom *sbom = document->sbom;
	int r = 0;

	for (size_t i = 0; i < sbom->package_count && r >= 0; i++)
		if (sbom->packages[i].source == source)
			r = json_array_append_new(
				list, json_pack("{s:s, s:[{s:s, s:s}]}", "ref", document->purls[i],
					      "versions", "version", sbom->packages[i].package->version,
					      "status", "unaffected"));
	return r;
}

/* One id, with all packages of all sources whose changelogs name it. */
static int add_vulnerability(struct cyclonedx *document, const struct fix *fixes, size_t count)
{
	_cleanup_free_ char *url = string_format(TRACKER "%s", fixes->cve);
	json_t *affects = json_array();
	int r = url && affects ? 0 : -1;

	for (size_t i = 0; i < count && r >= 0; i++)
		r = add_affected(document, fixes[i].source, affects);
	if (r < 0) {
		json_decref(affects);
		return r;
	}
	return json_array_append_new(document->vulnerabilities,
		json_pack("{s:s, s:{s:s, s:s}, s:{s:s, s:s}, s:o}", "id", fixes->cve, "source", "name",
			"Debian security tracker", "url", url, "analysis", "state", "resolved", "detail",
			"named in the package's changelog", "affects", affects));
}

static int add_vulnerabilities(struct cyclonedx *document)
{
	size_t count, same;
	_cleanup_free_ struct fix *fixes = list_fixes(document->sbom, &count);
	int r = fixes ? 0 : -1;

	for (size_t i = 0; i < count && r >= 0; i += same) {
		same = 1;
		while (i + same < count && streq(fixes[i + same].cve, fixes[i].cve))
			same++;
		r = add_vulnerability(document, &fixes[i], same);
	}
	return r;
}

/* ---- The document ---- */

static int fill(struct cyclonedx *document)
{
	const struct sbom *sbom = document->sbom;
	int r = add_own(document);

	for (size_t i = 0; i < sbom->package_count && r >= 0; i++) {
		document->purls[i] = sbom_purl(sbom, &sbom->packages[i]);
		r = document->purls[i] ? add_package(document, i) : -1;
	}
	if (r >= 0)
		r = add_all_dependencies(document);
	return r < 0 ? r : add_vulnerabilities(document);
}

static json_t *metadata(const struct sbom *sbom)
{
	const struct sbom_input *input = sbom->input;
	_cleanup_free_ char *name = string_format("orlop-%s", input->definition->name);
	char timestamp[SBOM_TIME_SIZE];

	sbom_time(sbom, timestamp);
	return name ? json_pack("{s:s, s:[{s:s}], s:{s:[{s:s, s:s, s:o}]}, s:o, s:[{s:s, s:s}, {s:s, s:s}]}",
			      "timestamp", timestamp, "lifecycles", "phase", "build", "tools", "components",
			      "type", "application", "name", "orlop", "version", sbom_text(input->builder),
			      "component", own("operating-system", IMAGE, name, input->version, NULL, NULL),
			      "properties", "name", "orlop:architecture", "value", input->architecture,
			      "name", "orlop:kernel", "value", input->kernel_release)
		    : NULL;
}

int sbom_write_cyclonedx(const struct sbom *sbom, struct buffer *ret, struct error **err)
{
	struct cyclonedx document = {
		.sbom = sbom,
		.purls = calloc(sbom->package_count + 1, sizeof(*document.purls)),
		.components = json_array(),
		.dependencies = json_array(),
		.vulnerabilities = json_array(),
	};
	_cleanup_free_ char *serial = NULL;
	char uuid[SBOM_UUID_SIZE];
	json_t *root = NULL;

	if (sbom_uuid(sbom, "cyclonedx", uuid) == 0)
		serial = string_format("urn:uuid:%s", uuid);
	if (serial && document.purls && fill(&document) >= 0)
		root = json_pack("{s:s, s:s, s:s, s:s, s:i, s:o, s:O, s:O, s:O}", "$schema",
			"http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat", "CycloneDX",
			"specVersion", "1.6", "serialNumber", serial, "version", 1, "metadata",
			metadata(sbom), "components", document.components, "dependencies",
			document.dependencies, "vulnerabilities", document.vulnerabilities);
	json_decref(document.components);
	json_decref(document.dependencies);
	json_decref(document.vulnerabilities);
	for (size_t i = 0; i < sbom->package_count && document.purls; i++)
		free(document.purls[i]);
	free(document.purls);
	return sbom_dump(root, ret, err);
}
