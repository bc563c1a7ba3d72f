/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/file.h"
#include "base/string-util.h"

/* ---- Files ---- */

static int read_secret(const char *path, const char *variable, const char *what, char ret[KEY_SECRET_MAX],
	struct error **err)
{
	char *text;
	size_t size, length;
	int r = 0;

	if (!path)
		path = getenv(variable);
	if (!path || !*path)
		return 0;
	r = file_read_private(path, KiB(4), &text, &size, err);
	if (r < 0)
		return r;
	length = strcspn(text, "\r\n");
	if (length == 0 || length >= KEY_SECRET_MAX)
		r = error_set(err, -EINVAL, "%s: its first line must be the %s, 1 to %d bytes", path, what,
			KEY_SECRET_MAX - 1);
	else
		(void)snprintf(ret, KEY_SECRET_MAX, "%.*s", (int)length, text);
	OPENSSL_cleanse(text, size);
	free(text);
	return r < 0 ? r : 1;
}

/* ---- The terminal ---- */

/* libcrypto would read standard input where there is no terminal. */
static bool has_terminal(void)
{
	_cleanup_close_ int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	return fd >= 0;
}

/* On the terminal, even where standard input and output are somebody else's. */
static int prompt(const char *what, const char *name, bool twice, char ret[KEY_SECRET_MAX])
{
	_cleanup_free_ char *text = string_format("%s of %s: ", what, name);

	if (!text)
		return -ENOMEM;
	return has_terminal() && EVP_read_pw_string_min(ret, 1, KEY_SECRET_MAX - 1, text, twice) == 0
		       ? 0
		       : -ENOKEY;
}

static int know_passphrase(struct secrets *secrets, const struct key_question *question)
{
	/* One that was typed may be of another key, or mistyped. */
	if (question->attempt == 0 && secrets->has_passphrase)
		return 0;
	if (secrets->file_passphrase || prompt("Passphrase", question->name, false, secrets->passphrase) < 0)
		return -ENOKEY;
	secrets->has_passphrase = true;
	return 0;
}

/* What a URI says of the token: not which object in it. */
static char *token_of(const char *uri)
{
	static const char *const of_object[] = {"object=", "id=", "type="};
	_cleanup_buffer_ struct buffer token = {};

	for (const char *at = uri; *at;) {
		size_t length = strcspn(at, ";");
		const char *attribute = startswith(at, "pkcs11:") ? at + strlen("pkcs11:") : at;
		bool skip = false;

		for (size_t i = 0; i < ARRAY_SIZE(of_object); i++)
			skip = skip || startswith(attribute, of_object[i]);
		if (!skip)
			buffer_printf(&token, "%.*s;", (int)(length - (size_t)(attribute - at)), attribute);
		at += length + (at[length] != 0);
	}
	return buffer_take(&token, NULL);
}

/* A PIN is given to the token that it was asked for: others count wrong ones. */
static int know_pin(struct secrets *secrets, const struct key_question *question)
{
	_cleanup_free_ char *token = NULL;

	if (secrets->file_pin)
		return 0;
	token = token_of(question->name);
	if (token && secrets->has_pin && streq(token, secrets->token))
		return 0;
	secrets->has_pin = false;
	if (!token || prompt("PIN", question->name, false, secrets->pin) < 0)
		return -ENOKEY;
	(void)snprintf(secrets->token, sizeof(secrets->token), "%s", token);
	secrets->has_pin = strlen(token) < sizeof(secrets->token);
	return 0;
}

static int ask(const struct key_question *question, char *ret, size_t size, void *userdata)
{
	struct secrets *secrets = userdata;
	bool is_pin = question->kind == KEY_PIN;
	const char *secret = is_pin ? secrets->pin : secrets->passphrase;
	int r = is_pin ? know_pin(secrets, question) : know_passphrase(secrets, question);

	if (r < 0 || strlen(secret) >= size)
		return -ENOKEY;
	memcpy(ret, secret, strlen(secret) + 1);
	return 0;
}

int secrets_open(struct secrets *secrets, const struct key_secret **ret, struct error **err)
{
	int r = read_secret(
		secrets->passphrase_file, "ORLOP_PASSPHRASE_FILE", "passphrase", secrets->passphrase, err);

	if (r < 0)
		return r;
	secrets->has_passphrase = secrets->file_passphrase = r > 0;
	r = read_secret(secrets->pin_file, "ORLOP_PIN_FILE", "PIN", secrets->pin, err);
	if (r < 0)
		return r;
	secrets->has_pin = secrets->file_pin = r > 0;
	secrets->secret = (struct key_secret){.ask = ask, .userdata = secrets};
	*ret = &secrets->secret;
	return 0;
}

void secrets_close(struct secrets *secrets)
{
	OPENSSL_cleanse(secrets->passphrase, sizeof(secrets->passphrase));
	OPENSSL_cleanse(secrets->pin, sizeof(secrets->pin));
	secrets->has_passphrase = secrets->has_pin = false;
}

int secrets_new_passphrase(struct secrets *secrets, const char **ret, struct error **err)
{
	if (!secrets->has_passphrase && prompt("Passphrase", "the new keys", true, secrets->passphrase) < 0)
		return error_set(err, -ENOKEY,
			"there is no passphrase for the new keys: type it twice, or name a file that has it "
			"(--passphrase-file)");
	secrets->has_passphrase = true;
	*ret = secrets->passphrase;
	return 0;
}
