/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/definition-check.h"

#include <errno.h>

#define SOURCES_MAX 16

bool definition_is_suite(const char *text)
{
	return definition_is_word(text, strchr(text, 0), LOWER UPPER DIGITS ".+_-");
}

/* *key* is "components" or one within sources. */
static int check_components(const struct definition *definition, const char *key,
	const struct strv *components, struct error **err)
{
	for (size_t i = 0; i < components->count; i++) {
		const char *component = components->items[i];

		if (!definition_is_word(component, strchr(component, 0), LOWER UPPER DIGITS "+_-"))
			return definition_error(definition, key, component, err,
				"\"%s\" is no name of a component, such as main", component);
	}
	return 0;
}

static bool is_url(const char *url)
{
	const char *path = startswith(url, "https://");

	path = path ? path : startswith(url, "http://");
	path = path ? path : startswith(url, "file:///");
	for (const char *at = url; *at; at++)
		if (*at <= ' ' || *at > '~')
			return false;
	return path ? *path != 0 : !strstr(url, "://");
}

/* Names of packages, with "*" and "?" for what may be there. */
static int check_taken(
	const struct definition *definition, const char *key, const struct strv *packages, struct error **err)
{
	if (packages->count == 0)
		return definition_error(
			definition, key, NULL, err, "names nothing that is to come from there");
	for (size_t i = 0; i < packages->count; i++) {
		const char *pattern = packages->items[i];

		if (pattern[strspn(pattern, LOWER DIGITS "+.-*?")])
			return definition_error(definition, key, pattern, err,
				"\"%s\" is no name of a package, nor a pattern of names", pattern);
	}
	return 0;
}

static int check_source(
	const struct definition *definition, const struct definition_source *source, struct error **err)
{
	_cleanup_free_ char *url = string_format("sources: %s: url", source->name);
	_cleanup_free_ char *suite = string_format("sources: %s: suite", source->name);
	_cleanup_free_ char *components = string_format("sources: %s: components", source->name);
	_cleanup_free_ char *packages = string_format("sources: %s: packages", source->name);
	int r;

	if (!url || !suite || !components || !packages)
		return error_set_errno(err, -ENOMEM, "sources");
	if (!definition_is_word(source->name, strchr(source->name, 0), LOWER DIGITS "-") ||
		streq(source->name, definition->suite))
		return definition_error(definition, "sources", source->name, err,
			"\"%s\" may hold a-z, 0-9 and \"-\", and not be the archive's suite", source->name);
	if (!is_url(source->url))
		return definition_error(definition, url, NULL, err,
			"\"%s\" is neither an http, https or file URL nor a folder", source->url);
	if (!definition_is_suite(source->suite))
		return definition_error(
			definition, suite, NULL, err, "\"%s\" is no name of a suite", source->suite);
	r = check_components(definition, components, &source->components, err);
	return r < 0 ? r : check_taken(definition, packages, &source->packages, err);
}

int definition_check_archive(const struct definition *definition, struct error **err)
{
	int r;

	if (!definition_is_suite(definition->suite))
		return definition_error(definition, "suite", NULL, err,
			"\"%s\" is no name of a suite, such as trixie", definition->suite);
	r = check_components(definition, "components", &definition->components, err);
	if (r >= 0 && definition->sources.count > SOURCES_MAX)
		r = definition_error(definition, "sources", NULL, err, "has more than %d", SOURCES_MAX);
	for (size_t i = 0; r >= 0 && i < definition->sources.count; i++)
		r = check_source(definition, definition_source(definition, i), err);
	return r;
}
