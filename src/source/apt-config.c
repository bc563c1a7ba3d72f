/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/apt-config.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/process.h"
#include "base/string-util.h"
#include "source/deb822.h"

#define FILE_MAX MiB(1)
#define DEBIAN_KEYRING "debian-archive"

/* A piece of the text of a file. */
struct piece {
	const char *at;
	size_t size;
};

/* What one line or stanza says. */
struct entry {
	struct piece types, uris, components, signed_by;
	bool disabled;
};

void apt_config_release(struct apt_config *config)
{
	free(config->mirror);
	free(config->security);
	free(config->proxy);
	*config = (struct apt_config){};
}

static bool piece_has_word(struct piece piece, const char *word)
{
	const char *at = piece.at, *found;
	size_t size;

	while (at && deb822_word(&at, piece.at + piece.size, &found, &size))
		if (size == strlen(word) && memcmp(found, word, size) == 0)
			return true;
	return false;
}

static bool piece_contains(struct piece piece, const char *text)
{
	return piece.at && memmem(piece.at, piece.size, text, strlen(text));
}

/* True where a part of the URL's path is *name*. */
static bool url_has_part(const char *url, const char *name)
{
	size_t size = strlen(name);

	for (const char *at = strstr(url, name); at; at = strstr(at + 1, name))
		if (at > url && at[-1] == '/' && (at[size] == '/' || at[size] == 0))
			return true;
	return false;
}

/* An URL as apt writes it becomes one that libcurl takes: apt has "file:/path" too. Without "/" at its end.
 */
static char *normal_url(const char *url, size_t size)
{
	const char *slashes = "";
	char *normal;

	while (size > 0 && url[size - 1] == '/')
		size--;
	if (size > 6 && memcmp(url, "file:/", 6) == 0 && url[6] != '/')
		slashes = "//", url += 5, size -= 5;
	normal = *slashes ? string_format("file:%s%.*s", slashes, (int)size, url) : strndup(url, size);
	return normal;
}

static int take_url(struct apt_config *config, const char *word, size_t size)
{
	_cleanup_free_ char *url = normal_url(word, size);

	if (!url)
		return -ENOMEM;
	if (!startswith(url, "http://") && !startswith(url, "https://") && !startswith(url, "file:/"))
		return 0;
	if (url_has_part(url, "debian-security")) {
		if (!config->security)
			config->security = TAKE_PTR(url);
	} else if (url_has_part(url, "debian") && !config->mirror) {
		config->mirror = TAKE_PTR(url);
	}
	return 0;
}

/* *debian_key*: take what names Debian's keyring; otherwise what names no key. */
static int take_entry(struct apt_config *config, const struct entry *entry, bool debian_key)
{
	const char *at = entry->uris.at, *word;
	size_t size;

	if (entry->disabled || !entry->uris.at || !piece_has_word(entry->types, "deb") ||
		!piece_has_word(entry->components, "main"))
		return 0;
	if (debian_key ? !piece_contains(entry->signed_by, DEBIAN_KEYRING) : entry->signed_by.at != NULL)
		return 0;
	while (deb822_word(&at, entry->uris.at + entry->uris.size, &word, &size)) {
		int r = take_url(config, word, size);

		if (r < 0)
			return r;
	}
	return 0;
}

/* "deb [option=value …] uri suite component…" */
static bool read_line(const char *at, const char *end, struct entry *ret)
{
	const char *close;
	struct piece suite;

	*ret = (struct entry){};
	if (!deb822_word(&at, end, &ret->types.at, &ret->types.size))
		return false;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	if (at < end && *at == '[') {
		close = memchr(at, ']', (size_t)(end - at));
		if (!close)
			return false;
		ret->signed_by = (struct piece){at, (size_t)(close - at)};
		if (!piece_contains(ret->signed_by, "signed-by="))
			ret->signed_by = (struct piece){};
		at = close + 1;
	}
	if (!deb822_word(&at, end, &ret->uris.at, &ret->uris.size) ||
		!deb822_word(&at, end, &suite.at, &suite.size))
		return false;
	ret->components = (struct piece){at, (size_t)(end - at)};
	return true;
}

