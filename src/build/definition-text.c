/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/definition-text.h"

#include <limits.h>

#include "build/definition.h"
#include "format/compressor.h"
#include "format/sysusers.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* In patterns: the control characters themselves, for their escapes differ. A backslash in brackets is there
 * twice: one notation takes it for an escape, the other one for two. */
#define CONTROL "\001-\037\177"

/* A word of *alphabet* that begins with a letter or digit of it, up to *end*. */
static bool is_word(const char *text, const char *end, const char *alphabet)
{
	if (text == end || !strchr(LOWER UPPER DIGITS, *text))
		return false;
	while (text < end && strchr(alphabet, *text))
		text++;
	return text == end;
}

static bool is_word_of(const char *text, const char *alphabet)
{
	return is_word(text, strchr(text, 0), alphabet);
}

/* ---- What it is ---- */

/* A name is part of file names, partition labels and os-release: it has a small alphabet. */
static bool is_name(const char *text)
{
	return is_word_of(text, LOWER DIGITS "-") && strlen(text) <= 32;
}

const struct yaml_text definition_text_name = {
	.is = is_name,
	.pattern = "^[a-z0-9][a-z0-9-]{0,31}$",
	.wrong = "may hold a-z, 0-9 and \"-\", at most 32 of them",
};

/* os-release(5) takes a title without escapes, whatever reads it. */
static bool is_title(const char *text)
{
	return *text && !string_has_control(text) && !text[strcspn(text, "\"'\\$`")];
}

const struct yaml_text definition_text_title = {
	.is = is_title,
	.pattern = "^[^" CONTROL "\"'\\\\$`]+$",
	.wrong = "may hold no quote, \"$\", backslash or control character",
};

static bool is_compression(const char *text)
{
	_cleanup_error_ struct error *err = NULL;
	struct compression compression;

	return compression_parse(text, &compression, &err) >= 0;
}

const struct yaml_text definition_text_compression = {
	.is = is_compression,
	.pattern = "^(none|lz4|lz4hc(:0*([3-9]|1[0-2]))?|zstd(:0*([1-9]|1[0-9]|2[0-2]))?)$",
	.wrong = "is none of none, lz4, lz4hc, lz4hc:3 to lz4hc:12, zstd, and zstd:1 to zstd:22",
};

/* ---- Where packages come from, and which ---- */

bool definition_is_suite(const char *text)
{
	return is_word_of(text, LOWER UPPER DIGITS ".+_-");
}

const struct yaml_text definition_text_suite = {
	.is = definition_is_suite,
	.pattern = "^[A-Za-z0-9][A-Za-z0-9.+_-]*$",
	.wrong = "is no name of a suite, such as trixie",
};

static bool is_component(const char *text)
{
	return is_word_of(text, LOWER UPPER DIGITS "+_-");
}

const struct yaml_text definition_text_component = {
	.is = is_component,
	.pattern = "^[A-Za-z0-9][A-Za-z0-9+_-]*$",
	.wrong = "is no name of a component, such as main",
};

static bool is_source(const char *text)
{
	return is_word_of(text, LOWER DIGITS "-");
}

const struct yaml_text definition_text_source = {
	.is = is_source,
	.pattern = "^[a-z0-9][a-z0-9-]*$",
	.wrong = "may hold a-z, 0-9 and \"-\"",
};

static bool is_url(const char *text)
{
	const char *path = startswith(text, "https://");

	path = path ? path : startswith(text, "http://");
	path = path ? path : startswith(text, "file:///");
	for (const char *at = text; *at; at++)
		if (*at <= ' ' || *at > '~')
			return false;
	return path ? *path : *text && !strchr(text, ':');
}

const struct yaml_text definition_text_url = {
	.is = is_url,
	.pattern = "^((https?://|file:///)[!-~]+|[!-9;-~]+)$",
	.wrong = "is neither an http, https or file URL nor a folder, whose path has no colon or space",
};

