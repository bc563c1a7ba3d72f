/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "format/dsse.h"
#include "format/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_statement(const void *data, size_t size)
{
	_cleanup_statement_ struct statement statement = {};

	if (statement_read(data, size, &statement, NULL) < 0)
		return;
	if (statement.subject_count == 0 || !statement.predicate_type || !json_is_object(statement.predicate))
		__builtin_trap();
	for (size_t i = 0; i < statement.subject_count; i++)
		if (strchr(statement.subjects[i].name, '/') ||
			statement_find(&statement, statement.subjects[i].name) != &statement.subjects[i])
			__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_dsse_ struct dsse dsse = {};

	read_statement(data, size);
	if (dsse_read(data, size, &dsse, NULL) == 0)
		read_statement(dsse.payload.data, dsse.payload.size);
	return 0;
}
