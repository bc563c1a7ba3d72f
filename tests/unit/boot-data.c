/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "boot-data.h"

#include "unit.h"

#include <string.h>

#include "base/file.h"
#include "base/string-util.h"

struct buffer boot_data(const char *name)
{
	_cleanup_free_ char *path = string_format("%s/boot/%s", getenv("ORLOP_TEST_DATA"), name);
	_cleanup_error_ struct error *err = NULL;
	struct buffer buffer = {};
	char *data;

	assert_non_null(path);
	assert_ok(file_read(path, MiB(4), &data, &buffer.size, &err), err);
	buffer.data = (uint8_t *)data;
	buffer.capacity = buffer.size;
	return buffer;
}

struct signer *boot_signer(const char *name)
{
	_cleanup_free_ char *certificate_name = string_format("keys/%s.crt", name);
	_cleanup_free_ char *key_name = string_format("keys/%s.key", name);
	_cleanup_buffer_ struct buffer certificate = boot_data(certificate_name);
	_cleanup_buffer_ struct buffer key = boot_data(key_name);
	_cleanup_error_ struct error *err = NULL;
	struct signer *signer;

	assert_ok(signer_from_pem(name, (char *)certificate.data, certificate.size, (char *)key.data,
			  key.size, &signer, &err),
		err);
	return signer;
}

struct boot_trust boot_trust(void)
{
	_cleanup_buffer_ struct buffer owner = boot_data("keys/owner.guid");
	struct boot_trust trust = {
		.pk = boot_signer("PK"), .kek = boot_signer("KEK"), .db = boot_signer("db")};

	owner.data[strcspn((char *)owner.data, "\n")] = 0;
	assert_int_equal(uuid_parse((char *)owner.data, &trust.trust.owner), 0);
	trust.trust.pk.der = signer_certificate(trust.pk, &trust.trust.pk.size);
	trust.trust.kek.der = signer_certificate(trust.kek, &trust.trust.kek.size);
	trust.trust.db.der = signer_certificate(trust.db, &trust.trust.db.size);
	return trust;
}

void boot_trust_release(struct boot_trust *trust)
{
	signer_free(trust->pk);
	signer_free(trust->kek);
	signer_free(trust->db);
}

struct boot_parts boot_parts(void)
{
	static const char osrel[] = "ID=orlop\nVERSION_ID=1\n";
	struct boot_parts parts = {
		.stub = boot_data("linuxx64.efi.stub"), .kernel = boot_data("addonx64.efi.stub")};

	for (unsigned int i = 0; i < 70001; i++)
		buffer_append_u8(&parts.initrd, (uint8_t)(7 * i + 3));
	assert_false(buffer_failed(&parts.initrd));
	parts.parts = (struct uki_parts){
		.stub = {parts.stub.data, parts.stub.size},
		.kernel = {parts.kernel.data, parts.kernel.size},
		.initrd = {parts.initrd.data, parts.initrd.size},
		.cmdline = "console=ttyS0 quiet",
		.osrel = {osrel, sizeof(osrel) - 1},
		.uname = "6.12.0",
		.sbat = "orlop,1,Orlop,orlop,1,https://example.org/\n",
	};
	return parts;
}

void boot_parts_release(struct boot_parts *parts)
{
	buffer_release(&parts->stub);
	buffer_release(&parts->kernel);
	buffer_release(&parts->initrd);
}
