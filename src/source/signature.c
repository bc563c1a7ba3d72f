/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/signature.h"

#include <errno.h>
#include <string.h>

#include "base/process.h"
#include "base/string-util.h"

#define OUTPUT_MAX MiB(64)

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
		return error_set(err, -EKEYEXPIRED,
			"signed by a key that is expired or revoked in %s: update debian-archive-keyring, or "
			"give the "
			"right keys with --keyring",
			keyring);
	if (verdict->missing.size > 1)
		return error_set(err, -ENOKEY,
			"signed by %s, which %s does not hold: give the keyring of this repository with "
			"--keyring",
			(char *)verdict->missing.data, keyring);
	return error_set(err, -EBADMSG, "carries no valid signature (gpgv ended with status %d)", status);
}

int signature_verify(
	const void *text, size_t size, const char *keyring, struct buffer *ret, struct error **err)
{
	/* gpgv looks for a name without "/" in the user's own GnuPG folder. */
	_cleanup_free_ char *path = string_format("%s%s", strchr(keyring, '/') ? "" : "./", keyring);
	const char *const arguments[] = {"gpgv", "--quiet", "--homedir", "/nonexistent", "--keyring", path,
		"--log-file", "/dev/null", "--status-fd", "2", "--output", "-", "-", NULL};
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_(verdict_release) struct verdict verdict = {};
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", keyring);
	if (access(path, R_OK) < 0)
		return error_set_errno(err, -errno,
			"keyring %s (install debian-archive-keyring, or give another with --keyring)",
			keyring);
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
