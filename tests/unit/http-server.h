/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A web server on loopback for tests: serves a folder, counts what it sends, and misbehaves as it is told.
 */
#pragma once

#include <stdint.h>

struct http_server;

enum http_fault {
	HTTP_CUT,	   /* closes the connection after *argument* bytes of the body */
	HTTP_RESET,	   /* the same with a TCP reset */
	HTTP_STALL,	   /* sends *argument* bytes of the body and then nothing, until the client goes */
	HTTP_STATUS,	   /* answers with status *argument* */
	HTTP_RETRY_AFTER,  /* 503, "come back in *argument* seconds" */
	HTTP_IGNORE_RANGE, /* sends the whole file whatever was asked for */
	HTTP_WRONG_RANGE,  /* answers a Range with the beginning of the file, and says so */
	HTTP_SHORTER,	   /* announces and sends *argument* bytes only, as if that were all */
	HTTP_LONGER,	   /* adds *argument* bytes */
	HTTP_OTHER_BYTE,   /* changes the byte at offset *argument* */
	HTTP_PORTAL,	   /* sends a login page with status 200 */
	HTTP_REDIRECT,	   /* sends the client to "/login", which is such a page */
};

/* Serves *folder* until http_server_stop(). Fails the test where it can't. */
struct http_server *http_server_start(const char *folder);
struct http_server *http_server_stop(struct http_server *server);

/* "http://127.0.0.1:PORT" */
const char *http_server_url(const struct http_server *server);

/* The next *times* requests for paths that end in *suffix* meet this fault. Faults are used up in their
 * order. */
void http_server_fault(struct http_server *server, const char *suffix, enum http_fault fault,
	uint64_t argument, unsigned times);

/* No faults any more. */
void http_server_forgive(struct http_server *server);

/* How many requests for such paths came in, and how many bytes of bodies were sent for them. */
unsigned http_server_requests(struct http_server *server, const char *suffix);
uint64_t http_server_bytes(struct http_server *server, const char *suffix);
