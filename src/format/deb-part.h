/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of a Debian package: its ar members, and what is in them when they are decompressed. Shared by
 * those who read a package (deb.c) and who store it decompressed (deb-plain.c).
 */
#pragma once

#include "format/deb.h"

#define DEB_CONTROL_MAX MiB(64) /* bytes of control.tar */

struct deb_slice {
	const uint8_t *data; /* NULL: not there */
	size_t size;
};

/* The ar members of a package. */
struct deb_members {
	struct deb_slice version, control, data;
	char control_name[17], data_name[17];
};

/* A decompressed member, read no further than *left* more bytes. */
struct deb_stream {
	struct archive *archive; /* NULL: it is not compressed, and *plain* is what is still to be read */
	struct deb_slice plain;
	const char *what;
	uint64_t left;
};

/* Finds the members of a package. Returns 0; -EBADMSG, -ENOTSUP with *err* set. */
int deb_members_read(struct deb_slice file, const char *what, struct deb_members *ret, struct error **err);

/* Lets libarchive decompress what the member's name says, and nothing else. */
int deb_stream_open(
	struct deb_stream *stream, const char *ending, struct deb_slice member, struct error **err);
/* For tar_new(): *userdata* is the stream. Returns the bytes read or, where *buffer* is NULL, passed over; 0
 * at the end; or a negative errno. */
ssize_t deb_stream_read(void *userdata, void *buffer, size_t size, struct error **err);
void deb_stream_close(struct deb_stream *stream);

/* How many bytes of tar the payload may have: twice the Installed-Size (in KiB) and some room for headers. */
uint64_t deb_payload_limit(const struct control *control);

/* Reads control.tar into *deb*. */
int deb_control_read(
	const struct deb_members *members, const char *package, struct deb *deb, struct error **err);
