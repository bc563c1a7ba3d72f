/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/signature.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/process.h"
#include "base/string-util.h"
#include "format/openpgp-armor.h"

#define OUTPUT_MAX MiB(64)
#define KEYRING_MAX MiB(64)

/* A file of keys as gpgv takes it. */
struct keyring {
	char *path;
	int fd; /* of the keys in memory that *path* leads to; -1: it is the file itself */
};

static void keyring_release(struct keyring *keyring)
{
	free(keyring->path);
	cleanup_closep(&keyring->fd);
}

/* gpgv reads packets alone: keys in ASCII armour are given to it without that, from memory. */
static int keyring_dearmor(
	struct keyring *keyring, const char *name, const char *text, size_t size, struct error **err)
{
	_cleanup_buffer_ struct buffer keys = {};
	int r = openpgp_dearmor(text, size, &keys, err);

	if (r < 0)
		return error_wrap(err, "keyring %s", name);
	keyring->fd = memfd_create("keyring", MFD_CLOEXEC);
	if (keyring->fd < 0)
		return error_set_errno(err, -errno, "keyring %s", name);
	r = write_full(keyring->fd, keys.data, keys.size);
	if (r < 0)
		return error_set_errno(err, r, "keyring %s", name);
	keyring->path = string_format("/proc/%d/fd/%d", (int)getpid(), keyring->fd);
	return keyring->path ? 0 : error_set_errno(err, -ENOMEM, "keyring %s", name);
}

static int keyring_open(struct keyring *keyring, const char *name, struct error **err)
{
	_cleanup_free_ char *data = NULL;
	size_t size;
	int r;

	if (access(name, R_OK) < 0)
		return error_set_errno(err, -errno, "keyring %s", name);
	r = file_read(name, KEYRING_MAX, &data, &size, err);
	if (r < 0)
		return error_wrap(err, "keyring");
	switch (openpgp_keys_kind(data, size)) {
	case OPENPGP_KEYS_BINARY:
		/* gpgv looks for a name without "/" in the user's own GnuPG folder. */
		keyring->path = string_format("%s%s", strchr(name, '/') ? "" : "./", name);
		return keyring->path ? 0 : error_set_errno(err, -ENOMEM, "keyring %s", name);
	case OPENPGP_KEYS_ARMORED:
		return keyring_dearmor(keyring, name, data, size, err);
	case OPENPGP_KEYS_NONE:
		break;
	}
	return error_set(err, -EBADMSG,
		"keyring %s holds no OpenPGP public keys, neither as such nor in ASCII armour", name);
}

/* What gpgv's status lines (GnuPG: doc/DETAILS) say about all signatures of a text together. */
struct verdict {
	bool good;	       /* the signature that is being reported is good so far */
	unsigned valid;	       /* good signatures with a strong digest */
	unsigned bad;	       /* signatures that do not match the text */
	unsigned expired;      /* signatures, or their keys, that are expired or revoked */
	unsigned texts;	       /* parts that gpgv has handed out */
	unsigned errors;       /* other things that gpgv did not like, such as a second signed text */
	struct buffer missing; /* key ids, parted by commas */
};

static void verdict_release(struct verdict *verdict)
{
	buffer_release(&verdict->missing);
}

/* RFC 9580, section 9.5: 8, 9 and 10 are SHA-256, SHA-384 and SHA-512; the weaker ones are not enough. */
static bool digest_is_strong(const char *arguments)
{
	uint64_t algorithm;
	char word[32];

	/* VALIDSIG fingerprint date time expiry version reserved key-algorithm digest-algorithm … */
	if (sscanf(arguments, "%*s %*s %*s %*s %*s %*s %*s %31s", word) != 1)
		return false;
	return parse_u64(word, &algorithm) == 0 && algorithm >= 8 && algorithm <= 10;
}

static void take_missing(struct verdict *verdict, const char *key)
{
	size_t size = strspn(key, "0123456789ABCDEF");

	buffer_printf(
		&verdict->missing, "%s%.*s", verdict->missing.size > 0 ? ", " : "", (int)MIN(size, 40u), key);
}

static void take_status(struct verdict *verdict, const char *line)
{
	const char *rest;

	if (startswith(line, "NEWSIG"))
		verdict->good = false;
	else if (startswith(line, "GOODSIG "))
		verdict->good = true;
	else if ((rest = startswith(line, "VALIDSIG ")))
		verdict->valid += verdict->good && digest_is_strong(rest);
	else if (startswith(line, "BADSIG "))
		verdict->bad++;
	else if (startswith(line, "EXPSIG ") || startswith(line, "EXPKEYSIG ") ||
		 startswith(line, "REVKEYSIG "))
		verdict->expired++;
	else if ((rest = startswith(line, "NO_PUBKEY ")))
		take_missing(verdict, rest);
	else if (startswith(line, "PLAINTEXT "))
		verdict->texts++;
	else if (startswith(line, "ERROR proc_pkt."))
		verdict->errors++;
}

/* Reads the status lines, of which none is longer than gpgv's message. Returns 0 or -ENOMEM. */
static int read_status(struct buffer *message, struct verdict *ret)
{
	char *line, *next;

	buffer_append_u8(message, 0);
	if (buffer_failed(message))
		return -ENOMEM;
	for (line = (char *)message->data; line; line = next) {
		const char *status;

		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		status = startswith(line, "[GNUPG:] ");
		if (status)
			take_status(ret, status);
	}
	buffer_append_u8(&ret->missing, 0);
	return buffer_failed(&ret->missing) ? -ENOMEM : 0;
}

static int judge(const struct verdict *verdict, int status, const char *keyring, struct error **err)
{
	if (verdict->bad > 0)
		return error_set(err, -EBADMSG,
			"the signature does not match: the text was altered after it was signed");
	if (verdict->texts > 1 || (verdict->valid > 0 && verdict->errors > 0))
		return error_set(err, -EBADMSG, "is not one signed text and nothing else");
	if (verdict->valid > 0 && verdict->texts == 1)
		return 0;
	if (verdict->expired > 0)
		return error_set(
			err, -EKEYEXPIRED, "signed by a key that is expired or revoked in %s", keyring);
	if (verdict->missing.size > 1)
		return error_set(err, -ENOKEY, "signed by %s, which %s does not hold",
			(char *)verdict->missing.data, keyring);
	return error_set(err, -EBADMSG, "carries no valid signature (gpgv ended with status %d)", status);
}

int signature_verify(
	const void *text, size_t size, const char *keyring, struct buffer *ret, struct error **err)
{
	_cleanup_(keyring_release) struct keyring keys = {.fd = -1};
	const char *arguments[] = {"gpgv", "--quiet", "--homedir", "/nonexistent", "--keyring", NULL,
		"--log-file", "/dev/null", "--status-fd", "2", "--output", "-", "-", NULL};
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_(verdict_release) struct verdict verdict = {};
	int r;

	r = keyring_open(&keys, keyring, err);
	if (r < 0)
		return r;
	arguments[5] = keys.path;
	r = process_run(arguments, text, size, OUTPUT_MAX, &result, err);
	if (r == -ENOENT)
		return error_wrap(err, "signatures are checked with gpgv (install the package gpgv)");
	if (r < 0)
		return r;
	r = read_status(&result.message, &verdict);
	if (r < 0)
		return error_set_errno(err, r, "gpgv");
	r = judge(&verdict, result.status, keyring, err);
	if (r < 0)
		return r;
	buffer_append(ret, result.output.data, result.output.size);
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "gpgv") : 0;
}
