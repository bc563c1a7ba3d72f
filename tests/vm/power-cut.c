/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * power-cut LOG DISK SAMPLES SEED: what a power cut leaves of a disk.
 * power-cut LOG DISK: what nothing was lost of.
 * power-cut LOG: SAMPLES of a log that grows, ten times a second, until somebody ends it.
 *
 * LOG is what QEMU's driver blklogwrites noted of a machine: each write, discard and flush, in the order in
 * which they were done, in the format of Linux's dm-log-writes. SAMPLES has a line "SECONDS BYTES" for each
 * look at how long LOG was, in the order of time; the first and the last bound the time in which the power
 * may be cut. DISK is a copy of the disk as it was when LOG was begun. It is changed into one of those that a
 * cut at a moment that SEED chooses could have left: all that was done before the last flush, and of what was
 * done since any sectors or none (base/block-io.h). Prints the moment, and how much was lost.
 *
 * Seeds choose in turn a second, a write, and the room between two flushes: the most time goes by in the
 * restart, the most is written before it, and most of what could go wrong is in the few writes between many
 * flushes.
 *
 * What was written while a flush was under way counts as flushed, since LOG doesn't say when a flush began. A
 * guest that wants it on disk flushes again; one that does not is not seen to lose it here.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/block-io.h"
#include "base/file.h"
#include "trees.h"

#define LOG_MAGIC 0x6a736677736872u
#define LOG_FLUSH 1u
#define LOG_DISCARD 4u

struct log_super {
	uint64_t magic, version, entries;
	uint32_t sector;
};

/* As it is in the log, little-endian; what was written stands in the sectors behind it. */
struct log_entry {
	uint64_t sector, sectors, flags, data_length;
};

struct entry {
	struct log_entry log;
	uint64_t position; /* of what was written, in the log */
};

struct sample {
	double time;
	uint64_t size;
};

struct recording {
	int fd;
	struct entry *entries;
	size_t count;
	struct sample *samples;
	size_t sample_count;
};

static void recording_release(struct recording *recording)
{
	free(recording->entries);
	free(recording->samples);
	if (recording->fd >= 0)
		close(recording->fd);
}
#define _cleanup_recording_ _cleanup_(recording_release)

/* Room for one more element behind *count*: a power of two is always full. */
static int grow(void *array, size_t count, size_t size)
{
	void **items = array, *larger;

	if (count & (count - 1))
		return 0;
	larger = reallocarray(*items, count ? 2 * count : 1, size);
	if (!larger)
		return -ENOMEM;
	*items = larger;
	return 0;
}

static int read_samples(struct recording *recording, const char *path, struct error **err)
{
	_cleanup_free_ char *text = NULL;
	char *state = NULL;
	int r = file_read(path, MiB(16), &text, NULL, err);

	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
		struct sample sample;

		if (sscanf(line, "%lf %" SCNu64, &sample.time, &sample.size) != 2)
			return error_set(err, -EBADMSG, "%s: \"%s\" is not a time and a size", path, line);
		r = grow(&recording->samples, recording->sample_count, sizeof(sample));
		if (r < 0)
			return error_set_errno(err, r, "%s", path);
		recording->samples[recording->sample_count++] = sample;
	}
	if (recording->sample_count < 2)
		return error_set(err, -EBADMSG, "%s: fewer than two lines", path);
	return 0;
}

/* The entries that the log had when the last sample was taken, or all of them. */
static int read_log(struct recording *recording, const char *path, struct error **err)
{
	uint64_t end = UINT64_MAX, position = BLOCK_SECTOR;
	struct stat stat;
	struct log_super super;
	int r;

	recording->fd = open(path, O_RDONLY | O_CLOEXEC);
	r = recording->fd < 0 || fstat(recording->fd, &stat) < 0
		    ? -errno
		    : pread_full(recording->fd, &super, sizeof(super), 0);
	if (r < 0)
		return error_set_errno(err, r, "%s", path);
	if (super.magic != LOG_MAGIC || super.version != 1 || super.sector != BLOCK_SECTOR)
		return error_set(
			err, -EBADMSG, "%s is no log of writes in sectors of %d bytes", path, BLOCK_SECTOR);
	if (recording->sample_count > 0)
		end = recording->samples[recording->sample_count - 1].size;
	while (position < MIN(end, (uint64_t)stat.st_size)) {
		struct entry entry = {.position = position + BLOCK_SECTOR};

		r = pread_full(recording->fd, &entry.log, sizeof(entry.log), position);
		if (r == 0)
			r = grow(&recording->entries, recording->count, sizeof(entry));
		if (r < 0)
			return error_set_errno(err, r, "%s", path);
		if ((entry.log.flags & ~(uint64_t)(LOG_FLUSH | LOG_DISCARD)) || entry.log.sectors > GiB(1) ||
			!(entry.log.flags & LOG_FLUSH) == !entry.log.sectors)
			return error_set(err, -EBADMSG, "%s: entry %zu at byte %" PRIu64 " is damaged", path,
				recording->count, position);
		position = entry.position;
		if (!(entry.log.flags & LOG_DISCARD))
			position += entry.log.sectors * BLOCK_SECTOR;
		recording->entries[recording->count++] = entry;
	}
	return 0;
}

