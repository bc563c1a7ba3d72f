/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/tcg.h"

#include <errno.h>
#include <stdio.h>

#include "base/process.h"

#define VERSION_TEXT_MAX 4096

bool vm_tcg_version_is_parallel(const char *text)
{
	unsigned major, minor;

	return sscanf(text, "QEMU emulator version %9u.%9u", &major, &minor) == 2 &&
	       (major > 8 || (major == 8 && minor >= 1));
}

int vm_tcg_is_parallel(const struct vm_platform *platform, struct error **err)
{
	const char *const arguments[] = {platform->qemu, "--version", NULL};
	_cleanup_process_result_ struct process_result result = {};
	int r = process_run(arguments, NULL, 0, VERSION_TEXT_MAX, &result, err);

	if (r < 0)
		return r;
	buffer_append_u8(&result.output, 0);
	if (buffer_failed(&result.output))
		return error_set_errno(err, -ENOMEM, "%s --version", platform->qemu);
	return result.status == 0 && vm_tcg_version_is_parallel((const char *)result.output.data);
}
