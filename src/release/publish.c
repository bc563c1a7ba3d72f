/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/publish.h"

#include <errno.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/string-util.h"
#include "format/tuf.h"
#include "release/build-outputs.h"
#include "release/kernel-image.h"
#include "release/notes.h"
#include "release/old-image.h"

#define CLOCK_SECONDS 300 /* that two publishing machines may differ */

void publish_result_release(struct publish_result *result)
{
	for (size_t i = 0; i < result->count; i++)
		release_info_release(&result->items[i].info);
	free(result->items);
	*result = (struct publish_result){};
}

/* ---- releases.json ---- */

int publish_read_index(const struct repository *repository, struct release_index *ret, struct error **err)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	*ret = (struct release_index){};
	if (!repository_has(repository, RELEASE_INDEX_TARGET))
		return 0;
	r = repository_read(repository, RELEASE_INDEX_TARGET, RELEASE_INDEX_MAX, &text, &size, err);
	return r < 0 ? r : release_index_parse(text, size, ret, err);
}

int publish_check_clock(const struct release_index *index, int64_t now, struct error **err)
{
	char published[TUF_TIME_SIZE] = "?", shown[TUF_TIME_SIZE] = "?";

	for (size_t i = 0; i < index->count; i++) {
		const struct release_entry *entry = &index->entries[i];

		if (entry->withdrawn || entry->published <= now + CLOCK_SECONDS)
			continue;
		(void)tuf_time_format(entry->published, published);
		(void)tuf_time_format(now, shown);
		return error_set(err, -EINVAL,
			"this machine's clock says %s, but %s was published at %s: set the clock, or "
			"withdraw what was "
			"published with a wrong one",
			shown, entry->version, published);
	}
	return 0;
}

int publish_put_index(struct repository *repository, const struct release_index *index, struct error **err)
{
	_cleanup_buffer_ struct buffer text = {};
	int r = release_index_write(index, &text, err);

	if (r >= 0 && text.size > RELEASE_INDEX_MAX)
		r = error_set(err, -EFBIG, RELEASE_INDEX_TARGET " would have %zu bytes, more than nodes read",
			text.size);
	return r < 0 ? r : repository_put(repository, RELEASE_INDEX_TARGET, text.data, text.size, err);
}

static int copy_entry(
	const struct build_outputs *build, const struct publish_options *options, struct release_entry *ret)
{
	*ret = (struct release_entry){
		.edition = strdup(build->edition),
		.architecture = strdup(build->architecture),
		.version = strdup(build->version),
		.channels = RELEASE_WEEKLY,
		.published = options->now,
	};
	if (!ret->edition || !ret->architecture || !ret->version)
		return -ENOMEM;
	return publish_set_audience(ret, &options->audience);
}

static int add_entry(struct release_index *index, const struct build_outputs *build,
	const struct publish_options *options, struct error **err)
{
	struct release_entry *entries = reallocarray(index->entries, index->count + 1, sizeof(*entries));

	if (!entries)
		return error_set_errno(err, -ENOMEM, RELEASE_INDEX_TARGET);
	index->entries = entries;
	/* What of it was copied before memory was out is released with the index. */
	if (copy_entry(build, options, &entries[index->count++]) < 0)
		return error_set_errno(err, -ENOMEM, RELEASE_INDEX_TARGET);
	return 0;
}

/* ---- What is there ---- */

/* One of a release's files that are no targets: whether it is there, and as long as it was. */
static int check_file(const struct repository *repository, const char *folder, const struct image_file *file,
	struct error **err)
{
	_cleanup_free_ char *name = string_format("%s%s", folder, file->name);
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (!file->name[0])
		return 0;
	fd = name ? repository_open_file(repository, name, err) : error_set_errno(err, -ENOMEM, "release");
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "%s", name);
	return (uint64_t)st.st_size == file->size
		       ? 0
		       : error_set(err, -EBADMSG, "%s has %ju bytes, and had %ju when it was published", name,
				 (uintmax_t)st.st_size, (uintmax_t)file->size);
}

static int check_image_files(const struct repository *repository, const char *folder,
	const struct image_files *files, struct error **err)
{
	int r = files->blocks > 0 ? check_file(repository, folder, &files->tree, err) : 0;

	if (r >= 0 && files->blocks > 0)
		r = check_file(repository, folder, &files->image, err);
	for (size_t i = 0; i < files->delta_count && r >= 0; i++) {
		r = check_file(repository, folder, &files->deltas[i].tree, err);
		if (r >= 0)
			r = check_file(repository, folder, &files->deltas[i].patch, err);
	}
	return r;
}

