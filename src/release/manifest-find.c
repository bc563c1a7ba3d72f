/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/manifest-find.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/string-util.h"
#include "format/dsse.h"
#include "format/release-index.h"
#include "format/release-info.h"
#include "format/tuf.h"
#include "release/output-check.h"

#define METADATA_MAX MiB(16) /* bytes */
#define ENDING ".manifest.json"

void manifest_found_release(struct manifest_found *found)
{
	release_manifest_release(&found->manifest);
	free(found->image);
	*found = (struct manifest_found){};
}

/* ---- Files and folders ---- */

static int read_manifest(const char *path, struct manifest_found *ret, struct error **err)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *data = NULL;
	size_t size;
	int r = file_read(path, MANIFEST_MAX, &data, &size, err);

	if (r < 0)
		return r;
	r = release_manifest_parse(data, size, &ret->manifest, err);
	if (r < 0)
		return error_wrap(err, "%s: not a manifest of orlop build", path), r;
	if (!ret->manifest.usr_name)
		return 0;
	ret->image =
		string_format("%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, ret->manifest.usr_name);
	return ret->image ? 0 : error_set_errno(err, -ENOMEM, "%s", path);
}

/* A build's other files by the ends of their names: with ENDING in its place it is the manifest's name. */
static const struct output_ending {
	const char *ending, *kind; /* NULL: the manifest does not list it */
} output_endings[] = {
	{".raw", "disk"},
	{".qcow2", "qcow2"},
	{".vhd", "vhd"},
	{".vhdx", "vhdx"},
	{".usr.erofs", "usr"},
	{".usr.verity", "verity"},
	{".netboot.efi", "netboot"},
	{".efi", "uki"},
	{".spdx.json", "spdx"},
	{".cdx.json", "cyclonedx"},
	{".provenance.json", NULL},
};

/* Finds the manifest beside an output: 1 with *ret*, its path; 0 where there is none. */
static int find_beside(const char *path, const char *ending, char **ret, struct error **err)
{
	_cleanup_free_ char *manifest =
		string_format("%.*s" ENDING, (int)(strlen(path) - strlen(ending)), path);

	if (!manifest)
		return error_set_errno(err, -ENOMEM, "%s", path);
	if (access(manifest, F_OK) < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, -errno, "%s", manifest);
	*ret = TAKE_PTR(manifest);
	return 1;
}

/* Provenance is what has the digest of the manifest, and not the other way round. */
static int check_provenance(const char *path, const char *manifest_path,
	const struct release_manifest *manifest, struct error **err)
{
	const char *slash = strrchr(manifest_path, '/');
	_cleanup_free_ char *envelope = NULL, *text = NULL;
	size_t size, text_size;
	uint8_t digest[SHA256_SIZE];
	int r = file_read(manifest_path, MANIFEST_MAX, &text, &text_size, err);

	if (r >= 0)
		r = file_read(path, DSSE_MAX, &envelope, &size, err);
	if (r < 0)
		return r;
	r = sha256_bytes(text, text_size, digest);
	if (r >= 0)
		r = output_check_provenance(envelope, size, slash ? slash + 1 : manifest_path, digest,
			manifest->has_certificate ? manifest->certificate : NULL, err);
	return r < 0 ? (error_wrap(err, "%s", path), r) : 0;
}

/* The manifest speaks for an output that was named only where the file is what it says. */
static int check_output(
	const char *path, const char *kind, const struct release_manifest *manifest, struct error **err)
{
	const struct release_output *output = release_manifest_output(manifest, kind);
	_cleanup_close_ int fd = output ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;

	if (!output)
		return error_set(err, -EBADMSG,
			"%s is not what its manifest says: that lists no output of the kind \"%s\"", path,
			kind);
	return fd < 0 ? error_set_errno(err, -errno, "%s", path) : output_check(output, fd, path, err);
}

static int read_beside(const char *path, const struct output_ending *ending, const char *manifest,
	struct manifest_found *ret, struct error **err)
{
	int r = read_manifest(manifest, ret, err);

	if (r < 0)
		return r;
	return ending->kind ? check_output(path, ending->kind, &ret->manifest, err)
			    : check_provenance(path, manifest, &ret->manifest, err);
}

