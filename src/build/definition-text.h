/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the texts of a definition must be, for the table in definition.c: each for the program and as a
 * pattern for the JSON Schema, side by side. tests/unit/test-definition-text.c shows that both say the same.
 */
#pragma once

#include "format/yaml.h"

extern const struct yaml_text definition_text_name, definition_text_title, definition_text_compression;

/* Where packages come from, and which. */
extern const struct yaml_text definition_text_suite, definition_text_component, definition_text_source,
	definition_text_url, definition_text_taken, definition_text_package, definition_text_absent;

/* Paths in the tree, without a leading "/"; a link is in what an image carries. */
extern const struct yaml_text definition_text_path, definition_text_link;

/* What a node is told. An account is a user or a group, a folder or program of one an absolute path. */
extern const struct yaml_text definition_text_setting, definition_text_setting_value, definition_text_account,
	definition_text_description, definition_text_absolute, definition_text_id, definition_text_unit,
	definition_text_argument;
