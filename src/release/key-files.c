/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/key-files.h"

#include <errno.h>

#include "base/file.h"
#include "base/string-util.h"

/* A key of the caller's: a copy of the file, or a line that points to the token. */
static int copy_key(const char *from, const char *to, struct error **err)
{
	_cleanup_free_ char *line = NULL;
	char *text = NULL;
	size_t size;
	int r;

	if (startswith(from, "pkcs11:")) {
		line = string_format("%s\n", from);
		return line ? file_write_atomic(to, line, strlen(line), 0600, err)
			    : error_set_errno(err, -ENOMEM, "%s", to);
	}
	r = file_read(from, MiB(1), &text, &size, err);
	if (r < 0)
		return r;
	r = file_write_atomic(to, text, size, 0600, err);
	(void)tuf_pem_free(text);
	return r;
}

static int make_key(const char *to, struct error **err)
{
	char *pem = NULL;
	int r = tuf_signer_generate(NULL, &pem, err);

	if (r >= 0)
		r = file_write_atomic(to, pem, strlen(pem), 0600, err);
	(void)tuf_pem_free(pem);
	return r;
}

int key_file_make(const char *path, const char *from, struct error **err)
{
	return from ? copy_key(from, path, err) : make_key(path, err);
}

int key_file_keep(const char *path, uint64_t version, struct error **err)
{
	_cleanup_free_ char *kept = string_format("%s.%ju", path, (uintmax_t)version);
	struct stat a, b;

	if (!kept)
		return error_set_errno(err, -ENOMEM, "%s", path);
	if (link(path, kept) == 0)
		return fsync_parent(kept, err);
	if (errno == EEXIST && stat(path, &a) == 0 && stat(kept, &b) == 0 && a.st_ino == b.st_ino &&
		a.st_dev == b.st_dev)
		return 0;
	return error_set_errno(err, -errno, "%s", kept);
}

int key_files_renew_root(const struct repository *repository, const char *keys, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/root.json", keys);
	_cleanup_tuf_metadata_ struct tuf_metadata old = {};
	_cleanup_buffer_ struct buffer text = {};
	int r = path ? release_root_load(keys, 0, &old, NULL, err)
		     : error_set_errno(err, -ENOMEM, "%s", keys);

	if (r < 0 || old.version >= repository_root(repository)->version)
		return r;
	r = repository_root_text(repository, &text, err);
	if (r >= 0)
		r = key_file_keep(path, old.version, err);
	return r < 0 ? r : file_write_atomic(path, text.data, text.size, 0644, err);
}
