/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/settings.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "build/own.h"

static void write_sysctl(const struct definition *definition, struct buffer *text)
{
	for (size_t i = 0; i < definition->sysctl.count; i++)
		buffer_printf(text, "%s = %s\n", definition->sysctl.items[i].name,
			definition->sysctl.items[i].value);
}

/* An account that nobody is to log in to is expired as well: no key of ssh opens it. */
static void write_users(const struct definition *definition, struct buffer *text)
{
	for (size_t i = 0; i < definition->users.count; i++) {
		const struct definition_user *user = definition_user(definition, i);

		buffer_printf(text, "%s %s - \"%s\" %s %s\n", user->shell ? "u" : "u!", user->name,
			user->description, user->home ? user->home : "-", user->shell ? user->shell : "-");
		for (size_t k = 0; k < user->groups.count; k++)
			buffer_printf(text, "m %s %s\n", user->name, user->groups.items[k]);
	}
}

/* The length of what an instance and its template have in common: "getty@" of "getty@tty1.service". 0: no
 * instance. */
static size_t template_of(const char *unit)
{
	const char *at = strchr(unit, '@'), *dot = strrchr(unit, '.');

	return at && dot && dot > at + 1 ? (size_t)(at + 1 - unit) : 0;
}

static bool same_template(const char *a, const char *b)
{
	size_t length = template_of(a);

	return length > 0 && length == template_of(b) && strncmp(a, b, length) == 0 &&
	       streq(strrchr(a, '.'), strrchr(b, '.'));
}

/* Instances are enabled by one line for all that a template has: "enable getty@.service tty1 tty2". */
static void write_instances(const struct pairs *units, size_t first, struct buffer *text)
{
	const char *unit = units->items[first].name;
	size_t length = template_of(unit);

	for (size_t i = 0; i < first; i++)
		if (streq(units->items[i].value, "enable") && same_template(unit, units->items[i].name))
			return;
	buffer_printf(text, "enable %.*s%s", (int)length, unit, strrchr(unit, '.'));
	for (size_t i = first; i < units->count; i++) {
		const char *name = units->items[i].name;

		if (streq(units->items[i].value, "enable") && same_template(unit, name))
			buffer_printf(text, " %.*s", (int)(strrchr(name, '.') - name - (ptrdiff_t)length),
				name + length);
	}
	buffer_append_string(text, "\n");
}

static void write_presets(const struct definition *definition, struct buffer *text)
{
	const struct pairs *units = &definition->units;

	for (size_t i = 0; i < units->count; i++) {
		const struct pair *unit = &units->items[i];

		if (streq(unit->value, "enable") && template_of(unit->name) > 0)
			write_instances(units, i, text);
		else if (!streq(unit->value, "mask"))
			buffer_printf(text, "%s %s\n", unit->value, unit->name);
	}
}

int settings_add(const struct definition *definition, struct tree *tree, int64_t mtime, struct error **err)
{
	static const struct {
		const char *path; /* with the edition's name in it */
		const char *key;
		void (*write)(const struct definition *definition, struct buffer *text);
	} files[] = {
		{"usr/lib/sysctl.d/60-%s.conf", "`sysctl`", write_sysctl},
		{"usr/lib/sysusers.d/%s.conf", "`users`", write_users},
		{"usr/lib/systemd/system-preset/00-%s.preset", "`units`", write_presets},
	};
	const struct tree_attributes attributes = {.mode = 0644, .mtime = mtime, .origin = OWN_ORIGIN};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && r >= 0; i++) {
		const char *at = strstr(files[i].path, "%s");
		_cleanup_free_ char *path = string_format(
			"%.*s%s%s", (int)(at - files[i].path), files[i].path, definition->name, at + 2);
		_cleanup_content_ struct content *content = NULL;
		_cleanup_buffer_ struct buffer text = {};

		files[i].write(definition, &text);
		if (text.size == 0 && !buffer_failed(&text))
			continue;
		content = buffer_failed(&text) ? NULL : content_copy(text.data, text.size);
		if (!path || !content)
			return error_set_errno(err, -ENOMEM, "%s", definition->name);
		r = own_check(definition, tree, path, files[i].key, NULL, err);
		if (r >= 0)
			r = tree_add_file(tree, path, &attributes, content, NULL, err);
	}
	return r;
}

/* ---- Accounts that were made ---- */

/* What passwd(5) has of an account behind its ids, ":description:home:shell\n"; NULL: nothing. */
static const char *find_account(const char *passwd, const char *name)
{
	while (*passwd) {
		const char *at = startswith(passwd, name);

		if (at && *at == ':') {
			for (unsigned i = 0; at && i < 3; i++) /* password, user, group */
				at = strchr(at + 1, ':');
			return at;
		}
		passwd += strcspn(passwd, "\n");
		passwd += *passwd == '\n';
	}
	return NULL;
}

/* Also where only a link will lead there, /bin to /usr/bin. */
static int has_file(const struct tree *tree, const char *path)
{
	_cleanup_free_ char *below = string_format("usr%s", path);

	return below ? tree_resolve(tree, path) || tree_resolve(tree, below) : -ENOMEM;
}

static int check_user(
	const struct definition_user *user, const struct tree *tree, const char *passwd, struct error **err)
{
	_cleanup_free_ char *wanted = string_format(":%s:%s:%s\n", user->description,
		user->home ? user->home : "/", user->shell ? user->shell : "/usr/sbin/nologin");
	const char *found = find_account(passwd, user->name);
	int has_shell = user->shell ? has_file(tree, user->shell) : 1;

	if (!wanted || has_shell < 0)
		return error_set_errno(err, -ENOMEM, "users");
	if (!found || !startswith(found, wanted))
		return error_about(err, user->name,
			error_set(err, -EEXIST,
				"%s: base-passwd or a package brings this account, and not as it is here; "
				"choose another name",
				user->name));
	return has_shell ? 0
			 : error_about(err, user->name,
				   error_set(err, -ENOENT, "%s: the shell %s is not in the image", user->name,
					   user->shell));
}

int settings_check_users(const struct definition *definition, const struct tree *tree, struct error **err)
{
	const struct tree_inode *passwd = tree_lookup(tree, "etc/passwd");
	_cleanup_free_ char *text =
		passwd && S_ISREG(passwd->mode)
			? strndup((const char *)content_data(passwd->content), content_size(passwd->content))
			: strdup("");
	int r = text ? 0 : error_set_errno(err, -ENOMEM, "users");

	for (size_t i = 0; i < definition->users.count && r >= 0; i++)
		r = check_user(definition_user(definition, i), tree, text, err);
	return r;
}

/* ---- Units ---- */

int settings_units(
	const struct definition *definition, const char *what, struct strv *ret, struct error **err)
{
	for (size_t i = 0; i < definition->units.count; i++) {
		const struct pair *unit = &definition->units.items[i];

		if (streq(unit->value, what) && strv_add(ret, unit->name) < 0)
			return error_set_errno(err, -ENOMEM, "units");
	}
	return 0;
}
