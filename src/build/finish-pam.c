/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "build/finishers.h"
#include "format/control.h"

#define NAME "pam"

/* The profiles in the order of their priority, highest first, then by name. */
struct profiles {
	struct control *items;
	char **names; /* of their files */
	size_t count;
};

static void profiles_release(struct profiles *profiles)
{
	for (size_t i = 0; i < profiles->count; i++) {
		control_release(&profiles->items[i]);
		free(profiles->names[i]);
	}
	free(profiles->items);
	free(profiles->names);
}

static bool is(const struct control *profile, const char *field, const char *value)
{
	const char *text = control_get(profile, field);

	return text && streq(text, value);
}

static uint64_t priority(const struct control *profile)
{
	const char *text = control_get(profile, "Priority");
	uint64_t value;

	return text && parse_u64(text, &value) >= 0 ? value : 0;
}

static int add_profile(struct profiles *profiles, const char *name, struct control *profile)
{
	struct control *items = reallocarray(profiles->items, profiles->count + 1, sizeof(*items));
	char **names = items ? reallocarray(profiles->names, profiles->count + 1, sizeof(*names)) : NULL;
	size_t at = 0;
	char *copy;

	if (items)
		profiles->items = items;
	if (names)
		profiles->names = names;
	copy = names ? strdup(name) : NULL;
	if (!copy)
		return -ENOMEM;
	/* The names come in order, so a new one stands behind all that are as important. */
	while (at < profiles->count && priority(&items[at]) >= priority(profile))
		at++;
	memmove(items + at + 1, items + at, (profiles->count - at) * sizeof(*items));
	memmove(names + at + 1, names + at, (profiles->count - at) * sizeof(*names));
	items[at] = *profile;
	names[at] = copy;
	profiles->count++;
	*profile = (struct control){};
	return 0;
}

static int read_profile(
	struct profiles *profiles, const char *name, const struct content *content, struct error **err)
{
	_cleanup_free_ char *what = string_format("usr/share/pam-configs/%s", name);
	_cleanup_control_ struct control profile = {};
	const char *at = (const char *)content_data(content);
	int r;

	if (!what)
		return error_set_errno(err, -ENOMEM, "finisher " NAME);
	r = control_next(&at, at + content_size(content), what, &profile, err);
	if (r < 0 || (r > 0 && !is(&profile, "Default", "yes")))
		return r < 0 ? r : 0;
	if (r == 0)
		return error_set(err, -EBADMSG, "%s: the profile is empty", what);
	r = add_profile(profiles, name, &profile);
	return r < 0 ? error_set_errno(err, r, "finisher " NAME) : 0;
}

/* True where a list of names, parted by commas and blanks, has *name*. */
static bool list_has(const char *list, const char *name)
{
	while (list && *list) {
		size_t length;

		list += strspn(list, ", \t\n");
		length = strcspn(list, ", \t\n");
		if (length > 0 && length == strlen(name) && memcmp(list, name, length) == 0)
			return true;
		list += length;
	}
	return false;
}

static int read_profiles(struct finish *finish, struct profiles *ret, struct error **err)
{
	const struct tree_inode *folder = tree_resolve(finish->tree, "usr/share/pam-configs");
	int r = 0;

	for (size_t i = 0; r >= 0 && folder && i < folder->entry_count; i++)
		if (S_ISREG(folder->entries[i].inode->mode))
			r = read_profile(
				ret, folder->entries[i].name, folder->entries[i].inode->content, err);
	for (size_t i = 0; r >= 0 && i < ret->count; i++)
		for (size_t k = 0; k < ret->count; k++)
			if (k != i && list_has(control_get(&ret->items[i], "Conflicts"), ret->names[k]))
				return error_set(err, -EEXIST,
					"finisher " NAME
					": profiles \"%s\" and \"%s\" conflict; leave one out",
					ret->names[i], ret->names[k]);
	return r;
}

/* One of the five files: what its lines begin with, and the name that profiles have for it. */
struct stack {
	const char *file;
	const char *type;
	const char *field;
	bool interactive;
};

/* The module lines of one profile for a stack; the first profile of a block has lines of its own where it
 * says so. */
