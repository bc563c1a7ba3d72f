/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/worker-link.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/http.h"
#include "update/worker-job.h"

#define ALIVE_MS 1000
#define PROGRESS_MS 100

int link_init(struct link *link, int fd)
{
	void *held;

	*link = (struct link){
		.fd = fd, .reader.from = WIRE_PARENT, .lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER};
	if (posix_memalign(&held, WIRE_ALIGN, WIRE_PAYLOAD_MAX) != 0)
		return -ENOMEM;
	link->held = held;
	return 0;
}

void link_release(struct link *link)
{
	wire_reader_release(&link->reader);
	free(link->held);
	link->held = NULL;
}

/* ---- What the parent says ---- */

static void note_taken(struct link *link, uint64_t serial, uint64_t failed)
{
	if (serial < link->taken || serial > link->serial || failed < link->failed) {
		link->is_broken = true;
		return;
	}
	link->taken = serial;
	link->failed = failed;
	while (link->count > 0 && link->writes[link->first].serial <= serial) {
		link->bytes -= link->writes[link->first].size;
		link->first = (link->first + 1) % WIRE_WINDOW_FRAMES;
		link->count--;
	}
}

/* Takes in what has come; with *wait*, at least one message. */
static int hear(struct link *link, bool wait)
{
	struct wire_message message;
	int r = 1;

	while (!link->is_broken && (r = wire_receive(link->fd, &link->reader, wait, &message, NULL)) > 0) {
		if (message.header.type == WIRE_TAKEN)
			note_taken(link, message.header.serial, message.header.offset);
		else if (message.header.type == WIRE_RATE)
			link->rate = message.header.offset;
		else
			link->is_broken = true;
		wait = false;
	}
	link->is_broken = link->is_broken || r < 0;
	return link->is_broken ? -EPIPE : 0;
}

static int say(struct link *link, const struct wire_header *header, const void *payload)
{
	int r = link->is_broken ? -EPIPE : wire_send(link->fd, header, payload, NULL);

	link->is_broken = link->is_broken || r < 0;
	return r;
}

bool link_tick(struct link *link)
{
	static const struct wire_header alive = {.type = WIRE_ALIVE};
	uint64_t now = http_now_ms();

	pthread_mutex_lock(&link->lock);
	(void)hear(link, false);
	if (now - link->alive_ms >= ALIVE_MS) {
		link->alive_ms = now;
		(void)say(link, &alive, NULL);
	}
	pthread_mutex_unlock(&link->lock);
	return !link->is_broken;
}

int link_progress(struct link *link, unsigned step, uint64_t done, uint64_t total)
{
	const struct wire_header header = {.type = WIRE_PROGRESS, .size = 4, .offset = done, .serial = total};
	uint64_t now = http_now_ms();
	uint8_t payload[4];
	int r = 0;

	if (!link_tick(link))
		return -EPIPE;
	if (step >= ARRAY_SIZE(link->progress_ms) ||
		(done != total && now - link->progress_ms[step] < PROGRESS_MS))
		return 0;
	link->progress_ms[step] = now;
	write_le32(payload, step);
	pthread_mutex_lock(&link->lock);
	r = say(link, &header, payload);
	pthread_mutex_unlock(&link->lock);
	return r;
}

/* ---- Disks ---- */

/* Sends what is held, once the window has room for it. */
static int send_held(struct link *link)
{
	struct link_write write = link->hold;
	int r = 0;

	if (!write.disk)
		return 0;
	while (r >= 0 && (link->count == WIRE_WINDOW_FRAMES ||
				 (link->count > 0 && link->bytes + write.size > WIRE_WINDOW)))
		r = hear(link, true);
	if (r < 0)
		return r;
	write.serial = ++link->serial;
	link->writes[(link->first + link->count++) % WIRE_WINDOW_FRAMES] = write;
	link->bytes += write.size;
	link->hold = (struct link_write){};
	return say(link,
		&(struct wire_header){.type = write.disk->type,
			.size = (uint32_t)write.size,
			.offset = write.offset,
			.serial = write.serial},
		link->held);
}

