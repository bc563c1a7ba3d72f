/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A release's folder on any static web server: HTTP/1.1 or 2, with or without TLS, proxies from the
 * environment; or on this machine (file:).
 *
 * Every request asks for one range, as many servers refuse several in one. A range that breaks off is asked
 * for again from where it broke off. A server that knows no ranges sends the file once, from its beginning to
 * its end, and what is wanted is picked out of it.
 */
#pragma once

#include "update/remote.h"

struct remote_http_options {
	const char *url;	  /* of the folder */
	const char *proxy;	  /* URL; NULL: what libcurl finds in the environment */
	const char *authorities;  /* file with CA certificates in PEM; NULL: the system's */
	unsigned connections;	  /* at once; 0: 4 */
	unsigned tries;		  /* in a row without any range coming to its end; 0: 6 */
	unsigned connect_seconds; /* until a connection stands; 0: 20 */
	unsigned stall_seconds;	  /* below *floor* for so long: try again; 0: 30 */
	uint64_t floor;		  /* bytes a second of each connection; 0: 1024 */
	unsigned pause_ms;	  /* before the second try; 0: 500 */

	/*
	 * Asked once a second and with each request: how many bytes a second may come now (0: as many as
	 * come), and whether to stop, which ends with -ECANCELED. Both may be NULL.
	 */
	uint64_t (*rate)(void *userdata);
	bool (*stop)(void *userdata);
	void *userdata;
};

struct remote_http;

/* Strings in *options* are copied. */
int remote_http_new(const struct remote_http_options *options, struct remote_http **ret, struct error **err);
struct remote_http *remote_http_free(struct remote_http *http);
DEFINE_CLEANUP(struct remote_http *, remote_http_free);
#define _cleanup_remote_http_ _cleanup_(remote_http_freep)

/* The interface to it, valid until remote_http_free(). One thread at a time. */
struct remote remote_http_remote(struct remote_http *http);
