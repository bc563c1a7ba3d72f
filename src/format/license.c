/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/license.h"

#include <ctype.h>
#include <errno.h>

/* ---- Single names ---- */

/* Names that DEP-5 defines and that SPDX calls otherwise. */
static const struct {
	const char *name, *id;
} debian_names[] = {
	{"Expat", "MIT"},
	{"GPL", "GPL-1.0-or-later"},
	{"LGPL", "LGPL-2.0-or-later"},
	{"AGPL", "AGPL-1.0-or-later"},
	{"GFDL", "GFDL-1.1-or-later"},
	{"GFDL-NIV", "GFDL-1.1-no-invariants-or-later"},
	{"Apache-2", "Apache-2.0"},
	{"CC0", "CC0-1.0"},
	{"MPL-2", "MPL-2.0"},
	{"OpenLDAP-2.8", "OLDAP-2.8"},
	{"Perl", "GPL-1.0-or-later OR Artistic-1.0-Perl"},
};

/* Identifiers of SPDX (2.3, annex A.1) that copyright files use, however they write capital letters. */
static const char *const spdx_names[] = {"0BSD", "AFL-2.1", "Apache-1.0", "Apache-1.1", "Apache-2.0",
	"APSL-2.0", "Artistic-2.0", "Beerware", "BSD-1-Clause", "BSD-2-Clause", "BSD-2-Clause-Patent",
	"BSD-2-Clause-Views", "BSD-3-Clause", "BSD-3-Clause-Attribution", "BSD-3-Clause-Clear",
	"BSD-3-Clause-LBNL", "BSD-3-Clause-Open-MPI", "BSD-4-Clause", "BSD-4-Clause-UC", "BSD-Source-Code",
	"BSL-1.0", "bzip2-1.0.6", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-2.0", "CC-BY-SA-2.5", "CC-BY-SA-3.0",
	"CC-BY-SA-4.0", "CC0-1.0", "CDDL-1.0", "CDDL-1.1", "CPL-1.0", "curl", "ECL-2.0", "EPL-1.0", "EPL-2.0",
	"FSFAP", "FSFUL", "FSFULLR", "FTL", "HPND", "HPND-sell-variant", "ICU", "IJG", "Info-ZIP", "IPL-1.0",
	"ISC", "JSON", "Latex2e", "Libpng", "libtiff", "Linux-OpenIB", "MirOS", "MIT", "MIT-0", "MIT-CMU",
	"MPL-1.0", "MPL-1.1", "MPL-2.0", "MS-PL", "NCSA", "NTP", "OFL-1.0", "OFL-1.1", "OLDAP-2.8", "OpenSSL",
	"PHP-3.01", "PostgreSQL", "PSF-2.0", "Python-2.0", "QPL-1.0", "RSA-MD", "Ruby", "SGI-B-2.0", "SISSL",
	"Sleepycat", "SMLNJ", "SSH-OpenSSH", "SSH-short", "TCL", "TCP-wrappers", "Unicode-DFS-2015",
	"Unicode-DFS-2016", "Unicode-TOU", "Unlicense", "UPL-1.0", "Vim", "W3C", "WTFPL", "X11", "Xnet",
	"XFree86-1.1", "Zlib", "zlib-acknowledgement", "ZPL-2.1"};

/* Families whose identifiers end in "-only" or "-or-later", with the versions that there are. */
static const struct {
	const char *name, *versions;
} families[] = {
	{"GPL", " 1.0 2.0 3.0 "},
	{"LGPL", " 2.0 2.1 3.0 "},
	{"AGPL", " 1.0 3.0 "},
	{"GFDL", " 1.1 1.2 1.3 "},
	{"GFDL-NIV", " 1.1 1.2 1.3 "},
};

/* Exceptions (SPDX 2.3, annex A.2) that Debian calls so. Autoconf has several, and no name of its own for
 * each: it is not among them. */
static const struct {
	const char *name, *id;
} exceptions[] = {
	{"Bison", "Bison-exception-2.2"},
	{"Classpath", "Classpath-exception-2.0"},
	{"Font", "Font-exception-2.0"},
	{"Libtool", "Libtool-exception"},
	{"Linux-syscall-note", "Linux-syscall-note"},
	{"Texinfo", "Texinfo-exception"},
};

/* The version that begins *text*, as SPDX writes it: "2" is "2.0". Returns what is behind, NULL where there
 * is none. */
