/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/event-log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t pcrs[PCR_COUNT][PCR_SIZE];
	struct event_log_event event;
	struct event_log log;
	size_t position = 0;

	if (event_log_parse(data, size, &log, NULL) < 0)
		return 0;
	(void)event_log_replay(&log, pcrs, NULL);
	while (event_log_next(&log, &position, &event, NULL) > 0)
		free(event_log_describe(&event));
	return 0;
}