int apt_config_take_list(struct apt_config *config, const char *text, size_t size, bool debian_key)
{
	const char *end = text + size;

	for (const char *line = text, *next; line < end; line = next) {
		const char *stop = memchr(line, '\n', (size_t)(end - line)), *comment;
		struct entry entry;
		int r = 0;

		stop = stop ? stop : end;
		next = stop < end ? stop + 1 : end;
		comment = memchr(line, '#', (size_t)(stop - line));
		if (read_line(line, comment ? comment : stop, &entry))
			r = take_entry(config, &entry, debian_key);
		if (r < 0)
			return r;
	}
	return 0;
}

static void take_field(struct entry *entry, const struct deb822_field *field)
{
	struct piece value = {field->value, field->value_size};

	if (deb822_is(field, "Types"))
		entry->types = value;
	else if (deb822_is(field, "URIs"))
		entry->uris = value;
	else if (deb822_is(field, "Components"))
		entry->components = value;
	else if (deb822_is(field, "Signed-By"))
		entry->signed_by = value;
	else if (deb822_is(field, "Enabled"))
		entry->disabled = piece_has_word(value, "no") || piece_has_word(value, "false") ||
				  piece_has_word(value, "0") || piece_has_word(value, "off");
}

int apt_config_take_deb822(struct apt_config *config, const char *text, size_t size, bool debian_key)
{
	struct deb822 reader = deb822_of(text, size);
	struct deb822_field field;
	struct entry entry = {};
	int event, r = 0;

	while (r >= 0 && (event = deb822_next(&reader, &field, NULL)) != DEB822_END) {
		if (event < 0)
			return event;
		if (event == DEB822_FIELD) {
			take_field(&entry, &field);
			continue;
		}
		r = take_entry(config, &entry, debian_key);
		entry = (struct entry){};
	}
	return r;
}

static int take_file(struct apt_config *config, const char *path, bool debian_key)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	if (file_read(path, FILE_MAX, &text, &size, NULL) < 0)
		return 0;
	r = endswith(path, ".sources") ? apt_config_take_deb822(config, text, size, debian_key)
				       : apt_config_take_list(config, text, size, debian_key);
	return r == -ENOMEM ? r : 0;
}

static int list_files(const char *folder, struct strv *ret)
{
	_cleanup_free_ char *parts = string_format("%s/sources.list.d", folder);
	_cleanup_strv_ struct strv found = {};
	struct dirent *entry;
	DIR *dir;
	int r;

	if (!parts)
		return -ENOMEM;
	r = strv_addf(ret, "%s/sources.list", folder);
	dir = opendir(parts);
	while (dir && r >= 0 && (entry = readdir(dir)))
		if (endswith(entry->d_name, ".list") || endswith(entry->d_name, ".sources"))
			r = strv_addf(&found, "%s/%s", parts, entry->d_name);
	if (dir)
		(void)closedir(dir);
	strv_sort_unique(&found);
	for (size_t i = 0; i < found.count && r >= 0; i++)
		r = strv_add(ret, found.items[i]);
	return r;
}

int apt_config_read_sources(const char *folder, struct apt_config *config, struct error **err)
{
	_cleanup_strv_ struct strv files = {};
	int r;

	r = list_files(folder, &files);
	for (size_t i = 0; i < files.count && r >= 0; i++)
		r = take_file(config, files.items[i], true);
	for (size_t i = 0; i < files.count && r >= 0; i++)
		r = take_file(config, files.items[i], false);
	return r < 0 ? error_set_errno(err, r, "%s", folder) : 0;
}

int apt_config_read_proxy(struct apt_config *config, struct error **err)
{
	static const char *const arguments[] = {
		"apt-config", "dump", "--format", "%f %v%n", "Acquire::http::Proxy", NULL};
	_cleanup_process_result_ struct process_result result = {};
	const char *value;

	if (process_run(arguments, NULL, 0, FILE_MAX, &result, NULL) < 0 || result.status != 0)
		return 0;
	buffer_append_u8(&result.output, 0);
	if (buffer_failed(&result.output))
		return error_set_errno(err, -ENOMEM, "apt-config");
	value = startswith((char *)result.output.data, "Acquire::http::Proxy ");
	if (!value || *value == '\n' || startswith(value, "DIRECT\n"))
		return 0;
	config->proxy = strndup(value, strcspn(value, "\n"));
	return config->proxy ? 0 : error_set_errno(err, -ENOMEM, "apt-config");
}