static const char *take_version(const char *text, char ret[16])
{
	size_t length = strspn(text, "0123456789.");

	if (length == 0 || length > 8)
		return NULL;
	(void)snprintf(ret, 16, "%.*s%s", (int)length, text, memchr(text, '.', length) ? "" : ".0");
	return text + length;
}

/* "", "+" and SPDX's own endings: whether later versions are meant; -1 where it is something else. */
static int is_or_later(const char *ending)
{
	if (*ending == 0 || strcasecmp(ending, "-only") == 0)
		return 0;
	return streq(ending, "+") || strcasecmp(ending, "-or-later") == 0 ? 1 : -1;
}

static bool take_family(const char *name, size_t family, struct buffer *ret)
{
	const char *rest = startswith_nocase(name, families[family].name);
	bool unvarying = streq(families[family].name, "GFDL-NIV");
	char version[16], known[20];
	int later;

	if (!rest || *rest != '-' || !(rest = take_version(rest + 1, version)))
		return false;
	later = is_or_later(rest);
	(void)snprintf(known, sizeof(known), " %s ", version);
	if (later < 0 || !strstr(families[family].versions, known))
		return false;
	buffer_printf(ret, "%s-%s%s-%s", unvarying ? "GFDL" : families[family].name, version,
		unvarying ? "-no-invariants" : "", later ? "or-later" : "only");
	return true;
}

/* Appends the identifier of a name without exception; false where SPDX has none. */
static bool take_known(const char *name, struct buffer *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(debian_names); i++)
		if (strcasecmp(debian_names[i].name, name) == 0) {
			buffer_append_string(ret, debian_names[i].id);
			return true;
		}
	for (size_t i = 0; i < ARRAY_SIZE(spdx_names); i++)
		if (strcasecmp(spdx_names[i], name) == 0) {
			buffer_append_string(ret, spdx_names[i]);
			return true;
		}
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (take_family(name, i, ret))
			return true;
	return false;
}

/* "GPL-2+ with Libtool exception", "GPL-2 with Linux-syscall-note". */
static bool take_with(const char *name, const char *with, struct buffer *ret)
{
	_cleanup_free_ char *base = strndup(name, (size_t)(with - name));
	const char *exception = with + strlen(" with ");
	size_t length = strcspn(exception, " ");

	if (!base || (exception[length] && strcasecmp(exception + length, " exception") != 0))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(exceptions); i++)
		if (strlen(exceptions[i].name) == length &&
			strncasecmp(exceptions[i].name, exception, length) == 0 && take_known(base, ret)) {
			buffer_printf(ret, " WITH %s", exceptions[i].id);
			return true;
		}
	return false;
}

static int take_name(const char *name, license_unknown_fn unknown, void *userdata, struct buffer *ret)
{
	const char *with = strcasestr(name, " with ");

	if (with ? take_with(name, with, ret) : take_known(name, ret))
		return buffer_failed(ret) ? -ENOMEM : 0;
	return unknown(name, userdata, ret);
}

/* ---- Names with "and" and "or" ---- */

enum token { TOKEN_WORD, TOKEN_AND, TOKEN_OR, TOKEN_COMMA, TOKEN_END };

struct reader {
	const char *at;
	license_unknown_fn unknown;
	void *userdata;
};

/* The next token, without moving on; *ret_length* bytes from reader->at, which is moved to its beginning. */
static enum token peek(struct reader *reader, size_t *ret_length)
{
	while (isspace((unsigned char)*reader->at))
		reader->at++;
	*ret_length = *reader->at == ',' ? 1 : strcspn(reader->at, ", \t\n\r\f\v");
	if (*reader->at == 0)
		return TOKEN_END;
	if (*reader->at == ',')
		return TOKEN_COMMA;
	if (*ret_length == 3 && strncasecmp(reader->at, "and", 3) == 0)
		return TOKEN_AND;
	if ((*ret_length == 2 && strncasecmp(reader->at, "or", 2) == 0) ||
		(*ret_length == 1 && *reader->at == '|'))
		return TOKEN_OR;
	return TOKEN_WORD;
}

/* An operator or a comma. */
static bool take(struct reader *reader, enum token token)
{
	size_t length;

	if (peek(reader, &length) != token)
		return false;
	reader->at += length;
	return true;
}

