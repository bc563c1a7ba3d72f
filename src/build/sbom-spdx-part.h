/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files share that write SPDX 2.3. Functions that fill an object return 0, or a negative number
 * where memory is out.
 */
#pragma once

#include "build/sbom-part.h"

/* Identifiers of a document have letters, digits, "." and "-" (3.2). */
typedef char spdx_id[320];

const char *spdx_package_id(const struct sbom_package *package, spdx_id ret);
const char *spdx_source_id(const struct sbom_source *source, spdx_id ret);

/* Of the path's digest: the same in every release. Returns 0 or -ENOMEM. */
int spdx_file_id(const struct sbom_file *file, spdx_id ret);

/* The checksum of a package or file; NULL where memory is out. */
json_t *spdx_checksum(const uint8_t digest[SHA256_SIZE]);

/* A package with what every one has (7.1, 7.2, 7.7, 7.8, 7.13, 7.15, 7.17). *license* may be NULL: unknown.
 * NULL where memory is out. */
json_t *spdx_package_new(const char *id, const char *name, const char *version, const char *license);

/* Adds what the control file and the copyright file of a binary package say. */
int spdx_fill_package(const struct sbom *sbom, const struct sbom_package *from, json_t *package);

/* Adds the package URL. Takes *purl* over; NULL, where memory was out, is an error. */
int spdx_put_purl(json_t *package, char *purl);

/* Adds the code of the image's files that are of *package*, as struct sbom_file has it (7.9); nothing where
 * there is none. */
int spdx_put_verification_code(const struct sbom *sbom, size_t package, json_t *object);
