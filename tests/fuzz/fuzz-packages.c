/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/resolve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An index as a damaged or hostile archive, whose key we trust, would sign it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t digest[SHA256_SIZE];
	static const struct resolver_index about = {"trixie", "main", "http://m.test", digest};
	_cleanup_resolver_ struct resolver *resolver = NULL;
	_cleanup_package_list_ struct package_list list = {};
	_cleanup_buffer_ struct buffer parsed = {};
	_cleanup_error_ struct error *err = NULL, *other = NULL;
	_cleanup_strv_ struct strv idle = {};
	char *names[] = {(char *)"a", NULL}, *gone[] = {(char *)"b", NULL};
	const struct strv wanted = {names, 1}, absent = {gone, 1};

	if (resolver_new("amd64", &resolver, &err) < 0 ||
		resolver_add(resolver, &about, data, size, &parsed, &err) < 0)
		return 0;
	(void)resolver_run(resolver, &wanted, &absent, &list, &idle, &other);
	return 0;
}
