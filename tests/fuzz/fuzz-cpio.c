/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The input is what an initrd may be: archives, one after another. It is searched for a name that the corpus
 * has, and for one that it hasn't. Then it is the content of files, its first byte saying how long each is,
 * in an archive of ours behind an empty one: each is found again, where it was asked to be.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "format/cpio.h"

#define FILES 8
#define ALIGNMENT 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void find(const uint8_t *data, size_t size, const char *name)
{
	_cleanup_error_ struct error *err = NULL;
	size_t offset, length;
	int r = cpio_find(data, size, name, &offset, &length, &err);

	assert(r == 0 ? !err : err && err->code == r);
	if (r < 0) {
		assert(r == -ENOENT || r == -EBADMSG);
		return;
	}
	assert(offset <= size && length <= size - offset);
	/* The name stands before the content, behind a header. */
	assert(offset >= 110 + strlen(name) + 1);
}

static void write_and_find(const uint8_t *data, size_t size)
{
	static const struct tree_attributes plain = {.mode = 0644, .origin = "fuzz"};
	_cleanup_tree_ struct tree *tree = tree_new(), *empty = tree_new();
	_cleanup_buffer_ struct buffer archives = {};
	size_t begin, each = size > 0 ? data[0] : 0, offset, length;
	char name[32];

	assert(tree && empty && cpio_write(empty, &archives, NULL) == 0);
	while (archives.size % ALIGNMENT)
		buffer_append_u8(&archives, 0);
	begin = archives.size;
	for (unsigned i = 0; i < FILES && (i + 1) * each <= size; i++) {
		_cleanup_content_ struct content *content = content_copy(data + i * each, each);

		(void)snprintf(name, sizeof(name), "folder-%u/file-%u", i % 3, i);
		assert(content && tree_add_file(tree, name, &plain, content, NULL, NULL) == 0);
	}
	assert(cpio_write_aligned(tree, ALIGNMENT, &archives, NULL) == 0 && !buffer_failed(&archives));
	for (unsigned i = 0; i < FILES && (i + 1) * each <= size; i++) {
		(void)snprintf(name, sizeof(name), "folder-%u/file-%u", i % 3, i);
		assert(cpio_find(archives.data, archives.size, name, &offset, &length, NULL) == 0);
		assert(length == each && memcmp(archives.data + offset, data + i * each, each) == 0);
		assert(each == 0 || (offset - begin) % ALIGNMENT == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	find(data, size, "usr/image");
	find(data, size, "none");
	write_and_find(data, size);
	return 0;
}
