/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-erofs FOLDER [--runs N] [--scratch DIR] [--json FILE]
 *
 * Makes an uncompressed EROFS image and its dm-verity tree of FOLDER, with Orlop and with mkfs.erofs and
 * veritysetup in turn, N times each, and prints the best time of each step. Both start from a folder in the
 * page cache and end with both files flushed to disk; Orlop's time includes reading the folder into memory,
 * which its builder never has to do, and the SHA-256 of the image, which the others don't make. Hashing alone
 * is measured on the same image.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/file.h"
#include "base/process.h"
#include "base/string-util.h"
#include "base/work.h"
#include "build/usr-image.h"
#include "trees.h"

enum step {
	STEP_READ,
	STEP_WRITE,
	STEP_MKFS,
	STEP_VERITYSETUP,
	STEP_HASH_ONE,
	STEP_HASH_ALL,
	STEP_COUNT,
};

static const struct {
	const char *key, *text;
} step_names[STEP_COUNT] = {
	{"orlop_read", "Orlop: folder into memory"},
	{"orlop_write", "Orlop: image, tree, SHA-256, flush"},
	{"mkfs_erofs", "mkfs.erofs, flush"},
	{"veritysetup", "veritysetup format, flush"},
	{"orlop_verity_1", "Orlop: verity alone, 1 thread"},
	{"orlop_verity_n", "Orlop: verity alone, all threads"},
};

/* A moment: of the clock, and in processor time of this program and those that it has run. */
struct moment {
	double clock, processor; /* seconds */
};

struct bench {
	const char *folder, *scratch;
	char *our_image, *our_hash, *their_image, *their_hash;
	struct moment best[STEP_COUNT]; /* durations */
	struct usr_image_result result;
	uint64_t their_size;
};

