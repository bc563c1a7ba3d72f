/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/mman.h>

#include "base/file.h"
#include "build/inspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct inspect_options options = {.verify = size % 2 == 0, .threads = 1};
	_cleanup_close_ int fd = memfd_create("fuzz-inspect", MFD_CLOEXEC);
	_cleanup_inspection_ struct inspection inspection = {};
	_cleanup_buffer_ struct buffer text = {};

	if (fd < 0 || write_full(fd, data, size) < 0 || inspect(fd, &options, &inspection, NULL) < 0)
		return 0;
	if (inspect_text(inspection.object, &text, NULL) < 0 || text.size == 0)
		abort();
	return 0;
}
