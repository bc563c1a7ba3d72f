/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/report.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "base/file.h"

void report(enum report_level level, const char *format, ...)
{
	_cleanup_close_ int fd = -1;
	char line[960], text[900];
	va_list args;
	int length;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	length = snprintf(line, sizeof(line), "<%d>orlop-init: %s\n", (int)level, text);
	fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || write(fd, line, (size_t)length) < 0)
		(void)dprintf(STDERR_FILENO, "%s", line + strlen("<N>"));
}

uint64_t report_uptime_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
