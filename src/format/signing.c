/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/signing.h"

#include <errno.h>
#include <string.h>

#include "base/string-util.h"

static struct signing_item *item_free(struct signing_item *item)
{
	if (!item)
		return NULL;
	free(item->name);
	free(item->about);
	buffer_release(&item->data);
	buffer_release(&item->signature);
	signer_free(item->asking);
	free(item);
	return NULL;
}
DEFINE_CLEANUP(struct signing_item *, item_free);

void signing_release(struct signing *list)
{
	for (size_t i = 0; i < list->count; i++)
		(void)item_free(list->items[i]);
	free(list->items);
	*list = (struct signing){};
}

bool signing_name_is_valid(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return length > 0 && length <= SIGNING_NAME_MAX && name[length] == 0 && name[0] != '-';
}

static struct signing_item *find(const struct signing *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (streq(list->items[i]->name, name))
			return list->items[i];
	return NULL;
}

const struct signing_item *signing_find(const struct signing *list, const char *name)
{
	return find(list, name);
}

static struct signing_item *find_or_add(struct signing *list, const char *name)
{
	_cleanup_(item_freep) struct signing_item *item = NULL;
	struct signing_item **items, *found = find(list, name);

	if (found)
		return found;
	items = reallocarray(list->items, list->count + 1, sizeof(*items));
	if (!items)
		return NULL;
	list->items = items;
	item = calloc(1, sizeof(*item));
	if (!item)
		return NULL;
	item->name = strdup(name);
	if (!item->name)
		return NULL;
	return list->items[list->count++] = TAKE_PTR(item);
}

int signing_give(
	struct signing *list, const char *name, const void *signature, size_t size, struct error **err)
{
	struct signing_item *item = find_or_add(list, name);

	if (item) {
		buffer_release(&item->signature);
		buffer_append(&item->signature, signature, size);
	}
	return item && !buffer_failed(&item->signature) ? 0 : error_set_errno(err, -ENOMEM, "%s", name);
}

static int check_given(const struct signing_item *item, struct error **err)
{
	size_t length = signer_length(item->by);
	int r;

	if (item->signature.size != length)
		return error_set(err, -EKEYREJECTED,
			"the signature %s has %zu bytes, and not the %zu of the key of %s", item->name,
			item->signature.size, length, signer_subject(item->by));
	r = signer_verify(item->by, item->data.data, item->data.size, item->signature.data, length);
	if (r == -EBADMSG)
		return error_set(err, -EKEYREJECTED,
			"the signature %s is not one of %s over what it is for: it was made with another "
			"key, of other data, or is damaged",
			item->name, signer_subject(item->by));
	return r < 0 ? error_set_errno(err, r, "%s", item->name) : 0;
}

/* What a signer of the list does. */
static int sign(
	void *userdata, const void *data, size_t size, uint8_t *ret, size_t length, struct error **err)
{
	struct signing_item *item = userdata;
	int r = 0;

	buffer_append(&item->data, data, size);
	if (buffer_failed(&item->data))
		return error_set_errno(err, -ENOMEM, "%s", item->name);
	if (item->signature.size > 0)
		r = check_given(item, err);
	else if (signer_has_key(item->by))
		r = signer_sign(item->by, data, size, &item->signature, err);
	if (r < 0)
		return r;
	if (item->signature.size > 0)
		memcpy(ret, item->signature.data, length);
	else
		memset(ret, 0, length);
	return 0;
}

/* Moves the item behind those that were asked for before. */
static void put_in_order(struct signing *list, struct signing_item *item)
{
	size_t at = list->asked;

	while (list->items[at] != item)
		at++;
	memmove(&list->items[list->asked + 1], &list->items[list->asked],
		(at - list->asked) * sizeof(*list->items));
	list->items[list->asked++] = item;
}

int signing_request(struct signing *list, const struct signer *by, const char *name, const char *about,
	const struct signer **ret, struct error **err)
{
	struct signing_item *item = find_or_add(list, name);
	int r;

	if (!item)
		return error_set_errno(err, -ENOMEM, "%s", name);
	if (item->asking)
		return error_set(err, -EEXIST, "the signature %s is asked for twice", name);
	item->by = by;
	item->about = strdup(about);
	if (!item->about)
		return error_set_errno(err, -ENOMEM, "%s", name);
	r = signer_new_asking(by, sign, item, &item->asking, err);
	if (r < 0)
		return r;
	put_in_order(list, item);
	*ret = item->asking;
	return 0;
}

const struct signing_item *signing_missing(const struct signing *list, size_t *from)
{
	for (; *from < list->count; (*from)++)
		if (list->items[*from]->by && list->items[*from]->signature.size == 0)
			return list->items[(*from)++];
	return NULL;
}
