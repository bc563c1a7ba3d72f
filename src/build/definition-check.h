/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of definition_check(): each looks at some keys, and fails as definition_error() does.
 */
#pragma once

#include "build/definition.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* A word of *alphabet* that begins with a letter or digit, up to *end*. */
bool definition_is_word(const char *text, const char *end, const char *alphabet);

/* What a node is told: sysctl, users, ids and units (definition-check-node.c). */
int definition_check_node(const struct definition *definition, struct error **err);

/* Where packages come from: suite, components and sources (definition-check-archive.c). */
int definition_check_archive(const struct definition *definition, struct error **err);
