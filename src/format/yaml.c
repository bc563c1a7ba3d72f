/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/yaml.h"

#include <errno.h>
#include <yaml.h>

#include "base/buffer.h"

struct reader {
	const char *name; /* of the file */
	const char *text;
	size_t size;
	const char *prefix; /* of keys: "" or "kernel: " */
	struct yaml_places *places;
	bool extends;	  /* what is in the structure already */
	const char *file; /* *name* in *places* */
	yaml_document_t document;
};

/* Notes where a field (*entry* NULL) or one of its entries stands. */
static int note_place(const struct reader *reader, const struct yaml_field *field, const char *entry,
	const yaml_node_t *node)
{
	struct yaml_places *places = reader->places;
	struct yaml_place *place;

	if (!places)
		return 0;
	if (places->count == 0 || is_power_of_two_u64(places->count)) {
		struct yaml_place *items =
			reallocarray(places->items, places->count ? 2 * places->count : 1, sizeof(*items));

		if (!items)
			return -ENOMEM;
		places->items = items;
	}
	place = &places->items[places->count++];
	*place = (struct yaml_place){
		.key = string_format("%s%s", reader->prefix, field->key),
		.entry = entry ? strdup(entry) : NULL,
		.file = reader->file,
		.line = node->start_mark.line + 1,
	};
	return place->key && (!entry || place->entry) ? 0 : -ENOMEM;
}

static const char *type_name(const struct yaml_field *field)
{
	if (field->expected)
		return field->expected;
	switch (field->type) {
	case YAML_STRING:
	case YAML_PARSED:
		return "a text";
	case YAML_BOOLEAN:
		return "true or false";
	case YAML_SIZE:
		return "a size such as 512M";
	case YAML_STRINGS:
	case YAML_CHOICES:
		return "a list of texts";
	case YAML_PAIRS:
		return "a mapping of names to texts";
	case YAML_TABLE:
		return "a mapping of names to mappings";
	case YAML_MAPPING:
		return "a mapping";
	case YAML_LIST:
		return "a list of mappings";
	case YAML_NUMBER:
	case YAML_CHOICE:
	case YAML_LINE:
		break;
	}
	return "something else";
}

static int bad(const struct reader *reader, const yaml_node_t *node, const char *key, const char *what,
	struct error **err)
{
	return error_set(err, -EINVAL, "%s:%zu: %s%s: %s", reader->name, node->start_mark.line + 1,
		reader->prefix, key, what);
}

static int bad_repetition(const struct reader *reader, const yaml_node_t *node,
	const struct yaml_field *field, const char *entry, struct error **err)
{
	_cleanup_free_ char *what = string_format("\"%s\" is there twice", entry);

	return bad(reader, node, field->key, what ? what : "an entry is there twice", err);
}

static int bad_type(const struct reader *reader, const yaml_node_t *node, const struct yaml_field *field,
	struct error **err)
{
	_cleanup_free_ char *what = string_format("must be %s", type_name(field));

	return bad(reader, node, field->key, what ? what : "wrong type", err);
}

static yaml_node_t *node_at(struct reader *reader, int index)
{
	return yaml_document_get_node(&reader->document, index);
}

/* Whether a node is one of *words* without quotes. */
static bool is_plain(const yaml_node_t *node, const char *const *words)
{
	if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	while (*words && !streq(*words, (const char *)node->data.scalar.value))
		words++;
	return *words;
}

static bool is_null(const yaml_node_t *node)
{
	return is_plain(node, (const char *const[]){"~", "null", "Null", "NULL", NULL});
}

static bool is_boolean(const yaml_node_t *node)
{
	return is_plain(node, (const char *const[]){"true", "True", "TRUE", "false", "False", "FALSE", NULL});
}

/* The text of a scalar, NULL where the node is something else, is null, is empty or holds a NUL. */
static const char *scalar_text(const yaml_node_t *node)
{
	const char *text;

	if (node->type != YAML_SCALAR_NODE || is_null(node))
		return NULL;
	text = (const char *)node->data.scalar.value;
	return text[0] && strlen(text) == node->data.scalar.length ? text : NULL;
}

static int bad_text(const struct reader *reader, const yaml_node_t *node, const struct yaml_field *field,
	struct error **err)
{
	_cleanup_free_ char *what = NULL;

