/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/boot-entries.h"

#include <errno.h>
#include <string.h>

#include "base/string-util.h"
#include "format/release-index.h"

#define PREFIX "orlop_"
#define SUFFIX ".efi"
#define COUNTER_DIGITS_MAX 9 /* so a counter fits 32 bits */

void boot_entry_release(struct boot_entry *entry)
{
	free(entry->name);
	free(entry->version);
	*entry = (struct boot_entry){};
}

void boot_entries_release(struct boot_entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		boot_entry_release(&entries->items[i]);
	free(entries->items);
	*entries = (struct boot_entries){};
}

/* ---- Names ---- */

/* Reads digits at the end of text[0…*length] and shortens *length* by them. Returns false where there are
 * none. */
static bool take_number(const char *text, size_t *length, uint32_t *ret, unsigned *ret_digits)
{
	size_t end = *length, begin = end;

	while (begin > 0 && text[begin - 1] >= '0' && text[begin - 1] <= '9')
		begin--;
	if (begin == end || end - begin > COUNTER_DIGITS_MAX)
		return false;
	*ret = 0;
	for (size_t i = begin; i < end; i++)
		*ret = *ret * 10 + (uint32_t)(text[i] - '0');
	*ret_digits = (unsigned)(end - begin);
	*length = begin;
	return true;
}

static bool take_character(const char *text, size_t *length, char c)
{
	if (*length == 0 || text[*length - 1] != c)
		return false;
	--*length;
	return true;
}

/* Reads "+LEFT" or "+LEFT-DONE" at the end of text[0…*length]. A text that ends otherwise has no counter. */
static void take_counter(const char *text, size_t *length, struct boot_entry *ret)
{
	struct boot_entry counter = {.counted = true};
	size_t rest = *length;

	if (!take_number(text, &rest, &counter.left, &counter.left_digits))
		return;
	if (take_character(text, &rest, '-')) {
		counter.done = counter.left;
		counter.done_digits = counter.left_digits;
		if (!take_number(text, &rest, &counter.left, &counter.left_digits))
			return;
	}
	if (!take_character(text, &rest, '+'))
		return;
	*ret = counter;
	*length = rest;
}

int boot_entry_parse(const char *name, struct boot_entry *ret)
{
	const char *rest = startswith_nocase(name, PREFIX);
	struct boot_entry entry = {};
	size_t length;

	if (!rest || strlen(rest) <= strlen(SUFFIX) || !endswith_nocase(rest, SUFFIX))
		return -ENOENT;
	length = strlen(rest) - strlen(SUFFIX);
	take_counter(rest, &length, &entry);
	entry.name = strdup(name);
	entry.version = strndup(rest, length);
	if (!entry.name || !entry.version || !release_version_is_valid(entry.version)) {
		int r = entry.name && entry.version ? -ENOENT : -ENOMEM;

		boot_entry_release(&entry);
		return r;
	}
	*ret = entry;
	return 0;
}

/* Writes an entry's name with another counter; *left* UINT32_MAX: without one. */
static char *name_with(const struct boot_entry *entry, uint32_t left, uint32_t done)
{
	int left_digits = (int)MAX(entry->left_digits, 1u), done_digits = (int)MAX(entry->done_digits, 1u);

	if (left == UINT32_MAX)
		return string_format(PREFIX "%s" SUFFIX, entry->version);
	return string_format(
		PREFIX "%s+%0*u-%0*u" SUFFIX, entry->version, left_digits, left, done_digits, done);
}

/* ---- Order ---- */

bool boot_entry_is_bad(const struct boot_entry *entry)
{
	return entry->counted && entry->left == 0;
}

int boot_entry_compare(const struct boot_entry *a, const struct boot_entry *b)
{
	uint32_t left_a = a->counted ? a->left : UINT32_MAX, left_b = b->counted ? b->left : UINT32_MAX;
	int version;

	if (boot_entry_is_bad(a) != boot_entry_is_bad(b))
		return boot_entry_is_bad(a) ? 1 : -1;
	version = release_version_compare(b->version, a->version);
	if (version != 0)
		return version;
	if (left_a != left_b)
		return left_a > left_b ? -1 : 1;
	return a->done < b->done ? -1 : a->done > b->done;
}

