/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/ldcache.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "base/bytes.h"
#include "format/elf.h"
#include "format/ld-cache.h"

#define CONFIGURATION "/etc/ld.so.conf"
#define CACHE "etc/ld.so.cache"
#define ORIGIN "finisher:ldcache"
#define INCLUDE_DEPTH_MAX 16

#define NOTE_GNU_PROPERTIES 5
#define PROPERTY_X86_ISA_NEEDED UINT32_C(0xc0008002)

/* A folder to search. */
struct folder {
	char *path; /* as it was given first */
	const struct tree_inode *inode;
	char *hwcaps; /* the name below glibc-hwcaps, NULL elsewhere */
};

struct search {
	struct finish *finish;
	struct folder *folders; /* none twice */
	size_t count;
	struct ld_cache cache;
};

static void search_release(struct search *search)
{
	for (size_t i = 0; i < search->count; i++) {
		free(search->folders[i].path);
		free(search->folders[i].hwcaps);
	}
	free(search->folders);
	ld_cache_release(&search->cache);
}

/* Adds a folder of the tree, whatever name it was reached by before. *ret_added* says whether it is new. */
static int add_folder(struct search *search, const char *path, const struct tree_inode *inode,
	const char *hwcaps, bool *ret_added)
{
	struct folder *folders;
	struct folder folder = {.inode = inode};

	*ret_added = false;
	for (size_t i = 0; i < search->count; i++)
		if (search->folders[i].inode == inode)
			return 0;
	folders = reallocarray(search->folders, search->count + 1, sizeof(*folders));
	if (!folders)
		return -ENOMEM;
	search->folders = folders;
	folder.path = strdup(path);
	folder.hwcaps = hwcaps ? strdup(hwcaps) : NULL;
	search->folders[search->count++] = folder;
	*ret_added = true;
	return folder.path && (folder.hwcaps || !hwcaps) ? 0 : -ENOMEM;
}

