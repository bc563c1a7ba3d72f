/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/lock.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/encoding.h"
#include "base/file.h"
#include "format/deb-version.h"
#include "format/json-read.h"
#include "format/version.h"

#define TEXT_MAX 1024	/* bytes of a name, a version or a path */
#define DEB_MAX GiB(16) /* bytes of a package, and of what is in it */
#define READER "orlop build"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

void lock_release(struct lock *lock)
{
	free(lock->edition);
	free(lock->architecture);
	free(lock->suite);
	free(lock->version);
	strv_release(&lock->wanted);
	strv_release(&lock->boot_wanted);
	strv_release(&lock->absent);
	package_list_release(&lock->packages);
	package_list_release(&lock->boot_packages);
	*lock = (struct lock){};
}

/* ---- Reading ---- */

/* A string of at least one of these characters and of no others. */
static int read_word(const struct json_place *place, const char *member, const char *characters, char **ret,
	struct error **err)
{
	const char *text = NULL;
	int r = json_read_string(place, member, TEXT_MAX, &text, err);

	if (r < 0)
		return r;
	if (!*text || text[strspn(text, characters)])
		return json_fault(place, member, "has other characters than it may have", err);
	*ret = strdup(text);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "lock");
}

static int read_path(const struct json_place *place, const char *member, char **ret, struct error **err)
{
	int r = read_word(place, member, LOWER UPPER DIGITS "/._+~%:-", ret, err);

	return r < 0			    ? r
	       : package_path_is_safe(*ret) ? 0
					    : json_fault(place, member, "not a path below an archive", err);
}

static int read_package(
	const struct json_place *place, const char *architecture, struct package *ret, struct error **err)
{
	static const char names[] = LOWER DIGITS "+.-", versions[] = LOWER UPPER DIGITS ".+~:-",
			  suites[] = LOWER UPPER DIGITS ".-/";
	int r = json_read_object(place, err);

	if (r == 0)
		r = read_word(place, "name", names, &ret->name, err);
	if (r == 0)
		r = read_word(place, "version", versions, &ret->version, err);
	if (r == 0)
		r = read_word(place, "architecture", names, &ret->architecture, err);
	if (r == 0 && !streq(ret->architecture, architecture) && !streq(ret->architecture, "all"))
		r = json_fault(place, "architecture", "neither that of the lock nor \"all\"", err);
	if (r == 0)
		r = read_word(place, "source", names, &ret->source, err);
	if (r == 0)
		r = read_word(place, "source_version", versions, &ret->source_version, err);
	if (r == 0)
		r = read_word(place, "suite", suites, &ret->suite, err);
	if (r == 0)
		r = read_word(place, "component", suites, &ret->component, err);
	if (r == 0)
		r = read_path(place, "file", &ret->file, err);
	if (r == 0)
		r = json_read_number(place, "size", 1, DEB_MAX, &ret->size, err);
	if (r == 0)
		r = json_read_number(place, "installed_size", 0, DEB_MAX, &ret->installed_size, err);
	if (r == 0)
		r = read_word(place, "why", LOWER DIGITS "+.-> ", &ret->why, err);
	return r < 0 ? r : json_read_hex(place, "sha256", ret->sha256, SHA256_SIZE, err);
}

static int read_packages(const struct json_place *document, const char *member, const char *architecture,
	struct package_list *ret, struct error **err)
{
	const json_t *array = NULL;
	int r = json_read_array(document, member, LOCK_PACKAGES_MAX, &array, err);

	if (r < 0)
		return r;
	assert(architecture);
	ret->items = calloc(json_array_size(array) + 1, sizeof(*ret->items));
	for (size_t i = 0; i < json_array_size(array) && ret->items; i++) {
		_cleanup_free_ char *path = string_format("%s[%zu].", member, i);
		const struct json_place place = {json_array_get(array, i), path};

		if (!path)
			return error_set_errno(err, -ENOMEM, "lock");
		r = read_package(&place, architecture, &ret->items[ret->count++], err);
		if (r == 0 && i > 0 && strcmp(ret->items[i - 1].name, ret->items[i].name) >= 0)
			r = json_fault(&place, "name", "not behind the one before it", err);
		if (r < 0)
			return r;
	}
	return ret->items ? 0 : error_set_errno(err, -ENOMEM, "lock");
}

static int read_names(
	const struct json_place *place, const char *member, struct strv *ret, struct error **err)
{
	const json_t *array = NULL;
	int r = json_read_array(place, member, LOCK_PACKAGES_MAX, &array, err);

	for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
		const char *name = json_string_value(json_array_get(array, i));

		if (!name || !*name || strlen(name) > TEXT_MAX || string_has_control(name))
			return json_fault(place, member, "not a list of names", err);
		if (strv_add(ret, name) < 0)
			r = error_set_errno(err, -ENOMEM, "lock");
	}
	return r;
}

static int read_wanted(const struct json_place *document, struct lock *ret, struct error **err)
{
	const struct json_place wanted = {json_object_get(document->json, "wanted"), "wanted."};
	int r = json_read_object(&wanted, err);

	if (r == 0)
		r = read_names(&wanted, "packages", &ret->wanted, err);
	if (r == 0)
		r = read_names(&wanted, "boot_packages", &ret->boot_wanted, err);
	return r < 0 ? r : read_names(&wanted, "absent", &ret->absent, err);
}

