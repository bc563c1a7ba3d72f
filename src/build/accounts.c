/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/accounts.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "format/sysusers.h"

#define NAME "accounts"
#define SYSTEM_ID_MAX 999
#define NO_ID UINT32_MAX
#define LOCKED "!*"

struct user {
	char *name, *gecos, *home, *shell;
	uint32_t uid, gid;
	bool expired;
};

struct group {
	char *name;
	uint32_t gid;
	struct strv members;
};

struct range {
	uint32_t first, last;
};

struct accounts {
	struct finish *finish;
	const struct pairs *fixed;
	struct user *users;
	size_t user_count;
	struct group *groups;
	size_t group_count;
	struct range *ranges; /* that ids are taken from */
	size_t range_count;
	uint32_t next; /* the next id to look at */
};

static void accounts_release(struct accounts *accounts)
{
	for (size_t i = 0; i < accounts->user_count; i++) {
		free(accounts->users[i].name);
		free(accounts->users[i].gecos);
		free(accounts->users[i].home);
		free(accounts->users[i].shell);
	}
	for (size_t i = 0; i < accounts->group_count; i++) {
		free(accounts->groups[i].name);
		strv_release(&accounts->groups[i].members);
	}
	free(accounts->users);
	free(accounts->groups);
	free(accounts->ranges);
}

static struct user *find_user(const struct accounts *accounts, const char *name)
{
	for (size_t i = 0; i < accounts->user_count; i++)
		if (streq(accounts->users[i].name, name))
			return &accounts->users[i];
	return NULL;
}

static struct group *find_group(const struct accounts *accounts, const char *name)
{
	for (size_t i = 0; i < accounts->group_count; i++)
		if (streq(accounts->groups[i].name, name))
			return &accounts->groups[i];
	return NULL;
}

static bool has_gid(const struct accounts *accounts, uint32_t gid)
{
	for (size_t i = 0; i < accounts->group_count; i++)
		if (accounts->groups[i].gid == gid)
			return true;
	return false;
}

static int no_memory(struct error **err)
{
	return error_set_errno(err, -ENOMEM, "accounts");
}

static int parse_id(const char *text, uint32_t *ret)
{
	uint64_t value;

	/* 65535 and 4294967295 mean "no id" to system calls. */
	if (parse_u64(text, &value) < 0 || value >= UINT32_MAX || value == UINT16_MAX)
		return -EINVAL;
	*ret = (uint32_t)value;
	return 0;
}

/* The id that the caller has fixed for a name, NO_ID where it has not. */
static uint32_t fixed_id(const struct accounts *accounts, const char *name)
{
	const char *text = accounts->fixed ? pairs_get(accounts->fixed, name) : NULL;
	uint32_t id;

	return text && parse_id(text, &id) == 0 ? id : NO_ID;
}

/* The other name that the caller has fixed an id for, NULL where it is nobody's. */
static const char *fixed_for(const struct accounts *accounts, uint32_t id, const char *name)
{
	for (size_t i = 0; accounts->fixed && i < accounts->fixed->count; i++) {
		const char *other = accounts->fixed->items[i].name;

		if (!streq(other, name) && fixed_id(accounts, other) == id)
			return other;
	}
	return NULL;
}

static bool uid_is_free(const struct accounts *accounts, uint32_t uid)
{
	for (size_t i = 0; i < accounts->user_count; i++)
		if (accounts->users[i].uid == uid)
			return false;
	return true;
}

/* True where only *name* has the id, or may come to have it, as a user or as a group. */
static bool is_free(const struct accounts *accounts, uint32_t id, const char *name)
{
	for (size_t i = 0; i < accounts->user_count; i++)
		if (accounts->users[i].uid == id && !streq(accounts->users[i].name, name))
			return false;
	for (size_t i = 0; i < accounts->group_count; i++)
		if (accounts->groups[i].gid == id && !streq(accounts->groups[i].name, name))
			return false;
	return !fixed_for(accounts, id, name);
}

static bool in_ranges(const struct accounts *accounts, uint32_t id)
{
	for (size_t i = 0; i < accounts->range_count; i++)
		if (id >= accounts->ranges[i].first && id <= accounts->ranges[i].last)
			return true;
	return false;
}

static int take_id(struct accounts *accounts, const char *name, uint32_t *ret, struct error **err)
{
	for (; accounts->next > 0; accounts->next--)
		if (in_ranges(accounts, accounts->next) && is_free(accounts, accounts->next, name)) {
			*ret = accounts->next--;
			return 0;
		}
	return error_set(err, -ERANGE, "accounts: no id is left for \"%s\"", name);
}

