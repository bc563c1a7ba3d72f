/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What releases.json and release.json call a release: edition, architecture, version. Each is a folder's name
 * on the server, so none can be a path.
 */
#pragma once

#include "format/json-read.h"

#define RELEASE_READER "orlop-node" /* who reads these files, for errors */

/* Reads the three members as malloc()ed strings. Returns 0, -EBADMSG or -ENOMEM; what was read before a fault
 * is the caller's, too. */
int release_names_read(const struct json_place *place, char **ret_edition, char **ret_architecture,
	char **ret_version, struct error **err);
