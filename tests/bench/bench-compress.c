/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-compress FOLDER CLUSTER COMPRESSION [THREADS]
 *
 * What a compressor itself can do with the files of a folder: their data, already in memory, is compressed by
 * as many threads as there are processors, and thrown away. No file system, no hashing, no disk. LZ4, which
 * has functions that fill a given room, fills CLUSTER bytes again and again, as file systems have it do;
 * zstd compresses CLUSTER bytes at a time. Neither crosses files. COMPRESSION is "lz4", "lz4hc-LEVEL" or
 * "zstd-LEVEL". Prints as JSON the time, and the bytes in and out; what does not shrink counts as it is.
 */
#include <errno.h>
#include <fts.h>
#include <jansson.h>
#include <lz4.h>
#include <lz4hc.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <zstd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/string-util.h"
#include "base/work.h"

#define CLUSTER_MAX MiB(1)
#define PIECE_MAX MiB(4) /* of data that LZ4 is given, of which it takes as much as goes into the room */

enum algorithm { LZ4, LZ4HC, ZSTD };

struct piece {
	size_t offset, size;
};

struct bench {
	enum algorithm algorithm;
	int level;
	size_t cluster;
	struct buffer data;
	struct piece *pieces;
	size_t count;
	atomic_size_t next;
	atomic_ullong output; /* bytes */
};

static int parse_compression(const char *text, struct bench *bench)
{
	static const char *const names[] = {[LZ4] = "lz4", [LZ4HC] = "lz4hc", [ZSTD] = "zstd"};
	size_t length = strcspn(text, "-");
	uint64_t level = 0;

	if (text[length] && (parse_u64(text + length + 1, &level) < 0 || level > 22))
		return -EINVAL;
	bench->level = (int)level;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == length && strncmp(names[i], text, length) == 0) {
			bench->algorithm = (enum algorithm)i;
			return 0;
		}
	return -EINVAL;
}

static int read_one(struct bench *bench, const char *path, struct error **err)
{
	_cleanup_free_ char *content = NULL;
	size_t size;
	int r = file_read(path, GiB(2), &content, &size, err);

	if (r < 0)
		return r;
	buffer_append(&bench->data, content, size);
	return buffer_failed(&bench->data) ? error_set_errno(err, -ENOMEM, "%s", path) : 0;
}

/* Cuts what was read from *start* on into pieces. */
static int cut(struct bench *bench, size_t start, struct error **err)
{
	size_t most = bench->algorithm == ZSTD ? bench->cluster : PIECE_MAX;
	size_t more = (size_t)div_round_up_u64(bench->data.size - start, most);
	struct piece *pieces = reallocarray(bench->pieces, bench->count + more + 1, sizeof(*pieces));

	if (!pieces)
		return error_set_errno(err, -ENOMEM, "pieces");
	bench->pieces = pieces;
	for (size_t at = start; at < bench->data.size; at += most)
		pieces[bench->count++] =
			(struct piece){.offset = at, .size = MIN(most, bench->data.size - at)};
	return 0;
}