static int add_group(struct accounts *accounts, const char *name, uint32_t gid, struct error **err)
{
	struct group *groups = reallocarray(accounts->groups, accounts->group_count + 1, sizeof(*groups));

	if (!groups)
		return no_memory(err);
	accounts->groups = groups;
	groups[accounts->group_count] = (struct group){.name = strdup(name), .gid = gid};
	return groups[accounts->group_count++].name ? 0 : no_memory(err);
}

static int add_user(struct accounts *accounts, const struct user *from, struct error **err)
{
	struct user *users = reallocarray(accounts->users, accounts->user_count + 1, sizeof(*users)), *user;

	if (!users)
		return no_memory(err);
	accounts->users = users;
	user = &users[accounts->user_count++];
	*user = (struct user){.name = strdup(from->name),
		.gecos = strdup(from->gecos),
		.home = strdup(from->home),
		.shell = strdup(from->shell),
		.uid = from->uid,
		.gid = from->gid,
		.expired = from->expired};
	if (user->name && user->gecos && user->home && user->shell)
		return 0;
	free(user->name);
	free(user->gecos);
	free(user->home);
	free(user->shell);
	accounts->user_count--;
	return no_memory(err);
}

/* Splits a line of /etc/passwd or /etc/group in place. Returns true where it has *count* fields. */
static bool split_fields(char *line, size_t count, char **ret)
{
	for (size_t i = 0; i < count; i++) {
		ret[i] = strsep(&line, ":");
		if (!ret[i])
			return false;
	}
	return !line;
}

static int read_user(struct accounts *accounts, char *line, struct error **err)
{
	char *fields[7];
	struct user user = {};

	if (!split_fields(line, 7, fields) || parse_id(fields[2], &user.uid) < 0 ||
		parse_id(fields[3], &user.gid) < 0 || !*fields[0] || find_user(accounts, fields[0]))
		return error_set(err, -EBADMSG, "accounts: user \"%s\" of base-passwd can't be read", line);
	user.name = fields[0];
	user.gecos = fields[4];
	user.home = fields[5];
	user.shell = fields[6];
	return add_user(accounts, &user, err);
}

static int read_group(struct accounts *accounts, char *line, struct error **err)
{
	char *fields[4];
	uint32_t gid;

	if (!split_fields(line, 4, fields) || parse_id(fields[2], &gid) < 0 || !*fields[0] || *fields[3] ||
		find_group(accounts, fields[0]))
		return error_set(err, -EBADMSG, "accounts: group \"%s\" of base-passwd can't be read", line);
	return add_group(accounts, fields[0], gid, err);
}

/* Calls *read_line* for each line of a file, which may be missing. */
static int read_master(struct accounts *accounts, const char *path,
	int (*read_line)(struct accounts *, char *, struct error **), struct error **err)
{
	const char *text = finish_text(accounts->finish, path);

	while (text && *text) {
		size_t length = strcspn(text, "\n");
		_cleanup_free_ char *line = strndup(text, length);
		int r;

		if (!line)
			return no_memory(err);
		r = *line ? read_line(accounts, line, err) : 0;
		if (r < 0)
			return r;
		text += length + (text[length] == '\n');
	}
	return 0;
}

/*
 * A sysusers.d file by its name, and its path; one in /etc takes the place of one in /usr. *ret* is NULL
 * where there is none. Returns 0 or -ENOMEM.
 */
static int sysusers_file(
	const struct tree *tree, const char *name, const struct tree_inode **ret, char **ret_path)
{
	static const char *const folders[] = {"etc/sysusers.d", "usr/lib/sysusers.d"};

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		_cleanup_free_ char *path = string_format("%s/%s", folders[i], name);
		const struct tree_inode *file = path ? tree_resolve(tree, path) : NULL;

		if (!path)
			return -ENOMEM;
		if (file && S_ISREG(file->mode)) {
			*ret_path = TAKE_PTR(path);
			*ret = file;
			return 0;
		}
	}
	*ret = NULL;
	return 0;
}

/* Errors name the package, and the line of the file at its path. */
static int read_sysusers_file(struct accounts *accounts, const char *name, const char *architecture,
	struct sysusers *ret, struct error **err)
{
	_cleanup_free_ char *path = NULL, *what = NULL;
	const struct tree_inode *file;

