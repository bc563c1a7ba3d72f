/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/presets.h"

#include <errno.h>
#include <fnmatch.h>

#include "base/buffer.h"

#define UNITS "usr/lib/systemd/system"
#define LINKS "etc/systemd/system"
#define ORIGIN "finisher:presets"

/* The folders of a manager, those in /etc first. */
struct scope {
	const char *units[2], *presets[2];
};

static const struct scope scopes[] = {
	{{LINKS, UNITS}, {"etc/systemd/system-preset", "usr/lib/systemd/system-preset"}},
	{{"etc/systemd/user", "usr/lib/systemd/user"},
		{"etc/systemd/user-preset", "usr/lib/systemd/user-preset"}},
};

enum verdict { PRESET_ENABLE, PRESET_DISABLE, PRESET_IGNORE };

struct rule {
	enum verdict verdict;
	char *pattern;
	struct strv instances; /* of a template, named behind the pattern */
};

struct presets {
	struct finish *finish;
	const struct scope *scope;
	struct rule *rules; /* in order of precedence */
	size_t rule_count;
	struct strv enabled; /* units whose links are made, so that Also= of two units can name each other */
};

/* What the [Install] section of a unit and its drop-ins asks for. */
struct install {
	struct strv alias, wanted_by, required_by, upheld_by, also;
	char *default_instance;
};

static void presets_release(struct presets *presets)
{
	for (size_t i = 0; i < presets->rule_count; i++) {
		free(presets->rules[i].pattern);
		strv_release(&presets->rules[i].instances);
	}
	free(presets->rules);
	strv_release(&presets->enabled);
}

static void install_release(struct install *install)
{
	strv_release(&install->alias);
	strv_release(&install->wanted_by);
	strv_release(&install->required_by);
	strv_release(&install->upheld_by);
	strv_release(&install->also);
	free(install->default_instance);
}

static int no_memory(struct error **err)
{
	return error_set_errno(err, -ENOMEM, "unit presets");
}

/* Splits at white space. */
static int split_words(const char *text, size_t length, struct strv *ret)
{
	static const char space[] = " \t\r\n";
	const char *end = text + length;

	while (text < end) {
		size_t skip = strspn(text, space), word;

		text += MIN(skip, (size_t)(end - text));
		word = strcspn(text, space);
		word = MIN(word, (size_t)(end - text));
		if (word > 0 && strv_push(ret, strndup(text, word)) < 0)
			return -ENOMEM;
		text += word;
	}
	return 0;
}

/* The next line of a file in the form of systemd's: continued by a backslash, comments and empty lines passed
 * over. */
struct lines {
	const char *at;
	unsigned number; /* of the line that *text* began on */
	unsigned next;
	struct buffer text;
};

static bool read_physical_line(struct lines *lines, const char **ret, size_t *ret_length)
{
	if (!*lines->at)
		return false;
	*ret = lines->at;
	*ret_length = strcspn(lines->at, "\n");
	lines->at += *ret_length + (lines->at[*ret_length] == '\n');
	lines->next++;
	return true;
}

/* Returns 1 with the line in lines->text, NUL-terminated; 0 at the end; -ENOMEM. */
static int lines_next(struct lines *lines)
{
	const char *line;
	size_t length;
	bool continued = false;

	lines->text.size = 0;
	while (read_physical_line(lines, &line, &length)) {
		size_t indent = strspn(line, " \t");
		bool comment = indent < length && (line[indent] == '#' || line[indent] == ';');

		if (comment || (!continued && indent >= length))
			continue;
		if (!continued)
			lines->number = lines->next;
		continued = length > 0 && line[length - 1] == '\\';
		buffer_append(&lines->text, line, length - continued);
		if (continued)
			buffer_append_u8(&lines->text, ' ');
		else
			break;
	}
	if (lines->text.size == 0)
		return 0;
	buffer_append_u8(&lines->text, 0);
	return buffer_failed(&lines->text) ? -ENOMEM : 1;
}

