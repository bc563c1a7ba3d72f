/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/module-info.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "format/elf.h"
#include "format/xz.h"

/* The largest module there is has some 6 MiB; with debugging symbols it would have 60. */
#define MODULE_SIZE_MAX MiB(128)

/* An entry of __versions (struct modversion_info): a checksum as large as a long, then the name. */
#define VERSION_SIZE 64

void module_info_release(struct module_info *info)
{
	strv_release(&info->aliases);
	strv_release(&info->depends);
	strv_release(&info->softdeps);
	strv_release(&info->weakdeps);
	strv_release(&info->firmware);
	strv_release(&info->exports);
	strv_release(&info->imports);
}

/* "a,b" */
static int add_depends(struct strv *depends, const char *value)
{
	while (*value) {
		size_t length = strcspn(value, ",");
		int r = length > 0 ? strv_push(depends, strndup(value, length)) : 0;

		if (r < 0)
			return r;
		value += length + (value[length] == ',');
	}
	return 0;
}

static int add_entry(struct module_info *info, const char *entry)
{
	const char *value;

	if ((value = startswith(entry, "alias=")))
		return strv_add(&info->aliases, value);
	if ((value = startswith(entry, "depends=")))
		return add_depends(&info->depends, value);
	if ((value = startswith(entry, "softdep=")))
		return strv_add(&info->softdeps, value);
	if ((value = startswith(entry, "weakdep=")))
		return strv_add(&info->weakdeps, value);
	if ((value = startswith(entry, "firmware=")))
		return strv_add(&info->firmware, value);
	return 0;
}

/* Calls *fn* for each string of a section of strings; zeros between them are padding. */
static int each_string(const struct elf_bytes *section, int (*fn)(struct module_info *, const char *),
	struct module_info *info, const char *what, struct error **err)
{
	for (uint64_t at = 0; at < section->size;) {
		const char *string = elf_string(section, at);
		int r;

		if (!string)
			return error_set(err, -EBADMSG, "damaged module: %s does not end with a NUL", what);
		r = *string ? fn(info, string) : 0;
		if (r < 0)
			return error_set_errno(err, r, "%s", what);
		at += strlen(string) + 1;
	}
	return 0;
}

static int add_export(struct module_info *info, const char *name)
{
	return strv_add(&info->exports, name);
}

/* Fills in the symbols that the symbol table tells of. */
static int read_symbol_table(const struct elf *elf, struct module_info *info, struct error **err)
{
	struct elf_symbols symbols;
	int r = elf_symbols_open(elf, &symbols, err);

	if (r < 0)
		return r;
	for (size_t i = 1; i < symbols.count; i++) {
		struct elf_symbol symbol;
		const char *exported;

		r = elf_symbols_get(&symbols, i, &symbol, err);
		if (r < 0)
			return r;
		exported = startswith(symbol.name, "__crc_");
		if (exported)
			r = strv_add(&info->exports, exported);
		if (r >= 0 && symbol.section == ELF_SECTION_INDEX_UNDEFINED && *symbol.name)
			r = strv_add(&info->imports, symbol.name);
		if (r < 0)
			return error_set_errno(err, r, "symbols");
	}
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Adds to the imports what __versions names beyond them (module_layout, for one), in its order. */
static int read_versions(const struct elf *elf, struct module_info *info, struct error **err)
{
	_cleanup_free_ char **sorted = NULL;
	size_t known = info->imports.count, checksum = elf->is_64 ? 8 : 4;
	struct elf_bytes versions;
	int r = elf_section(elf, "__versions", &versions, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (versions.size % VERSION_SIZE)
		return 0; /* of a kernel that writes them in another way */
	sorted = calloc(known + 1, sizeof(*sorted));
	if (!sorted)
		return error_set_errno(err, -ENOMEM, "versions");
	if (known > 0)
		memcpy(sorted, info->imports.items, known * sizeof(*sorted));
	qsort(sorted, known, sizeof(*sorted), compare_names);
	for (uint64_t at = 0; at < versions.size; at += VERSION_SIZE) {
		struct elf_bytes entry = {versions.data + at, VERSION_SIZE};
		const char *name = elf_string(&entry, checksum);

		if (!name)
			return error_set(err, -EBADMSG, "damaged module: a name in __versions does not end");
		if (bsearch(&name, sorted, known, sizeof(*sorted), compare_names))
			continue;
		r = strv_add(&info->imports, name);
		if (r < 0)
			return error_set_errno(err, r, "versions");
	}
	return 0;
}

static int read_symbols(const struct elf *elf, struct module_info *info, struct error **err)
{
	struct elf_bytes strings;
	int r = read_symbol_table(elf, info, err);

	if (r >= 0)
		r = read_versions(elf, info, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (info->exports.count > 0)
		return 0;
	r = elf_section(elf, "__ksymtab_strings", &strings, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return each_string(&strings, add_export, info, "__ksymtab_strings", err);
}

int module_info_read(const void *data, size_t size, struct module_info *ret, struct error **err)
{
	_cleanup_module_info_ struct module_info info = {};
	struct elf_bytes entries;
	struct elf elf;
	int r;

	r = elf_open(data, size, &elf, err);
	if (r < 0)
		return r;
	if (elf.type != ELF_TYPE_RELOCATABLE)
		return error_set(err, -ENOEXEC, "not a kernel module: ELF file of type %u", elf.type);
	r = elf_section(&elf, ".modinfo", &entries, err);
	if (r >= 0)
		r = each_string(&entries, add_entry, &info, ".modinfo", err);
	else if (r == -ENOENT)
		r = 0;
	if (r >= 0)
		r = read_symbols(&elf, &info, err);
	if (r < 0)
		return r;
	*ret = info;
	info = (struct module_info){};
	return 0;
}

int module_info_read_compressed(const void *data, size_t size, struct module_info *ret, void **ret_plain,
	size_t *ret_plain_size, struct error **err)
{
	_cleanup_free_ void *plain = NULL;
	size_t plain_size = 0;
	int r;

	if (xz_is(data, size)) {
		r = xz_decode(data, size, MODULE_SIZE_MAX, &plain, &plain_size, err);
		if (r < 0)
			return r;
		data = plain;
		size = plain_size;
	}
	r = module_info_read(data, size, ret, err);
	if (r < 0)
		return r;
	*ret_plain = TAKE_PTR(plain);
	*ret_plain_size = plain_size;
	return 0;
}

static const char *without_folder(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash ? slash + 1 : file;
}

static uint8_t character_of_name(char c)
{
	return c == '.' ? 0 : c == '-' ? '_' : (uint8_t)c;
}

int module_compare_names(const char *file, const char *other)
{
	uint8_t a, b;

	file = without_folder(file);
	other = without_folder(other);
	do {
		a = character_of_name(*file++);
		b = character_of_name(*other++);
	} while (a == b && a != 0);
	return a - b;
}

char *module_name(const char *file)
{
	char *name;

	file = without_folder(file);
	name = strndup(file, strcspn(file, "."));
	for (char *at = name; at && *at; at++)
		if (*at == '-')
			*at = '_';
	return name;
}

bool module_is_file(const char *path)
{
	return endswith(path, ".ko") || endswith(path, ".ko.xz");
}
