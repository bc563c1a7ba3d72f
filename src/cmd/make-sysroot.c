/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * make-sysroot FOLDER ARCHITECTURE SUITE PACKAGE…: the headers, libraries and programs of Debian packages,
 * with all that these depend on, in a folder, for a compiler's --sysroot. It is done as `orlop build` does
 * it, with the same archive and the same cache: metadata and packages are verified, and nothing of a package
 * is run, so that the architecture may be any.
 */
#include <errno.h>
#include <time.h>

#include "base/string-util.h"
#include "build/tree-folder.h"
#include "build/unpack.h"
#include "cmd/paths.h"
#include "source/source.h"

static const char *const left_out[] = {"etc", "usr/share", "var"};

static int get_packages(char **arguments, size_t count, struct package_list *ret, struct error **err)
{
	_cleanup_source_ struct source *source = NULL;
	_cleanup_free_ char *cache = path_cache(err);
	const struct source_options options = {
		.suite = arguments[1], .architecture = arguments[0], .cache = cache, .now = time(NULL)};
	const struct strv names = {.items = arguments + 2, .count = count - 2}, absent = {};
	int r = cache ? source_open(&options, &source, err) : -ENOENT;

	if (r >= 0)
		r = source_resolve(source, &names, &absent, ret, NULL, err);
	return r < 0 ? r : source_fetch(source, ret, err);
}

static int unpack_all(const struct package_list *packages, struct tree **ret, struct error **err)
{
	_cleanup_free_ struct unpack_package *list = calloc(packages->count + 1, sizeof(*list));
	struct unpack_options options = {};
	int r = list ? 0 : error_set_errno(err, -ENOMEM, "unpacking");

	for (size_t i = 0; i < ARRAY_SIZE(left_out) && r >= 0; i++)
		if (strv_add(&options.exclude, left_out[i]) < 0)
			r = error_set_errno(err, -ENOMEM, "unpacking");
	for (size_t i = 0; i < packages->count && r >= 0; i++)
		list[i] = unpack_package_of(&packages->items[i]);
	if (r >= 0)
		r = unpack(list, packages->count, &options, ret, NULL, err);
	strv_release(&options.exclude);
	return r;
}

static int make(const char *folder, char **arguments, size_t count, struct error **err)
{
	_cleanup_package_list_ struct package_list packages = {};
	_cleanup_tree_ struct tree *tree = NULL;
	int r = get_packages(arguments, count, &packages, err);

	if (r >= 0)
		r = unpack_all(&packages, &tree, err);
	return r < 0 ? r : tree_write_folder(tree, folder, err);
}

int main(int argc, char **argv)
{
	_cleanup_error_ struct error *err = NULL;

	if (argc < 5) {
		fprintf(stderr, "usage: make-sysroot FOLDER ARCHITECTURE SUITE PACKAGE…\n");
		return EXIT_FAILURE;
	}
	if (make(argv[1], argv + 2, (size_t)argc - 2, &err) < 0) {
		fprintf(stderr, "make-sysroot: %s\n", error_message(err));
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
