/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/manifest-read.h"

#include <assert.h>
#include <errno.h>

#include "base/string-util.h"
#include "format/json-read.h"
#include "format/pcr.h"
#include "format/uki.h"

#define WORD_MAX 255
#define PACKAGES_MAX 65536
#define OUTPUTS_MAX 64

void release_manifest_release(struct release_manifest *manifest)
{
	free(manifest->edition);
	free(manifest->version);
	free(manifest->architecture);
	free(manifest->kernel);
	free(manifest->command_line);
	for (size_t i = 0; i < manifest->output_count; i++) {
		free(manifest->outputs[i].kind);
		free(manifest->outputs[i].name);
	}
	free(manifest->outputs);
	free(manifest->pcrs);
	package_list_release(&manifest->packages);
	*manifest = (struct release_manifest){};
}

/* A name or a version: it is printed to terminals and into Markdown. */
static int read_word(const struct json_place *place, const char *member, char **ret, struct error **err)
{
	const char *text = NULL;
	int r = json_read_string(place, member, WORD_MAX, &text, err);

	if (r < 0)
		return r;
	for (const char *at = text; *at; at++)
		if (*at <= ' ' || *at >= 0x7f || strchr("`|<>\\", *at))
			return json_fault(place, member, "has characters that no name or version has", err);
	if (*text == 0)
		return json_fault(place, member, "empty", err);
	*ret = strdup(text);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "%s", member);
}

static int read_package(const struct json_place *place, struct package *ret, struct error **err)
{
	const struct {
		const char *member;
		char **ret;
	} words[] = {
		{"name", &ret->name},
		{"version", &ret->version},
		{"architecture", &ret->architecture},
		{"source", &ret->source},
		{"source_version", &ret->source_version},
	};
	int r = json_read_object(place, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(words); i++)
		r = read_word(place, words[i].member, words[i].ret, err);
	if (r == 0)
		r = json_read_number(place, "size", 1, INT64_MAX, &ret->size, err);
	return r < 0 ? r : json_read_hex(place, "sha256", ret->sha256, SHA256_SIZE, err);
}

/* Appends the packages of one list. */
static int read_packages(
	const struct json_place *document, const char *member, struct package_list *list, struct error **err)
{
	const json_t *array = NULL;
	struct package *items;
	int r = json_read_array(document, member, PACKAGES_MAX, &array, err);

	if (r < 0)
		return r;
	items = reallocarray(list->items, list->count + json_array_size(array) + 1, sizeof(*items));
	if (!items)
		return error_set_errno(err, -ENOMEM, "%s", member);
	list->items = items;
	for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
		_cleanup_free_ char *path = string_format("%s[%zu].", member, i);
		const struct json_place place = {json_array_get(array, i), path};

		if (!path)
			return error_set_errno(err, -ENOMEM, "%s", member);
		list->items[list->count] = (struct package){};
		r = read_package(&place, &list->items[list->count++], err);
	}
	return r;
}

static int compare_packages(const void *a, const void *b)
{
	return strcmp(((const struct package *)a)->name, ((const struct package *)b)->name);
}

static int sort_packages(struct package_list *list, const char *member, struct error **err)
{
	if (list->count > 0)
		qsort(list->items, list->count, sizeof(*list->items), compare_packages);
	for (size_t i = 1; i < list->count; i++)
		if (streq(list->items[i - 1].name, list->items[i].name))
			return error_set(
				err, -EBADMSG, "%s: %s is listed twice", member, list->items[i].name);
	return 0;
}

/* Both lists hold names once; one of the same name in *from* is dropped. */
static int add_missing(struct package_list *to, struct package_list *from, struct error **err)
{
	struct package *items = reallocarray(to->items, to->count + from->count + 1, sizeof(*items));
	size_t known = to->count;

	if (!items)
		return error_set_errno(err, -ENOMEM, "packages");
	to->items = items;
	for (size_t i = 0; i < from->count; i++) {
		const struct package_list image = {items, known};

		if (package_list_find(&image, from->items[i].name))
			continue;
		items[to->count++] = from->items[i];
		from->items[i] = (struct package){};
	}
	qsort(items, to->count, sizeof(*items), compare_packages);
	return 0;
}

