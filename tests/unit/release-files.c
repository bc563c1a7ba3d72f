/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release-files.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/string-util.h"
#include "format/verity.h"
#include "trees.h"

const struct verity_options test_verity = {.uuid = {1, 2, 3}, .salt = {9, 8, 7, 6}, .salt_size = 32};

void test_image_release(struct test_image *image)
{
	free(image->data);
	free(image->hash);
	*image = (struct test_image){};
}

void test_image_hash(struct test_image *image)
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	_cleanup_verity_ struct verity *tree = NULL;
	const uint8_t *file;

	assert_int_equal(verity_new(&test_verity, image->blocks, &tree, NULL), 0);
	verity_hash(tree, context, 0, image->data, image->blocks);
	assert_int_equal(verity_finish(tree, &file, image->root), 0);
	image->hash_size = verity_size(tree);
	free(image->hash);
	image->hash = malloc(image->hash_size);
	assert_non_null(image->hash);
	memcpy(image->hash, file, image->hash_size);
}

static void fill_block(uint8_t *block, uint64_t *seed)
{
	static const char words[] =
		"the orlop is the lowest deck of a ship: the one beneath the containers. ";
	uint64_t base = random_next(seed);

	for (size_t i = 0; i < VERITY_BLOCK_SIZE; i += 8)
		if (random_below(seed, 3) == 0)
			write_le64(block + i, base + i);
		else
			memcpy(block + i, words + random_below(seed, sizeof(words) - 9), 8);
}

void test_image_make(struct test_image *ret, size_t blocks, uint64_t seed)
{
	*ret = (struct test_image){.blocks = blocks, .data = calloc(blocks, VERITY_BLOCK_SIZE)};
	assert_non_null(ret->data);
	for (size_t i = 0; i < blocks; i++)
		if (random_below(&seed, 20) > 0)
			fill_block(ret->data + i * VERITY_BLOCK_SIZE, &seed);
	test_image_hash(ret);
}

void test_image_change(const struct test_image *old, struct test_image *ret, uint64_t seed)
{
	size_t shift = random_below(&seed, 30), blocks = old->blocks + random_below(&seed, 20);

	*ret = (struct test_image){.blocks = blocks, .data = calloc(blocks, VERITY_BLOCK_SIZE)};
	assert_non_null(ret->data);
	for (size_t i = 0; i < blocks; i++) {
		uint8_t *block = ret->data + i * VERITY_BLOCK_SIZE;
		uint64_t kind = random_below(&seed, 20);

		if (kind == 0)
			fill_block(block, &seed);
		else
			memcpy(block, old->data + (i + shift) % old->blocks * VERITY_BLOCK_SIZE,
				VERITY_BLOCK_SIZE);
		for (size_t j = 0; kind < 4 && kind > 0 && j < 20; j++)
			block[random_below(&seed, VERITY_BLOCK_SIZE)]++;
	}
	test_image_hash(ret);
}

static int file_of(const void *data, size_t size)
{
	FILE *file = tmpfile();
	int fd;

	assert_non_null(file);
	fd = dup(fileno(file));
	(void)fclose(file);
	assert_int_equal(pwrite_full(fd, data, size, 0), 0);
	return fd;
}

static struct image_source open_image(const struct test_image *image)
{
	struct image_source files = {.image_fd = file_of(image->data, image->blocks * VERITY_BLOCK_SIZE),
		.hash_fd = file_of(image->hash, image->hash_size)};

	memcpy(files.root, image->root, SHA256_SIZE);
	return files;
}

void test_publish(const char *folder, const struct test_image *image, const struct test_image *old,
	size_t count, struct image_files *ret)
{
	const struct image_write_options options = {.level = 3};
	struct image_source images[8];
	_cleanup_error_ struct error *err = NULL;

	assert_true(count < ARRAY_SIZE(images));
	images[0] = open_image(image);
	for (size_t i = 0; i < count; i++)
		images[i + 1] = open_image(&old[i]);
	assert_ok(image_write(folder, &images[0], &images[1], count, &options, ret, &err), err);
	for (size_t i = 0; i <= count; i++) {
		(void)close(images[i].image_fd);
		(void)close(images[i].hash_fd);
	}
}

static int feed(struct test_remote *remote, const struct remote_request *request, size_t range, uint8_t *data,
	struct error **err)
{
	uint64_t size = request->ranges[range].size, chunk = remote->chunk > 0 ? remote->chunk : 1000;
	int r = 0;

	for (uint64_t at = 0; at < size && r >= 0; at += chunk)
		r = request->sink(range, data + at, (size_t)MIN(chunk, size - at), request->userdata, err);
	return r;
}

static int fetch(void *userdata, const struct remote_request *request, struct error **err)
{
	struct test_remote *remote = userdata;
	_cleanup_free_ char *path = string_format("%s/%s", remote->folder, request->name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = 0;

	if (fd < 0 || (remote->absent && streq(remote->absent, request->name)))
		return error_set(err, -ENOENT, "%s: not there", request->name);
	for (size_t i = 0; i < request->count && r >= 0; i++) {
		const struct remote_range *range = &request->ranges[i];
		_cleanup_free_ uint8_t *data = malloc(range->size);
		uint64_t wrong = remote->damage_at - range->offset;

		assert_true(range->offset + range->size <= request->file_size);
		assert_int_equal(pread_full(fd, data, range->size, range->offset), 0);
		if (remote->damaged && streq(remote->damaged, request->name) && wrong < range->size &&
			!(request->again && remote->damaged_in_cache))
			data[wrong] ^= 0x10;
		remote->counts.requests++;
		remote->counts.bytes += range->size;
		if (endswith(request->name, ".patch"))
			remote->fetched_of_patch += range->size;
		if (endswith(request->name, ".blocks.zst"))
			remote->fetched_of_image += range->size;
		r = feed(remote, request, i, data, err);
	}
	return r;
}

static void get_counts(void *userdata, struct remote_counts *ret)
{
	*ret = ((struct test_remote *)userdata)->counts;
}

struct remote test_remote(struct test_remote *remote)
{
	static const struct remote_ops ops = {.fetch = fetch, .counts = get_counts};

	return (struct remote){.ops = &ops, .userdata = remote, .parallel = 1};
}
