/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * signing.json: what a folder of signatures that are still to be made is of. Format: docs/formats/signing.md.
 *
 * The folder goes to whoever has the keys and comes back: nothing of it is believed.
 */
#pragma once

#include <jansson.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/sha256.h"
#include "format/signing.h"

#define SIGNING_JSON "signing.json"
#define SIGNING_JSON_MAX KiB(256)
#define SIGNING_FILES_MAX 64
#define SIGNING_FILE_NAME_MAX 128 /* letters, digits, ".", "_" and "-"; no "." at the beginning */

/* A file of the folder. */
struct signing_file {
	char *name;
	uint64_t size;
	uint8_t sha256[SHA256_SIZE];
};

struct signing_folder {
	char *edition, *version, *architecture;
	uint8_t root_hash[SHA256_SIZE];
	struct {
		uint64_t esp, usr, verity, signature, state; /* as in a definition, bytes */
		unsigned formats; /* beside raw: bits by the numbers of format/disk-format.h */
	} disk;
	struct signing_file *files; /* all but signing.json itself and the signatures */
	size_t file_count;
	json_t *requests; /* as signing_folder_write() made them; compared, and not read */
};

void signing_folder_release(struct signing_folder *folder);
#define _cleanup_signing_folder_ _cleanup_(signing_folder_release)

/* Returns 0 or -ENOMEM. */
int signing_folder_add(struct signing_folder *folder, const char *name, uint64_t size,
	const uint8_t sha256[SHA256_SIZE], struct error **err);

/* The file of that name; NULL. */
const struct signing_file *signing_folder_find(const struct signing_folder *folder, const char *name);

/* Which file of the folder is a signer's certificate. */
struct signing_certificates {
	const struct signer *const *signers;
	const char *const *names;
	size_t count;
};

/* Appends the text. Returns 0 or -ENOMEM. */
int signing_folder_write(const struct signing_folder *folder, const struct signing *signing,
	const struct signing_certificates *certificates, struct buffer *ret, struct error **err);

/* Whether the text asked for just these signatures: 0; -EBADMSG; -ENOMEM. */
int signing_folder_compare(const struct signing_folder *folder, const struct signing *signing,
	const struct signing_certificates *certificates, struct error **err);

/* Returns 0; -EBADMSG with the member that is wrong; -ENOMEM. *ret* is released by the caller. */
int signing_folder_parse(const void *data, size_t size, struct signing_folder *ret, struct error **err);