	if (!is_null(node) && !is_boolean(node))
		return bad_type(reader, node, field, err);
	what = string_format(
		"must be a text, and %s is none without quotes", (const char *)node->data.scalar.value);
	return bad(reader, node, field->key, what ? what : "must be a text", err);
}

/* *ret* is the text where the node is one of that kind (NULL: any). *name* is what it is the value of among
 * pairs, or NULL. */
static int read_text(const struct reader *reader, const struct yaml_field *field,
	const struct yaml_text *kind, const char *name, const yaml_node_t *node, const char **ret,
	struct error **err)
{
	const char *text = scalar_text(node), *quoted;
	_cleanup_free_ char *what = NULL;

	if (!text || is_boolean(node))
		return bad_text(reader, node, field, err);
	if (!kind || kind->is(text)) {
		*ret = text;
		return 0;
	}
	/* A message is one line. */
	quoted = string_has_control(text) ? "…" : text;
	what = string_format("%s%s\"%s\" %s", name ? name : "", name ? ": " : "", quoted, kind->wrong);
	return bad(reader, node, field->key, what ? what : kind->wrong, err);
}

static int read_string(struct reader *reader, const struct yaml_field *field, const yaml_node_t *node,
	char **ret, struct error **err)
{
	const char *text = NULL;
	int r = read_text(reader, field, field->text, NULL, node, &text, err);

	if (r < 0)
		return r;
	if (field->parse && !field->parse(text, NULL))
		return bad_type(reader, node, field, err);
	free(*ret);
	*ret = strdup(text);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "%s", reader->name);
}

static int read_parsed(struct reader *reader, const struct yaml_field *field, const yaml_node_t *node,
	void *ret, struct error **err)
{
	const char *text = scalar_text(node);

	return text && field->parse(text, ret) ? 0 : bad_type(reader, node, field, err);
}

static int read_boolean(struct reader *reader, const struct yaml_field *field, const yaml_node_t *node,
	bool *ret, struct error **err)
{
	const char *text = scalar_text(node);

	if (!text || (!streq(text, "true") && !streq(text, "false")))
		return bad_type(reader, node, field, err);
	*ret = streq(text, "true");
	return 0;
}

static int read_number(struct reader *reader, const struct yaml_field *field, const yaml_node_t *node,
	unsigned *ret, struct error **err)
{
	const char *text = scalar_text(node);
	_cleanup_free_ char *what = NULL;
	uint64_t value;

	if (text && parse_u64(text, &value) == 0 && value >= field->least && value <= field->most) {
		*ret = (unsigned)value;
		return 0;
	}
	what = string_format("must be a number from %u to %u", field->least, field->most);
	return bad(reader, node, field->key, what ? what : "must be a number", err);
}

/* The place of a scalar among the choices of a field; -1 where it is none of them. */
static int find_choice(const struct yaml_field *field, const yaml_node_t *node)
{
	const char *text = scalar_text(node);

	for (int i = 0; text && field->choices[i]; i++)
		if (streq(field->choices[i], text))
			return i;
	return -1;
}

static int bad_choice(
	struct reader *reader, const struct yaml_field *field, const yaml_node_t *node, struct error **err)
{
	const char *text = scalar_text(node);
	_cleanup_buffer_ struct buffer what = {};

	if (text)
		buffer_printf(&what, "\"%s\" is not known; there are ", text);
	else
		buffer_append_string(&what, "must be one of ");
	for (size_t i = 0; field->choices[i]; i++)
		buffer_printf(&what, "%s%s", i > 0 ? ", " : "", field->choices[i]);
	buffer_append_u8(&what, 0);
	return bad(reader, node, field->key, buffer_failed(&what) ? "not known" : (char *)what.data, err);
}

static int read_choice(struct reader *reader, const struct yaml_field *field, const yaml_node_t *node,
	unsigned *ret, struct error **err)
{
	int choice = find_choice(field, node);

	if (choice < 0)
		return bad_choice(reader, field, node, err);
	*ret = (unsigned)choice;
	return 0;
}

static int read_size(struct reader *reader, const struct yaml_field *field, const yaml_node_t *node,
	uint64_t *ret, struct error **err)
{
	const char *text = scalar_text(node);

	if (!text || parse_size(text, ret) < 0)
		return bad_type(reader, node, field, err);
	return 0;
}

