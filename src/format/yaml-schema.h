/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The JSON Schema (draft 2020-12) of what a table of YAML fields describes, for editors and for who writes
 * such files by a program. It is as strict as yaml_parse() about keys, kinds of values, choices and texts
 * (struct yaml_text); what the parser of a single field wants is told in words.
 */
#pragma once

#include <jansson.h>

#include "format/yaml.h"

/*
 * A new reference, NULL where memory is out. *title* and *about* are for people. Where a file has the key
 * *extends* (NULL: there is none), nothing is required but its "name".
 */
json_t *yaml_schema(
	const struct yaml_field *fields, const char *extends, const char *title, const char *about);