	if (sysusers_file(accounts->finish->tree, name, &file, &path) < 0)
		return no_memory(err);
	if (!file)
		return 0;
	what = string_format("package %s: /%s", file->origin, path);
	if (!what)
		return no_memory(err);
	return sysusers_parse((const char *)content_data(file->content), content_size(file->content), what,
		architecture, ret, err);
}

static int list_names(const struct tree *tree, const char *folder, struct strv *names)
{
	const struct tree_inode *inode = tree_resolve(tree, folder);
	int r = 0;

	for (size_t i = 0; r >= 0 && inode && i < inode->entry_count; i++)
		if (endswith(inode->entries[i].name, ".conf"))
			r = strv_add(names, inode->entries[i].name);
	return r;
}

static int read_sysusers(struct accounts *accounts, struct sysusers *ret, struct error **err)
{
	const char *architecture =
		streq(accounts->finish->architecture, "amd64") ? "x86-64" : accounts->finish->architecture;
	const struct tree *tree = accounts->finish->tree;
	_cleanup_strv_ struct strv names = {};
	int r = 0;

	if (list_names(tree, "etc/sysusers.d", &names) < 0 ||
		list_names(tree, "usr/lib/sysusers.d", &names) < 0)
		return no_memory(err);
	strv_sort_unique(&names);
	for (size_t i = 0; r >= 0 && i < names.count; i++)
		r = read_sysusers_file(accounts, names.items[i], architecture, ret, err);
	return r;
}

/* What a line's id says: "-", "UID", "UID:GID", "UID:GROUP" or "-:GROUP". */
struct wish {
	uint32_t uid, gid; /* NO_ID: not said */
	const char *group; /* NULL: not said */
};

static int parse_wish(
	struct accounts *accounts, const struct sysusers_line *line, struct wish *ret, struct error **err)
{
	_cleanup_free_ char *uid = line->id ? strdup(line->id) : NULL;
	char *group = uid ? strchr(uid, ':') : NULL;

	*ret = (struct wish){.uid = NO_ID, .gid = NO_ID};
	if (line->id && !uid)
		return no_memory(err);
	if (group) {
		*group = 0;
		ret->group = strchr(line->id, ':') + 1;
		if (line->type != SYSUSERS_USER || !*ret->group)
			goto invalid;
		if (parse_id(ret->group, &ret->gid) == 0)
			ret->group = NULL;
	}
	if (uid && !streq(uid, "-") && parse_id(uid, &ret->uid) < 0)
		goto invalid;
	if (fixed_id(accounts, line->name) != NO_ID)
		ret->uid = fixed_id(accounts, line->name);
	return 0;
invalid:
	return error_set(err, -EINVAL, "accounts: \"%s\" is no id that is known here (of \"%s\")", line->id,
		line->name);
}

/* An id that was asked for is had where it is free; of a fixed one, anything else is an error. */
static int grant(struct accounts *accounts, const char *name, bool free, uint32_t *id, struct error **err)
{
	const char *other = *id == NO_ID ? NULL : fixed_for(accounts, *id, name);

	if (other)
		return error_about(err, other,
			error_set(err, -EEXIST, "%s: the id %u is that of \"%s\"", other, *id, name));
	if (*id == NO_ID || free)
		return 0;
	if (fixed_id(accounts, name) != NO_ID)
		return error_about(err, name, error_set(err, -EEXIST, "%s: the id %u is taken", name, *id));
	*id = NO_ID;
	return 0;
}

static int make_group(struct accounts *accounts, const char *name, uint32_t gid, struct error **err)
{
	int r;

	if (find_group(accounts, name))
		return 0;
	r = grant(accounts, name, is_free(accounts, gid, name), &gid, err);
	if (r >= 0 && gid == NO_ID)
		r = take_id(accounts, name, &gid, err);
	return r < 0 ? r : add_group(accounts, name, gid, err);
}

/* Finds or makes the group that a user is in first of all. */
static int primary_group(struct accounts *accounts, const struct sysusers_line *line, const struct wish *wish,
	uint32_t *ret, struct error **err)
{
	const char *name = wish->group ? wish->group : line->name;
	int r;

	if (wish->gid != NO_ID) {
		if (!has_gid(accounts, wish->gid))
			return error_set(err, -ENOENT,
				"accounts: user \"%s\" wants group %u, which no package has", line->name,
				wish->gid);
		*ret = wish->gid;
		return 0;
	}
	if (wish->group && !find_group(accounts, name))
		return error_set(err, -ENOENT,
			"accounts: user \"%s\" wants group \"%s\", which no package has", line->name, name);
	r = make_group(accounts, name, wish->uid, err);
	if (r >= 0)
		*ret = find_group(accounts, name)->gid;
	return r;
}

