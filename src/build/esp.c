/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/esp.h"

#include <errno.h>

#include "base/string-util.h"

/*
 * The menu is not shown; the editor is off, since a changed command line would be refused anyway; firmware in
 * setup mode takes the keys without asking.
 */
static const char loader_conf[] = "timeout 0\n"
				  "editor no\n"
				  "auto-entries no\n"
				  "auto-firmware no\n"
				  "secure-boot-enroll force\n";

static int add(
	struct tree *tree, const char *path, const void *data, size_t size, int64_t time, struct error **err)
{
	const struct tree_attributes attributes = {.mode = 0644, .mtime = time, .origin = "esp"};
	_cleanup_content_ struct content *content = content_copy(data, size);

	if (!content)
		return error_set_errno(err, -ENOMEM, "%s", path);
	return tree_add_file(tree, path, &attributes, content, NULL, err);
}

/* loader/keys/auto: what systemd-boot enrols without asking where the firmware is in setup mode. */
static int add_keys(struct tree *tree, const struct esp_parts *parts, struct error **err)
{
	for (enum efi_trust_variable variable = 0; variable < EFI_TRUST_VARIABLES; variable++) {
		_cleanup_free_ char *path =
			string_format("loader/keys/auto/%s.auth", efi_trust_name(variable));
		int r = path ? add(tree, path, parts->enrol[variable].data, parts->enrol[variable].size,
				       parts->time, err)
			     : error_set_errno(err, -ENOMEM, "loader/keys");

		if (r < 0)
			return r;
	}
	return 0;
}

int esp_build(const struct esp_parts *parts, struct tree **ret, struct error **err)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_free_ char *uki_path = string_format("EFI/Linux/orlop_%s.efi", parts->version);
	const struct {
		const char *path;
		const void *data;
		size_t size;
	} files[] = {
		{parts->platform->default_boot, parts->loader->data, parts->loader->size},
		{parts->platform->loader_boot, parts->loader->data, parts->loader->size},
		{uki_path, parts->uki->data, parts->uki->size},
		{"loader/loader.conf", loader_conf, strlen(loader_conf)},
	};
	int r = 0;

	if (!tree || !uki_path)
		return error_set_errno(err, -ENOMEM, "EFI system partition");
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(files); i++)
		r = add(tree, files[i].path, files[i].data, files[i].size, parts->time, err);
	if (r >= 0)
		r = add_keys(tree, parts, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(tree);
	return 0;
}
