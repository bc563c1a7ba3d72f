/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/finish.h"

#include <errno.h>
#include <string.h>

#include "build/accounts.h"
#include "build/finishers.h"

/* In this order: the later ones look at what the earlier ones made. */
static const finisher_fn finishers[] = {
	finish_alternatives,
	finish_shells,
	finish_name_service,
	finish_environment,
	finish_pam,
	finish_certificates,
};

int finish_run(struct finish *finish, const struct finish_options *options, struct error **err)
{
	int r;

	r = accounts_make(finish, options->accounts, err);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(finishers); i++)
		r = finishers[i](finish, err);
	if (r >= 0)
		r = finish_os_release(finish, options, err);
	return r < 0 ? r : finish_package_list(finish, options->unpacked, err);
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

/* Makes a name free, where a file or link has it. */
static int clear_name(struct finish *finish, const char *path, struct error **err)
{
	const struct tree_inode *there = tree_lookup(finish->tree, path);

	return there && !S_ISDIR(there->mode) ? tree_remove(finish->tree, path, err) : 0;
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
	r = clear_name(finish, path, err);
	if (r >= 0)
		r = tree_add_file(finish->tree, path, &made.attributes, content, NULL, err);
	return r < 0 ? error_wrap(err, "finisher %s", name) : 0;
}

int finish_folder(struct finish *finish, const char *name, const char *path, mode_t mode, struct error **err)
{
	struct made made;
	int r;

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
	r = clear_name(finish, path, err);
	if (r >= 0)
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
