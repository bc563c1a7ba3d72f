/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel command line (Linux: Documentation/admin-guide/kernel-parameters.rst): arguments separated by
 * white space, where double quotes protect spaces. What follows an argument "--" is not for the kernel nor
 * for us.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/string-util.h"

/* The arguments of *text* with their quotes removed. Returns 0 or -ENOMEM. */
int cmdline_split(const char *text, struct strv *ret);

/*
 * The value of the argument KEY=VALUE. A repetition with the same value is no error. Returns 0; -ENOENT
 * without *err* where there is none; -ENOTUNIQ where two have different values. *ret* belongs to *arguments*.
 */
int cmdline_get(const struct strv *arguments, const char *key, const char **ret, struct error **err);

/*
 * Appends the parameters of a module, from arguments MODULE.PARAMETER[=VALUE], as finit_module(2) takes them,
 * ended by NUL. "-" and "_" in the module's name are the same.
 */
void cmdline_module_parameters(const struct strv *arguments, const char *module, struct buffer *ret);

/*
 * Compares two command lines, white space at both ends aside. Returns 0; -EPERM where they differ, with *err*
 * saying which argument is not expected or missing.
 */
int cmdline_compare(const char *actual, const char *expected, struct error **err);