static int hold(struct link_disk *disk, uint64_t offset, const uint8_t *data, size_t size)
{
	struct link *link = disk->link;
	struct link_write *held = &link->hold;

	while (size > 0) {
		size_t room, n;

		if (held->disk && (held->disk != disk || held->offset + held->size != offset ||
					  held->size == WIRE_PAYLOAD_MAX)) {
			int r = send_held(link);

			if (r < 0)
				return r;
		}
		if (!held->disk)
			*held = (struct link_write){.disk = disk, .offset = offset};
		room = (size_t)(WIRE_PAYLOAD_MAX - held->size);
		n = MIN(room, size);
		memcpy(link->held + held->size, data, n);
		held->size += n;
		offset += n;
		data += n;
		size -= n;
	}
	return 0;
}

static bool overlaps(
	const struct link_write *write, const struct link_disk *disk, uint64_t offset, size_t size)
{
	return write->disk == disk && offset < write->offset + write->size && write->offset < offset + size;
}

/* Waits until what was written there is where it can be read. */
static int settle(struct link_disk *disk, uint64_t offset, size_t size)
{
	struct link *link = disk->link;
	uint64_t serial = 0;
	int r = 0;

	if (overlaps(&link->hold, disk, offset, size))
		r = send_held(link);
	for (size_t i = 0; i < link->count; i++) {
		const struct link_write *write = &link->writes[(link->first + i) % WIRE_WINDOW_FRAMES];

		if (overlaps(write, disk, offset, size))
			serial = write->serial;
	}
	while (r >= 0 && link->taken < serial)
		r = hear(link, true);
	return r;
}

static int disk_read(void *userdata, uint64_t offset, void *data, size_t size)
{
	struct link_disk *disk = userdata;
	struct block_io file = block_io_file(&disk->file, UINT64_MAX);
	int r;

	pthread_mutex_lock(&disk->link->lock);
	r = settle(disk, offset, size);
	pthread_mutex_unlock(&disk->link->lock);
	return r < 0 ? r : block_read(&file, disk->begin + offset, data, size);
}

static int disk_write(void *userdata, uint64_t offset, const void *data, size_t size)
{
	struct link_disk *disk = userdata;
	int r;

	if (disk->type == 0)
		return -EROFS;
	if ((offset | size) % WIRE_BLOCK_SIZE != 0)
		return -EINVAL;
	pthread_mutex_lock(&disk->link->lock);
	r = hold(disk, offset, data, size);
	pthread_mutex_unlock(&disk->link->lock);
	return r;
}

/* Waits until all that was sent is done. */
static int settle_all(struct link *link)
{
	int r = 0;

	while (r >= 0 && link->taken < link->serial)
		r = hear(link, true);
	return r;
}

static int disk_flush(void *userdata)
{
	struct link_disk *disk = userdata;
	struct link *link = disk->link;
	int r;

	if (disk->type == 0)
		return 0;
	pthread_mutex_lock(&link->lock);
	r = send_held(link);
	if (r >= 0)
		r = say(link,
			&(struct wire_header){.type = WIRE_FLUSH,
				.offset = disk->type == WIRE_TREE,
				.serial = ++link->serial},
			NULL);
	if (r >= 0)
		r = settle_all(link);
	pthread_mutex_unlock(&link->lock);
	return r;
}

struct block_io link_disk_io(struct link_disk *disk, uint64_t size)
{
	static const struct block_ops ops = {.read = disk_read, .write = disk_write, .flush = disk_flush};

	return (struct block_io){.ops = &ops, .userdata = disk, .size = size};
}

/* ---- Own blocks ---- */

int link_copy(struct link *link, const struct slot_run *runs, size_t count)
{
	_cleanup_buffer_ struct buffer payload = {};
	int r = worker_runs_write(runs, count, &payload);

	pthread_mutex_lock(&link->lock);
	if (r >= 0)
		r = send_held(link);
	if (r >= 0)
		r = say(link,
			&(struct wire_header){
				.type = WIRE_COPY, .size = (uint32_t)payload.size, .serial = ++link->serial},
			payload.data);
	pthread_mutex_unlock(&link->lock);
	return r;
}

int link_copied(struct link *link, uint64_t *ret_failed)
{
	int r;

	pthread_mutex_lock(&link->lock);
	r = settle_all(link);
	*ret_failed = link->failed - link->failed_told;
	link->failed_told = link->failed;
	pthread_mutex_unlock(&link->lock);
	return r;
}
