/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>

#include "base/error.h"

/*
 * Prints *object*, which it takes over (NULL: memory was out), and a newline on standard output. Returns 0,
 * -ENOMEM, or what kept it from being written.
 */
int command_print_json(json_t *object, struct error **err);
