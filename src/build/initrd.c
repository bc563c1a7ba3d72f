/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/initrd.h"

#include <errno.h>
#include <limits.h>
#include <zlib.h>

#include "base/file.h"
#include "format/cpio.h"
#include "format/gpt.h"

#define INIT_MAX MiB(1) /* bytes: what orlop-init promises to stay below */
#define ORIGIN "initrd"

const char *initrd_netboot_name(enum initrd_netboot netboot)
{
	static const char *const names[] = {
		[INITRD_NETBOOT_MEMORY] = "memory", [INITRD_NETBOOT_DISK] = "disk"};

	return names[netboot];
}

static int add_type(
	const char *key, const char *name, const char *architecture, struct buffer *text, struct error **err)
{
	const struct gpt_type *type = gpt_type_lookup(name, architecture);
	char id[UUID_TEXT_SIZE];

	if (!type)
		return error_set(
			err, -EINVAL, "no type of partition is known for %s on %s", name, architecture);
	buffer_printf(text, "%s=%s\n", key, uuid_format(&type->id, id));
	return 0;
}

int initrd_settings(const struct definition *definition, const char *architecture, const char *command_line,
	enum initrd_netboot netboot, char **ret, struct error **err)
{
	_cleanup_buffer_ struct buffer text = {};
	int r;

	buffer_printf(&text, "# %s\n", definition->title);
	if (definition->require & REQUIRE_COMMAND_LINE)
		buffer_printf(&text, "command-line=%s\n", command_line);
	buffer_printf(&text, "secure-boot=%s\n", definition->require & REQUIRE_SECURE_BOOT ? "yes" : "no");
	buffer_printf(&text, "tpm2=%s\n", definition->require & REQUIRE_TPM2 ? "yes" : "no");
	buffer_printf(&text, "etc=" INITRD_ETC "\nsealed=" INITRD_SEALED "\n");
	if (netboot != INITRD_NETBOOT_NONE)
		buffer_printf(
			&text, "usr-from=initrd\nstate=%s\n", netboot == INITRD_NETBOOT_DISK ? "yes" : "no");
	r = add_type("usr-type", "usr", architecture, &text, err);
	if (r >= 0)
		r = add_type("verity-type", "usr-verity", architecture, &text, err);
	if (r >= 0)
		r = add_type("signature-type", "usr-verity-sig", architecture, &text, err);
	if (r < 0)
		return r;
	*ret = buffer_take(&text, NULL);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "initrd");
}

static int add_text(struct tree *tree, const char *path, const struct tree_attributes *attributes,
	const char *text, struct error **err)
{
	_cleanup_content_ struct content *content = content_copy(text, strlen(text));

	if (!content)
		return error_set_errno(err, -ENOMEM, "initrd");
	return tree_add_file(tree, path, attributes, content, NULL, err);
}

static int add_init(struct tree *tree, const struct initrd_options *options, struct error **err)
{
	const struct tree_attributes attributes = {.mode = 0755, .mtime = options->mtime, .origin = ORIGIN};
	_cleanup_content_ struct content *content = NULL;
	size_t size;
	char *data;
	int r = file_read(options->init, INIT_MAX, &data, &size, err);

	if (r < 0)
		return r;
	content = content_new(data, size);
	if (!content)
		return error_set_errno(err, -ENOMEM, "initrd");
	return tree_add_file(tree, "init", &attributes, content, NULL, err);
}

static int add_modules(struct tree *tree, const struct initrd_options *options,
	const struct tree_attributes *attributes, struct error **err)
{
	_cleanup_free_ const struct kernel_module **modules = NULL;
	_cleanup_free_ char *table = NULL;
	size_t count;
	int r = kernel_modules_table(
		options->modules, options->always, options->devices, &table, &modules, &count, err);

	if (r >= 0)
		r = add_text(tree, "etc/orlop/modules", attributes, table, err);
	for (size_t i = 0; r >= 0 && i < count; i++)
		r = tree_add_file(tree, modules[i]->path, attributes, modules[i]->content, NULL, err);
	return r;
}