static bool is_taken(const char *text)
{
	return *text && !text[strspn(text, LOWER DIGITS "+.*?-")];
}

const struct yaml_text definition_text_taken = {
	.is = is_taken,
	.pattern = "^[a-z0-9+.*?-]+$",
	.wrong = "is no name of a package, nor a pattern of names",
};

/* Debian Policy, 5.6.1: a name of a package. */
#define PACKAGE LOWER DIGITS "+.-"
#define NO_PACKAGE "is no name of a package"

/* Here also with "{architecture}" in it. */
static bool is_name_of_package(const char *text, const char *end)
{
	static const char mark[] = "{architecture}";
	const char *at = strstr(text, mark), *rest = at ? at + strlen(mark) : NULL;

	if (!at || at >= end)
		return is_word(text, end, PACKAGE);
	return is_word(text, at, PACKAGE) && rest + strspn(rest, PACKAGE) == end;
}

/* Perhaps with a version (Debian Policy, 5.6.12). */
static bool is_package(const char *text)
{
	const char *end = text + strcspn(text, "=");

	return is_name_of_package(text, end) &&
	       (!*end || (end[1] && !end[1 + strspn(end + 1, LOWER UPPER DIGITS ".+:~-")]));
}

const struct yaml_text definition_text_package = {
	.is = is_package,
	.pattern = "^[a-z0-9][a-z0-9+.-]*(\\{architecture\\}[a-z0-9+.-]*)?(=[A-Za-z0-9.+:~-]+)?$",
	.wrong = NO_PACKAGE,
};

/* Perhaps with an architecture. */
static bool is_absent(const char *text)
{
	const char *name = text + (text[0] == '-'), *end = name + strcspn(name, ":");

	return is_word(name, end, PACKAGE) &&
	       (!*end || (end[1] && !end[1 + strspn(end + 1, LOWER DIGITS "-")]));
}

const struct yaml_text definition_text_absent = {
	.is = is_absent,
	.pattern = "^-?[a-z0-9][a-z0-9+.-]*(:[a-z0-9-]+)?$",
	.wrong = NO_PACKAGE,
};

/* ---- Paths ---- */

static bool is_path(const char *text)
{
	for (const char *at = text;; at++) {
		size_t length = strcspn(at, "/");

		if (length == 0 || length > NAME_MAX || (length == 1 && *at == '.') ||
			(length == 2 && at[0] == '.' && at[1] == '.'))
			return false;
		at += length;
		if (!*at)
			return true;
	}
}

/* A name in a path, neither "." nor ".."; how long it is in bytes no pattern can say. */
#define ENTRY "([^/.][^/]*|\\.[^/.][^/]*|\\.\\.[^/]+)"

const struct yaml_text definition_text_path = {
	.is = is_path,
	.pattern = "^" ENTRY "(/" ENTRY ")*$",
	.wrong = "is no path from the root without a leading \"/\", \".\" and \"..\", or a name in it is too "
		 "long",
};

/* An image carries /usr and what it says about /etc and /var; the others are links to folders in /usr. */
static bool is_link(const char *text)
{
	static const char *const folders[] = {
		"usr/", "etc/", "var/", "bin/", "sbin/", "lib/", "lib32/", "lib64/"};

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (startswith(text, folders[i]))
			return is_path(text);
	return false;
}

const struct yaml_text definition_text_link = {
	.is = is_link,
	.pattern = "^(usr|etc|var|bin|sbin|lib|lib32|lib64)(/" ENTRY ")+$",
	.wrong = "is no path within usr, etc or var, which are all that an image has: without a leading "
		 "\"/\", "
		 "\".\" and \"..\", and without names that are too long",
};

/* ---- What a node is told ---- */

/* sysctl.d(5): a path below /proc/sys with "." or "/" between its names, in which "*" stands for any. */
static bool is_setting(const char *text)
{
	size_t parts = 0;

	for (const char *at = text;; at++) {
		size_t length = strspn(at, LOWER UPPER DIGITS "_*-");

		if (length == 0 || (parts++ == 0 && !is_word(at, at + length, LOWER UPPER "_")))
			return false;
		at += length;
		if (!*at)
			return parts > 1;
		if (*at != '.' && *at != '/')
			return false;
	}
}

