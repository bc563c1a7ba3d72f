/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/build-explain.h"
#include "cmd/command-json.h"

#include <errno.h>
#include <jansson.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "format/canonical-json.h"
#include "format/json-text.h"

struct explanation {
	const struct image_options *options;
	struct image_plan plan;
	struct strv arguments, requirements;
};

static void explanation_release(struct explanation *explanation)
{
	image_plan_release(&explanation->plan);
	strv_release(&explanation->arguments);
	strv_release(&explanation->requirements);
}

static const char *suite_of(const struct image_options *options)
{
	return options->suite ? options->suite : options->definition->suite;
}

static uint64_t sum(const struct package_list *packages, bool installed)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < packages->count; i++)
		bytes += installed ? packages->items[i].installed_size : packages->items[i].size;
	return bytes;
}

/* ---- Text ---- */

static int width_of(const struct package_list *packages, bool version)
{
	size_t width = 0;

	for (size_t i = 0; i < packages->count; i++)
		width = MAX(width, strlen(version ? packages->items[i].version : packages->items[i].name));
	return (int)width;
}

static void print_packages(const char *title, const struct package_list *packages)
{
	int name = width_of(packages, false), version = width_of(packages, true);
	char size[SIZE_TEXT_MAX], installed[SIZE_TEXT_MAX];

	printf("\n%s: %zu, %s to fetch, %s installed\n", title, packages->count,
		format_size(sum(packages, false), size), format_size(sum(packages, true), installed));
	for (size_t i = 0; i < packages->count; i++) {
		const struct package *package = &packages->items[i];

		printf("  %-*s  %-*s  %-17s %10s %10s  %s\n", name, package->name, version, package->version,
			package->suite, format_size(package->size, size),
			format_size(package->installed_size, installed),
			streq(package->why, package->name) ? "asked for" : package->why);
	}
}

static void print_list(const char *title, const struct strv *list)
{
	if (list->count == 0)
		return;
	printf("\n%s:\n", title);
	for (size_t i = 0; i < list->count; i++)
		printf("  %s\n", list->items[i]);
}

static void print_words(const char *title, const struct strv *list)
{
	if (list->count > 0)
		printf("%s", title);
	for (size_t i = 0; i < list->count; i++)
		printf(" %s", list->items[i]);
}

static void print_pairs(const char *title, const struct pairs *pairs)
{
	if (pairs->count == 0)
		return;
	printf("\n%s:\n", title);
	for (size_t i = 0; i < pairs->count; i++)
		printf("  %s: %s\n", pairs->items[i].name, pairs->items[i].value);
}

static void print_sources(const struct definition *definition)
{
	const struct definition_source *source;

	if (definition->sources.count > 0)
		printf("\nSources beside the archive:\n");
	for (size_t i = 0; (source = definition_source(definition, i)); i++) {
		printf("  %s: %s %s", source->name, source->url, source->suite);
		print_words("", &source->components);
		printf(", keyring %s", source->keyring);
		print_words(", of it", &source->packages);
		putchar('\n');
	}
}

static void print_users(const struct definition *definition)
{
	const struct definition_user *user;

	if (definition->users.count > 0)
		printf("\nAccounts of its own:\n");
	for (size_t i = 0; (user = definition_user(definition, i)); i++) {
		printf("  %s: %s, home %s, %s", user->name, user->description, user->home ? user->home : "/",
			user->shell ? user->shell : "no shell");
		print_words(", in", &user->groups);
		putchar('\n');
	}
}

static void print_finishers(void)
{
	const struct finisher_about *about;

	printf("\nFinishers, in this order:\n");
	for (size_t i = 0; (about = image_finisher(i)); i++)
		printf("  %-12s  %s\n", about->name, about->text);
}

static void print_disk(const struct definition *definition)
{
	const struct {
		const char *name;
		uint64_t size;
	} parts[] = {{"boot partition", definition->disk.esp}, {"/usr, twice", definition->disk.usr},
		{"hash tree, twice", definition->disk.verity},
		{"signature, twice", definition->disk.signature},
		{"state, at least", definition->disk.state}};
	char size[SIZE_TEXT_MAX];

	printf("\nDisk:\n");
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		printf("  %-16s  %10s\n", parts[i].name, format_size(parts[i].size, size));
}

