/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>

#include "base/glob.h"
#include "source/deb822.h"
#include "source/source-part.h"

static int copy_list(const char *const *from, struct strv *ret)
{
	int r = 0;

	for (; from && *from && r >= 0; from++)
		r = strv_add(ret, *from);
	return r;
}

static int add_extra(struct source *source, const struct source_extra *extra, struct error **err)
{
	struct suite *suite = &source->suites[source->suite_count];
	int r;

	for (size_t i = 0; i < source->suite_count; i++)
		if (streq(source->suites[i].name, extra->name) && !source->suites[i].label)
			return error_set(err, -EINVAL, "the archive has a suite \"%s\"", extra->name);
	r = source_add_suite(source, extra->suite, extra->url, err);
	if (r < 0)
		return r;
	suite->label = strdup(extra->name);
	suite->keyring = strdup(extra->keyring);
	r = extra->components ? copy_list(extra->components, &suite->components)
			      : strv_add(&suite->components, "main");
	if (r >= 0)
		r = copy_list(extra->packages, &suite->packages);
	return suite->label && suite->keyring && r >= 0 ? 0
							: error_set_errno(err, -ENOMEM, "%s", extra->name);
}

int source_add_extras(
	struct source *source, const struct source_options *options, bool locked, struct error **err)
{
	int r = 0;

	assert(options->extra_count <= SOURCE_EXTRAS_MAX);
	for (size_t i = 0; i < options->extra_count && r >= 0; i++) {
		r = add_extra(source, &options->extras[i], err);
		if (r >= 0 && !locked)
			r = source_get_releases(source, source->suite_count - 1, false, err);
		if (r < 0)
			return error_about(err, options->extras[i].name, r);
	}
	return 0;
}

static bool is_taken(const struct suite *suite, const char *name)
{
	for (size_t i = 0; i < suite->packages.count; i++)
		if (glob_match(suite->packages.items[i], name))
			return true;
	return false;
}

int suite_take_stanzas(
	const struct suite *suite, const struct buffer *text, struct buffer *ret, struct error **err)
{
	struct deb822 reader = deb822_of((const char *)text->data, text->size);
	const char *begin = reader.at;
	_cleanup_free_ char *name = NULL;
	struct deb822_field field;
	int event;

	while ((event = deb822_next(&reader, &field, err)) > DEB822_END) {
		if (event == DEB822_STANZA) {
			if (name && is_taken(suite, name)) {
				buffer_append(ret, begin, (size_t)(reader.at - begin));
				buffer_append_string(ret, "\n\n");
			}
			name = string_free(name);
			begin = reader.at;
		} else if (deb822_is(&field, "Package")) {
			if (name)
				return error_set(
					err, -EBADMSG, "line %u: a second field Package", field.line);
			name = deb822_value(&field);
			if (!name)
				return error_set_errno(err, -ENOMEM, "Packages");
		}
	}
	if (event >= 0 && buffer_failed(ret))
		event = error_set_errno(err, -ENOMEM, "Packages");
	return event;
}

int source_check_taken(const struct source *source, const struct package_list *packages, struct error **err)
{
	for (size_t i = 0; i < packages->count; i++)
		for (size_t k = 0; k < source->suite_count; k++) {
			const struct suite *suite = &source->suites[k];
			const struct package *package = &packages->items[i];

			if (suite->label && streq(suite->label, package->suite) &&
				!is_taken(suite, package->name))
				return error_set(err, -EBADMSG, "%s: %s may not come from there",
					suite->label, package->name);
		}
	return 0;
}
