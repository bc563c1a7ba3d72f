/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the definition itself has in the tree, by `files` and `links`. Whatever else makes a name there, or
 * takes one away, asks first: it leaves the definition's alone where it can, and is an error where it can't,
 * so that nothing that somebody has written down gets lost unsaid.
 */
#pragma once

#include "build/definition.h"
#include "format/tree.h"

/* The origin of all that the definition has in the tree. No package can be called that. */
#define OWN_ORIGIN "the definition"

/* Whether it is the definition's; NULL isn't. */
bool own_is(const struct tree_inode *inode);

/* For an error about what the definition has at *path*: definition_error() with the entry of `links`, or
 * `files`. */
int own_error(const struct definition *definition, const char *path, struct error **err, const char *format,
	...) _printf_(4, 5);

/*
 * That the definition has nothing at *path*, which the build makes. *maker* says what does so ("its finisher
 * accounts"), *advice* (may be NULL) what to do instead. Returns 0, or own_error()'s code.
 */
int own_check(const struct definition *definition, const struct tree *tree, const char *path,
	const char *maker, const char *advice, struct error **err);
