/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files in a folder of release keys (release-keys.h) as they are changed.
 */
#pragma once

#include "release/repository.h"

#define ROOT_DAYS 3653 /* that a root is valid: ten years */

/* Writes a key: a new one where *from* is NULL, a copy of that file, or a line that is that URI. */
int key_file_make(const char *path, const char *from, struct error **err);

/* Keeps a file as PATH.VERSION, too. One that is there from an interrupted call is the same file. */
int key_file_keep(const char *path, uint64_t version, struct error **err);

/* Makes the repository's newest root that of the keys; theirs stays as root.json.N. */
int key_files_renew_root(const struct repository *repository, const char *keys, struct error **err);