static int add_rule(struct presets *presets, const char *path, const struct lines *lines, struct error **err)
{
	static const char *const verbs[] = {
		[PRESET_ENABLE] = "enable", [PRESET_DISABLE] = "disable", [PRESET_IGNORE] = "ignore"};
	_cleanup_strv_ struct strv words = {};
	struct rule *rules, *rule;

	if (split_words((const char *)lines->text.data, lines->text.size - 1, &words) < 0)
		return no_memory(err);
	rules = reallocarray(presets->rules, presets->rule_count + 1, sizeof(*rules));
	if (!rules)
		return no_memory(err);
	presets->rules = rules;
	rule = &rules[presets->rule_count];
	*rule = (struct rule){};
	for (size_t i = 0; words.count >= 2 && i < ARRAY_SIZE(verbs); i++) {
		if (!streq(words.items[0], verbs[i]))
			continue;
		rule->verdict = (enum verdict)i;
		presets->rule_count++;
		rule->pattern = strdup(words.items[1]);
		for (size_t k = 2; k < words.count; k++)
			if (strv_add(&rule->instances, words.items[k]) < 0)
				return no_memory(err);
		return rule->pattern ? 0 : no_memory(err);
	}
	return error_set(err, -EINVAL,
		"%s:%u: is none of \"enable UNIT…\", \"disable UNIT\", \"ignore UNIT\"", path, lines->number);
}

static int read_preset_file(struct presets *presets, const char *path, struct error **err)
{
	const struct tree_inode *inode = tree_resolve(presets->finish->tree, path);
	struct lines lines = {};
	int r;

	/* A link to /dev/null, or a file that is no file, masks the name. */
	if (!inode || !S_ISREG(inode->mode))
		return 0;
	lines.at = (const char *)content_data(inode->content);
	do {
		r = lines_next(&lines);
		if (r < 0)
			(void)no_memory(err);
		if (r <= 0)
			break;
		r = add_rule(presets, path, &lines, err);
	} while (r >= 0);
	buffer_release(&lines.text);
	return r;
}

static int read_presets(struct presets *presets, struct error **err)
{
	const char *const *folders = presets->scope->presets;
	_cleanup_strv_ struct strv names = {};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(presets->scope->presets); i++) {
		const struct tree_inode *folder = tree_resolve(presets->finish->tree, folders[i]);

		for (size_t k = 0; folder && k < folder->entry_count; k++)
			if (endswith(folder->entries[k].name, ".preset") &&
				strv_add(&names, folder->entries[k].name) < 0)
				return no_memory(err);
	}
	strv_sort_unique(&names);
	for (size_t i = 0; r >= 0 && i < names.count; i++)
		for (size_t k = 0; k < ARRAY_SIZE(presets->scope->presets); k++) {
			_cleanup_free_ char *path = string_format("%s/%s", folders[k], names.items[i]);

			if (!path)
				return no_memory(err);
			if (!tree_lookup(presets->finish->tree, path))
				continue;
			r = read_preset_file(presets, path, err);
			break;
		}
	return r;
}

/* Takes in one assignment of an [Install] section. What is not about links is passed over. */
static int install_assign(struct install *install, const char *key, size_t key_length, const char *value)
{
	const struct {
		const char *key;
		struct strv *list;
	} lists[] = {
		{"Alias", &install->alias},
		{"WantedBy", &install->wanted_by},
		{"RequiredBy", &install->required_by},
		{"UpheldBy", &install->upheld_by},
		{"Also", &install->also},
	};
	_cleanup_strv_ struct strv words = {};

	if (split_words(value, strlen(value), &words) < 0)
		return -ENOMEM;
	if (key_length == strlen("DefaultInstance") && strncmp(key, "DefaultInstance", key_length) == 0) {
		install->default_instance = string_free(install->default_instance);
		if (words.count > 0 && !(install->default_instance = strdup(words.items[0])))
			return -ENOMEM;
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		if (key_length != strlen(lists[i].key) || strncmp(key, lists[i].key, key_length) != 0)
			continue;
		/* An empty assignment forgets what came before. */
		if (words.count == 0)
			strv_release(lists[i].list);
		for (size_t k = 0; k < words.count; k++)
			if (strv_add(lists[i].list, words.items[k]) < 0)
				return -ENOMEM;
	}
	return 0;
}

static int read_install_file(const struct tree_inode *inode, struct install *install, struct error **err)
{
	struct lines lines = {.at = (const char *)content_data(inode->content)};
	bool here = false;
	int r;

	while ((r = lines_next(&lines)) > 0) {
		const char *line =
			(const char *)lines.text.data + strspn((const char *)lines.text.data, " \t");
		size_t key = strcspn(line, "= \t");
		const char *equals = strchr(line, '=');

		if (line[0] == '[')
			here = startswith(line, "[Install]") != NULL;
		else if (here && equals)
			r = install_assign(install, line, key, equals + 1);
		if (r < 0)
			break;
	}
	buffer_release(&lines.text);
	return r < 0 ? no_memory(err) : 0;
}

