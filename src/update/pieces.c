/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/pieces.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* A range that is under way. */
struct open_range {
	uint8_t *data; /* of the piece that comes now; kept for the next range */
	size_t range;
	bool used;
	size_t piece;	 /* the next, or the one that comes now */
	uint64_t offset; /* of the next byte, in the file */
};

struct fetching {
	const struct pieces_request *request;
	struct remote_range *ranges;
	size_t *first; /* piece of each range */
	size_t range_count;
	uint32_t largest; /* piece */
	struct open_range open[REMOTE_PARALLEL_MAX];
};

static void fetching_release(struct fetching *fetching)
{
	for (size_t i = 0; i < REMOTE_PARALLEL_MAX; i++)
		free(fetching->open[i].data);
	free(fetching->ranges);
	free(fetching->first);
}

/* Joins pieces to ranges. */
static int plan_ranges(struct fetching *fetching)
{
	const struct pieces_request *request = fetching->request;

	fetching->ranges = calloc(request->count, sizeof(*fetching->ranges));
	fetching->first = calloc(request->count, sizeof(*fetching->first));
	if (!fetching->ranges || !fetching->first)
		return -ENOMEM;
	for (size_t i = 0; i < request->count; i++) {
		const struct piece *piece = &request->pieces[i];
		struct remote_range *last =
			fetching->range_count > 0 ? &fetching->ranges[fetching->range_count - 1] : NULL;

		fetching->largest = MAX(fetching->largest, piece->size);
		if (last && piece->offset - (last->offset + last->size) <= PIECES_GAP &&
			piece->offset + piece->size - last->offset <= PIECES_RANGE_MAX) {
			last->size = piece->offset + piece->size - last->offset;
			continue;
		}
		fetching->first[fetching->range_count] = i;
		fetching->ranges[fetching->range_count++] =
			(struct remote_range){.offset = piece->offset, .size = piece->size};
	}
	return 0;
}

static struct open_range *find_open(struct fetching *fetching, size_t range)
{
	struct open_range *unused = NULL;

	for (size_t i = 0; i < REMOTE_PARALLEL_MAX; i++) {
		struct open_range *open = &fetching->open[i];

		if (open->used && open->range == range)
			return open;
		if (!open->used && (!unused || (!unused->data && open->data)))
			unused = open;
	}
	assert(unused);
	unused->used = true;
	unused->range = range;
	unused->piece = fetching->first[range];
	unused->offset = fetching->ranges[range].offset;
	return unused;
}

/* Takes what comes up to the end of a piece, or of a gap; returns how much that is, or a negative errno. */
static ssize_t take_some(struct fetching *fetching, struct open_range *open, const uint8_t *data, size_t size,
	struct error **err)
{
	const struct pieces_request *request = fetching->request;
	const struct piece *piece = &request->pieces[open->piece];
	uint64_t have;
	size_t n;

	if (open->offset < piece->offset) {
		n = (size_t)MIN((uint64_t)size, piece->offset - open->offset);
		open->offset += n;
		return (ssize_t)n;
	}
	have = open->offset - piece->offset;
	n = (size_t)MIN((uint64_t)size, piece->size - have);
	memcpy(open->data + have, data, n);
	open->offset += n;
	if (have + n == piece->size) {
		int r = request->fn(piece, open->data, request->userdata, err);

		if (r < 0)
			return r;
		open->piece++;
	}
	return (ssize_t)n;
}

static int take(size_t range, const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	struct fetching *fetching = userdata;
	struct open_range *open = find_open(fetching, range);
	const struct remote_range *whole = &fetching->ranges[range];

	if (!open->data && !(open->data = malloc(fetching->largest)))
		return error_set_errno(err, -ENOMEM, "%s", fetching->request->name);
	while (size > 0) {
		ssize_t n = take_some(fetching, open, data, size, err);

		if (n < 0)
			return (int)n;
		data += n;
		size -= (size_t)n;
	}
	open->used = open->offset < whole->offset + whole->size;
	return 0;
}

int pieces_fetch(const struct remote *remote, const struct pieces_request *request, struct error **err)
{
	_cleanup_(fetching_release) struct fetching fetching = {.request = request};
	struct remote_request ranges = {.name = request->name,
		.file_size = request->file_size,
		.again = request->again,
		.is_optional = request->is_optional,
		.sink = take,
		.userdata = &fetching};

	if (request->count == 0)
		return 0;
	if (plan_ranges(&fetching) < 0)
		return error_set_errno(err, -ENOMEM, "%s", request->name);
	ranges.ranges = fetching.ranges;
	ranges.count = fetching.range_count;
	return remote_fetch(remote, &ranges, err);
}
