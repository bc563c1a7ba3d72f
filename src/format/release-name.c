/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/release-name.h"

#include <errno.h>
#include <string.h>

#include "format/release-index.h"

static bool is_name(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return length > 0 && text[length] == 0 && text[0] != '.';
}

static int read_name(const struct json_place *place, const char *member, bool (*is_valid)(const char *),
	const char *what, char **ret, struct error **err)
{
	const char *text = NULL;
	int r = json_read_string(place, member, RELEASE_NAME_MAX, &text, err);

	if (r < 0)
		return r;
	if (!is_valid(text))
		return json_fault(place, member, what, err);
	*ret = strdup(text);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "%s", member);
}

int release_names_read(const struct json_place *place, char **ret_edition, char **ret_architecture,
	char **ret_version, struct error **err)
{
	int r = json_read_object(place, err);

	if (r == 0)
		r = read_name(place, "edition", is_name, "not the name of an edition", ret_edition, err);
	if (r == 0)
		r = read_name(place, "architecture", is_name, "not the name of an architecture",
			ret_architecture, err);
	if (r == 0)
		r = read_name(place, "version", release_version_is_valid, "not a version", ret_version, err);
	return r;
}
