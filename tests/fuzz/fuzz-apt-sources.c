/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/apt-config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The lowest bits of the first byte choose the form of the file and the keyring; the rest is the file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_apt_config_ struct apt_config config = {};

	if (size == 0)
		return 0;
	if (data[0] & 1)
		(void)apt_config_take_list(&config, (const char *)data + 1, size - 1, data[0] & 2);
	else
		(void)apt_config_take_deb822(&config, (const char *)data + 1, size - 1, data[0] & 2);
	return 0;
}