/* Calls *add* for each text of a list. */
static int read_list(struct reader *reader, const struct yaml_field *field, const yaml_node_t *node,
	int (*add)(struct reader *reader, const struct yaml_field *field, const yaml_node_t *item,
		void *value, struct error **err),
	void *value, struct error **err)
{
	if (node->type != YAML_SEQUENCE_NODE)
		return bad_type(reader, node, field, err);
	if (node->data.sequence.items.top - node->data.sequence.items.start < (ptrdiff_t)field->least)
		return bad(reader, node, field->key, "has too few entries", err);
	for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top;
		item++) {
		const yaml_node_t *entry = node_at(reader, *item);
		const char *text = NULL;
		int r = read_text(reader, field, field->text, NULL, entry, &text, err);

		if (r < 0)
			return r;
		r = add(reader, field, entry, value, err);
		if (r < 0)
			return r;
		if (note_place(reader, field, text, entry) < 0)
			return error_set_errno(err, -ENOMEM, "%s", reader->name);
	}
	return 0;
}

static int add_string(struct reader *reader, const struct yaml_field *field, const yaml_node_t *item,
	void *value, struct error **err)
{
	struct strv *list = value;

	if (strv_contains(list, scalar_text(item)))
		return bad_repetition(reader, item, field, scalar_text(item), err);
	if (strv_add(list, scalar_text(item)) < 0)
		return error_set_errno(err, -ENOMEM, "%s", reader->name);
	return 0;
}

static int add_choice(struct reader *reader, const struct yaml_field *field, const yaml_node_t *item,
	void *value, struct error **err)
{
	int choice = find_choice(field, item);
	unsigned *bits = value;

	if (choice < 0)
		return bad_choice(reader, field, item, err);
	*bits |= 1U << choice;
	return 0;
}

/* Whether what there is under a name is of a file that this one extends: only then may it be replaced. */
static bool is_inherited(const struct reader *reader, const struct yaml_field *field, const char *name)
{
	_cleanup_free_ char *key = string_format("%s%s", reader->prefix, field->key);
	const struct yaml_place *place =
		reader->extends && key ? yaml_places_find(reader->places, key, name) : NULL;

	return place && place->entry && place->file != reader->file;
}

/* Puts another value in the place of one that an extended file has for the name. True where it was there. */
static bool replace_pair(const struct reader *reader, const struct yaml_field *field, struct pairs *pairs,
	const char *name, const char *value, int *ret)
{
	*ret = 0;
	if (!is_inherited(reader, field, name))
		return false;
	for (size_t i = 0; i < pairs->count; i++) {
		char *copy = streq(pairs->items[i].name, name) ? strdup(value) : NULL;

		if (!streq(pairs->items[i].name, name))
			continue;
		free(pairs->items[i].value);
		pairs->items[i].value = copy;
		*ret = copy ? 0 : -ENOMEM;
		return true;
	}
	return false;
}

/* The texts of a name and of its value. */
static int read_pair(struct reader *reader, const struct yaml_field *field, const yaml_node_pair_t *pair,
	const char **ret_name, const char **ret_value, struct error **err)
{
	const yaml_node_t *key = node_at(reader, pair->key), *value = node_at(reader, pair->value);
	int r;

	if (!scalar_text(key))
		return bad_type(reader, key, field, err);
	r = read_text(reader, field, field->text, NULL, key, ret_name, err);
	if (r >= 0)
		r = read_text(reader, field, field->value, *ret_name, value, ret_value, err);
	if (r >= 0 && field->choices && find_choice(field, value) < 0)
		r = bad_choice(reader, field, value, err);
	return r;
}

static int read_pairs(struct reader *reader, const struct yaml_field *field, const yaml_node_t *node,
	struct pairs *ret, struct error **err)
{
	if (node->type != YAML_MAPPING_NODE)
		return bad_type(reader, node, field, err);
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
		pair++) {
		const yaml_node_t *key = node_at(reader, pair->key);
		const char *name = NULL, *value = NULL;
		bool replaced;
		struct pair *items;
		int r = read_pair(reader, field, pair, &name, &value, err);

		if (r < 0)
			return r;
		replaced = replace_pair(reader, field, ret, name, value, &r);
		if (!replaced && pairs_get(ret, name))
			return bad_repetition(reader, key, field, name, err);
		if (r < 0 || note_place(reader, field, name, key) < 0)
			return error_set_errno(err, -ENOMEM, "%s", reader->name);
		if (replaced)
			continue;
		items = reallocarray(ret->items, ret->count + 1, sizeof(*items));
		if (!items)
			return error_set_errno(err, -ENOMEM, "%s", reader->name);
		ret->items = items;
		items[ret->count].name = strdup(name);
		items[ret->count].value = strdup(value);
		ret->count++;
		if (!items[ret->count - 1].name || !items[ret->count - 1].value)
			return error_set_errno(err, -ENOMEM, "%s", reader->name);
	}
	return 0;
}

