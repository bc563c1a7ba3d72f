/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/carried.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

#include "base/file.h"
#include "format/verity-header.h"

/* One try suffices where nobody else makes loop devices; udev runs no sooner than the real system. */
static int free_loop(char path[BLOCK_NAME_MAX], struct error **err)
{
	_cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);

	if (number < 0)
		return error_set_errno(err, -errno, "/dev/loop-control");
	(void)snprintf(path, BLOCK_NAME_MAX, "/dev/loop%d", number);
	return 0;
}

static int attach(const char *file, struct block_device *ret, struct error **err)
{
	_cleanup_close_ int backing = open(file, O_RDONLY | O_CLOEXEC), loop = -1;
	struct loop_config config = {
		.block_size = VERITY_BLOCK_SIZE,
		.info.lo_flags = LO_FLAGS_READ_ONLY,
	};
	char path[BLOCK_NAME_MAX];
	int r;

	if (backing < 0)
		return error_set_errno(err, -errno, "%s of the initrd", file);
	r = free_loop(path, err);
	if (r < 0)
		return r;
	loop = open(path, O_RDONLY | O_CLOEXEC);
	if (loop < 0)
		return error_set_errno(err, -errno, "%s", path);
	config.fd = (uint32_t)backing;
	(void)snprintf((char *)config.info.lo_file_name, sizeof(config.info.lo_file_name), "%s", file);
	if (ioctl(loop, LOOP_CONFIGURE, &config) < 0)
		return error_set_errno(err, -errno, "%s: %s", path, file);
	r = block_get(path + strlen("/dev/"), ret);
	return r < 0 ? error_set_errno(err, r, "%s", path) : 0;
}

int carried_attach(struct slot *ret, struct error **err)
{
	struct slot slot = {.carried = true};
	int r = attach(CARRIED_USR, &slot.usr, err);

	if (r >= 0)
		r = attach(CARRIED_VERITY, &slot.verity, err);
	if (r < 0)
		return r;
	*ret = slot;
	return 0;
}

int carried_signature(const struct slot_query *query, struct verity_signature *ret, struct error **err)
{
	_cleanup_verity_signature_ struct verity_signature signature = {};
	_cleanup_free_ char *data = NULL;
	size_t size;
	int r = file_read(CARRIED_SIGNATURE, SLOT_SIGNATURE_MAX, &data, &size, err);

	if (r >= 0)
		r = verity_signature_parse(data, size, &signature, err);
	if (r < 0)
		return error_wrap(err, "initrd"), r;
	if (memcmp(signature.root_hash, query->root_hash, SHA256_SIZE) != 0)
		return error_set(err, -EBADMSG,
			"the signature that the initrd carries is not about the root hash on the command "
			"line");
	*ret = signature;
	signature = (struct verity_signature){};
	return 0;
}
