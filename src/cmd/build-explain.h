/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `orlop build --explain` prints.
 */
#pragma once

#include "build/image.h"

/* Resolves what *options* would build, and prints it, as text or JSON. Builds nothing. */
int build_explain(const struct image_options *options, bool json, struct error **err);