static int read_version(const struct json_place *document, char **ret, struct error **err)
{
	const char *text = NULL;
	int64_t day;
	int r = json_read_string(document, "version", TEXT_MAX, &text, err);

	if (r < 0)
		return r;
	if (version_time(text, &day, NULL) < 0)
		return json_fault(document, "version", "not of the form YYYYMM.DD.N", err);
	*ret = strdup(text);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "lock");
}

/* Whether *wanted*, NAME or NAME=VERSION, is that package. A name that others provide can't be asked for. */
static bool is_wanted(const char *wanted, const struct package *package)
{
	const char *rest = startswith(wanted, package->name);

	return rest && (!*rest || (*rest == '=' && deb_version_compare(rest + 1, package->version) == 0));
}

/* That there is a package for each that was asked for. */
static int check_wanted(const struct strv *wanted, const char *member, const struct package_list *packages,
	struct error **err)
{
	for (size_t i = 0; i < wanted->count; i++) {
		bool found = false;

		for (size_t k = 0; k < packages->count && !found; k++)
			found = is_wanted(wanted->items[i], &packages->items[k]);
		if (!found)
			return error_set(
				err, -EBADMSG, "%s: lacks \"%s\", which is wanted", member, wanted->items[i]);
	}
	return 0;
}

static int read_lock(const struct json_place *document, struct lock *ret, struct error **err)
{
	static const char words[] = LOWER UPPER DIGITS "._-/";
	int r = json_read_format(document, READER, err);

	if (r == 0)
		r = read_word(document, "edition", words, &ret->edition, err);
	if (r == 0)
		r = read_word(document, "architecture", words, &ret->architecture, err);
	if (r == 0)
		r = read_word(document, "suite", words, &ret->suite, err);
	if (r == 0)
		r = read_version(document, &ret->version, err);
	if (r == 0)
		r = read_wanted(document, ret, err);
	if (r == 0)
		r = read_packages(document, "packages", ret->architecture, &ret->packages, err);
	if (r == 0)
		r = read_packages(document, "boot_packages", ret->architecture, &ret->boot_packages, err);
	if (r == 0)
		r = check_wanted(&ret->wanted, "packages", &ret->packages, err);
	return r < 0 ? r : check_wanted(&ret->boot_wanted, "boot_packages", &ret->boot_packages, err);
}

int lock_parse(const void *data, size_t size, struct lock *ret, struct error **err)
{
	_cleanup_lock_ struct lock lock = {};
	_cleanup_json_ json_t *json = NULL;
	struct json_place document = {.path = ""};
	int r = json_read_document(data, size, LOCK_MAX, &json, err);

	document.json = json;
	if (r == 0)
		r = read_lock(&document, &lock, err);
	if (r < 0)
		return r;
	*ret = lock;
	lock = (struct lock){};
	return 0;
}

int lock_read(const char *path, struct lock *ret, struct error **err)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = file_read(path, LOCK_MAX, &text, &size, err);

	if (r < 0)
		return r;
	r = lock_parse(text, size, ret, err);
	return r < 0 ? (error_wrap(err, "%s", path), r) : 0;
}

/* ---- Writing ---- */

static json_t *package_json(const struct package *package)
{
	char sha256[SHA256_HEX_SIZE];

	hex_encode(package->sha256, SHA256_SIZE, sha256);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:s}", "name",
		package->name, "version", package->version, "architecture", package->architecture, "source",
		package->source, "source_version", package->source_version, "suite", package->suite,
		"component", package->component, "file", package->file, "size", (json_int_t)package->size,
		"installed_size", (json_int_t)package->installed_size, "sha256", sha256, "why", package->why);
}

static json_t *packages_json(const struct package_list *packages)
{
	json_t *array = json_array();

	for (size_t i = 0; i < packages->count; i++)
		if (json_array_append_new(array, package_json(&packages->items[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static json_t *names_json(const struct strv *names)
{
	json_t *array = json_array();

	for (size_t i = 0; i < names->count; i++)
		if (json_array_append_new(array, json_string(names->items[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static json_t *lock_json(const struct lock *lock)
{
	return json_pack("{s:i, s:s, s:s, s:s, s:s, s:{s:o, s:o, s:o}, s:o, s:o}", "format", 1, "edition",
		lock->edition, "architecture", lock->architecture, "suite", lock->suite, "version",
		lock->version, "wanted", "packages", names_json(&lock->wanted), "boot_packages",
		names_json(&lock->boot_wanted), "absent", names_json(&lock->absent), "packages",
		packages_json(&lock->packages), "boot_packages", packages_json(&lock->boot_packages));
}

int lock_write(const struct lock *lock, struct buffer *ret, struct error **err)
{
	_cleanup_lock_ struct lock again = {};
	_cleanup_json_ json_t *json = lock_json(lock);
	_cleanup_free_ char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
	int r;

	if (!text)
		return error_set_errno(err, -ENOMEM, "lock");
	/* What is written must be such as is read. */
	r = lock_parse(text, strlen(text), &again, err);
	if (r == -EBADMSG)
		return error_wrap(err, "lock"), -EINVAL;
	if (r < 0)
		return r;
	buffer_append_string(ret, text);
	buffer_append_u8(ret, '\n');
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "lock") : 0;
}
