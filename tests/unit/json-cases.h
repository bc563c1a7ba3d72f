/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A good document with one text of it replaced, for tests that go through what a reader refuses.
 */
#pragma once

#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/string-util.h"

struct json_case {
	const char *from, *to; /* the first *from* in the document becomes *to* */
	const char *text;      /* what the error says; NULL: it is read */
};

/* The caller frees it. */
static inline char *json_case_document(const char *good, const struct json_case *one)
{
	const char *at = one->from ? strstr(good, one->from) : NULL;

	if (!at)
		fail_msg("what is to be changed is not in the document: %s", one->to);
	return string_format("%.*s%s%s", (int)(at - good), good, one->to, at + strlen(one->from));
}