static void print_head(const struct image_options *options)
{
	const struct definition *definition = options->definition;

	printf("%s %s for %s, of %s%s%s (%s%s%s)\n", definition->name, options->version,
		options->architecture, suite_of(options), options->lock ? ", as locked in " : "",
		options->lock ? options->lock_path : "", definition->path,
		definition->extends ? ", which extends " : "",
		definition->extends ? definition->extends : "");
	printf("\nTitle: %s\n", definition->title);
	print_list("Components of the archive", &definition->components);
	print_sources(definition);
}

static void print_content(const struct definition *definition)
{
	print_list("Absent packages, which count as installed", &definition->absent);
	print_list("Not unpacked", &definition->exclude);
	print_list("Unpacked all the same", &definition->keep);
	print_list("Orlop's programs", &definition->programs);
	print_list("Files laid over it, of these folders", &definition->overlays);
	print_list("Files of these that are left out", &definition->left_out);
	print_pairs("Links", &definition->links);
	print_finishers();
	print_pairs("Settings of the kernel", &definition->sysctl);
	print_users(definition);
	print_pairs("Fixed ids of users and groups", &definition->ids);
	print_pairs("Units", &definition->units);
	print_list("Files that keep setuid and setgid bits", &definition->setuid);
}

static void print_start(const struct explanation *explanation)
{
	const struct definition *definition = explanation->options->definition;

	print_list("Kernel command line, before usrhash=", &explanation->arguments);
	print_list("Kernel modules that are kept", &definition->kernel.modules);
	print_list("Firmware that is kept besides what these ask for", &definition->kernel.firmware);
	print_list("Modules that the initrd loads", &definition->initrd.modules);
	print_list("Modules that the initrd loads for hardware that is there", &definition->initrd.devices);
	if (explanation->requirements.count == 0)
		printf("\nA node must have nothing in particular to start\n");
	print_list("What a node must have to start", &explanation->requirements);
}

static void print_plan(const struct explanation *explanation)
{
	const struct definition *definition = explanation->options->definition;

	print_head(explanation->options);
	print_packages("Packages", &explanation->plan.packages);
	print_packages(
		"Boot packages, of which the build alone takes files", &explanation->plan.boot_packages);
	print_content(definition);
	print_start(explanation);
	printf("\nCompression of /usr: %s\n", definition->compression ? definition->compression : "none");
	print_disk(definition);
}

/* ---- JSON ---- */

