/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* OpenSSL 3 calls engines deprecated; on Debian 12 nothing else speaks PKCS#11. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "format/tuf-token.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <string.h>

static const char *reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	return text ? text : "no such key";
}

/* How much of a URI may be shown: what comes behind may be the PIN (RFC 7512, 2.4: "pin-value"). */
static int shown(const char *uri)
{
	const char *pin = strstr(uri, "pin-value");
	size_t length = strcspn(uri, "?");

	return (int)(pin && (size_t)(pin - uri) < length ? (size_t)(pin - uri) : length);
}

/* What OpenSSL asks for a PIN. */
struct question {
	const char *uri;
	const struct tuf_secret *secret;
};

static int answer(char *buffer, int size, int writing, void *userdata)
{
	const struct question *question = userdata;

	(void)writing;
	if (!question->secret || size <= 0 ||
		question->secret->ask(question->uri, buffer, (size_t)size, question->secret->userdata) < 0)
		return -1;
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

static EVP_PKEY *find_by_provider(const char *uri, UI_METHOD *method, struct question *question)
{
	OSSL_STORE_CTX *store = OSSL_STORE_open(uri, method, question, NULL, NULL);
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
static EVP_PKEY *find_by_engine(ENGINE *engine, const char *uri, UI_METHOD *method, struct question *question)
{
	EVP_PKEY *key = ENGINE_load_private_key(engine, uri, method, question);

	(void)ENGINE_finish(engine);
	(void)ENGINE_free(engine);
	return key;
}

int tuf_token_key(const char *uri, const struct tuf_secret *secret, EVP_PKEY **ret, struct error **err)
{
	UI_METHOD *method = UI_UTIL_wrap_read_pem_callback(answer, 0);
	struct question question = {.uri = uri, .secret = secret};
	bool provider = load_provider();
	ENGINE *engine = provider ? NULL : load_engine();
	EVP_PKEY *key = NULL;
	int r = 0;

	ERR_clear_error();
	if (!method)
		r = error_set_errno(err, -ENOMEM, "%s", uri);
	else if (provider)
		key = find_by_provider(uri, method, &question);
	else if (engine)
		key = find_by_engine(engine, uri, method, &question);
	else
		r = error_set(err, -ENOTSUP,
			"%.*s: OpenSSL can't use tokens here; install the package pkcs11-provider, or "
			"libengine-pkcs11-openssl on Debian 12",
			shown(uri), uri);
	if (r == 0 && !key)
		r = error_set(err, -ENOENT,
			"%.*s: the token has no such private key, or the PIN is wrong (%s)", shown(uri), uri,
			reason());
	ERR_clear_error();
	UI_destroy_method(method);
	if (r == 0)
		*ret = key;
	return r;
}
