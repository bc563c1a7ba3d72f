/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What all downloads with libcurl have in common: how long they wait, which proxy they use, what a fault is
 * worth, and how long to pause after it. Who fetches what, and what becomes of it, is the caller's affair.
 */
#pragma once

#include <curl/curl.h>

#include "base/error.h"

/* For how long a transfer is waited for. */
struct http_limits {
	const char *proxy;	  /* URL; NULL: what libcurl finds in the environment */
	unsigned connect_seconds; /* until a connection stands */
	unsigned stall_seconds;	  /* below *floor* for so long: broken off */
	uint64_t floor;		  /* bytes a second */
};

/*
 * Sets a handle up for *url* (http, https or file): limits, proxy (none for this machine), redirects, HTTP/2
 * where TLS offers it, and *message* (CURL_ERROR_SIZE bytes) for the text of a fault. Returns 0, -ENOMEM or
 * -ENOTSUP.
 */
int http_prepare(CURL *easy, const char *url, const struct http_limits *limits, char *message);

/* Faults of the moment, which another try may not meet; and such as no other try can mend. */
bool http_status_is_passing(long status);
bool http_code_is_lasting(CURLcode code);

/* What came of a request. */
struct http_outcome {
	CURL *easy;
	CURLcode code;
	const char *message; /* what http_prepare() was given */
	bool is_page;	     /* a web page came in place of the file */
};

/*
 * Returns the status of a success (200, 206; 0 of a file: URL); -EAGAIN where another try may help, with how
 * many milliseconds the server asks to be left alone in *ret_wait_ms* (0: it doesn't say); what lasts:
 * -ENOENT; -EACCES; -EBUSY, where it asks for more than two minutes; -EPROTO; -EIO.
 */
int http_judge(const struct http_outcome *outcome, uint64_t *ret_wait_ms, struct error **err);

bool http_is_file_url(const char *url);

/* CLOCK_MONOTONIC in milliseconds. */
uint64_t http_now_ms(void);

/*
 * How long to wait after *tries* failed tries: half to one and a half of base × 2^(tries - 1), at most of 30
 * seconds, so that many clients of a server do not come back at once.
 */
uint64_t http_pause_ms(unsigned tries, uint64_t base_ms);

/* The bytes that a Content-Range header speaks of. */
struct http_range {
	uint64_t begin, end; /* *end* does not belong to it */
	uint64_t total;	     /* UINT64_MAX where the server does not say */
};

/* Reads a header line (RFC 9110, section 14.4). False where it is no Content-Range, or none of bytes. */
bool http_parse_range(const char *line, size_t size, struct http_range *ret);
