/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names of two files on the boot partition, with a line feed between them, are taken apart and compared.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/string-util.h"
#include "format/release-index.h"
#include "update/boot-entries.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool parse(const char *name, struct boot_entry *ret)
{
	int r = boot_entry_parse(name, ret);

	assert(r == 0 || r == -ENOENT);
	if (r < 0)
		return false;
	assert(streq(ret->name, name) && release_version_is_valid(ret->version));
	assert(ret->counted == (ret->left_digits > 0) && (ret->counted || ret->done_digits == 0));
	assert(ret->left <= INT32_MAX && ret->done <= INT32_MAX);
	return true;
}

static int sign(int value)
{
	return value < 0 ? -1 : value > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size);
	struct boot_entry a = {}, b = {};
	char *second = text;
	const char *first;

	assert(text);
	first = strsep(&second, "\n");
	if (parse(first, &a)) {
		assert(boot_entry_compare(&a, &a) == 0);
		if (second && parse(second, &b))
			assert(sign(boot_entry_compare(&a, &b)) == -sign(boot_entry_compare(&b, &a)));
	}
	boot_entry_release(&a);
	boot_entry_release(&b);
	return 0;
}