static int compare_items(const void *a, const void *b)
{
	return boot_entry_compare(a, b);
}

/* ---- What is there ---- */

static int collect(const struct fat_entry *file, void *userdata)
{
	struct boot_entries *entries = userdata;
	struct boot_entry entry = {};
	int r;

	if (file->is_folder)
		return 0;
	r = boot_entry_parse(file->name, &entry);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (entries->count == BOOT_ENTRIES_MAX) {
		boot_entry_release(&entry);
		return -E2BIG;
	}
	entry.size = file->size;
	entries->items[entries->count++] = entry;
	return 0;
}

int boot_entries_read(struct fat_volume *volume, struct boot_entries *ret, struct error **err)
{
	struct boot_entries entries = {.items = calloc(BOOT_ENTRIES_MAX, sizeof(*entries.items))};
	_cleanup_error_ struct error *why = NULL;
	int r;

	if (!entries.items)
		return error_set_errno(err, -ENOMEM, "boot entries");
	r = fat_volume_list(volume, BOOT_ENTRIES_FOLDER, collect, &entries, &why);
	if (r < 0) {
		boot_entries_release(&entries);
		if (!why)
			return error_set_errno(err, r, "boot entries in %s", BOOT_ENTRIES_FOLDER);
		error_move(err, TAKE_PTR(why));
		return r;
	}
	qsort(entries.items, entries.count, sizeof(*entries.items), compare_items);
	*ret = entries;
	return 0;
}

static char *path_of(const char *name)
{
	return string_format(BOOT_ENTRIES_FOLDER "/%s", name);
}

int boot_entry_read(
	struct fat_volume *volume, const struct boot_entry *entry, struct buffer *ret, struct error **err)
{
	_cleanup_free_ char *path = path_of(entry->name);

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", entry->name);
	return fat_volume_read(volume, path, BOOT_ENTRY_SIZE_MAX, ret, err);
}

/* ---- Changes ---- */

int boot_entry_add(struct fat_volume *volume, const char *version, unsigned tries, const void *data,
	size_t size, int64_t time, struct error **err)
{
	const struct boot_entry entry = {.version = (char *)version};
	_cleanup_free_ char *name = NULL, *path = NULL;

	if (!release_version_is_valid(version) || tries > BOOT_ENTRY_TRIES_MAX)
		return error_set(err, -EINVAL, "\"%s\" with %u tries can't be a boot entry", version, tries);
	name = tries > 0 ? string_format(PREFIX "%s+%u" SUFFIX, version, tries)
			 : name_with(&entry, UINT32_MAX, 0);
	path = name ? path_of(name) : NULL;
	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", version);
	return fat_volume_create(volume, path, data, size, time, err);
}

static int rename_to(struct fat_volume *volume, const struct boot_entry *entry, uint32_t left, uint32_t done,
	struct error **err)
{
	_cleanup_free_ char *path = path_of(entry->name), *name = name_with(entry, left, done);

	if (!path || !name)
		return error_set_errno(err, -ENOMEM, "%s", entry->name);
	return fat_volume_rename(volume, path, name, err);
}

int boot_entry_bless(struct fat_volume *volume, const struct boot_entry *entry, struct error **err)
{
	return rename_to(volume, entry, UINT32_MAX, 0, err);
}

int boot_entry_demote(struct fat_volume *volume, const struct boot_entry *entry, struct error **err)
{
	return rename_to(volume, entry, 0, entry->counted ? entry->done : 0, err);
}

int boot_entry_retry(
	struct fat_volume *volume, const struct boot_entry *entry, unsigned tries, struct error **err)
{
	if (tries == 0 || tries > BOOT_ENTRY_TRIES_MAX)
		return error_set(err, -EINVAL, "%u tries can't be counted", tries);
	return rename_to(volume, entry, tries, 0, err);
}

int boot_entry_remove(struct fat_volume *volume, const struct boot_entry *entry, struct error **err)
{
	_cleanup_free_ char *path = path_of(entry->name);

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", entry->name);
	return fat_volume_remove(volume, path, err);
}