static int read_drop_ins(
	const struct tree *tree, const char *folder_path, struct install *install, struct error **err)
{
	const struct tree_inode *folder = tree_resolve(tree, folder_path);
	int r = 0;

	for (size_t i = 0; r >= 0 && folder && i < folder->entry_count; i++) {
		const struct tree_entry *entry = &folder->entries[i];

		if (endswith(entry->name, ".conf") && S_ISREG(entry->inode->mode))
			r = read_install_file(entry->inode, install, err);
	}
	return r;
}

/* Reads what a unit of that name asks for. Returns 0 with *ret_path* NULL where the tree has no such unit. */
static int read_install(const struct presets *presets, const char *unit, struct install *install,
	char **ret_path, struct error **err)
{
	const struct tree *tree = presets->finish->tree;
	const char *const *folders = presets->scope->units;
	const size_t count = ARRAY_SIZE(presets->scope->units);
	int r = 0;

	*ret_path = NULL;
	for (size_t i = 0; r >= 0 && i < count; i++) {
		_cleanup_free_ char *path = string_format("%s/%s", folders[i], unit);
		const struct tree_inode *inode = path ? tree_lookup(tree, path) : NULL;

		if (!path)
			return no_memory(err);
		if (!inode)
			continue;
		/* A link is an alias, or a mask: it is not itself enabled. */
		if (!S_ISREG(inode->mode))
			return 0;
		r = read_install_file(inode, install, err);
		*ret_path = TAKE_PTR(path);
		break;
	}
	for (size_t i = count; r >= 0 && *ret_path && i-- > 0;) {
		_cleanup_free_ char *drop_ins = string_format("%s/%s.d", folders[i], unit);

		r = drop_ins ? read_drop_ins(tree, drop_ins, install, err) : no_memory(err);
	}
	return r;
}

/* Where the "@" of a template stands, "getty@.service"; NULL for another unit. */
static const char *template_at(const char *unit)
{
	const char *at = strchr(unit, '@');

	return at && at[1] == '.' ? at : NULL;
}

/* The name of a template's instance. */
static char *instantiate(const char *unit, const char *instance)
{
	const char *at = template_at(unit);

	return string_format("%.*s%s%s", (int)(at + 1 - unit), unit, instance, at + 1);
}

/* Replaces the specifiers that an [Install] section may have: %n, %N, %p, %i, %%. */
static char *expand(const char *text, const char *unit)
{
	_cleanup_buffer_ struct buffer result = {};
	const char *dot = strrchr(unit, '.'), *at = strchr(unit, '@');
	int stem = (int)(dot ? dot - unit : (ptrdiff_t)strlen(unit));

	for (; *text; text++) {
		if (*text != '%') {
			buffer_append_u8(&result, (uint8_t)*text);
			continue;
		}
		switch (*++text) {
		case '%':
			buffer_append_u8(&result, '%');
			break;
		case 'n':
			buffer_append_string(&result, unit);
			break;
		case 'N':
			buffer_printf(&result, "%.*s", stem, unit);
			break;
		case 'p':
			buffer_printf(&result, "%.*s", at ? (int)(at - unit) : stem, unit);
			break;
		case 'i':
			if (at)
				buffer_printf(&result, "%.*s", (int)(unit + stem - at - 1), at + 1);
			break;
		default:
			return NULL;
		}
	}
	return buffer_take(&result, NULL);
}

static int add_link(struct presets *presets, const char *link, const char *target, struct error **err)
{
	const struct tree_attributes attributes = {.mtime = presets->finish->mtime, .origin = ORIGIN};
	const struct tree_inode *there = tree_lookup(presets->finish->tree, link);

	if (there)
		return 0; /* the administrator's word, or the same link */
	return tree_add_symlink(presets->finish->tree, link, &attributes, target, NULL, err);
}

