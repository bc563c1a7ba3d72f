/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/yaml-schema.h"

/* A size as parse_size() reads it. */
#define SIZE_PATTERN "^[0-9]+([KMGT](iB)?)?$"

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

static json_t *pattern_of(const struct yaml_text *kind)
{
	json_t *value = json_pack("{s:s}", "pattern", kind->pattern);

	if (kind->never && json_object_set_new(value, "not",
				   json_pack("{s:s, s:s}", "type", "string", "pattern", kind->never)) < 0) {
		json_decref(value);
		return NULL;
	}
	return value;
}

static bool takes(const struct yaml_text *kind, const char *text)
{
	return !kind || kind->is(text);
}

/* What a reader of YAML makes of a text without quotes: a number where it looks like one, which is no matter
 * to a pattern. */
static int set_types(json_t *value, const struct yaml_text *kind)
{
	bool any = takes(kind, "1.5");
	int r;

	if (!any && !takes(kind, "7"))
		return json_object_set_new(value, "type", json_string("string"));
	r = json_object_set_new(value, "type", json_pack("[s, s]", "string", any ? "number" : "integer"));
	if (r >= 0 && kind && kind->most > 0)
		r = json_object_set_new(value, "maximum", json_integer(kind->most));
	if (r >= 0 && !takes(kind, "-7"))
		r = json_object_set_new(value, "minimum", json_integer(kind && kind->most > 0));
	return r;
}

static json_t *scalar(const struct yaml_text *kind)
{
	json_t *value = kind ? pattern_of(kind) : json_pack("{s:i}", "minLength", 1);

	if (!value || set_types(value, kind) < 0) {
		json_decref(value);
		return NULL;
	}
	return value;
}

static json_t *list_of(json_t *items)
{
	return json_pack("{s:s, s:o, s:b}", "type", "array", "items", items, "uniqueItems", 1);
}

static json_t *texts_of(const struct yaml_field *field)
{
	json_t *value = list_of(scalar(field->text));

	if (value && field->least > 0 &&
		json_object_set_new(value, "minItems", json_integer(field->least)) < 0) {
		json_decref(value);
		return NULL;
	}
	return value;
}

/* A mapping of names to *values*. */
static json_t *names_to(const struct yaml_field *field, json_t *values)
{
	json_t *value = json_pack("{s:s, s:o}", "type", "object", "additionalProperties", values);

	if (value && field->text &&
		json_object_set_new(value, "propertyNames", pattern_of(field->text)) < 0) {
		json_decref(value);
		return NULL;
	}
	return value;
}

static json_t *value_of(const struct yaml_field *field, bool strict)
{
	switch (field->type) {
	case YAML_STRINGS:
		return texts_of(field);
	case YAML_PAIRS:
		return names_to(field, field->choices ? choices(field->choices) : scalar(field->value));
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
		return names_to(field, mapping(field->fields, true));
	default:
		return scalar(field->text);
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
