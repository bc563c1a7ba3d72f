/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Orlop's own programs for the node, and whom they trust: what comes into an image from the build host and
 * not from a package.
 */
#pragma once

#include "build/definition.h"
#include "build/platform.h"
#include "format/tree.h"

/*
 * Adds the programs *paths* of the build host to usr/bin, under the names that *definition* gives them (as
 * many). Returns -ENOEXEC where one is no program of that architecture; -ENOENT where it wants a library that
 * no package of the tree has, naming both; -EINVAL where the definition itself has such a file (own_check()).
 */
int programs_add(struct tree *tree, const struct definition *definition, const struct strv *paths,
	const struct platform *platform, int64_t mtime, struct error **err);

/* -ENOEXEC where the file at *path* of the build host is no program for the platform. */
int program_check_platform(const char *path, const struct platform *platform, struct error **err);

#define PROGRAMS_ROOT "usr/share/orlop/root.json" /* in the tree: the releases' root of trust */

/*
 * Reads root.json of the folder *keys*, the signed root metadata that the node's updates begin with
 * (format/tuf.h). Without one, which is -ENOENT, no node could ever update; one that is damaged, or signed by
 * too few, is -EBADMSG or -EKEYREJECTED.
 */
int programs_read_root(const char *keys, struct content **ret, struct error **err);

/* Adds it as PROGRAMS_ROOT. */
int programs_add_root(struct tree *tree, const struct definition *definition, struct content *root,
	int64_t mtime, struct error **err);