/* Makes NAME.KIND/UNIT in the folder of links for each name of a list; *kind* "" stands for aliases. */
static int add_links(struct presets *presets, const struct strv *names, const char *kind, const char *unit,
	const char *path, struct error **err)
{
	const char *links = presets->scope->units[0];
	int r = 0;

	for (size_t i = 0; r >= 0 && i < names->count; i++) {
		_cleanup_free_ char *name = expand(names->items[i], unit), *link = NULL, *target = NULL;

		if (!name || strchr(name, '/'))
			return error_set(err, -EINVAL, "%s: [Install] has \"%s\", which can't be followed",
				path, names->items[i]);
		link = kind[0] ? string_format("%s/%s.%s/%s", links, name, kind, unit)
			       : string_format("%s/%s", links, name);
		target = string_format("/%s", path);
		r = link && target ? add_link(presets, link, target, err) : no_memory(err);
	}
	return r;
}

static int enable(
	struct presets *presets, const char *unit, const struct strv *instances, struct error **err);

/* Makes the links of one unit or instance. *unit* is the name that the links bear. */
static int link_unit(struct presets *presets, const char *unit, const struct install *install,
	const char *path, struct error **err)
{
	int r;

	r = add_links(presets, &install->wanted_by, "wants", unit, path, err);
	if (r >= 0)
		r = add_links(presets, &install->required_by, "requires", unit, path, err);
	if (r >= 0)
		r = add_links(presets, &install->upheld_by, "upholds", unit, path, err);
	return r;
}

static int link_template(struct presets *presets, const char *unit, const struct install *install,
	const char *path, const struct strv *instances, struct error **err)
{
	const struct strv fallback = {
		.items = (char **)&install->default_instance, .count = install->default_instance != NULL};
	int r = 0;

	/* Without an instance there is nothing that could be started. */
	if (instances->count == 0)
		instances = &fallback;
	for (size_t i = 0; r >= 0 && i < instances->count; i++) {
		_cleanup_free_ char *instance = instantiate(unit, instances->items[i]);

		r = instance ? link_unit(presets, instance, install, path, err) : no_memory(err);
	}
	return r;
}

static int enable(struct presets *presets, const char *unit, const struct strv *instances, struct error **err)
{
	_cleanup_(install_release) struct install install = {};
	static const struct strv none = {};
	_cleanup_free_ char *path = NULL;
	int r;

	if (strv_contains(&presets->enabled, unit))
		return 0;
	if (strv_add(&presets->enabled, unit) < 0)
		return no_memory(err);
	r = read_install(presets, unit, &install, &path, err);
	if (r < 0 || !path)
		return r;
	r = add_links(presets, &install.alias, "", unit, path, err);
	if (r >= 0)
		r = template_at(unit) ? link_template(presets, unit, &install, path, instances, err)
				      : link_unit(presets, unit, &install, path, err);
	for (size_t i = 0; r >= 0 && i < install.also.count; i++)
		r = enable(presets, install.also.items[i], &none, err);
	return r;
}

/* The rule that speaks of a unit; NULL where none does. */
static const struct rule *find_rule(const struct presets *presets, const char *unit)
{
	for (size_t i = 0; i < presets->rule_count; i++)
		if (fnmatch(presets->rules[i].pattern, unit, FNM_NOESCAPE) == 0)
			return &presets->rules[i];
	return NULL;
}

static int apply(struct presets *presets, const char *unit, struct error **err)
{
	static const struct rule default_rule = {.verdict = PRESET_ENABLE};
	const struct rule *rule = find_rule(presets, unit);

	if (!rule)
		rule = &default_rule;
	return rule->verdict == PRESET_ENABLE ? enable(presets, unit, &rule->instances, err) : 0;
}

static int apply_scope(struct finish *finish, const struct scope *scope, struct error **err)
{
	_cleanup_(presets_release) struct presets presets = {.finish = finish, .scope = scope};
	_cleanup_strv_ struct strv units = {};
	int r;

	r = read_presets(&presets, err);
	/* The names first: enabling adds links to the folder that is being read. */
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(scope->units); i++) {
		const struct tree_inode *folder = tree_resolve(finish->tree, scope->units[i]);

		for (size_t k = 0; folder && k < folder->entry_count; k++)
			if (S_ISREG(folder->entries[k].inode->mode) &&
				strv_add(&units, folder->entries[k].name) < 0)
				return no_memory(err);
	}
	strv_sort_unique(&units);
	for (size_t i = 0; r >= 0 && i < units.count; i++)
		r = apply(&presets, units.items[i], err);
	return r;
}

