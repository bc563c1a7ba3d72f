/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/tuf-client.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/string-util.h"
#include "update/tuf-client-work.h"

/* ---- Life ---- */

int tuf_client_new(const struct tuf_client_options *options, struct tuf_client **ret, struct error **err)
{
	_cleanup_tuf_client_ struct tuf_client *client = calloc(1, sizeof(*client));
	struct tuf_metadata *root;
	int r;

	if (!client)
		return error_set_errno(err, -ENOMEM, "metadata");
	client->io = *options->io;
	client->now = options->now;
	root = &client->trusted[TUF_ROOT];
	buffer_append(&client->root, options->root, options->root_size);
	if (buffer_failed(&client->root))
		return error_set_errno(err, -ENOMEM, "metadata");
	r = tuf_metadata_parse(options->root, options->root_size, TUF_ROOT, root, err);
	if (r >= 0)
		r = tuf_verify(root, &root->keys, &root->roles[TUF_ROOT], err);
	if (r < 0)
		return error_wrap(err, "the root that is trusted to begin with"), r;
	*ret = TAKE_PTR(client);
	return 0;
}

struct tuf_client *tuf_client_free(struct tuf_client *client)
{
	if (client) {
		for (enum tuf_type type = TUF_ROOT; type < TUF_TYPES; type++)
			tuf_metadata_release(&client->trusted[type]);
		buffer_release(&client->root);
		free(client);
	}
	return NULL;
}

const struct tuf_metadata *tuf_client_metadata(const struct tuf_client *client, enum tuf_type type)
{
	return client->trusted[type].version > 0 ? &client->trusted[type] : NULL;
}

/* ---- root (5.3) ---- */

/* The walk over the chain of roots. */
struct walk {
	/*
	 * The root that the kept timestamp and snapshot were last reconciled with: what was kept as
	 * root.json, which nothing proves, or one of the chain.
	 */
	const struct tuf_metadata *settled;
	struct tuf_draft kept;
	unsigned fetched;
};

static void walk_release(struct walk *walk)
{
	tuf_draft_release(&walk->kept);
}

static bool has_key(const struct tuf_role *role, const char *id)
{
	for (size_t i = 0; i < role->count; i++)
		if (streq(role->keyids[i], id))
			return true;
	return false;
}

/* A key that was trusted is not any more. Further keys and another threshold take nothing back. */
static bool has_lost_key(const struct tuf_role *old, const struct tuf_role *new)
{
	for (size_t i = 0; i < old->count; i++)
		if (!has_key(new, old->keyids[i]))
			return true;
	return false;
}

static bool has_rotated(const struct tuf_metadata *old, const struct tuf_metadata *new)
{
	return has_lost_key(&old->roles[TUF_TIMESTAMP], &new->roles[TUF_TIMESTAMP]) ||
	       has_lost_key(&old->roles[TUF_SNAPSHOT], &new->roles[TUF_SNAPSHOT]);
}

/*
 * Keeps the trusted root as root.json (5.3.8). Where it took a key from timestamp or snapshot, their copies
 * are deleted (5.3.11): who had that key may have signed versions that are never reached again. That comes
 * first, so that it is made up for where it was cut between the two.
 */
static int keep_root(const struct tuf_client *client, bool rotated, struct error **err)
{
	int r = 0;

	if (rotated) {
		r = tuf_client_store(client, "timestamp.json", NULL, err);
		if (r >= 0)
			r = tuf_client_store(client, "snapshot.json", NULL, err);
	}
	return r < 0 ? r : tuf_client_store(client, "root.json", &client->root, err);
}

/* Finds out what the copies that were kept were last reconciled with. */
static int begin_walk(const struct tuf_client *client, struct walk *walk, struct error **err)
{
	const struct tuf_metadata *root = &client->trusted[TUF_ROOT], *kept = &walk->kept.metadata;
	struct buffer *data = &walk->kept.data;
	bool is_kept;
	int r = client->io.load(client->io.userdata, "root.json", TUF_ROOT_MAX, data, NULL);

	if (r >= 0)
		r = tuf_metadata_parse(data->data, data->size, TUF_ROOT, &walk->kept.metadata, NULL);
	is_kept = r >= 0;
	walk->settled = is_kept && kept->version >= root->version ? kept : root;
	if (walk->settled == kept)
		return 0;
	return keep_root(client, is_kept && has_rotated(kept, root), err);
}

/* Mends root.json where it is not the root that the walk came to. */
static int end_walk(const struct tuf_client *client, const struct walk *walk, struct error **err)
{
	const struct buffer *kept = &walk->kept.data, *root = &client->root;

	if (walk->settled != &walk->kept.metadata ||
		(kept->size == root->size && memcmp(kept->data, root->data, root->size) == 0))
		return 0;
	return keep_root(client, false, err);
}

