/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/deb-part.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

/* A member's name as far as its padding, without the "/" that GNU ar puts behind it. */
static void member_name(const uint8_t *header, char ret[17])
{
	size_t length = 16;

	memcpy(ret, header, 16);
	while (length > 0 && ret[length - 1] == ' ')
		length--;
	if (length > 0 && ret[length - 1] == '/')
		length--;
	ret[length] = 0;
}

static bool member_size(const uint8_t *header, uint64_t *ret)
{
	char text[11];

	memcpy(text, header + 48, 10);
	text[10] = 0;
	text[strcspn(text, " ")] = 0;
	return parse_u64(text, ret) == 0;
}

/* Puts a member where it belongs: they come in a fixed order, and one whose name begins with "_" may stand
 * between. */
static int place_member(struct deb_members *members, const char *name, struct deb_slice member,
	const char *what, struct error **err)
{
	struct deb_slice *place = NULL;
	bool in_order = true;

	if (streq(name, "debian-binary")) {
		place = &members->version;
		in_order = !members->control.data && !members->data.data;
	} else if (startswith(name, "control.tar")) {
		place = &members->control;
		in_order = members->version.data && !members->data.data;
		memcpy(members->control_name, name, sizeof(members->control_name));
	} else if (startswith(name, "data.tar")) {
		place = &members->data;
		in_order = members->control.data;
		memcpy(members->data_name, name, sizeof(members->data_name));
	} else if (name[0] == '_' || members->data.data) {
		return 0; /* deb(5): to be passed over */
	}
	if (!place || !in_order || place->data)
		return error_set(
			err, -EBADMSG, "%s: member \"%s\" is not expected where it stands", what, name);
	*place = member;
	return 0;
}

int deb_members_read(struct deb_slice file, const char *what, struct deb_members *ret, struct error **err)
{
	size_t at = 8;

	if (file.size < 8 || memcmp(file.data, "!<arch>\n", 8) != 0)
		return error_set(err, -EBADMSG, "%s: this is no Debian package (no ar archive)", what);
	while (at < file.size) {
		const uint8_t *header = file.data + at;
		char name[17];
		uint64_t size;
		int r;

		if (file.size - at < 60 || memcmp(header + 58, "`\n", 2) != 0 || !member_size(header, &size))
			return error_set(err, -EBADMSG, "%s: a member's header is damaged", what);
		at += 60;
		if (size > file.size - at)
			return error_set(err, -EBADMSG, "%s: the file ends too early", what);
		member_name(header, name);
		r = place_member(ret, name, (struct deb_slice){file.data + at, size}, what, err);
		if (r < 0)
			return r;
		at += MIN(size + size % 2, file.size - at);
	}
	if (!ret->version.data || !ret->control.data || !ret->data.data)
		return error_set(
			err, -EBADMSG, "%s: debian-binary, control.tar or data.tar is missing", what);
	if (ret->version.size < 4 || memcmp(ret->version.data, "2.", 2) != 0)
		return error_set(err, -ENOTSUP, "%s: the package is not of format 2", what);
	return 0;
}

void deb_stream_close(struct deb_stream *stream)
{
	if (stream->archive)
		archive_read_free(stream->archive);
}

/* What libarchive alone says of a file that is cut off, or goes on behind its end, helps nobody. */
static int stream_damaged(const struct deb_stream *stream, struct error **err)
{
	const char *details = archive_error_string(stream->archive);

	if (archive_errno(stream->archive) == ENOMEM)
		return error_set_errno(err, -ENOMEM, "%s", stream->what);
	return error_set(err, -EBADMSG, "%s: is damaged, cut off, or goes on behind its end (%s)",
		stream->what, details ? details : "it is empty");
}

static ssize_t read_plain(struct deb_stream *stream, void *buffer, size_t size)
{
	size_t n = MIN(size, stream->plain.size);

	if (buffer && n > 0)
		memcpy(buffer, stream->plain.data, n);
	stream->plain.data += n;
	stream->plain.size -= n;
	return (ssize_t)n;
}

static ssize_t read_archive(struct deb_stream *stream, uint8_t *buffer, size_t size, struct error **err)
{
	uint8_t passed[16384];
	size_t done = 0;

	while (done < size) {
		size_t room = buffer ? size - done : MIN(size - done, sizeof(passed));
		la_ssize_t n = archive_read_data(stream->archive, buffer ? buffer + done : passed, room);

		if (n < 0)
			return stream_damaged(stream, err);
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t deb_stream_read(void *userdata, void *buffer, size_t size, struct error **err)
{
	struct deb_stream *stream = userdata;
	/* A byte more than there may be is enough to see that. */
	size_t most = (size_t)MIN((uint64_t)size, stream->left + 1);
	ssize_t n =
		stream->archive ? read_archive(stream, buffer, most, err) : read_plain(stream, buffer, size);
	uint64_t done = n < 0 ? 0 : (uint64_t)n;

	if (n < 0)
		return n;
	if (done > stream->left)
		return error_set(
			err, -EFBIG, "%s: holds much more than the package's Installed-Size", stream->what);
	stream->left -= done;
	return (ssize_t)done;
}

int deb_stream_open(
	struct deb_stream *stream, const char *ending, struct deb_slice member, struct error **err)
{
	struct archive_entry *entry;
	int r;

	if (*ending == 0) {
		stream->plain = member;
		return 0;
	}
	stream->archive = archive_read_new();
	if (!stream->archive)
		return error_set_errno(err, -ENOMEM, "%s", stream->what);
	if (streq(ending, ".xz"))
		r = archive_read_support_filter_xz(stream->archive);
	else if (streq(ending, ".zst"))
		r = archive_read_support_filter_zstd(stream->archive);
	else if (streq(ending, ".gz"))
		r = archive_read_support_filter_gzip(stream->archive);
	else
		return error_set(err, -ENOTSUP, "%s: compression \"%s\" is not known (gz, xz and zst are)",
			stream->what, ending);
	if (r == ARCHIVE_OK)
		r = archive_read_support_format_raw(stream->archive);
	if (r == ARCHIVE_OK)
		r = archive_read_open_memory(stream->archive, member.data, member.size);
	if (r == ARCHIVE_OK)
		r = archive_read_next_header(stream->archive, &entry);
	if (r != ARCHIVE_OK)
		return stream_damaged(stream, err);
	if (archive_filter_count(stream->archive) < 2)
		return error_set(err, -EBADMSG, "%s: is not compressed as its name says", stream->what);
	return 0;
}