/* The folders that things are mounted on. */
static int add_folders(struct tree *tree, int64_t mtime, struct error **err)
{
	static const char *const folders[] = {"dev", "proc", "run", "sys", "sysroot"};
	const struct tree_attributes attributes = {.mode = 0755, .mtime = mtime, .origin = ORIGIN};

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		int r = tree_add_folder(tree, folders[i], &attributes, NULL, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * gzip, RFC 1952, without name and time. What zlib makes has been the same for many versions. Of modules,
 * which are full of zeros, level 9 makes as much as 6 in ten times the time.
 */
#define GZIP_LEVEL 6

static int compress_archive(const struct buffer *archive, struct buffer *ret, struct error **err)
{
	gz_header header = {.os = 255 /* unknown */};
	z_stream stream = {.next_in = archive->data, .avail_in = (uInt)archive->size};
	size_t before = ret->size;
	int r = -ENOMEM;

	if (archive->size > UINT_MAX / 2)
		return error_set(err, -EFBIG, "initrd: %zu bytes are too many", archive->size);
	if (deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, MAX_WBITS + 16, MAX_MEM_LEVEL,
		    Z_DEFAULT_STRATEGY) == Z_OK) {
		uLong bound = deflateBound(&stream, stream.avail_in) + sizeof(header);

		stream.next_out = buffer_extend(ret, bound);
		stream.avail_out = (uInt)bound;
		if (stream.next_out && deflateSetHeader(&stream, &header) == Z_OK &&
			deflate(&stream, Z_FINISH) == Z_STREAM_END)
			r = 0;
		ret->size = before + stream.total_out;
		(void)deflateEnd(&stream);
	}
	return r < 0 ? error_set_errno(err, r, "initrd") : 0;
}

int initrd_write_settings(const char *settings, int64_t mtime, struct buffer *ret, struct error **err)
{
	const struct tree_attributes attributes = {.mode = 0644, .mtime = mtime, .origin = ORIGIN};
	_cleanup_tree_ struct tree *tree = tree_new();
	int r = tree ? add_text(tree, "etc/orlop/init.conf", &attributes, settings, err)
		     : error_set_errno(err, -ENOMEM, "initrd");

	/* What follows begins at a multiple of four bytes, which is how long this is. */
	return r < 0 ? r : cpio_write(tree, ret, err);
}

/*
 * What is carried, as it is: an image that can be made smaller is compressed itself, and whoever reads it
 * then needs no second copy of it.
 */
int initrd_write_carried(
	const struct initrd_carried *carried, int64_t mtime, struct buffer *ret, struct error **err)
{
	const struct tree_attributes attributes = {.mode = 0444, .mtime = mtime, .origin = ORIGIN};
	_cleanup_tree_ struct tree *tree = tree_new();
	int r = tree ? tree_add_file(tree, INITRD_CARRIED "/usr.signature", &attributes, carried->signature,
			       NULL, err)
		     : error_set_errno(err, -ENOMEM, "initrd");

	if (r >= 0)
		r = tree_add_file(
			tree, INITRD_CARRIED "/usr.verity", &attributes, carried->verity, NULL, err);
	if (r >= 0)
		r = tree_add_file(tree, INITRD_CARRIED "/usr.erofs", &attributes, carried->usr, NULL, err);
	return r < 0 ? r : cpio_write(tree, ret, err);
}

int initrd_write_rest(const struct initrd_options *options, struct buffer *ret, struct error **err)
{
	const struct tree_attributes attributes = {.mode = 0644, .mtime = options->mtime, .origin = ORIGIN};
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_buffer_ struct buffer archive = {};
	int r = tree ? add_folders(tree, options->mtime, err) : error_set_errno(err, -ENOMEM, "initrd");

	if (r >= 0)
		r = add_init(tree, options, err);
	if (r >= 0)
		r = add_modules(tree, options, &attributes, err);
	if (r >= 0)
		r = cpio_write(tree, &archive, err);
	if (r >= 0)
		r = compress_archive(&archive, ret, err);
	/* One that is about a module gets its place in the definition instead. */
	return r < 0 && err && *err && !(*err)->subject ? error_wrap(err, "initrd") : r;
}
