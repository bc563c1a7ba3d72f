/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/output-check.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "format/dsse.h"
#include "format/fsverity.h"
#include "format/statement.h"

#define OTHER "%s is not what its manifest says"
#define ADVICE "build it again, or name the manifest to compare what that says"

int output_digest(int fd, bool is_fsverity, uint8_t ret[SHA256_SIZE], uint64_t *ret_size, struct error **err)
{
	int r;

	if (is_fsverity)
		return fsverity_digest(fd, 0, NULL, ret, ret_size, err);
	r = sha256_file(fd, ret, ret_size);
	return r < 0 ? error_set_errno(err, r, "SHA-256") : 0;
}

static int check_digest(const struct release_output *output, int fd, const char *path, struct error **err)
{
	bool is_fsverity = streq(output->digest_name, "fsverity");
	char found[SHA256_HEX_SIZE], expected[SHA256_HEX_SIZE];
	uint8_t digest[SHA256_SIZE];
	uint64_t size;
	int r = output_digest(fd, is_fsverity, digest, &size, err);

	if (r < 0)
		return error_wrap(err, "%s", path), r;
	if (memcmp(digest, output->digest, SHA256_SIZE) == 0)
		return 0;
	hex_encode(digest, SHA256_SIZE, found);
	hex_encode(output->digest, SHA256_SIZE, expected);
	(void)error_set(err, -EBADMSG, OTHER ": its %s is %s, and not %s", path,
		is_fsverity ? "fs-verity digest" : "SHA-256", found, expected);
	return error_advise(err, ADVICE);
}

int output_check(const struct release_output *output, int fd, const char *path, struct error **err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EBADMSG, OTHER ": it is no regular file", path);
	if (output->size > 0 && (uint64_t)st.st_size != output->size) {
		(void)error_set(err, -EBADMSG, OTHER ": it has %jd bytes, and not %ju", path,
			(intmax_t)st.st_size, (uintmax_t)output->size);
		return error_advise(err, ADVICE);
	}
	return output->digest_name ? check_digest(output, fd, path, err) : 0;
}

int output_check_provenance(const char *envelope, size_t size, const char *name,
	const uint8_t digest[SHA256_SIZE], const uint8_t *certificate, struct error **err)
{
	_cleanup_statement_ struct statement statement = {};
	const struct statement_subject *subject;
	_cleanup_dsse_ struct dsse dsse = {};
	int r = dsse_read(envelope, size, &dsse, err);

	if (r >= 0)
		r = statement_read(dsse.payload.data, dsse.payload.size, &statement, err);
	if (r < 0)
		return r;
	subject = statement_find(&statement, name);
	if (!subject || subject->is_fsverity || memcmp(subject->digest, digest, SHA256_SIZE) != 0 ||
		(certificate && memcmp(dsse.fingerprint, certificate, SHA256_SIZE) != 0))
		return error_set(err, -EBADMSG,
			"it is not about the manifest beside it, or not signed with the key of its build");
	return 0;
}
