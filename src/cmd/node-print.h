/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What verbs of orlop-node print as JSON. All take over what they are given, and NULL where memory was out.
 */
#pragma once

#include <jansson.h>

#include "update/policy.h"

/* "2030-01-01T00:00:00Z"; null where it is not after 1970. */
json_t *node_time_json(int64_t time);

/* {"action", "sentence", "version", "when"}; the decision stays the caller's. */
json_t *node_decision_json(const struct policy_decision *decision);
