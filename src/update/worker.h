/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An update whose network part runs in a process of its own without rights: the worker fetches, decompresses
 * and works out what goes where; this side, which may write to the disk, takes nothing from it that it has
 * not proved itself. A worker that was taken over by what came from the network can make an update fail, and
 * nothing else. docs/security.md, docs/formats/worker-protocol.md.
 *
 * Each call starts a process, and has ended it when it returns. The worker is killed when the thread that
 * made the call ends, so a call belongs into a thread that lasts.
 */
#pragma once

#include "update/remote-http.h"
#include "update/sandbox.h"
#include "update/tuf-client.h"
#include "update/usr-update.h"
#include "update/wire.h"

struct worker_options {
	const char *program;	      /* that calls worker_main(); NULL: this program */
	const char *const *arguments; /* argv that makes it do so; NULL at the end */
	uid_t uid; /* whom it becomes where this process is root's, and who is nobody else */
	gid_t gid;
	uint32_t measures;	  /* enum sandbox_measure without which it does not begin; those of
				   * SANDBOX_REQUIRED are always among them */
	unsigned silence_seconds; /* without a message: it is killed; 0: 120 */
	unsigned total_seconds;	  /* for one job: it is killed, and the next try goes on; 0: a day */
};

struct worker;

/* *options* and what it points to must outlive the worker. Starts nothing yet. */
int worker_new(const struct worker_options *options, struct worker **ret, struct error **err);
struct worker *worker_free(struct worker *worker);
DEFINE_CLEANUP(struct worker *, worker_free);
#define _cleanup_worker_ _cleanup_(worker_freep)

/* Of the last job: what its sandbox was (enum sandbox_measure; 0: it did not get there), and what it says to
 * have asked the server for. */
uint32_t worker_measures(const struct worker *worker);
void worker_counts(const struct worker *worker, struct remote_counts *ret);

/*
 * Where the worker reads a place of a slot: a descriptor that was opened for reading only. It should be the
 * partition's own, since the worker can read all of what it leads to; and of the same file as what the parent
 * writes to, with O_DIRECT where the parent has it.
 */
struct worker_place {
	int fd;
	uint64_t begin, size; /* bytes; a size of 0: there is none */
	uint32_t align;	      /* as in struct block_file */
};

struct worker_bring {
	const struct image_files *image; /* signed */

	/* Where from, and how fast; *rate* and *stop* are asked by this process. */
	const struct remote_http_options *source;

	const struct usr_slot *target;		      /* what this process writes to, and checks in the end */
	struct worker_place target_data, target_hash; /* the same, for the worker to read */
	struct worker_place active_data, active_hash; /* the running slot */
	const uint8_t *active_root;		      /* may be NULL */
	unsigned threads; /* that hash, in either process; as in struct usr_update */
	uint64_t window;
	bool no_patch, no_tree_delta;
	usr_update_progress_fn progress; /* may be NULL */
	void *userdata;
};

/*
 * Brings an image and its tree into a slot, as usr_update_run() does. Every block of the image is written
 * only once its digest is the one that the tree says, and the tree counts only as far as the root hash proves
 * it. When the worker is done it is ended, and then the whole slot is read and checked; what is wrong then is
 * brought again by a new worker, USR_UPDATE_ROUNDS times in all.
 *
 * *ret* is what the worker says of its work: for people. Returns 0 when all is there, flushed and proved;
 * -EPROTO, -EBADMSG: the worker said or sent what it must not, and was killed; -ECANCELED: stopped;
 * -ETIMEDOUT: it was silent, or took too long; -ECHILD: it died; the errors of usr_update_run(), as the
 * worker tells them.
 */
int worker_bring(struct worker *worker, const struct worker_bring *in, struct usr_update_result *ret,
	struct error **err);

/* Takes the next bytes of a file. Returns 0; a negative errno with *err* set ends it. */
typedef int (*worker_bytes_fn)(const uint8_t *data, size_t size, void *userdata, struct error **err);

struct worker_get {
	const struct remote_http_options *source;
	const char *name; /* below the URL of *source* */
	uint64_t size;	  /* signed, as is … */
	const uint8_t *sha256;
	worker_bytes_fn fn;
	void *userdata;
};

/*
 * Fetches a whole file of known size and SHA-256. *fn* gets its bytes as they come, unproved: they count only
 * once this has returned 0. -EBADMSG: the file is another one; otherwise as worker_bring().
 */
int worker_get(struct worker *worker, const struct worker_get *in, struct error **err);

struct worker_wanted {
	const char *name; /* of a target */
	uint64_t max;	  /* bytes */
};

struct worker_metadata {
	const struct remote_http_options *source; /* the URL above "metadata/" and "targets/" */
	const struct tuf_client_io *kept;	  /* its *load* is called for what was kept */
	const void *root;			  /* that is trusted to begin with */
	size_t root_size;
	int64_t now;
	const struct worker_wanted *wanted;
	size_t wanted_count;
};

/*
 * Fetches what has changed of a repository's metadata, and targets. What comes is not trusted: the caller
 * lets a client of its own go through it, whose struct tuf_client_io fetches by worker_files_fetch():
 *
 *     _cleanup_(wire_files_release) struct wire_files files = {};
 *     r = worker_refresh(worker, &in, &files, &err);
 *     r = tuf_client_new(&options, &client, &err);  r = tuf_client_refresh(client, &err);
 *     r = worker_files_target(&files, client, "releases.json", &text, &err);
 *
 * *ret* (empty before) is what came, also where it fails; wire_files_release() it in any case. A wanted
 * target that no metadata lists is no error here. Errors as those of worker_bring(), tuf_client_refresh() and
 * http_get().
 */
int worker_refresh(
	struct worker *worker, const struct worker_metadata *in, struct wire_files *ret, struct error **err);

/* What *fetch* of struct tuf_client_io does, with what was delivered. -ENODATA where the worker did not
 * deliver the document. */
int worker_files_fetch(const struct wire_files *files, const char *name, uint64_t max, struct buffer *ret,
	struct error **err);

/*
 * Appends a target that the worker delivered to *ret*, once it is what the client's metadata says. Returns 0;
 * -ENODATA where it was not delivered; the errors of tuf_client_target() and tuf_target_check().
 */
int worker_files_target(const struct wire_files *files, struct tuf_client *client, const char *name,
	struct buffer *ret, struct error **err);
