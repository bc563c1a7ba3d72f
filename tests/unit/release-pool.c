/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release-pool.h"

#include "unit.h"

#include <jansson.h>
#include <string.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/string-util.h"
#include "boot-data.h"
#include "format/authenticode.h"

#define FIRST_BLOCKS 120
#define INITRD_SIZE 3000

static void put_file(const char *folder, const char *name, const void *data, size_t size, const char *kind,
	json_t *outputs)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder, name);
	uint8_t digest[SHA256_SIZE];
	char digits[SHA256_HEX_SIZE];

	assert_ok(file_write_atomic(path, data, size, 0644, NULL), NULL);
	if (!kind)
		return;
	assert_int_equal(sha256_bytes(data, size, digest), 0);
	hex_encode(digest, SHA256_SIZE, digits);
	assert_int_equal(json_array_append_new(outputs, json_pack("{ss ss sI ss}", "kind", kind, "name", name,
								"size", (json_int_t)size, "sha256", digits)),
		0);
}

static void make_uki(struct pool_release *release)
{
	_cleanup_boot_parts_ struct boot_parts parts = boot_parts();
	_cleanup_free_ char *root = hex_encode_new(release->image.root, SHA256_SIZE), *cmdline = NULL;
	_cleanup_buffer_ struct buffer image = {};
	_cleanup_error_ struct error *err = NULL;

	cmdline = string_format("quiet usrhash=%s", root);
	parts.parts.cmdline = cmdline;
	parts.parts.initrd.size = INITRD_SIZE;
	assert_ok(uki_build(&parts.parts, &image, &err), err);
	assert_ok(authenticode_sign(release->signer, image.data, image.size, &release->uki, &err), err);
}

/* docs/formats/manifest.md, of it what publishing reads. */
static void write_build(const struct pool_release *release)
{
	const struct test_image *image = &release->image;
	_cleanup_free_ char *root = hex_encode_new(image->root, SHA256_SIZE), *text = NULL;
	uint8_t fingerprint[SHA256_SIZE];
	char certificate[SHA256_HEX_SIZE];
	json_t *outputs = json_array(), *manifest;

	put_file(
		release->folder, "usr.erofs", image->data, image->blocks * VERITY_BLOCK_SIZE, "usr", outputs);
	put_file(release->folder, "usr.verity", image->hash, image->hash_size, "verity", outputs);
	put_file(release->folder, "orlop.efi", release->uki.data, release->uki.size, "uki", outputs);
	signer_fingerprint(release->signer, fingerprint);
	hex_encode(fingerprint, SHA256_SIZE, certificate);
	manifest = json_pack("{ss ss ss ss s{sI} ss ss so s[] s[]}", "edition", POOL_EDITION, "version",
		release->version, "architecture", "amd64", "kernel", "6.12.0", "usr", "size",
		(json_int_t)(image->blocks * VERITY_BLOCK_SIZE), "root_hash", root, "certificate_sha256",
		certificate, "outputs", outputs, "packages", "boot_packages");
	assert_non_null(manifest);
	text = json_dumps(manifest, 0);
	json_decref(manifest);
	put_file(release->folder, "build.manifest.json", text, strlen(text), NULL, NULL);
}

void release_pool_make(struct release_pool *pool, const char *folder)
{
	*pool = (struct release_pool){.db = boot_signer("db"), .stranger = boot_signer("KEK")};
	for (size_t i = 0; i < POOL_RELEASES; i++) {
		struct pool_release *release = &pool->items[i];

		(void)snprintf(release->version, sizeof(release->version), "2026%02zu.%02zu.0", 1 + i / 4,
			5 + 7 * (i % 4));
		release->signer = i == POOL_STRANGE ? pool->stranger : pool->db;
		release->folder = string_format("%s/build-%zu", folder, i);
		assert_ok(mkdir_parents(release->folder, NULL), NULL);
		if (i == 0)
			test_image_make(&release->image, FIRST_BLOCKS, 1);
		else
			test_image_change(&pool->items[i - 1].image, &release->image, i + 1);
		make_uki(release);
		write_build(release);
	}
}

void release_pool_release(struct release_pool *pool)
{
	for (size_t i = 0; i < POOL_RELEASES; i++) {
		test_image_release(&pool->items[i].image);
		buffer_release(&pool->items[i].uki);
		free(pool->items[i].folder);
	}
	signer_free(pool->db);
	signer_free(pool->stranger);
}

size_t release_pool_find(const struct release_pool *pool, const char *version)
{
	size_t i = 0;

	while (i < POOL_RELEASES && !streq(pool->items[i].version, version))
		i++;
	return i;
}
