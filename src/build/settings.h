/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a definition says of sysctl, users and units, as the files that systemd reads:
 *
 *     /usr/lib/sysctl.d/60-NAME.conf                 sysctl.d(5)
 *     /usr/lib/sysusers.d/NAME.conf                  sysusers.d(5), which the accounts are made of
 *     /usr/lib/systemd/system-preset/00-NAME.preset  systemd.preset(5), which counts before all others
 *
 * Settings that are not there make no file.
 */
#pragma once

#include "build/definition.h"
#include "format/tree.h"

/* Adds the files, of *mtime*, which are the definition's own (OWN_ORIGIN). Returns 0; -EEXIST where a package
 * has one of them; -EINVAL where `files` has (own_check()); -ENOMEM. */
int settings_add(const struct definition *definition, struct tree *tree, int64_t mtime, struct error **err);

/*
 * Whether the accounts that were made (/etc/passwd of the tree) are those of *users*, and their shells are
 * there. Returns 0; -EEXIST where something else brings an account of that name; -ENOENT; -ENOMEM. The error
 * is about the account (error_about()).
 */
int settings_check_users(const struct definition *definition, const struct tree *tree, struct error **err);

/* Appends the units to which that is to happen: "enable", "disable" or "mask". Returns 0 or -ENOMEM. */
int settings_units(
	const struct definition *definition, const char *what, struct strv *ret, struct error **err);
