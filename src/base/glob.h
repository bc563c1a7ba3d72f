/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Patterns over paths, as definitions write them: "?" is any one character but "/", "*" any number of such
 * characters, "**" any number of any characters; everything else stands for itself. Paths and patterns are
 * compared without a leading "/".
 */
#pragma once

#include <stdbool.h>

bool glob_match(const char *pattern, const char *path);

/* As glob_match() for *path* or one of the folders that lead to it. */
bool glob_match_below(const char *pattern, const char *path);