const struct yaml_text definition_text_setting = {
	.is = is_setting,
	.pattern = "^[A-Za-z][A-Za-z_]*([./][A-Za-z0-9_*-]+)+$",
	.wrong = "is no name of a setting, such as vm.swappiness",
};

static bool is_setting_value(const char *text)
{
	return *text && !string_has_control(text);
}

const struct yaml_text definition_text_setting_value = {
	.is = is_setting_value,
	.pattern = "^[^" CONTROL "]+$",
	.wrong = "has a control character",
};

const struct yaml_text definition_text_account = {
	.is = sysusers_name_is_valid,
	.pattern = "^[A-Za-z_][A-Za-z0-9_-]{0,30}$",
	.wrong = "may hold letters, digits, \"_\" and \"-\", a letter or \"_\" first, at most 31 of them",
};

/* What passwd(5) can hold, and sysusers.d(5) in quotes. */
static bool is_description(const char *text)
{
	return *text && !string_has_control(text) && !text[strcspn(text, ":\"\\%")];
}

const struct yaml_text definition_text_description = {
	.is = is_description,
	.pattern = "^[^" CONTROL ":\"\\\\%]+$",
	.wrong = "may hold no colon, quote, \"%\", backslash or control character",
};

static bool is_absolute(const char *text)
{
	return text[0] == '/' && is_description(text) && !strchr(text, ' ');
}

const struct yaml_text definition_text_absolute = {
	.is = is_absolute,
	.pattern = "^/[^" CONTROL " :\"\\\\%]*$",
	.wrong = "is no path that begins with \"/\", without spaces, colons, quotes, \"%\" and backslashes",
};

enum { ID_MAX = 999 };

static bool is_id(const char *text)
{
	uint64_t id;

	return parse_u64(text, &id) >= 0 && id > 0 && id <= ID_MAX;
}

const struct yaml_text definition_text_id = {
	.is = is_id,
	.pattern = "^0*[1-9][0-9]{0,2}$",
	.most = ID_MAX,
	.wrong = "is no id of a system account, which are 1 to 999",
};

/* systemd.unit(5): the types of units, of which a name says one. */
static bool is_unit(const char *text)
{
	static const char *const types[] = {".service", ".socket", ".timer", ".path", ".mount", ".automount",
		".swap", ".target", ".slice"};

	if (text[strspn(text, LOWER UPPER DIGITS ":_.\\@-")] || text[0] == '.')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (endswith(text, types[i]))
			return true;
	return false;
}

const struct yaml_text definition_text_unit = {
	.is = is_unit,
	.pattern = "^[A-Za-z0-9:_\\\\@-][A-Za-z0-9:_.\\\\@-]*"
		   "\\.(service|socket|timer|path|mount|automount|swap|target|slice)$",
	.wrong = "is no name of a unit, such as some.service",
};

/*
 * The command line is text that the kernel, systemd and orlop-init take apart at spaces and quotes, each in
 * its own way, that the firmware gets as UTF-16, and that orlop-init compares: one argument is one word of
 * ASCII, for all architectures or for one that there is.
 */
static bool is_argument(const char *text)
{
	bool amd64, arm64;
	size_t size = definition_argument(text, "amd64", &amd64);

	(void)definition_argument(text, "arm64", &arm64);
	for (size_t i = 0; i < size; i++)
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '"')
			return false;
	return size > 0 && (amd64 || arm64);
}

const struct yaml_text definition_text_argument = {
	.is = is_argument,
	.pattern = "^[!#-~]+( \\[(amd64|arm64)\\])?$",
	.never = "^(usrhash=|rdinit=|(usrhash|--)( |$))",
	.wrong = "must be one argument of ASCII, without spaces or quotes, and behind it perhaps [amd64] or "
		 "[arm64]",
};
