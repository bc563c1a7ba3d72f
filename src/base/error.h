/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An error object: a negative errno and a text for people, written once where the fault is found and wrapped
 * with context on the way up ("build: package foo: data.tar.xz: unexpected end of file").
 *
 * A function that can fail returns 0 (or a count) or a negative errno, and takes `struct error **err` as its
 * last parameter where there is more to say than the errno does. *err* may be NULL; *err must be NULL on
 * entry. On success *err is untouched. The caller owns what it finds in *err and frees it with error_free().
 *
 * A message may quote what comes from anybody: its control characters become question marks.
 */
#pragma once

#include "base/macro.h"

struct error {
	int code;      /* negative errno */
	char *message; /* UTF-8, no newline at the end; NULL where memory was out (use error_message()) */
	char *subject; /* NULL, or what was asked for and is at fault; see error_about() */
};

/* Sets *err* to *code* (a negative errno) and the formatted text; returns *code*, so that it can be returned
 * on. */
int error_set(struct error **err, int code, const char *format, ...) _printf_(3, 4);

/* As error_set(), with ": " and the text of strerror(-code) added. */
int error_set_errno(struct error **err, int code, const char *format, ...) _printf_(3, 4);

/* Puts the formatted text and ": " before the message of *err; returns its code (-EIO where nothing is set).
 */
int error_wrap(struct error **err, const char *format, ...) _printf_(2, 3);

/* Puts " (", what to do, and ")" behind the message of *err; NULL: nothing. Returns its code, as
 * error_wrap(). */
int error_advise(struct error **err, const char *advice);

/*
 * Notes in *err what the error is about: an entry of a list that the caller gave, by which the caller can say
 * where it comes from. Returns *code*, so that it can stand around error_set():
 *
 *     return error_about(err, name, error_set(err, -ENOENT, "there is no module %s", name));
 */
int error_about(struct error **err, const char *subject, int code);

/* The message; "unknown error" where *error* is NULL. Belongs to the error. */
const char *error_message(const struct error *error);

/* Moves *from* into *to* where *to* is not NULL and empty, and frees it otherwise. */
void error_move(struct error **to, struct error *from);

struct error *error_free(struct error *error);
DEFINE_CLEANUP(struct error *, error_free);
#define _cleanup_error_ _cleanup_(error_freep)

/*
 * An analyser looks at one file at a time, and would follow paths on which these return no error.
 * base/error.c asserts that there are none; it alone defines ERROR_C.
 */
#if (defined(__clang_analyzer__) || defined(ORLOP_ANALYSED)) && !defined(ERROR_C)
static inline int error_is_negative(int code)
{
	if (code >= 0)
		__builtin_unreachable();
	return code;
}
#define error_set(...) error_is_negative(error_set(__VA_ARGS__))
#define error_set_errno(...) error_is_negative(error_set_errno(__VA_ARGS__))
#define error_wrap(...) error_is_negative(error_wrap(__VA_ARGS__))
#define error_advise(...) error_is_negative(error_advise(__VA_ARGS__))
#endif