static int read_mapping(struct reader *reader, const struct yaml_field *fields, const yaml_node_t *node,
	void *structure, struct error **err);

static int read_structures(struct reader *reader, const struct yaml_field *field, const yaml_node_t *node,
	struct yaml_list *ret, struct error **err)
{
	_cleanup_free_ char *what = string_format("has more than %u entries", field->most);
	int r = 0;

	if (node->type != YAML_SEQUENCE_NODE)
		return bad_type(reader, node, field, err);
	for (yaml_node_item_t *item = node->data.sequence.items.start;
		r >= 0 && item < node->data.sequence.items.top; item++) {
		const yaml_node_t *entry = node_at(reader, *item);
		void *items;

		if (entry->type != YAML_MAPPING_NODE)
			return bad_type(reader, entry, field, err);
		if (ret->count == field->most)
			return bad(reader, entry, field->key, what ? what : "has too many entries", err);
		items = reallocarray(ret->items, ret->count + 1, field->size);
		if (!items)
			return error_set_errno(err, -ENOMEM, "%s", reader->name);
		ret->items = items;
		items = (uint8_t *)ret->items + ret->count++ * field->size;
		memset(items, 0, field->size);
		r = read_mapping(reader, field->fields, entry, items, err);
	}
	return r;
}

/* The structure of that name, NULL where there is none. */
static void *find_row(const struct yaml_field *field, const struct yaml_list *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++) {
		void *row = (uint8_t *)table->items + i * field->size;

		if (streq(*(char **)row, name))
			return row;
	}
	return NULL;
}

/* A structure of that name that holds nothing else: a new one, or an extended file's, emptied. */
static int take_row(struct reader *reader, const struct yaml_field *field, const yaml_node_t *key,
	struct yaml_list *table, void **ret, struct error **err)
{
	char *name = NULL;
	void *row = find_row(field, table, scalar_text(key)), *items;

	if (row && !is_inherited(reader, field, scalar_text(key)))
		return bad_repetition(reader, key, field, scalar_text(key), err);
	if (row) {
		name = *(char **)row;
		yaml_release(field->fields, row);
	} else {
		items = reallocarray(table->items, table->count + 1, field->size);
		if (items)
			table->items = items;
		name = items ? strdup(scalar_text(key)) : NULL;
		if (!name)
			return error_set_errno(err, -ENOMEM, "%s", reader->name);
		row = (uint8_t *)table->items + table->count++ * field->size;
	}
	memset(row, 0, field->size);
	*(char **)row = name;
	*ret = row;
	return note_place(reader, field, name, key) < 0 ? error_set_errno(err, -ENOMEM, "%s", reader->name)
							: 0;
}

/* Reads one row as a whole, whatever the file extends. Its keys are named with its own and the table's. */
static int read_row(struct reader *reader, const struct yaml_field *field, const char *name,
	const yaml_node_t *node, void *row, struct error **err)
{
	_cleanup_free_ char *prefix = string_format("%s%s: %s: ", reader->prefix, field->key, name);
	struct reader inner = *reader;

	if (!prefix)
		return error_set_errno(err, -ENOMEM, "%s", reader->name);
	inner.prefix = prefix;
	inner.extends = false;
	return read_mapping(&inner, field->fields, node, row, err);
}

static int read_table(struct reader *reader, const struct yaml_field *field, const yaml_node_t *node,
	struct yaml_list *ret, struct error **err)
{
	int r = 0;

	if (node->type != YAML_MAPPING_NODE)
		return bad_type(reader, node, field, err);
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
		r >= 0 && pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = node_at(reader, pair->key), *value = node_at(reader, pair->value);
		const char *name = NULL;
		void *row = NULL;

		if (!scalar_text(key) || value->type != YAML_MAPPING_NODE)
			return bad_type(reader, key, field, err);
		r = read_text(reader, field, field->text, NULL, key, &name, err);
		if (r >= 0)
			r = take_row(reader, field, key, ret, &row, err);
		if (r >= 0)
			r = read_row(reader, field, scalar_text(key), value, row, err);
	}
	return r;
}

