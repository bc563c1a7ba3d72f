/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* OpenSSL 3 calls engines deprecated; on Debian 12 nothing else speaks PKCS#11. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "format/private-token.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <string.h>

char *private_token_name(const char *uri)
{
	const char *pin = strstr(uri, "pin-value");
	size_t length = strcspn(uri, "?");

	return strndup(uri, pin && (size_t)(pin - uri) < length ? (size_t)(pin - uri) : length);
}

/* What OpenSSL asks for a PIN. */
struct asking {
	struct key_question question;
	const struct key_secret *secret;
	bool asked, answered;
};

static int answer(char *buffer, int size, int writing, void *userdata)
{
	struct asking *asking = userdata;

	(void)writing;
	/* A second try may be the one that locks the token. */
	if (asking->asked || !asking->secret || size <= 0 ||
		asking->secret->ask(&asking->question, buffer, (size_t)size, asking->secret->userdata) < 0) {
		asking->asked = true;
		return -1;
	}
	asking->asked = asking->answered = true;
	return (int)strnlen(buffer, (size_t)size);
}

/* ---- The provider ---- */

static EVP_PKEY *take_private_key(OSSL_STORE_CTX *store)
{
	EVP_PKEY *key = NULL;

	while (!key && !OSSL_STORE_eof(store)) {
		OSSL_STORE_INFO *info = OSSL_STORE_load(store);

		if (info && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
			key = OSSL_STORE_INFO_get1_PKEY(info);
		OSSL_STORE_INFO_free(info);
		if (!info && OSSL_STORE_error(store))
			break;
	}
	return key;
}

/* The provider stays loaded: keys that it found need it as long as they live. */
static bool load_provider(void)
{
	return OSSL_PROVIDER_available(NULL, "pkcs11") == 1 ||
	       OSSL_PROVIDER_try_load(NULL, "pkcs11", 1) != NULL;
}

static EVP_PKEY *find_by_provider(const char *uri, UI_METHOD *method, struct asking *asking)
{
	OSSL_STORE_CTX *store = OSSL_STORE_open(uri, method, asking, NULL, NULL);
	EVP_PKEY *key = NULL;

	if (store && OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY) == 1)
		key = take_private_key(store);
	OSSL_STORE_close(store);
	return key;
}

/* ---- The engine ---- */

/* NULL where there is none. The caller finishes and frees it. */
static ENGINE *load_engine(void)
{
	ENGINE *engine;

	(void)OPENSSL_init_crypto(OPENSSL_INIT_ENGINE_DYNAMIC, NULL);
	engine = ENGINE_by_id("pkcs11");
	/* It would print what it doesn't find, PIN and all. */
	if (engine)
		(void)ENGINE_ctrl_cmd_string(engine, "QUIET", NULL, 1);
	if (engine && ENGINE_init(engine) != 1) {
		ENGINE_free(engine);
		engine = NULL;
	}
	return engine;
}

/* A key holds a reference to its engine. */
static EVP_PKEY *find_by_engine(ENGINE *engine, const char *uri, UI_METHOD *method, struct asking *asking)
{
	EVP_PKEY *key = ENGINE_load_private_key(engine, uri, method, asking);

	(void)ENGINE_finish(engine);
	(void)ENGINE_free(engine);
	return key;
}

/* ---- What went wrong ---- */

/* The reason of the queue's errors that is about the PIN: "PIN incorrect", "PIN locked", in whoever's words.
 */
static const char *find_pin_reason(void)
{
	const char *found = NULL, *text;
	unsigned long code;

	while ((code = ERR_get_error()) != 0) {
		text = ERR_reason_error_string(code);
		if (!found && text && strstr(text, "PIN"))
			found = text;
	}
	return found;
}

static int blame(const struct asking *asking, bool has_pin, struct error **err)
{
	const char *name = asking->question.name, *pin = find_pin_reason();

	if (pin)
		return error_set(err, -EKEYREJECTED, "%s: the token does not take the PIN (%s)", name, pin);
	if (asking->asked && !asking->answered)
		return error_set(
			err, -EKEYREJECTED, "%s: the token wants its PIN, and nobody knows it", name);
	if (!asking->asked && !has_pin)
		return error_set(err, -ENOENT, "%s: there is no such token", name);
	return error_set(err, -ENOENT, "%s: %s no such private key", name,
		has_pin ? "there is no such token, or it has" : "the token has");
}

int private_token_key(const char *uri, const char *name, const struct key_secret *secret, EVP_PKEY **ret,
	struct error **err)
{
	UI_METHOD *method = UI_UTIL_wrap_read_pem_callback(answer, 0);
	struct asking asking = {.question = {.kind = KEY_PIN, .name = name}, .secret = secret};
	bool provider = load_provider();
	ENGINE *engine = provider ? NULL : load_engine();
	EVP_PKEY *key = NULL;
	int r = 0;

	ERR_clear_error();
	if (!method)
		r = error_set_errno(err, -ENOMEM, "%s", name);
	else if (provider)
		key = find_by_provider(uri, method, &asking);
	else if (engine)
		key = find_by_engine(engine, uri, method, &asking);
	else
		r = error_set(err, -ENOTSUP,
			"%s: OpenSSL can't use tokens here; install the package pkcs11-provider, or "
			"libengine-pkcs11-openssl on Debian 12",
			name);
	if (r == 0 && !key)
		r = blame(&asking, strstr(uri, "pin-value") || strstr(uri, "pin-source"), err);
	ERR_clear_error();
	UI_destroy_method(method);
	if (r == 0)
		*ret = key;
	return r;
}
