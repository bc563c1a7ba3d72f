/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Metadata of The Update Framework as somebody else would make it: ed25519 keys from small numbers,
 * signatures over jansson's own sorted and compact text, which for plain ASCII is the canonical one. Nothing
 * of src/format is used, so that it can be judged by this.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* A list of key numbers, ended by -1: (const int[]){1, 2, -1} */
#define KEYS(...) ((const int[]){__VA_ARGS__, -1})
#define NO_KEYS ((const int[]){-1})

/* The public key number *key* as metadata lists it, and its id (malloc()ed). */
json_t *signing_key(int key);
char *signing_key_id(const json_t *key);

/* {"keyids": […], "threshold": n} for those keys. */
json_t *signing_role(const int *keys, int threshold);

/* The members that every document has: type, version 1, specification, expiry in 2099. */
json_t *signing_body(const char *type);

/* A root with consistent snapshots in which every role has the same keys and threshold. */
json_t *signing_root(const int *keys, int threshold);

/* Adds keys to an object of keys by their ids. */
void signing_add_keys(json_t *object, const int *keys);

/* The document of *body* (which stays the caller's) signed by *keys*. */
json_t *signing_sign(json_t *body, const int *keys);

/* The text of a document, with a NUL; the caller frees it. */
char *signing_text(const json_t *document);
