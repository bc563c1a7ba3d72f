/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 *     bench-delta publish [OPTION]… FOLDER NEW NEW-TREE [OLD OLD-TREE]…
 *     bench-delta update [OPTION]… FOLDER URL TARGET TARGET-TREE [ACTIVE ACTIVE-TREE]
 *     bench-delta frames|patches NEW NEW-TREE [OLD OLD-TREE]…
 *
 * Drives the block transfer of updates on files. `publish` writes what a server has of an image, and what is
 * signed of it as FOLDER/image.json. `update` reads that file as if it were trusted, brings the image into a
 * slot by way of URL, and prints as JSON what it cost; the files of the slot must exist. `frames` prints what
 * frames of different sizes cost, `patches` the same of patches: docs/performance.md has these tables.
 *
 * With --worker, `update` does it by way of a process without rights.
 *
 * `hash FILE IMAGE TREE` makes an image of a file, filled up to whole blocks, as `orlop publish` does with
 * kernel images.
 *
 * `tools/bench-updates` compares with other programs.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/string-util.h"
#include "format/blocks.h"
#include "format/verity.h"
#include "release/blocks-write.h"
#include "release/image-write.h"
#include "release/patch-write.h"
#include "release/tree-write.h"
#include "update/remote-http.h"
#include "update/usr-update.h"
#include "update/worker-main.h"
#include "update/worker.h"

#define WORKER_USER 64991 /* whom a worker becomes: nobody */

struct settings {
	bool no_patch, no_tree_delta, direct, progress, worker;
	uint64_t level, threads, rate, window, stall, connections;
	const char *authorities;
};

/* An image and its tree, opened; the root hash is the tree's own. */
static int open_image(const char *const paths[2], int flags, struct image_source *ret, struct error **err)
{
	uint8_t blocks[2 * VERITY_BLOCK_SIZE];
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	struct verity_header header;
	int r;

	*ret = (struct image_source){.image_fd = open(paths[0], flags | O_CLOEXEC)};
	ret->hash_fd = open(paths[1], flags | O_CLOEXEC);
	if (ret->image_fd < 0 || ret->hash_fd < 0 || !context)
		return error_set_errno(err, -errno, "%s", paths[ret->image_fd < 0 ? 0 : 1]);
	if (pread_full(ret->hash_fd, blocks, sizeof(blocks), 0) < 0)
		return 0; /* a slot may be empty */
	r = verity_header_parse(blocks, sizeof(blocks), &header, NULL);
	if (r >= 0)
		verity_digest(&header.options, context, blocks + VERITY_BLOCK_SIZE, ret->root);
	return 0;
}

static uint64_t size_of(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);

	return size < 0 ? 0 : (uint64_t)size;
}

/* ---- publish ---- */

static int write_json(const char *folder, const struct image_files *files, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/image.json", folder);
	json_t *json = image_files_json(files);
	_cleanup_free_ char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;

	json_decref(json);
	if (!path || !text)
		return error_set_errno(err, -ENOMEM, "image.json");
	return file_write_atomic(path, text, strlen(text), 0644, err);
}

static int publish(const struct settings *settings, char **arguments, size_t count, struct error **err)
{
	_cleanup_progress_ struct progress *progress =
		settings->progress ? progress_new(2, PROGRESS_LINES) : NULL;
	const struct image_write_options options = {.threads = (unsigned)settings->threads,
		.level = (int)settings->level,
		.no_patch = settings->no_patch,
		.progress = progress};
	_cleanup_image_files_ struct image_files files = {};
	struct image_source images[1 + IMAGE_DELTAS_MAX];
	size_t opened = 0;
	int r = mkdir_parents(arguments[0], err);

	for (size_t i = 1; i + 1 < count && r >= 0; i += 2)
		r = open_image((const char *const *)arguments + i, O_RDONLY, &images[opened++], err);
	if (r >= 0)
		r = image_write(arguments[0], &images[0], &images[1], opened - 1, &options, &files, err);
	if (r >= 0)
		r = write_json(arguments[0], &files, err);
	return r;
}

