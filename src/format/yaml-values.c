/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was read of YAML files: found, taken away, freed.
 */
#include <errno.h>

#include "format/yaml.h"

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

void yaml_places_release(struct yaml_places *places)
{
	for (size_t i = 0; i < places->count; i++) {
		free(places->items[i].key);
		free(places->items[i].entry);
	}
	free(places->items);
	strv_release(&places->files);
	*places = (struct yaml_places){};
}

const struct yaml_place *yaml_places_find(
	const struct yaml_places *places, const char *key, const char *entry)
{
	const struct yaml_place *found = NULL;

	for (size_t i = places->count; i-- > 0;) {
		const struct yaml_place *place = &places->items[i];

		if (!streq(place->key, key))
			continue;
		if (entry && place->entry && streq(place->entry, entry))
			return place;
		if (!place->entry && !found)
			found = place;
	}
	return found;
}

/* ---- Taking away ---- */

static bool remove_text(struct strv *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++) {
		if (!streq(list->items[i], text))
			continue;
		free(list->items[i]);
		memmove(&list->items[i], &list->items[i + 1], (list->count - i) * sizeof(*list->items));
		list->count--;
		return true;
	}
	return false;
}

static bool remove_pair(struct pairs *pairs, const char *name)
{
	for (size_t i = 0; i < pairs->count; i++) {
		if (!streq(pairs->items[i].name, name))
			continue;
		free(pairs->items[i].name);
		free(pairs->items[i].value);
		memmove(&pairs->items[i], &pairs->items[i + 1],
			(pairs->count - i - 1) * sizeof(*pairs->items));
		pairs->count--;
		return true;
	}
	return false;
}

static bool remove_row(const struct yaml_field *field, struct yaml_list *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++) {
		uint8_t *row = (uint8_t *)table->items + i * field->size;

		if (!streq(*(char **)row, name))
			continue;
		free(*(char **)row);
		yaml_release(field->fields, row);
		memmove(row, row + field->size, (table->count - i - 1) * field->size);
		table->count--;
		return true;
	}
	return false;
}

static bool has_entries(const struct yaml_field *field)
{
	return field->type == YAML_STRINGS || field->type == YAML_PAIRS || field->type == YAML_TABLE;
}

static bool remove_entry(const struct yaml_field *field, void *value, const char *entry)
{
	if (field->type == YAML_TABLE)
		return remove_row(field, value, entry);
	return field->type == YAML_PAIRS ? remove_pair(value, entry) : remove_text(value, entry);
}

static const struct yaml_field *find_field(const struct yaml_field *fields, const char *key)
{
	while (fields->key && !streq(fields->key, key))
		fields++;
	return fields->key ? fields : NULL;
}

static int subtract_list(const struct yaml_field *field, void *value, const char *prefix,
	const struct strv *without, char **ret_key, const char **ret_entry)
{
	for (size_t i = 0; i < without->count; i++) {
		const char *entry = without->items[i];

		if (remove_entry(field, value, entry))
			continue;
		*ret_key = string_format("%s%s", prefix, field->key);
		*ret_entry = entry;
		return *ret_key ? -ENOENT : -ENOMEM;
	}
	return 0;
}

static int subtract(const struct yaml_field *fields, void *structure, const struct yaml_field *without_fields,
	const void *without, const char *prefix, char **ret_key, const char **ret_entry)
{
	int r = 0;

	for (const struct yaml_field *which = without_fields; which->key && r >= 0; which++) {
		const struct yaml_field *field = find_field(fields, which->key);
		const void *names = (const uint8_t *)without + which->offset;
		void *value = (uint8_t *)structure + field->offset;

		if (which->type == YAML_MAPPING) {
			_cleanup_free_ char *inner = string_format("%s%s: ", prefix, which->key);

			r = inner ? subtract(field->fields, value, which->fields, names, inner, ret_key,
					    ret_entry)
				  : -ENOMEM;
		} else if (has_entries(field)) {
			r = subtract_list(field, value, prefix, names, ret_key, ret_entry);
		}
	}
	return r;
}

int yaml_subtract(const struct yaml_field *fields, void *structure, const struct yaml_field *without_fields,
	const void *without, char **ret_key, const char **ret_entry)
{
	return subtract(fields, structure, without_fields, without, "", ret_key, ret_entry);
}

static void release_list(const struct yaml_field *field, struct yaml_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		uint8_t *item = (uint8_t *)list->items + i * field->size;

		if (field->type == YAML_TABLE)
			free(*(char **)item);
		yaml_release(field->fields, item);
	}
	free(list->items);
	*list = (struct yaml_list){};
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
		case YAML_LIST:
		case YAML_TABLE:
			release_list(field, value);
			break;
		case YAML_SIZE:
		case YAML_BOOLEAN:
		case YAML_NUMBER:
		case YAML_CHOICE:
		case YAML_CHOICES:
		case YAML_PARSED:
		case YAML_LINE:
			break;
		}
	}
}
