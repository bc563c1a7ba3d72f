/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading folders: a DIR that is closed when it goes out of scope.
 */
#pragma once

#include <dirent.h>

static inline void cleanup_closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

#define _cleanup_closedir_ __attribute__((cleanup(cleanup_closedirp)))
