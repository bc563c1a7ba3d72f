/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/node-print.h"

#include <errno.h>
#include <stdio.h>

#include "format/tuf.h"

int node_print_json(json_t *object, struct error **err)
{
	int r = object ? json_dumpf(object, stdout, JSON_INDENT(2)) : -ENOMEM;

	json_decref(object);
	if (r == -ENOMEM)
		return error_set_errno(err, r, "JSON");
	if (r < 0 || putchar('\n') == EOF)
		return error_set_errno(err, errno ? -errno : -EIO, "cannot write to standard output");
	return 0;
}

json_t *node_time_json(int64_t time)
{
	char text[TUF_TIME_SIZE];

	return time > 0 && tuf_time_format(time, text) >= 0 ? json_string(text) : json_null();
}

json_t *node_decision_json(const struct policy_decision *decision)
{
	static const char *const actions[] = {[POLICY_NOTHING] = "nothing",
		[POLICY_STAGE] = "stage",
		[POLICY_STAGE_AND_RESTART] = "stage and restart",
		[POLICY_SELECT] = "select",
		[POLICY_RESTART] = "restart"};

	return json_pack("{s:s, s:s, s:s?, s:o}", "action", actions[decision->action], "sentence",
		decision->sentence, "version", decision->version, "when", node_time_json(decision->when));
}
