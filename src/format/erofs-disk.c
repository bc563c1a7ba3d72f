/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/erofs-disk.h"

#include <string.h>

#include "base/crc32c.h"

const struct erofs_prefix erofs_prefixes[] = {
	{1, false, "user."},
	{2, true, "system.posix_acl_access"},
	{3, true, "system.posix_acl_default"},
	{4, false, "trusted."},
	{6, false, "security."},
	{},
};

uint32_t erofs_super_checksum(const uint8_t *super, size_t size)
{
	static const uint8_t zeros[4];
	uint32_t crc = crc32c(~0u, super, SUPER_CHECKSUM);

	crc = crc32c(crc, zeros, sizeof(zeros));
	return crc32c(crc, super + SUPER_CHECKSUM + 4, size - SUPER_CHECKSUM - 4);
}