/* A manifest, or another file of a build with its manifest beside it. */
static int read_file(const char *path, const struct stat *st, struct manifest_found *ret, struct error **err)
{
	bool is_output = false;

	for (size_t i = 0; i < ARRAY_SIZE(output_endings); i++) {
		_cleanup_free_ char *manifest = NULL;
		int r;

		if (!endswith(path, output_endings[i].ending))
			continue;
		is_output = true;
		r = find_beside(path, output_endings[i].ending, &manifest, err);
		if (r != 0)
			return r < 0 ? r : read_beside(path, &output_endings[i], manifest, ret, err);
	}
	/* Whatever it is called, this is no manifest. */
	if (is_output || S_ISBLK(st->st_mode) || (uint64_t)st->st_size > MANIFEST_MAX)
		return error_set(err, -EINVAL,
			"%s: not a manifest, and no output of a build with its manifest, NAME" ENDING
			", beside it; name a manifest, the folder of a build, or a version in the repository "
			"of --repository",
			path);
	return read_manifest(path, ret, err);
}

static int read_folder(const char *folder, struct manifest_found *ret, struct error **err)
{
	_cleanup_strv_ struct strv names = {};
	_cleanup_free_ char *path = NULL;
	int r = folder_list(folder, ENDING, &names, err);

	if (r < 0)
		return r;
	if (names.count == 0)
		return error_set(err, -ENOENT, "%s: there is no " ENDING " of a build in it", folder);
	if (names.count > 1)
		return error_set(err, -EINVAL, "%s: has %zu manifests; name one, such as %s/%s", folder,
			names.count, folder, names.items[0]);
	path = string_format("%s/%s", folder, names.items[0]);
	return path ? read_manifest(path, ret, err) : error_set_errno(err, -ENOMEM, "%s", folder);
}

/* ---- Repositories ---- */

struct repository {
	const char *folder;
	struct tuf_metadata targets;
};

static void repository_release(struct repository *repository)
{
	tuf_metadata_release(&repository->targets);
}
#define _cleanup_repository_ _cleanup_(repository_release)

/* Reads the document that *meta* (NULL: nothing yet) of another one says which is. */
static int read_metadata(const struct repository *repository, const struct tuf_meta *meta, enum tuf_type type,
	struct tuf_metadata *ret, struct error **err)
{
	_cleanup_free_ char *path = meta ? string_format("%s/metadata/%ju.%s", repository->folder,
						   (uintmax_t)meta->version, meta->name)
					 : string_format("%s/metadata/timestamp.json", repository->folder);
	_cleanup_free_ char *data = NULL;
	size_t size;
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", repository->folder);
	r = file_read(path, METADATA_MAX, &data, &size, err);
	if (r < 0)
		return r;
	if (meta && meta->has_length && size > meta->length)
		r = error_set(err, -EBADMSG, "longer than it should be");
	if (r == 0 && meta && meta->has_hashes)
		r = tuf_hashes_check_bytes(&meta->hashes, data, size, err);
	if (r == 0)
		r = tuf_metadata_parse(data, size, type, ret, err);
	if (r == 0 && meta && ret->version != meta->version)
		r = error_set(err, -EBADMSG, "is version %ju", (uintmax_t)ret->version);
	return r < 0 ? (error_wrap(err, "%s", path), r) : 0;
}

static int open_repository(const char *folder, struct repository *ret, struct error **err)
{
	_cleanup_tuf_metadata_ struct tuf_metadata timestamp = {}, snapshot = {};
	int r;

	ret->folder = folder;
	r = read_metadata(ret, NULL, TUF_TIMESTAMP, &timestamp, err);
	if (r == 0)
		r = read_metadata(
			ret, tuf_find_meta(&timestamp, "snapshot.json"), TUF_SNAPSHOT, &snapshot, err);
	return r < 0 ? r
		     : read_metadata(ret, tuf_find_meta(&snapshot, "targets.json"), TUF_TARGETS,
			       &ret->targets, err);
}

