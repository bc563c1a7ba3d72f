/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/glob.h"

#include <string.h>

/* Where to go on when what follows a star does not match: *text* is moved on by one and tried again. */
struct retry {
	const char *pattern; /* behind the star, NULL where none was met */
	const char *text;
};

static bool take_back(
	struct retry *retry, bool across, const char *end, const char **pattern, const char **text)
{
	if (!retry->pattern || retry->text == end || (!across && *retry->text == '/'))
		return false;
	retry->text++;
	*pattern = retry->pattern;
	*text = retry->text;
	return true;
}

/*
 * Two places to go back to are enough, for the last "*" and the last "**": whatever an earlier star could
 * take in addition, a "**" behind it can take as well.
 */
static bool match(const char *pattern, const char *text, size_t length)
{
	struct retry star = {}, star_star = {};
	const char *end = text + length;

	for (;;) {
		if (pattern[0] == '*' && pattern[1] == '*') {
			pattern += 2;
			star_star = (struct retry){pattern, text};
			star = (struct retry){};
			continue;
		}
		if (pattern[0] == '*') {
			pattern++;
			star = (struct retry){pattern, text};
			continue;
		}
		if (!*pattern && text == end)
			return true;
		if (*pattern && text < end && (*pattern == '?' ? *text != '/' : *pattern == *text)) {
			pattern++;
			text++;
			continue;
		}
		if (take_back(&star, false, end, &pattern, &text))
			continue;
		star = (struct retry){};
		if (!take_back(&star_star, true, end, &pattern, &text))
			return false;
	}
}

static const char *without_root(const char *path)
{
	return path + strspn(path, "/");
}

bool glob_match(const char *pattern, const char *path)
{
	path = without_root(path);
	return match(without_root(pattern), path, strlen(path));
}

bool glob_match_below(const char *pattern, const char *path)
{
	pattern = without_root(pattern);
	path = without_root(path);
	for (size_t i = 0;; i++) {
		if ((!path[i] || path[i] == '/') && match(pattern, path, i))
			return true;
		if (!path[i])
			return false;
	}
}