/* Reads a mapping within a mapping: its keys are named with that of the outer one. */
static int read_inner(struct reader *reader, const struct yaml_field *field, const yaml_node_t *node,
	void *structure, struct error **err)
{
	_cleanup_free_ char *prefix = string_format("%s%s: ", reader->prefix, field->key);
	const char *outer = reader->prefix;
	int r;

	if (node->type != YAML_MAPPING_NODE)
		return bad_type(reader, node, field, err);
	if (!prefix)
		return error_set_errno(err, -ENOMEM, "%s", reader->name);
	reader->prefix = prefix;
	r = read_mapping(reader, field->fields, node, structure, err);
	reader->prefix = outer;
	return r;
}

static int read_field(struct reader *reader, const struct yaml_field *field, const yaml_node_t *node,
	void *structure, struct error **err)
{
	void *value = (uint8_t *)structure + field->offset;

	switch (field->type) {
	case YAML_STRING:
		return read_string(reader, field, node, value, err);
	case YAML_PARSED:
		return read_parsed(reader, field, node, value, err);
	case YAML_SIZE:
		return read_size(reader, field, node, value, err);
	case YAML_BOOLEAN:
		return read_boolean(reader, field, node, value, err);
	case YAML_NUMBER:
		return read_number(reader, field, node, value, err);
	case YAML_CHOICE:
		return read_choice(reader, field, node, value, err);
	case YAML_STRINGS:
		return read_list(reader, field, node, add_string, value, err);
	case YAML_CHOICES:
		return read_list(reader, field, node, add_choice, value, err);
	case YAML_PAIRS:
		return read_pairs(reader, field, node, value, err);
	case YAML_MAPPING:
		return read_inner(reader, field, node, value, err);
	case YAML_LIST:
		return read_structures(reader, field, node, value, err);
	case YAML_TABLE:
		return read_table(reader, field, node, value, err);
	case YAML_LINE:
		break;
	}
	return -EINVAL;
}

/* The last pair of *key* in a mapping, NULL where there is none; *ret_count* is how often the key is there.
 */
static const yaml_node_pair_t *find_key(
	struct reader *reader, const yaml_node_t *mapping, const char *key, unsigned *ret_count)
{
	const yaml_node_pair_t *found = NULL;

	*ret_count = 0;
	for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
		pair < mapping->data.mapping.pairs.top; pair++) {
		const char *text = scalar_text(node_at(reader, pair->key));

		if (text && streq(text, key)) {
			found = pair;
			(*ret_count)++;
		}
	}
	return found;
}

/* Refuses keys that no field has. */
static int check_keys(struct reader *reader, const struct yaml_field *fields, const yaml_node_t *mapping,
	struct error **err)
{
	for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
		pair < mapping->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = node_at(reader, pair->key);
		const char *text = scalar_text(key);
		const struct yaml_field *field = fields;

		if (!text)
			return bad(reader, key, "key", "must be a text", err);
		while (field->key && !streq(field->key, text))
			field++;
		if (!field->key)
			return bad(reader, key, text, "is no key that belongs here", err);
	}
	return 0;
}

static int read_mapping(struct reader *reader, const struct yaml_field *fields, const yaml_node_t *node,
	void *structure, struct error **err)
{
	int r;

	r = check_keys(reader, fields, node, err);
	for (const struct yaml_field *field = fields; r >= 0 && field->key; field++) {
		unsigned count;
		const yaml_node_pair_t *pair = find_key(reader, node, field->key, &count);

		if (count > 1)
			return bad(reader, node_at(reader, pair->key), field->key, "is there twice", err);
		if (!pair && field->required && !reader->extends)
			return bad(reader, node, field->key, "is missing", err);
		if (pair && note_place(reader, field, NULL, node_at(reader, pair->key)) < 0)
			return error_set_errno(err, -ENOMEM, "%s", reader->name);
		if (field->type == YAML_LINE)
			*(size_t *)((uint8_t *)structure + field->offset) = node->start_mark.line + 1;
		else if (pair)
			r = read_field(reader, field, node_at(reader, pair->value), structure, err);
	}
	return r;
}

/* Of bytes that are no text, the parser knows the offset alone. */
static size_t bad_line(const struct reader *reader, const yaml_parser_t *parser)
{
	size_t line = 1;

	if (parser->error != YAML_READER_ERROR)
		return parser->problem_mark.line + 1;
	for (size_t i = 0; i < MIN(parser->problem_offset, reader->size); i++)
		line += reader->text[i] == '\n';
	return line;
}