static int make_user(struct accounts *accounts, const struct sysusers_line *line, struct error **err)
{
	struct wish wish;
	struct user user = {.name = line->name, .expired = line->locked};
	bool apart; /* the group has an id of its own, so the user's may be another group's */
	int r;

	if (find_user(accounts, line->name))
		return 0;
	r = parse_wish(accounts, line, &wish, err);
	apart = r >= 0 && (wish.group || wish.gid != NO_ID || find_group(accounts, line->name));
	if (r >= 0)
		r = primary_group(accounts, line, &wish, &user.gid, err);
	if (r >= 0)
		r = grant(accounts, line->name,
			apart ? uid_is_free(accounts, wish.uid) : is_free(accounts, wish.uid, line->name),
			&wish.uid, err);
	if (r < 0)
		return r;
	user.uid = wish.uid;
	if (user.uid == NO_ID && is_free(accounts, user.gid, line->name))
		user.uid = user.gid;
	if (user.uid == NO_ID)
		r = take_id(accounts, line->name, &user.uid, err);
	if (r < 0)
		return r;
	user.gecos = line->gecos ? line->gecos : (char *)"";
	user.home = line->home ? line->home : user.uid == 0 ? (char *)"/root" : (char *)"/";
	user.shell = line->shell     ? line->shell
		     : user.uid == 0 ? (char *)"/bin/sh"
				     : (char *)"/usr/sbin/nologin";
	return add_user(accounts, &user, err);
}

static int make_line_group(struct accounts *accounts, const struct sysusers_line *line, struct error **err)
{
	struct wish wish;
	int r;

	r = parse_wish(accounts, line, &wish, err);
	return r < 0 ? r : make_group(accounts, line->name, wish.uid, err);
}

static int add_member(struct accounts *accounts, const struct sysusers_line *line, struct error **err)
{
	struct strv *members = &find_group(accounts, line->id)->members;

	return strv_contains(members, line->name) || strv_add(members, line->name) >= 0 ? 0 : no_memory(err);
}

static int add_range(struct accounts *accounts, const char *text, struct error **err)
{
	_cleanup_free_ char *first = strdup(text);
	char *last = first ? strchr(first, '-') : NULL;
	struct range range, *ranges;

	if (!first)
		return no_memory(err);
	if (last)
		*last++ = 0;
	if (parse_id(first, &range.first) < 0 || parse_id(last ? last : first, &range.last) < 0 ||
		range.first > range.last)
		return error_set(err, -EINVAL, "accounts: \"%s\" is no range of ids", text);
	ranges = reallocarray(accounts->ranges, accounts->range_count + 1, sizeof(*ranges));
	if (!ranges)
		return no_memory(err);
	ranges[accounts->range_count++] = range;
	accounts->ranges = ranges;
	accounts->next = MAX(accounts->next, range.last);
	return 0;
}

/* Each kind of line in its turn, since a line may need what a later one of another file makes. */
static int apply(struct accounts *accounts, const struct sysusers *sysusers, struct error **err)
{
	static const char turns[] = {
		SYSUSERS_RANGE, SYSUSERS_GROUP, 'G', SYSUSERS_USER, 'U', SYSUSERS_MEMBER};
	int r = 0;

	for (size_t turn = 0; r >= 0 && turn < ARRAY_SIZE(turns); turn++) {
		if (turns[turn] == SYSUSERS_GROUP && accounts->range_count == 0)
			r = add_range(accounts, "1-999", err);
		for (size_t i = 0; r >= 0 && i < sysusers->count; i++) {
			const struct sysusers_line *line = &sysusers->lines[i];
			struct sysusers_line user = {.type = SYSUSERS_USER, .name = line->name};
			bool member = line->type == SYSUSERS_MEMBER;

			if (turns[turn] == 'G' && member)
				r = make_group(accounts, line->id, fixed_id(accounts, line->id), err);
			else if (turns[turn] == 'U' && member)
				r = make_user(accounts, &user, err);
			else if (turns[turn] != (char)line->type)
				continue;
			else if (line->type == SYSUSERS_RANGE)
				r = add_range(accounts, line->id, err);
			else if (line->type == SYSUSERS_GROUP)
				r = make_line_group(accounts, line, err);
			else if (line->type == SYSUSERS_USER)
				r = make_user(accounts, line, err);
			else
				r = add_member(accounts, line, err);
		}
	}
	return r;
}

