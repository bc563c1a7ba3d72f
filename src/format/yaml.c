/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/yaml.h"

#include <errno.h>
#include <yaml.h>

struct reader {
	const char *name; /* of the file */
	yaml_document_t document;
};

void pairs_release(struct pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		free(pairs->items[i].name);
		free(pairs->items[i].value);
	}
	free(pairs->items);
	*pairs = (struct pairs){};
}

const char *pairs_get(const struct pairs *pairs, const char *name)
{
	for (size_t i = 0; i < pairs->count; i++)
		if (streq(pairs->items[i].name, name))
			return pairs->items[i].value;
	return NULL;
}

static const char *type_name(const struct yaml_field *field)
{
	switch (field->type) {
	case YAML_STRING:
		return "a text";
	case YAML_SIZE:
		return "a size such as 512M";
	case YAML_STRINGS:
	case YAML_CHOICES:
		return "a list of texts";
	case YAML_PAIRS:
		return "a mapping of names to texts";
	case YAML_MAPPING:
		return "a mapping";
	}
	return "?";
}

static int bad(const struct reader *reader, const yaml_node_t *node, const char *key, const char *what,
	struct error **err)
{
	return error_set(err, -EINVAL, "%s:%zu: %s: %s", reader->name, node->start_mark.line + 1, key, what);
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

/* The text of a scalar, NULL where the node is something else, is empty or holds a NUL. */
static const char *scalar_text(const yaml_node_t *node)
{
	const char *text;

	if (node->type != YAML_SCALAR_NODE)
		return NULL;
	text = (const char *)node->data.scalar.value;
	return text[0] && strlen(text) == node->data.scalar.length ? text : NULL;
}

static int read_string(struct reader *reader, const struct yaml_field *field, const yaml_node_t *node,
	char **ret, struct error **err)
{
	const char *text = scalar_text(node);

	if (!text)
		return bad_type(reader, node, field, err);
	*ret = strdup(text);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "%s", reader->name);
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
	for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top;
		item++) {
		const yaml_node_t *entry = node_at(reader, *item);
		int r;

		if (!scalar_text(entry))
			return bad_type(reader, entry, field, err);
		r = add(reader, field, entry, value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_string(struct reader *reader, const struct yaml_field *field, const yaml_node_t *item,
	void *value, struct error **err)
{
	struct strv *list = value;

	if (strv_contains(list, scalar_text(item))) {
		_cleanup_free_ char *what = string_format("\"%s\" is there twice", scalar_text(item));

		return bad(reader, item, field->key, what ? what : "an entry is there twice", err);
	}
	if (strv_add(list, scalar_text(item)) < 0)
		return error_set_errno(err, -ENOMEM, "%s", reader->name);
	return 0;
}

static int add_choice(struct reader *reader, const struct yaml_field *field, const yaml_node_t *item,
	void *value, struct error **err)
{
	_cleanup_free_ char *what = NULL;
	unsigned *bits = value;

	for (unsigned i = 0; field->choices[i]; i++)
		if (streq(field->choices[i], scalar_text(item))) {
			*bits |= 1U << i;
			return 0;
		}
	what = string_format("\"%s\" is not known", scalar_text(item));
	return bad(reader, item, field->key, what ? what : "not known", err);
}

static int read_pairs(struct reader *reader, const struct yaml_field *field, const yaml_node_t *node,
	struct pairs *ret, struct error **err)
{
	if (node->type != YAML_MAPPING_NODE)
		return bad_type(reader, node, field, err);
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
		pair++) {
		const yaml_node_t *key = node_at(reader, pair->key), *value = node_at(reader, pair->value);
		struct pair *items;

		if (!scalar_text(key) || !scalar_text(value))
			return bad_type(reader, key, field, err);
		if (pairs_get(ret, scalar_text(key)))
			return bad(reader, key, scalar_text(key), "is there twice", err);
		items = reallocarray(ret->items, ret->count + 1, sizeof(*items));
		if (!items)
			return error_set_errno(err, -ENOMEM, "%s", reader->name);
		ret->items = items;
		items[ret->count].name = strdup(scalar_text(key));
		items[ret->count].value = strdup(scalar_text(value));
		ret->count++;
		if (!items[ret->count - 1].name || !items[ret->count - 1].value)
			return error_set_errno(err, -ENOMEM, "%s", reader->name);
	}
	return 0;
}

static int read_mapping(struct reader *reader, const struct yaml_field *fields, const yaml_node_t *node,
	void *structure, struct error **err);

static int read_field(struct reader *reader, const struct yaml_field *field, const yaml_node_t *node,
	void *structure, struct error **err)
{
	void *value = (uint8_t *)structure + field->offset;

	switch (field->type) {
	case YAML_STRING:
		return read_string(reader, field, node, value, err);
	case YAML_SIZE:
		return read_size(reader, field, node, value, err);
	case YAML_STRINGS:
		return read_list(reader, field, node, add_string, value, err);
	case YAML_CHOICES:
		return read_list(reader, field, node, add_choice, value, err);
	case YAML_PAIRS:
		return read_pairs(reader, field, node, value, err);
	case YAML_MAPPING:
		if (node->type != YAML_MAPPING_NODE)
			return bad_type(reader, node, field, err);
		return read_mapping(reader, field->fields, node, value, err);
	}
	return -EINVAL;
}

/* The value of *key* in a mapping, NULL where there is none; *ret_count* is how often the key is there. */
static const yaml_node_t *find_key(
	struct reader *reader, const yaml_node_t *mapping, const char *key, unsigned *ret_count)
{
	const yaml_node_t *found = NULL;

	*ret_count = 0;
	for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
		pair < mapping->data.mapping.pairs.top; pair++) {
		const char *text = scalar_text(node_at(reader, pair->key));

		if (text && streq(text, key)) {
			found = node_at(reader, pair->value);
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
		const yaml_node_t *value = find_key(reader, node, field->key, &count);

		if (count > 1)
			return bad(reader, value, field->key, "is there twice", err);
		if (!value && field->required)
			return bad(reader, node, field->key, "is missing", err);
		if (value)
			r = read_field(reader, field, value, structure, err);
	}
	return r;
}

static int load(struct reader *reader, yaml_parser_t *parser, struct error **err)
{
	if (yaml_parser_load(parser, &reader->document))
		return 0;
	if (parser->error == YAML_MEMORY_ERROR)
		return error_set_errno(err, -ENOMEM, "%s", reader->name);
	return error_set(err, -EINVAL, "%s:%zu: not valid YAML: %s", reader->name,
		parser->problem_mark.line + 1, parser->problem ? parser->problem : "syntax error");
}

/* What follows the first document must be the end of the file. */
static int check_end(struct reader *reader, yaml_parser_t *parser, struct error **err)
{
	struct reader rest = {.name = reader->name};
	const yaml_node_t *root;
	int r;

	r = load(&rest, parser, err);
	if (r < 0)
		return r;
	root = yaml_document_get_root_node(&rest.document);
	if (root)
		r = bad(reader, root, "document", "a definition is one document", err);
	yaml_document_delete(&rest.document);
	return r;
}

int yaml_parse(const char *text, size_t size, const char *name, const struct yaml_field *fields,
	void *structure, struct error **err)
{
	struct reader reader = {.name = name};
	yaml_parser_t parser;
	const yaml_node_t *root;
	int r;

	if (!yaml_parser_initialize(&parser))
		return error_set_errno(err, -ENOMEM, "%s", name);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	r = load(&reader, &parser, err);
	if (r < 0) {
		yaml_parser_delete(&parser);
		return r;
	}
	root = yaml_document_get_root_node(&reader.document);
	if (!root)
		r = error_set(err, -EINVAL, "%s:1: the file is empty", name);
	else if (root->type != YAML_MAPPING_NODE)
		r = bad(&reader, root, "file", "must be a mapping", err);
	else
		r = read_mapping(&reader, fields, root, structure, err);
	if (r >= 0)
		r = check_end(&reader, &parser, err);
	yaml_document_delete(&reader.document);
	yaml_parser_delete(&parser);
	return r;
}

void yaml_release(const struct yaml_field *fields, void *structure)
{
	for (const struct yaml_field *field = fields; field->key; field++) {
		void *value = (uint8_t *)structure + field->offset;

		switch (field->type) {
		case YAML_STRING:
			*(char **)value = string_free(*(char **)value);
			break;
		case YAML_STRINGS:
			strv_release(value);
			break;
		case YAML_PAIRS:
			pairs_release(value);
			break;
		case YAML_MAPPING:
			yaml_release(field->fields, value);
			break;
		case YAML_SIZE:
		case YAML_CHOICES:
			break;
		}
	}
}
