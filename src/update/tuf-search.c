/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "update/tuf-client-work.h"

#define FILE_NAME_MAX 255 /* bytes, of all file systems that matter */

/* ---- Names ---- */

char *tuf_name_encode(const char *name)
{
	_cleanup_buffer_ struct buffer text = {};

	for (; *name; name++) {
		bool plain = (*name >= '0' && *name <= '9') || (*name >= 'A' && *name <= 'Z') ||
			     (*name >= 'a' && *name <= 'z') || strchr("_.-~", *name);

		if (plain)
			buffer_append_u8(&text, (uint8_t)*name);
		else
			buffer_printf(&text, "%%%02X", (uint8_t)*name);
	}
	buffer_append_u8(&text, 0);
	return buffer_take(&text, NULL);
}

/* A role's document is kept in a file of its name, among others. */
static int check_role_name(const char *name, struct error **err)
{
	_cleanup_free_ char *encoded = tuf_name_encode(name);
	size_t digits = strspn(name, "0123456789");

	if (!encoded)
		return error_set_errno(err, -ENOMEM, "role \"%.64s\"", name);
	/* The longest name is that of the server's file: VERSION.ROLE.json. */
	if (strlen(encoded) > FILE_NAME_MAX - strlen("18446744073709551615..json"))
		return error_set(err, -EBADMSG, "the name of the role \"%.64s…\" is too long", name);
	/* Those are the roots. */
	if (digits > 0 && streq(name + digits, ".root"))
		return error_set(err, -EBADMSG, "a delegated role can't be called \"%s\"", name);
	return 0;
}

/* ---- The search (5.6.7) ---- */

struct search {
	struct tuf_client *client;
	const char *path;
	struct tuf_target_info *ret;
	size_t count; /* of delegated roles that were visited */
	struct tuf_metadata roles[TUF_ROLES_MAX];
	const char *names[TUF_ROLES_MAX]; /* belong to the documents that delegate */
};

static void search_release(struct search *search)
{
	for (size_t i = 0; i < search->count; i++)
		tuf_metadata_release(&search->roles[i]);
}

enum outcome { GO_ON, FOUND, END }; /* END: nothing more is looked at */

void tuf_target_info_release(struct tuf_target_info *info)
{
	free(info->name);
	free(info->role);
	free(info->path);
	json_decref(info->custom);
	*info = (struct tuf_target_info){};
}

/* "a/b" to "a/DIGEST.b" (5.7.3); any listed digest does. */
static char *target_path(const char *name, const struct tuf_hashes *hashes)
{
	char digest[2 * TUF_SHA512_SIZE + 1];
	const char *slash = strrchr(name, '/');
	int folder = slash ? (int)(slash + 1 - name) : 0;

	if (hashes->has_sha256)
		hex_encode(hashes->sha256, SHA256_SIZE, digest);
	else
		hex_encode(hashes->sha512, TUF_SHA512_SIZE, digest);
	return string_format("%.*s%s.%s", folder, name, digest, name + folder);
}

static int take_target(
	struct search *search, const char *role, const struct tuf_target *target, struct error **err)
{
	_cleanup_tuf_target_info_ struct tuf_target_info info = {
		.length = target->length, .hashes = target->hashes};
	bool consistent = search->client->trusted[TUF_ROOT].consistent_snapshot;

	if (!target->hashes.has_sha256 && !target->hashes.has_sha512)
		return error_set(
			err, -ENOTSUP, "role \"%s\" lists no digest of a known algorithm for it", role);
	info.name = strdup(target->name);
	info.role = strdup(role);
	info.path = consistent ? target_path(target->name, &target->hashes) : strdup(target->name);
	info.custom = json_incref((json_t *)target->custom);
	if (!info.name || !info.role || !info.path)
		return error_set_errno(err, -ENOMEM, "target");
	*search->ret = info;
	info = (struct tuf_target_info){};
	return FOUND;
}

static bool was_visited(const struct search *search, const char *name)
{
	for (size_t i = 0; i < search->count; i++)
		if (streq(search->names[i], name))
			return true;
	return false;
}

static int visit(
	struct search *search, const char *role, const struct tuf_metadata *metadata, struct error **err);

static int follow(struct search *search, const struct tuf_metadata *parent,
	const struct tuf_delegation *delegation, struct error **err)
{
	struct tuf_metadata *metadata = &search->roles[search->count];
	int r = check_role_name(delegation->name, err);

	if (r >= 0)
		r = tuf_client_get_targets(
			search->client, delegation->name, &parent->keys, &delegation->role, metadata, err);
	if (r < 0)
		return error_wrap(err, "role \"%.64s\"", delegation->name), r;
	search->names[search->count++] = delegation->name;
	return visit(search, delegation->name, metadata, err);
}

/* Looks at one role's document and then at those that it delegates to. At most TUF_ROLES_MAX calls deep. */
static int visit(
	struct search *search, const char *role, const struct tuf_metadata *metadata, struct error **err)
{
	const struct tuf_target *target = tuf_find_target(metadata, search->path);

	if (target)
		return take_target(search, role, target, err);
	for (size_t i = 0; i < metadata->delegation_count; i++) {
		const struct tuf_delegation *delegation = &metadata->delegations[i];
		int r = GO_ON;

		if (!tuf_delegation_matches(delegation, search->path))
			continue;
		if (!was_visited(search, delegation->name)) {
			if (search->count == TUF_ROLES_MAX)
				return END;
			r = follow(search, metadata, delegation, err);
		}
		if (r != GO_ON)
			return r;
		if (delegation->terminating)
			return END;
	}
	return GO_ON;
}

int tuf_client_target(
	struct tuf_client *client, const char *name, struct tuf_target_info *ret, struct error **err)
{
	_cleanup_(search_release) struct search search = {.client = client, .path = name, .ret = ret};
	int r;

	assert(client->trusted[TUF_TARGETS].version > 0);
	r = visit(&search, "targets", &client->trusted[TUF_TARGETS], err);
	if (r < 0)
		return error_wrap(err, "target \"%s\"", name), r;
	if (r == FOUND)
		return 0;
	if (search.count == TUF_ROLES_MAX)
		return error_set(err, -ENOENT,
			"target \"%s\": none of the first %d roles that are trusted with it lists it", name,
			TUF_ROLES_MAX);
	return error_set(err, -ENOENT, "target \"%s\": the repository does not have it", name);
}

int tuf_target_check(const struct tuf_target_info *info, const void *data, size_t size, struct error **err)
{
	int r;

	if (size != info->length)
		return error_set(err, -EBADMSG,
			"target \"%s\": it has %zu bytes, and the signed metadata says %ju", info->name, size,
			(uintmax_t)info->length);
	r = tuf_hashes_check_bytes(&info->hashes, data, size, err);
	return r < 0 ? error_wrap(err, "target \"%s\"", info->name), r : 0;
}
