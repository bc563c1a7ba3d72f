/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a file tree holds, in numbers, and which of its files give rights to whoever runs them.
 */
#pragma once

#include "base/string-util.h"
#include "format/tree.h"

/* A file that runs with rights its caller may not have. */
struct privileged_file {
	char *path;
	mode_t mode;
	uint32_t uid, gid;
	char *capabilities; /* as getcap prints them, "cap_net_raw=ep"; NULL: none */
};

struct survey {
	uint64_t files, folders, links; /* names; links are symbolic ones */
	uint64_t bytes;			/* content of the files, once for each name */
	struct privileged_file *setuid; /* setuid or setgid files, in the tree's order */
	size_t setuid_count;
	struct privileged_file *capable; /* files with security.capability */
	size_t capable_count;
};

/* Looks at the whole tree. The caller releases *ret*. */
int survey_tree(const struct tree *tree, struct survey *ret, struct error **err);
void survey_release(struct survey *survey);
#define _cleanup_survey_ _cleanup_(survey_release)

/*
 * The value of security.capability (include/uapi/linux/capability.h, struct vfs_cap_data, revisions 2 and 3)
 * as text. Returns 0, -EBADMSG where it is none, -ENOMEM.
 */
int capability_text(const void *value, size_t size, char **ret);
