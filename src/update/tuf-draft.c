/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "base/encoding.h"
#include "update/tuf-client-work.h"

void tuf_draft_release(struct tuf_draft *draft)
{
	buffer_release(&draft->data);
	tuf_metadata_release(&draft->metadata);
	*draft = (struct tuf_draft){};
}

void tuf_draft_take(struct tuf_draft *draft, struct tuf_metadata *ret)
{
	tuf_metadata_release(ret);
	*ret = draft->metadata;
	draft->metadata = (struct tuf_metadata){};
}

static int parse(const struct tuf_order *order, struct tuf_draft *draft, struct error **err)
{
	return tuf_metadata_parse(draft->data.data, draft->data.size, order->type, &draft->metadata, err);
}

/* Length and digests (5.5.2, 5.6.2), where they are known. */
static int check_bytes(const struct tuf_draft *draft, const struct tuf_meta *meta, struct error **err)
{
	if (meta && meta->has_length && draft->data.size != meta->length)
		return error_set(err, -EBADMSG, "it has %zu bytes, and the signed metadata says %ju",
			draft->data.size, (uintmax_t)meta->length);
	if (meta && meta->has_hashes)
		return tuf_hashes_check_bytes(&meta->hashes, draft->data.data, draft->data.size, err);
	return 0;
}

int tuf_draft_load(const struct tuf_client *client, const struct tuf_order *order, struct tuf_draft *ret)
{
	int r = client->io.load(client->io.userdata, order->name, order->max, &ret->data, NULL);

	/* The caller's word for it is not all: it may have come from another process. */
	if (r >= 0 && (ret->data.size == 0 || ret->data.size > order->max))
		r = -EBADMSG;
	if (r >= 0)
		r = parse(order, ret, NULL);
	if (r >= 0)
		r = tuf_verify(&ret->metadata, order->keys, order->role, NULL);
	if (r >= 0)
		return 1;
	tuf_draft_release(ret);
	return r == -ENOMEM ? r : 0;
}

/* Where the length is known, it takes the place of the general limit (5.5.1, 5.6.1). */
static int fetch_bytes(const struct tuf_client *client, const struct tuf_order *order,
	struct tuf_draft *draft, struct error **err)
{
	uint64_t max = order->meta && order->meta->has_length ? order->meta->length : order->max;
	int r;

	if (max > order->max)
		return error_set(err, -EFBIG,
			"the signed metadata says %ju bytes, and more than %ju are refused", (uintmax_t)max,
			(uintmax_t)order->max);
	r = client->io.fetch(client->io.userdata, order->remote, max, &draft->data, err);
	if (r >= 0 && draft->data.size > max)
		r = error_set(err, -EFBIG, "longer than %ju bytes", (uintmax_t)max);
	return r < 0 ? r : check_bytes(draft, order->meta, err);
}

static int check_version(const struct tuf_draft *draft, const struct tuf_meta *meta, struct error **err)
{
	if (!meta || draft->metadata.version == meta->version)
		return 0;
	return error_set(err, -EBADMSG, "it is version %ju, and the signed metadata says %ju",
		(uintmax_t)draft->metadata.version, (uintmax_t)meta->version);
}

int tuf_draft_fetch(const struct tuf_client *client, const struct tuf_order *order, struct tuf_draft *ret,
	struct error **err)
{
	int r = fetch_bytes(client, order, ret, err);

	if (r >= 0)
		r = parse(order, ret, err);
	if (r >= 0)
		r = tuf_verify(&ret->metadata, order->keys, order->role, err);
	if (r >= 0)
		r = check_version(ret, order->meta, err);
	return r < 0 ? error_wrap(err, "%s", order->remote), r : 0;
}

bool tuf_draft_is_current(const struct tuf_draft *draft, const struct tuf_order *order)
{
	return check_version(draft, order->meta, NULL) == 0 && check_bytes(draft, order->meta, NULL) == 0;
}

int tuf_draft_adopt(const struct tuf_client *client, const struct tuf_order *order, struct tuf_draft *draft,
	struct tuf_metadata *ret, struct error **err)
{
	int r = tuf_client_store(client, order->name, &draft->data, err);

	if (r >= 0)
		tuf_draft_take(draft, ret);
	return r;
}

int tuf_client_store(
	const struct tuf_client *client, const char *name, const struct buffer *data, struct error **err)
{
	int r = client->io.store(
		client->io.userdata, name, data ? data->data : NULL, data ? data->size : 0, err);

	return r < 0 ? error_wrap(err, data ? "%s can't be kept" : "the copy of %s can't be removed", name),
	       r     : 0;
}

int tuf_check_expiry(const struct tuf_client *client, const char *name, const struct tuf_metadata *metadata,
	struct error **err)
{
	char expired[TUF_TIME_SIZE] = "", now[TUF_TIME_SIZE] = "an unlikely time";

	if (metadata->expires > client->now)
		return 0;
	(void)tuf_time_format(metadata->expires, expired);
	(void)tuf_time_format(client->now, now);
	return error_set(err, -EKEYEXPIRED, "%s: version %ju expired at %s, and this machine's clock says %s",
		name, (uintmax_t)metadata->version, expired, now);
}
