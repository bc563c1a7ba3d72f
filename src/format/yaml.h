/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * YAML files read into structures by a table of their fields. libyaml parses; this checks and stores. Every
 * error names the file, the line and the key.
 *
 * A file is one mapping. Anchors, tags and several documents have no use here and are refused, as are a key
 * twice and a key that the table does not have. Where the table requires nothing, a file may be empty.
 *
 * A text needs no quotes, also where it looks like a number; but what YAML has as null or as a truth value
 * (YAML 1.2, 10.3.2) is a text in quotes alone.
 */
#pragma once

#include "base/error.h"
#include "base/string-util.h"

enum yaml_type {
	YAML_STRING,  /* char *: a scalar that is not empty */
	YAML_STRINGS, /* struct strv: a list of such scalars, none twice */
	YAML_PAIRS,   /* struct pairs: a mapping of scalars to scalars */
	YAML_SIZE,    /* uint64_t: bytes, with K, M, G, T as parse_size() has them */
	YAML_BOOLEAN, /* bool: true or false */
	YAML_NUMBER,  /* unsigned: decimal, from *least* to *most* */
	YAML_CHOICE,  /* unsigned: the place of a name in *choices* */
	YAML_CHOICES, /* unsigned: bits of a list of names out of *choices* */
	YAML_PARSED,  /* what *parse* makes of a scalar that is not empty; it owns no memory */
	YAML_MAPPING, /* a structure within the structure, described by *fields* */
	YAML_LIST,    /* struct yaml_list: up to *most* mappings, each described by *fields* */
	YAML_TABLE,   /* struct yaml_list: a mapping of names to mappings, each described by *fields*; the
			 structure begins with its name, a char * */
	YAML_LINE,    /* size_t: the line at which the mapping itself begins; its key is "", in no file */
};

/*
 * What a text must be beyond being there: said to the program and, in another way, to the JSON Schema. Both
 * say the same, which a test has to show. Patterns are regular expressions of ECMA-262 with its flag "u" and
 * POSIX extended ones in one, from "^" to "$".
 */
struct yaml_text {
	bool (*is)(const char *text);
	const char *wrong;   /* behind a text that is none: "is no name of a unit" */
	const char *pattern; /* what is one */
	const char *never;   /* what of that is refused where the structure is looked at; may be NULL */
	unsigned most;	     /* of texts that are numbers: from 1 to that; 0: others */
};

struct yaml_field {
	const char *key;
	enum yaml_type type;
	size_t offset; /* of the value, from the beginning of the structure that *fields* describe */
	bool required;
	const char *const *choices; /* of YAML_CHOICE, YAML_CHOICES: the first or bit 0's first, then NULL; of
				       YAML_PAIRS: the values that there are, may be NULL */
	const struct yaml_field *fields; /* of YAML_MAPPING, YAML_LIST, YAML_TABLE: ends with a NULL key */
	size_t size;			 /* of YAML_LIST, YAML_TABLE: of one structure */
	unsigned least, most;		 /* of YAML_NUMBER, YAML_LIST; of YAML_STRINGS: *least* entries */

	/* May be NULL: any. Of YAML_STRING, of the entries of YAML_STRINGS, and of the names in YAML_PAIRS
	 * and YAML_TABLE; *value* of the values of YAML_PAIRS. */
	const struct yaml_text *text, *value;

	/* Of YAML_STRING (may be NULL) and YAML_PARSED: whether the text will do, *expected* says which
	 * would; YAML_PARSED has it stored in *value*. */
	bool (*parse)(const char *text, void *value);
	const char *expected; /* behind "must be " */

	const char *help; /* one line for people, and for the JSON Schema */
};

/* Structures, one behind the other. */
struct yaml_list {
	void *items;
	size_t count;
};

/* Names with a value each, in the file's order. */
struct pair {
	char *name, *value;
};
struct pairs {
	struct pair *items;
	size_t count;
};
void pairs_release(struct pairs *pairs);

/* The value of a name, NULL where there is none. */
const char *pairs_get(const struct pairs *pairs, const char *name);

/*
 * Where the values of a file stand, for errors that can be found only after it was read. A key within a
 * mapping is called by both names, "kernel: modules".
 */
struct yaml_place {
	char *key;
	char *entry;	  /* of a list or of pairs, by its text or name; NULL: the key itself */
	const char *file; /* as it was called */
	size_t line;	  /* from 1 */
};
struct yaml_places {
	struct yaml_place *items;
	size_t count;
	struct strv files;
};
void yaml_places_release(struct yaml_places *places);

/* Where an entry of *key* stands, or the key where *entry* is NULL or not there; NULL where neither is. Of
 * several files, the last one counts. Keys within a table's mapping are called "users: NAME: shell". */
const struct yaml_place *yaml_places_find(
	const struct yaml_places *places, const char *key, const char *entry);

/*
 * Reads *text*, which is called *name* in errors, into *structure*, which holds zeros, or what holds where a
 * key is missing (texts and lists: zeros), and notes in *places* (empty at first; may be NULL) where
 * everything stood. Also on failure both may hold allocations; yaml_release() and yaml_places_release() free
 * them.
 */
int yaml_parse(const char *text, size_t size, const char *name, const struct yaml_field *fields,
	void *structure, struct yaml_places *places, struct error **err);

/*
 * The same of a file that extends another one, which *structure* and *places* were read from: no key is
 * required, values take the place of what is there, entries of lists are added, pairs and the mappings of
 * tables added or, each as a whole, replaced. An entry that is in the list already is an error here, too.
 */
int yaml_parse_onto(const char *text, size_t size, const char *name, const struct yaml_field *fields,
	void *structure, struct yaml_places *places, struct error **err);

/*
 * Takes entries out of the lists, pairs and tables of *structure*. *without* was read by *without_fields*,
 * lists of the same keys, whose entries name what is to go; those of keys that have no entries are left to
 * the caller. Returns 0; -ENOENT, with the key (as in struct yaml_place) and the entry of *without* that is
 * in no list: both are valid as long as *without* is; -ENOMEM.
 */
int yaml_subtract(const struct yaml_field *fields, void *structure, const struct yaml_field *without_fields,
	const void *without, char **ret_key, const char **ret_entry);
void yaml_release(const struct yaml_field *fields, void *structure);