/* What is published counts as that only while it is all there. */
static int check_files(const struct repository *repository, const struct build_outputs *build,
	const struct release_info *info, struct error **err)
{
	_cleanup_free_ char *folder = release_path(build->edition, build->version, build->architecture, "");
	_cleanup_free_ char *uki = folder ? string_format("%sorlop.efi", folder) : NULL, *data = NULL;
	size_t size;
	int r = uki ? check_image_files(repository, folder, &info->usr, err)
		    : error_set_errno(err, -ENOMEM, "release");

	if (r >= 0)
		r = check_image_files(repository, folder, &info->uki, err);
	if (r >= 0)
		r = repository_read(repository, uki, RELEASE_UKI_MAX, &data, &size, err);
	if (r < 0 && r != -ENOMEM)
		(void)error_advise(err,
			"the release is published, but not all of it is there: bring the file back from "
			"a copy, or withdraw the release and publish it with a new version");
	return r;
}

/* Whether the version is there with the same content, for the same nodes: 1, 0 where it isn't there, -EEXIST.
 */
static int find_published(const struct repository *repository, const struct release_index *index,
	const struct build_outputs *build, const struct publish_options *options, struct published *ret,
	struct error **err)
{
	const struct release_entry *entry =
		release_index_find(index, build->edition, build->architecture, build->version);
	_cleanup_free_ char *name =
		release_path(build->edition, build->version, build->architecture, "release.json");
	const struct build_output *uki = &build->files[BUILD_UKI];
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	if (!name)
		return error_set_errno(err, -ENOMEM, "release");
	if (!entry)
		return 0;
	r = repository_read(repository, name, RELEASE_INFO_MAX, &text, &size, err);
	if (r >= 0)
		r = release_info_parse(text, size, &ret->info, err);
	if (r < 0)
		return r;
	ret->already = true;
	if (memcmp(ret->info.usr.root, build->root, SHA256_SIZE) != 0 || ret->info.uki_size != uki->size ||
		memcmp(ret->info.uki_sha256, uki->digest, SHA256_SIZE) != 0)
		return error_set(err, -EEXIST,
			"%s %s for %s is published already, with other content: build it with a new version",
			build->edition, build->version, build->architecture);
	r = check_files(repository, build, &ret->info, err);
	if (r < 0)
		return r;
	if (!publish_is_for(entry, &options->audience))
		return error_set(err, -EEXIST,
			"%s %s for %s is published already, in other channels or with another rollout; what "
			"changes that is `orlop publish plan`",
			build->edition, build->version, build->architecture);
	return 1;
}

static int compare_versions(const void *a, const void *b)
{
	return -release_version_compare(*(const char *const *)a, *(const char *const *)b);
}

/* The versions before this one, the newest first. */
static const char **versions_before(
	const struct release_index *index, const struct build_outputs *build, size_t *ret_count)
{
	const char **versions = calloc(index->count + 1, sizeof(*versions));
	size_t count = 0;

	for (size_t i = 0; i < index->count && versions; i++) {
		const struct release_entry *entry = &index->entries[i];

		if (streq(entry->edition, build->edition) &&
			streq(entry->architecture, build->architecture) &&
			release_version_compare(entry->version, build->version) < 0)
			versions[count++] = entry->version;
	}
	if (versions)
		qsort(versions, count, sizeof(*versions), compare_versions);
	*ret_count = count;
	return versions;
}

/* ---- Old images ---- */

struct old_images {
	struct image_source items[IMAGE_DELTAS_MAX];
	size_t count;
};

static void old_images_release(struct old_images *images)
{
	for (size_t i = 0; i < images->count; i++) {
		cleanup_closep(&images->items[i].image_fd);
		cleanup_closep(&images->items[i].hash_fd);
	}
}

/* Opens the image of an old release, that of /usr or its kernel image, which then has *verity*'s tree. */
typedef int (*open_old_fn)(struct repository *repository, const char *release,
	const struct verity_options *verity, struct progress *progress, struct image_source *ret,
	struct error **err);

static int open_old_usr(struct repository *repository, const char *release,
	const struct verity_options *verity, struct progress *progress, struct image_source *ret,
	struct error **err)
{
	(void)verity;
	return old_image_open(repository, release, progress, ret, err);
}

