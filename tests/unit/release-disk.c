/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release-disk.h"

#include <jansson.h>

#include "base/encoding.h"
#include "disk-file.h"
#include "scratch.h"

#include <fcntl.h>

#define TIME 1767225600

static int open_bytes(const char *folder, const char *name, const void *data, size_t size)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder, name);
	int fd;

	assert_ok(file_write_atomic(path, data, size, 0644, NULL), NULL);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	return fd;
}

static struct tree *make_esp(const struct release_disk_options *options)
{
	struct tree *tree = tree_new();
	const struct tree_attributes attributes = {.mode = 0644, .mtime = TIME, .origin = "test"};
	_cleanup_content_ struct content *uki = content_copy(options->uki, options->uki_size),
					 *loader = content_copy("loader", 6);
	_cleanup_free_ char *path = string_format("EFI/Linux/orlop_%s.efi", options->version);

	assert_ok(tree_add_file(tree, path, &attributes, uki, NULL, NULL), NULL);
	assert_ok(tree_add_file(tree, "EFI/BOOT/BOOTX64.EFI", &attributes, loader, NULL, NULL), NULL);
	return tree;
}

void release_disk_make(const struct release_disk_options *options, struct release_disk *ret)
{
	_cleanup_tree_ struct tree *esp = make_esp(options);
	const struct test_image *image = options->image;
	_cleanup_close_ int usr = open_bytes(
				    options->folder, "usr", image->data, image->blocks * VERITY_BLOCK_SIZE),
			    verity = open_bytes(options->folder, "verity", image->hash, image->hash_size);
	_cleanup_free_ char *path = string_format("%s/disk", options->folder);
	struct disk_image disk = {.architecture = "amd64",
		.version = options->version,
		.esp_size = MiB(34),
		.usr_size = MiB(2),
		.verity_size = MiB(1),
		.signature_size = MiB(1),
		.state_size = MiB(1),
		.esp = tree_root(esp),
		.usr = usr,
		.verity = verity,
		.signature = options->signature,
		.signature_length = strlen(options->signature)};
	struct block_io io;
	char *data;

	memcpy(disk.root_hash, image->root, SHA256_SIZE);
	assert_ok(disk_file_write(path, &disk, NULL), NULL);
	assert_ok(file_read(path, MiB(100), &data, &ret->size, NULL), NULL);
	assert_int_equal(unlink(path), 0);
	ret->data = (uint8_t *)data;
	io = block_io_bytes(data, ret->size);
	assert_ok(node_disk_read(&io, 512, "amd64", &ret->node, NULL), NULL);
}

void release_disk_release(struct release_disk *disk)
{
	node_disk_release(&disk->node);
	free(disk->data);
	*disk = (struct release_disk){};
}

char *release_disk_signature(
	const struct signer *signer, const uint8_t root[SHA256_SIZE], const void *signature, size_t size)
{
	_cleanup_free_ char *digits = hex_encode_new(root, SHA256_SIZE),
			    *base64 = base64_encode_new(signature, size);
	uint8_t fingerprint[SHA256_SIZE];
	char certificate[SHA256_HEX_SIZE], *text;
	json_t *document;

	signer_fingerprint(signer, fingerprint);
	hex_encode(fingerprint, SHA256_SIZE, certificate);
	document = json_pack(
		"{ss ss ss}", "rootHash", digits, "certificateFingerprint", certificate, "signature", base64);
	text = json_dumps(document, JSON_COMPACT);
	json_decref(document);
	return text;
}
