/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads node.yaml, and asks of what was read when its windows come. */
#include "update/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_node_config_ struct node_config config = {};
	_cleanup_error_ struct error *err = NULL;
	struct window_span span;

	if (size > NODE_CONFIG_MAX ||
		node_config_parse((const char *)data, size, "node.yaml", NODE_ZONES, &config, &err) < 0)
		return 0;
	if (config.check_interval < 5 || config.window_count > 64)
		__builtin_trap();
	/* A few windows: that they never come takes ten years of days to find out, of each. */
	if (config.window_count > 0 && config.window_count <= 2 &&
		policy_next_span(&config, 1795608000, &span) == 0 &&
		(span.end <= 1795608000 || span.end - span.begin < POLICY_WINDOW_LEAST))
		__builtin_trap();
	return 0;
}