static int bad_syntax(const struct reader *reader, const yaml_parser_t *parser, struct error **err)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return error_set_errno(err, -ENOMEM, "%s", reader->name);
	return error_set(err, -EINVAL, "%s:%zu: not valid YAML: %s", reader->name, bad_line(reader, parser),
		parser->problem ? parser->problem : "syntax error");
}

/* What is refused wherever it stands, NULL where there is nothing to say. */
static const char *event_problem(const yaml_event_t *event, unsigned *documents)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return ++*documents > 1 ? "the file must be one document" : NULL;
	case YAML_ALIAS_EVENT:
		return "aliases have no use here";
	case YAML_SCALAR_EVENT:
		return event->data.scalar.anchor || event->data.scalar.tag
			       ? "anchors and tags have no use here"
			       : NULL;
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.anchor || event->data.sequence_start.tag
			       ? "anchors and tags have no use here"
			       : NULL;
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.anchor || event->data.mapping_start.tag
			       ? "anchors and tags have no use here"
			       : NULL;
	default:
		return NULL;
	}
}

/* Looks at the whole file before any of it is stored: a document has forgotten what was an alias. */
static int scan(struct reader *reader, yaml_parser_t *parser, struct error **err)
{
	unsigned documents = 0;
	bool end = false;
	int r = 0;

	while (r >= 0 && !end) {
		yaml_event_t event;
		const char *problem;

		if (!yaml_parser_parse(parser, &event))
			return bad_syntax(reader, parser, err);
		problem = event_problem(&event, &documents);
		if (problem)
			r = error_set(
				err, -EINVAL, "%s:%zu: %s", reader->name, event.start_mark.line + 1, problem);
		end = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	return r;
}

static int load(struct reader *reader, yaml_parser_t *parser, struct error **err)
{
	return yaml_parser_load(parser, &reader->document) ? 0 : bad_syntax(reader, parser, err);
}

/* Has *step* go through the text with a parser of its own. */
static int with_parser(struct reader *reader,
	int (*step)(struct reader *reader, yaml_parser_t *parser, struct error **err), struct error **err)
{
	yaml_parser_t parser;
	int r;

	if (!yaml_parser_initialize(&parser))
		return error_set_errno(err, -ENOMEM, "%s", reader->name);
	yaml_parser_set_input_string(&parser, (const unsigned char *)reader->text, reader->size);
	r = step(reader, &parser, err);
	yaml_parser_delete(&parser);
	return r;
}

static bool requires_something(const struct yaml_field *fields)
{
	for (; fields->key; fields++)
		if (fields->required)
			return true;
	return false;
}

static int read_root(
	struct reader *reader, const struct yaml_field *fields, void *structure, struct error **err)
{
	const yaml_node_t *root = yaml_document_get_root_node(&reader->document);

	if (!root || (root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0))
		return requires_something(fields) && !reader->extends
			       ? error_set(err, -EINVAL, "%s:1: the file is empty", reader->name)
			       : 0;
	return root->type == YAML_MAPPING_NODE ? read_mapping(reader, fields, root, structure, err)
					       : bad(reader, root, "file", "must be a mapping", err);
}

static int parse(struct reader *reader, const struct yaml_field *fields, void *structure, struct error **err)
{
	struct strv *files = reader->places ? &reader->places->files : NULL;
	int r;

	if (files && strv_add(files, reader->name) < 0)
		return error_set_errno(err, -ENOMEM, "%s", reader->name);
	reader->file = files ? files->items[files->count - 1] : NULL;
	r = with_parser(reader, scan, err);
	if (r >= 0)
		r = with_parser(reader, load, err);
	if (r < 0)
		return r;
	r = read_root(reader, fields, structure, err);
	yaml_document_delete(&reader->document);
	return r;
}

int yaml_parse(const char *text, size_t size, const char *name, const struct yaml_field *fields,
	void *structure, struct yaml_places *places, struct error **err)
{
	struct reader reader = {.name = name, .text = text, .size = size, .prefix = "", .places = places};

	return parse(&reader, fields, structure, err);
}

int yaml_parse_onto(const char *text, size_t size, const char *name, const struct yaml_field *fields,
	void *structure, struct yaml_places *places, struct error **err)
{
	struct reader reader = {
		.name = name, .text = text, .size = size, .prefix = "", .places = places, .extends = true};

	return parse(&reader, fields, structure, err);
}
