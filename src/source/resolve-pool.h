/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a resolver is made of: between resolve-pool.c, which fills libsolv's pool, and resolve.c, which asks
 * it.
 */
#pragma once

#include <solv/pool.h>
#include <solv/repo.h>

#include "source/resolve.h"

struct resolver {
	Pool *pool;
};

/* Where the packages of one libsolv repository come from; its appdata. */
struct origin {
	char *suite, *component, *archive;
};
