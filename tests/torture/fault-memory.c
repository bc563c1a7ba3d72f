/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What allocates in the C library.
 */
#include "fault.h"

#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY(type, name, parameters, arguments) \
	FAULTY(FAULT_MEMORY, ENOMEM, NULL, type, name, parameters, arguments)

MEMORY(void *, malloc, (size_t size), (size));
MEMORY(void *, calloc, (size_t count, size_t size), (count, size));
MEMORY(void *, realloc, (void *pointer, size_t size), (pointer, size));
MEMORY(void *, reallocarray, (void *pointer, size_t count, size_t size), (pointer, count, size));
MEMORY(char *, strdup, (const char *text), (text));
MEMORY(char *, strndup, (const char *text, size_t size), (text, size));
MEMORY(FILE *, open_memstream, (char **text, size_t *size), (text, size));
MEMORY(FILE *, fmemopen, (void *data, size_t size, const char *mode), (data, size, mode));
MEMORY(void *, tsearch, (const void *key, void **root, __compar_fn_t compare), (key, root, compare));

FAULTY(FAULT_MEMORY, ENOMEM, ENOMEM, int, posix_memalign, (void **ret, size_t align, size_t size),
	(ret, align, size));

/* What it leaves in *ret* is not defined then: something that nobody can take for memory. */
int __wrap_vasprintf(char **ret, const char *format, va_list args);
int __wrap_vasprintf(char **ret, const char *format, va_list args)
{
	extern __typeof__(vasprintf) __real_vasprintf;

	if (!fault(FAULT_MEMORY, "vasprintf"))
		return __real_vasprintf(ret, format, args);
	*ret = (char *)1;
	errno = ENOMEM;
	return -1;
}

int __wrap_asprintf(char **ret, const char *format, ...);
int __wrap_asprintf(char **ret, const char *format, ...)
{
	extern __typeof__(vasprintf) __real_vasprintf;
	va_list args;
	int n;

	if (fault(FAULT_MEMORY, "asprintf")) {
		*ret = (char *)1;
		errno = ENOMEM;
		return -1;
	}
	va_start(args, format);
	n = __real_vasprintf(ret, format, args);
	va_end(args);
	return n;
}
