/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "release/build-changes.h"
#include "release/notes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A manifest is as itself, in all that is compared. */
static void compare_with_itself(const struct release_manifest *manifest)
{
	_cleanup_build_changes_ struct build_changes changes = {};
	_cleanup_buffer_ struct buffer text = {};

	if (build_changes_find(manifest, manifest, &changes, NULL) < 0 ||
		build_changes_text(&changes, &text, NULL) < 0 || text.size > 0)
		__builtin_trap();
}

/* Against one that tells nothing, all that can be told comes up. */
static void compare_with_nothing(
	const struct release_manifest *manifest, struct buffer *ret_text, json_t *ret_json)
{
	const struct release_manifest nothing = {.command_line = (char *)""};

	for (int i = 0; i < 2; i++) {
		_cleanup_build_changes_ struct build_changes changes = {};

		if (build_changes_find(
			    i == 0 ? &nothing : manifest, i == 0 ? manifest : &nothing, &changes, NULL) < 0 ||
			build_changes_text(&changes, ret_text, NULL) < 0 ||
			build_changes_json(&changes, ret_json) < 0)
			__builtin_trap();
	}
}

/* What was read can be printed in every form, against nothing and itself; and brings no control characters to
 * a terminal. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_release_manifest_ struct release_manifest manifest = {};

	if (release_manifest_parse(data, size, &manifest, NULL) < 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		const struct notes_input input = {i == 0 ? NULL : &manifest, &manifest, NULL};
		_cleanup_buffer_ struct buffer text = {};
		_cleanup_notes_ struct notes notes = {};
		json_t *json;

		if (notes_compare(&input, &notes, NULL) < 0 || (i == 1 && notes.package_count > 0) ||
			notes_text(&notes, &text, NULL) < 0 || notes_markdown(&notes, &text, NULL) < 0)
			__builtin_trap();
		json = notes_json(&notes);
		if (!json)
			__builtin_trap();
		compare_with_nothing(&manifest, &text, json);
		json_decref(json);
		for (size_t at = 0; at < text.size; at++)
			if ((text.data[at] < ' ' && text.data[at] != '\n') || text.data[at] >= 0x7f)
				__builtin_trap();
	}
	compare_with_itself(&manifest);
	return 0;
}
