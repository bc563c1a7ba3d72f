/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What has no memory in libraries, and says so: each function fails as its library documents it, without
 * having done anything. What a library does about its own failures is its own tests' business.
 *
 * libsolv is left alone: it ends the program itself where it has no memory (solv_malloc() and its like).
 */
#define CURL_DISABLE_TYPECHECK
#include "fault.h"

#include <archive.h>
#include <curl/curl.h>
#include <jansson.h>
#include <lzma.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <string.h>
#include <yaml.h>
#include <zlib.h>
#include <zstd.h>

#undef curl_easy_setopt

/* The function that stands for *name* and evaluates *failed* where it fails. */
#define LIBRARY(type, name, parameters, arguments, failed) \
	extern __typeof__(name) __real_##name;             \
	type __wrap_##name parameters;                     \
	type __wrap_##name parameters                      \
	{                                                  \
		if (fault(FAULT_LIBRARY, #name))           \
			return failed;                     \
		return __real_##name arguments;            \
	}                                                  \
	struct name##_needs_semicolon

/* ---- OpenSSL: a reason in the queue, and NULL or 0 ---- */

#define OPENSSL(type, name, parameters, arguments) \
	LIBRARY(type, name, parameters, arguments, (ERR_raise(ERR_LIB_CRYPTO, ERR_R_MALLOC_FAILURE), (type)0))

OPENSSL(BIO *, BIO_new, (const BIO_METHOD *method), (method));
OPENSSL(BIO *, BIO_new_mem_buf, (const void *data, int size), (data, size));
OPENSSL(EVP_MD_CTX *, EVP_MD_CTX_new, (void), ());
OPENSSL(EVP_MD *, EVP_MD_fetch, (OSSL_LIB_CTX * context, const char *name, const char *properties),
	(context, name, properties));
OPENSSL(int, EVP_Digest,
	(const void *data, size_t size, unsigned char *ret, unsigned *ret_size, const EVP_MD *type,
		ENGINE *engine),
	(data, size, ret, ret_size, type, engine));
OPENSSL(int, EVP_DigestInit_ex, (EVP_MD_CTX * context, const EVP_MD *type, ENGINE *engine),
	(context, type, engine));

/* Only the first of a context allocates. What comes then, EVP_DigestUpdate() and EVP_DigestFinal_ex(), never
 * does. */
extern __typeof__(EVP_DigestInit_ex2) __real_EVP_DigestInit_ex2;
int __wrap_EVP_DigestInit_ex2(EVP_MD_CTX *context, const EVP_MD *type, const OSSL_PARAM *parameters);
int __wrap_EVP_DigestInit_ex2(EVP_MD_CTX *context, const EVP_MD *type, const OSSL_PARAM *parameters)
{
	if (type && fault(FAULT_LIBRARY, "EVP_DigestInit_ex2")) {
		ERR_raise(ERR_LIB_CRYPTO, ERR_R_MALLOC_FAILURE);
		return 0;
	}
	return __real_EVP_DigestInit_ex2(context, type, parameters);
}

OPENSSL(int, EVP_DigestSignInit,
	(EVP_MD_CTX * context, EVP_PKEY_CTX **key, const EVP_MD *type, ENGINE *engine, EVP_PKEY *private),
	(context, key, type, engine, private));
OPENSSL(int, EVP_DigestSign,
	(EVP_MD_CTX * context, unsigned char *ret, size_t *ret_size, const unsigned char *data, size_t size),
	(context, ret, ret_size, data, size));
OPENSSL(int, EVP_DigestVerifyInit,
	(EVP_MD_CTX * context, EVP_PKEY_CTX **key, const EVP_MD *type, ENGINE *engine, EVP_PKEY *public),
	(context, key, type, engine, public));
OPENSSL(EVP_PKEY *, PEM_read_bio_PrivateKey,
	(BIO * bio, EVP_PKEY **key, pem_password_cb *ask, void *userdata), (bio, key, ask, userdata));
OPENSSL(EVP_PKEY *, PEM_read_bio_PUBKEY, (BIO * bio, EVP_PKEY **key, pem_password_cb *ask, void *userdata),
	(bio, key, ask, userdata));
OPENSSL(X509 *, PEM_read_bio_X509, (BIO * bio, X509 **ret, pem_password_cb *ask, void *userdata),
	(bio, ret, ask, userdata));
OPENSSL(int, PEM_write_bio_X509, (BIO * bio, const X509 *certificate), (bio, certificate));
OPENSSL(X509 *, d2i_X509, (X509 * *ret, const unsigned char **data, long size), (ret, data, size));
OPENSSL(PKCS7 *, d2i_PKCS7, (PKCS7 * *ret, const unsigned char **data, long size), (ret, data, size));
OPENSSL(int, X509_digest,
	(const X509 *certificate, const EVP_MD *type, unsigned char *ret, unsigned *ret_size),
	(certificate, type, ret, ret_size));
OPENSSL(int, RAND_bytes, (unsigned char *ret, int size), (ret, size));
LIBRARY(int, i2d_X509, (const X509 *certificate, unsigned char **ret), (certificate, ret), -1);
LIBRARY(int, i2d_X509_NAME, (const X509_NAME *name, unsigned char **ret), (name, ret), -1);
LIBRARY(int, i2d_ASN1_INTEGER, (const ASN1_INTEGER *number, unsigned char **ret), (number, ret), -1);
LIBRARY(unsigned long, X509_NAME_hash_ex,
	(const X509_NAME *name, OSSL_LIB_CTX *context, const char *properties, int *ret_ok),
	(name, context, properties, ret_ok), (ret_ok ? (*ret_ok = 0) : 0, 0UL));

/* ---- Jansson: NULL or -1; a value that is given away is gone all the same ---- */

#define JSON(type, name, parameters, arguments) LIBRARY(type, name, parameters, arguments, NULL)

JSON(json_t *, json_object, (void), ());
JSON(json_t *, json_array, (void), ());
JSON(json_t *, json_string, (const char *text), (text));
JSON(json_t *, json_stringn, (const char *text, size_t size), (text, size));
JSON(json_t *, json_integer, (json_int_t value), (value));
JSON(json_t *, json_deep_copy, (const json_t *value), (value));
JSON(char *, json_dumps, (const json_t *value, size_t flags), (value, flags));
LIBRARY(int, json_dumpf, (const json_t *value, FILE *file, size_t flags), (value, file, flags), -1);
LIBRARY(int, json_object_set_new, (json_t * object, const char *key, json_t *value), (object, key, value),
	(json_decref(value), -1));
LIBRARY(int, json_array_append_new, (json_t * array, json_t *value), (array, value),
	(json_decref(value), -1));
LIBRARY(int, json_object_update, (json_t * object, json_t *other), (object, other), -1);
LIBRARY(int, json_object_update_missing, (json_t * object, json_t *other), (object, other), -1);
LIBRARY(int, json_string_setn, (json_t * string, const char *text, size_t size), (string, text, size), -1);

static json_t *json_fails(json_error_t *error)
{
	if (error) {
		memset(error, 0, sizeof(*error));
		error->line = error->column = -1;
	}
	return NULL;
}

LIBRARY(json_t *, json_loadb, (const char *data, size_t size, size_t flags, json_error_t *error),
	(data, size, flags, error), json_fails(error));

/* Values that a pack takes over are released as well, so it is made first. */
json_t *__wrap_json_pack(const char *format, ...);
json_t *__wrap_json_pack(const char *format, ...)
{
	va_list args;
	json_t *value;

	va_start(args, format);
	value = json_vpack_ex(NULL, 0, format, args);
	va_end(args);
	if (fault(FAULT_LIBRARY, "json_pack")) {
		json_decref(value);
		return NULL;
	}
	return value;
}

json_t *__wrap_json_sprintf(const char *format, ...);
json_t *__wrap_json_sprintf(const char *format, ...)
{
	va_list args;
	json_t *value;

	if (fault(FAULT_LIBRARY, "json_sprintf"))
		return NULL;
	va_start(args, format);
	value = json_vsprintf(format, args);
	va_end(args);
	return value;
}

/* ---- libyaml ---- */

static int yaml_fails(yaml_parser_t *parser)
{
	parser->error = YAML_MEMORY_ERROR;
	return 0;
}

LIBRARY(int, yaml_parser_initialize, (yaml_parser_t * parser), (parser),
	(memset(parser, 0, sizeof(*parser)), yaml_fails(parser)));
LIBRARY(int, yaml_parser_load, (yaml_parser_t * parser, yaml_document_t *document), (parser, document),
	(memset(document, 0, sizeof(*document)), yaml_fails(parser)));
LIBRARY(int, yaml_parser_parse, (yaml_parser_t * parser, yaml_event_t *event), (parser, event),
	(memset(event, 0, sizeof(*event)), yaml_fails(parser)));

/* ---- libarchive ---- */

static int archive_fails(struct archive *archive)
{
	archive_set_error(archive, ENOMEM, "Can't allocate memory");
	return ARCHIVE_FATAL;
}

LIBRARY(struct archive *, archive_read_new, (void), (), NULL);
LIBRARY(int, archive_read_support_filter_gzip, (struct archive * archive), (archive), archive_fails(archive));
LIBRARY(int, archive_read_support_filter_xz, (struct archive * archive), (archive), archive_fails(archive));
LIBRARY(int, archive_read_support_filter_zstd, (struct archive * archive), (archive), archive_fails(archive));
LIBRARY(int, archive_read_support_format_raw, (struct archive * archive), (archive), archive_fails(archive));
LIBRARY(int, archive_read_open_memory, (struct archive * archive, const void *data, size_t size),
	(archive, data, size), archive_fails(archive));
LIBRARY(int, archive_read_next_header, (struct archive * archive, struct archive_entry **entry),
	(archive, entry), archive_fails(archive));
LIBRARY(la_ssize_t, archive_read_data, (struct archive * archive, void *data, size_t size),
	(archive, data, size), archive_fails(archive));

/* ---- Compression ---- */

#define ZSTD_NO_MEMORY ((size_t)-64) /* ZSTD_error_memory_allocation: its numbers are stable */

LIBRARY(ZSTD_CCtx *, ZSTD_createCCtx, (void), (), NULL);
LIBRARY(ZSTD_DCtx *, ZSTD_createDCtx, (void), (), NULL);
LIBRARY(size_t, ZSTD_compress, (void *to, size_t room, const void *from, size_t size, int level),
	(to, room, from, size, level), ZSTD_NO_MEMORY);
LIBRARY(size_t, ZSTD_compressCCtx,
	(ZSTD_CCtx * context, void *to, size_t room, const void *from, size_t size, int level),
	(context, to, room, from, size, level), ZSTD_NO_MEMORY);
LIBRARY(size_t, ZSTD_compress2, (ZSTD_CCtx * context, void *to, size_t room, const void *from, size_t size),
	(context, to, room, from, size), ZSTD_NO_MEMORY);
LIBRARY(size_t, ZSTD_decompress, (void *to, size_t room, const void *from, size_t size),
	(to, room, from, size), ZSTD_NO_MEMORY);
LIBRARY(size_t, ZSTD_decompressStream, (ZSTD_DStream * stream, ZSTD_outBuffer *to, ZSTD_inBuffer *from),
	(stream, to, from), ZSTD_NO_MEMORY);
LIBRARY(lzma_ret, lzma_stream_decoder, (lzma_stream * stream, uint64_t most, uint32_t flags),
	(stream, most, flags), LZMA_MEM_ERROR);
LIBRARY(lzma_ret, lzma_code, (lzma_stream * stream, lzma_action action), (stream, action), LZMA_MEM_ERROR);
LIBRARY(lzma_ret, lzma_stream_buffer_decode,
	(uint64_t * most, uint32_t flags, const lzma_allocator *allocator, const uint8_t *from,
		size_t *from_at, size_t from_size, uint8_t *to, size_t *to_at, size_t to_size),
	(most, flags, allocator, from, from_at, from_size, to, to_at, to_size), LZMA_MEM_ERROR);
LIBRARY(int, inflateInit2_, (z_stream * stream, int bits, const char *version, int size),
	(stream, bits, version, size), Z_MEM_ERROR);
LIBRARY(int, inflate, (z_stream * stream, int flush), (stream, flush), Z_MEM_ERROR);

/* ---- libcurl ---- */

LIBRARY(CURLcode, curl_global_init, (long flags), (flags), CURLE_OUT_OF_MEMORY);
LIBRARY(CURL *, curl_easy_init, (void), (), NULL);
LIBRARY(CURLM *, curl_multi_init, (void), (), NULL);
LIBRARY(CURLMcode, curl_multi_add_handle, (CURLM * multi, CURL *easy), (multi, easy), CURLM_OUT_OF_MEMORY);
LIBRARY(CURLMcode, curl_multi_poll,
	(CURLM * multi, struct curl_waitfd *more, unsigned count, int wait, int *ret),
	(multi, more, count, wait, ret), CURLM_OUT_OF_MEMORY);
LIBRARY(CURLMcode, curl_multi_perform, (CURLM * multi, int *running), (multi, running), CURLM_OUT_OF_MEMORY);

/* Every kind of value is of a pointer's size. */
CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...);
CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
	extern __typeof__(curl_easy_setopt) __real_curl_easy_setopt;
	va_list args;
	void *value;

	if (fault(FAULT_LIBRARY, "curl_easy_setopt"))
		return CURLE_OUT_OF_MEMORY;
	va_start(args, option);
	value = va_arg(args, void *);
	va_end(args);
	return __real_curl_easy_setopt(easy, option, value);
}
