/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/usr.h"

#include <errno.h>
#include <fcntl.h>

#include "base/encoding.h"
#include "base/file.h"
#include "init/carried.h"
#include "init/keyring.h"
#include "init/verity.h"

#define USR_NAME "usr"
#define SIGNATURE_KEY "orlop-usr" /* the key's description */

/* Reads the superblock of the hash partition. */
static int read_superblock(const struct slot *slot, struct verity_header *ret, struct error **err)
{
	_cleanup_close_ int fd = open(slot->verity.path, O_RDONLY | O_CLOEXEC);
	uint8_t data[VERITY_HEADER_SIZE];
	int r;

	if (fd < 0)
		return error_set_errno(err, -errno, "%s", slot->verity.path);
	r = pread_full(fd, data, sizeof(data), 0);
	if (r < 0)
		return error_set_errno(err, r, "%s", slot->verity.path);
	r = verity_header_parse(data, sizeof(data), ret, err);
	if (r >= 0)
		r = verity_header_fits(ret, slot->usr.size, slot->verity.size, err);
	return r < 0 ? error_wrap(err, "%s", slot->verity.path) : 0;
}

/* The kernel has to refuse a root hash without a signature, or one could be left out. */
static int check_signatures_required(struct error **err)
{
	static const char path[] = "/sys/module/dm_verity/parameters/require_signatures";
	_cleanup_free_ char *value = NULL;
	int r = file_read(path, 16, &value, NULL, err);

	if (r < 0)
		return r;
	if (*value != 'Y' && *value != '1')
		return error_set(err, -EPERM, "the command line lacks dm_verity.require_signatures=1");
	return 0;
}

static int make_device(const struct verity_target *target, struct error **err)
{
	const struct verity_header *header = target->header;
	_cleanup_buffer_ struct buffer table = {};
	char uuid[128], id[33];

	/* As veritysetup names it, so that its `status` and others know what the device is. */
	hex_encode(header->options.uuid, sizeof(header->options.uuid), id);
	(void)snprintf(uuid, sizeof(uuid), "CRYPT-VERITY-%s-usr", id);
	verity_table(target, &table);
	if (buffer_failed(&table))
		return error_set_errno(err, -ENOMEM, "verity table");
	return dm_create(USR_NAME, uuid, "verity", header->blocks * (VERITY_BLOCK_SIZE / 512),
		(const char *)table.data, err);
}

static int make_signed_device(const struct slot_query *query, const struct slot *slot,
	struct verity_target *target, struct error **err)
{
	_cleanup_verity_signature_ struct verity_signature signature = {};
	int64_t key;
	int r = check_signatures_required(err);

	if (r >= 0)
		r = slot->carried ? carried_signature(query, &signature, err)
				  : slot_signature(query, slot, &signature, err);
	if (r < 0)
		return r;
	key = keyring_add(SIGNATURE_KEY, signature.signature.data, signature.signature.size);
	if (key < 0)
		return error_set_errno(err, (int)key, "signature of /usr: keyring");
	target->signature_key = SIGNATURE_KEY;
	r = make_device(target, err);
	keyring_remove(key);
	return r;
}

int usr_open(const struct settings *settings, const struct slot_query *query, const struct slot *slot,
	struct error **err)
{
	struct verity_header header;
	char root_hash[SHA256_HEX_SIZE];
	struct verity_target target = {
		.header = &header,
		.data = slot->usr.number,
		.hash = slot->verity.number,
		.root_hash = root_hash,
		.corruption = settings->corruption,
	};
	int r = read_superblock(slot, &header, err);

	if (r < 0)
		return r;
	hex_encode(query->root_hash, SHA256_SIZE, root_hash);
	if (!settings->signature)
		return make_device(&target, err);
	r = make_signed_device(query, slot, &target, err);
	if (r != -ENOKEY && r != -EKEYREJECTED)
		return r;
	*err = error_free(*err);
	return error_set(err, r,
		r == -ENOKEY ? "the kernel trusts no key that signed this /usr (ENOKEY)"
			     : "the signature of this /usr is not valid (EKEYREJECTED)");
}

void usr_close(void)
{
	dm_drop(USR_NAME);
}
