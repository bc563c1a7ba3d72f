/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/deb-version.h"

#include <ctype.h>
#include <string.h>

#include "base/string-util.h"

/* A part of a version: characters from *at* to *end*. */
struct part {
	const char *at, *end;
};

static bool at_digit(const struct part *part)
{
	return part->at < part->end && isdigit((unsigned char)*part->at);
}

/* "~" sorts before the end, letters before all other characters. */
static int weight(const struct part *part)
{
	unsigned char c;

	if (part->at == part->end || at_digit(part))
		return 0;
	c = (unsigned char)*part->at;
	return c == '~' ? -1 : isalpha(c) ? c : c + 256;
}

static void skip_zeros(struct part *part)
{
	while (part->at < part->end && *part->at == '0')
		part->at++;
}

/* Numbers of any length: the longer one is larger, else the first digit that differs decides. */
static int compare_numbers(struct part *a, struct part *b)
{
	int order = 0;

	skip_zeros(a);
	skip_zeros(b);
	while (at_digit(a) && at_digit(b)) {
		if (order == 0)
			order = *a->at - *b->at;
		a->at++;
		b->at++;
	}
	return at_digit(a) ? 1 : at_digit(b) ? -1 : order;
}

static int compare_parts(struct part a, struct part b)
{
	while (a.at < a.end || b.at < b.end) {
		int order;

		while ((a.at < a.end && !at_digit(&a)) || (b.at < b.end && !at_digit(&b))) {
			order = weight(&a) - weight(&b);
			if (order != 0)
				return order;
			a.at++;
			b.at++;
		}
		order = compare_numbers(&a, &b);
		if (order != 0)
			return order;
	}
	return 0;
}

struct version {
	struct part epoch, upstream, revision;
};

static struct version split(const char *text)
{
	const char *end = text + strlen(text), *colon = strchr(text, ':'), *hyphen;
	struct version version = {};

	if (colon) {
		version.epoch = (struct part){text, colon};
		text = colon + 1;
	}
	hyphen = strrchr(text, '-');
	version.upstream = (struct part){text, hyphen ? hyphen : end};
	if (hyphen)
		version.revision = (struct part){hyphen + 1, end};
	return version;
}

int deb_version_compare(const char *a, const char *b)
{
	struct version left = split(a), right = split(b);
	int order = compare_parts(left.epoch, right.epoch);

	if (order == 0)
		order = compare_parts(left.upstream, right.upstream);
	return order ? order : compare_parts(left.revision, right.revision);
}

/* "<<", "<=", "=", ">=", ">>", and the old "<" and ">", which mean "<=" and ">=". */
static bool satisfies(const char *operator, int order)
{
	if (startswith(operator, "<<"))
		return order < 0;
	if (startswith(operator, ">>"))
		return order > 0;
	if (*operator== '<')
		return order <= 0;
	if (*operator== '>')
		return order >= 0;
	return *operator== '=' && order == 0;
}

/* Looks at one "name [:arch] [(operator version)]", which ends at *end*. */
static bool item_names(const char *at, const char *end, const char *package, const char *version)
{
	_cleanup_free_ char *wanted = NULL;
	size_t length;
	const char *operator;

	at += strspn(at, " \t\n");
	length = strcspn(at, " \t\n:(,|");
	if (length != strlen(package) || strncmp(at, package, length) != 0)
		return false;
	at = memchr(at, '(', (size_t)(end - at));
	if (!at)
		return true;
	operator= at + 1 + strspn(at + 1, " \t\n");
	at = operator+ strspn(operator, "<=>");
	at += strspn(at, " \t\n");
	wanted = strndup(at, strcspn(at, " \t\n),|"));
	return wanted && satisfies(operator, deb_version_compare(version, wanted));
}

bool deb_relation_names(const char *field, const char *package, const char *version)
{
	while (field && *field) {
		const char *end = field + strcspn(field, ",|");

		if (item_names(field, end, package, version))
			return true;
		field = *end ? end + 1 : end;
	}
	return false;
}
