/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/statement.h"

#include <errno.h>

#include "base/macro.h"
#include "base/string-util.h"
#include "format/json-read.h"

#define SUBJECT_NAME_MAX 255
#define TYPE_MAX 256

void statement_release(struct statement *statement)
{
	free(statement->predicate_type);
	for (size_t i = 0; i < statement->subject_count; i++)
		free(statement->subjects[i].name);
	free(statement->subjects);
	json_decref(statement->predicate);
	*statement = (struct statement){};
}

const struct statement_subject *statement_find(const struct statement *statement, const char *name)
{
	for (size_t i = 0; i < statement->subject_count; i++)
		if (streq(statement->subjects[i].name, name))
			return &statement->subjects[i];
	return NULL;
}

static int read_subject(const struct json_place *place, struct statement *statement, struct error **err)
{
	struct statement_subject *subject = &statement->subjects[statement->subject_count];
	_cleanup_free_ char *path = string_format("%sdigest.", place->path);
	struct json_place digest = {.path = path};
	const char *name = "";
	int r = path ? json_read_object(place, err) : error_set_errno(err, -ENOMEM, "statement");

	if (r >= 0)
		r = json_read_string(place, "name", SUBJECT_NAME_MAX, &name, err);
	if (r < 0)
		return r;
	if (*name == 0 || strchr(name, '/'))
		return json_fault(place, "name", "not a file's name", err);
	if (statement_find(statement, name))
		return json_fault(place, "name", "there are two of it", err);
	digest.json = json_object_get(place->json, "digest");
	r = json_read_object(&digest, err);
	subject->is_fsverity =
		r >= 0 && !json_object_get(digest.json, "sha256") && json_object_get(digest.json, "fsverity");
	if (r >= 0)
		r = json_read_hex(&digest, subject->is_fsverity ? "fsverity" : "sha256", subject->digest,
			SHA256_SIZE, err);
	if (r < 0)
		return r;
	subject->name = strdup(name);
	if (!subject->name)
		return error_set_errno(err, -ENOMEM, "statement");
	statement->subject_count++;
	return 0;
}

static int read_subjects(const struct json_place *top, struct statement *statement, struct error **err)
{
	const json_t *list;
	int r = json_read_array(top, "subject", STATEMENT_SUBJECTS_MAX, &list, err);

	if (r >= 0 && json_array_size(list) == 0)
		r = json_fault(top, "subject", "there is none", err);
	if (r < 0)
		return r;
	statement->subjects = calloc(json_array_size(list), sizeof(*statement->subjects));
	if (!statement->subjects)
		return error_set_errno(err, -ENOMEM, "statement");
	for (size_t i = 0; r >= 0 && i < json_array_size(list); i++) {
		char path[32];

		(void)snprintf(path, sizeof(path), "subject[%zu].", i);
		r = read_subject(&(const struct json_place){.json = json_array_get(list, i), .path = path},
			statement, err);
	}
	return r;
}

static int read_document(const json_t *document, struct statement *statement, struct error **err)
{
	const struct json_place top = {.json = document, .path = ""};
	const char *type, *predicate_type;
	int r = json_read_string(&top, "_type", TYPE_MAX, &type, err);

	if (r >= 0 && !streq(type, STATEMENT_TYPE))
		r = json_fault(&top, "_type", "not \"" STATEMENT_TYPE "\"", err);
	if (r >= 0)
		r = json_read_string(&top, "predicateType", TYPE_MAX, &predicate_type, err);
	if (r >= 0)
		r = read_subjects(&top, statement, err);
	if (r < 0)
		return r;
	statement->predicate = json_incref(json_object_get(document, "predicate"));
	if (!json_is_object(statement->predicate))
		return json_fault(&top, "predicate", "missing, or no object", err);
	statement->predicate_type = strdup(predicate_type);
	return statement->predicate_type ? 0 : error_set_errno(err, -ENOMEM, "statement");
}

int statement_read(const void *data, size_t size, struct statement *ret, struct error **err)
{
	_cleanup_statement_ struct statement statement = {};
	_cleanup_json_ json_t *document = NULL;
	int r = json_read_document(data, size, STATEMENT_MAX, &document, err);

	if (r >= 0)
		r = read_document(document, &statement, err);
	if (r < 0)
		return r;
	*ret = statement;
	statement = (struct statement){};
	return 0;
}
