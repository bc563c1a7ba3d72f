/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pieces of inspect.h, for each other. Each function makes a JSON object that the caller owns, and
 * returns 0 or a negative errno with *err* set.
 */
#pragma once

#include "build/inspect.h"
#include "format/gpt.h"
#include "format/verity.h"

static inline void inspect_json_unref(json_t **value)
{
	json_decref(*value);
}
#define _cleanup_inspect_json_ _cleanup_(inspect_json_unref)

/* Text from outside: bytes that are no UTF-8 become U+FFFD. NULL where memory is out. */
json_t *inspect_string(const char *text, size_t size);
json_t *inspect_hex(const void *data, size_t size);
json_t *inspect_uuid(const struct uuid *uuid);

/* The value of a field of an os-release file, without its quotes; NULL where it has none. */
json_t *inspect_os_release(const char *text, size_t size, const char *field);

/* Adds to *object* the error of a part, which is counted. Takes *fault* over. Returns 0 or -ENOMEM. */
int inspect_fault(json_t *object, struct error *fault, size_t *faults);

/* What lies in a range, a disk with partitions excepted. -EMEDIUMTYPE where it is unknown. */
int inspect_range(const struct verity_range *range, const struct inspect_options *options, json_t **ret,
	size_t *faults, struct error **err);

int inspect_disk(int fd, const struct gpt *gpt, const struct inspect_options *options, json_t **ret,
	size_t *faults, struct error **err);
int inspect_erofs(const struct verity_range *range, const struct inspect_options *options, json_t **ret,
	struct error **err);
int inspect_fat(const struct verity_range *range, json_t **ret, size_t *faults, struct error **err);

/* An EFI program in memory. */
int inspect_efi(const void *data, size_t size, json_t **ret, struct error **err);

/* A bill of materials; an envelope, whose signature is checked: -EKEYREJECTED. */
int inspect_sbom(const json_t *document, json_t **ret, struct error **err);
int inspect_provenance(const void *data, size_t size, json_t **ret, struct error **err);