/* 5.3.4: signed as the root before it wants, and as it wants itself. */
static int verify_root(
	const struct tuf_metadata *trusted, const struct tuf_metadata *root, struct error **err)
{
	int r = tuf_verify(root, &trusted->keys, &trusted->roles[TUF_ROOT], err);

	if (r < 0)
		return error_wrap(err, "by the keys of version %ju", (uintmax_t)trusted->version), r;
	r = tuf_verify(root, &root->keys, &root->roles[TUF_ROOT], err);
	return r < 0 ? error_wrap(err, "by its own keys"), r : 0;
}

/* Returns 1 where the copy that was kept is the next root, 0 where there is none that can be used. */
static int load_root(const struct tuf_client *client, const char *name, struct tuf_draft *ret)
{
	const struct tuf_metadata *trusted = &client->trusted[TUF_ROOT];
	const struct tuf_order order = {.name = name,
		.type = TUF_ROOT,
		.max = TUF_ROOT_MAX,
		.keys = &trusted->keys,
		.role = &trusted->roles[TUF_ROOT]};
	int r = tuf_draft_load(client, &order, ret);

	if (r > 0 && (ret->metadata.version != trusted->version + 1 ||
			     verify_root(trusted, &ret->metadata, NULL) < 0)) {
		tuf_draft_release(ret);
		return 0;
	}
	return r;
}

/* 5.3.5. Returns 1: it is the next one; 0: it is the one that we have. */
static int check_root_version(
	const struct tuf_metadata *trusted, const struct tuf_metadata *root, struct error **err)
{
	if (root->version == trusted->version || root->version == trusted->version + 1)
		return root->version > trusted->version;
	return error_set(err, root->version < trusted->version ? -ESTALE : -EBADMSG,
		"the document is version %ju of root", (uintmax_t)root->version);
}

/* 5.3.3 to 5.3.5. Returns 1 where the next root came, 0 where there is none. */
static int fetch_root(
	const struct tuf_client *client, const char *name, struct tuf_draft *ret, struct error **err)
{
	const struct tuf_metadata *trusted = &client->trusted[TUF_ROOT];
	_cleanup_error_ struct error *fault = NULL;
	int r = client->io.fetch(client->io.userdata, name, TUF_ROOT_MAX, &ret->data, &fault);

	/* There are servers that don't tell what is not there from what may not be seen. */
	if (r == -ENOENT || r == -EACCES)
		return 0;
	if (r < 0)
		error_move(err, TAKE_PTR(fault));
	if (r >= 0)
		r = tuf_metadata_parse(ret->data.data, ret->data.size, TUF_ROOT, &ret->metadata, err);
	if (r >= 0)
		r = verify_root(trusted, &ret->metadata, err);
	if (r >= 0)
		r = check_root_version(trusted, &ret->metadata, err);
	return r < 0 ? error_wrap(err, "%s", name), r : r;
}

/* Makes the next root the trusted one, and keeps it. */
static int adopt_root(struct tuf_client *client, struct walk *walk, const char *name, bool is_new,
	struct tuf_draft *draft, struct error **err)
{
	struct tuf_metadata *root = &client->trusted[TUF_ROOT];
	bool settles = draft->metadata.version > walk->settled->version;
	bool rotated = settles && has_rotated(walk->settled, &draft->metadata);
	int r = 0;

	tuf_draft_take(draft, root);
	buffer_release(&client->root);
	client->root = draft->data;
	draft->data = (struct buffer){};
	if (is_new)
		r = tuf_client_store(client, name, &client->root, err);
	if (!settles)
		return r;
	walk->settled = root;
	return r < 0 ? r : keep_root(client, rotated, err);
}

/* One round of 5.3.2 to 5.3.9. Returns 1 where the next root is trusted now, 0 where there is none. */
static int step_root(struct tuf_client *client, struct walk *walk, struct error **err)
{
	_cleanup_tuf_draft_ struct tuf_draft draft = {};
	char name[sizeof("18446744073709551615.root.json")];
	bool is_new;
	int r;

	(void)snprintf(name, sizeof(name), "%ju.root.json", (uintmax_t)client->trusted[TUF_ROOT].version + 1);
	r = load_root(client, name, &draft);
	is_new = r == 0;
	if (is_new && walk->fetched++ < TUF_ROOTS_MAX)
		r = fetch_root(client, name, &draft, err);
	if (r <= 0)
		return r;
	r = adopt_root(client, walk, name, is_new, &draft, err);
	return r < 0 ? r : 1;
}