static json_t *packages_json(const struct package_list *packages)
{
	json_t *array = json_array();

	for (size_t i = 0; i < packages->count; i++) {
		const struct package *package = &packages->items[i];
		char sha256[SHA256_HEX_SIZE];

		hex_encode(package->sha256, SHA256_SIZE, sha256);
		if (json_array_append_new(array,
			    json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:o, s:s}", "name",
				    package->name, "version", package->version, "architecture",
				    package->architecture, "suite", package->suite, "component",
				    package->component, "size", (json_int_t)package->size, "installed_size",
				    (json_int_t)package->installed_size, "sha256", sha256, "url",
				    json_text(package->url), "why", package->why)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *list_json(const struct strv *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++)
		if (json_array_append_new(array, json_text(list->items[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static json_t *pairs_json(const struct pairs *pairs)
{
	json_t *object = json_object();

	for (size_t i = 0; i < pairs->count; i++)
		if (json_object_set_new(object, pairs->items[i].name, json_string(pairs->items[i].value)) <
			0) {
			json_decref(object);
			return NULL;
		}
	return object;
}

static json_t *sources_json(const struct definition *definition)
{
	json_t *object = json_object();
	const struct definition_source *source;

	for (size_t i = 0; (source = definition_source(definition, i)); i++)
		if (json_object_set_new(object, source->name,
			    json_pack("{s:s, s:s, s:o, s:s, s:o}", "url", source->url, "suite", source->suite,
				    "components", list_json(&source->components), "keyring", source->keyring,
				    "packages", list_json(&source->packages))) < 0) {
			json_decref(object);
			return NULL;
		}
	return object;
}

static json_t *users_json(const struct definition *definition)
{
	json_t *object = json_object();
	const struct definition_user *user;

	for (size_t i = 0; (user = definition_user(definition, i)); i++)
		if (json_object_set_new(object, user->name,
			    json_pack("{s:s, s:s?, s:s?, s:o}", "description", user->description, "home",
				    user->home, "shell", user->shell, "groups", list_json(&user->groups))) <
			0) {
			json_decref(object);
			return NULL;
		}
	return object;
}

static json_t *finishers_json(void)
{
	json_t *array = json_array();
	const struct finisher_about *about;

	for (size_t i = 0; (about = image_finisher(i)); i++)
		if (json_array_append_new(
			    array, json_pack("{s:s, s:s}", "name", about->name, "makes", about->text)) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static json_t *kernel_json(const struct explanation *explanation)
{
	const struct definition *definition = explanation->options->definition;

	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "command_line", list_json(&explanation->arguments),
		"modules", list_json(&definition->kernel.modules), "firmware",
		list_json(&definition->kernel.firmware), "initrd_modules",
		list_json(&definition->initrd.modules), "initrd_devices",
		list_json(&definition->initrd.devices));
}

static json_t *disk_json(const struct definition *definition)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "esp", (json_int_t)definition->disk.esp, "usr",
		(json_int_t)definition->disk.usr, "verity", (json_int_t)definition->disk.verity, "signature",
		(json_int_t)definition->disk.signature, "state", (json_int_t)definition->disk.state);
}

static json_t *head_json(const struct image_options *options)
{
	const struct definition *definition = options->definition;

	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:o, s:o}", "edition", definition->name,
		"title", definition->title, "version", options->version, "architecture",
		options->architecture, "definition", json_text(definition->path), "extends",
		json_text(definition->extends), "suite", suite_of(options), "lock",
		json_text(options->lock ? options->lock_path : NULL), "components",
		list_json(&definition->components), "sources", sources_json(definition));
}

static json_t *content_json(const struct definition *definition)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "absent",
		list_json(&definition->absent), "exclude", list_json(&definition->exclude), "keep",
		list_json(&definition->keep), "programs", list_json(&definition->programs), "files",
		list_json(&definition->overlays), "left_out", list_json(&definition->left_out), "links",
		pairs_json(&definition->links), "finishers", finishers_json(), "sysctl",
		pairs_json(&definition->sysctl), "users", users_json(definition), "ids",
		pairs_json(&definition->ids), "units", pairs_json(&definition->units), "setuid",
		list_json(&definition->setuid));
}

static json_t *start_json(const struct explanation *explanation)
{
	const struct definition *definition = explanation->options->definition;

	return json_pack("{s:o, s:o, s:s, s:o}", "kernel", kernel_json(explanation), "require",
		list_json(&explanation->requirements), "compression",
		definition->compression ? definition->compression : "none", "disk", disk_json(definition));
}

/* The members of all of them, NULL where memory is out. */
static json_t *plan_json(const struct explanation *explanation)
{
	const struct definition *definition = explanation->options->definition;
	json_t *plan = head_json(explanation->options);
	json_t *parts[] = {json_pack("{s:o, s:o}", "packages", packages_json(&explanation->plan.packages),
				   "boot_packages", packages_json(&explanation->plan.boot_packages)),
		content_json(definition), start_json(explanation)};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (r == 0)
			r = json_object_update(plan, parts[i]);
		json_decref(parts[i]);
	}
	if (r == 0)
		return plan;
	json_decref(plan);
	return NULL;
}

int build_explain(const struct image_options *options, bool json, struct error **err)
{
	_cleanup_(explanation_release) struct explanation explanation = {.options = options};
	const struct definition *definition = options->definition;
	int r = image_plan(options, &explanation.plan, err);

	if (r >= 0)
		r = definition_arguments(definition, options->architecture, &explanation.arguments, err);
	if (r >= 0)
		r = definition_requirements(definition, &explanation.requirements, err);
	if (r < 0)
		return r;
	if (json)
		return command_print_json(plan_json(&explanation), err);
	print_plan(&explanation);
	return 0;
}
