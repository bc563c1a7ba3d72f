/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of repository.h share: the state of an open repository, and the draft that a commit is made
 * from.
 *
 * The draft has everything under the path that it shall have in the repository, and a journal: the number of
 * the timestamp that is to be, and the paths, one a line, that are put in place before it. As long as the
 * repository has an older timestamp, nobody was ever told of those: they can be removed.
 */
#pragma once

#include "base/draft.h"
#include "base/string-util.h"
#include "release/repository.h"

#define REPOSITORY_JOURNAL "journal"
#define REPOSITORY_FILE_MAX MiB(32) /* bytes of a metadata file */
#define REPOSITORY_ROOTS_MAX 1024

struct repository {
	char *path, *keys;
	const struct key_secret *secret;
	int64_t now;
	uint32_t days[TUF_TYPES];
	int lock;
	bool fresh; /* there is nothing yet */

	struct tuf_metadata of[TUF_TYPES]; /* type 0 and document NULL where there is none */
	json_t *targets;		   /* the body that is being changed */
	bool changed, was_signed[TUF_TYPES];
	struct tuf_signers signers[TUF_TYPES];
	bool loaded[TUF_TYPES];

	struct draft draft;
	struct strv staged;  /* paths below the repository, in the order in which they get their place */
	struct strv folders; /* below targets/, that are staged whole */
	struct strv paths;   /* what was handed out */
};

extern const struct draft_kind repository_draft;

char *repository_path(const struct repository *repository, const char *name, struct error **err);

/* "metadata/7.targets.json", and of the timestamp without its number. NULL where memory is out. */
char *repository_metadata_name(enum tuf_type type, uint64_t version);

/* The path of a target's file: its digest stands before its name, in the same folder (specification, 6.2). */
char *repository_target_file(const char *name, const char *digest);

/* Parses a document and checks it against the role in *root*. */
int repository_parse(const struct tuf_metadata *root, enum tuf_type type, const void *data, size_t size,
	const char *name, struct tuf_metadata *ret, struct error **err);

/* Begins the draft where there is none, and writes a file of it: *name* is the path below the repository. */
int repository_stage(
	struct repository *repository, const char *name, const void *data, size_t size, struct error **err);