/* ---- hash ---- */

static int hash(const struct settings *settings, char **arguments, size_t count, struct error **err)
{
	static const struct verity_options options = {.salt_size = 32};
	_cleanup_close_ int image = open(arguments[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	_cleanup_close_ int tree = open(arguments[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	_cleanup_free_ char *data = NULL;
	uint8_t root[SHA256_SIZE];
	uint64_t blocks;
	size_t size;
	int r;

	(void)settings;
	(void)count;
	if (image < 0 || tree < 0)
		return error_set_errno(err, -errno, "%s", arguments[1]);
	r = file_read(arguments[0], GiB(4), &data, &size, err);
	if (r < 0)
		return r;
	blocks = div_round_up_u64(size, VERITY_BLOCK_SIZE);
	r = write_full(image, data, size);
	if (r >= 0 && ftruncate(image, (off_t)(blocks * VERITY_BLOCK_SIZE)) < 0)
		r = -errno;
	return r < 0 ? error_set_errno(err, r, "%s", arguments[1])
		     : verity_write(image, blocks, &options, tree, root, err);
}

/* ---- update ---- */

static int read_json(const char *folder, struct image_files *ret, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/image.json", folder);
	json_error_t fault;
	json_t *json = path ? json_load_file(path, 0, &fault) : NULL;
	int r;

	if (!json)
		return error_set(err, -EBADMSG, "%s: %s", path, path ? fault.text : "memory is out");
	r = image_files_parse(json, ret, err);
	json_decref(json);
	return r;
}

static double seconds_of(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static double clock_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static const char *const step_names[] = {"tree", "scan", "copy", "fetch", "check"};

/* When the steps of an update ended, which follow each other. */
struct steps {
	double begun, ended[ARRAY_SIZE(step_names)];
	bool show;
};

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *result_json(const struct usr_update_result *result, const struct remote_counts *counts)
{
	json_t *json = json_object();

	json_object_set_new(json, "blocks",
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "all", number(result->blocks), "kept",
			number(result->kept), "zero", number(result->zero), "from_active",
			number(result->from_active), "from_target", number(result->from_target), "patched",
			number(result->patched), "fetched", number(result->fetched), "damaged",
			number(result->damaged)));
	json_object_set_new(json, "bytes",
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "tree", number(result->tree_bytes), "index",
			number(result->index_bytes), "patch", number(result->patch_bytes), "blocks",
			number(result->block_bytes), "bodies", number(counts->bytes), "headers",
			number(counts->overhead)));
	json_object_set_new(json, "requests", number(counts->requests));
	json_object_set_new(json, "faults", number(counts->faults));
	json_object_set_new(json, "whole", json_boolean(counts->whole));
	json_object_set_new(json, "tree_delta", json_boolean(result->tree_delta));
	json_object_set_new(json, "tree_kept", json_boolean(result->tree_kept));
	json_object_set_new(json, "rounds", number(result->rounds));
	return json;
}

/* Seconds of each step that there was. */
static json_t *steps_json(const struct steps *steps)
{
	json_t *json = json_object();
	double last = steps->begun;

	for (size_t i = 0; i < ARRAY_SIZE(step_names); i++) {
		double ended = steps->ended[i] > last ? steps->ended[i] : last;

		json_object_set_new(json, step_names[i], json_real(ended - last));
		last = ended;
	}
	return json;
}

static void print_result(
	const struct usr_update_result *result, const struct remote_counts *counts, const struct steps *steps)
{
	struct rusage own, worker;
	double seconds = clock_now() - steps->begun;
	json_t *json = result_json(result, counts);
	_cleanup_free_ char *text = NULL;

	(void)getrusage(RUSAGE_SELF, &own);
	(void)getrusage(RUSAGE_CHILDREN, &worker);
	json_object_set_new(json, "seconds", json_real(seconds));
	json_object_set_new(json, "steps", steps_json(steps));
	json_object_set_new(json, "cpu_seconds",
		json_real(seconds_of(&own.ru_utime) + seconds_of(&own.ru_stime) +
			  seconds_of(&worker.ru_utime) + seconds_of(&worker.ru_stime)));
	json_object_set_new(json, "peak_rss", number((uint64_t)(own.ru_maxrss + worker.ru_maxrss) * 1024));
	text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(4));
	printf("%s\n", text ? text : "");
	json_decref(json);
}

static uint64_t fixed_rate(void *userdata)
{
	return ((const struct settings *)userdata)->rate;
}

static int follow(enum usr_update_step step, uint64_t done, uint64_t total, void *userdata)
{
	struct steps *steps = userdata;

	steps->ended[step] = clock_now();
	if (steps->show)
		fprintf(stderr, "%s %ju %ju\n", step_names[step], (uintmax_t)done, (uintmax_t)total);
	return 0;
}

static struct usr_slot slot_of(const struct image_source *files, struct block_file places[2], uint32_t align)
{
	places[0] = (struct block_file){.fd = files->image_fd, .align = align};
	places[1] = (struct block_file){.fd = files->hash_fd, .align = align};
	return (struct usr_slot){.data = block_io_file(&places[0], size_of(files->image_fd)),
		.hash = block_io_file(&places[1], size_of(files->hash_fd))};
}

/* A place as the worker gets it. */
static int place_of(int fd, uint32_t align, struct worker_place *ret, struct error **err)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*ret = (struct worker_place){.fd = open(path, O_RDONLY | O_CLOEXEC | (align > 0 ? O_DIRECT : 0)),
		.size = size_of(fd),
		.align = align};
	return ret->fd < 0 ? error_set_errno(err, -errno, "%s", path) : 0;
}

/* The same by way of a worker. */
static int run_worker(const struct usr_update *update, const struct remote_http_options *source,
	const struct image_source *target, const struct image_source *active, uint32_t align,
	struct usr_update_result *ret, struct remote_counts *ret_counts, struct error **err)
{
	static const char *const arguments[] = {"bench-delta", "worker", NULL};
	const struct worker_options options = {
		.arguments = arguments, .uid = WORKER_USER, .gid = WORKER_USER};
	_cleanup_worker_ struct worker *worker = NULL;
	struct worker_bring bring = {.image = update->image,
		.source = source,
		.target = update->target,
		.active_root = update->active_root,
		.threads = update->threads,
		.window = update->window,
		.no_patch = update->no_patch,
		.no_tree_delta = update->no_tree_delta,
		.progress = update->progress,
		.userdata = update->userdata};
	int r = worker_new(&options, &worker, err);

	if (r >= 0)
		r = place_of(target->image_fd, align, &bring.target_data, err);
	if (r >= 0)
		r = place_of(target->hash_fd, align, &bring.target_hash, err);
	if (r >= 0 && active)
		r = place_of(active->image_fd, 0, &bring.active_data, err);
	if (r >= 0 && active)
		r = place_of(active->hash_fd, 0, &bring.active_hash, err);
	if (r >= 0)
		r = worker_bring(worker, &bring, ret, err);
	if (r >= 0)
		worker_counts(worker, ret_counts);
	return r;
}

static int run_update(const struct settings *settings, const struct image_files *files, const char *url,
	const struct image_source *target, const struct image_source *active, struct error **err)
{
	const struct remote_http_options options = {.url = url,
		.authorities = settings->authorities,
		.connections = (unsigned)settings->connections,
		.stall_seconds = (unsigned)settings->stall,
		.rate = settings->rate > 0 ? fixed_rate : NULL,
		.userdata = (void *)settings};
	_cleanup_remote_http_ struct remote_http *http = NULL;
	struct block_file places[4];
	struct usr_slot target_slot = slot_of(target, places, settings->direct ? 4096 : 0), active_slot;
	struct usr_update_result result = {};
	struct remote_counts counts = {};
	struct steps steps = {.begun = clock_now(), .show = settings->progress};
	struct usr_update update = {.image = files,
		.target = &target_slot,
		.threads = (unsigned)settings->threads,
		.window = settings->window,
		.no_patch = settings->no_patch,
		.no_tree_delta = settings->no_tree_delta,
		.progress = follow,
		.userdata = &steps};
	struct remote remote;
	int r = remote_http_new(&options, &http, err);

	if (r < 0)
		return r;
	remote = remote_http_remote(http);
	update.remote = &remote;
	if (active) {
		active_slot = slot_of(active, places + 2, 0);
		update.active = &active_slot;
		update.active_root = active->root;
	}
	if (settings->worker) {
		r = run_worker(&update, &options, target, active, settings->direct ? 4096 : 0, &result,
			&counts, err);
	} else {
		r = usr_update_run(&update, &result, err);
		remote.ops->counts(remote.userdata, &counts);
	}
	print_result(&result, &counts, &steps);
	return r;
}

static int update_slot(const struct settings *settings, char **arguments, size_t count, struct error **err)
{
	_cleanup_image_files_ struct image_files files = {};
	struct image_source target, active;
	bool has_active = count > 4;
	int r = read_json(arguments[0], &files, err);

	if (r >= 0)
		r = open_image((const char *const *)arguments + 2, O_RDWR | (settings->direct ? O_DIRECT : 0),
			&target, err);
	if (r >= 0 && has_active)
		r = open_image((const char *const *)arguments + 4, O_RDONLY, &active, err);
	return r < 0 ? r
		     : run_update(settings, &files, arguments[1], &target, has_active ? &active : NULL, err);
}

/* ---- frames ---- */

static int compare_digests(const void *a, const void *b)
{
	return memcmp(a, b, SHA256_SIZE);
}

/* Marks the blocks of *image* that none of *old* has. */
static int find_missing(const struct hash_file *image, struct hash_file *old, bool *missing)
{
	uint8_t *digests = malloc(old->header.blocks * SHA256_SIZE);

	if (!digests)
		return -ENOMEM;
	memcpy(digests, old->digests, old->header.blocks * SHA256_SIZE);
	qsort(digests, old->header.blocks, SHA256_SIZE, compare_digests);
	for (uint64_t i = 0; i < image->header.blocks; i++)
		missing[i] = !bsearch(image->digests + i * SHA256_SIZE, digests, old->header.blocks,
			SHA256_SIZE, compare_digests);
	free(digests);
	return 0;
}

/* What an update costs where gaps of so many compressed bytes are fetched with what is around them. */
static void print_cost(const struct blocks_index *index, const bool *missing, uint64_t gap)
{
	uint64_t bytes = 0, between = 0;
	unsigned ranges = 0;

	for (size_t i = 0; i < index->frames; i++) {
		uint64_t first = (uint64_t)i * index->frame_blocks;
		bool needed = false;

		for (uint32_t j = 0; j < blocks_frame_blocks(index, i); j++)
			needed = needed || missing[first + j];
		if (!needed) {
			between += blocks_frame_size(index, i);
			continue;
		}
		if (ranges > 0 && between <= gap)
			bytes += between;
		else
			ranges++;
		bytes += blocks_frame_size(index, i);
		between = 0;
	}
	printf(" | %ju in %u", (uintmax_t)bytes, ranges);
}

static int print_frames(const struct settings *settings, int image_fd, const struct hash_file *image,
	bool *const *missing, size_t count, uint32_t frame, struct error **err)
{
	static const uint64_t gaps[] = {0, KiB(8), KiB(32), KiB(128)};
	const struct blocks_write_options options = {
		.frame_size = frame, .level = (int)settings->level, .threads = (unsigned)settings->threads};
	_cleanup_fclose_ FILE *file = tmpfile();
	_cleanup_free_ uint8_t *bytes = NULL;
	struct blocks_write_result result;
	struct blocks_index index;
	int r;

	if (!file)
		return error_set_errno(err, -errno, "tmpfile");
	r = blocks_write(
		image_fd, image->header.blocks * VERITY_BLOCK_SIZE, fileno(file), &options, &result, err);
	if (r < 0)
		return r;
	bytes = malloc(result.index_size);
	if (!bytes || pread_full(fileno(file), bytes, result.index_size, result.size - result.index_size) < 0)
		return error_set_errno(err, -EIO, "tmpfile");
	r = blocks_index_parse(bytes, result.index_size, result.size, image->header.blocks, &index, err);
	if (r < 0)
		return r;
	printf("| %u | %ju | %ju", frame / 1024, (uintmax_t)result.size, (uintmax_t)result.index_size);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < ARRAY_SIZE(gaps); j++)
			print_cost(&index, missing[i], gaps[j]);
	printf(" |\n");
	return fflush(stdout) == 0 ? 0 : -EIO;
}