static const char *module_lines(
	const struct control *profile, const struct stack *stack, const char *block, bool first)
{
	char field[32];
	const char *lines = NULL;

	(void)snprintf(field, sizeof(field), "%s-Type", stack->field);
	if (!is(profile, field, block))
		return NULL;
	if (!stack->interactive && is(profile, "Session-Interactive-Only", "yes"))
		return NULL;
	(void)snprintf(field, sizeof(field), "%s-Initial", stack->field);
	if (first)
		lines = control_get(profile, field);
	return lines ? lines : control_get(profile, stack->field);
}

/*
 * Appends a block's lines. "end" in the jumps of a control in brackets becomes the number of the block's
 * lines left, and one for the pam_deny.so that follows the Primary block.
 */
static void append_lines(struct buffer *text, const struct stack *stack, const struct strv *lines)
{
	for (size_t i = 0; i < lines->count; i++) {
		const char *at = lines->items[i], *bracket = *at == '[' ? strchr(at, ']') : NULL, *end;

		buffer_printf(text, "%s\t", stack->type);
		while (bracket && (end = strstr(at, "=end")) && end < bracket && strchr(" ]", end[4])) {
			buffer_append(text, at, (size_t)(end - at));
			buffer_printf(text, "=%zu", lines->count - i);
			at = end + 4;
		}
		buffer_printf(text, "%s\n", at);
	}
}

static int split_lines(const char *value, struct strv *ret)
{
	int r = 0;

	while (r >= 0 && *value) {
		size_t length = strcspn(value, "\n");

		if (length > 0)
			r = strv_push(ret, strndup(value, length));
		value += length + (value[length] == '\n');
	}
	return r;
}

static int append_block(struct buffer *text, const struct profiles *profiles, const struct stack *stack,
	const char *block, struct error **err)
{
	_cleanup_strv_ struct strv lines = {};
	bool first = true;

	for (size_t i = 0; i < profiles->count; i++) {
		const char *value = module_lines(&profiles->items[i], stack, block, first);

		if (!value)
			continue;
		if (split_lines(value, &lines) < 0)
			return error_set_errno(err, -ENOMEM, "finisher " NAME);
		first = false;
	}
	if (lines.count == 0 && streq(block, "Primary"))
		buffer_printf(text, "%s\t[default=1]\t\t\tpam_permit.so\n", stack->type);
	append_lines(text, stack, &lines);
	return 0;
}

static int write_stack(
	struct finish *finish, const struct profiles *profiles, const struct stack *stack, struct error **err)
{
	_cleanup_free_ char *path = string_format("etc/pam.d/%s", stack->file),
			    *from = string_format("usr/share/pam/%s", stack->file);
	const char *line = path && from ? finish_text(finish, from) : NULL;
	_cleanup_buffer_ struct buffer text = {};
	int r = 0;

	if (!path || !from)
		return error_set_errno(err, -ENOMEM, "finisher " NAME);
	if (own_is(tree_lookup(finish->tree, path)))
		return 0; /* pam-auth-update leaves what an administrator has changed, too */
	if (!line)
		return error_set(
			err, -ENOENT, "finisher " NAME ": libpam-runtime's \"%s\" is not in the tree", from);
	for (size_t length; r >= 0 && *line; line += length + (line[length] == '\n')) {
		length = strcspn(line, "\n");
		if (line[0] != '$')
			buffer_append(&text, line, length + (line[length] == '\n'));
		else if (length > 8 && memcmp(line + length - 8, "_primary", 8) == 0)
			r = append_block(&text, profiles, stack, "Primary", err);
		else
			r = append_block(&text, profiles, stack, "Additional", err);
	}
	if (r >= 0 && buffer_failed(&text))
		r = error_set_errno(err, -ENOMEM, "finisher " NAME);
	return r < 0 ? r : finish_file(finish, NAME, path, 0644, text.data, text.size, err);
}

int finish_pam(struct finish *finish, struct error **err)
{
	static const struct stack stacks[] = {
		{"common-account", "account", "Account", true},
		{"common-auth", "auth", "Auth", true},
		{"common-password", "password", "Password", true},
		{"common-session", "session", "Session", true},
		{"common-session-noninteractive", "session", "Session", false},
	};
	_cleanup_(profiles_release) struct profiles profiles = {};
	int r;

	if (!tree_lookup(finish->tree, "usr/share/pam"))
		return 0; /* an edition without PAM */
	r = read_profiles(finish, &profiles, err);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(stacks); i++)
		r = write_stack(finish, &profiles, &stacks[i], err);
	return r;
}