int finish_presets(struct finish *finish, struct error **err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(scopes); i++)
		r = apply_scope(finish, &scopes[i], err);
	return r;
}

/* The name of an instance's template, of any other unit its own; NULL where memory is out. */
static char *file_of(const char *unit)
{
	const char *at = strchr(unit, '@'), *dot = strrchr(unit, '.');

	return at && dot && dot > at ? string_format("%.*s%s", (int)(at + 1 - unit), unit, dot)
				     : strdup(unit);
}

static int has_unit(const struct finish *finish, const char *unit, struct error **err)
{
	_cleanup_free_ char *path = string_format(UNITS "/%s", unit), *own = string_format(LINKS "/%s", unit);

	if (!path || !own)
		return no_memory(err);
	return tree_lookup(finish->tree, path) || tree_lookup(finish->tree, own);
}

/* Puts a link in the place of whatever LINKS has under that name. */
static int replace_link(struct finish *finish, const char *unit, const char *target, struct error **err)
{
	const struct tree_attributes attributes = {.mtime = finish->mtime, .origin = ORIGIN};
	_cleanup_free_ char *path = string_format(LINKS "/%s", unit);
	const struct tree_inode *there;
	int r;

	if (!path)
		return no_memory(err);
	there = tree_lookup(finish->tree, path);
	if (there && S_ISLNK(there->mode) && streq(there->target, target))
		return 0;
	r = finish_clear(finish, "units", path, err);
	return r < 0 ? r : tree_add_symlink(finish->tree, path, &attributes, target, NULL, err);
}

static int no_unit(const char *unit, struct error **err)
{
	return error_about(err, unit, error_set(err, -ENOENT, "no package has the unit \"%s\"", unit));
}

int finish_check_units(const struct finish *finish, const struct strv *units, struct error **err)
{
	for (size_t i = 0; i < units->count; i++) {
		_cleanup_free_ char *file = file_of(units->items[i]);
		int r = file ? has_unit(finish, file, err) : no_memory(err);

		if (r < 0)
			return r;
		if (r == 0)
			return no_unit(units->items[i], err);
	}
	return 0;
}

int finish_check_enabled(const struct finish *finish, const struct strv *units, struct error **err)
{
	const struct presets presets = {.finish = (struct finish *)finish, .scope = &scopes[0]};
	int r = finish_check_units(finish, units, err);

	for (size_t i = 0; r >= 0 && i < units->count; i++) {
		_cleanup_(install_release) struct install install = {};
		_cleanup_free_ char *file = file_of(units->items[i]), *path = NULL;

		r = file ? read_install(&presets, file, &install, &path, err) : no_memory(err);
		if (r >= 0 && install.alias.count + install.wanted_by.count + install.required_by.count +
					      install.upheld_by.count + install.also.count ==
				      0)
			r = error_about(err, units->items[i],
				error_set(err, -EINVAL,
					"%s has no [Install] section that says what starts it",
					units->items[i]));
	}
	return r;
}

int finish_masks(struct finish *finish, const struct strv *units, struct error **err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < units->count; i++) {
		r = has_unit(finish, units->items[i], err);
		if (r == 0)
			return no_unit(units->items[i], err);
		if (r > 0)
			r = replace_link(finish, units->items[i], "/dev/null", err);
	}
	return r;
}

/* The definition's own: 1 where there is one, and a unit that it leads to. */
static int find_default_target(const struct finish *finish, struct error **err)
{
	static const char *const paths[] = {LINKS "/default.target", UNITS "/default.target"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (!own_is(tree_lookup(finish->tree, paths[i])))
			continue;
		return tree_resolve(finish->tree, paths[i]) ? 1
							    : own_error(finish->definition, paths[i], err,
								      "/%s leads to no unit", paths[i]);
	}
	return 0;
}

static int make_default_target(struct finish *finish, const char *unit, struct error **err)
{
	_cleanup_free_ char *target = string_format("/" UNITS "/%s", unit);
	int r = target ? has_unit(finish, unit, err) : no_memory(err);

	if (r < 0)
		return r;
	if (r == 0)
		return error_set(err, -ENOENT, "default target: no package has the unit \"%s\"", unit);
	return replace_link(finish, "default.target", target, err);
}

int finish_default_target(struct finish *finish, const char *unit, struct error **err)
{
	int r = find_default_target(finish, err);

	return r != 0 ? MIN(r, 0) : make_default_target(finish, unit, err);
}