static int frames(const struct settings *settings, char **arguments, size_t count, struct error **err)
{
	_cleanup_hash_file_ struct hash_file image = {};
	struct image_source new;
	bool *missing[IMAGE_DELTAS_MAX] = {};
	size_t olds = 0;
	int r = open_image((const char *const *)arguments, O_RDONLY, &new, err);

	if (r >= 0)
		r = hash_file_read(new.hash_fd, &image, err);
	for (size_t i = 2; i + 1 < count && r >= 0; i += 2) {
		_cleanup_hash_file_ struct hash_file old = {};
		struct image_source files;

		r = open_image((const char *const *)arguments + i, O_RDONLY, &files, err);
		if (r >= 0)
			r = hash_file_read(files.hash_fd, &old, err);
		missing[olds] = calloc(image.header.blocks, sizeof(bool));
		if (r >= 0 && (!missing[olds] || find_missing(&image, &old, missing[olds]) < 0))
			r = error_set_errno(err, -ENOMEM, "blocks");
		olds++;
	}
	printf("frame KiB | file | seek table; for each old image bytes in ranges, gaps of 0, 8, 32, 128 KiB "
	       "joined\n");
	for (uint32_t frame = 4096; frame <= 512 * 1024 && r >= 0; frame *= 2)
		r = print_frames(settings, new.image_fd, &image, missing, olds, frame, err);
	for (size_t i = 0; i < olds; i++)
		free(missing[i]);
	return r;
}

