/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading JSON documents of our own, member by member: each function takes one member of an object and says
 * by its path which one is missing or wrong ("releases[3].version: not a version").
 *
 * Format: RFC 8259, without names that occur twice in one object, and without NUL in strings.
 */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "format/canonical-json.h"

/* An object within a document. */
struct json_place {
	const json_t *json;
	const char *path; /* what stands before its members' names: "", "uki.", "releases[3]." */
};

/*
 * Reads a document of at most *max* bytes whose outermost value is an object. Returns 0; -EBADMSG; -ENOMEM.
 * The caller releases *ret* with json_decref().
 */
int json_read_document(const void *data, size_t size, uint64_t max, json_t **ret, struct error **err);

/*
 * Checks the member "format": documents are of format 1. Returns 0, or -EBADMSG; for a higher number *err*
 * says that a newer *reader* is needed.
 */
int json_read_format(const struct json_place *place, const char *reader, struct error **err);

/* Sets *err* to "PATHMEMBER: WHAT"; returns -EBADMSG. */
int json_fault(const struct json_place *place, const char *member, const char *what, struct error **err);

/* Each returns 0 or, where the member is missing, of another type or out of bounds, -EBADMSG. */
int json_read_number(const struct json_place *place, const char *member, uint64_t min, uint64_t max,
	uint64_t *ret, struct error **err);
int json_read_hex(
	const struct json_place *place, const char *member, uint8_t *ret, size_t size, struct error **err);

/* At most *max* bytes and no control characters; the string stays the document's. */
int json_read_string(
	const struct json_place *place, const char *member, size_t max, const char **ret, struct error **err);

/* At most *max* items. */
int json_read_array(const struct json_place *place, const char *member, size_t max, const json_t **ret,
	struct error **err);

/* Whether the value is an object: 0, or -EBADMSG. */
int json_read_object(const struct json_place *place, struct error **err);
