/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "build/firmware.h"
#include "format/cpio.h"

#define ALIGNMENT 16 /* Intel SDM, volume 3, Microcode Update Resources */

/* The files of a folder whose names begin and end like that, one behind the other, in the order of their
 * names. */
static void concatenate(
	const struct tree *tree, const char *path, const char *begin, const char *end, struct buffer *ret)
{
	const struct tree_inode *folder = tree_resolve(tree, path);

	for (size_t i = 0; folder && i < folder->entry_count; i++) {
		const struct tree_entry *entry = &folder->entries[i];

		if (S_ISREG(entry->inode->mode) && startswith(entry->name, begin) &&
			endswith(entry->name, end))
			buffer_append(ret, content_data(entry->inode->content),
				content_size(entry->inode->content));
	}
}

static int add_vendor(struct tree *archive, const char *name, const struct buffer *data, struct error **err)
{
	const struct tree_attributes attributes = {.mode = 0644, .origin = "microcode"};
	_cleanup_content_ struct content *content = NULL;

	if (buffer_failed(data))
		return error_set_errno(err, -ENOMEM, "microcode");
	if (data->size == 0)
		return 0;
	content = content_copy(data->data, data->size);
	return content ? tree_add_file(archive, name, &attributes, content, NULL, err)
		       : error_set_errno(err, -ENOMEM, "microcode");
}

int microcode_write(const struct tree *tree, struct buffer *ret, struct error **err)
{
	_cleanup_tree_ struct tree *archive = tree_new();
	_cleanup_buffer_ struct buffer intel = {}, amd = {};
	int r;

	if (!archive)
		return error_set_errno(err, -ENOMEM, "microcode");
	concatenate(tree, "usr/lib/firmware/intel-ucode", "", "", &intel);
	concatenate(tree, "usr/lib/firmware/amd-ucode", "microcode_amd", ".bin", &amd);
	r = add_vendor(archive, "kernel/x86/microcode/GenuineIntel.bin", &intel, err);
	if (r >= 0)
		r = add_vendor(archive, "kernel/x86/microcode/AuthenticAMD.bin", &amd, err);
	if (r < 0 || intel.size + amd.size == 0)
		return r;
	return cpio_write_aligned(archive, ALIGNMENT, ret, err);
}
