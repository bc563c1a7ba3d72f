/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a disk image is handed out in beside raw, for hypervisors and clouds that want something else: qcow2,
 * a fixed VHD, VHDX. Format: docs/formats/disk-formats.md.
 *
 * All are made of a raw image that is there, and read as the same bytes. What is zero in it, whether it was
 * written or is a hole, takes no space. Time, place and number of threads have no part in what comes out:
 * equal images give equal files.
 */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "base/progress.h"
#include "base/sha256.h"

enum {
	DISK_FORMAT_QCOW2,
	DISK_FORMAT_VHD,
	DISK_FORMAT_VHDX,
	DISK_FORMATS,
};

/* A raw image, belonging to the caller. */
struct disk_source {
	int fd;			     /* whose file offset changes */
	uint64_t size;		     /* bytes, whole sectors of 512 */
	uint8_t digest[SHA256_SIZE]; /* which image it is: ids in the new file are made of it */
	int64_t time;		     /* of the release, seconds since 1970, for a format that has one */
	struct progress *progress;   /* bytes of the image; may be NULL */
};

/* "qcow2", which is also what the names of such files end in, behind a ".". */
const char *disk_format_name(unsigned format);

/* The number of the format that *length* bytes name; -ENOENT. */
int disk_format_find(const char *name, size_t length);

/*
 * The size of the disk within a fixed VHD of *size* bytes, whose last sector is *footer*: the disk is all
 * that stands before. *size* itself where that is no footer, of this file.
 */
#define VHD_FOOTER_SIZE 512
uint64_t vhd_disk_size(const uint8_t footer[VHD_FOOTER_SIZE], uint64_t size);

/* The name of the format of a file that begins so, but for a fixed VHD, which begins as its disk; NULL. */
#define DISK_FORMAT_HEAD 8
const char *disk_format_recognize(const uint8_t head[DISK_FORMAT_HEAD]);

/* The names of a set of formats, number N of which is in it where its bit N is: a list, which
 * the caller owns; NULL where memory is out. */
json_t *disk_formats_json(unsigned set);

/*
 * Writes the image in this format into *to*, an empty file open for reading and writing. Returns 0; -EINVAL
 * where the format can't have a disk of this size; -ENODATA where the image is shorter than it is said to be;
 * -ENOMEM; the errors of reading and writing.
 */
int disk_format_write(unsigned format, const struct disk_source *source, int to, struct error **err);
