/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every unit test begins with: cmocka, and checks that print the error where a call failed.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"

/* The call, whose last argument is *err*, succeeds. */
#define assert_ok(r, err)                                                   \
	do {                                                                \
		int _r = (r);                                               \
		if (_r < 0)                                                 \
			fail_msg("%s: %d: %s", #r, _r, error_message(err)); \
	} while (0)

/* The call fails with *code*, and its error says *text* somewhere; the error is freed. */
#define assert_error(r, code, err, text)                                                                     \
	do {                                                                                                 \
		int _r = (r);                                                                                \
		if (_r != (code) || !(err) || !strstr(error_message(err), (text)))                           \
			fail_msg(                                                                            \
				"%s: %d: %s (expected %d: …%s…)", #r, _r, error_message(err), (code), text); \
		(err) = error_free(err);                                                                     \
	} while (0)
