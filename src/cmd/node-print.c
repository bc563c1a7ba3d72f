/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/node-print.h"

#include <errno.h>

#include "format/tuf.h"

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
