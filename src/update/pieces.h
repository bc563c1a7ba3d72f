/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many small pieces of one file, fetched as few ranges: pieces that lie close together come in one, with what
 * is between them.
 */
#pragma once

#include "update/remote.h"

/*
 * What lies between two pieces is fetched with them up to so many bytes: about what a request costs beside
 * its bytes (headers both ways, and the time of a way there and back on a link of some megabytes a second).
 */
#define PIECES_GAP KiB(32)
#define PIECES_RANGE_MAX MiB(4) /* so that several connections have something to do */

struct piece {
	uint64_t offset; /* in the file */
	uint32_t size;	 /* bytes, at least 1 */
	uint32_t number; /* the caller's */
};

/* Takes a whole piece. A negative errno with *err* set ends it all. */
typedef int (*piece_fn)(const struct piece *piece, const uint8_t *data, void *userdata, struct error **err);

struct pieces_request {
	const char *name;
	uint64_t file_size;
	const struct piece *pieces; /* ascending and apart from each other, within the file */
	size_t count;
	bool again, is_optional; /* see struct remote_request */
	piece_fn fn;
	void *userdata;
};

/* Fetches all pieces. Returns 0, or what remote_fetch() and *fn* return. */
int pieces_fetch(const struct remote *remote, const struct pieces_request *request, struct error **err);
