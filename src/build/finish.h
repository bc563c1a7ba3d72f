/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finishers: what the packages' maintainer scripts would have done, done to the tree instead. Each is one
 * named function that reads the unpacked tree, and adds or changes names in it; none runs anything.
 */
#pragma once

#include "build/own.h"
#include "build/unpack.h"
#include "format/tree.h"
#include "format/yaml.h"

struct finish {
	struct tree *tree;	  /* the whole root: usr, etc, var … as the packages hold them */
	const char *architecture; /* Debian's name: "amd64", "arm64" */
	int64_t mtime;		  /* seconds since 1970, for everything that a finisher makes */
	const struct definition
		*definition; /* whose files these are; may be NULL where it has none in the tree */
};

/* What a finisher is called, and what it makes: for people. */
struct finisher_about {
	const char *name, *text;
};

/* Of finisher number *index* of those that finish_run() calls, in their order; NULL behind the last one. */
const struct finisher_about *finish_about(size_t index);

/* Returns 0 or a negative errno with *err* set. The origin of what it makes is "finisher:NAME". */
typedef int (*finisher_fn)(struct finish *finish, struct error **err);

/* What only the edition and the build know. Everything belongs to the caller. */
struct finish_options {
	const struct pairs *ids;	 /* fixed ids of users and groups (accounts_make()); may be NULL */
	const struct unpacked *unpacked; /* the packages that are in the tree */
	const char *name;		 /* of the edition: "container-linux" */
	const char *title;		 /* "Orlop Container Linux" */
	const char *version;		 /* "202611.23.0" */
};

/*
 * Does all that the kept packages need and that needs nothing but the tree: accounts, /etc's generated files,
 * PAM, the CA bundle, alternatives, os-release and the package list. Unit presets, ld.so.cache and
 * modules.dep have functions of their own, since they look at what is added to the tree after this.
 */
int finish_run(struct finish *finish, const struct finish_options *options, struct error **err);

/*
 * For finishers: make a file, folder or symbolic link of 0:0 with the origin "finisher:*name*", in the place
 * of a file or link that a package has there. A folder that is there keeps its attributes. What the
 * definition itself has there is an error (own_check()).
 */
int finish_file(struct finish *finish, const char *name, const char *path, mode_t mode, const void *data,
	size_t size, struct error **err);
int finish_folder(struct finish *finish, const char *name, const char *path, mode_t mode, struct error **err);
int finish_link(
	struct finish *finish, const char *name, const char *path, const char *target, struct error **err);

/* Makes a name free, where a package's file or link has it; the definition's are an error, as above. */
int finish_clear(struct finish *finish, const char *name, const char *path, struct error **err);

/* Makes *path* a copy of the file *from*, which must be there. */
int finish_copy(
	struct finish *finish, const char *name, const char *path, const char *from, struct error **err);

/* The text of the file at *path* (links are followed), NULL where there is none. It belongs to the tree. */
const char *finish_text(const struct finish *finish, const char *path);
