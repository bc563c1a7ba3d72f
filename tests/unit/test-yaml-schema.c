/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keywords are those of JSON Schema's draft 2020-12 (Validation). Whether documents fit the schema of
 * definitions is judged by python-jsonschema, in tests/cli/documents.bats; here is what each type of a field
 * becomes.
 */
#include "unit.h"

#include <string.h>

#include "format/yaml-schema.h"

static const char *const colours[] = {"red", "green", NULL};

static bool is_digit(const char *text)
{
	return text[0] >= '1' && text[0] <= '9' && !text[1];
}

static bool is_lower(const char *text)
{
	return text[0] >= 'a' && text[0] <= 'z' && !text[1];
}

static const struct yaml_text digit = {.is = is_digit, .pattern = "^[1-9]$", .most = 9};
static const struct yaml_text lower = {.is = is_lower, .pattern = "^[a-z]$", .never = "^x$"};

static const struct yaml_field inner[] = {
	{.key = "", .type = YAML_LINE},
	{.key = "name", .type = YAML_STRING, .required = true, .help = "its name"},
	{.key = "count", .type = YAML_NUMBER, .least = 2, .most = 9},
	{},
};

static const struct yaml_field fields[] = {
	{.key = "name", .type = YAML_STRING, .required = true, .help = "a name", .expected = "a word"},
	{.key = "flag", .type = YAML_BOOLEAN},
	{.key = "number", .type = YAML_NUMBER, .least = 1, .most = 4000000000},
	{.key = "size", .type = YAML_SIZE},
	{.key = "choice", .type = YAML_CHOICE, .choices = colours},
	{.key = "choices", .type = YAML_CHOICES, .choices = colours},
	{.key = "strings", .type = YAML_STRINGS},
	{.key = "pairs", .type = YAML_PAIRS},
	{.key = "text", .type = YAML_STRING, .text = &lower},
	{.key = "texts", .type = YAML_STRINGS, .text = &digit, .least = 1},
	{.key = "digits", .type = YAML_PAIRS, .text = &lower, .value = &digit},
	{.key = "chosen", .type = YAML_PAIRS, .choices = colours},
	{.key = "mapping", .type = YAML_MAPPING, .required = true, .fields = inner},
	{.key = "list", .type = YAML_LIST, .fields = inner, .most = 3},
	{.key = "table", .type = YAML_TABLE, .fields = inner, .text = &lower},
	{},
};

#define COUNT "\"count\": {\"type\": \"integer\", \"minimum\": 2, \"maximum\": 9, \"description\": \"\"}"
#define ANY "\"type\": [\"string\", \"number\"], \"minLength\": 1"
#define NAME "\"name\": {" ANY ", \"description\": \"its name\"}"
#define DIGIT \
	"{\"type\": [\"string\", \"integer\"], \"pattern\": \"^[1-9]$\", \"minimum\": 1, \"maximum\": 9}"
#define LOWER "\"pattern\": \"^[a-z]$\", \"not\": {\"type\": \"string\", \"pattern\": \"^x$\"}"
/* The mapping of "inner", by itself. */
#define INNER                                                                                     \
	"\"type\": \"object\", \"properties\": {" NAME ", " COUNT "}, \"required\": [\"name\"], " \
	"\"additionalProperties\": false"

/* What a key's schema is, but for its description. */
static void assert_property(const json_t *schema, const char *key, const char *expected)
{
	json_t *wanted = json_loads(expected, 0, NULL);
	json_t *found = json_copy(json_object_get(json_object_get(schema, "properties"), key));

	assert_non_null(wanted);
	assert_non_null(json_object_get(found, "description"));
	assert_int_equal(json_object_del(found, "description"), 0);
	if (!json_equal(found, wanted)) {
		char *text = json_dumps(found, JSON_SORT_KEYS);

		print_error("%s\n", text);
		free(text);
		fail_msg("%s is not %s", key, expected);
	}
	json_decref(wanted);
	json_decref(found);
}

static void each_type_of_a_field_has_its_keywords(void **state)
{
	json_t *schema = yaml_schema(fields, NULL, "Title", "About");
	const json_t *name;

	(void)state;
	assert_non_null(schema);
	assert_string_equal(json_string_value(json_object_get(schema, "$schema")),
		"https://json-schema.org/draft/2020-12/schema");
	assert_string_equal(json_string_value(json_object_get(schema, "title")), "Title");
	assert_string_equal(json_string_value(json_object_get(schema, "description")), "About");
	assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
	assert_null(json_object_get(schema, "if"));
	name = json_object_get(json_object_get(schema, "properties"), "name");
	assert_string_equal(
		json_string_value(json_object_get(name, "description")), "a name; must be a word");

	assert_property(schema, "flag", "{\"type\": \"boolean\"}");
	assert_property(schema, "number", "{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 4000000000}");
	assert_property(schema, "choice", "{\"enum\": [\"red\", \"green\"]}");
	assert_property(schema, "choices",
		"{\"type\": \"array\", \"items\": {\"enum\": [\"red\", \"green\"]}, \"uniqueItems\": true}");
	assert_property(
		schema, "strings", "{\"type\": \"array\", \"items\": {" ANY "}, \"uniqueItems\": true}");
	assert_property(schema, "pairs", "{\"type\": \"object\", \"additionalProperties\": {" ANY "}}");
	assert_property(schema, "text", "{\"type\": \"string\", " LOWER "}");
	assert_property(schema, "texts",
		"{\"type\": \"array\", \"items\": " DIGIT ", \"uniqueItems\": true, \"minItems\": 1}");
	assert_property(schema, "digits",
		"{\"type\": \"object\", \"propertyNames\": {" LOWER "}, \"additionalProperties\": " DIGIT
		"}");
	assert_property(schema, "chosen",
		"{\"type\": \"object\", \"additionalProperties\": {\"enum\": [\"red\", \"green\"]}}");
	assert_property(schema, "mapping", "{" INNER "}");
	assert_property(schema, "list", "{\"type\": \"array\", \"items\": {" INNER "}, \"maxItems\": 3}");
	assert_property(schema, "table",
		"{\"type\": \"object\", \"propertyNames\": {" LOWER "}, \"additionalProperties\": {" INNER
		"}}");
	json_decref(schema);
}

/* A file that extends another one need not say what that one says; in the same schema, one that does not
 * must. */
static void what_is_required_depends_on_what_a_file_extends(void **state)
{
	json_t *schema = yaml_schema(fields, "extends", "Title", "About");
	json_t *condition = json_loads("{\"required\": [\"extends\"]}", 0, NULL);
	json_t *then = json_loads("{\"required\": [\"name\"]}", 0, NULL);
	json_t *otherwise = json_loads("{\"required\": [\"name\", \"mapping\"], \"properties\": "
				       "{\"mapping\": {\"required\": [\"name\"], \"properties\": {}}}}",
		0, NULL);

	(void)state;
	assert_non_null(schema);
	assert_int_equal(json_array_size(json_object_get(schema, "required")), 0);
	assert_true(json_equal(json_object_get(schema, "if"), condition));
	assert_true(json_equal(json_object_get(schema, "then"), then));
	assert_true(json_equal(json_object_get(schema, "else"), otherwise));
	json_decref(schema);
	json_decref(condition);
	json_decref(then);
	json_decref(otherwise);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_of_a_field_has_its_keywords),
		cmocka_unit_test(what_is_required_depends_on_what_a_file_extends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
