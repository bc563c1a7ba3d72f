/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Boot entries of releases: the kernel images on the boot partition, and the counters in their names by which
 * systemd-boot gives a new release some tries and then falls back.
 *
 *     EFI/Linux/orlop_VERSION.efi            good
 *     EFI/Linux/orlop_VERSION+0.efi          staged: waits to be given tries; until then as a bad one
 *     EFI/Linux/orlop_VERSION+LEFT-DONE.efi  on trial: so many tries left, so many begun
 *     EFI/Linux/orlop_VERSION+0-DONE.efi     bad: none left; starts only where nothing else can
 *
 * Format: UAPI Group, "Boot Loader Specification", Boot Counting; systemd, "Automatic Boot Assessment";
 * docs/formats/boot-entries.md. Each change is one that a power cut does not halve (format/fat-edit.h).
 */
#pragma once

#include "base/sha256.h"
#include "format/fat-edit.h"

#define BOOT_ENTRIES_FOLDER "EFI/Linux"
#define BOOT_ENTRIES_MAX 64	/* that are looked at */
#define BOOT_ENTRY_TRIES_MAX 99 /* that an entry is given */
#define BOOT_ENTRY_SIZE_MAX MiB(256)

struct boot_entry {
	char *name;    /* of the file */
	char *id;      /* the same in lower case: what systemd-boot 257 tells entries apart by */
	char *version; /* without counter */
	bool counted;
	uint32_t left, done;		   /* tries, where it is counted */
	unsigned left_digits, done_digits; /* that the counter's numbers have; a change keeps them */
	uint32_t size;			   /* bytes */
};

struct boot_entries {
	struct boot_entry *items; /* in the order of boot_entry_compare() */
	size_t count;
};

void boot_entries_release(struct boot_entries *entries);

/*
 * Takes the name of a file apart, counter and all as systemd-boot does: numbers of any length up to
 * 2147483647, and the suffix behind a counter in lower case. Returns 0 with *ret* (size 0), which the caller
 * releases with boot_entry_release(); -ENOENT where it is no name of a release's entry; -ENOMEM.
 */
int boot_entry_parse(const char *name, struct boot_entry *ret);
void boot_entry_release(struct boot_entry *entry);

/* True where no try is left, or none was given yet: the boot loader starts it only where nothing else can. */
bool boot_entry_is_last(const struct boot_entry *entry);

/* Of these: true where the tries were used up, or taken away. */
bool boot_entry_is_bad(const struct boot_entry *entry);

/* Of these: true where it was never given any, and never started. */
bool boot_entry_is_staged(const struct boot_entry *entry);

/*
 * The order in which systemd-boot 257 prefers entries of one edition (their os-release has the same IMAGE_ID,
 * and the version of the name): bad and staged ones last; then the newest version first. Two of one version,
 * which nobody should make, go by what else is in the name, counter included: "+3" before "+2", that before
 * "+2-1", and no counter last; from systemd 258 on that is otherwise. Below 0: *a* comes first. 0: the
 * folder's order decides.
 */
int boot_entry_compare(const struct boot_entry *a, const struct boot_entry *b);

/*
 * Reads all entries of releases; other files are nobody's affair here. Which one starts next is the first.
 * -ENOENT where there is no such folder, -E2BIG above BOOT_ENTRIES_MAX.
 */
int boot_entries_read(struct fat_volume *volume, struct boot_entries *ret, struct error **err);

/* Hands on the bytes of an entry's kernel image. The errors of fat_volume_read_to(). */
int boot_entry_read(struct fat_volume *volume, const struct boot_entry *entry, fat_bytes_fn fn,
	void *userdata, struct error **err);

/* Whether an entry's kernel image has this size, in bytes, and digest. It is read piece by piece. Returns 0
 * with *ret*; the errors of boot_entry_read(); -ENOMEM. */
int boot_entry_is(struct fat_volume *volume, const struct boot_entry *entry, uint64_t size,
	const uint8_t sha256[SHA256_SIZE], bool *ret, struct error **err);

/*
 * Adds a release's entry, staged, there with all its bytes or not at all. They are those of *image*, read
 * piece by piece and hashed as they are written: there is no entry unless they have the digest *sha256*.
 * *time* is that of the file, in seconds since 1970.
 *
 * Returns 0; -EBADMSG where the digest is another, or what reading *image* returned: nothing that is in use
 * was changed then; the errors of fat_volume_create().
 */
int boot_entry_add(struct fat_volume *volume, const char *version, const struct block_io *image,
	const uint8_t sha256[SHA256_SIZE], int64_t time, struct error **err);

/* Says that a kernel image has not the digest that it had. Returns -EBADMSG. */
int boot_image_changed(struct error **err);

/* The entry has proved itself: it loses its counter. */
int boot_entry_bless(struct fat_volume *volume, const struct boot_entry *entry, struct error **err);

/* The entry becomes bad, and so the last resort; the number of tries begun is kept. */
int boot_entry_demote(struct fat_volume *volume, const struct boot_entry *entry, struct error **err);

/* The entry gets *tries* tries from the beginning. */
int boot_entry_retry(
	struct fat_volume *volume, const struct boot_entry *entry, unsigned tries, struct error **err);

/* The entry, which was begun before, gets one more try. */
int boot_entry_spare(struct fat_volume *volume, const struct boot_entry *entry, struct error **err);

int boot_entry_remove(struct fat_volume *volume, const struct boot_entry *entry, struct error **err);
