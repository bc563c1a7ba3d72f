/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop inspect: what is in an image.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#include "build/inspect.h"
#include "cmd/command-json.h"
#include "cmd/command.h"

struct values {
	bool files, json, verify;
};

static const struct command_option options[] = {
	{"files", 0, NULL, "List every name in a usr image: type, mode, owner, size, path.", OPTION_TRUE,
		offsetof(struct values, files)},
	{"json", 0, NULL, "Print a JSON object.", OPTION_TRUE, offsetof(struct values, json)},
	{"verify", 0, NULL, "Read every block of a disk's slots and check it against the root hash.",
		OPTION_TRUE, offsetof(struct values, verify)},
	{},
};

static const struct command_usage usage = {
	.name = "orlop inspect",
	.arguments = "FILE",
	.summary = "Says what is in a disk image, a usr image, a verity hash tree or signature, a unified "
		   "kernel image or other EFI program, a FAT file system, a manifest, a bill of materials or "
		   "signed provenance. The content tells "
		   "which of them FILE is. Needs no root and mounts nothing.",
	.notes = "Exit status: 0 for success, 1 where FILE is damaged, unknown or can't be read, 2 where the "
		 "command line is wrong. What is damaged inside a disk is printed with the rest.",
	.options = options,
	.least = 1,
	.most = 1,
};

static int print(json_t *object, bool json, struct error **err)
{
	_cleanup_buffer_ struct buffer text = {};
	int r;

	if (json)
		return command_print_json(json_incref(object), err);
	r = inspect_text(object, &text, err);
	if (r >= 0)
		(void)fwrite(text.data, 1, text.size, stdout);
	return r;
}

int cmd_inspect(int argc, char **argv, struct error **err)
{
	_cleanup_inspection_ struct inspection inspection = {};
	_cleanup_close_ int fd = -1;
	struct values values = {};
	struct command_call call;
	const char *path;
	int r;

	if (!command_parse(&usage, argc, argv, &values, &call, err))
		return call.status;
	path = call.arguments[0];
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return error_set_errno(err, -errno, "%s", path);
	if (inspect(fd, &(struct inspect_options){.verify = values.verify, .files = values.files},
		    &inspection, err) < 0)
		return error_wrap(err, "%s", path);
	r = print(inspection.object, values.json, err);
	if (r >= 0 && inspection.faults > 0)
		return error_set(err, -EBADMSG, "%s: damaged in %zu place%s", path, inspection.faults,
			inspection.faults == 1 ? "" : "s");
	return r;
}