static int refresh_root(struct tuf_client *client, struct error **err)
{
	_cleanup_(walk_release) struct walk walk = {};
	int r = begin_walk(client, &walk, err);

	if (r < 0)
		return r;
	do
		r = step_root(client, &walk, err);
	while (r > 0);
	if (r < 0)
		return r;
	r = end_walk(client, &walk, err);
	if (r < 0)
		return r;
	return tuf_check_expiry(client, "root.json", &client->trusted[TUF_ROOT], err); /* 5.3.10 */
}

/* ---- timestamp (5.4) ---- */

static const struct tuf_meta *snapshot_of(const struct tuf_metadata *timestamp)
{
	return tuf_find_meta(timestamp, "snapshot.json");
}

/* *what* was of a higher version before. */
static int rollback(const char *name, const char *what, uint64_t now, uint64_t before, struct error **err)
{
	return error_set(err, -ESTALE, "%s: version %ju of %s, and version %ju was trusted before", name,
		(uintmax_t)now, what, (uintmax_t)before);
}

/* 5.4.3. Returns 1: it is a newer one; 0: it is the one that was kept. */
static int check_timestamp_version(
	const struct tuf_metadata *kept, const struct tuf_metadata *new, struct error **err)
{
	static const char name[] = "timestamp.json";

	if (new->version < kept->version)
		return rollback(name, "timestamp", new->version, kept->version, err);
	if (new->version == kept->version)
		return 0;
	if (snapshot_of(new)->version < snapshot_of(kept)->version)
		return rollback(name, "snapshot", snapshot_of(new)->version, snapshot_of(kept)->version, err);
	return 1;
}

static int refresh_timestamp(struct tuf_client *client, struct error **err)
{
	const struct tuf_metadata *root = &client->trusted[TUF_ROOT];
	const struct tuf_order order = {.name = "timestamp.json",
		.remote = "timestamp.json",
		.type = TUF_TIMESTAMP,
		.max = TUF_TIMESTAMP_MAX,
		.keys = &root->keys,
		.role = &root->roles[TUF_TIMESTAMP]};
	_cleanup_tuf_draft_ struct tuf_draft kept = {}, draft = {};
	struct tuf_draft *current = &draft;
	bool has_kept;
	int r = tuf_draft_load(client, &order, &kept);

	has_kept = r > 0;
	if (r >= 0)
		r = tuf_draft_fetch(client, &order, &draft, err);
	if (r >= 0)
		r = has_kept ? check_timestamp_version(&kept.metadata, &draft.metadata, err) : 1;
	if (r == 0)
		current = &kept; /* nothing is new, and nothing of what came is taken */
	if (r >= 0)
		r = tuf_check_expiry(client, order.name, &current->metadata, err);
	if (r >= 0 && current == &draft)
		r = tuf_client_store(client, order.name, &draft.data, err);
	if (r >= 0)
		tuf_draft_take(current, &client->trusted[TUF_TIMESTAMP]);
	return r;
}

/* ---- snapshot (5.5) ---- */

/* With consistent snapshots, what is once published stays under its name: VERSION.NAME. */
static char *remote_name(const struct tuf_client *client, const struct tuf_meta *meta, const char *name)
{
	if (!client->trusted[TUF_ROOT].consistent_snapshot)
		return strdup(name);
	return string_format("%ju.%s", (uintmax_t)meta->version, name);
}

/* 5.5.5: no document is older than it was, and none is missing. */
static int check_snapshot_versions(
	const struct tuf_metadata *kept, const struct tuf_metadata *new, const char *name, struct error **err)
{
	if (new->version < kept->version)
		return rollback(name, "snapshot", new->version, kept->version, err);
	for (size_t i = 0; i < kept->meta_count; i++) {
		const struct tuf_meta *old = &kept->metas[i], *meta = tuf_find_meta(new, old->name);

		if (!meta)
			return error_set(err, -ESTALE, "%s: it does not list %s, which was listed before",
				name, old->name);
		if (meta->version < old->version)
			return rollback(name, old->name, meta->version, old->version, err);
	}
	return 0;
}

static int fetch_snapshot(struct tuf_client *client, const struct tuf_order *order,
	const struct tuf_draft *kept, struct tuf_draft *draft, struct error **err)
{
	int r = tuf_draft_fetch(client, order, draft, err);

	if (r >= 0 && kept->metadata.version > 0)
		r = check_snapshot_versions(&kept->metadata, &draft->metadata, order->remote, err);
	if (r >= 0)
		r = tuf_check_expiry(client, order->remote, &draft->metadata, err);
	return r < 0 ? r : tuf_draft_adopt(client, order, draft, &client->trusted[TUF_SNAPSHOT], err);
}

