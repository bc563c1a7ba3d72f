/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/release.h"

#include <errno.h>
#include <string.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "source/deb822.h"
#include "source/package.h"

#define FILES_MAX 100000u
#define FUTURE_MAX \
	(24 * 60 * 60) /* seconds: a mirror's clock and ours may differ, and so may time zones set wrong */

struct release *release_free(struct release *release)
{
	if (!release)
		return NULL;
	for (size_t i = 0; i < release->file_count; i++)
		free(release->files[i].path);
	free(release->files);
	free(release->suite);
	free(release->codename);
	free(release);
	return NULL;
}

static int month_of(const char *name)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++)
		if (strncmp(name, months + 3 * i, 3) == 0)
			return i;
	return -1;
}

static bool zone_is_utc(const char *zone)
{
	return streq(zone, "UTC") || streq(zone, "GMT") || streq(zone, "Z") || streq(zone, "+0000");
}

int release_parse_date(const char *text, time_t *ret)
{
	struct tm tm = {}, copy;
	char month[4], zone[6];
	int end = -1;
	time_t date;

	if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d %5[A-Z+0]%n", &tm.tm_mday, month,
		    &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, zone, &end) != 7 ||
		end < 0 || text[end] != 0 || !zone_is_utc(zone))
		return -EINVAL;
	tm.tm_mon = month_of(month);
	if (tm.tm_mon < 0 || tm.tm_year < 1970)
		return -EINVAL;
	tm.tm_year -= 1900;
	copy = tm;
	date = timegm(&copy);
	/* timegm() makes "32 Jan" into "1 Feb"; here that is an error. */
	if (date == (time_t)-1 || copy.tm_mday != tm.tm_mday || copy.tm_hour != tm.tm_hour ||
		copy.tm_min != tm.tm_min || copy.tm_sec != tm.tm_sec)
		return -EINVAL;
	*ret = date;
	return 0;
}

static int take_string(const struct deb822_field *field, char **into, struct error **err)
{
	if (*into)
		return error_set(err, -EBADMSG, "line %u: %.*s a second time", field->line,
			(int)field->name_size, field->name);
	*into = deb822_value(field);
	return *into ? 0 : error_set_errno(err, -ENOMEM, "line %u", field->line);
}

static int take_date(const struct deb822_field *field, time_t *into, struct error **err)
{
	_cleanup_free_ char *value = NULL;
	int r;

	if (*into != 0)
		return error_set(err, -EBADMSG, "line %u: %.*s a second time", field->line,
			(int)field->name_size, field->name);
	r = take_string(field, &value, err);
	if (r < 0)
		return r;
	if (release_parse_date(value, into) < 0 || *into <= 0)
		return error_set(err, -EBADMSG, "line %u: \"%s\" is no date", field->line, value);
	return 0;
}

/* One entry "digest size path", of which the digest has been taken off. */
static int read_file_entry(
	const char *digest, size_t digest_size, const char **at, const char *end, struct release_file *ret)
{
	_cleanup_free_ char *number = NULL, *path = NULL;
	const char *word;
	size_t size;

	if (digest_size != 2 * SHA256_SIZE || hex_decode(digest, ret->sha256, SHA256_SIZE) < 0)
		return -EBADMSG;
	if (!deb822_word(at, end, &word, &size))
		return -EBADMSG;
	number = strndup(word, size);
	if (!number)
		return -ENOMEM;
	if (parse_u64(number, &ret->size) < 0 || !deb822_word(at, end, &word, &size))
		return -EBADMSG;
	path = strndup(word, size);
	if (!path)
		return -ENOMEM;
	if (!package_path_is_safe(path))
		return -EBADMSG;
	ret->path = TAKE_PTR(path);
	return 0;
}

static int compare_files(const void *a, const void *b)
{
	return strcmp(((const struct release_file *)a)->path, ((const struct release_file *)b)->path);
}

