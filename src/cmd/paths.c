/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/paths.h"

#include <errno.h>
#include <limits.h>

#include "base/string-util.h"

static char *out_of_memory(struct error **err)
{
	(void)error_set_errno(err, -ENOMEM, "paths");
	return NULL;
}

/* A folder of the XDG base directory specification: *variable*, or *fallback* below the home folder. */
static char *xdg_folder(const char *variable, const char *fallback, const char *below, struct error **err)
{
	const char *value = getenv(variable), *home = getenv("HOME");
	char *path;

	/* The specification says that a relative path is to be ignored. */
	if (value && value[0] == '/')
		path = string_format("%s/%s", value, below);
	else if (home && home[0] == '/')
		path = string_format("%s/%s/%s", home, fallback, below);
	else {
		(void)error_set(err, -ENOENT,
			"neither $%s nor $HOME says where to keep files; give the option instead", variable);
		return NULL;
	}
	return path ? path : out_of_memory(err);
}

char *path_cache(struct error **err)
{
	return xdg_folder("XDG_CACHE_HOME", ".cache", "orlop", err);
}

char *path_keys(struct error **err)
{
	return xdg_folder("XDG_DATA_HOME", ".local/share", "orlop/keys", err);
}

char *path_vm_key(struct error **err)
{
	return xdg_folder("XDG_DATA_HOME", ".local/share", "orlop/vm-ssh-key", err);
}

char *path_runtime(struct error **err)
{
	const char *value = getenv("XDG_RUNTIME_DIR");
	char *path;

	if (value && value[0] == '/')
		path = string_format("%s/orlop", value);
	else
		path = string_format("/tmp/orlop-%u", (unsigned)geteuid());
	return path ? path : out_of_memory(err);
}

/* The folder of the running program. */
static char *program_folder(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n <= 0)
		return NULL;
	path[n] = 0;
	slash = strrchr(path, '/');
	if (!slash)
		return NULL;
	*slash = 0;
	return strdup(path);
}

/* The first of two or three paths that can be read; each is freed or returned. */
static char *first_readable(char *paths[], size_t count)
{
	char *found = NULL;

	for (size_t i = 0; i < count; i++) {
		if (!found && paths[i] && access(paths[i], R_OK) == 0)
			found = paths[i];
		else
			free(paths[i]);
	}
	return found;
}

char *path_edition(const char *name, struct error **err)
{
	const char *folder = getenv("ORLOP_EDITIONS");
	_cleanup_free_ char *program = program_folder();
	char *paths[3] = {}, *found;

	if (strchr(name, '/') || endswith(name, ".yaml")) {
		found = strdup(name);
		return found ? found : out_of_memory(err);
	}
	if (folder)
		paths[0] = string_format("%s/%s.yaml", folder, name);
	if (program) {
		paths[1] = string_format("%s/../editions/%s.yaml", program, name);
		paths[2] = string_format("%s/../share/orlop/editions/%s.yaml", program, name);
	}
	found = first_readable(paths, ARRAY_SIZE(paths));
	if (!found)
		(void)error_set(err, -ENOENT,
			"there is no edition \"%s\"; give the path of a definition, or the name of a file in "
			"the folder editions/",
			name);
	return found;
}

char *path_program(const char *name, const char *variable, const char *architecture, struct error **err)
{
	const char *given = getenv(variable);
	_cleanup_free_ char *program = program_folder();
	char *paths[2] = {}, *found;

	if (given)
		paths[0] = strdup(given);
	else if (program) {
		paths[0] = string_format("%s/node/%s/%s", program, architecture, name);
		paths[1] = string_format("%s/../lib/orlop/%s/%s", program, architecture, name);
	}
	found = first_readable(paths, ARRAY_SIZE(paths));
	if (!found && given)
		(void)error_set(err, -ENOENT, "%s for %s: $%s names \"%s\", which can't be read", name,
			architecture, variable, given);
	else if (!found)
		(void)error_set(err, -ENOENT,
			"%s for %s was not found beside the program; set $%s to its path", name, architecture,
			variable);
	return found;
}
