/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The definition of an edition: what is in it and how it starts, read from a YAML file (editions/NAME.yaml).
 * The table in definition.c describes every key; `docs/definition.md` shows it to people.
 */
#pragma once

#include <stdarg.h>

#include "format/yaml-schema.h"

/* Bits of definition.require: what a node must have to come up at all. */
enum {
	REQUIRE_SECURE_BOOT = 1 << 0,
	REQUIRE_TPM2 = 1 << 1,
	REQUIRE_COMMAND_LINE = 1 << 2, /* the kernel's command line is the signed one and nothing else */
};

/* Entries of lists, and names of pairs, that a definition takes out of the one that it extends. */
struct definition_without {
	struct strv files, sources, packages, absent, boot_packages, exclude, keep, programs, links, sysctl,
		users, ids, units, setuid;
	struct {
		struct strv command_line, modules, firmware;
	} kernel;
	struct {
		struct strv modules, devices;
	} initrd;
};

/* A repository beside the archive, one of *sources*. */
struct definition_source {
	char *name;		/* in place of a suite's in what is said of its packages */
	char *url;		/* http, https or file, or a folder beside the definition */
	char *suite;		/* the folder below dists/ */
	struct strv components; /* none: main */
	char *keyring;		/* file beside the definition: who may sign */
	struct strv packages;	/* names, or patterns of them: nothing else is taken from there */
};

/* An account that the definition brings itself, one of *users*. Its id is a matter of *ids*. */
struct definition_user {
	char *name;
	char *description;
	char *home;	    /* NULL: / */
	char *shell;	    /* NULL: it can't log in */
	struct strv groups; /* besides the one of its own */
};

struct definition {
	char *path;		   /* of the file, as it was given */
	char *folder;		   /* that the file is in: what `extends` is relative to */
	struct yaml_places places; /* where each key and entry stands, in this file or one that it extends */

	char *extends; /* the edition that this one is made of, as the file names it; NULL: none */
	struct definition_without without;
	struct strv overlays; /* paths of the folders of `files`, those of what is extended first */
	struct strv left_out; /* paths of what of these is not laid over the tree */

	char *name;  /* "container-linux" */
	char *title; /* "Orlop Container Linux" */
	char *suite; /* of the Debian archive */
	struct strv components;
	struct yaml_list sources; /* of struct definition_source */

	struct strv packages;	   /* with their dependencies */
	struct strv absent;	   /* packages that others depend on and that the image does without */
	struct strv boot_packages; /* unpacked for the build (boot loader, stub), not part of /usr */

	struct strv exclude;	/* path patterns that are not unpacked */
	struct strv keep;	/* exceptions from them */
	struct strv programs;	/* of Orlop's own, for the node */
	char *files;		/* the last of *overlays*, as the file names it; may be NULL */
	struct pairs links;	/* symbolic links to make: path and target */
	struct pairs sysctl;	/* settings of the kernel: name and value */
	struct yaml_list users; /* of struct definition_user */
	struct pairs ids;	/* fixed ids of system accounts: name and number */
	struct pairs units;	/* name, and "enable", "disable" or "mask" */
	struct strv setuid;	/* paths that may keep their setuid or setgid bit */

	struct {
		struct strv command_line;
		struct strv modules;  /* patterns of the modules to keep */
		struct strv firmware; /* and of files in /usr/lib/firmware, besides what these ask for */
	} kernel;
	struct {
		struct strv modules; /* loaded always */
		struct strv devices; /* loaded where the hardware asks for them */
	} initrd;
	char *compression; /* of /usr, see compression_parse(); NULL: none */
	struct {
		uint64_t esp, usr, verity, signature; /* partition sizes, bytes */
		uint64_t state;			      /* room left for the state partition, bytes */
	} disk;
	unsigned require; /* REQUIRE_… */
};

/* Finds the file of an edition that is named without a path. The caller frees it; NULL with *err* set. */
typedef char *(*definition_find_fn)(const char *name, struct error **err);

#define DEFINITION_DEPTH 8 /* definitions that extend each other, at most */

/*
 * Read and check a definition, from memory (*path* is then only its name in errors, and it can extend none)
 * or from a file, with which also what it extends is read, and the folders of `files` are looked at. What a
 * definition extends is the file of that path, from its own folder on, where there is a "/" or ".yaml" in it;
 * otherwise NAME.yaml in its folder, or what *find* finds. *ret* is the caller's, to be freed with
 * definition_free().
 *
 * Everything that can be known without packages is checked here. -EINVAL where anything is wrong, with *err*
 * naming file, line and key.
 */
int definition_parse(
	const char *text, size_t size, const char *path, struct definition **ret, struct error **err);
int definition_load(const char *path, definition_find_fn find, struct definition **ret, struct error **err);
struct definition *definition_free(struct definition *definition);
DEFINE_CLEANUP(struct definition *, definition_free);
#define _cleanup_definition_ _cleanup_(definition_freep)

/*
 * For errors about what the definition says. *key* is as the file has it ("kernel: modules"), *entry* one of
 * its list or a name of its pairs, NULL for the key itself.
 *
 * definition_error() sets *err* to "FILE:LINE: KEY: " and the text and returns -EINVAL, or -ENOMEM;
 * definition_wrap() puts "FILE:LINE: KEY: " before an error and returns its code; definition_blame() does so
 * where the error is about an entry (error_about()), and leaves others as they are.
 */
int definition_error(const struct definition *definition, const char *key, const char *entry,
	struct error **err, const char *format, ...) _printf_(5, 6);
int definition_verror(const struct definition *definition, const char *key, const char *entry,
	struct error **err, const char *format, va_list args) _printf_(5, 0);
int definition_wrap(
	const struct definition *definition, const char *key, const char *entry, struct error **err);
int definition_blame(const struct definition *definition, const char *key, int code, struct error **err);

/* The checks of definition_parse() and definition_load() (build/definition-check.c). */
int definition_check(const struct definition *definition, struct error **err);
int definition_check_files(const struct definition *definition, struct error **err);

/*
 * A path that the value of *key* names: one from the folder of the file that has the key on, or an absolute
 * one. The caller frees it; NULL where memory is out.
 */
char *definition_beside(const struct definition *definition, const char *key, const char *path);

/* The JSON Schema of a definition's file, as a new reference; NULL where memory is out. */
json_t *definition_schema(void);

/* Rows of the tables, and how many of them. */
const struct definition_source *definition_source(const struct definition *definition, size_t index);
const struct definition_user *definition_user(const struct definition *definition, size_t index);

/* Whether *text* can be a suite of an archive: it becomes part of URLs. */
bool definition_is_suite(const char *text);

/* A copy of *list*: absent, exclude or keep without the "-" in front of entries that may do nothing. */
int definition_plain(const struct strv *list, struct strv *ret, struct error **err);

/*
 * An entry of kernel: command-line is an argument, or an argument and behind it, parted by a space, the one
 * architecture that it is for: "console=ttyAMA0 [arm64]". Returns the argument's length in bytes, and writes
 * to *ret* whether that architecture has it.
 */
size_t definition_argument(const char *entry, const char *architecture, bool *ret);

/* The arguments that *architecture* has, without what says so. */
int definition_arguments(
	const struct definition *definition, const char *architecture, struct strv *ret, struct error **err);

/* What a node must have to come up, as *require* of the file has it. */
int definition_requirements(const struct definition *definition, struct strv *ret, struct error **err);

/* A copy of *list* with "{architecture}" replaced in each entry. */
int definition_expand(
	const struct strv *list, const char *architecture, struct strv *ret, struct error **err);
