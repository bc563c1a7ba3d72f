/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Users and groups of the image: base-passwd's master files, then what the packages ask for in sysusers.d(5),
 * in /etc/passwd, group, shadow and gshadow.
 *
 * Ids are given as systemd-sysusers gives them, which makes them the same from build to build for the same
 * packages: groups in the order of the files' names and lines, then users, each the highest id up to 999 that
 * is neither a user's nor a group's. Since an id that is on disk must not change when a package joins, an
 * edition fixes those of accounts that own files on the state partition.
 *
 * Nobody has a password: every account, root too, is locked ("!*"), and "u!" accounts are expired as well.
 */
#pragma once

#include "build/finish.h"
#include "format/yaml.h"

/*
 * Writes the account files. *fixed* (may be NULL) has names and the decimal ids that they get, user and group
 * alike. Empty /etc/subuid and /etc/subgid are made where the tree has none.
 *
 * Returns 0; -ENOENT where *fixed* names an account that no package has; -EEXIST where an id is taken twice
 * (both are about that name, error_about()); -EINVAL or -EBADMSG for a line that can't be read, -ERANGE where
 * no id is left.
 */
int accounts_make(struct finish *finish, const struct pairs *fixed, struct error **err);
