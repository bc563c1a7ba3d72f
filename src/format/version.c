/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/version.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* Whether *version* has the form dddddd.dd.d[…]; a leading zero of the number would be a second spelling. */
static bool well_formed(const char *version)
{
	static const char form[] = "dddddd.dd.";
	size_t digits;

	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' ? !isdigit((unsigned char)version[i]) : version[i] != form[i])
			return false;
	version += strlen(form);
	digits = strspn(version, "0123456789");
	return digits >= 1 && digits <= 9 && version[digits] == 0 && (version[0] != '0' || digits == 1);
}

static int two_digits(const char *at)
{
	return (at[0] - '0') * 10 + at[1] - '0';
}

int version_time(const char *version, int64_t *ret, struct error **err)
{
	struct tm day = {}, same;
	time_t time;

	if (!well_formed(version))
		goto bad;
	day.tm_year = two_digits(version) * 100 + two_digits(version + 2) - 1900;
	day.tm_mon = two_digits(version + 4) - 1;
	day.tm_mday = two_digits(version + 7);
	same = day;
	time = timegm(&same);
	/* timegm() makes the first of March out of the thirtieth of February. */
	if (time < 0 || same.tm_mon != day.tm_mon || same.tm_mday != day.tm_mday)
		goto bad;
	*ret = time;
	return 0;
bad:
	return error_set(
		err, -EINVAL, "version \"%s\" is not of the form YYYYMM.DD.N, such as 202611.23.0", version);
}

void version_of_day(time_t now, char ret[VERSION_MAX])
{
	struct tm day;

	(void)gmtime_r(&now, &day);
	if (strftime(ret, VERSION_MAX, "%Y%m.%d.0", &day) == 0)
		ret[0] = 0;
}
