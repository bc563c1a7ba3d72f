/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>

#include "base/encoding.h"
#include "base/file.h"
#include "build/provenance.h"
#include "build/sign-later-parts.h"
#include "format/fsverity.h"
#include "format/json-read.h"
#include "format/statement.h"
#include "format/uki.h"
#include "format/verity.h"
#include "format/version.h"

#define PROGRAM_MAX MiB(512)
#define NETBOOT_MAX GiB(2) /* with /usr in it; more is no PE image, see format/pe.h */
#define MANIFEST_MAX MiB(64)

struct signing_taken *signing_taken_free(struct signing_taken *taken)
{
	if (taken)
		signing_folder_release(&taken->folder);
	free(taken);
	return NULL;
}

/* ---- Files ---- */

/* Whoever had the folder may have put anything in a file's place. */
static int open_regular(const char *dir, const char *name, uint64_t *ret_size, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", dir, name);
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
	struct stat st;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", name);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EBADMSG, "%s: no regular file", path);
	*ret_size = (uint64_t)st.st_size;
	return TAKE_FD(fd);
}

int sign_later_open_file(const struct image *image, const char *dir, const char *name, struct error **err)
{
	const struct signing_file *file = signing_folder_find(&image->taken->folder, name);
	uint64_t size = 0;
	int fd;

	if (!file)
		return error_set(err, -EBADMSG, "%s/" SIGNING_JSON ": files: %s is missing", dir, name);
	fd = open_regular(dir, name, &size, err);
	if (fd >= 0 && size != file->size) {
		(void)close(fd);
		return error_set(err, -EBADMSG,
			"%s/%s: %ju bytes, and not the %ju that " SIGNING_JSON " says", dir, name,
			(uintmax_t)size, (uintmax_t)file->size);
	}
	return fd;
}

static int changed(const char *dir, const char *name, struct error **err)
{
	return error_set(err, -EBADMSG, "%s/%s: another file than " SIGNING_JSON " names", dir, name);
}

/* Reads a file once; what is looked at from then on is this copy. */
static int read_listed(const struct image *image, const char *dir, const char *name, size_t max, char **ret,
	size_t *ret_size, struct error **err)
{
	_cleanup_close_ int fd = sign_later_open_file(image, dir, name, err);
	_cleanup_free_ char *data = NULL;
	uint8_t digest[SHA256_SIZE];
	size_t size;
	int r = fd < 0 ? fd : file_read_fd(fd, name, max, &data, &size, err);

	if (r < 0)
		return r;
	if (sha256_bytes(data, size, digest) < 0)
		return error_set_errno(err, -ENOMEM, "%s", name);
	if (memcmp(digest, signing_folder_find(&image->taken->folder, name)->sha256, SHA256_SIZE) != 0)
		return changed(dir, name, err);
	*ret = TAKE_PTR(data);
	*ret_size = size;
	return 0;
}

/* ---- What it is of ---- */

static int read_description(struct image *image, const char *dir, struct error **err)
{
	struct signing_taken *taken = image->taken;
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = NULL;
	uint8_t digest[SHA256_SIZE];
	uint64_t length;
	size_t size;
	int r;

	fd = open_regular(dir, SIGNING_JSON, &length, err);
	r = fd < 0 ? fd : file_read_fd(fd, SIGNING_JSON, SIGNING_JSON_MAX, &text, &size, err);
	if (r >= 0)
		r = signing_folder_parse(text, size, &taken->folder, err);
	if (r >= 0 && sha256_bytes(text, size, digest) < 0)
		r = error_set_errno(err, -ENOMEM, SIGNING_JSON);
	if (r < 0)
		return error_wrap(err, "%s", dir), r;
	hex_encode(digest, SHA256_SIZE, taken->sha256);
	return 0;
}