static int read_folder(struct bench *bench, char *path, struct error **err)
{
	FTS *tree = fts_open((char *[]){path, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *entry;
	int r = 0;

	if (!tree)
		return error_set_errno(err, -errno, "%s", path);
	while (r >= 0 && (entry = fts_read(tree))) {
		size_t start = bench->data.size;

		if (entry->fts_info != FTS_F)
			continue;
		r = read_one(bench, entry->fts_path, err);
		if (r >= 0)
			r = cut(bench, start, err);
	}
	(void)fts_close(tree);
	return r;
}

/* What a thread has for itself. */
struct worker {
	ZSTD_CCtx *zstd;
	void *lz4hc;
	char output[CLUSTER_MAX + CLUSTER_MAX / 64];
};

/* Fills one room, from the beginning of the data on. */
static int fill(const struct bench *bench, struct worker *worker, const char *data, int *size)
{
	int room = (int)bench->cluster;

	return bench->algorithm == LZ4 ? LZ4_compress_destSize(data, worker->output, size, room)
				       : LZ4_compress_HC_destSize(worker->lz4hc, data, worker->output, size,
						 room, bench->level);
}

/* Returns the size of what *piece* comes to. */
static size_t compress_lz4(const struct bench *bench, struct worker *worker, const struct piece *piece)
{
	const char *at = (const char *)bench->data.data + piece->offset, *end = at + piece->size;
	size_t output = 0;

	while (at < end) {
		int used = (int)(end - at), size = fill(bench, worker, at, &used);

		if (size <= 0 || used <= 0)
			return output + (size_t)(end - at);
		output += (size_t)MIN(size, used);
		at += used;
	}
	return output;
}

static size_t compress_zstd(const struct bench *bench, struct worker *worker, const struct piece *piece)
{
	size_t size = ZSTD_compressCCtx(worker->zstd, worker->output, sizeof(worker->output),
		bench->data.data + piece->offset, piece->size, bench->level);

	return ZSTD_isError(size) ? piece->size : MIN(size, piece->size);
}

static int work(size_t index _unused_, void *userdata, struct error **err)
{
	struct bench *bench = userdata;
	struct worker *worker = calloc(1, sizeof(*worker));
	unsigned long long output = 0;
	size_t i;

	if (worker) {
		worker->zstd = ZSTD_createCCtx();
		worker->lz4hc = malloc((size_t)LZ4_sizeofStateHC());
	}
	if (!worker || !worker->zstd || !worker->lz4hc)
		return error_set_errno(err, -ENOMEM, "compressor");
	while ((i = atomic_fetch_add(&bench->next, 1)) < bench->count) {
		const struct piece *piece = &bench->pieces[i];

		output += bench->algorithm == ZSTD ? compress_zstd(bench, worker, piece)
						   : compress_lz4(bench, worker, piece);
	}
	atomic_fetch_add(&bench->output, output);
	ZSTD_freeCCtx(worker->zstd);
	free(worker->lz4hc);
	free(worker);
	return 0;
}

static double seconds_of(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static void moment(double *ret_clock, double *ret_processor)
{
	struct rusage usage;
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	(void)getrusage(RUSAGE_SELF, &usage);
	*ret_clock = (double)time.tv_sec + (double)time.tv_nsec / 1e9;
	*ret_processor = seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
}

static int run(struct bench *bench, unsigned threads, struct error **err)
{
	double clock[2], processor[2];
	json_t *result;
	int r;

	moment(&clock[0], &processor[0]);
	r = work_run(threads, threads, work, bench, err);
	moment(&clock[1], &processor[1]);
	if (r < 0)
		return r;
	result = json_pack("{s:f, s:f, s:I, s:I}", "seconds", clock[1] - clock[0], "cpu_seconds",
		processor[1] - processor[0], "input", (json_int_t)bench->data.size, "size",
		(json_int_t)bench->output);
	(void)json_dumpf(result, stdout, JSON_COMPACT);
	(void)putchar('\n');
	json_decref(result);
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_error_ struct error *err = NULL;
	struct bench bench = {};
	uint64_t cluster, threads = work_processors();
	int r;

	if (argc < 4 || argc > 5 || parse_u64(argv[2], &cluster) < 0 || cluster == 0 ||
		cluster > CLUSTER_MAX || parse_compression(argv[3], &bench) < 0 ||
		(argc == 5 && (parse_u64(argv[4], &threads) < 0 || threads == 0 || threads > 1024))) {
		fprintf(stderr,
			"usage: bench-compress FOLDER CLUSTER lz4|lz4hc-LEVEL|zstd-LEVEL [THREADS]\n");
		return 2;
	}
	bench.cluster = (size_t)cluster;
	r = read_folder(&bench, argv[1], &err);
	if (r >= 0)
		r = run(&bench, (unsigned)threads, &err);
	if (r < 0)
		fprintf(stderr, "bench-compress: %s\n", error_message(err));
	buffer_release(&bench.data);
	free(bench.pieces);
	return r < 0;
}