/* The file lies under its name with the SHA-256 before its last part. */
static int read_target(const struct repository *repository, const char *name, size_t max, char **ret,
	size_t *ret_size, struct error **err)
{
	const struct tuf_target *target = tuf_find_target(&repository->targets, name);
	const char *slash = strrchr(name, '/'), *file = slash ? slash + 1 : name;
	_cleanup_free_ char *path = NULL, *data = NULL;
	char digest[SHA256_HEX_SIZE];
	int r;

	if (!target || !target->hashes.has_sha256)
		return error_set(err, -ENOENT, "%s: has no %s", repository->folder, name);
	hex_encode(target->hashes.sha256, SHA256_SIZE, digest);
	path = string_format(
		"%s/targets/%.*s%s.%s", repository->folder, (int)(file - name), name, digest, file);
	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", name);
	r = file_read(path, max, &data, ret_size, err);
	if (r < 0)
		return r;
	if (*ret_size != target->length)
		r = error_set(err, -EBADMSG, "not as long as it should be");
	if (r == 0)
		r = tuf_hashes_check_bytes(&target->hashes, data, *ret_size, err);
	if (r < 0)
		return error_wrap(err, "%s", path), r;
	*ret = TAKE_PTR(data);
	return 0;
}

/* The one release of this version; where there are several, edition and architecture choose. */
static int choose(const struct release_index *index, const char *version, const struct manifest_place *place,
	const struct release_entry **ret, struct error **err)
{
	const struct release_entry *found = NULL;

	for (size_t i = 0; i < index->count; i++) {
		const struct release_entry *entry = &index->entries[i];

		if (!streq(entry->version, version) ||
			(place->edition && !streq(entry->edition, place->edition)) ||
			(place->architecture && !streq(entry->architecture, place->architecture)))
			continue;
		if (found)
			return error_set(err, -EINVAL,
				"%s: has %s of %s for %s, and of %s for %s; choose with --edition or --arch",
				place->repository, version, found->edition, found->architecture,
				entry->edition, entry->architecture);
		found = entry;
	}
	if (!found)
		return error_set(err, -ENOENT,
			"%s: there is no such path, and no such version in the repository %s", version,
			place->repository);
	*ret = found;
	return 0;
}

static int read_index(const struct repository *repository, struct release_index *ret, struct error **err)
{
	_cleanup_free_ char *data = NULL;
	size_t size;
	int r = read_target(repository, RELEASE_INDEX_TARGET, RELEASE_INDEX_MAX, &data, &size, err);

	if (r == 0)
		r = release_index_parse(data, size, ret, err);
	return r;
}

static int read_release(const char *version, const struct manifest_place *place, struct manifest_found *ret,
	struct error **err)
{
	_cleanup_repository_ struct repository repository = {};
	_cleanup_release_index_ struct release_index index = {};
	_cleanup_free_ char *name = NULL, *data = NULL;
	const struct release_entry *entry = NULL;
	size_t size;
	int r = open_repository(place->repository, &repository, err);

	if (r == 0)
		r = read_index(&repository, &index, err);
	if (r == 0)
		r = choose(&index, version, place, &entry, err);
	if (r < 0)
		return r;
	assert(entry);
	name = release_path(entry->edition, entry->version, entry->architecture, "manifest.json");
	if (!name)
		return error_set_errno(err, -ENOMEM, "%s", version);
	r = read_target(&repository, name, MANIFEST_MAX, &data, &size, err);
	if (r < 0)
		return r;
	r = release_manifest_parse(data, size, &ret->manifest, err);
	return r < 0 ? (error_wrap(err, "%s: %s", place->repository, name), r) : 0;
}

int manifest_find(
	const char *text, const struct manifest_place *place, struct manifest_found *ret, struct error **err)
{
	_cleanup_manifest_found_ struct manifest_found found = {};
	struct stat st;
	int r;

	if (stat(text, &st) == 0)
		r = S_ISDIR(st.st_mode) ? read_folder(text, &found, err) : read_file(text, &st, &found, err);
	else if (errno != ENOENT || !release_version_is_valid(text))
		r = error_set_errno(err, -errno, "%s", text);
	else if (!place->repository)
		r = error_set(err, -ENOENT,
			"%s: there is no such path; where it is a version, say whose with --repository",
			text);
	else
		r = read_release(text, place, &found, err);
	if (r < 0)
		return r;
	*ret = found;
	found = (struct manifest_found){};
	return 0;
}
