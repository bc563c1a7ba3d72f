/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the image asks of the machine before it comes up there.
 */
#pragma once

#include "base/error.h"

/* Secure Boot is on with its keys enrolled, and the kernel is locked down. Returns 0 or -EPERM. */
int require_secure_boot(struct error **err);

/*
 * Nothing was added to the signed kernel image when it was started: PCR 12, where systemd's stub measures a
 * replaced command line, add-ons and credentials, is as after a reset. Returns 0, -EPERM, or -EIO where it
 * can't be read.
 */
int require_unchanged_boot(struct error **err);

/* True where *digits* is hexadecimal zeros and nothing else but a newline at the end. */
bool require_is_zero(const char *digits);

/* True where /sys/kernel/security/lockdown's *text* selects "integrity" or more. */
bool require_is_locked_down(const char *text);
