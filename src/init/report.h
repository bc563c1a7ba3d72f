/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What orlop-init says: single lines in the kernel's log, which the kernel prints on every console, before
 * any service runs and after the consoles' own order. Each begins with "orlop-init: ".
 */
#pragma once

#include "base/error.h"

enum report_level {
	REPORT_FAILURE = 2, /* printed also where the command line says "quiet" */
	REPORT_WARNING = 4,
	REPORT_NOTE = 6,
};

/* Writes one line. Where there is no kernel log to write to, it goes to standard error. */
void report(enum report_level level, const char *format, ...) _printf_(2, 3);

/* Milliseconds since the kernel began. */
uint64_t report_uptime_ms(void);
