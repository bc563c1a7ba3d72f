/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lines of sysusers.d(5) files, by which packages say what accounts they need:
 *
 *     u! systemd-network 998:nogroup "Network Management" /run/network /usr/sbin/nologin
 */
#pragma once

#include "base/error.h"

enum sysusers_type {
	SYSUSERS_USER = 'u', /* a user, and the group of the same name where the id names no other */
	SYSUSERS_GROUP = 'g',
	SYSUSERS_MEMBER = 'm', /* the user *name* becomes a member of the group *id* */
	SYSUSERS_RANGE = 'r',  /* *id* is a range "500-900" that ids may be taken from */
};

/* Fields are unquoted; one that is missing or "-" is NULL. */
struct sysusers_line {
	enum sysusers_type type;
	bool locked; /* "u!": the account is expired as well */
	char *name, *id, *gecos, *home, *shell;
};

struct sysusers {
	struct sysusers_line *lines; /* in the order they were read */
	size_t count;
};

void sysusers_release(struct sysusers *sysusers);
#define _cleanup_sysusers_ _cleanup_(sysusers_release)

/*
 * Reads a file, which is called *what* in errors, and adds its lines to *sysusers*. Of the specifiers only
 * those are known that don't depend on the machine: "%%", "%T" (/tmp), "%V" (/var/tmp) and "%a" (the
 * architecture as systemd calls it, *architecture*).
 *
 * Returns 0, -EBADMSG with *err* naming the line, or -ENOMEM. What was read before an error stays in
 * *sysusers*.
 */
int sysusers_parse(const char *text, size_t size, const char *what, const char *architecture,
	struct sysusers *sysusers, struct error **err);

/* True for a name that systemd takes: letters, digits, "_" and "-", no digit or "-" in front, at most 31
 * bytes. */
bool sysusers_name_is_valid(const char *name);
