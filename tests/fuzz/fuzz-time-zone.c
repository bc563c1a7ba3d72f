/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "format/time-zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_time_zone_ struct time_zone *zone = NULL;

	if (time_zone_parse(data, size, &zone, NULL) < 0)
		return 0;
	/* From the year 1902 to 2200, half a year and a bit at a time. No offset is larger than its limit. */
	for (int64_t instant = -2145916800; instant < 7258118400; instant += 15811200 + 3599) {
		int64_t local = instant + time_zone_offset(zone, instant);

		if (llabs(local - instant) > 26 * 3600 ||
			llabs(time_zone_instant(zone, local) - instant) > 7 * 86400)
			abort();
	}
	return 0;
}
