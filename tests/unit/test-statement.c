/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "format/statement.h"

#define DIGEST "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SUBJECT(name) "{\"name\": \"" name "\", \"digest\": {\"sha256\": \"" DIGEST "\", \"sha1\": \"00\"}}"
#define STATEMENT(type, subjects, predicate)                \
	"{\"_type\": \"" type "\", \"subject\": [" subjects \
	"], \"predicateType\": \"t\", \"predicate\": " predicate ", \"more\": 1}"

static void subjects_are_read(void **state)
{
	static const char text[] = STATEMENT(STATEMENT_TYPE,
		SUBJECT("a") "," SUBJECT("b") ", {\"name\": \"c\", \"digest\": {\"fsverity\": \"" DIGEST
					      "\"}}",
		"{\"x\": 1}");
	_cleanup_statement_ struct statement statement = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(statement_read(text, strlen(text), &statement, &err), err);
	assert_int_equal(statement.subject_count, 3);
	assert_string_equal(statement.predicate_type, "t");
	assert_int_equal(json_integer_value(json_object_get(statement.predicate, "x")), 1);
	assert_ptr_equal(statement_find(&statement, "b"), &statement.subjects[1]);
	assert_null(statement_find(&statement, "d"));
	assert_false(statement.subjects[1].is_fsverity);
	assert_true(statement_find(&statement, "c")->is_fsverity);
	assert_int_equal(statement.subjects[2].digest[0], 0xba);
	assert_int_equal(statement.subjects[1].digest[0], 0xba);
}

static void faults_are_named(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{STATEMENT("https://in-toto.io/Statement/v0.1", SUBJECT("a"), "{}"), "_type"},
		{STATEMENT(STATEMENT_TYPE, "", "{}"), "subject: there is none"},
		{STATEMENT(STATEMENT_TYPE, SUBJECT("a") "," SUBJECT("a"), "{}"),
			"subject[1].name: there are two"},
		{STATEMENT(STATEMENT_TYPE, SUBJECT("a/b"), "{}"), "subject[0].name: not a file's name"},
		{STATEMENT(STATEMENT_TYPE, SUBJECT(""), "{}"), "subject[0].name: not a file's name"},
		{STATEMENT(STATEMENT_TYPE, "{\"name\": \"a\"}", "{}"), "subject[0].digest"},
		{STATEMENT(STATEMENT_TYPE, "{\"name\": \"a\", \"digest\": {}}", "{}"),
			"subject[0].digest.sha256"},
		{STATEMENT(STATEMENT_TYPE, "1", "{}"), "subject[0]"},
		{STATEMENT(STATEMENT_TYPE, SUBJECT("a"), "1"), "predicate"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_statement_ struct statement statement = {};
		_cleanup_error_ struct error *err = NULL;
		int r = statement_read(cases[i].text, strlen(cases[i].text), &statement, &err);

		if (r != -EBADMSG || !strstr(error_message(err), cases[i].message))
			fail_msg("%s: %d, %s", cases[i].text, r, error_message(err));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subjects_are_read),
		cmocka_unit_test(faults_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
