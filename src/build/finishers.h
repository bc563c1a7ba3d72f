/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The finishers that finish_run() calls, each by itself.
 */
#pragma once

#include "build/finish.h"

/*
 * update-alternatives: for each name of a table, a link to the best program of those that are in the tree
 * (awk to mawk, iptables to iptables-nft …). The links lead there directly and not through /etc/alternatives:
 * in a read-only /usr nobody can choose again. A name that a package or the definition has made already stays
 * as it is.
 */
int finish_alternatives(struct finish *finish, struct error **err);

/* add-shell: /etc/shells with those of the known shells that are in the tree, unless the definition has it.
 */
int finish_shells(struct finish *finish, struct error **err);

/*
 * /etc/hosts, and /etc/nsswitch.conf from libc-bin's template (or one of our own) with "systemd", "resolve"
 * and "myhostname" where their modules are in the tree, in the places where their packages put them.
 */
int finish_name_service(struct finish *finish, struct error **err);

/*
 * /etc/profile and motd from base-files, and an empty /etc/environment, /etc/locale.conf (C.UTF-8), localtime
 * (UTC) and mtab; /var/run and /var/lock as links to /run. Removes what must be a node's own: machine-id,
 * and hostname unless the definition has one.
 */
int finish_environment(struct finish *finish, struct error **err);

/*
 * pam-auth-update: /etc/pam.d/common-{account,auth,password,session,session-noninteractive} from
 * libpam-runtime's templates and all profiles in /usr/share/pam-configs with "Default: yes"; but what
 * the definition has of the five stays. -EEXIST where two profiles conflict.
 */
int finish_pam(struct finish *finish, struct error **err);

/*
 * update-ca-certificates: /etc/ssl/certs with the bundle ca-certificates.crt, a link to each certificate in
 * /usr/share/ca-certificates, and the links named after subjects' hashes by which OpenSSL finds them.
 * -EBADMSG for a certificate that can't be read.
 */
int finish_certificates(struct finish *finish, struct error **err);

/* os-release(5): Debian's with the edition's names and version; ID_LIKE stays debian. */
int finish_os_release(struct finish *finish, const struct finish_options *options, struct error **err);

/* /usr/share/orlop/packages.json, docs/formats/packages.md: what stands in for dpkg's status file. */
int finish_package_list(struct finish *finish, const struct unpacked *unpacked, struct error **err);
