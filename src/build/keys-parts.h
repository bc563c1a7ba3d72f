/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The names in a folder of keys, for the files that make one and that read it.
 */
#pragma once

#include "build/keys.h"
#include "format/tuf.h"

#define KEYS_OWNER "owner.guid"
#define KEYS_ROOT "root.json"
#define KEYS_RELEASE_FIRST (2 * EFI_TRUST_VARIABLES)
#define KEYS_FILES (KEYS_RELEASE_FIRST + TUF_TYPES + 2)

/* Certificates come last of their pair and the owner last of all: a set that lacks a file is never taken for
 * whole. */
extern const char *const keys_files[KEYS_FILES];
