/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of sbom.h share.
 */
#pragma once

#include <jansson.h>

#include "build/sbom.h"

#define ORLOP_LICENSE "LGPL-2.1-or-later"

/* Makes the licences of all packages expressions of SPDX, from what their copyright files say. */
int sbom_find_licenses(struct sbom *sbom, struct error **err);

/* Text from outside: a string, even where it is no UTF-8. NULL where memory is out. */
json_t *sbom_text(const char *text);
json_t *sbom_hex(const uint8_t *digest, size_t size);

/* The document as text, and a newline. Takes *document* over, which may be NULL: then memory is out. */
int sbom_dump(json_t *document, struct buffer *ret, struct error **err);

/* The package URL of a binary package, of a source package; malloc()ed, NULL where memory is out. */
char *sbom_purl(const struct sbom *sbom, const struct sbom_package *from);
char *sbom_source_purl(const struct sbom *sbom, const struct sbom_source *source);

/* A field of a package's control file, NULL where it has none. */
const char *sbom_field(const struct sbom_package *package, const char *name);

/* A UUID that says which document it is: *kind*, and all that can differ between two images. */
#define SBOM_UUID_SIZE 37
int sbom_uuid(const struct sbom *sbom, const char *kind, char ret[SBOM_UUID_SIZE]);

/* "2026-11-29T00:00:00Z" */
#define SBOM_TIME_SIZE 21
void sbom_time(const struct sbom *sbom, char ret[SBOM_TIME_SIZE]);

/* "debian" and "13" of "debian-13"; the version may be empty. */
void sbom_distribution(const struct sbom *sbom, char ret_name[32], const char **ret_version);

/* Sets the mark of each package that one depends on; there is one for each. */
void sbom_dependencies(const struct sbom *sbom, size_t package, bool *marks);

/* The package that the kernel is of; SIZE_MAX where none has its name. */
size_t sbom_kernel(const struct sbom *sbom);
