/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/packages.h"
#include "source/release.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_release_ struct release *release = NULL;
	_cleanup_error_ struct error *err = NULL, *other = NULL;
	struct packages_index index;

	if (release_parse((const char *)data, size, &release, &err) < 0)
		return 0;
	(void)release_check(release, "trixie", 1795252544, &other);
	other = error_free(other);
	if (packages_find(release, "main", "amd64", &index, &other) >= 0)
		free(packages_url(release, index.packed, "http://m.test"));
	return 0;
}
