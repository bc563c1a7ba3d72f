/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/modules.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/module.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "init/cmdline.h"
#include "init/folder.h"
#include "init/report.h"

#define MODALIAS_MAX 4096

static void module_release(struct module *module)
{
	free(module->name);
	free(module->file);
	strv_release(&module->needs);
	strv_release(&module->aliases);
}

void modules_release(struct modules *modules)
{
	for (size_t i = 0; i < modules->count; i++)
		module_release(&modules->items[i]);
	free(modules->items);
	*modules = (struct modules){};
}

static struct module *find_module(const struct modules *modules, const char *name)
{
	for (size_t i = 0; i < modules->count; i++)
		if (streq(modules->items[i].name, name))
			return &modules->items[i];
	return NULL;
}

/* Adds the parts of *text* between characters of *separators*, empty ones left out. */
static int split(const char *text, const char *separators, struct strv *ret)
{
	for (;;) {
		size_t length;
		int r;

		text += strspn(text, separators);
		length = strcspn(text, separators);
		if (length == 0)
			return 0;
		r = strv_push(ret, strndup(text, length));
		if (r < 0)
			return r;
		text += length;
	}
}

static int check_module(
	const struct modules *modules, const struct module *module, unsigned number, struct error **err)
{
	if (*module->file != '/')
		return error_set(err, -EINVAL, "modules:%u: %s is no absolute path", number, module->file);
	if (find_module(modules, module->name))
		return error_set(err, -EINVAL, "modules:%u: %s stands twice", number, module->name);
	for (size_t i = 0; i < module->needs.count; i++)
		if (!find_module(modules, module->needs.items[i]))
			return error_set(err, -EINVAL,
				"modules:%u: %s needs %s, which does not stand before it", number,
				module->name, module->needs.items[i]);
	return 0;
}

/* Moves the fields of a line into a module. */
static int fill_module(struct strv *fields, struct module *ret)
{
	ret->name = TAKE_PTR(fields->items[0]);
	ret->file = TAKE_PTR(fields->items[1]);
	if (!streq(fields->items[2], "-") && split(fields->items[2], ",", &ret->needs) < 0)
		return -ENOMEM;
	for (size_t i = 3; i < fields->count; i++)
		if (streq(fields->items[i], "always"))
			ret->always = true;
		else if (strv_push(&ret->aliases, TAKE_PTR(fields->items[i])) < 0)
			return -ENOMEM;
	return 0;
}

static int parse_line(const char *line, unsigned number, struct modules *modules, struct error **err)
{
	_cleanup_strv_ struct strv fields = {};
	struct module module = {}, *items;
	int r = split(line, " \t", &fields);

	if (r < 0)
		return error_set_errno(err, r, "modules");
	if (fields.count == 0)
		return 0;
	if (fields.count < 3)
		return error_set(err, -EINVAL, "modules:%u: name, file and needs are not all there", number);
	r = fill_module(&fields, &module);
	if (r < 0)
		(void)error_set_errno(err, r, "modules");
	else
		r = check_module(modules, &module, number, err);
	items = r < 0 ? NULL : reallocarray(modules->items, modules->count + 1, sizeof(*items));
	if (!items) {
		module_release(&module);
		return r < 0 ? r : error_set_errno(err, -ENOMEM, "modules");
	}
	modules->items = items;
	items[modules->count++] = module;
	return 0;
}

int modules_parse(const char *text, struct modules *ret, struct error **err)
{
	_cleanup_modules_ struct modules modules = {};

	for (unsigned number = 1; *text; number++) {
		size_t length = strcspn(text, "\n");
		_cleanup_free_ char *line = strndup(text, length);
		int r;

		if (!line)
			return error_set_errno(err, -ENOMEM, "modules");
		r = parse_line(line, number, &modules, err);
		if (r < 0)
			return r;
		text += length + (text[length] == '\n');
	}
	*ret = modules;
	modules = (struct modules){};
	return 0;
}

bool module_matches(const struct module *module, const char *modalias)
{
	for (size_t i = 0; i < module->aliases.count; i++)
		if (fnmatch(module->aliases.items[i], modalias, 0) == 0)
			return true;
	return false;
}

/* Loads a module after what it needs. The list's order, checked when it was read, ends the recursion. */
static int load_with_needs(struct modules *modules, struct module *module, module_load_fn load,
	void *userdata, struct error **err)
{
	int r;

	if (module->loaded)
		return 0;
	module->loaded = true;
	for (size_t i = 0; i < module->needs.count; i++) {
		struct module *needed = find_module(modules, module->needs.items[i]);

		assert(needed);
		r = load_with_needs(modules, needed, load, userdata, err);
		if (r < 0)
			return r;
	}
	return load(module, userdata, err);
}

int modules_load_always(struct modules *modules, module_load_fn load, void *userdata, struct error **err)
{
	for (size_t i = 0; i < modules->count; i++) {
		int r = 0;

		if (modules->items[i].always)
			r = load_with_needs(modules, &modules->items[i], load, userdata, err);
		if (r < 0)
			return r;
	}
	return 0;
}

void modules_load_for(struct modules *modules, const char *modalias, module_load_fn load, void *userdata)
{
	for (size_t i = 0; i < modules->count; i++) {
		_cleanup_error_ struct error *err = NULL;
		struct module *module = &modules->items[i];

		if (module->loaded || !module_matches(module, modalias))
			continue;
		if (load_with_needs(modules, module, load, userdata, &err) < 0)
			report(REPORT_WARNING, "%s", error_message(err));
	}
}

int module_load(const struct module *module, void *userdata, struct error **err)
{
	_cleanup_close_ int fd = open(module->file, O_RDONLY | O_CLOEXEC);
	_cleanup_buffer_ struct buffer parameters = {};
	int flags = endswith(module->file, ".ko") ? 0 : MODULE_INIT_COMPRESSED_FILE;

	if (fd < 0)
		return error_set_errno(err, -errno, "%s", module->file);
	cmdline_module_parameters(userdata, module->name, &parameters);
	if (buffer_failed(&parameters))
		return error_set_errno(err, -ENOMEM, "module %s", module->name);
	/* There already; or for a processor or device that this machine has not. */
	if (syscall(SYS_finit_module, fd, (const char *)parameters.data, flags) < 0 && errno != EEXIST &&
		errno != ENODEV)
		return error_set_errno(err, -errno, "module %s", module->name);
	return 0;
}

static void load_for_file(struct modules *modules, const char *path, const struct strv *arguments)
{
	_cleanup_free_ char *modalias = NULL;

	if (file_read(path, MODALIAS_MAX, &modalias, NULL, NULL) < 0)
		return;
	modalias[strcspn(modalias, "\n")] = 0;
	modules_load_for(modules, modalias, module_load, (void *)arguments);
}

/* Loads the drivers for the devices of one bus. */
static void load_for_bus(struct modules *modules, const char *bus, const struct strv *arguments)
{
	char folder[300], path[600];
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;

	(void)snprintf(folder, sizeof(folder), "/sys/bus/%s/devices", bus);
	dir = opendir(folder);
	while (dir && (entry = readdir(dir))) {
		(void)snprintf(path, sizeof(path), "%s/%s/modalias", folder, entry->d_name);
		load_for_file(modules, path, arguments);
	}
}

void modules_load_for_devices(struct modules *modules, const struct strv *arguments)
{
	_cleanup_closedir_ DIR *dir = opendir("/sys/bus");
	struct dirent *entry;

	load_for_file(modules, "/sys/devices/system/cpu/modalias", arguments);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			load_for_bus(modules, entry->d_name, arguments);
}