/* Words up to the next operator are one name. */
static int read_name(struct reader *reader, struct strv *ret)
{
	_cleanup_buffer_ struct buffer words = {}, id = {};
	_cleanup_free_ char *name = NULL, *text = NULL;
	size_t length;
	int r;

	while (peek(reader, &length) == TOKEN_WORD) {
		if (words.size > 0)
			buffer_append_u8(&words, ' ');
		buffer_append(&words, reader->at, length);
		reader->at += length;
	}
	if (words.size == 0 && !buffer_failed(&words))
		return -EINVAL;
	name = buffer_take(&words, NULL);
	r = name ? take_name(name, reader->unknown, reader->userdata, &id) : -ENOMEM;
	text = r < 0 ? NULL : buffer_take(&id, NULL);
	if (r >= 0 && !text)
		r = -ENOMEM;
	return r < 0 || strv_contains(ret, text) ? r : strv_push(ret, TAKE_PTR(text));
}

static char *join(const struct strv *operands, const char *operator, const char * looser)
{
	_cleanup_buffer_ struct buffer text = {};

	for (size_t i = 0; i < operands->count; i++) {
		bool group = operands->count > 1 && looser && strstr(operands->items[i], looser);

		buffer_printf(&text, "%s%s%s%s", i > 0 ? operator: "", group ? "(" : "", operands->items[i],
			group ? ")" : "");
	}
	return operands->count > 0 ? buffer_take(&text, NULL) : NULL;
}

char *license_join(const struct strv *operands)
{
	return join(operands, " AND ", " OR ");
}

/* NAME and NAME … */
static int read_all(struct reader *reader, struct strv *ret)
{
	int r;

	do
		r = read_name(reader, ret);
	while (r >= 0 && take(reader, TOKEN_AND));
	return r;
}

static int add_once(struct strv *list, char *text)
{
	if (text && strv_contains(list, text)) {
		free(text);
		return 0;
	}
	return strv_push(list, text);
}

static int add_all(const struct strv *operands, struct strv *ret)
{
	int r = 0;

	for (size_t i = 0; i < operands->count && r >= 0; i++)
		r = strv_contains(ret, operands->items[i]) ? 0 : strv_add(ret, operands->items[i]);
	return r;
}

/* Operands that all hold, or one of which one part is enough: … or …, without commas. */
static int read_choice(struct reader *reader, struct strv *ret)
{
	_cleanup_strv_ struct strv all = {}, choices = {};
	bool more = true;
	int r = read_all(reader, &all);

	if (r >= 0 && !take(reader, TOKEN_OR))
		return add_all(&all, ret);
	if (r >= 0)
		r = strv_push(&choices, license_join(&all));
	while (r >= 0 && more) {
		_cleanup_strv_ struct strv next = {};

		r = read_all(reader, &next);
		if (r >= 0)
			r = add_once(&choices, license_join(&next));
		more = take(reader, TOKEN_OR);
	}
	return r < 0 ? r : add_once(ret, join(&choices, " OR ", NULL));
}

/* What stands before a comma, or what stands behind it. */
static int choose(struct strv *before, const struct strv *behind)
{
	_cleanup_free_ char *one = license_join(before), *other = license_join(behind);

	if (!one || !other)
		return -ENOMEM;
	strv_release(before);
	return strv_push(before, string_format("%s OR %s", one, other));
}

int license_translate(const char *name, license_unknown_fn unknown, void *userdata, struct strv *ret)
{
	struct reader reader = {.at = name, .unknown = unknown, .userdata = userdata};
	_cleanup_strv_ struct strv operands = {};
	size_t length;
	int r;

	if (strnlen(name, LICENSE_NAME_MAX + 1) > LICENSE_NAME_MAX)
		return -EINVAL;
	r = read_choice(&reader, &operands);
	while (r >= 0 && take(&reader, TOKEN_COMMA)) {
		_cleanup_strv_ struct strv behind = {};
		bool either = take(&reader, TOKEN_OR);

		/* A comma alone is one of a list: all hold. */
		if (!either)
			(void)take(&reader, TOKEN_AND);
		r = read_choice(&reader, &behind);
		if (r >= 0)
			r = either ? choose(&operands, &behind) : add_all(&behind, &operands);
	}
	if (r >= 0 && peek(&reader, &length) != TOKEN_END)
		r = -EINVAL;
	return r < 0 ? r : add_all(&operands, ret);
}
