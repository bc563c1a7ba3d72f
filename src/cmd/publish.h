/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The commands of `orlop publish` that change what a repository says, or print it.
 */
#pragma once

#include "cmd/command.h"

extern const struct command publish_commands[];
