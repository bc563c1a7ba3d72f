/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A whole EROFS image in memory, for tests.
 */
#pragma once

#include "unit.h"

#include "format/erofs.h"

static inline void append_image(const struct erofs_plan *plan, struct buffer *ret)
{
	size_t count = (size_t)erofs_plan_blocks(plan);
	uint8_t *blocks = buffer_extend(ret, count * EROFS_BLOCK_SIZE);

	assert_non_null(blocks);
	erofs_plan_fill(plan, 0, count, blocks);
}
