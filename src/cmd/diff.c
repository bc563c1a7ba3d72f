/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop diff: what changed between two releases or builds.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#include "base/file.h"
#include "cmd/command-json.h"
#include "cmd/command.h"
#include "cmd/paths.h"
#include "format/canonical-json.h"
#include "format/erofs.h"
#include "release/build-changes.h"
#include "release/file-changes.h"
#include "release/manifest-find.h"
#include "release/notes.h"
#include "release/output-check.h"

struct values {
	bool files, json, markdown;
	const char *repository, *edition, *architecture, *cache;
};

static const struct command_option options[] = {
	{"repository", 'r', "DIR", "The folder of the repository whose versions A and B can be.",
		OPTION_STRING, offsetof(struct values, repository)},
	{"edition", 0, "NAME", "The edition of versions, where the repository has several.", OPTION_STRING,
		offsetof(struct values, edition)},
	{"arch", 'a', "ARCH", "The architecture of versions, where the repository has several.",
		OPTION_STRING, offsetof(struct values, architecture)},
	{"cache", 0, "DIR", "Where packages are kept, for their changelogs. Default: $XDG_CACHE_HOME/orlop.",
		OPTION_STRING, offsetof(struct values, cache)},
	{"files", 0, NULL, "Also say which files of /usr differ. Needs the usr images beside the manifests.",
		OPTION_TRUE, offsetof(struct values, files)},
	{"json", 0, NULL, "Print a JSON object.", OPTION_TRUE, offsetof(struct values, json)},
	{"markdown", 0, NULL, "Print Markdown, as it is published with a release.", OPTION_TRUE,
		offsetof(struct values, markdown)},
	{},
};

static const struct command_usage usage = {
	.name = "orlop diff",
	.arguments = "A B",
	.summary =
		"Says what changed from A to B: packages added, removed and changed, sizes, the kernel and "
		"its command line, the signing certificate, the outputs, and the CVE ids that the changelogs "
		"of the changed packages name. Each of A and B is a manifest, an output with its manifest "
		"beside it, the folder of a build, or a version in a repository. An output that is named has "
		"to be the file that its manifest tells of.",
	.notes = "Exit status: 0 for success, whether there are differences or not, 1 where something can't "
		 "be "
		 "read, 2 where the command line is wrong.",
	.options = options,
	.least = 2,
	.most = 2,
};

/* The two usr images as trees. */
struct images {
	struct tree *before, *after;
	struct file_changes changes;
};

static void images_release(struct images *images)
{
	file_changes_release(&images->changes);
	tree_free(images->before);
	tree_free(images->after);
}

static int read_image(
	const struct manifest_found *found, const char *text, struct tree **ret, struct error **err)
{
	const struct release_output *output = release_manifest_output(&found->manifest, "usr");
	_cleanup_close_ int fd = found->image ? open(found->image, O_RDONLY | O_CLOEXEC) : -1;
	struct erofs_source source = {.fd = fd};
	struct stat st;
	int r;

	if (!found->image || !output)
		return error_set(err, -ENOENT, "%s: there is no usr image beside it, as --files needs", text);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "%s", found->image);
	r = output_check(output, fd, found->image, err);
	if (r < 0)
		return r;
	source.size = (uint64_t)st.st_size;
	r = erofs_read_tree(&source, NULL, ret, err);
	return r < 0 ? (error_wrap(err, "%s", found->image), r) : 0;
}

static int compare_images(const struct manifest_found *before, const struct manifest_found *after,
	char *const *texts, struct images *ret, struct error **err)
{
	int r = read_image(before, texts[0], &ret->before, err);

	if (r == 0)
		r = read_image(after, texts[1], &ret->after, err);
	return r < 0 ? r : file_changes_find(ret->before, ret->after, &ret->changes, err);
}

/* All that is printed. */
struct differences {
	struct notes notes;
	struct build_changes build;
	struct images images;
};

static void differences_release(struct differences *differences)
{
	images_release(&differences->images);
	build_changes_release(&differences->build);
	notes_release(&differences->notes);
}
#define _cleanup_differences_ _cleanup_(differences_release)

static int add_members(const struct differences *differences, json_t *object)
{
	int r = build_changes_json(&differences->build, object);

	if (r < 0 || !differences->images.after)
		return r;
	return json_object_set_new(object, "files", file_changes_json(&differences->images.changes));
}

static int print_json(const struct differences *differences, struct error **err)
{
	_cleanup_json_ json_t *object = notes_json(&differences->notes);

	if (!object || add_members(differences, object) < 0)
		return error_set_errno(err, -ENOMEM, "diff");
	return command_print_json(TAKE_PTR(object), err);
}

static int write_text(const struct differences *differences, struct buffer *ret, struct error **err)
{
	int r = notes_text(&differences->notes, ret, err);

	if (r == 0)
		r = build_changes_text(&differences->build, ret, err);
	if (r == 0 && differences->images.after)
		r = file_changes_text(&differences->images.changes, ret, err);
	return r;
}

static int print(const struct values *values, const struct differences *differences, struct error **err)
{
	_cleanup_buffer_ struct buffer text = {};
	int r;

	if (values->json)
		return print_json(differences, err);
	r = values->markdown ? notes_markdown(&differences->notes, &text, err)
			     : write_text(differences, &text, err);
	if (r == 0)
		(void)fwrite(text.data, 1, text.size, stdout);
	return r;
}

static int compare(const struct values *values, char *const *texts, struct error **err)
{
	const struct manifest_place place = {values->repository, values->edition, values->architecture};
	_cleanup_manifest_found_ struct manifest_found before = {}, after = {};
	_cleanup_free_ char *cache = values->cache ? path_given(values->cache, err) : path_cache(err);
	_cleanup_differences_ struct differences differences = {};
	struct notes_input input = {&before.manifest, &after.manifest, cache};
	int r = cache ? manifest_find(texts[0], &place, &before, err) : -ENOENT;

	if (r == 0)
		r = manifest_find(texts[1], &place, &after, err);
	if (r == 0)
		r = notes_compare(&input, &differences.notes, err);
	if (r == 0)
		r = build_changes_find(&before.manifest, &after.manifest, &differences.build, err);
	if (r == 0 && values->files)
		r = compare_images(&before, &after, texts, &differences.images, err);
	return r < 0 ? r : print(values, &differences, err);
}

int cmd_diff(int argc, char **argv, struct error **err)
{
	struct values values = {};
	struct command_call call;

	if (!command_parse(&usage, argc, argv, &values, &call, err))
		return call.status;
	if (values.json && values.markdown)
		return command_usage_error(&usage, err, "--json and --markdown exclude each other");
	if (values.files && values.markdown)
		return command_usage_error(&usage, err, "--files has no Markdown; leave --markdown out");
	return compare(&values, call.arguments, err);
}
