/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Debian packages: the ar members, the tar archives in them and the control fields. The corpus has packages
 * without compression, so that the fuzzer changes what we parse and not what the decompressors do.
 */
#include "format/deb-version.h"
#include "format/deb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_deb_ struct deb deb = {};
	_cleanup_error_ struct error *err = NULL;

	if (deb_read(data, size, "fuzz", NULL, NULL, &deb, &err) >= 0)
		(void)deb_relation_names(control_get(&deb.control, "Replaces"),
			control_get(&deb.control, "Package"), control_get(&deb.control, "Version"));
	return 0;
}