static int open_old_kernel(struct repository *repository, const char *release,
	const struct verity_options *verity, struct progress *progress, struct image_source *ret,
	struct error **err)
{
	(void)progress;
	return kernel_image_open(repository, release, verity, ret, err);
}

/* An old release whose files somebody has removed is none that nodes come from with a patch. */
static int add_old(struct repository *repository, const struct build_outputs *build, const char *version,
	open_old_fn open, const struct verity_options *verity, struct progress *progress,
	struct old_images *ret, struct error **err)
{
	_cleanup_free_ char *release = release_path(build->edition, version, build->architecture, "");
	_cleanup_error_ struct error *fault = NULL;
	int r = release ? open(repository, release, verity, progress, &ret->items[ret->count], &fault)
			: -ENOMEM;

	if (r == -ENOENT || r == -ENODATA) {
		progress_note(progress, "no patch from %s: %s", version, error_message(fault));
		return 0;
	}
	if (r >= 0)
		ret->count++;
	else
		error_move(err, TAKE_PTR(fault));
	return r;
}

static int open_old(struct repository *repository, const struct release_index *index,
	const struct build_outputs *build, const struct publish_options *options, open_old_fn open,
	const struct verity_options *verity, struct old_images *ret, struct error **err)
{
	size_t count;
	_cleanup_free_ const char **versions = versions_before(index, build, &count);
	int r = 0;

	if (!versions)
		return error_set_errno(err, -ENOMEM, "releases");
	count = MIN(count, (size_t)MIN(options->patch_from, (uint64_t)IMAGE_DELTAS_MAX));
	if (count > 0)
		progress_begin(options->progress, "old images", 0, PROGRESS_BYTES);
	for (size_t i = 0; i < count && r >= 0; i++)
		r = add_old(repository, build, versions[i], open, verity, options->progress, ret, err);
	if (count > 0 && r >= 0)
		progress_end(options->progress, NULL);
	return r;
}

/* ---- One release ---- */

static int put_text(struct repository *repository, const struct build_outputs *build, const char *file,
	const void *data, size_t size, struct error **err)
{
	_cleanup_free_ char *name = release_path(build->edition, build->version, build->architecture, file);

	return name ? repository_put(repository, name, data, size, err)
		    : error_set_errno(err, -ENOMEM, "%s", file);
}

static int put_uki(struct repository *repository, const struct build_outputs *build,
	const struct publish_options *options, struct release_info *info, struct error **err)
{
	_cleanup_free_ char *name =
		release_path(build->edition, build->version, build->architecture, "orlop.efi");
	const struct build_output *file = &build->files[BUILD_UKI];
	_cleanup_close_ int fd = build_open(build, BUILD_UKI, err);
	int r;

	if (fd < 0)
		return fd;
	if (!name)
		return error_set_errno(err, -ENOMEM, "orlop.efi");
	r = build_check_uki(build, fd, options->signer, err);
	if (r < 0)
		return r;
	info->uki_size = file->size;
	memcpy(info->uki_sha256, file->digest, SHA256_SIZE);
	progress_begin(options->progress, "kernel image", file->size, PROGRESS_BYTES);
	r = repository_put_file(repository, name, fd, file->size, file->digest, options->progress, err);
	if (r >= 0)
		progress_end(options->progress, NULL);
	return r < 0 ? (error_wrap(err, "%s/%s", build->folder, file->name), r) : 0;
}

static int check_outputs(const struct build_outputs *build, int image, int hash,
	const struct publish_options *options, struct error **err)
{
	int r;

	progress_begin(options->progress, "check",
		build->files[BUILD_USR].size + build->files[BUILD_VERITY].size, PROGRESS_BYTES);
	r = build_check(build, BUILD_USR, image, options->progress, err);
	if (r >= 0)
		r = build_check(build, BUILD_VERITY, hash, options->progress, err);
	if (r >= 0)
		progress_end(options->progress, NULL);
	return r;
}

static int write_usr(struct repository *repository, const struct release_index *index,
	const struct build_outputs *build, const struct publish_options *options, const char *folder,
	struct release_info *info, struct error **err)
{
	const struct image_write_options files = {
		.threads = options->threads, .level = options->level, .progress = options->progress};
	_cleanup_(old_images_release) struct old_images old = {};
	_cleanup_close_ int image = build_open(build, BUILD_USR, err), hash = -1;
	struct image_source usr;
	int r;

