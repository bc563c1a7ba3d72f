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

char *path_given(const char *path, struct error **err)
{
	char *copy = strdup(path);

	return copy ? copy : out_of_memory(err);
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

/* Paths in the order in which they count; NULL stands for one that there was no memory for. */
struct places {
	char *paths[3];
	size_t count;
};

static void places_add(struct places *places, char *path)
{
	places->paths[places->count++] = path;
}

static void places_release(struct places *places)
{
	for (size_t i = 0; i < places->count; i++)
		free(places->paths[i]);
}

/* The first that is there; -ENOENT where none is. A path that can't be looked at is not passed over. */
static int places_find(struct places *places, char **ret)
{
	for (size_t i = 0; i < places->count; i++) {
		char **path = &places->paths[i];

		if (!*path)
			return -ENOMEM;
		if (access(*path, R_OK) == 0) {
			*ret = TAKE_PTR(*path);
			return 0;
		}
		if (errno != ENOENT && errno != ENOTDIR)
			return -errno;
	}
	return -ENOENT;
}

char *path_edition(const char *name, struct error **err)
{
	const char *folder = getenv("ORLOP_EDITIONS");
	_cleanup_free_ char *program = program_folder();
	_cleanup_(places_release) struct places places = {};
	char *found = NULL;
	int r;

	if (strchr(name, '/') || endswith(name, ".yaml"))
		return path_given(name, err);
	if (folder)
		places_add(&places, string_format("%s/%s.yaml", folder, name));
	if (program) {
		places_add(&places, string_format("%s/../editions/%s.yaml", program, name));
		places_add(&places, string_format("%s/../share/orlop/editions/%s.yaml", program, name));
	}
	r = places_find(&places, &found);
	if (r == -ENOENT)
		(void)error_set(err, r,
			"there is no edition \"%s\"; give the path of a definition, or the name of a file in "
			"the folder editions/",
			name);
	else if (r < 0)
		(void)error_set_errno(err, r, "edition \"%s\"", name);
	return found;
}

/* What the environment names instead of our own program. */
static char *given_program(const char *name, const char *variable, const char *path, const char *architecture,
	struct error **err)
{
	if (access(path, R_OK) == 0)
		return path_given(path, err);
	(void)error_set_errno(err, -errno, "%s for %s: $%s names \"%s\", which can't be read", name,
		architecture, variable, path);
	return NULL;
}

char *path_program(const char *name, const char *variable, const char *architecture, struct error **err)
{
	const char *given = getenv(variable);
	_cleanup_free_ char *program = given ? NULL : program_folder();
	_cleanup_(places_release) struct places places = {};
	char *found = NULL;
	int r;

	if (given)
		return given_program(name, variable, given, architecture, err);
	if (program) {
		places_add(&places, string_format("%s/node/%s/%s", program, architecture, name));
		places_add(&places, string_format("%s/../lib/orlop/%s/%s", program, architecture, name));
	}
	r = places_find(&places, &found);
	if (r == -ENOENT)
		(void)error_set(err, r, "%s for %s was not found beside the program; set $%s to its path",
			name, architecture, variable);
	else if (r < 0)
		(void)error_set_errno(err, r, "%s for %s", name, architecture);
	return found;
}