/* What the steps of a build read of options and definition. */
static int fill(struct image *image, const struct image_options *options, struct error **err)
{
	struct signing_taken *taken = image->taken;
	const struct signing_folder *folder = &taken->folder;

	taken->options = *options;
	taken->options.version = folder->version;
	taken->options.architecture = folder->architecture;
	taken->options.formats = folder->disk.formats;
	taken->definition.name = folder->edition;
	taken->definition.disk.esp = folder->disk.esp;
	taken->definition.disk.usr = folder->disk.usr;
	taken->definition.disk.verity = folder->disk.verity;
	taken->definition.disk.signature = folder->disk.signature;
	taken->definition.disk.state = folder->disk.state;
	image->options = &taken->options;
	image->definition = &taken->definition;
	image->platform = platform_find(folder->architecture);
	memcpy(image->usr.root_hash, folder->root_hash, SHA256_SIZE);
	hex_encode(folder->root_hash, SHA256_SIZE, image->root_hash);
	return version_time(folder->version, &image->time, err);
}

/*
 * Certificates are read as from a folder of keys. Each is compared with the list for the sake of what is
 * said, and so is what others may have signed, which is worked out anew; a certificate that comes in beside
 * the list changes what is to be signed, which sign_later_derive() finds.
 */
static int read_certificates(struct image *image, const char *dir, struct error **err)
{
	const struct signing_folder *folder = &image->taken->folder;
	int r = 0;

	for (size_t i = 0; i < folder->file_count && r >= 0; i++) {
		const char *name = folder->files[i].name;
		_cleanup_free_ char *text = NULL;
		size_t size;

		if (strstr(name, ".crt") || endswith(name, ".tbs") || streq(name, "owner.guid"))
			r = read_listed(image, dir, name, MiB(1), &text, &size, err);
	}
	return r < 0 ? r : keys_open_certificates(dir, &image->keys, err);
}

/* ---- The boot programs ---- */

/* The image's own command line: it is what people are shown. */
static int read_command_line(struct image *image, const struct pe *pe, struct error **err)
{
	const struct pe_section *section = pe_find_section(pe, ".cmdline");
	const uint8_t *text;
	size_t size;

	if (!section)
		return error_set(err, -EBADMSG, "the kernel image has no command line of its own");
	text = pe_section_data(pe, section, &size);
	for (size_t i = 0; i < size; i++)
		if (text[i] < ' ' || text[i] > '~')
			return error_set(err, -EBADMSG,
				"the kernel image's command line has bytes that can't be shown");
	image->command_line = strndup((const char *)text, MIN(size, (size_t)UKI_CMDLINE_MAX));
	return image->command_line ? 0 : error_set_errno(err, -ENOMEM, "command line");
}

static int read_kernel_image(struct image *image, const char *dir, struct error **err)
{
	struct pe pe;
	char *data;
	size_t size;
	int r = read_listed(image, dir, SIGN_LATER_KERNEL, PROGRAM_MAX, &data, &size, err);

	if (r < 0)
		return r;
	image->unsigned_uki = (struct buffer){.data = (uint8_t *)data, .size = size, .capacity = size};
	r = pe_parse(data, size, &pe, err);
	if (r >= 0)
		r = uki_check_usrhash(&pe, image->root_hash, err);
	if (r >= 0)
		r = read_command_line(image, &pe, err);
	return r < 0 ? (error_wrap(err, "%s/" SIGN_LATER_KERNEL, dir), r) : 0;
}

static int read_loader(struct image *image, const char *dir, struct error **err)
{
	_cleanup_free_ char *data = NULL;
	size_t size;
	int r = read_listed(image, dir, SIGN_LATER_LOADER, PROGRAM_MAX, &data, &size, err);

	if (r < 0)
		return r;
	image->loader = content_copy(data, size);
	return image->loader ? 0 : error_set_errno(err, -ENOMEM, "%s", SIGN_LATER_LOADER);
}

/* ---- The manifest ---- */

