/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an image is made of, for the documents that say so: packages with their licences and the CVE ids that
 * their changelogs name, and files with their digests. Written as SPDX 2.3 and as CycloneDX 1.6, both JSON;
 * docs/formats/sbom.md says which member has what.
 *
 * All of it is a function of what was built: no time but that of the version, no path and no name of the
 * host, no mirror, no key and no signature.
 */
#pragma once

#include "base/buffer.h"
#include "base/digests.h"
#include "build/manifest.h"
#include "build/unpack.h"
#include "format/copyright.h"
#include "source/package.h"

struct sbom_input {
	const struct definition *definition;
	const char *version, *architecture;
	const char *builder;	    /* Orlop's own version */
	int64_t time;		    /* of the version */
	const char *kernel_release; /* what `uname -r` says */
	const char *distribution;   /* of the packages, ID and VERSION_ID: "debian-13" */
	const struct tree *tree;    /* /usr as it is in the image */
	const struct package_list *packages, *boot_packages;
	const struct unpacked *unpacked, *boot_unpacked;
	const char *init;		  /* path of orlop-init, which is in the kernel image … */
	uint8_t init_sha256[SHA256_SIZE]; /* … and its digest */
	const char *disk, *uki;		  /* names of the outputs */
	unsigned threads;		  /* 0: one for each processor */
};

struct sbom_package {
	const struct package *package;
	const struct unpacked_package *unpacked;
	bool boot; /* not of /usr: what the image is started with */
	struct copyright copyright;
	const char *text; /* of the copyright file; NULL: it is not at hand */
	char *license;	  /* an expression of SPDX; NULL: not known … */
	const char *why;  /* … because of this; or what is to be said of it; may be NULL */
	size_t source;	  /* index */
};

struct sbom_source {
	const char *name, *version; /* belong to a package */
	size_t package;		    /* the first that was built from it */
	struct strv cves;	    /* that its changelog names, by year and number */
};

struct sbom_file {
	char *path; /* "usr/bin/env" */
	const struct tree_inode *inode;
	size_t package;		       /* whose it is, or one of these: */
#define SBOM_OF_IMAGE SIZE_MAX	       /* of the edition, or made by a finisher */
#define SBOM_OF_ORLOP (SIZE_MAX - 1)   /* a program of ours, or what comes with them */
	const struct digests *digests; /* belong to its content */
};

/* A licence that SPDX does not know. */
struct sbom_license {
	char *id, *name, *text;
};

struct sbom {
	const struct sbom_input *input;
	struct sbom_package *packages; /* those of the image by name, then those that it is started with */
	size_t package_count;
	struct sbom_source *sources; /* by name and version */
	size_t source_count;
	struct sbom_file *files; /* by path */
	size_t file_count;
	struct sbom_license *licenses;
	size_t license_count;
};

void sbom_release(struct sbom *sbom);
#define _cleanup_sbom_ _cleanup_(sbom_release)

/* For struct unpack_options: what of a package is read here, wherever the definition has it. */
unsigned sbom_wants(const char *path, mode_t mode, void *userdata);

/* Collects it all. *ret* refers to the input. Returns 0 or a negative errno with *err* set. */
int sbom_collect(const struct sbom_input *input, struct sbom *ret, struct error **err);

/* Each appends a document to *ret*. Return 0 or -ENOMEM with *err* set. */
int sbom_write_spdx(const struct sbom *sbom, struct buffer *ret, struct error **err);
int sbom_write_cyclonedx(const struct sbom *sbom, struct buffer *ret, struct error **err);
