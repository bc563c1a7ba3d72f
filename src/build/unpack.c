/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/unpack.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/glob.h"
#include "base/work.h"
#include "build/survey.h"
#include "format/deb-plain.h"
#include "format/deb-version.h"
#include "source/cache.h"

#define PACKAGE_MAX GiB(2)
#define DERIVED "deb-1" /* what is kept of a package: itself, decompressed */

/* Long enough for a path (shorter than PATH_MAX) with "usr/" in front. */
typedef char usr_path[PATH_MAX + 8];

struct job {
	const struct unpack_package *packages;
	const struct unpack_options *options;
	struct deb *debs;
	const size_t
		*order; /* of the packages, the largest first: the last ones to be done should be small */
	/* For each pattern, whether a path has matched it. Several threads set them, and none looks. */
	atomic_bool *excluded, *kept;
};

/* The entries of all packages being put together. */
struct merge {
	struct tree *tree;
	const struct unpack_package *packages;
	const struct deb *debs;
	struct unpacked_package *reports;
	size_t count;
};

static void unpacked_package_release(struct unpacked_package *package)
{
	free(package->name);
	control_release(&package->control);
	strv_release(&package->conffiles);
	deb_entries_release(package->aside, package->aside_count);
}

void unpacked_release(struct unpacked *unpacked)
{
	for (size_t i = 0; i < unpacked->count; i++)
		unpacked_package_release(&unpacked->packages[i]);
	free(unpacked->packages);
	strv_release(&unpacked->idle_exclude);
	strv_release(&unpacked->idle_keep);
	*unpacked = (struct unpacked){};
}