static double seconds_of(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static struct moment now(void)
{
	struct rusage self, children;
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	return (struct moment){.clock = (double)time.tv_sec + (double)time.tv_nsec / 1e9,
		.processor = seconds_of(&self.ru_utime) + seconds_of(&self.ru_stime) +
			     seconds_of(&children.ru_utime) + seconds_of(&children.ru_stime)};
}

static void keep_least(double *least, double seconds)
{
	if (*least <= 0 || seconds < *least)
		*least = seconds;
}

static void note(struct bench *bench, enum step step, struct moment start)
{
	struct moment end = now();

	keep_least(&bench->best[step].clock, end.clock - start.clock);
	keep_least(&bench->best[step].processor, end.processor - start.processor);
}

static int run_ours(struct bench *bench, struct error **err)
{
	struct usr_image_options options = {.erofs = {.build_time = 1700000000}, .verity = {.salt_size = 32}};
	_cleanup_tree_ struct tree *tree = NULL;
	struct moment start = now();
	int r;

	r = tree_read_folder(bench->folder, NULL, &tree, err);
	if (r < 0)
		return r;
	note(bench, STEP_READ, start);
	start = now();
	r = usr_image_write(
		tree_root(tree), &options, bench->our_image, bench->our_hash, &bench->result, err);
	note(bench, STEP_WRITE, start);
	return r;
}

static int run_program(const char *const *arguments, const char *output, struct error **err)
{
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_close_ int fd = -1;
	int r = process_run(arguments, NULL, 0, MiB(64), &result, err);

	if (r < 0)
		return r;
	if (result.status != 0)
		return error_set(
			err, -EIO, "%s: %.*s", arguments[0], (int)result.message.size, result.message.data);
	fd = open(output, O_RDWR | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? error_set_errno(err, -errno, "%s", output) : 0;
}

static int run_theirs(struct bench *bench, struct error **err)
{
	const char *const mkfs[] = {"mkfs.erofs", "-T1700000000", "-U00000000-0000-0000-0000-000000000000",
		bench->their_image, bench->folder, NULL};
	const char *const format[] = {"veritysetup", "format",
		"--salt=0000000000000000000000000000000000000000000000000000000000000000", bench->their_image,
		bench->their_hash, NULL};
	struct moment start;
	struct stat st;
	int r;

	(void)unlink(bench->their_image);
	(void)unlink(bench->their_hash);
	start = now();
	r = run_program(mkfs, bench->their_image, err);
	if (r < 0)
		return r;
	note(bench, STEP_MKFS, start);
	start = now();
	r = run_program(format, bench->their_hash, err);
	if (r < 0)
		return r;
	note(bench, STEP_VERITYSETUP, start);
	if (stat(bench->their_image, &st) < 0)
		return error_set_errno(err, -errno, "%s", bench->their_image);
	bench->their_size = (uint64_t)st.st_size;
	return 0;
}

struct hashing {
	struct verity *verity;
	const uint8_t *image;
	uint64_t blocks;
};

static int hash_range(size_t index, void *userdata, struct error **err)
{
	const struct hashing *hashing = userdata;
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	uint64_t first = (uint64_t)index * 256;

	if (!context)
		return error_set_errno(err, -ENOMEM, "verity");
	verity_hash(hashing->verity, context, first, hashing->image + first * VERITY_BLOCK_SIZE,
		(size_t)MIN(hashing->blocks - first, (uint64_t)256));
	return 0;
}

static int run_hash(struct bench *bench, enum step step, unsigned threads, struct error **err)
{
	struct verity_options options = {.salt_size = 32};
	_cleanup_verity_ struct verity *verity = NULL;
	_cleanup_free_ char *image = NULL;
	uint8_t root[SHA256_SIZE];
	const uint8_t *file;
	size_t size;
	struct moment start;
	int r;

	r = file_read(bench->our_image, SIZE_MAX / 2, &image, &size, err);
	if (r < 0)
		return r;
	start = now();
	r = verity_new(&options, size / VERITY_BLOCK_SIZE, &verity, err);
	if (r < 0)
		return r;
	struct hashing hashing = {
		.verity = verity, .image = (uint8_t *)image, .blocks = size / VERITY_BLOCK_SIZE};

	r = work_run(threads, (size_t)div_round_up_u64(hashing.blocks, 256), hash_range, &hashing, err);
	if (r >= 0 && verity_finish(verity, &file, root) < 0)
		r = error_set_errno(err, -ENOMEM, "verity");
	note(bench, step, start);
	return r;
}

/* The first line that a program says of its version. */
static char *version_of(const char *program, const char *option)
{
	_cleanup_process_result_ struct process_result result = {};

	if (process_run((const char *const[]){program, option, NULL}, NULL, 0, MiB(1), &result, NULL) < 0)
		return strdup("not installed");
	buffer_append_u8(&result.output, '\n');
	return buffer_failed(&result.output)
		       ? NULL
		       : strndup((char *)result.output.data, strcspn((char *)result.output.data, "\n"));
}

static json_t *seconds_json(const struct bench *bench)
{
	json_t *seconds = json_object();

	for (unsigned i = 0; i < STEP_COUNT; i++)
		json_object_set_new(seconds, step_names[i].key,
			json_pack("{s:f, s:f}", "clock", bench->best[i].clock, "processor",
				bench->best[i].processor));
	return seconds;
}

static json_t *results_of(const struct bench *bench, const char *mkfs, const char *veritysetup)
{
	const struct moment *best = bench->best;
	double theirs = best[STEP_MKFS].clock + best[STEP_VERITYSETUP].clock;
	json_t *ratios = json_pack("{s:f, s:f, s:f, s:f}", "time_from_folder",
		theirs / (best[STEP_READ].clock + best[STEP_WRITE].clock), "time_from_memory",
		theirs / best[STEP_WRITE].clock, "processor_from_folder",
		(best[STEP_MKFS].processor + best[STEP_VERITYSETUP].processor) /
			(best[STEP_READ].processor + best[STEP_WRITE].processor),
		"size", (double)bench->result.image_size / (double)bench->their_size);

	return json_pack("{s:s, s:s?, s:s?, s:i, s:I, s:{s:I, s:I}, s:o, s:o}", "benchmark", "erofs",
		"mkfs_erofs", mkfs, "veritysetup", veritysetup, "processors", (int)work_processors(),
		"inodes", (json_int_t)bench->result.statistics.inodes, "bytes", "orlop",
		(json_int_t)bench->result.image_size, "mkfs_erofs", (json_int_t)bench->their_size, "seconds",
		seconds_json(bench), "ratios", ratios);
}

static void print_text(const struct bench *bench, const json_t *results)
{
	const json_t *ratios = json_object_get(results, "ratios");

	printf("%s; %s; %u processors; %llu inodes\n",
		json_string_value(json_object_get(results, "mkfs_erofs")),
		json_string_value(json_object_get(results, "veritysetup")), work_processors(),
		(unsigned long long)bench->result.statistics.inodes);
	for (unsigned i = 0; i < STEP_COUNT; i++)
		printf("  %-36s %7.3f s %6.2f GB/s, processor %7.3f s\n", step_names[i].text,
			bench->best[i].clock, (double)bench->result.image_size / bench->best[i].clock / 1e9,
			bench->best[i].processor);
	printf("  image: Orlop %llu bytes, mkfs.erofs %llu bytes, ratio %.4f\n",
		(unsigned long long)bench->result.image_size, (unsigned long long)bench->their_size,
		json_real_value(json_object_get(ratios, "size")));
	printf("  Orlop is %.1f times as fast from a folder, %.1f times from memory; processor time from a "
	       "folder: %.1f times less\n",
		json_real_value(json_object_get(ratios, "time_from_folder")),
		json_real_value(json_object_get(ratios, "time_from_memory")),
		json_real_value(json_object_get(ratios, "processor_from_folder")));
}

static int run_all(struct bench *bench, uint64_t runs, struct error **err)
{
	int r = 0;

	for (uint64_t i = 0; i < runs && r >= 0; i++) {
		r = run_ours(bench, err);
		if (r >= 0)
			r = run_theirs(bench, err);
		if (r >= 0)
			r = run_hash(bench, STEP_HASH_ONE, 1, err);
		if (r >= 0)
			r = run_hash(bench, STEP_HASH_ALL, 0, err);
	}
	return r;
}

static int bench_folder(struct bench *bench, uint64_t runs, const char *json_path, struct error **err)
{
	_cleanup_free_ char *mkfs = version_of("mkfs.erofs", "-V"),
			    *veritysetup = version_of("veritysetup", "--version");
	_cleanup_free_ char *text = NULL;
	json_t *results;
	int r = run_all(bench, runs, err);

	if (r < 0)
		return r;
	results = results_of(bench, mkfs, veritysetup);
	text = results ? json_dumps(results, JSON_INDENT(2)) : NULL;
	if (!text)
		return error_set_errno(err, -ENOMEM, "results");
	print_text(bench, results);
	json_decref(results);
	return json_path ? file_write_atomic(json_path, text, strlen(text), 0644, err) : 0;
}

static int bench_in(
	const char *folder, const char *scratch, uint64_t runs, const char *json_path, struct error **err)
{
	_cleanup_free_ char *inside = string_format("%s/bench-erofs-XXXXXX", scratch);
	struct bench bench = {.folder = folder, .scratch = inside};
	int r;

	if (!inside || !mkdtemp(inside))
		return error_set_errno(err, -errno, "%s", scratch);
	bench.our_image = string_format("%s/our-image", inside);
	bench.our_hash = string_format("%s/our-hash", inside);
	bench.their_image = string_format("%s/their-image", inside);
	bench.their_hash = string_format("%s/their-hash", inside);
	r = bench_folder(&bench, runs, json_path, err);
	(void)remove_tree(inside, NULL);
	free(bench.our_image);
	free(bench.our_hash);
	free(bench.their_image);
	free(bench.their_hash);
	return r;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"runs", required_argument, NULL, 'r'},
		{"scratch", required_argument, NULL, 's'}, {"json", required_argument, NULL, 'j'}, {}};
	const char *scratch = "/tmp", *json_path = NULL;
	_cleanup_error_ struct error *err = NULL;
	uint64_t runs = 3;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 's')
			scratch = optarg;
		else if (option == 'j')
			json_path = optarg;
		else if (option != 'r' || parse_u64(optarg, &runs) < 0 || runs == 0)
			return 2;
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: bench-erofs FOLDER [--runs N] [--scratch DIR] [--json FILE]\n");
		return 2;
	}
	if (bench_in(argv[optind], scratch, runs, json_path, &err) < 0) {
		fprintf(stderr, "bench-erofs: %s\n", error_message(err));
		return 1;
	}
	return 0;
}
