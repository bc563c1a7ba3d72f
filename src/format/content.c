/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/content.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

struct content {
	atomic_uint references;
	size_t size;
	uint8_t *data;
	struct content *whole; /* that *data* lies in; NULL: it is our own */
	_Atomic(struct digests *) digests;
};

static struct content *make(uint8_t *data, size_t size, struct content *whole)
{
	struct content *content = calloc(1, sizeof(*content));

	if (!content)
		return NULL;
	content->references = 1;
	content->size = size;
	content->data = data;
	content->whole = whole ? content_ref(whole) : NULL;
	return content;
}

struct content *content_new(void *data, size_t size)
{
	uint8_t *grown = realloc(data, size + 1);
	struct content *content = grown ? make(grown, size, NULL) : NULL;

	if (!content) {
		free(grown ? grown : data);
		return NULL;
	}
	grown[size] = 0;
	return content;
}

struct content *content_copy(const void *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);

	if (!copy)
		return NULL;
	if (size > 0)
		memcpy(copy, data, size);
	return content_new(copy, size);
}

struct content *content_slice(struct content *whole, size_t offset, size_t size)
{
	uint8_t *data = whole->data + offset;

	assert(offset <= whole->size && size <= whole->size - offset);
	return data[size] == 0 ? make(data, size, whole) : content_copy(data, size);
}

struct content *content_detach(struct content *content)
{
	struct digests *digests = atomic_load(&content->digests);
	struct content *copy;

	if (!content->whole)
		return content_ref(content);
	copy = content_copy(content->data, content->size);
	if (copy && digests)
		content_set_digests(copy, digests);
	return copy;
}

struct content *content_ref(struct content *content)
{
	atomic_fetch_add_explicit(&content->references, 1, memory_order_relaxed);
	return content;
}

struct content *content_unref(struct content *content)
{
	if (content && atomic_fetch_sub_explicit(&content->references, 1, memory_order_acq_rel) == 1) {
		if (content->whole)
			content_unref(content->whole);
		else
			free(content->data);
		free(atomic_load(&content->digests));
		free(content);
	}
	return NULL;
}

const uint8_t *content_data(const struct content *content)
{
	return content->data;
}

size_t content_size(const struct content *content)
{
	return content->size;
}

/* Whoever comes first; all others' are the same. */
static void publish(struct content *content, struct digests *digests)
{
	struct digests *none = NULL;

	if (!atomic_compare_exchange_strong(&content->digests, &none, digests))
		free(digests);
}

int content_digests(struct content *content, const struct digests **ret)
{
	*ret = atomic_load(&content->digests);
	if (!*ret) {
		_cleanup_free_ struct digests *digests = malloc(sizeof(*digests));

		if (!digests || digests_compute(content->data, content->size, digests) < 0)
			return -ENOMEM;
		publish(content, TAKE_PTR(digests));
		*ret = atomic_load(&content->digests);
	}
	return 0;
}

void content_set_digests(struct content *content, const struct digests *digests)
{
	struct digests *copy = malloc(sizeof(*copy));

	if (!copy)
		return;
	*copy = *digests;
	publish(content, copy);
}