	if (image < 0)
		return image;
	hash = build_open(build, BUILD_VERITY, err);
	r = hash < 0 ? hash : check_outputs(build, image, hash, options, err);
	if (r >= 0)
		r = open_old(repository, index, build, options, open_old_usr, NULL, &old, err);
	if (r < 0)
		return r;
	usr = (struct image_source){.image_fd = image, .hash_fd = hash};
	memcpy(usr.root, build->root, SHA256_SIZE);
	return image_write(folder, &usr, old.items, old.count, &files, &info->usr, err);
}

/* The kernel image once more, block by block. What it is made of is compressed: a high level gains nothing.
 */
static int write_uki(struct repository *repository, const struct release_index *index,
	const struct build_outputs *build, const struct publish_options *options, const char *folder,
	struct release_info *info, struct error **err)
{
	const struct image_write_options files = {
		.name = "uki", .threads = options->threads, .level = 1, .progress = options->progress};
	_cleanup_(old_images_release) struct old_images old = {};
	_cleanup_free_ char *data = NULL;
	_cleanup_close_ int fd = -1;
	struct image_source uki = {.image_fd = -1, .hash_fd = -1};
	size_t size;
	int r;

	if (info->uki_size < KERNEL_IMAGE_LEAST)
		return 0;
	fd = build_open(build, BUILD_UKI, err);
	r = fd < 0 ? fd : file_read_fd(fd, build->files[BUILD_UKI].name, RELEASE_UKI_MAX, &data, &size, err);
	if (r >= 0)
		r = kernel_image_make(repository, data, size, &info->usr.verity, &uki, err);
	if (r >= 0)
		r = open_old(
			repository, index, build, options, open_old_kernel, &info->usr.verity, &old, err);
	if (r >= 0)
		r = image_write(folder, &uki, old.items, old.count, &files, &info->uki, err);
	cleanup_closep(&uki.image_fd);
	cleanup_closep(&uki.hash_fd);
	return r;
}

/* What the build says of what is in it, for people and their scanners: nodes do without. */
static int put_documents(struct repository *repository, const struct build_outputs *build, struct error **err)
{
	static const struct {
		enum build_file file;
		const char *name;
	} documents[] = {{BUILD_SPDX, "sbom.spdx.json"}, {BUILD_CYCLONEDX, "sbom.cdx.json"}};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(documents) && r >= 0; i++) {
		_cleanup_free_ char *name =
			release_path(build->edition, build->version, build->architecture, documents[i].name);
		const struct build_output *file = &build->files[documents[i].file];
		_cleanup_close_ int fd = -1;

		if (!file->name)
			continue;
		fd = name ? build_open(build, documents[i].file, err)
			  : error_set_errno(err, -ENOMEM, "release");
		r = fd < 0 ? fd
			   : repository_put_file(repository, name, fd, file->size, file->digest, NULL, err);
	}
	if (r >= 0 && build->provenance)
		r = put_text(
			repository, build, "provenance.json", build->provenance, build->provenance_size, err);
	return r;
}

static int put_info(struct repository *repository, const struct build_outputs *build,
	const struct release_info *info, struct error **err)
{
	_cleanup_buffer_ struct buffer text = {};
	int r = release_info_write(info, &text, err);

	if (r >= 0)
		r = put_text(repository, build, "release.json", text.data, text.size, err);
	if (r >= 0)
		r = put_text(repository, build, "manifest.json", build->manifest, build->manifest_size, err);
	return r;
}

/* The manifest of the version before, where there is one: 1, or 0. */
static int read_before(const struct repository *repository, const struct release_index *index,
	const struct build_outputs *build, struct release_manifest *ret, struct error **err)
{
	size_t count, size;
	_cleanup_free_ const char **versions = versions_before(index, build, &count);
	_cleanup_free_ char *name = NULL, *text = NULL;
	_cleanup_error_ struct error *fault = NULL;
	int r;

	if (!versions)
		return error_set_errno(err, -ENOMEM, "releases");
	if (count == 0)
		return 0;
	name = release_path(build->edition, versions[0], build->architecture, "manifest.json");
	if (!name)
		return error_set_errno(err, -ENOMEM, "releases");
	r = repository_read(repository, name, MANIFEST_MAX, &text, &size, &fault);
	/* Old releases may be removed from a server. */
	if (r == -ENODATA)
		return 0;
	error_move(err, TAKE_PTR(fault));
	if (r >= 0)
		r = release_manifest_parse(text, size, ret, err);
	return r < 0 ? (error_wrap(err, "%s", name), r) : 1;
}