/* How many entries were whole when the log had *size* bytes. */
static size_t entries_within(const struct recording *recording, uint64_t size)
{
	size_t count = 0;

	while (count + 1 < recording->count && recording->entries[count + 1].position - BLOCK_SECTOR <= size)
		count++;
	return count;
}

/* The log's size at a time, as if it had grown evenly between two looks. */
static uint64_t size_at(const struct recording *recording, double time)
{
	const struct sample *sample = recording->samples;

	while (sample + 2 < recording->samples + recording->sample_count && sample[1].time < time)
		sample++;
	return sample->size + (uint64_t)((double)(sample[1].size - sample->size) * (time - sample->time) /
					 (sample[1].time - sample->time));
}

static double time_of(const struct recording *recording, size_t count)
{
	uint64_t size =
		count < recording->count ? recording->entries[count].position - BLOCK_SECTOR : UINT64_MAX;
	const struct sample *sample = recording->samples;

	while (sample + 1 < recording->samples + recording->sample_count && sample->size < size)
		sample++;
	return sample->time;
}

/* How many entries were done when the power was cut. */
static size_t choose_cut(const struct recording *recording, uint64_t seed, uint64_t *state)
{
	const struct sample *first = recording->samples, *last = first + recording->sample_count - 1;
	size_t begin = entries_within(recording, first->size), end = entries_within(recording, last->size);
	size_t flushes = 0, chosen, from = begin, to = end;

	if (seed % 3 == 1)
		return begin + random_below(state, end - begin + 1);
	if (seed % 3 == 0)
		return entries_within(recording,
			size_at(recording, first->time + (last->time - first->time) *
								 (double)random_below(state, 1000000) / 1e6));
	for (size_t i = begin; i < end; i++)
		flushes += recording->entries[i].log.flags & LOG_FLUSH;
	chosen = random_below(state, flushes + 1);
	for (size_t i = begin; i < end; i++) {
		if (!(recording->entries[i].log.flags & LOG_FLUSH))
			continue;
		if (chosen-- == 0) {
			to = i + 1;
			break;
		}
		from = i + 1;
	}
	return from + random_below(state, to - from + 1);
}

static int apply_sectors(
	int disk, int log, const struct entry *entry, uint64_t chance, uint64_t *state, uint64_t *kept)
{
	uint8_t sector[BLOCK_SECTOR];
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < entry->log.sectors; i++) {
		if (random_below(state, 16) >= chance)
			continue;
		r = pread_full(log, sector, sizeof(sector), entry->position + i * BLOCK_SECTOR);
		if (r == 0)
			r = pwrite_full(disk, sector, sizeof(sector), (entry->log.sector + i) * BLOCK_SECTOR);
		++*kept;
	}
	return r;
}

/* A discard is done whole or not at all. */
static int discard(int disk, const struct entry *entry)
{
	return fallocate(disk, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       (off_t)(entry->log.sector * BLOCK_SECTOR),
		       (off_t)(entry->log.sectors * BLOCK_SECTOR)) < 0
		       ? -errno
		       : 0;
}

static int apply(int disk, int log, const struct entry *entry)
{
	_cleanup_free_ uint8_t *data = NULL;
	size_t size = entry->log.sectors * BLOCK_SECTOR;
	int r;

	if (size == 0)
		return 0;
	if (entry->log.flags & LOG_DISCARD)
		return discard(disk, entry);
	data = malloc(size);
	r = data ? pread_full(log, data, size, entry->position) : -ENOMEM;
	return r < 0 ? r : pwrite_full(disk, data, size, entry->log.sector * BLOCK_SECTOR);
}

