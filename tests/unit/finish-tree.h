/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small tree for the tests of finishers.
 */
#pragma once

#include "scratch.h"

#include "build/finishers.h"

static inline void finish_tree_add(struct finish *finish, const char *path, const char *text)
{
	const struct tree_attributes attributes = {.mode = 0644, .origin = "package"};
	_cleanup_content_ struct content *content = content_copy(text, strlen(text));
	_cleanup_error_ struct error *err = NULL;

	assert_ok(tree_add_file(finish->tree, path, &attributes, content, NULL, &err), err);
}

static inline struct finish finish_tree_new(void)
{
	struct finish finish = {.tree = tree_new(), .architecture = "amd64", .mtime = 86400 * 20000LL};

	assert_non_null(finish.tree);
	return finish;
}

static inline void finish_tree_release(struct finish *finish)
{
	finish->tree = tree_free(finish->tree);
}
#define _cleanup_finish_ _cleanup_(finish_tree_release)
