/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/write-behind.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct piece {
	uint64_t offset;
	uint8_t *data;
	size_t size;
};

struct write_behind {
	struct block_io disk;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int event; /* counts what was written */
	/* Numbers of pieces: each has its place in the ring until its buffer is given back. */
	uint64_t put, written, returned;
	struct piece ring[WRITE_BEHIND_DEPTH];
	bool ends;
	int failure;
	uint64_t failed_at;
};

static struct piece *piece_of(struct write_behind *writer, uint64_t number)
{
	return &writer->ring[number % WRITE_BEHIND_DEPTH];
}

/* Waits for a piece to write; false where none comes any more. */
static bool wait_for_piece(struct write_behind *writer, struct piece *ret)
{
	bool found;

	pthread_mutex_lock(&writer->lock);
	while (writer->written == writer->put && !writer->ends)
		pthread_cond_wait(&writer->changed, &writer->lock);
	found = writer->written < writer->put;
	if (found)
		*ret = *piece_of(writer, writer->written);
	pthread_mutex_unlock(&writer->lock);
	return found;
}

/* What comes behind a write that has failed counts as done, and is not. */
static void note_written(struct write_behind *writer, const struct piece *piece, int r)
{
	pthread_mutex_lock(&writer->lock);
	writer->written++;
	if (r < 0 && writer->failure == 0) {
		writer->failure = r;
		writer->failed_at = piece->offset;
	}
	pthread_cond_broadcast(&writer->changed);
	pthread_mutex_unlock(&writer->lock);
	(void)eventfd_write(writer->event, 1);
}

static void *write_pieces(void *userdata)
{
	struct write_behind *writer = userdata;
	struct piece piece;
	int r = 0;

	while (wait_for_piece(writer, &piece)) {
		if (r >= 0)
			r = block_write(&writer->disk, piece.offset, piece.data, piece.size);
		note_written(writer, &piece, r);
	}
	return NULL;
}

/* What is left when the thread is not there. */
static void release(struct write_behind *writer)
{
	for (; writer->returned < writer->put; writer->returned++)
		free(piece_of(writer, writer->returned)->data);
	if (writer->event >= 0)
		(void)close(writer->event);
	pthread_cond_destroy(&writer->changed);
	pthread_mutex_destroy(&writer->lock);
	free(writer);
}

int write_behind_new(const struct block_io *disk, struct write_behind **ret, struct error **err)
{
	struct write_behind *writer = calloc(1, sizeof(*writer));
	int r = 0;

	if (!writer)
		return error_set_errno(err, -ENOMEM, "writer");
	writer->disk = *disk;
	pthread_mutex_init(&writer->lock, NULL);
	pthread_cond_init(&writer->changed, NULL);
	writer->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (writer->event < 0)
		r = -errno;
	if (r >= 0)
		r = -pthread_create(&writer->thread, NULL, write_pieces, writer);
	if (r < 0) {
		release(writer);
		return error_set_errno(err, r, "writer");
	}
	*ret = writer;
	return 0;
}

struct write_behind *write_behind_free(struct write_behind *writer)
{
	if (!writer)
		return NULL;
	pthread_mutex_lock(&writer->lock);
	writer->ends = true;
	pthread_cond_broadcast(&writer->changed);
	pthread_mutex_unlock(&writer->lock);
	pthread_join(writer->thread, NULL);
	release(writer);
	return NULL;
}

int write_behind_put(
	struct write_behind *writer, uint64_t offset, uint8_t *data, size_t size, uint8_t **ret_spare)
{
	int r;

	*ret_spare = NULL;
	pthread_mutex_lock(&writer->lock);
	while (writer->put - writer->written == WRITE_BEHIND_DEPTH)
		pthread_cond_wait(&writer->changed, &writer->lock);
	/* The ring is full of buffers, or one of them may be written still: then the caller makes another. */
	if (writer->put - writer->returned == WRITE_BEHIND_DEPTH)
		*ret_spare = piece_of(writer, writer->returned++)->data;
	*piece_of(writer, writer->put++) = (struct piece){offset, data, size};
	r = writer->failure;
	pthread_cond_broadcast(&writer->changed);
	pthread_mutex_unlock(&writer->lock);
	return r;
}

int write_behind_drain(struct write_behind *writer, uint64_t *ret_offset)
{
	int r;

	pthread_mutex_lock(&writer->lock);
	while (writer->written < writer->put)
		pthread_cond_wait(&writer->changed, &writer->lock);
	r = writer->failure;
	if (ret_offset)
		*ret_offset = writer->failed_at;
	pthread_mutex_unlock(&writer->lock);
	return r;
}

uint64_t write_behind_count(struct write_behind *writer)
{
	eventfd_t seen;
	uint64_t count;

	/* First this, so that what is written meanwhile is told again. */
	(void)eventfd_read(writer->event, &seen);
	pthread_mutex_lock(&writer->lock);
	count = writer->written;
	pthread_mutex_unlock(&writer->lock);
	return count;
}

int write_behind_fd(const struct write_behind *writer)
{
	return writer->event;
}
