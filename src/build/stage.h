/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The outputs of a build, made in a hidden folder beside their final place and shown together at the end. A
 * build that fails shows nothing and leaves older outputs as they were: stage_close() removes the hidden
 * folder, and so do SIGHUP, SIGINT and SIGTERM where they end the program: stage_open() is called before
 * there are threads, which must block them. One that is killed otherwise is cleared up by the next
 * stage_open() or stage_commit() in the same place, which also takes back what it had begun to show.
 */
#pragma once

#include "base/error.h"
#include "base/string-util.h"

struct stage;

/* Makes the folder *output* where it is missing, and a stage in it. */
int stage_open(const char *output, struct stage **ret, struct error **err);

/* The path that an output called *name* has until stage_commit(), malloc()ed; NULL where memory is out. */
char *stage_path(const struct stage *stage, const char *name);

/*
 * Moves the outputs called *names* (ended by NULL, none with a "/") to their final place, where they replace
 * older ones. The last name is the one that says that the others are complete: an older one of that name goes
 * first, and the new one comes last. All is flushed to disk before the first name changes. Where it fails,
 * none of the new outputs is there and all of the older ones are.
 */
int stage_commit(struct stage *stage, const char *const *names, struct error **err);

struct stage *stage_close(struct stage *stage);
DEFINE_CLEANUP(struct stage *, stage_close);
#define _cleanup_stage_ _cleanup_(stage_closep)