/* It is not signed: where it can be known what it has to say, it is looked at. */
static int check_manifest(const struct image *image, struct error **err)
{
	uint8_t digest[SHA256_SIZE];
	char certificate[SHA256_HEX_SIZE];
	const struct {
		const char *member, *value;
	} members[] = {{"edition", image->definition->name}, {"version", image->options->version},
		{"architecture", image->options->architecture}, {"root_hash", image->root_hash},
		{"command_line", image->command_line}, {"certificate_sha256", certificate}};

	signer_fingerprint(image->keys.db, digest);
	hex_encode(digest, SHA256_SIZE, certificate);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const char *value = json_string_value(json_object_get(image->manifest, members[i].member));

		if (!value || !streq(value, members[i].value))
			return error_set(err, -EBADMSG, SIGN_LATER_MANIFEST ": %s is not that of the image",
				members[i].member);
	}
	return 0;
}

static int read_manifest(struct image *image, const char *dir, struct error **err)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = read_listed(image, dir, SIGN_LATER_MANIFEST, MANIFEST_MAX, &text, &size, err);

	if (r < 0)
		return r;
	r = json_read_document(text, size, MANIFEST_MAX, &image->manifest, err);
	if (r >= 0)
		r = check_manifest(image, err);
	return r < 0 ? (error_wrap(err, "%s", dir), r) : 0;
}

/* ---- The provenance ---- */

/* Who signs it signs what the builder says: what is known otherwise must be the same. */
static int check_provenance(const struct image *image, struct error **err)
{
	const json_t *predicate = json_object_get(image->provenance, "predicate");
	const json_t *definition = json_object_get(predicate, "buildDefinition");
	const json_t *parameters = json_object_get(definition, "externalParameters");
	const struct {
		const json_t *object;
		const char *member, *value;
	} members[] = {{image->provenance, "_type", STATEMENT_TYPE},
		{image->provenance, "predicateType", STATEMENT_PROVENANCE},
		{definition, "buildType", PROVENANCE_BUILD_TYPE},
		{parameters, "edition", image->definition->name},
		{parameters, "version", image->options->version},
		{parameters, "architecture", image->options->architecture}};

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const char *value = json_string_value(json_object_get(members[i].object, members[i].member));

		if (!value || !streq(value, members[i].value))
			return error_set(err, -EBADMSG, SIGN_LATER_PROVENANCE ": %s is not that of the image",
				members[i].member);
	}
	return 0;
}

static int read_provenance(struct image *image, const char *dir, struct error **err)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = read_listed(image, dir, SIGN_LATER_PROVENANCE, MANIFEST_MAX, &text, &size, err);

	if (r < 0)
		return r;
	r = json_read_document(text, size, MANIFEST_MAX, &image->provenance, err);
	if (r >= 0)
		r = check_provenance(image, err);
	return r < 0 ? (error_wrap(err, "%s", dir), r) : 0;
}

/* ---- The kernel image for the network ---- */

/* Who signs has been shown the command line of the other one: this one has the same. */
static int check_command_line(const struct image *image, struct error **err)
{
	const struct pe_section *section;
	const uint8_t *text;
	struct pe pe;
	size_t size;
	int r = pe_parse(image->unsigned_netboot.data, image->unsigned_netboot.size, &pe, err);

	if (r < 0)
		return r;
	section = pe_find_section(&pe, ".cmdline");
	if (!section)
		return error_set(err, -EBADMSG, "has no command line of its own");
	text = pe_section_data(&pe, section, &size);
	return size == strlen(image->command_line) && memcmp(text, image->command_line, size) == 0
		       ? 0
		       : error_set(err, -EBADMSG, "has another command line than " SIGN_LATER_KERNEL);
}