static int refresh_snapshot(struct tuf_client *client, struct error **err)
{
	const struct tuf_metadata *root = &client->trusted[TUF_ROOT];
	const struct tuf_meta *meta = snapshot_of(&client->trusted[TUF_TIMESTAMP]);
	_cleanup_free_ char *remote = remote_name(client, meta, "snapshot.json");
	const struct tuf_order order = {.name = "snapshot.json",
		.remote = remote,
		.type = TUF_SNAPSHOT,
		.max = TUF_SNAPSHOT_MAX,
		.meta = meta,
		.keys = &root->keys,
		.role = &root->roles[TUF_SNAPSHOT]};
	_cleanup_tuf_draft_ struct tuf_draft kept = {}, draft = {};
	int r;

	if (!remote)
		return error_set_errno(err, -ENOMEM, "snapshot");
	r = tuf_draft_load(client, &order, &kept);
	if (r < 0)
		return error_set_errno(err, r, "snapshot");
	if (r == 0 || !tuf_draft_is_current(&kept, &order))
		return fetch_snapshot(client, &order, &kept, &draft, err);
	r = tuf_check_expiry(client, order.name, &kept.metadata, err);
	if (r >= 0)
		tuf_draft_take(&kept, &client->trusted[TUF_SNAPSHOT]);
	return r;
}

/* ---- targets (5.6.1 to 5.6.6) ---- */

static int get_targets(const struct tuf_client *client, const struct tuf_order *order,
	struct tuf_metadata *ret, struct error **err)
{
	_cleanup_tuf_draft_ struct tuf_draft kept = {}, draft = {};
	int r = tuf_draft_load(client, order, &kept);

	if (r < 0)
		return error_set_errno(err, r, "%s", order->name);
	if (r > 0 && tuf_draft_is_current(&kept, order)) {
		r = tuf_check_expiry(client, order->name, &kept.metadata, err);
		if (r >= 0)
			tuf_draft_take(&kept, ret);
		return r;
	}
	r = tuf_draft_fetch(client, order, &draft, err);
	if (r >= 0)
		r = tuf_check_expiry(client, order->remote, &draft.metadata, err);
	return r < 0 ? r : tuf_draft_adopt(client, order, &draft, ret, err);
}

int tuf_client_get_targets(const struct tuf_client *client, const char *name, const struct tuf_keys *keys,
	const struct tuf_role *role, struct tuf_metadata *ret, struct error **err)
{
	_cleanup_free_ char *encoded = tuf_name_encode(name), *file = NULL, *remote = NULL, *listed = NULL;
	const struct tuf_meta *meta;

	listed = string_format("%s.json", name);
	file = encoded ? string_format("%s.json", encoded) : NULL;
	if (!listed || !file)
		return error_set_errno(err, -ENOMEM, "%s", name);
	meta = tuf_find_meta(&client->trusted[TUF_SNAPSHOT], listed);
	if (!meta)
		return error_set(err, -EBADMSG, "snapshot.json: version %ju does not list %s",
			(uintmax_t)client->trusted[TUF_SNAPSHOT].version, listed);
	remote = remote_name(client, meta, file);
	if (!remote)
		return error_set_errno(err, -ENOMEM, "%s", name);
	return get_targets(client,
		&(struct tuf_order){.name = file,
			.remote = remote,
			.type = TUF_TARGETS,
			.max = TUF_TARGETS_MAX,
			.meta = meta,
			.keys = keys,
			.role = role},
		ret, err);
}

static int refresh_targets(struct tuf_client *client, struct error **err)
{
	const struct tuf_metadata *root = &client->trusted[TUF_ROOT];

	return tuf_client_get_targets(client, "targets", &root->keys, &root->roles[TUF_TARGETS],
		&client->trusted[TUF_TARGETS], err);
}

/* ---- All of it ---- */

static const char *advice(int code)
{
	switch (code) {
	case -EKEYREJECTED:
	case -EBADMSG:
	case -EFBIG:
	case -ESTALE:
		return "it is not used; try again later, and where it stays so, tell who runs the "
		       "repository: "
		       "what the server has is damaged, or somebody tampers with it";
	case -EKEYEXPIRED:
		return "set the clock if it is wrong; otherwise the repository was not renewed, or somebody "
		       "withholds newer metadata";
	case -ENOENT:
		return "is it the URL of the repository's metadata?";
	default:
		return NULL;
	}
}

int tuf_client_refresh(struct tuf_client *client, struct error **err)
{
	static int (*const steps[])(struct tuf_client *, struct error **) = {
		refresh_root, refresh_timestamp, refresh_snapshot, refresh_targets};
	int r = 0;

	for (enum tuf_type type = TUF_TIMESTAMP; type < TUF_TYPES; type++)
		tuf_metadata_release(&client->trusted[type]);
	for (size_t i = 0; i < ARRAY_SIZE(steps) && r >= 0; i++)
		r = steps[i](client, err);
	if (r < 0)
		(void)error_advise(err, advice(r));
	return MIN(r, 0);
}