static int take_files(const struct deb822_field *field, struct release *release, struct error **err)
{
	const char *at = field->value, *end = at + field->value_size, *word;
	size_t size, capacity = 0;
	int r;

	if (release->files)
		return error_set(err, -EBADMSG, "line %u: SHA256 a second time", field->line);
	while (deb822_word(&at, end, &word, &size)) {
		if (release->file_count == capacity) {
			struct release_file *grown;

			capacity = capacity ? 2 * capacity : 256;
			grown = capacity <= FILES_MAX * 2
					? reallocarray(release->files, capacity, sizeof(*grown))
					: NULL;
			if (!grown)
				return error_set_errno(
					err, -ENOMEM, "more than %zu files", release->file_count);
			release->files = grown;
		}
		r = read_file_entry(word, size, &at, end, &release->files[release->file_count]);
		if (r == -ENOMEM)
			return error_set_errno(err, r, "SHA256");
		if (r < 0)
			return error_set(err, -EBADMSG, "SHA256: entry %zu (\"%.*s …\") is malformed",
				release->file_count + 1, (int)MIN(size, 64u), word);
		release->file_count++;
	}
	if (release->file_count > 1)
		qsort(release->files, release->file_count, sizeof(*release->files), compare_files);
	for (size_t i = 1; i < release->file_count; i++)
		if (compare_files(&release->files[i - 1], &release->files[i]) == 0)
			return error_set(err, -EBADMSG, "SHA256 lists %s twice", release->files[i].path);
	return 0;
}

static int take_field(const struct deb822_field *field, struct release *release, struct error **err)
{
	if (deb822_is(field, "Suite"))
		return take_string(field, &release->suite, err);
	if (deb822_is(field, "Codename"))
		return take_string(field, &release->codename, err);
	if (deb822_is(field, "Date"))
		return take_date(field, &release->date, err);
	if (deb822_is(field, "Valid-Until"))
		return take_date(field, &release->valid_until, err);
	if (deb822_is(field, "SHA256"))
		return take_files(field, release, err);
	if (deb822_is(field, "Acquire-By-Hash"))
		release->by_hash = field->value_size == 3 && memcmp(field->value, "yes", 3) == 0;
	return 0;
}

int release_parse(const char *text, size_t size, struct release **ret, struct error **err)
{
	_cleanup_release_ struct release *release = calloc(1, sizeof(*release));
	struct deb822 reader = deb822_of(text, size);
	struct deb822_field field;
	unsigned stanzas = 0;
	int event;

	if (!release)
		return error_set_errno(err, -ENOMEM, "Release");
	while ((event = deb822_next(&reader, &field, err)) != DEB822_END) {
		int r = event == DEB822_FIELD ? take_field(&field, release, err) : MIN(event, 0);

		if (r < 0)
			return r;
		if (event == DEB822_STANZA && ++stanzas > 1)
			return error_set(err, -EBADMSG,
				"line %u: a Release file has one stanza, this is another", reader.line);
	}
	if ((!release->suite && !release->codename) || release->date == 0 || !release->files)
		return error_set(
			err, -EBADMSG, "Suite or Codename, Date and SHA256 are needed, and one is missing");
	*ret = TAKE_PTR(release);
	return 0;
}

static void format_date(time_t date, char ret[32])
{
	struct tm tm;

	if (!gmtime_r(&date, &tm) || strftime(ret, 32, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		(void)snprintf(ret, 32, "(unknown)");
}

int release_check(const struct release *release, const char *suite, time_t now, struct error **err)
{
	char date[32], today[32];

	format_date(now, today);
	if ((!release->suite || !streq(release->suite, suite)) &&
		(!release->codename || !streq(release->codename, suite)))
		return error_set(err, -EINVAL,
			"is of suite %s (%s), and %s was asked for: the mirror is set up wrongly",
			release->suite ? release->suite : "?", release->codename ? release->codename : "?",
			suite);
	format_date(release->date, date);
	if (release->date > now && release->date - now > FUTURE_MAX)
		return error_set(err, -ESTALE,
			"is dated %s, in the future (it is %s here): check this machine's clock", date,
			today);
	format_date(release->valid_until, date);
	if (release->valid_until != 0 && release->valid_until < now)
		return error_set(err, -ESTALE,
			"has expired: it was valid until %s, and it is %s here. The mirror is out of date "
			"(choose another with "
			"--mirror), or this machine's clock is wrong",
			date, today);
	return 0;
}

static int compare_path(const void *path, const void *file)
{
	return strcmp(path, ((const struct release_file *)file)->path);
}

const struct release_file *release_find(const struct release *release, const char *path)
{
	return bsearch(path, release->files, release->file_count, sizeof(*release->files), compare_path);
}
