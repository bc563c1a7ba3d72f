/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the two processes of an update say to each other over a stream socket: the privileged one, which owns
 * the disk, and the worker, which talks to the network and may have been taken over by it. Messages are a
 * header of fixed size and a bounded payload; every length is checked before anything is read into memory.
 *
 * Format: docs/formats/worker-protocol.md. This is the framing; the payloads of jobs are in worker-job.h.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

#define WIRE_VERSION 2
#define WIRE_HEADER_SIZE 24
#define WIRE_PAYLOAD_MAX KiB(256)
#define WIRE_ALIGN 4096	      /* of the memory that payloads are read into: O_DIRECT wants it */
#define WIRE_TEXT_MAX KiB(4)  /* bytes of a message for people */
#define WIRE_NAME_MAX KiB(4)  /* bytes of a file's name */
#define WIRE_BLOCK_SIZE 4096  /* of a disk: what is written is a multiple of it */
#define WIRE_RUN_SIZE 16      /* bytes of a run to copy */
#define WIRE_RUNS_MAX 1024    /* of a message */
#define WIRE_WINDOW MiB(8)    /* bytes that the worker has written and that are not taken yet, at most, … */
#define WIRE_WINDOW_FRAMES 64 /* … and messages that hold them */

enum wire_side {
	WIRE_PARENT,
	WIRE_WORKER,
};

enum wire_type {
	/* The parent says: */
	WIRE_BRING = 1, /* job: struct worker_bring_job */
	WIRE_REFRESH,	/* job: struct worker_refresh_job; WIRE_FILEs follow, as many as it says */
	WIRE_GET,	/* job: struct worker_get_job */
	WIRE_TAKEN, /* *serial*: all that is counted up to it is done; *offset*: blocks that were not copied,
		     * in all */
	WIRE_RATE,  /* *offset*: bytes a second that may come now; 0: as many as come */

	/* Both say: */
	WIRE_FILE, /* a part of a file: *offset* is where it belongs, *serial* the size of the whole */

	/* The worker says: */
	WIRE_READY,    /* *offset*: enum sandbox_measure of its sandbox; *serial*: WIRE_VERSION */
	WIRE_ALIVE,    /* it waits for the network */
	WIRE_PROGRESS, /* *offset* of *serial* are done of the step in the payload */
	WIRE_DATA,     /* write to the slot's data at *offset*; *serial* counts these four, from 1 */
	WIRE_TREE,     /* write to the slot's hash tree */
	WIRE_FLUSH,    /* make what was written last; *offset*: 0 the data, 1 the hash tree */
	WIRE_COPY,     /* copy own blocks: worker-job.h has its runs */
	WIRE_BYTES,    /* bytes of the file of WIRE_GET, from *offset* on */
	WIRE_FINISHED, /* the job is done; what came of it, worker-job.h */
	WIRE_FAILED,   /* *offset*: the errno; the payload is a text */
	WIRE_TYPES,
};

struct wire_header {
	enum wire_type type;
	uint32_t size; /* of the payload */
	uint64_t offset, serial;
};

void wire_header_write(const struct wire_header *header, uint8_t ret[WIRE_HEADER_SIZE]);

/*
 * Reads a header that *from* sent. Returns 0; -EPROTO with *err* set for a type that this side does not send,
 * or a size that the type can't have.
 */
int wire_header_parse(const uint8_t data[WIRE_HEADER_SIZE], enum wire_side from, struct wire_header *ret,
	struct error **err);

struct wire_message {
	struct wire_header header;
	const uint8_t *payload; /* *header.size* bytes; the reader's, until more is read */
};

/*
 * Puts a stream together again. wire_reader_want() says where the next bytes belong and how many are missing
 * there; wire_reader_got() takes note of some that were read, and returns 1 with *ret* set when a message is
 * complete, 0 when it isn't, -EPROTO or -ENOMEM. A reader that has failed must not be used again.
 */
struct wire_reader {
	enum wire_side from;
	struct wire_header header; /* when *have* is WIRE_HEADER_SIZE or more */
	uint8_t raw[WIRE_HEADER_SIZE];
	size_t have; /* bytes of header and payload */
	uint8_t *payload;
};

void wire_reader_release(struct wire_reader *reader);
size_t wire_reader_want(struct wire_reader *reader, uint8_t **ret);
int wire_reader_got(struct wire_reader *reader, size_t size, struct wire_message *ret, struct error **err);

/*
 * Takes the payload of the message that came last out of the reader, who gets *spare*, one of its payloads
 * that is needed no more, or NULL, instead. free() it.
 */
uint8_t *wire_reader_take(struct wire_reader *reader, uint8_t *spare);

/*
 * Reads what has come. Returns 1 with a message; 0 where there is no whole one and *wait* is false; -EPIPE
 * where the other side is gone; -EPROTO; another errno of reading.
 */
int wire_receive(int fd, struct wire_reader *reader, bool wait, struct wire_message *ret, struct error **err);

/* Sends a whole message, waiting as long as it takes. Returns 0, -EPIPE or another negative errno. */
int wire_send(int fd, const struct wire_header *header, const void *payload, struct error **err);

/* ---- Payloads ---- */

/* Strings are their length (le32) and their bytes; NULL is a length of UINT32_MAX. */
void wire_put_string(struct buffer *buffer, const char *string);

/* Takes a payload apart. After something was missing or wrong, *failed* is set and all that comes is 0. */
struct wire_fields {
	const uint8_t *data;
	size_t size;
	bool failed;
};

uint32_t wire_take_u32(struct wire_fields *fields);
uint64_t wire_take_u64(struct wire_fields *fields);
void wire_take_bytes(struct wire_fields *fields, void *ret, size_t size);

/* A malloc()ed string without NUL bytes, or NULL. Fails where it is longer than *max*. */
char *wire_take_string(struct wire_fields *fields, size_t max);

/* 0 where all was there and nothing is left; -EPROTO. */
int wire_fields_end(const struct wire_fields *fields, const char *what, struct error **err);

/*
 * A text for people from whoever can't be trusted: well-formed UTF-8 of printable characters, all others as
 * "?", cut off at WIRE_TEXT_MAX bytes. malloc()ed, NULL where memory is out.
 */
char *wire_text(const uint8_t *data, size_t size);

/* ---- Files in parts ---- */

/* A file in memory. */
struct wire_file {
	char *name;
	uint8_t *data;
	size_t size;
	bool absent; /* it was asked for, and isn't there */
};

struct wire_files {
	struct wire_file *items;
	size_t count;
	size_t total; /* bytes of all names and contents */
	size_t open;  /* bytes of the last one that have not come yet */
};

void wire_files_release(struct wire_files *files);
const struct wire_file *wire_files_find(const struct wire_files *files, const char *name);

/* Adds a file with a copy of *data*, or an absent one (*data* is NULL). Replaces one of that name. */
int wire_files_add(struct wire_files *files, const char *name, const void *data, size_t size);

/* Sends one file in as many messages as it takes. */
int wire_files_send(int fd, const struct wire_file *file, struct error **err);

/*
 * Takes a WIRE_FILE. The parts of a file come in order and without another's between them. Returns 0;
 * -EPROTO; -EFBIG where there would be more than *max_count* files or *max_total* bytes.
 */
int wire_files_take(struct wire_files *files, const struct wire_message *message, size_t max_count,
	size_t max_total, struct error **err);
