/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * in-toto statements (in-toto Attestation Framework, Statement v1): what is said of files, which are named by
 * their digests. What a statement says beyond that, its predicate, is looked into for nothing but the type.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/sha256.h"

#define STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define STATEMENT_PROVENANCE "https://slsa.dev/provenance/v1" /* SLSA 1.0, "Provenance" */
#define STATEMENT_MAX MiB(48)				      /* bytes */
#define STATEMENT_SUBJECTS_MAX 256

struct statement_subject {
	char *name;	  /* of the file; no "/" */
	bool is_fsverity; /* the digest is that of fs-verity (format/fsverity.h), else SHA-256 of the whole */
	uint8_t digest[SHA256_SIZE];
};

struct statement {
	char *predicate_type;
	struct statement_subject *subjects; /* at least one */
	size_t subject_count;
	json_t *predicate; /* an object */
};

void statement_release(struct statement *statement);
#define _cleanup_statement_ _cleanup_(statement_release)

/* Reads a statement. Returns 0; -EBADMSG with *err* naming the member that is missing or wrong; -ENOMEM. */
int statement_read(const void *data, size_t size, struct statement *ret, struct error **err);

/* The subject of that name, NULL where there is none. */
const struct statement_subject *statement_find(const struct statement *statement, const char *name);
