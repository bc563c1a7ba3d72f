/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <jansson.h>

#include "base/encoding.h"
#include "boot-data.h"
#include "format/dsse.h"

static const char payload[] = "{\"hello\": \"w\xc3\xb6rld\"}";

static void make(struct buffer *ret)
{
	_cleanup_signer_ struct signer *signer = boot_signer("db");
	_cleanup_error_ struct error *err = NULL;

	assert_ok(dsse_write(signer, DSSE_IN_TOTO, payload, strlen(payload), ret, &err), err);
}

static void what_is_written_is_read(void **state)
{
	_cleanup_signer_ struct signer *signer = boot_signer("db");
	_cleanup_buffer_ struct buffer text = {}, again = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_dsse_ struct dsse dsse = {};
	uint8_t fingerprint[SHA256_SIZE];

	(void)state;
	make(&text);
	assert_ok(dsse_read(text.data, text.size, &dsse, &err), err);
	assert_string_equal(dsse.type, DSSE_IN_TOTO);
	assert_int_equal(dsse.payload.size, strlen(payload));
	assert_memory_equal(dsse.payload.data, payload, strlen(payload));
	signer_fingerprint(signer, fingerprint);
	assert_memory_equal(dsse.fingerprint, fingerprint, SHA256_SIZE);
	assert_true(startswith(dsse.subject, "CN=") != NULL);
	make(&again);
	assert_int_equal(again.size, text.size);
	assert_memory_equal(again.data, text.data, text.size);
}

/* As docs/formats/provenance.md has it, with other people's programs. */
static void openssl_verifies_the_signature(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = string_format("%s/e.json", folder);
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buffer_ struct buffer text = {};

	(void)state;
	make(&text);
	assert_ok(file_write_atomic(path, text.data, text.size, 0644, &err), err);
	shell(folder,
		"jq -r .payload e.json | openssl base64 -d -A >payload; jq -j '.signatures[0].sig' e.json | "
		"openssl "
		"base64 -d -A >sig; jq -r '.signatures[0].cert' e.json >cert.pem; type=$(jq -r .payloadType "
		"e.json); { printf 'DSSEv1 %d %s %d ' ${#type} \"$type\" \"$(wc -c <payload)\"; cat payload; "
		"} "
		">signed; openssl x509 -in cert.pem -noout -pubkey >key.pem; openssl dgst -sha256 -verify "
		"key.pem "
		"-signature sig signed; test \"$(jq -r '.signatures[0].keyid' e.json)\" = \"$(openssl x509 "
		"-in "
		"cert.pem -outform DER | sha256sum | cut -c-64)\"");
}

/* Envelopes that are changed by jq, and what is said of them. */
static const struct {
	const char *change;
	int code;
	const char *message;
} damages[] = {
	{".payload = \"e30=\"", -EKEYREJECTED, "changed"},
	{".payloadType = \"application/json\"", -EKEYREJECTED, "changed"},
	{".signatures[0].sig |= sub(\"^....\"; \"AAAA\")", -EKEYREJECTED, "changed"},
	{".signatures[0].sig = \"\"", -EKEYREJECTED, "changed"},
	{".signatures[0].keyid |= sub(\"^..\"; \"00\")", -EBADMSG, "keyid"},
	{".signatures[0].cert = \"none\"", -EBADMSG, "cert"},
	{"del(.signatures[0].cert)", -EBADMSG, "cert"},
	{".signatures = []", -EBADMSG, "signatures"},
	{".signatures += .signatures", -EBADMSG, "signatures"},
	{".signatures[0] = 1", -EBADMSG, "signatures[0]"},
	{".payload = \"e30\"", -EBADMSG, "payload"},
	{"del(.payloadType)", -EBADMSG, "payloadType"},
	{"[.]", -EBADMSG, NULL},
};

static void what_is_damaged_is_refused(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = string_format("%s/e.json", folder);
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buffer_ struct buffer text = {};

	(void)state;
	make(&text);
	assert_ok(file_write_atomic(path, text.data, text.size, 0644, &err), err);
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		_cleanup_free_ char *script = string_format("jq '%s' e.json >d.json", damages[i].change),
				    *data = NULL;
		_cleanup_error_ struct error *fault = NULL;
		_cleanup_dsse_ struct dsse dsse = {};
		size_t size;
		int r;

		shell(folder, script);
		data = scratch_read(folder, "d.json", &size);
		r = dsse_read(data, size, &dsse, &fault);
		if (r != damages[i].code ||
			(damages[i].message && !strstr(error_message(fault), damages[i].message)))
			fail_msg("%s: %d, %s", damages[i].change, r, error_message(fault));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(openssl_verifies_the_signature),
		cmocka_unit_test(what_is_damaged_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
