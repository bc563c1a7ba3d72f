/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "build/definition-check.h"
#include "format/sysusers.h"

/* sysctl.d(5): a path below /proc/sys with "." or "/" between its names, in which "*" stands for any. */
static bool is_setting(const char *name)
{
	size_t parts = 0;

	for (const char *at = name;; at++) {
		size_t length = strspn(at, LOWER UPPER DIGITS "_*-");

		if (length == 0 || (parts++ == 0 && !definition_is_word(at, at + length, LOWER UPPER "_")))
			return false;
		at += length;
		if (!*at)
			return parts > 1;
		if (*at != '.' && *at != '/')
			return false;
	}
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			return true;
	return false;
}

static int check_sysctl(const struct definition *definition, struct error **err)
{
	for (size_t i = 0; i < definition->sysctl.count; i++) {
		const struct pair *setting = &definition->sysctl.items[i];

		if (!is_setting(setting->name))
			return definition_error(definition, "sysctl", setting->name, err,
				"\"%s\" is no name of a setting, such as vm.swappiness", setting->name);
		if (has_control(setting->value))
			return definition_error(definition, "sysctl", setting->name, err,
				"the value of %s has a control character", setting->name);
	}
	return 0;
}

/* What passwd(5) can hold, and sysusers.d(5) in quotes. */
static bool is_field(const char *text)
{
	return !has_control(text) && !text[strcspn(text, ":\"\\%")];
}

static bool is_absolute(const char *path)
{
	return path[0] == '/' && is_field(path) && !path[strcspn(path, " ")];
}

static int check_user(
	const struct definition *definition, const struct definition_user *user, struct error **err)
{
	const char *name = user->name;

	if (!sysusers_name_is_valid(name))
		return definition_error(definition, "users", name, err,
			"\"%s\" may hold letters, digits, \"_\" and \"-\", a letter or \"_\" first", name);
	if (!is_field(user->description))
		return definition_error(definition, "users", name, err,
			"%s: a description has no colon, quote, \"%%\", backslash or control character",
			name);
	if ((user->home && !is_absolute(user->home)) || (user->shell && !is_absolute(user->shell)))
		return definition_error(definition, "users", name, err,
			"%s: home and shell are paths that begin with \"/\", without spaces", name);
	for (size_t i = 0; i < user->groups.count; i++)
		if (!sysusers_name_is_valid(user->groups.items[i]))
			return definition_error(definition, "users", name, err,
				"%s: \"%s\" is no name of a group", name, user->groups.items[i]);
	return 0;
}

static int check_ids(const struct definition *definition, struct error **err)
{
	const struct pairs *ids = &definition->ids;

	for (size_t i = 0; i < ids->count; i++) {
		const struct pair *pair = &ids->items[i];
		uint64_t id, other;

		if (parse_u64(pair->value, &id) < 0 || id == 0 || id > 999)
			return definition_error(definition, "ids", pair->name, err,
				"%s: an id of a system account is 1 to 999", pair->name);
		for (size_t j = 0; j < i; j++)
			if (parse_u64(ids->items[j].value, &other) == 0 && other == id)
				return definition_error(definition, "ids", pair->name, err,
					"%s: %s has the id %s already", pair->name, ids->items[j].name,
					pair->value);
	}
	return 0;
}

/* systemd.unit(5): the types of units, of which a name says one. */
static bool is_unit(const char *name)
{
	static const char *const types[] = {".service", ".socket", ".timer", ".path", ".mount", ".automount",
		".swap", ".target", ".slice"};

	if (name[strspn(name, LOWER UPPER DIGITS ":_.\\@-")] || name[0] == '.')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (endswith(name, types[i]))
			return true;
	return false;
}

static int check_units(const struct definition *definition, struct error **err)
{
	for (size_t i = 0; i < definition->units.count; i++) {
		const struct pair *unit = &definition->units.items[i];

		if (!is_unit(unit->name))
			return definition_error(definition, "units", unit->name, err,
				"\"%s\" is no name of a unit, such as some.service", unit->name);
		if (!streq(unit->value, "enable") && !streq(unit->value, "disable") &&
			!streq(unit->value, "mask"))
			return definition_error(definition, "units", unit->name, err,
				"%s: \"%s\" is none of enable, disable and mask", unit->name, unit->value);
	}
	return 0;
}

int definition_check_node(const struct definition *definition, struct error **err)
{
	int r = check_sysctl(definition, err);

	for (size_t i = 0; r >= 0 && i < definition->users.count; i++)
		r = check_user(definition, definition_user(definition, i), err);
	if (r >= 0)
		r = check_ids(definition, err);
	return r < 0 ? r : check_units(definition, err);
}
