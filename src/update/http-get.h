/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whole files of unknown size from a web server (or file: on this machine), such as a repository's metadata.
 *
 * Nothing longer than the caller allows is taken in. A transfer that breaks off, stalls, or meets a fault of
 * the moment is made again from its beginning, after a pause.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

struct http_get_options {
	const char *proxy;	  /* URL; NULL: what libcurl finds in the environment */
	const char *authorities;  /* file with CA certificates in PEM; NULL: the system's */
	unsigned tries;		  /* 0: 6 */
	unsigned connect_seconds; /* until a connection stands; 0: 20 */
	unsigned stall_seconds;	  /* below *floor* for so long: try again; 0: 30 */
	uint64_t floor;		  /* bytes a second; 0: 1024 */
	unsigned pause_ms;	  /* before the second try; 0: 500 */
	bool refuse_pages;	  /* what begins with "<" is a login page on the way, and no such file */

	/* Asked about once a second: true ends it with -ECANCELED. May be NULL. */
	bool (*stop)(void *userdata);
	void *userdata;
};

/*
 * Takes the next *size* bytes. An *offset* of 0 is the beginning, also of another try: what came before is
 * void. An empty file is one call with a *size* of 0.
 */
typedef int (*http_get_sink_fn)(
	uint64_t offset, const uint8_t *data, size_t size, void *userdata, struct error **err);

/*
 * Fetches *url*. Returns 0; -EFBIG where it is longer than *max* bytes; -ENOENT where the server does not
 * have it (404, 410); -EACCES where it may not be had (401, 403, 407); -ETIMEDOUT after too many tries; what
 * the sink returns. *err* names the URL.
 */
int http_get_to(const char *url, uint64_t max, const struct http_get_options *options, http_get_sink_fn sink,
	void *userdata, struct error **err);

/* The same into memory: appended to *ret*, which is as it was where that fails. */
int http_get(const char *url, uint64_t max, const struct http_get_options *options, struct buffer *ret,
	struct error **err);