/* Where the manifest has one. */
static int read_netboot(struct image *image, const char *dir, struct error **err)
{
	const json_t *netboot = json_object_get(image->manifest, "netboot");
	const char *state = json_string_value(json_object_get(netboot, "state"));
	char *data;
	size_t size;
	int r;

	if (!netboot && !signing_folder_find(&image->taken->folder, SIGN_LATER_NETBOOT))
		return 0;
	if (!state || (!streq(state, "memory") && !streq(state, "disk")))
		return error_set(err, -EBADMSG,
			"%s/" SIGN_LATER_MANIFEST ": netboot.state is not memory or disk", dir);
	r = read_listed(image, dir, SIGN_LATER_NETBOOT, NETBOOT_MAX, &data, &size, err);
	if (r < 0)
		return r;
	image->unsigned_netboot = (struct buffer){.data = (uint8_t *)data, .size = size, .capacity = size};
	image->taken->options.netboot = streq(state, "disk") ? INITRD_NETBOOT_DISK : INITRD_NETBOOT_MEMORY;
	r = check_command_line(image, err);
	return r < 0 ? (error_wrap(err, "%s/" SIGN_LATER_NETBOOT, dir), r) : 0;
}

/* ---- All of it ---- */

int sign_later_take(
	struct image *image, const char *dir, const struct image_options *options, struct error **err)
{
	int r;

	image->taken = calloc(1, sizeof(*image->taken));
	if (!image->taken)
		return error_set_errno(err, -ENOMEM, "%s", dir);
	r = read_description(image, dir, err);
	if (r >= 0)
		r = fill(image, options, err);
	if (r >= 0)
		r = read_certificates(image, dir, err);
	if (r >= 0)
		r = read_kernel_image(image, dir, err);
	if (r >= 0)
		r = read_loader(image, dir, err);
	if (r >= 0)
		r = read_manifest(image, dir, err);
	if (r >= 0)
		r = read_netboot(image, dir, err);
	return r < 0 ? r : read_provenance(image, dir, err);
}

int sign_later_prove(const struct image *image, struct output *output, int fd, struct error **err)
{
	const struct signing_file *file = signing_folder_find(&image->taken->folder, output->name);
	int r = sha256_file(fd, output->digest, &output->size);

	if (r < 0)
		return error_set_errno(err, r, "%s", output->name);
	if (!file || output->size != file->size || memcmp(output->digest, file->sha256, SHA256_SIZE) != 0)
		return error_set(err, -EBADMSG, "%s: another file than " SIGNING_JSON " names", output->name);
	return 0;
}

static int read_verity_header(int fd, const char *name, struct verity_header *ret, struct error **err)
{
	uint8_t superblock[VERITY_HEADER_SIZE];
	int r = pread_full(fd, superblock, sizeof(superblock), 0);

	if (r == -ENODATA)
		return error_set(err, -EBADMSG, "%s: no hash tree", name);
	if (r < 0)
		return error_set_errno(err, r, "%s", name);
	return verity_header_parse(superblock, sizeof(superblock), ret, err);
}

int sign_later_prove_usr(struct image *image, int usr, int verity, struct error **err)
{
	struct output *outputs[] = {&image->outputs[OUTPUT_USR], &image->outputs[OUTPUT_VERITY]};
	struct verity_header header;
	int r = sign_later_prove(image, outputs[0], usr, err);

	if (r >= 0)
		r = sign_later_prove(image, outputs[1], verity, err);
	if (r >= 0)
		r = read_verity_header(verity, outputs[1]->name, &header, err);
	if (r >= 0 &&
		(header.blocks * VERITY_BLOCK_SIZE != outputs[0]->size || header.size != outputs[1]->size))
		r = error_set(
			err, -EBADMSG, "%s: the hash tree of an image of another size", outputs[1]->name);
	if (r >= 0)
		r = verity_verify(usr, verity, image->usr.root_hash, image->options->threads, NULL, err);
	if (r < 0)
		return r;
	image->usr.image_size = outputs[0]->size;
	image->usr.hash_size = outputs[1]->size;
	return fsverity_digest(usr, image->options->threads, NULL, outputs[0]->digest, NULL, err);
}

int sign_later_derive(struct image *image, struct error **err)
{
	const struct signer *signers[EFI_TRUST_VARIABLES];
	const struct signing_certificates certificates = sign_later_certificates(image, signers);
	int r = image_sign(image, err);

	return r < 0 ? r : signing_folder_compare(&image->taken->folder, &image->signing, &certificates, err);
}
