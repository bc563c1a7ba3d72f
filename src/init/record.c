/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/record.h"

#include <errno.h>

#include "base/file.h"

#define RUN "/run/orlop"

static void append_json_string(const char *text, struct buffer *ret)
{
	buffer_append_u8(ret, '"');
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			buffer_printf(ret, "\\%c", *text);
		else if ((unsigned char)*text < ' ')
			buffer_printf(ret, "\\u%04x", (unsigned)*text);
		else
			buffer_append(ret, text, 1);
	buffer_append_u8(ret, '"');
}

static void append_member(const char *name, const char *value, struct buffer *ret)
{
	buffer_printf(ret, "\"%s\":", name);
	if (value)
		append_json_string(value, ret);
	else
		buffer_append_string(ret, "null");
	buffer_append_u8(ret, ',');
}

void record_format(const struct record *record, struct buffer *ret)
{
	const struct slot *slot = record->slot;
	const struct state *state = record->state;
	const char letter[] = {slot->letter, 0};

	buffer_append_u8(ret, '{');
	buffer_printf(ret, "\"netboot\":%s,", slot->carried ? "true" : "false");
	append_member("slot", slot->carried ? NULL : letter, ret);
	append_member("label", slot->carried ? NULL : slot->label, ret);
	append_member("rootHash", record->root_hash, ret);
	buffer_printf(ret, "\"signature\":%s,", record->signature ? "true" : "false");
	append_member("disk", slot->carried ? NULL : slot->disk.path, ret);
	append_member("usr", slot->usr.path, ret);
	append_member("verity", slot->verity.path, ret);
	append_member("esp", *slot->esp.path ? slot->esp.path : NULL, ret);
	append_member("state", state ? state->device.path : NULL, ret);
	buffer_printf(ret, "\"stateMade\":%s,\"stateGrown\":%s,", state && state->made ? "true" : "false",
		state && state->grown ? "true" : "false");
	append_member("degraded", record->degraded, ret);
	buffer_printf(ret, "\"initMs\":%llu,\"usrMs\":%llu,\"doneMs\":%llu}\n",
		(unsigned long long)record->kernel_ms, (unsigned long long)record->usr_ms,
		(unsigned long long)record->done_ms);
}

int record_write(const struct record *record, struct error **err)
{
	_cleanup_buffer_ struct buffer json = {};
	int r = mkdir_parents(RUN, err);

	if (r < 0)
		return r;
	record_format(record, &json);
	if (buffer_failed(&json))
		return error_set_errno(err, -ENOMEM, RUN "/boot.json");
	r = file_write_atomic(RUN "/boot.json", json.data, json.size, 0644, err);
	if (r >= 0 && *record->slot->esp.path && symlink(record->slot->esp.path, RUN "/esp") < 0)
		r = error_set_errno(err, -errno, RUN "/esp");
	if (r >= 0 && record->degraded)
		r = file_write_atomic(RUN "/degraded", record->degraded, strlen(record->degraded), 0644, err);
	return r;
}