/* What changed since the version before, or what was given. */
static int put_notes(struct repository *repository, const struct release_index *index,
	const struct build_outputs *build, const struct publish_options *options, struct error **err)
{
	_cleanup_release_manifest_ struct release_manifest before = {}, after = {};
	_cleanup_buffer_ struct buffer text = {};
	struct notes_input input = {.after = &after, .cache = options->cache};
	int r;

	if (options->notes)
		return put_text(repository, build, "notes.md", options->notes, strlen(options->notes), err);
	r = release_manifest_parse(build->manifest, build->manifest_size, &after, err);
	if (r < 0)
		return error_wrap(err, "the manifest of %s", build->version), r;
	r = read_before(repository, index, build, &before, err);
	if (r > 0)
		input.before = &before;
	if (r >= 0)
		r = notes_write(&input, &text, err);
	return r < 0 ? r : put_text(repository, build, "notes.md", text.data, text.size, err);
}

static int name_release(const struct build_outputs *build, struct release_info *info, struct error **err)
{
	info->edition = strdup(build->edition);
	info->architecture = strdup(build->architecture);
	info->version = strdup(build->version);
	return info->edition && info->architecture && info->version
		       ? 0
		       : error_set_errno(err, -ENOMEM, "release");
}

/* What can be found wrong in a moment comes before what takes minutes. */
static int publish_one(struct repository *repository, const struct release_index *index,
	const struct build_outputs *build, const struct publish_options *options, struct release_info *info,
	struct error **err)
{
	_cleanup_free_ char *name = release_path(build->edition, build->version, build->architecture, "");
	const char *folder;
	int r = name ? name_release(build, info, err) : -ENOMEM;

	if (r < 0)
		return r;
	name[strlen(name) - 1] = 0;
	r = build_signature(build, options->signer, NULL, info, err);
	if (r >= 0)
		r = repository_folder(repository, name, &folder, err);
	if (r >= 0)
		r = put_notes(repository, index, build, options, err);
	if (r >= 0)
		r = put_documents(repository, build, err);
	if (r >= 0)
		r = put_uki(repository, build, options, info, err);
	if (r >= 0)
		r = write_usr(repository, index, build, options, folder, info, err);
	if (r >= 0)
		r = write_uki(repository, index, build, options, folder, info, err);
	return r < 0 ? r : put_info(repository, build, info, err);
}

static int publish_new(struct repository *repository, struct release_index *index,
	const struct build_list *builds, const struct publish_options *options, struct publish_result *result,
	struct error **err)
{
	bool any = false;
	int r = 0;

	for (size_t i = 0; i < builds->count && r >= 0; i++) {
		if (result->items[i].already)
			continue;
		any = true;
		r = publish_one(repository, index, &builds->items[i], options, &result->items[i].info, err);
		if (r < 0)
			return error_wrap(err, "publishing %s", builds->items[i].version), r;
		r = add_entry(index, &builds->items[i], options, err);
	}
	if (r < 0 || !any)
		return r;
	r = publish_put_index(repository, index, err);
	return r < 0 ? r : repository_commit(repository, err);
}

int publish_run(struct repository *repository, const struct publish_options *options,
	struct publish_result *ret, struct error **err)
{
	_cleanup_publish_result_ struct publish_result result = {};
	_cleanup_release_index_ struct release_index index = {};
	_cleanup_build_list_ struct build_list builds = {};
	int r = build_list_read(options->build, options->version, &builds, err);

	if (r >= 0)
		r = publish_read_index(repository, &index, err);
	if (r >= 0)
		r = publish_check_clock(&index, options->now, err);
	if (r >= 0)
		r = repository_unlock(repository, err);
	if (r < 0)
		return r;
	result.items = calloc(builds.count, sizeof(*result.items));
	if (!result.items)
		return error_set_errno(err, -ENOMEM, "releases");
	result.count = builds.count;
	for (size_t i = 0; i < builds.count && r >= 0; i++)
		r = find_published(repository, &index, &builds.items[i], options, &result.items[i], err);
	if (r >= 0)
		r = publish_new(repository, &index, &builds, options, &result, err);
	if (r < 0)
		return r;
	*ret = result;
	result = (struct publish_result){};
	return 0;
}