/*
 * What was not flushed: in one of two cases a beginning of it whole, and of the rest each sector with a
 * chance that differs from cut to cut. From "nothing is lost" to "nothing is there" all is possible.
 */
static int apply_some(int disk, const struct recording *recording, size_t from, size_t to, uint64_t *state)
{
	size_t whole = random_below(state, 2) ? random_below(state, to - from + 1) : 0;
	uint64_t chance = random_below(state, 17), kept = 0, sectors = 0;
	int r = 0;

	for (size_t i = from; r == 0 && i < to; i++) {
		const struct entry *entry = &recording->entries[i];

		if (entry->log.flags & LOG_DISCARD)
			r = i < from + whole || random_below(state, 16) < chance ? discard(disk, entry) : 0;
		else
			r = apply_sectors(
				disk, recording->fd, entry, i < from + whole ? 16 : chance, state, &kept);
		sectors += entry->log.flags & LOG_DISCARD ? 0 : entry->log.sectors;
	}
	printf("; %zu not flushed, with %" PRIu64 " of %" PRIu64 " sectors lost\n", to - from, sectors - kept,
		sectors);
	return r;
}

static int open_disk(const char *path, struct error **err)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? error_set_errno(err, -errno, "%s", path) : fd;
}

/* All that is in the log. */
static int replay(const struct recording *recording, const char *path, struct error **err)
{
	_cleanup_close_ int disk = open_disk(path, err);
	int r = MIN(disk, 0);

	for (size_t i = 0; r == 0 && i < recording->count; i++)
		r = apply(disk, recording->fd, &recording->entries[i]);
	return disk >= 0 && r < 0 ? error_set_errno(err, r, "%s", path) : r;
}

static int cut(const struct recording *recording, const char *path, uint64_t seed, struct error **err)
{
	/* Neighbouring seeds are to have nothing in common, and the state must not be 0. */
	uint64_t state = (seed + 1) * 0x9e3779b97f4a7c15u | 1;
	size_t begin = entries_within(recording, recording->samples->size), count, flushed = 0;
	_cleanup_close_ int disk = open_disk(path, err);
	int r = 0;

	if (disk < 0)
		return disk;
	for (int i = 0; i < 8; i++)
		random_next(&state);
	count = choose_cut(recording, seed, &state);
	for (size_t i = 0; i < count; i++)
		if (recording->entries[i].log.flags & LOG_FLUSH)
			flushed = i + 1;
	for (size_t i = 0; r == 0 && i < flushed; i++)
		r = apply(disk, recording->fd, &recording->entries[i]);
	if (r == 0) {
		printf("%.1f s, after %zu of %zu writes and flushes",
			time_of(recording, count) - recording->samples->time, count - begin,
			recording->count - begin);
		r = apply_some(disk, recording, flushed, count, &state);
	}
	return r < 0 ? error_set_errno(err, r, "%s", path) : 0;
}

static int watch(const char *path, struct error **err)
{
	static const struct timespec pause = {.tv_nsec = 100000000};
	struct timespec now;
	struct stat stat;
	int r = 0;

	while (r == 0) {
		if (lstat(path, &stat) < 0 || clock_gettime(CLOCK_MONOTONIC, &now) < 0)
			return error_set_errno(err, -errno, "%s", path);
		printf("%.3f %" PRIu64 "\n", (double)now.tv_sec + (double)now.tv_nsec / 1e9,
			(uint64_t)stat.st_size);
		r = fflush(stdout) || nanosleep(&pause, NULL) < 0 ? -errno : 0;
	}
	return error_set_errno(err, r, "%s", path);
}

int main(int argc, char **argv)
{
	_cleanup_recording_ struct recording recording = {.fd = -1};
	_cleanup_error_ struct error *err = NULL;
	int r;

	if (argc < 2 || argc == 4 || argc > 5) {
		fprintf(stderr, "usage: power-cut LOG [DISK [SAMPLES SEED]]\n");
		return EXIT_FAILURE;
	}
	r = argc == 2 ? watch(argv[1], &err) : argc == 5 ? read_samples(&recording, argv[3], &err) : 0;
	if (r == 0)
		r = read_log(&recording, argv[1], &err);
	if (r == 0)
		r = argc == 5 ? cut(&recording, argv[2], strtoull(argv[4], NULL, 10), &err)
			      : replay(&recording, argv[2], &err);
	if (r < 0)
		fprintf(stderr, "power-cut: %s\n", error_message(err));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
