/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/verity.h"

#include <sys/sysmacros.h>

#include "base/encoding.h"

void verity_table(const struct verity_target *target, struct buffer *ret)
{
	static const char *const corruption_options[] = {
		[CORRUPTION_ERROR] = NULL,
		[CORRUPTION_RESTART] = "restart_on_corruption",
		[CORRUPTION_PANIC] = "panic_on_corruption",
	};
	const struct verity_options *options = &target->header->options;
	const char *option = corruption_options[target->corruption];
	char salt[2 * sizeof(options->salt) + 1] = "-";
	unsigned count = (option ? 1 : 0) + (target->signature_key ? 2 : 0);

	if (options->salt_size > 0)
		hex_encode(options->salt, options->salt_size, salt);
	buffer_printf(ret, "1 %u:%u %u:%u %u %u %llu 1 sha256 %s %s", major(target->data),
		minor(target->data), major(target->hash), minor(target->hash), VERITY_BLOCK_SIZE,
		VERITY_BLOCK_SIZE, (unsigned long long)target->header->blocks, target->root_hash, salt);
	if (count > 0)
		buffer_printf(ret, " %u", count);
	if (option)
		buffer_printf(ret, " %s", option);
	if (target->signature_key)
		buffer_printf(ret, " root_hash_sig_key_desc %s", target->signature_key);
	buffer_append_u8(ret, 0);
}
