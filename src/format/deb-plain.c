/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/deb-plain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "format/deb-part.h"
#include "format/xz.h"

#define PIECE MiB(1)
#define GUESS_MAX GiB(1)
#define AR_HEADER_SIZE 60
#define AR_MEMBER_MAX UINT64_C(9999999999) /* what ten digits can say */

/* A member's header, ar(5): name, time, owner, group, mode, and the size, which is filled in when it is
 * known. */
static size_t begin_member(const char *name, struct buffer *to)
{
	buffer_printf(to, "%-16s%-12s%-6s%-6s%-8s%-10s`\n", name, "0", "0", "0", "100644", "");
	return to->size;
}

static int end_member(size_t begin, struct buffer *to)
{
	char digits[24];
	size_t size = to->size - begin;

	if (buffer_failed(to))
		return -ENOMEM;
	if (size > AR_MEMBER_MAX)
		return -EFBIG;
	(void)snprintf(digits, sizeof(digits), "%-10zu", size);
	memcpy(to->data + begin - AR_HEADER_SIZE + 48, digits, 10);
	if (size % 2)
		buffer_append_u8(to, '\n');
	return 0;
}

static int append_stream(const char *ending, struct deb_slice member, uint64_t limit, const char *about,
	struct buffer *to, struct error **err)
{
	_cleanup_(deb_stream_close) struct deb_stream stream = {.what = about, .left = limit};
	ssize_t n = deb_stream_open(&stream, ending, member, err);

	while (n >= 0) {
		uint8_t *piece = buffer_extend(to, PIECE);

		if (!piece)
			return error_set_errno(err, -ENOMEM, "%s", about);
		n = deb_stream_read(&stream, piece, PIECE, err);
		to->size -= n < 0 ? PIECE : PIECE - (size_t)n;
		if (n == 0)
			break;
	}
	return (int)n;
}

static int append_xz(
	struct deb_slice member, uint64_t limit, const char *about, struct buffer *to, struct error **err)
{
	int r = xz_append(member.data, member.size, (size_t)MIN(limit, SIZE_MAX), to, err);

	return r < 0 ? error_wrap(err, "%s", about) : 0;
}

/* Appends what the member's compression, which its name ends with, makes of it. */
static int append_member(const char *name, struct deb_slice member, const char *plain, uint64_t limit,
	const char *what, struct buffer *to, struct error **err)
{
	_cleanup_free_ char *about = string_format("%s: %s", what, name);
	const char *ending = name + strlen(plain);
	size_t begin = begin_member(plain, to);
	int r;

	if (!about)
		return error_set_errno(err, -ENOMEM, "%s", what);
	r = streq(ending, ".xz") ? append_xz(member, limit, about, to, err)
				 : append_stream(ending, member, limit, about, to, err);
	if (r < 0)
		return r;
	r = end_member(begin, to);
	return r < 0 ? error_set_errno(err, r, "%s", about) : 0;
}

/* Room for what it will become, where the package says how much that is; else it grows, and is copied. */
static void make_room(const struct control *control, struct buffer *to)
{
	const char *text = control_get(control, "Installed-Size");
	uint64_t size;

	if (!text || parse_u64(text, &size) < 0 || size >= GUESS_MAX / KiB(1))
		return;
	if (buffer_reserve(to, (size_t)(size * KiB(1) + PIECE)) >= 0)
		memory_will_be_filled(to->data, to->capacity);
	else
		buffer_release(to); /* what it really takes may be there */
}

int deb_decompress(const void *data, size_t size, const char *what, struct buffer *ret, struct error **err)
{
	_cleanup_deb_ struct deb deb = {};
	struct deb_members members = {};
	size_t begin;
	int r = deb_members_read((struct deb_slice){data, size}, what, &members, err);

	if (r >= 0)
		r = deb_control_read(&members, what, &deb, err);
	if (r < 0)
		return r;
	make_room(&deb.control, ret);
	buffer_append_string(ret, "!<arch>\n");
	begin = begin_member("debian-binary", ret);
	buffer_append(ret, members.version.data, members.version.size);
	r = end_member(begin, ret);
	if (r < 0)
		return error_set_errno(err, r, "%s", what);
	r = append_member(
		members.control_name, members.control, "control.tar", DEB_CONTROL_MAX, what, ret, err);
	if (r >= 0)
		r = append_member(members.data_name, members.data, "data.tar",
			deb_payload_limit(&deb.control), what, ret, err);
	return r;
}