/* The path that "merged /usr" gives: only a link at the top keeps its place. */
static const char *merged_path(const char *path, mode_t mode, usr_path ret)
{
	static const char *const aliases[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
	size_t length = strcspn(path, "/");
	bool moved = false;

	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (strlen(aliases[i]) == length && memcmp(aliases[i], path, length) == 0)
			moved = path[length] || S_ISDIR(mode);
	(void)snprintf(ret, sizeof(usr_path), "%s%s", moved ? "usr/" : "", path);
	return ret;
}

/* True where one of the patterns matches; notes all that do. */
static bool match_patterns(const struct strv *patterns, atomic_bool *matched, const char *path)
{
	bool any = false;

	for (size_t i = 0; i < patterns->count; i++) {
		if (!glob_match_below(patterns->items[i], path))
			continue;
		atomic_store_explicit(&matched[i], true, memory_order_relaxed);
		any = true;
	}
	return any;
}

static unsigned is_wanted(const char *path, mode_t mode, void *userdata)
{
	const struct job *job = userdata;
	unsigned aside = job->options->aside ? job->options->aside(path, mode, NULL) : 0;
	usr_path merged;

	(void)merged_path(path, mode, merged);
	return !match_patterns(&job->options->exclude, job->excluded, merged) ||
			       match_patterns(&job->options->keep, job->kept, merged)
		       ? aside | DEB_KEEP
		       : aside;
}

/* Reads a .deb into memory and looks into it only after its digest was found right. */
static int read_package(
	const struct unpack_package *package, char **ret, size_t *ret_size, struct error **err)
{
	_cleanup_free_ char *data = NULL;
	uint8_t digest[SHA256_SIZE];
	char hex[2][SHA256_HEX_SIZE];
	size_t size;
	int r;

	if (package->size > PACKAGE_MAX)
		return error_set(err, -EFBIG, "%s: the package is larger than 2 GiB", package->path);
	r = file_read(package->path, package->size, &data, &size, err);
	if (r == -EFBIG)
		return error_wrap(err, "the package is larger than the repository says");
	if (r < 0)
		return r;
	r = sha256_bytes(data, size, digest);
	if (r < 0)
		return error_set_errno(err, r, "%s", package->path);
	if (memcmp(digest, package->sha256, SHA256_SIZE) != 0) {
		hex_encode(digest, SHA256_SIZE, hex[0]);
		hex_encode(package->sha256, SHA256_SIZE, hex[1]);
		return error_set(err, -EBADMSG,
			"%s: its SHA-256 is %s, but should be %s; delete it to have it fetched again",
			package->path, hex[0], hex[1]);
	}
	*ret = TAKE_PTR(data);
	*ret_size = size;
	return 0;
}

/* The kernel would ignore a malformed one, and the program then lack what it needs. */
static int check_capabilities(const struct deb *deb, struct error **err)
{
	for (size_t i = 0; i < deb->entry_count; i++) {
		const struct deb_entry *entry = &deb->entries[i];

		for (size_t x = 0; x < entry->xattr_count; x++) {
			const struct tree_xattr *xattr = &entry->xattrs[x];
			_cleanup_free_ char *text = NULL;
			int r = streq(xattr->name, "security.capability")
					? capability_text(xattr->value, xattr->size, &text)
					: 0;

			if (r == -EBADMSG)
				return error_set(err, r, "\"%s\" has a security.capability that is malformed",
					entry->path);
			if (r < 0)
				return error_set_errno(err, r, "%s", entry->path);
		}
	}
	return 0;
}

/* The digests of files that were kept with the package: they have just been found right. */
static void set_digests(struct deb *deb, const struct cache_object *object)
{
	for (size_t i = 0; i < deb->entry_count; i++) {
		struct content *content = deb->entries[i].content;
		const struct cache_part *part =
			content ? cache_object_part(object, deb->entries[i].offset, content_size(content))
				: NULL;

		if (part)
			content_set_digests(content, &part->digests);
	}
}

/* Every file that is wanted is a part, so that no byte is hashed twice, neither now nor by who reads it
 * again. */
static int collect_parts(const struct deb *deb, struct cache_object *object)
{
	object->parts = calloc(deb->entry_count + 1, sizeof(*object->parts));
	if (!object->parts)
		return -ENOMEM;
	for (size_t i = 0; i < deb->entry_count; i++) {
		const struct deb_entry *entry = &deb->entries[i];
		const struct digests *digests;

		if (!entry->content || content_size(entry->content) == 0)
			continue;
		if (content_digests(entry->content, &digests) < 0)
			return -ENOMEM;
		object->parts[object->part_count++] = (struct cache_part){
			.offset = entry->offset, .size = content_size(entry->content), .digests = *digests};
	}
	return 0;
}

/* Keeps what the package became. Without memory for that it is not kept. */
static void keep_package(
	struct cache *cache, const uint8_t key[SHA256_SIZE], const struct deb *deb, struct content *plain)
{
	struct cache_object object = {.data = (uint8_t *)content_data(plain), .size = content_size(plain)};

	if (collect_parts(deb, &object) >= 0)
		cache_derived_write(cache, DERIVED, key, &object);
	free(object.parts);
}

/* What is mostly not wanted shall not stay in memory for the rest. */
static int release_rest(struct deb *deb, const struct content *plain)
{
	return deb->size < content_size(plain) / 2 ? deb_detach(deb) : 0;
}

/* Reads what was kept of a package: 1, or 0 where nothing was. */
static int read_kept(
	struct job *job, const struct unpack_package *package, struct deb *deb, struct error **err)
{
	_cleanup_cache_object_ struct cache_object object = {};
	_cleanup_content_ struct content *plain = NULL;
	int r = cache_derived_read(job->options->cache, DERIVED, package->sha256, &object);

	if (r == 0)
		return 0;
	if (r > 0)
		plain = content_new(TAKE_PTR(object.data), object.size);
	if (!plain)
		return error_set_errno(err, -ENOMEM, "%s", package->path);
	r = deb_read_content(plain, package->path, is_wanted, job, deb, err);
	if (r < 0)
		return r;
	set_digests(deb, &object);
	r = release_rest(deb, plain);
	return r < 0 ? error_set_errno(err, r, "%s", package->path) : 1;
}

/* Reads the package itself, and keeps it decompressed. Without a cache that would be of no use. */
static int read_whole(
	struct job *job, const struct unpack_package *package, struct deb *deb, struct error **err)
{
	_cleanup_free_ char *data = NULL;
	_cleanup_buffer_ struct buffer buffer = {};
	_cleanup_content_ struct content *plain = NULL;
	size_t size = 0;
	int r = read_package(package, &data, &size, err);

	if (r >= 0 && !job->options->cache)
		return deb_read(data, size, package->path, is_wanted, job, deb, err);
	if (r >= 0)
		r = deb_decompress(data, size, package->path, &buffer, err);
	if (r < 0)
		return r;
	free(TAKE_PTR(data));
	plain = content_new(TAKE_PTR(buffer.data), buffer.size);
	if (!plain)
		return error_set_errno(err, -ENOMEM, "%s", package->path);
	r = deb_read_content(plain, package->path, is_wanted, job, deb, err);
	if (r < 0)
		return r;
	keep_package(job->options->cache, package->sha256, deb, plain);
	r = release_rest(deb, plain);
	return r < 0 ? error_set_errno(err, r, "%s", package->path) : 0;
}

static int compare_field(const struct unpack_package *package, const char *field, const char *found,
	size_t length, const char *said, struct error **err)
{
	if (!said || (strlen(said) == length && strncmp(found, said, length) == 0))
		return 0;
	return error_set(err, -EBADMSG,
		"package %s: %s: %s is \"%.*s\" in the package, and \"%s\" in the index or lock that names "
		"it",
		package->name, package->path, field, (int)length, found, said);
}

/*
 * What was said of a package is what bills of materials and provenance say: it must be so. "Source: NAME" or
 * "Source: NAME (VERSION)" (deb-control(5)) is left out where both are the binary package's own.
 */
static int check_control(
	const struct unpack_package *package, const struct control *control, struct error **err)
{
	const char *name = control_get(control, "Package"), *version = control_get(control, "Version"),
		   *architecture = control_get(control, "Architecture"),
		   *source = control_get(control, "Source"), *of = source ? strchr(source, '(') : NULL;
	int r = compare_field(package, "Package", name, strlen(name), package->name, err);

	if (r >= 0)
		r = compare_field(package, "Version", version, strlen(version), package->version, err);
	if (r >= 0)
		r = compare_field(package, "Architecture", architecture, strlen(architecture),
			package->architecture, err);
	source = source ? source : name;
	of = of ? of + 1 : version;
	if (r >= 0)
		r = compare_field(package, "Source", source, strcspn(source, " \t("), package->source, err);
	return r < 0 ? r
		     : compare_field(package, "the version of Source", of, strcspn(of, ")"),
			       package->source_version, err);
}

static int unpack_one(size_t place, void *userdata, struct error **err)
{
	struct job *job = userdata;
	size_t index = job->order[place];
	const struct unpack_package *package = &job->packages[index];
	struct deb *deb = &job->debs[index];
	int r;

	r = read_kept(job, package, deb, err);
	if (r == 0)
		r = read_whole(job, package, deb, err);
	if (r >= 0)
		r = check_capabilities(deb, err);
	if (r < 0)
		return error_wrap(err, "package %s", package->name);
	r = check_control(package, &deb->control, err);
	if (r < 0)
		return r;
	progress_add(job->options->progress, package->size);
	return 0;
}

static struct tree_attributes attributes_of(const struct deb_entry *entry, const char *origin)
{
	return (struct tree_attributes){.mode = entry->mode,
		.uid = entry->uid,
		.gid = entry->gid,
		.mtime = entry->mtime,
		.origin = origin};
}

static bool is_plain(mode_t mode, uint32_t uid, uint32_t gid)
{
	return (mode & 07777) == 0755 && uid == 0 && gid == 0;
}

static int set_xattrs(struct tree_inode *inode, const struct deb_entry *entry, struct error **err)
{
	for (size_t i = 0; i < entry->xattr_count; i++) {
		const struct tree_xattr *xattr = &entry->xattrs[i];
		int r = inode_set_xattr(inode, xattr->name, xattr->value, xattr->size);

		if (r < 0)
			return error_set_errno(err, r, "%s", entry->path);
	}
	return 0;
}

static int merge_folder(
	struct merge *merge, size_t package, const struct deb_entry *entry, struct error **err)
{
	struct tree_attributes attributes = attributes_of(entry, merge->packages[package].name);
	struct tree_inode *inode;
	usr_path path;
	int r;

	r = tree_add_folder(
		merge->tree, merged_path(entry->path, entry->mode, path), &attributes, &inode, err);
	if (r < 0)
		return r;
	if (is_plain(attributes.mode, attributes.uid, attributes.gid))
		return set_xattrs(inode, entry, err);
	if (!is_plain(inode->mode, inode->uid, inode->gid) &&
		((inode->mode ^ attributes.mode) & 07777 || inode->uid != attributes.uid ||
			inode->gid != attributes.gid))
		return error_set(err, -EEXIST, "folder \"%s\" is %04o %u:%u in %s and %04o %u:%u in %s", path,
			inode->mode & 07777, inode->uid, inode->gid, inode->origin, attributes.mode & 07777,
			attributes.uid, attributes.gid, attributes.origin);
	inode->mode = S_IFDIR | (attributes.mode & 07777);
	inode->uid = attributes.uid;
	inode->gid = attributes.gid;
	return set_xattrs(inode, entry, err);
}

static bool same_xattrs(const struct tree_inode *inode, const struct deb_entry *entry)
{
	if (inode->xattr_count != entry->xattr_count)
		return false;
	for (size_t i = 0; i < entry->xattr_count; i++) {
		const struct tree_xattr *mine = &entry->xattrs[i],
					*there = inode_get_xattr(inode, mine->name);

		if (!there || there->size != mine->size || memcmp(there->value, mine->value, mine->size) != 0)
			return false;
	}
	return true;
}

static bool is_same(
	const struct tree_inode *inode, const struct deb_entry *entry, const struct content *content)
{
	if (S_ISLNK(entry->mode))
		return S_ISLNK(inode->mode) && streq(inode->target, entry->target);
	return inode->mode == entry->mode && inode->uid == entry->uid && inode->gid == entry->gid &&
	       content_size(inode->content) == content_size(content) &&
	       memcmp(content_data(inode->content), content_data(content), content_size(content)) == 0 &&
	       same_xattrs(inode, entry);
}

static bool replaces(const struct deb *deb, const struct deb *other)
{
	return deb_relation_names(control_get(&deb->control, "Replaces"),
		control_get(&other->control, "Package"), control_get(&other->control, "Version"));
}

/* Says whose file *path*, which *there* has already, is to be. Returns 1 where it is the new one's, 0: the
 * old one's. */
static int settle(struct merge *merge, size_t package, const char *path, const struct tree_inode *there,
	const struct deb_entry *entry, const struct content *content, struct error **err)
{
	size_t other = 0;

	while (other < merge->count && !streq(merge->packages[other].name, there->origin))
		other++;
	if (other == package)
		return error_set(err, -EEXIST, "package %s has \"%s\" twice, above and below /usr",
			there->origin, path);
	if (!S_ISDIR(there->mode) && is_same(there, entry, content))
		return 0;
	if (!S_ISDIR(there->mode) && other < merge->count) {
		if (replaces(&merge->debs[package], &merge->debs[other])) {
			merge->reports[other].files--;
			merge->reports[other].size -= S_ISREG(there->mode) ? content_size(there->content) : 0;
			return 1;
		}
		if (replaces(&merge->debs[other], &merge->debs[package]))
			return 0;
	}
	return error_set(err, -EEXIST,
		"\"%s\" is in package %s and in package %s, and neither replaces the other: leave one of "
		"them, or the "
		"file, out",
		path, there->origin, merge->packages[package].name);
}

/* The entry of the same package that a hard link leads to. */
static const struct deb_entry *link_target(const struct deb *deb, const struct deb_entry *link)
{
	while (link->existing)
		link = &deb->entries[link->existing_index];
	return link;
}

static int add_name(struct merge *merge, size_t package, const char *path, const struct deb_entry *entry,
	const struct deb_entry *file, struct error **err)
{
	struct tree_attributes attributes = attributes_of(file, merge->packages[package].name);
	struct tree_inode *inode;
	usr_path existing;
	int r;

	if (S_ISLNK(entry->mode))
		return tree_add_symlink(merge->tree, path, &attributes, entry->target, NULL, err);
	if (file != entry) {
		inode = tree_lookup(merge->tree, merged_path(file->path, file->mode, existing));
		if (inode && S_ISREG(inode->mode) && inode->content == file->content)
			return tree_add_link(merge->tree, path, existing, err);
	}
	r = tree_add_file(merge->tree, path, &attributes, file->content, &inode, err);
	if (r < 0)
		return r;
	merge->reports[package].size += content_size(file->content);
	return set_xattrs(inode, file, err);
}

static int merge_file(struct merge *merge, size_t package, const struct deb_entry *entry, struct error **err)
{
	const struct deb_entry *file = link_target(&merge->debs[package], entry);
	usr_path buffer;
	const char *path = merged_path(entry->path, entry->mode, buffer);
	struct tree_inode *there = tree_lookup(merge->tree, path);
	int r;

	if (there) {
		r = settle(merge, package, path, there, file, file->content, err);
		if (r <= 0)
			return r;
		r = tree_remove(merge->tree, path, err);
		if (r < 0)
			return r;
	}
	r = add_name(merge, package, path, entry, file, err);
	if (r >= 0)
		merge->reports[package].files++;
	return r < 0 ? error_wrap(err, "package %s", merge->packages[package].name) : 0;
}

/* Folders first, so that none is made with attributes of our own because a file in it came first. */
static int merge_all(struct merge *merge, struct error **err)
{
	for (int folders = 1; folders >= 0; folders--)
		for (size_t i = 0; i < merge->count; i++)
			for (size_t k = 0; k < merge->debs[i].entry_count; k++) {
				const struct deb_entry *entry = &merge->debs[i].entries[k];
				int r;

				if (S_ISDIR(entry->mode) != folders)
					continue;
				r = folders ? merge_folder(merge, i, entry, err)
					    : merge_file(merge, i, entry, err);
				if (r < 0)
					return r;
			}
	return 0;
}

/* Takes the fields of a package out of what was read. */
static int report(struct merge *merge, struct deb *debs, struct error **err)
{
	for (size_t i = 0; i < merge->count; i++) {
		struct unpacked_package *to = &merge->reports[i];

		to->name = strdup(merge->packages[i].name);
		if (!to->name)
			return error_set_errno(err, -ENOMEM, "%s", merge->packages[i].name);
		to->control = debs[i].control;
		to->conffiles = debs[i].conffiles;
		to->left_out = debs[i].left_out;
		to->left_out_size = debs[i].left_out_size;
		to->aside = TAKE_PTR(debs[i].aside);
		to->aside_count = debs[i].aside_count;
		debs[i].aside_count = 0;
		debs[i].control = (struct control){};
		debs[i].conffiles = (struct strv){};
	}
	return 0;
}

static int merge_packages(const struct unpack_package *packages, size_t count, struct deb *debs,
	struct tree **ret, struct unpacked *ret_unpacked, struct error **err)
{
	_cleanup_unpacked_ struct unpacked unpacked = {
		.packages = calloc(count + 1, sizeof(*unpacked.packages)), .count = count};
	_cleanup_tree_ struct tree *tree = tree_new();
	struct merge merge = {.tree = tree,
		.packages = packages,
		.debs = debs,
		.reports = unpacked.packages,
		.count = count};
	int r;

	if (!tree || !unpacked.packages) {
		unpacked.count = 0;
		return error_set_errno(err, -ENOMEM, "unpacking packages");
	}
	r = merge_all(&merge, err);
	if (r >= 0)
		r = report(&merge, debs, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(tree);
	if (ret_unpacked) {
		*ret_unpacked = unpacked;
		unpacked = (struct unpacked){};
	}
	return 0;
}

static int list_idle(const struct strv *patterns, const atomic_bool *matched, struct strv *ret)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < patterns->count; i++)
		if (!atomic_load_explicit(&matched[i], memory_order_relaxed))
			r = strv_add(ret, patterns->items[i]);
	return r;
}

