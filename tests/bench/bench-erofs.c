/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-erofs write FOLDER IMAGE HASH-TREE [--compression ALGORITHM[:LEVEL]] [--threads N]
 * bench-erofs hash IMAGE [--threads N]
 *
 * Drives the writer of usr images alone, without packages and disk. `write` makes an EROFS image and its
 * dm-verity tree of a folder, both flushed to disk. It prints as JSON what it took to read the folder into
 * memory, which a build never has to do, and to write the image, which includes its fs-verity digest. `hash`
 * makes the tree of an image that is in memory, and nothing else. tools/bench-build compares with other
 * programs.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/file.h"
#include "base/string-util.h"
#include "base/work.h"
#include "build/usr-image.h"
#include "trees.h"

/* A moment, or the time between two: of the clock, and in processor time of this program. */
struct moment {
	double clock, processor; /* seconds */
};

static double seconds_of(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static struct moment now(void)
{
	struct rusage usage;
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	(void)getrusage(RUSAGE_SELF, &usage);
	return (struct moment){.clock = (double)time.tv_sec + (double)time.tv_nsec / 1e9,
		.processor = seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime)};
}

static json_t *since(struct moment start)
{
	struct moment end = now();

	return json_pack("{s:f, s:f}", "seconds", end.clock - start.clock, "cpu_seconds",
		end.processor - start.processor);
}

static void print_json(json_t *object)
{
	(void)json_dumpf(object, stdout, JSON_COMPACT);
	(void)putchar('\n');
	json_decref(object);
}

static int write_image(
	char **arguments, const struct compression *compression, unsigned threads, struct error **err)
{
	struct usr_image_options options = {
		.erofs = {.build_time = 1700000000, .compression = *compression, .threads = threads},
		.threads = threads,
		.copy = -1};
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_usr_image_result_ struct usr_image_result result = {};
	struct moment start = now();
	json_t *read, *write;
	int r;

	r = tree_read_folder(arguments[0], NULL, &tree, err);
	if (r < 0)
		return r;
	read = since(start);
	start = now();
	r = usr_image_write(tree_root(tree), &options, arguments[1], arguments[2], &result, err);
	write = since(start);
	if (r < 0) {
		json_decref(read);
		json_decref(write);
		return r;
	}
	print_json(json_pack("{s:o, s:o, s:I, s:I, s:I}", "read", read, "write", write, "size",
		(json_int_t)result.image_size, "hash_size", (json_int_t)result.hash_size, "inodes",
		(json_int_t)result.statistics.inodes));
	return 0;
}

#define RANGE 256 /* blocks that a thread hashes at a time */

struct hashing {
	struct verity *verity;
	const uint8_t *image;
	uint64_t blocks;
};

static int hash_range(size_t index, void *userdata, struct error **err)
{
	const struct hashing *hashing = userdata;
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	uint64_t first = (uint64_t)index * RANGE;

	if (!context)
		return error_set_errno(err, -ENOMEM, "verity");
	verity_hash(hashing->verity, context, first, hashing->image + first * VERITY_BLOCK_SIZE,
		(size_t)MIN(hashing->blocks - first, (uint64_t)RANGE));
	return 0;
}

static int hash_image(char **arguments, unsigned threads, struct error **err)
{
	struct verity_options options = {};
	_cleanup_verity_ struct verity *verity = NULL;
	_cleanup_free_ char *image = NULL;
	uint8_t root[SHA256_SIZE];
	const uint8_t *file;
	struct moment start;
	size_t size;
	int r;

	r = file_read(arguments[0], SIZE_MAX / 2, &image, &size, err);
	if (r < 0)
		return r;
	start = now();
	r = verity_new(&options, size / VERITY_BLOCK_SIZE, &verity, err);
	if (r < 0)
		return r;
	struct hashing hashing = {
		.verity = verity, .image = (uint8_t *)image, .blocks = size / VERITY_BLOCK_SIZE};

	r = work_run(threads, (size_t)div_round_up_u64(hashing.blocks, RANGE), hash_range, &hashing, err);
	if (r < 0)
		return r;
	if (verity_finish(verity, &file, root) < 0)
		return error_set_errno(err, -ENOMEM, "verity");
	print_json(since(start));
	return 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: bench-erofs write FOLDER IMAGE HASH-TREE [--compression ALGORITHM[:LEVEL]] "
			"[--threads N]\n"
			"       bench-erofs hash IMAGE [--threads N]\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"threads", required_argument, NULL, 't'}, {"compression", required_argument, NULL, 'c'}, {}};
	struct compression compression = {};
	_cleanup_error_ struct error *err = NULL;
	uint64_t threads = 0;
	int option, r;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
		if ((option != 't' || parse_u64(optarg, &threads) < 0 || threads > 1024) &&
			(option != 'c' || compression_parse(optarg, &compression, NULL) < 0))
			return usage();
	argc -= optind;
	argv += optind;
	if (argc == 4 && streq(argv[0], "write"))
		r = write_image(argv + 1, &compression, (unsigned)threads, &err);
	else if (argc == 2 && streq(argv[0], "hash"))
		r = hash_image(argv + 1, (unsigned)threads, &err);
	else
		return usage();
	if (r < 0)
		fprintf(stderr, "bench-erofs: %s\n", error_message(err));
	return r < 0;
}
