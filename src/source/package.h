/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A binary package as the signed metadata of a repository describes it, and lists of them.
 */
#pragma once

#include "base/error.h"
#include "base/macro.h"
#include "base/sha256.h"

struct package {
	char *name;
	char *version;	    /* [epoch:]upstream[-revision] */
	char *architecture; /* "amd64", "arm64" or "all" */
	char *source;	    /* name and version of the source package that it was built from */
	char *source_version;
	char *suite;	 /* codename of the suite that it comes from: "trixie-security" */
	char *component; /* "main" */
	char *file;	 /* its name below the archive: "pool/main/b/bash/bash_5.2.37-2+b5_amd64.deb" */
	char *url;	 /* where the archive has it */
	char *why;     /* what pulled it in: "openssh-server > libpam0g"; the name alone: it was asked for */
	uint64_t size; /* bytes of the .deb */
	uint64_t installed_size; /* bytes, as the package says (whole KiB); 0 where it does not */
	uint8_t sha256[SHA256_SIZE];
	char *path; /* the local copy, NULL before source_fetch() */
};

struct package_list {
	struct package *items; /* sorted by name; no name twice */
	size_t count;
};

void package_release(struct package *package);
void package_list_release(struct package_list *list);
#define _cleanup_package_list_ _cleanup_(package_list_release)

/* Copies what a lock has of packages: all but their URLs and paths. Returns 0 or -ENOMEM. */
int package_list_copy(const struct package_list *list, struct package_list *ret, struct error **err);

/* The package of that name, NULL where the list has none. Belongs to the list. */
struct package *package_list_find(const struct package_list *list, const char *name);

/* True for a relative path of an archive's metadata that stays below where it is put. */
bool package_path_is_safe(const char *path);
