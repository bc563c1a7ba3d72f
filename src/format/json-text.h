/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text from outside as JSON, which is UTF-8 where a path, a name in an image or a message about either need
 * not be: json_string() makes nothing of such a text, and with it of all that it was to be part of.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* A string; where *text* is not UTF-8, U+FFFD stands for each byte beyond ASCII. NULL where memory is out. */
json_t *json_text_sized(const char *text, size_t size);

/* The same of a text that a NUL ends; null of NULL. */
json_t *json_text(const char *text);