static int report_idle(const struct job *job, struct unpacked *ret, struct error **err)
{
	int r = list_idle(&job->options->exclude, job->excluded, &ret->idle_exclude);

	if (r >= 0)
		r = list_idle(&job->options->keep, job->kept, &ret->idle_keep);
	return r < 0 ? error_set_errno(err, r, "unpacking packages") : 0;
}

static int compare_sizes(const void *a, const void *b, void *userdata)
{
	const struct unpack_package *packages = userdata;
	size_t left = *(const size_t *)a, right = *(const size_t *)b;

	if (packages[left].size != packages[right].size)
		return packages[left].size > packages[right].size ? -1 : 1;
	return left < right ? -1 : left > right;
}

static size_t *order_by_size(const struct unpack_package *packages, size_t count)
{
	size_t *order = calloc(count + 1, sizeof(*order));

	if (!order)
		return NULL;
	for (size_t i = 0; i < count; i++)
		order[i] = i;
	qsort_r(order, count, sizeof(*order), compare_sizes, (void *)packages);
	return order;
}

struct unpack_package unpack_package_of(const struct package *package)
{
	struct unpack_package ret = {.name = package->name,
		.version = package->version,
		.architecture = package->architecture,
		.source = package->source,
		.source_version = package->source_version,
		.path = package->path,
		.size = package->size};

