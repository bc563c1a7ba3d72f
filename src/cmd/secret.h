/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Passphrases of key files and PINs of tokens: from a file that an option or the environment names, or asked
 * for on the terminal, once for all keys that one opens. Never from the command line, which everybody may
 * read.
 */
#pragma once

#include "cmd/command.h"
#include "format/private-key.h"

struct secrets {
	const char *passphrase_file, *pin_file; /* NULL: $ORLOP_PASSPHRASE_FILE, $ORLOP_PIN_FILE */

	char passphrase[KEY_SECRET_MAX], pin[KEY_SECRET_MAX];
	bool has_passphrase, has_pin;	/* … are known, … */
	bool file_passphrase, file_pin; /* … and from a file */
	char token[2 * KEY_SECRET_MAX]; /* that the PIN was asked for */
	struct key_secret secret;
};

/* Their options, for a structure with the member *secrets*. */
#define OPTION_PASSPHRASE_FILE(type)                                                    \
	{                                                                               \
		"passphrase-file", 0, "FILE",                                           \
			"Its first line is the passphrase of encrypted keys. Default: " \
			"$ORLOP_PASSPHRASE_FILE, or it is asked for on the terminal.",  \
			OPTION_STRING, offsetof(type, secrets.passphrase_file)          \
	}
#define OPTION_PIN_FILE(type)                                                                                \
	{                                                                                                    \
		"pin-file", 0, "FILE",                                                                       \
			"Its first line is the PIN of tokens. Default: $ORLOP_PIN_FILE, or it is asked for " \
			"on the terminal.",                                                                  \
			OPTION_STRING, offsetof(type, secrets.pin_file)                                      \
	}

/* Reads the files. *ret* is who to ask, as long as *secrets* stays where it is. */
int secrets_open(struct secrets *secrets, const struct key_secret **ret, struct error **err);

/* Wipes what it knows. */
void secrets_close(struct secrets *secrets);

/* The passphrase for new keys: the file's, or asked for twice. Belongs to *secrets*. */
int secrets_new_passphrase(struct secrets *secrets, const char **ret, struct error **err);
