/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The settings of orlop-init: the file /etc/orlop/init.conf of the initrd, made by the builder and measured
 * and signed with the initrd. Lines KEY=VALUE; empty lines and lines that begin with "#" are skipped. An
 * unknown key is an error, so is one given twice. docs/formats/init.md has the list.
 */
#pragma once

#include "base/error.h"

enum settings_failure {
	FAILURE_RESTART,
	FAILURE_POWEROFF,
};

enum settings_corruption {
	CORRUPTION_ERROR,
	CORRUPTION_RESTART,
	CORRUPTION_PANIC,
};

struct settings {
	char *command_line; /* what /proc/cmdline has to be; NULL: anything */
	char *etc;	    /* lower layer of /etc, a path in the new root; NULL: /etc is on the tmpfs */
	char *sealed;	    /* list of the paths in /etc that state cannot change; NULL: none */
	char *init;	    /* the program to go on with */
	char *usr_type, *verity_type, *signature_type, *state_type; /* partition types, UUIDs as text */
	char *state_label;
	bool secure_boot; /* Secure Boot and kernel lockdown have to be on */
	bool tpm2;	  /* a TPM 2.0 has to answer, with PCR 12 untouched */
	bool signature;	  /* the root hash needs a signature that the kernel accepts */
	bool carried;	  /* /usr is in the initrd, and not on a disk */
	bool state;	  /* there is a state partition */
	bool state_required;
	enum settings_corruption corruption;
	enum settings_failure failure;
	uint64_t state_minimum; /* bytes */
	uint64_t disk_timeout;	/* seconds */
	uint64_t failure_delay; /* seconds */
};

void settings_release(struct settings *settings);
#define _cleanup_settings_ _cleanup_(settings_release)

/*
 * Reads the settings from *text*. Keys that are missing take the defaults of docs/formats/init.md, which are
 * the strict ones. Returns 0; -EINVAL with *err* naming line and key; -ENOMEM.
 */
int settings_parse(const char *text, struct settings *ret, struct error **err);
