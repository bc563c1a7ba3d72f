/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/yaml-schema.h"

/* A size as parse_size() reads it. */
#define SIZE_PATTERN "^[0-9]+[KMGT]?$"

static json_t *mapping(const struct yaml_field *fields, bool strict);

static json_t *choices(const char *const *names)
{
	json_t *array = json_array();

	for (size_t i = 0; names[i]; i++)
		if (json_array_append_new(array, json_string(names[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return json_pack("{s:o}", "enum", array);
}

/* YAML has numbers and truth values of its own, and a scalar is taken as its text. */
static json_t *scalar(void)
{
	return json_pack("{s:[s, s, s]}", "type", "string", "number", "boolean");
}

static json_t *list_of(json_t *items)
{
	return json_pack("{s:s, s:o, s:b}", "type", "array", "items", items, "uniqueItems", 1);
}

static json_t *value_of(const struct yaml_field *field, bool strict)
{
	switch (field->type) {
	case YAML_STRINGS:
		return list_of(scalar());
	case YAML_PAIRS:
		return json_pack("{s:s, s:o}", "type", "object", "additionalProperties", scalar());
	case YAML_SIZE:
		return json_pack("{s:[s, s], s:s, s:i}", "type", "string", "integer", "pattern", SIZE_PATTERN,
			"minimum", 0);
	case YAML_BOOLEAN:
		return json_pack("{s:s}", "type", "boolean");
	case YAML_NUMBER:
		return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)field->least,
			"maximum", (json_int_t)field->most);
	case YAML_CHOICE:
		return choices(field->choices);
	case YAML_CHOICES:
		return list_of(choices(field->choices));
	case YAML_MAPPING:
		return mapping(field->fields, strict);
	case YAML_LIST:
		return json_pack("{s:s, s:o, s:I}", "type", "array", "items", mapping(field->fields, strict),
			"maxItems", (json_int_t)field->most);
	case YAML_TABLE:
		/* Each as a whole, also where a file extends another one. */
		return json_pack(
			"{s:s, s:o}", "type", "object", "additionalProperties", mapping(field->fields, true));
	default:
		return scalar();
	}
}

static json_t *describe(const struct yaml_field *field, bool strict)
{
	json_t *value = value_of(field, strict);
	json_t *text = field->help && field->expected
			       ? json_sprintf("%s; must be %s", field->help, field->expected)
			       : json_string(field->help ? field->help : "");

	if (!value || json_object_set_new(value, "description", text) < 0) {
		json_decref(value);
		return NULL;
	}
	return value;
}

static json_t *mapping(const struct yaml_field *fields, bool strict)
{
	json_t *properties = json_object(), *required = json_array();
	int r = 0;

	for (const struct yaml_field *field = fields; field->key && r >= 0; field++) {
		if (field->type == YAML_LINE)
			continue;
		r = json_object_set_new(properties, field->key, describe(field, strict));
		if (r >= 0 && field->required && strict)
			r = json_array_append_new(required, json_string(field->key));
	}
	if (r < 0 || !properties || !required) {
		json_decref(properties);
		json_decref(required);
		return NULL;
	}
	return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required",
		required, "additionalProperties", 0);
}

/* All that is required, as a schema of its own. */
static json_t *requirements(const struct yaml_field *fields)
{
	json_t *properties = json_object(), *required = json_array();
	int r = 0;

	for (const struct yaml_field *field = fields; field->key && r >= 0; field++) {
		if (!field->required)
			continue;
		r = json_array_append_new(required, json_string(field->key));
		if (r >= 0 && field->type == YAML_MAPPING)
			r = json_object_set_new(properties, field->key, requirements(field->fields));
	}
	if (r < 0 || !properties || !required) {
		json_decref(properties);
		json_decref(required);
		return NULL;
	}
	return json_pack("{s:o, s:o}", "properties", properties, "required", required);
}

json_t *yaml_schema(
	const struct yaml_field *fields, const char *extends, const char *title, const char *about)
{
	json_t *schema = mapping(fields, !extends);

	if (!schema ||
		json_object_set_new(
			schema, "$schema", json_string("https://json-schema.org/draft/2020-12/schema")) < 0 ||
		json_object_set_new(schema, "title", json_string(title)) < 0 ||
		json_object_set_new(schema, "description", json_string(about)) < 0 ||
		(extends &&
			(json_object_set_new(schema, "if", json_pack("{s:[s]}", "required", extends)) < 0 ||
				json_object_set_new(
					schema, "then", json_pack("{s:[s]}", "required", "name")) < 0 ||
				json_object_set_new(schema, "else", requirements(fields)) < 0))) {
		json_decref(schema);
		return NULL;
	}
	return schema;
}