static int read_all_packages(const struct json_place *document, struct package_list *ret, struct error **err)
{
	_cleanup_package_list_ struct package_list boot = {};
	int r = read_packages(document, "packages", ret, err);

	if (r == 0)
		r = read_packages(document, "boot_packages", &boot, err);
	if (r == 0)
		r = sort_packages(ret, "packages", err);
	if (r == 0)
		r = sort_packages(&boot, "boot_packages", err);
	return r < 0 ? r : add_missing(ret, &boot, err);
}

static bool has(const struct json_place *place, const char *member)
{
	return json_object_get(place->json, member) != NULL;
}

static int read_name(const struct json_place *place, struct release_output *output, struct error **err)
{
	int r = read_word(place, "name", &output->name, err);

	/* It is opened beside the manifest. */
	if (r == 0 && (strchr(output->name, '/') || output->name[0] == '.'))
		r = json_fault(place, "name", "not the name of a file", err);
	return r;
}

static int read_digest(const struct json_place *place, struct release_output *output, struct error **err)
{
	static const char *const names[] = {"sha256", "fsverity"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (has(place, names[i])) {
			output->digest_name = names[i];
			return json_read_hex(place, names[i], output->digest, SHA256_SIZE, err);
		}
	return 0;
}

static int read_output(const struct json_place *place, struct release_manifest *ret, struct error **err)
{
	struct release_output *output = &ret->outputs[ret->output_count++];
	int r = json_read_object(place, err);

	if (r >= 0)
		r = read_word(place, "kind", &output->kind, err);
	if (r < 0)
		return r;
	if (release_manifest_output(ret, output->kind) != output)
		return json_fault(place, "kind", "there are two of it", err);
	if (streq(output->kind, "usr") || has(place, "name"))
		r = read_name(place, output, err);
	if (r == 0 && (streq(output->kind, "uki") || has(place, "size")))
		r = json_read_number(place, "size", 1, INT64_MAX, &output->size, err);
	return r < 0 ? r : read_digest(place, output, err);
}

/* What of the outputs is wanted by itself. */
static int take_images(const struct json_place *document, struct release_manifest *ret, struct error **err)
{
	const struct release_output *uki = release_manifest_output(ret, "uki"),
				    *usr = release_manifest_output(ret, "usr");

	if (!uki)
		return json_fault(document, "outputs", "there is no kernel image among them", err);
	ret->uki_size = uki->size;
	ret->usr_name = usr ? usr->name : NULL;
	return 0;
}

static int read_outputs(const struct json_place *document, struct release_manifest *ret, struct error **err)
{
	const struct json_place usr = {json_object_get(document->json, "usr"), "usr."};
	const json_t *array = NULL;
	int r = json_read_object(&usr, err);

	if (r >= 0)
		r = json_read_number(&usr, "size", 1, INT64_MAX, &ret->usr_size, err);
	if (r >= 0)
		r = json_read_array(document, "outputs", OUTPUTS_MAX, &array, err);
	if (r < 0)
		return r;
	ret->output_count = 0;
	ret->outputs = calloc(json_array_size(array) + 1, sizeof(*ret->outputs));
	if (!ret->outputs)
		return error_set_errno(err, -ENOMEM, "outputs");
	for (size_t i = 0; r >= 0 && i < json_array_size(array); i++) {
		_cleanup_free_ char *path = string_format("outputs[%zu].", i);
		const struct json_place place = {json_array_get(array, i), path};

		if (!path)
			return error_set_errno(err, -ENOMEM, "outputs");
		r = read_output(&place, ret, err);
	}
	return r < 0 ? r : take_images(document, ret, err);
}

/* ---- What starts it: none of this has to be there ---- */

static int read_command_line(
	const struct json_place *document, struct release_manifest *ret, struct error **err)
{
	const char *text = NULL;
	int r = json_read_string(document, "command_line", UKI_CMDLINE_MAX, &text, err);

	if (r < 0)
		return r;
	/* It is printed to terminals, and a build takes nothing else. */
	for (const char *at = text; *at; at++)
		if (*at < ' ' || *at >= 0x7f)
			return json_fault(
				document, "command_line", "has characters that no command line has", err);
	ret->command_line = strdup(text);
	return ret->command_line ? 0 : error_set_errno(err, -ENOMEM, "command_line");
}

/* The registers of one list, which are like *as*. */
static int read_registers(const struct json_place *place, const struct release_pcr *as,
	struct release_manifest *ret, struct error **err)
{
	int r = json_read_object(place, err);

	for (unsigned i = 0; r == 0 && i < PCR_COUNT; i++) {
		struct release_pcr *pcr = &ret->pcrs[ret->pcr_count];
		char name[16];

		(void)snprintf(name, sizeof(name), "%u", i);
		if (!has(place, name))
			continue;
		*pcr = *as;
		pcr->index = i;
		r = json_read_hex(place, name, pcr->value, SHA256_SIZE, err);
		ret->pcr_count++;
	}
	return r;
}

#define PCR_LISTS 4

static int read_pcrs(const struct json_place *document, struct release_manifest *ret, struct error **err)
{
	const json_t *disk = json_object_get(document->json, "pcrs"),
		     *netboot = json_object_get(json_object_get(document->json, "netboot"), "pcrs");
	const struct {
		struct json_place place;
		struct release_pcr as;
	} lists[PCR_LISTS] = {
		{{json_object_get(disk, "sha256"), "pcrs.sha256."}, {}},
		{{json_object_get(disk, "sha256_kernel_start"), "pcrs.sha256_kernel_start."},
			{.kernel_start = true}},
		{{json_object_get(netboot, "sha256"), "netboot.pcrs.sha256."}, {.netboot = true}},
		{{json_object_get(netboot, "sha256_kernel_start"), "netboot.pcrs.sha256_kernel_start."},
			{.netboot = true, .kernel_start = true}},
	};
	int r = 0;

	ret->pcrs = calloc(PCR_LISTS * PCR_COUNT, sizeof(*ret->pcrs));
	if (!ret->pcrs)
		return error_set_errno(err, -ENOMEM, "pcrs");
	for (size_t i = 0; r == 0 && i < PCR_LISTS; i++)
		if (lists[i].place.json)
			r = read_registers(&lists[i].place, &lists[i].as, ret, err);
	return r;
}

static int read_start(const struct json_place *document, struct release_manifest *ret, struct error **err)
{
	int r = has(document, "command_line") ? read_command_line(document, ret, err) : 0;

	ret->has_certificate = has(document, "certificate_sha256");
	if (r == 0 && ret->has_certificate)
		r = json_read_hex(document, "certificate_sha256", ret->certificate, SHA256_SIZE, err);
	return r < 0 ? r : read_pcrs(document, ret, err);
}

static int read_manifest(const struct json_place *document, struct release_manifest *ret, struct error **err)
{
	int r = read_word(document, "edition", &ret->edition, err);

	if (r == 0)
		r = read_word(document, "version", &ret->version, err);
	if (r == 0)
		r = read_word(document, "architecture", &ret->architecture, err);
	if (r == 0)
		r = read_word(document, "kernel", &ret->kernel, err);
	if (r == 0)
		r = json_read_hex(document, "root_hash", ret->root_hash, SHA256_SIZE, err);
	if (r == 0)
		r = read_outputs(document, ret, err);
	if (r == 0)
		r = read_start(document, ret, err);
	return r < 0 ? r : read_all_packages(document, &ret->packages, err);
}

int release_manifest_parse(const void *data, size_t size, struct release_manifest *ret, struct error **err)
{
	_cleanup_release_manifest_ struct release_manifest manifest = {};
	_cleanup_json_ json_t *json = NULL;
	struct json_place document = {.path = ""};
	int r = json_read_document(data, size, MANIFEST_MAX, &json, err);

	document.json = json;
	if (r == 0)
		r = read_manifest(&document, &manifest, err);
	if (r < 0)
		return r;
	*ret = manifest;
	manifest = (struct release_manifest){};
	return 0;
}

const struct release_output *release_manifest_output(
	const struct release_manifest *manifest, const char *kind)
{
	for (size_t i = 0; i < manifest->output_count; i++)
		if (streq(manifest->outputs[i].kind, kind))
			return &manifest->outputs[i];
	return NULL;
}

bool release_output_is_same(const struct release_output *a, const struct release_output *b)
{
	if (a->size != b->size || !a->digest_name != !b->digest_name)
		return false;
	return !a->digest_name ||
	       (streq(a->digest_name, b->digest_name) && memcmp(a->digest, b->digest, SHA256_SIZE) == 0);
}
