/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/efivar.h"

#include <errno.h>

#include "base/file.h"

#define EFIVARS "/sys/firmware/efi/efivars/"
#define ATTRIBUTES_SIZE 4
#define EFIVAR_MAX 4096

static int read_variable(const char *name, const char *vendor, uint8_t **ret, size_t *ret_size)
{
	char path[160], *data;
	int r;

	if (snprintf(path, sizeof(path), EFIVARS "%s-%s", name, vendor) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = file_read(path, EFIVAR_MAX, &data, ret_size, NULL);
	if (r >= 0)
		*ret = (uint8_t *)data;
	return r;
}

int efivar_byte(const char *name, const char *vendor)
{
	_cleanup_free_ uint8_t *data = NULL;
	size_t size;
	int r = read_variable(name, vendor, &data, &size);

	if (r < 0)
		return r;
	return size == ATTRIBUTES_SIZE + 1 ? data[ATTRIBUTES_SIZE] : -EBADMSG;
}

int efivar_parse_text(const uint8_t *data, size_t data_size, char *ret, size_t size)
{
	size_t length = 0;

	if (data_size < ATTRIBUTES_SIZE || (data_size - ATTRIBUTES_SIZE) % 2)
		return -EBADMSG;
	for (size_t at = ATTRIBUTES_SIZE; at < data_size; at += 2) {
		if (data[at] == 0 && data[at + 1] == 0)
			break;
		if (data[at] >= 0x7f || data[at] < ' ' || data[at + 1] != 0 || length + 1 >= size)
			return -EBADMSG;
		ret[length++] = (char)data[at];
	}
	ret[length] = 0;
	return 0;
}

int efivar_text(const char *name, const char *vendor, char *ret, size_t size)
{
	_cleanup_free_ uint8_t *data = NULL;
	size_t data_size;
	int r = read_variable(name, vendor, &data, &data_size);

	return r < 0 ? r : efivar_parse_text(data, data_size, ret, size);
}
