/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/command-json.h"

#include <errno.h>
#include <stdio.h>

/* Seconds need no more digits. */
#define FLAGS (JSON_INDENT(2) | JSON_REAL_PRECISION(4))

int command_print_json(json_t *object, struct error **err)
{
	int r = object ? json_dumpf(object, stdout, FLAGS) : -ENOMEM;

	json_decref(object);
	if (r == -ENOMEM)
		return error_set_errno(err, r, "JSON");
	if (r < 0 || putchar('\n') == EOF)
		return error_set_errno(err, errno ? -errno : -EIO, "cannot write to standard output");
	return 0;
}