static int check_fixed(const struct accounts *accounts, struct error **err)
{
	for (size_t i = 0; accounts->fixed && i < accounts->fixed->count; i++) {
		const struct pair *pair = &accounts->fixed->items[i];
		const struct user *user = find_user(accounts, pair->name);
		const struct group *group = find_group(accounts, pair->name);
		uint32_t id = fixed_id(accounts, pair->name);

		int r = 0;

		if (id == NO_ID)
			r = error_set(err, -EINVAL, "%s: \"%s\" is no id", pair->name, pair->value);
		else if (!user && !group)
			r = error_set(err, -ENOENT, "%s: no package has such an account", pair->name);
		else if ((user && user->uid != id) || (!user && group->gid != id))
			r = error_set(
				err, -EEXIST, "%s: it has an id already, which is not %u", pair->name, id);
		if (r < 0)
			return error_about(err, pair->name, r);
	}
	return 0;
}

static void print_members(struct buffer *text, const struct strv *members)
{
	for (size_t i = 0; i < members->count; i++)
		buffer_printf(text, "%s%s", i > 0 ? "," : "", members->items[i]);
	buffer_append_u8(text, '\n');
}

static int write_file(struct accounts *accounts, const char *path, const struct buffer *text, bool secret,
	struct error **err)
{
	const struct group *shadow = find_group(accounts, "shadow");
	int r;

	if (buffer_failed(text))
		return no_memory(err);
	r = finish_file(accounts->finish, NAME, path, secret ? 0640 : 0644, text->data, text->size, err);
	if (r >= 0 && secret)
		tree_lookup(accounts->finish->tree, path)->gid = shadow ? shadow->gid : 0;
	return r;
}

static int write_users(struct accounts *accounts, struct error **err)
{
	_cleanup_buffer_ struct buffer passwd = {}, shadow = {};
	int r;

	for (size_t i = 0; i < accounts->user_count; i++) {
		const struct user *user = &accounts->users[i];

		buffer_printf(&passwd, "%s:x:%u:%u:%s:%s:%s\n", user->name, user->uid, user->gid, user->gecos,
			user->home, user->shell);
		buffer_printf(&shadow, "%s:" LOCKED ":%lld:::::%s:\n", user->name,
			(long long)(accounts->finish->mtime / 86400), user->expired ? "1" : "");
	}
	r = write_file(accounts, "etc/passwd", &passwd, false, err);
	return r < 0 ? r : write_file(accounts, "etc/shadow", &shadow, true, err);
}

static int write_groups(struct accounts *accounts, struct error **err)
{
	_cleanup_buffer_ struct buffer group = {}, gshadow = {};
	int r;

	for (size_t i = 0; i < accounts->group_count; i++) {
		buffer_printf(&group, "%s:x:%u:", accounts->groups[i].name, accounts->groups[i].gid);
		print_members(&group, &accounts->groups[i].members);
		buffer_printf(&gshadow, "%s:" LOCKED "::", accounts->groups[i].name);
		print_members(&gshadow, &accounts->groups[i].members);
	}
	r = write_file(accounts, "etc/group", &group, false, err);
	return r < 0 ? r : write_file(accounts, "etc/gshadow", &gshadow, true, err);
}

static int write_subordinate_ids(struct accounts *accounts, struct error **err)
{
	static const char *const paths[] = {"etc/subuid", "etc/subgid"};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(paths); i++)
		if (!tree_lookup(accounts->finish->tree, paths[i]))
			r = finish_file(accounts->finish, NAME, paths[i], 0644, "", 0, err);
	return r;
}

int accounts_make(struct finish *finish, const struct pairs *fixed, struct error **err)
{
	_cleanup_(accounts_release) struct accounts accounts = {.finish = finish, .fixed = fixed};
	_cleanup_sysusers_ struct sysusers sysusers = {};
	int r;

	r = read_master(&accounts, "usr/share/base-passwd/passwd.master", read_user, err);
	if (r >= 0)
		r = read_master(&accounts, "usr/share/base-passwd/group.master", read_group, err);
	if (r >= 0)
		r = read_sysusers(&accounts, &sysusers, err);
	if (r >= 0)
		r = apply(&accounts, &sysusers, err);
	if (r >= 0)
		r = check_fixed(&accounts, err);
	if (r >= 0)
		r = write_users(&accounts, err);
	if (r >= 0)
		r = write_groups(&accounts, err);
	return r < 0 ? r : write_subordinate_ids(&accounts, err);
}