/* Adds the folders in a folder's glibc-hwcaps. The loader could not look up a name with a ":". */
static int add_hwcaps_folders(struct search *search, const char *path)
{
	_cleanup_free_ char *parent_path = string_format("%s/glibc-hwcaps", path);
	const struct tree_inode *parent;

	if (!parent_path)
		return -ENOMEM;
	parent = tree_resolve(search->finish->tree, parent_path);
	for (size_t i = 0; parent && i < parent->entry_count; i++) {
		const char *name = parent->entries[i].name;
		_cleanup_free_ char *below = string_format("%s/%s", parent_path, name);
		const struct tree_inode *inode = below ? tree_resolve(search->finish->tree, below) : NULL;
		bool added;
		int r;

		if (!below)
			return -ENOMEM;
		if (*name == '.' || strchr(name, ':') || !inode || !S_ISDIR(inode->mode))
			continue;
		r = strv_add(&search->cache.hwcaps, name);
		if (r >= 0)
			r = add_folder(search, below, inode, name, &added);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Adds a folder that is named somewhere, if it is there. */
static int add_named_folder(struct search *search, const char *name, struct error **err)
{
	size_t length = strlen(name);
	_cleanup_free_ char *path = NULL;
	const struct tree_inode *inode;
	bool added = false;
	int r = 0;

	while (length > 0 && strchr("/ \t\r\f\v", name[length - 1]))
		length--;
	if (length == 0)
		return 0;
	path = strndup(name, length);
	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", CONFIGURATION);
	inode = tree_resolve(search->finish->tree, path);
	if (inode && S_ISDIR(inode->mode))
		r = add_folder(search, path, inode, NULL, &added);
	if (r >= 0 && added)
		r = add_hwcaps_folders(search, path);
	return r < 0 ? error_set_errno(err, r, "%s", path) : 0;
}

static int read_configuration(struct search *search, const char *path, unsigned depth, struct error **err);

/* Reads the files that a pattern matches, in byte order. Wildcards may stand in the last component. */
static int include(
	struct search *search, const char *from, const char *pattern, unsigned depth, struct error **err)
{
	const char *slash = strrchr(pattern[0] == '/' ? pattern : from, '/'), *last = strrchr(pattern, '/');
	_cleanup_free_ char *folder_path = NULL;
	const struct tree_inode *folder;

	last = last ? last + 1 : pattern;
	if (pattern[0] == '/')
		folder_path = strndup(pattern, (size_t)(slash - pattern));
	else
		folder_path =
			string_format("%.*s/%.*s", (int)(slash - from), from, (int)(last - pattern), pattern);
	if (!folder_path)
		return error_set_errno(err, -ENOMEM, "%s", from);
	if (strpbrk(folder_path, "*?["))
		return error_set(
			err, -EINVAL, "%s: \"include %s\" has a wildcard in a folder's name", from, pattern);
	folder = tree_resolve(search->finish->tree, folder_path);
	for (size_t i = 0; folder && i < folder->entry_count; i++) {
		_cleanup_free_ char *path = NULL;
		int r;

		if (fnmatch(last, folder->entries[i].name, FNM_PERIOD) != 0)
			continue;
		path = string_format("%s/%s", folder_path, folder->entries[i].name);
		if (!path)
			return error_set_errno(err, -ENOMEM, "%s", from);
		r = read_configuration(search, path, depth + 1, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* One line without its comment. "hwcap" lines mean nothing any more. */
static int read_line(struct search *search, const char *from, char *line, unsigned depth, struct error **err)
{
	char *rest, *pattern;

	line += strspn(line, " \t\r\f\v");
	if (!*line || (strncasecmp(line, "hwcap", 5) == 0 && is_blank(line[5])))
		return 0;
	if (!startswith(line, "include") || !is_blank(line[7]))
		return add_named_folder(search, line, err);
	for (rest = line + 8; (pattern = strtok_r(rest, " \t", &rest));) {
		int r = include(search, from, pattern, depth, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int read_configuration(struct search *search, const char *path, unsigned depth, struct error **err)
{
	const struct tree_inode *inode = tree_resolve(search->finish->tree, path);
	const char *at;

	if (!inode || !S_ISREG(inode->mode))
		return 0;
	if (depth > INCLUDE_DEPTH_MAX)
		return error_set(err, -EINVAL, "%s: files that include each other", path);
	for (at = (const char *)content_data(inode->content); *at;) {
		size_t length = strcspn(at, "\n");
		_cleanup_free_ char *line = strndup(at, strcspn(at, "#\n"));
		int r = line ? read_line(search, path, line, depth, err)
			     : error_set_errno(err, -ENOMEM, "%s", path);

		if (r < 0)
			return r;
		at += length + (at[length] == '\n');
	}
	return 0;
}

static const char *multiarch(const char *architecture)
{
	return streq(architecture, "amd64")   ? "x86_64-linux-gnu"
	       : streq(architecture, "arm64") ? "aarch64-linux-gnu"
					      : NULL;
}

static int find_folders(struct search *search, struct error **err)
{
	const char *name = multiarch(search->finish->architecture);
	_cleanup_free_ char *lib = NULL, *usr_lib = NULL;
	int r;

	if (!name)
		return error_set(err, -ENOTSUP, "ld.so.cache: unknown architecture \"%s\"",
			search->finish->architecture);
	lib = string_format("/lib/%s", name);
	usr_lib = string_format("/usr/lib/%s", name);
	if (!lib || !usr_lib)
		return error_set_errno(err, -ENOMEM, "ld.so.cache");
	r = read_configuration(search, CONFIGURATION, 0, err);
	if (r >= 0)
		r = add_named_folder(search, lib, err);
	if (r >= 0)
		r = add_named_folder(search, usr_lib, err);
	if (r >= 0)
		r = add_named_folder(search, "/lib", err);
	return r < 0 ? r : add_named_folder(search, "/usr/lib", err);
}

/* A library in the folder that is being searched. */
struct library {
	char *file; /* name in the folder */
	char *soname;
	int32_t flags;
	bool is_link;
	unsigned isa_level;
};

struct libraries {
	struct library *items; /* no soname twice */
	size_t count;
};

static void library_release(struct library *library)
{
	free(library->file);
	free(library->soname);
}

static void libraries_release(struct libraries *libraries)
{
	for (size_t i = 0; i < libraries->count; i++)
		library_release(&libraries->items[i]);
	free(libraries->items);
}

static bool is_library_name(const char *name)
{
	return ((startswith(name, "lib") || startswith(name, "ld-")) && strstr(name, ".so")) ||
	       startswith(name, "ld.so.") || startswith(name, "ld64.so.");
}

/* The kind of a file's libraries; 0 where the machine is not the tree's. */
static int32_t flags_of(const struct elf *elf, const char *architecture)
{
	if (streq(architecture, "arm64"))
		return elf->machine == ELF_MACHINE_AARCH64 && elf->is_64 ? LD_CACHE_AARCH64 : 0;
	if (elf->machine == ELF_MACHINE_X86_64)
		return elf->is_64 ? LD_CACHE_X86_64 : LD_CACHE_X32;
	return elf->machine == ELF_MACHINE_386 && !elf->is_64 ? LD_CACHE_LIBC6 : 0;
}

/* The highest of the ISA levels that the file's GNU properties say it needs; 0 where they don't say. */
static int read_isa_level(const struct elf *elf, unsigned *ret, struct error **err)
{
	struct elf_bytes properties;
	uint64_t align = elf->is_64 ? 8 : 4, at = 0;
	int r = elf_note(elf, "GNU", NOTE_GNU_PROPERTIES, &properties, err);

	*ret = 0;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while (properties.size - at >= 8) {
		uint32_t type = read_le32(properties.data + at), size = read_le32(properties.data + at + 4);

		at += 8;
		if (size > properties.size - at)
			return 0;
		if (type == PROPERTY_X86_ISA_NEEDED && size == 4 && read_le32(properties.data + at) != 0)
			*ret = 31 - (unsigned)__builtin_clz(read_le32(properties.data + at));
		at = MIN(round_up_u64(at + size, align), properties.size);
	}
	return 0;
}

/*
 * Reads the library that *inode* holds. Returns 1 where it is one for this machine; 0 where it is something
 * else: a linker's script, a program, a file for a debugger.
 */
static int read_library(const struct search *search, const struct tree_inode *inode, struct library *library,
	struct error **err)
{
	_cleanup_elf_dynamic_ struct elf_dynamic dynamic = {};
	struct elf elf;
	int r;

	if (!elf_is(content_data(inode->content), content_size(inode->content)))
		return 0;
	r = elf_open(content_data(inode->content), content_size(inode->content), &elf, err);
	if (r < 0)
		return r;
	library->flags = flags_of(&elf, search->finish->architecture);
	if (library->flags == 0 || elf.type != ELF_TYPE_SHARED)
		return 0;
	r = elf_dynamic(&elf, &dynamic, err);
	if (r == -ENOENT)
		return 0;
	if (r >= 0)
		r = read_isa_level(&elf, &library->isa_level, err);
	if (r < 0)
		return r;
	library->soname = strdup(dynamic.soname ? dynamic.soname : library->file);
	return library->soname ? 1 : error_set_errno(err, -ENOMEM, "ld.so.cache");
}

/* A link counts as one where it has the soname's own name, or the one for the linker ("libz.so"). */
static bool is_plain_link(const char *name, const char *soname)
{
	return streq(name, soname) || (endswith(name, ".so") && startswith(soname, name));
}

static bool is_better(const struct library *library, const struct library *than)
{
	if (library->is_link != than->is_link)
		return !library->is_link;
	return ld_cache_compare(than->file, library->file) < 0;
}

/* Adds the library, or puts it in the place of a lesser one with its soname, and takes over what it holds. */
static int keep_best(struct libraries *libraries, struct library *library)
{
	struct library *items;

	for (size_t i = 0; i < libraries->count; i++) {
		struct library *other = &libraries->items[i];

		if (!streq(other->soname, library->soname))
			continue;
		if (is_better(library, other)) {
			struct library lesser = *other;

			*other = *library;
			*library = lesser;
		}
		return 0;
	}
	items = reallocarray(libraries->items, libraries->count + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	items[libraries->count++] = *library;
	libraries->items = items;
	*library = (struct library){};
	return 0;
}

/* Adds what is at *path*, named *entry* in a folder, if it is a library. */
static int add_library(struct search *search, const char *path, const struct tree_entry *entry,
	struct libraries *libraries, struct error **err)
{
	_cleanup_(library_release) struct library library = {
		.file = strdup(entry->name), .is_link = S_ISLNK(entry->inode->mode)};
	int r;

	if (!library.file)
		return error_set_errno(err, -ENOMEM, "%s", path);
	r = read_library(search, tree_resolve(search->finish->tree, path), &library, err);
	if (r < 0 && err && *err)
		error_wrap(err, "%s", path);
	if (r <= 0)
		return r;
	library.is_link = library.is_link && is_plain_link(entry->name, library.soname);
	if (library.is_link) {
		free(library.soname);
		library.soname = strdup(entry->name);
	}
	r = library.soname ? keep_best(libraries, &library) : -ENOMEM;
	return r < 0 ? error_set_errno(err, r, "%s", path) : 0;
}

static int look_at(struct search *search, const struct folder *folder, const struct tree_entry *entry,
	struct libraries *libraries, struct strv *stale, struct error **err)
{
	bool is_link = S_ISLNK(entry->inode->mode);
	_cleanup_free_ char *path = NULL;
	const struct tree_inode *inode;

	if (S_ISDIR(entry->inode->mode) || (!is_library_name(entry->name) && (!is_link || !folder->hwcaps)))
		return 0;
	path = string_format("%s/%s", folder->path, entry->name);
	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", folder->path);
	inode = tree_resolve(search->finish->tree, path);
	if (inode && S_ISREG(inode->mode))
		return add_library(search, path, entry, libraries, err);
	/* The definition's may lead to what only a node has. */
	if (!inode && strstr(entry->name, ".so.") && !own_is(entry->inode) &&
		strv_push(stale, TAKE_PTR(path)) < 0)
		return error_set_errno(err, -ENOMEM, "%s", folder->path);
	return 0;
}

/* Makes the link from the soname to the library's file, unless it leads there already. */
static int link_soname(
	struct search *search, const struct folder *folder, const struct library *library, struct error **err)
{
	const struct tree_attributes attributes = {
		.mode = 0777, .mtime = search->finish->mtime, .origin = ORIGIN};
	_cleanup_free_ char *file = string_format("%s/%s", folder->path, library->file);
	_cleanup_free_ char *soname = string_format("%s/%s", folder->path, library->soname);
	const struct tree_inode *there;

	if (!file || !soname)
		return error_set_errno(err, -ENOMEM, "%s", folder->path);
	if (strchr(library->soname, '/'))
		return error_set(err, -EBADMSG, "%s: soname \"%s\" is no file's name", file, library->soname);
	there = tree_lookup(search->finish->tree, soname);
	if (there && tree_resolve(search->finish->tree, soname) == tree_resolve(search->finish->tree, file))
		return 0;
	if (there && (!S_ISLNK(there->mode) || own_is(there)))
		return 0; /* ldconfig warns of a file and leaves it; the definition means what it says */
	if (there) {
		int r = tree_remove(search->finish->tree, soname, err);

		if (r < 0)
			return r;
	}
	return tree_add_symlink(search->finish->tree, soname, &attributes, library->file, NULL, err);
}

/* In a hwcaps folder the cache names the file itself, elsewhere the soname, so that an update needs no new
 * cache. */
static int add_to_cache(
	struct search *search, const struct folder *folder, const struct library *library, struct error **err)
{
	const char *name = folder->hwcaps ? library->file : library->soname;
	_cleanup_free_ char *path = string_format("%s/%s", folder->path, name);
	struct ld_cache_entry entry = {
		.name = library->soname,
		.path = path,
		.flags = library->flags,
		.hwcaps = folder->hwcaps,
		.isa_level = library->isa_level,
	};

	if (!path || ld_cache_add(&search->cache, &entry) < 0)
		return error_set_errno(err, -ENOMEM, "%s", folder->path);
	return 0;
}

static int search_folder(struct search *search, const struct folder *folder, struct error **err)
{
	_cleanup_(libraries_release) struct libraries libraries = {};
	_cleanup_strv_ struct strv stale = {};
	int r = 0;

	for (size_t i = 0; i < folder->inode->entry_count && r >= 0; i++)
		r = look_at(search, folder, &folder->inode->entries[i], &libraries, &stale, err);
	/* The names that libraries point to are those of entries: make no changes to the folder before their
	 * use. */
	for (size_t i = 0; i < libraries.count && r >= 0; i++)
		r = add_to_cache(search, folder, &libraries.items[i], err);
	for (size_t i = 0; i < stale.count && r >= 0; i++)
		r = tree_remove(search->finish->tree, stale.items[i], err);
	for (size_t i = 0; i < libraries.count && r >= 0 && !folder->hwcaps; i++)
		if (!libraries.items[i].is_link)
			r = link_soname(search, folder, &libraries.items[i], err);
	return r;
}

/*
 * What ldconfig calls itself, which the file says at its end: the C library has the same words in its banner,
 * "GNU C Library (Debian GLIBC 2.41-12) stable release version 2.41.".
 */
static int find_generator(struct search *search, struct error **err)
{
	static const char banner[] = "GNU C Library (";
	const struct tree_inode *inode = NULL;
	const char *at, *end;

	for (size_t i = 0; i < search->cache.count && !inode; i++)
		if (streq(search->cache.entries[i].name, "libc.so.6"))
			inode = tree_resolve(search->finish->tree, search->cache.entries[i].path);
	if (!inode)
		return error_set(err, -ENOENT, "ld.so.cache: the tree has no libc.so.6 in the folders of %s",
			CONFIGURATION);
	at = memmem(content_data(inode->content), content_size(inode->content), banner, strlen(banner));
	end = at ? strstr(at, ".\n") : NULL;
	if (!end)
		return error_set(err, -EBADMSG, "ld.so.cache: libc.so.6 does not say which version it is");
	at += strlen(banner) - 1;
	search->cache.generator = string_format("ldconfig %.*s", (int)MIN(end - at, 256), at);
	return search->cache.generator ? 0 : error_set_errno(err, -ENOMEM, "ld.so.cache");
}

static int write_cache(struct search *search, struct error **err)
{
	const struct tree_attributes attributes = {
		.mode = 0644, .mtime = search->finish->mtime, .origin = ORIGIN};
	_cleanup_content_ struct content *content = NULL;
	_cleanup_buffer_ struct buffer bytes = {};
	void *data;
	size_t size;
	int r;

	r = ld_cache_write(&search->cache, &bytes, err);
	if (r < 0)
		return r;
	data = buffer_take(&bytes, &size);
	content = data ? content_new(data, size) : NULL;
	if (!content)
		return error_set_errno(err, -ENOMEM, "ld.so.cache");
	r = finish_clear(search->finish, "ld-cache", CACHE, err);
	return r < 0 ? r : tree_add_file(search->finish->tree, CACHE, &attributes, content, NULL, err);
}

int finish_ldcache(struct finish *finish, struct error **err)
{
	_cleanup_(search_release) struct search search = {.finish = finish};
	int r;

	r = find_folders(&search, err);
	for (size_t i = 0; i < search.count && r >= 0; i++)
		r = search_folder(&search, &search.folders[i], err);
	if (r >= 0)
		r = find_generator(&search, err);
	return r < 0 ? r : write_cache(&search, err);
}
