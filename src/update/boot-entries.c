/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/boot-entries.h"

#include <errno.h>
#include <string.h>

#include "base/string-util.h"
#include "format/release-index.h"

#define PREFIX "orlop_"
#define SUFFIX ".efi"

void boot_entry_release(struct boot_entry *entry)
{
	free(entry->name);
	free(entry->id);
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

/* Reads a number that systemd-boot can count with, and moves *at behind it. */
static bool take_number(const char **at, uint32_t *ret, unsigned *ret_digits)
{
	const char *begin = *at;
	uint64_t value = 0;

	for (; **at >= '0' && **at <= '9'; ++*at) {
		value = value * 10 + (uint64_t)(**at - '0');
		if (value > INT32_MAX)
			return false;
	}
	*ret = (uint32_t)value;
	*ret_digits = (unsigned)(*at - begin);
	return *ret_digits > 0;
}

/* Reads "LEFT.efi" or "LEFT-DONE.efi". */
static bool take_counter(const char *at, struct boot_entry *ret)
{
	struct boot_entry counter = {.counted = true};

	if (!take_number(&at, &counter.left, &counter.left_digits))
		return false;
	if (*at == '-' && (at++, !take_number(&at, &counter.done, &counter.done_digits)))
		return false;
	if (!streq(at, SUFFIX))
		return false;
	*ret = counter;
	return true;
}

static char *lower_case(const char *text)
{
	char *copy = strdup(text);

	for (char *at = copy; at && *at; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	return copy;
}

int boot_entry_parse(const char *name, struct boot_entry *ret)
{
	const char *version = startswith_nocase(name, PREFIX), *plus;
	struct boot_entry entry = {};
	int r = 0;

	if (!version || !endswith_nocase(version, SUFFIX))
		return -ENOENT;
	plus = strrchr(version, '+');
	if (plus && !take_counter(plus + 1, &entry))
		return -ENOENT; /* no version has a "+" */
	entry.name = strdup(name);
	entry.id = lower_case(name);
	entry.version = strndup(version, plus ? (size_t)(plus - version) : strlen(version) - strlen(SUFFIX));
	if (!entry.name || !entry.id || !entry.version)
		r = -ENOMEM;
	else if (!release_version_is_valid(entry.version))
		r = -ENOENT;
	if (r < 0) {
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

bool boot_entry_is_last(const struct boot_entry *entry)
{
	return entry->counted && entry->left == 0;
}

/* systemd-boot writes the number of tries begun into the name before it starts an entry that has a counter.
 */
bool boot_entry_is_staged(const struct boot_entry *entry)
{
	return boot_entry_is_last(entry) && entry->done_digits == 0;
}

bool boot_entry_is_bad(const struct boot_entry *entry)
{
	return boot_entry_is_last(entry) && !boot_entry_is_staged(entry);
}

int boot_entry_compare(const struct boot_entry *a, const struct boot_entry *b)
{
	int r;

	if (boot_entry_is_last(a) != boot_entry_is_last(b))
		return boot_entry_is_last(a) ? 1 : -1;
	r = release_version_compare(b->version, a->version);
	if (r == 0)
		r = release_version_compare(b->id, a->id);
	return r;
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

int boot_entry_read(struct fat_volume *volume, const struct boot_entry *entry, fat_bytes_fn fn,
	void *userdata, struct error **err)
{
	_cleanup_free_ char *path = path_of(entry->name);

	return path ? fat_volume_read_to(volume, path, BOOT_ENTRY_SIZE_MAX, fn, userdata, err)
		    : error_set_errno(err, -ENOMEM, "%s", entry->name);
}

/* What has been read so far. */
struct hashing {
	struct sha256 *hash;
	uint64_t size;
};

static int hash(const uint8_t *data, size_t size, void *userdata, _unused_ struct error **err)
{
	struct hashing *hashing = userdata;

	sha256_update(hashing->hash, data, size);
	hashing->size += size;
	return 0;
}

int boot_entry_is(struct fat_volume *volume, const struct boot_entry *entry, uint64_t size,
	const uint8_t sha256[SHA256_SIZE], bool *ret, struct error **err)
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	struct hashing hashing = {.hash = context};
	uint8_t digest[SHA256_SIZE];
	int r;

	if (!context)
		return error_set_errno(err, -ENOMEM, "%s", entry->name);
	r = boot_entry_read(volume, entry, hash, &hashing, err);
	if (r < 0)
		return r;
	sha256_final(context, digest);
	*ret = hashing.size == size && memcmp(digest, sha256, SHA256_SIZE) == 0;
	return 0;
}

/* ---- Changes ---- */

/* A kernel image on its way to the boot partition. */
struct copying {
	const struct block_io *image;
	const uint8_t *sha256;
	struct sha256 *hash; /* of what has been handed over */
	uint64_t at;
};

static int copy(void *data, size_t size, void *userdata, struct error **err)
{
	struct copying *copying = userdata;
	int r = block_read(copying->image, copying->at, data, size);

	if (r < 0)
		return error_set_errno(
			err, r, "reading the kernel image at byte %ju", (uintmax_t)copying->at);
	sha256_update(copying->hash, data, size);
	copying->at += size;
	return 0;
}

static int check_copied(void *userdata, struct error **err)
{
	struct copying *copying = userdata;
	uint8_t digest[SHA256_SIZE];

	sha256_final(copying->hash, digest);
	return memcmp(digest, copying->sha256, SHA256_SIZE) == 0 ? 0 : boot_image_changed(err);
}

int boot_image_changed(struct error **err)
{
	return error_set(err, -EBADMSG,
		"the kernel image is not what it was when it was fetched (is the disk failing?)");
}

int boot_entry_add(struct fat_volume *volume, const char *version, const struct block_io *image,
	const uint8_t sha256[SHA256_SIZE], int64_t time, struct error **err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	struct copying copying = {.image = image, .sha256 = sha256, .hash = context};
	const struct fat_source source = {
		.size = image->size, .read = copy, .check = check_copied, .userdata = &copying};

	if (!release_version_is_valid(version))
		return error_set(err, -EINVAL, "\"%s\" can't be the version of a boot entry", version);
	path = string_format(BOOT_ENTRIES_FOLDER "/" PREFIX "%s+0" SUFFIX, version);
	if (!path || !context)
		return error_set_errno(err, -ENOMEM, "%s", version);
	return fat_volume_create_from(volume, path, &source, time, err);
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

int boot_entry_spare(struct fat_volume *volume, const struct boot_entry *entry, struct error **err)
{
	return rename_to(volume, entry, 1, MAX(entry->done, UINT32_C(1)), err);
}

int boot_entry_remove(struct fat_volume *volume, const struct boot_entry *entry, struct error **err)
{
	_cleanup_free_ char *path = path_of(entry->name);

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", entry->name);
	return fat_volume_remove(volume, path, err);
}