/* ---- patches ---- */

static int print_patch(const struct settings *settings, const struct patch_images *images, uint32_t frame,
	uint32_t source, bool no_difference, struct error **err)
{
	const struct patch_write_options options = {.frame_blocks = frame,
		.source_blocks = source,
		.no_difference = no_difference,
		.threads = (unsigned)settings->threads};
	_cleanup_buffer_ struct buffer bytes = {};
	double begin = clock_now();
	uint64_t index;
	int r = patch_write(images, &options, &bytes, &index, err);

	if (r < 0)
		return r;
	printf("| %u | %u | %s | %zu | %ju | %.1f |\n", frame * 4, source * 4,
		no_difference ? "prefix" : "prefix or difference", bytes.size, (uintmax_t)index,
		clock_now() - begin);
	return fflush(stdout) == 0 ? 0 : -EIO;
}

static int patches(const struct settings *settings, char **arguments, size_t count, struct error **err)
{
	static const struct {
		uint32_t frame, source;
		bool no_difference;
	} rows[] = {{128, 512, true}, {32, 128, false}, {64, 256, false}, {128, 256, false},
		{128, 512, false}, {128, 1024, false}, {256, 512, false}, {256, 1024, false}};
	_cleanup_hash_file_ struct hash_file new_hash = {}, old_hash = {};
	struct image_source new, old;
	int r = open_image((const char *const *)arguments, O_RDONLY, &new, err);

	(void)count;
	if (r >= 0)
		r = open_image((const char *const *)arguments + 2, O_RDONLY, &old, err);
	if (r >= 0)
		r = hash_file_read(new.hash_fd, &new_hash, err);
	if (r >= 0)
		r = hash_file_read(old.hash_fd, &old_hash, err);
	if (r < 0)
		return r;
	struct patch_images images = {.old_fd = old.image_fd,
		.new_fd = new.image_fd,
		.old_blocks = old_hash.header.blocks,
		.new_blocks = new_hash.header.blocks,
		.old_digests = old_hash.digests,
		.new_digests = new_hash.digests};

	printf("| frame KiB | source KiB | method | bytes | index | seconds |\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows) && r >= 0; i++)
		r = print_patch(settings, &images, rows[i].frame, rows[i].source, rows[i].no_difference, err);
	return r;
}

/* ---- Arguments ---- */

static int parse(int argc, char **argv, struct settings *ret)
{
	static const struct option options[] = {{"no-patch", no_argument, NULL, 'p'},
		{"no-tree-delta", no_argument, NULL, 't'}, {"direct", no_argument, NULL, 'd'},
		{"worker", no_argument, NULL, 'x'}, {"progress", no_argument, NULL, 'v'},
		{"level", required_argument, NULL, 'l'}, {"threads", required_argument, NULL, 'j'},
		{"rate", required_argument, NULL, 'r'}, {"window", required_argument, NULL, 'w'},
		{"stall", required_argument, NULL, 's'}, {"connections", required_argument, NULL, 'c'},
		{"cacert", required_argument, NULL, 'a'}, {}};
	int option, r = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0 && r >= 0) {
		ret->no_patch = ret->no_patch || option == 'p';
		ret->no_tree_delta = ret->no_tree_delta || option == 't';
		ret->direct = ret->direct || option == 'd';
		ret->worker = ret->worker || option == 'x';
		ret->progress = ret->progress || option == 'v';
		if (option == 'l')
			r = parse_u64(optarg, &ret->level);
		else if (option == 'j')
			r = parse_u64(optarg, &ret->threads);
		else if (option == 'r')
			r = parse_size(optarg, &ret->rate);
		else if (option == 'w')
			r = parse_u64(optarg, &ret->window);
		else if (option == 's')
			r = parse_u64(optarg, &ret->stall);
		else if (option == 'c')
			r = parse_u64(optarg, &ret->connections);
		else if (option == 'a')
			ret->authorities = optarg;
		else if (option == '?')
			r = -EINVAL;
	}
	return r;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(
			const struct settings *settings, char **arguments, size_t count, struct error **err);
		size_t least;
	} modes[] = {{"publish", publish, 3}, {"update", update_slot, 4}, {"frames", frames, 2},
		{"patches", patches, 4}, {"hash", hash, 3}};
	_cleanup_error_ struct error *err = NULL;
	struct settings settings = {};
	const char *mode = argc > 1 ? argv[1] : "";

	if (argc == 2 && streq(mode, "worker"))
		worker_main();
	if (argc > 1 && parse(argc - 1, argv + 1, &settings) >= 0)
		for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
			size_t count = (size_t)(argc - 1 - optind);

			if (!streq(mode, modes[i].name) || count < modes[i].least)
				continue;
			if (modes[i].run(&settings, argv + 1 + optind, count, &err) >= 0)
				return 0;
			fprintf(stderr, "bench-delta: %s\n", error_message(err));
			return 1;
		}
	fprintf(stderr, "usage: bench-delta publish|update|frames|patches|hash [OPTION]… ARGUMENT…\n");
	return 2;
}