	memcpy(ret.sha256, package->sha256, SHA256_SIZE);
	return ret;
}

int unpack(const struct unpack_package *packages, size_t count, const struct unpack_options *options,
	struct tree **ret, struct unpacked *ret_unpacked, struct error **err)
{
	_cleanup_free_ struct deb *debs = calloc(count + 1, sizeof(*debs));
	_cleanup_free_ atomic_bool *excluded = calloc(options->exclude.count + 1, sizeof(*excluded));
	_cleanup_free_ atomic_bool *kept = calloc(options->keep.count + 1, sizeof(*kept));
	struct job job = {
		.packages = packages, .options = options, .debs = debs, .excluded = excluded, .kept = kept};
	_cleanup_free_ size_t *order = order_by_size(packages, count);
	uint64_t total = 0;
	int r;

	if (!debs || !excluded || !kept || !order)
		return error_set_errno(err, -ENOMEM, "unpacking packages");
	for (size_t i = 0; i < count; i++)
		total += packages[i].size;
	job.order = order;
	progress_begin(options->progress, "Unpacking", total, PROGRESS_BYTES);
	r = work_run(options->threads, count, unpack_one, &job, err);
	if (r >= 0)
		r = merge_packages(packages, count, debs, ret, ret_unpacked, err);
	if (r >= 0 && ret_unpacked)
		r = report_idle(&job, ret_unpacked, err);
	for (size_t i = 0; i < count; i++)
		deb_release(&debs[i]);
	progress_end(options->progress, "%zu packages", count);
	return r;
}
