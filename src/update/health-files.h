/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the health checks read of files that others write: systemd-networkd, the kernel, orlop-init, the boot
 * loader.
 */
#pragma once

#include "base/error.h"

/*
 * True where *text* has the line NAME=VALUE. systemd-networkd writes such lines to /run/systemd/netif/state
 * and, for each interface, to /run/systemd/netif/links/INDEX; so libsystemd reads them (src/network/
 * networkd-state-file.c and src/libsystemd/sd-network of systemd 257).
 */
bool health_line_is(const char *text, const char *name, const char *value);

/*
 * The device of the state partition and the reason why state is volatile, from /run/orlop/boot.json
 * (docs/formats/init.md); each malloc()ed, or NULL where it is null there. Returns 0; -EBADMSG with *err* set
 * where that is no such record; -ENOMEM.
 */
int health_boot_state(const char *text, char **ret_device, char **ret_degraded, struct error **err);

/*
 * The source of what is mounted at *path*, from /proc/self/mountinfo (proc_pid_mountinfo(5)), malloc()ed. Of
 * several mounts at one place the last is the one that is seen. Returns 0, -ENOENT where nothing is mounted
 * there, or -ENOMEM.
 */
int health_mount_source(const char *text, const char *path, char **ret);
