/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/finish.h"

#include <errno.h>
#include <string.h>

#include "build/accounts.h"
#include "build/finishers.h"

static int make_accounts(struct finish *finish, const struct finish_options *options, struct error **err)
{
	return accounts_make(finish, options->ids, err);
}

static int make_package_list(struct finish *finish, const struct finish_options *options, struct error **err)
{
	return finish_package_list(finish, options->unpacked, err);
}

/* In this order: the later ones look at what the earlier ones made. */
static const struct {
	struct finisher_about about;
	finisher_fn run; /* or, where it wants to know more: */
	int (*run_with)(struct finish *finish, const struct finish_options *options, struct error **err);
} finishers[] = {
	{{"accounts", "users and groups of base-passwd, sysusers.d(5) and the definition"}, NULL,
		make_accounts},
	{{"alternatives", "links that update-alternatives(1) would have made"}, finish_alternatives, NULL},
	{{"shells", "/etc/shells"}, finish_shells, NULL},
	{{"name-service", "/etc/hosts and nsswitch.conf"}, finish_name_service, NULL},
	{{"environment", "/etc/profile, locale, time zone, mtab; nothing that is a node's own"},
		finish_environment, NULL},
	{{"pam", "/etc/pam.d/common-*, as pam-auth-update(8) makes them"}, finish_pam, NULL},
	{{"certificates", "/etc/ssl/certs, as update-ca-certificates(8) makes it"}, finish_certificates,
		NULL},
	{{"os-release", "the edition's name and version"}, NULL, finish_os_release},
	{{"packages", "the list of packages, in place of dpkg's"}, NULL, make_package_list},
};

const struct finisher_about *finish_about(size_t index)
{
	return index < ARRAY_SIZE(finishers) ? &finishers[index].about : NULL;
}

int finish_run(struct finish *finish, const struct finish_options *options, struct error **err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(finishers); i++)
		r = finishers[i].run ? finishers[i].run(finish, err)
				     : finishers[i].run_with(finish, options, err);
	return r;
}

struct made {
	char origin[64];
	struct tree_attributes attributes;
};

static void made_by(struct made *made, const struct finish *finish, const char *name, mode_t mode)
{
	(void)snprintf(made->origin, sizeof(made->origin), "finisher:%s", name);
	made->attributes =
		(struct tree_attributes){.mode = mode, .mtime = finish->mtime, .origin = made->origin};
}

/* What to do instead of having a file where a finisher makes one. */
static const char *advice_of(const char *name)
{
	static const struct {
		const char *name, *advice;
	} known[] = {
		{"accounts", "accounts come from `users`, and from sysusers.d(5)"},
		{"certificates", "certificates come from usr/share/ca-certificates/*.crt"},
		{"environment", "each node makes its own"},
		{"ld-cache", "folders of libraries are named in etc/ld.so.conf.d/*.conf"},
		{"os-release", "`name` and `title` are in it"},
		{"units", "`units` masks it"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (streq(known[i].name, name))
			return known[i].advice;
	return NULL;
}

static int check_own(const struct finish *finish, const char *name, const char *path, struct error **err)
{
	_cleanup_free_ char *maker = string_format("its finisher %s", name);

	return maker ? own_check(finish->definition, finish->tree, path, maker, advice_of(name), err)
		     : error_set_errno(err, -ENOMEM, "finisher %s", name);
}

int finish_clear(struct finish *finish, const char *name, const char *path, struct error **err)
{
	const struct tree_inode *there = tree_lookup(finish->tree, path);
	int r = check_own(finish, name, path, err);

	return r >= 0 && there && !S_ISDIR(there->mode) ? tree_remove(finish->tree, path, err) : r;
}

int finish_file(struct finish *finish, const char *name, const char *path, mode_t mode, const void *data,
	size_t size, struct error **err)
{
	_cleanup_content_ struct content *content = content_copy(data, size);
	struct made made;
	int r;

	if (!content)
		return error_set_errno(err, -ENOMEM, "finisher %s: %s", name, path);
	made_by(&made, finish, name, mode);
	r = finish_clear(finish, name, path, err);
	if (r < 0)
		return r;
	r = tree_add_file(finish->tree, path, &made.attributes, content, NULL, err);
	return r < 0 ? error_wrap(err, "finisher %s", name) : 0;
}

int finish_folder(struct finish *finish, const char *name, const char *path, mode_t mode, struct error **err)
{
	const struct tree_inode *there = tree_resolve(finish->tree, path);
	int r = there && S_ISDIR(there->mode) ? 0 : check_own(finish, name, path, err);
	struct made made;

	if (r < 0)
		return r;
	made_by(&made, finish, name, mode);
	r = tree_add_folder(finish->tree, path, &made.attributes, NULL, err);
	return r < 0 ? error_wrap(err, "finisher %s", name) : 0;
}

int finish_link(
	struct finish *finish, const char *name, const char *path, const char *target, struct error **err)
{
	struct made made;
	int r;

	made_by(&made, finish, name, 0777);
	r = finish_clear(finish, name, path, err);
	if (r < 0)
		return r;
	r = tree_add_symlink(finish->tree, path, &made.attributes, target, NULL, err);
	return r < 0 ? error_wrap(err, "finisher %s", name) : 0;
}

int finish_copy(
	struct finish *finish, const char *name, const char *path, const char *from, struct error **err)
{
	const struct tree_inode *file = tree_resolve(finish->tree, from);

	if (!file || !S_ISREG(file->mode))
		return error_set(err, -ENOENT, "finisher %s: there is no file \"%s\" to make \"%s\" of", name,
			from, path);
	return finish_file(
		finish, name, path, 0644, content_data(file->content), content_size(file->content), err);
}

const char *finish_text(const struct finish *finish, const char *path)
{
	const struct tree_inode *file = tree_resolve(finish->tree, path);

	return file && S_ISREG(file->mode) ? (const char *)content_data(file->content) : NULL;
}
