/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "format/elf.h"

/* Files that the compiler, the assembler and the linker make, with readelf(1) and nm(1) as judges. */
static const char script[] =
	"echo 'extern int there(int); int weak __attribute__((weak)); int here(int x) { return there(x) + "
	"weak; }' > x.c\n"
	"gcc -shared -fPIC -nostdlib -o libneeded.so -Wl,-soname,libneeded.so.7 -x c /dev/null\n"
	"gcc -shared -fPIC -nostdlib -o libx.so -Wl,-soname,libx.so.3 -Wl,--build-id=0x0123456789abcdef x.c "
	"-Wl,--no-as-needed ./libneeded.so\n"
	"gcc -c -o x.o x.c\n"
	"printf 'int main(void) { return 0; }' | gcc -o program -x c -\n";

static struct elf open_file(const char *folder, const char *name, char **ret_data)
{
	_cleanup_error_ struct error *err = NULL;
	struct elf elf = {};
	size_t size;

	*ret_data = scratch_read(folder, name, &size);
	assert_ok(elf_open(*ret_data, size, &elf, &err), err);
	return elf;
}

static void reads_what_a_library_says_of_itself(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_elf_dynamic_ struct elf_dynamic dynamic = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *data = NULL;
	const char *interpreter = "?";
	struct elf_bytes note;
	struct elf elf;

	(void)state;
	shell(folder, script);
	elf = open_file(folder, "libx.so", &data);
	assert_int_equal(elf.type, ELF_TYPE_SHARED);
	assert_true(elf.is_64);
	assert_ok(elf_dynamic(&elf, &dynamic, &err), err);
	assert_string_equal(dynamic.soname, "libx.so.3");
	assert_int_equal(dynamic.needed_count, 1);
	assert_string_equal(dynamic.needed[0], "libneeded.so.7");
	assert_null(dynamic.needed[1]);
	assert_ok(elf_interpreter(&elf, &interpreter, &err), err);
	assert_null(interpreter);
	assert_ok(elf_note(&elf, "GNU", 3, &note, &err), err);
	assert_int_equal(note.size, 8);
	assert_memory_equal(note.data, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8);
	assert_int_equal(elf_note(&elf, "GNU", 77, &note, &err), -ENOENT);
}

static void the_interpreter_is_the_one_that_readelf_shows(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *data = NULL, *judged = NULL, *line = NULL;
	const char *interpreter;
	struct elf elf;

	(void)state;
	shell(folder, script);
	shell(folder,
		"readelf -lW program | sed -n 's/.*program interpreter: \\(.*\\)\\]/\\1/p' > interpreter");
	elf = open_file(folder, "program", &data);
	judged = scratch_read(folder, "interpreter", NULL);
	assert_ok(elf_interpreter(&elf, &interpreter, &err), err);
	line = string_format("%s\n", interpreter);
	assert_string_equal(line, judged);
}

static char binding_letter(const struct elf_symbol *symbol)
{
	if (symbol->section == ELF_SECTION_INDEX_UNDEFINED)
		return 'U';
	return symbol->binding == ELF_BINDING_WEAK ? 'V' : 'T';
}

static void symbols_are_those_that_nm_shows(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *data = NULL, *judged = NULL;
	_cleanup_buffer_ struct buffer seen = {};
	struct elf_symbols symbols;
	struct elf elf;

	(void)state;
	shell(folder, script);
	shell(folder, "nm -p x.o | sed 's/^[0-9a-f ]*//' | grep -v '_GLOBAL_OFFSET_TABLE_' > symbols");
	elf = open_file(folder, "x.o", &data);
	judged = scratch_read(folder, "symbols", NULL);
	assert_int_equal(elf.type, ELF_TYPE_RELOCATABLE);
	assert_ok(elf_symbols_open(&elf, &symbols, &err), err);
	for (size_t i = 1; i < symbols.count; i++) {
		struct elf_symbol symbol;

		assert_ok(elf_symbols_get(&symbols, i, &symbol, &err), err);
		if (symbol.binding != ELF_BINDING_LOCAL && !streq(symbol.name, "_GLOBAL_OFFSET_TABLE_"))
			buffer_printf(&seen, "%c %s\n", binding_letter(&symbol), symbol.name);
	}
	buffer_append_u8(&seen, 0);
	assert_string_equal((char *)seen.data, judged);
	assert_int_equal(elf_symbols_get(&symbols, symbols.count, &(struct elf_symbol){}, &err), -ENOENT);
}

static void sections_are_found_by_name(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *data = NULL;
	struct elf_bytes bytes;
	struct elf elf;

	(void)state;
	shell(folder,
		"printf '%s\\n' '.section .one,\"a\"' '.ascii \"first\"' .bss '.skip 4000' | as -o s.o -");
	elf = open_file(folder, "s.o", &data);
	assert_ok(elf_section(&elf, ".one", &bytes, &err), err);
	assert_int_equal(bytes.size, 5);
	assert_memory_equal(bytes.data, "first", 5);
	assert_ok(elf_section(&elf, ".bss", &bytes, &err), err);
	assert_int_equal(bytes.size, 0);
	assert_int_equal(elf_section(&elf, ".on", &bytes, &err), -ENOENT);
	assert_null(err);
}

static void reads_32_bit_files_as_well(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *data = NULL;
	struct elf_symbols symbols;
	struct elf_symbol symbol;
	struct elf_bytes bytes;
	struct elf elf;

	(void)state;
#if !defined(__x86_64__)
	print_message("skipped, because the assembler here makes no 32-bit files\n");
	skip();
#endif
	shell(folder, "printf '%s\\n' '.section .one,\"a\"' '.ascii \"first\"' '.globl sym' '.set sym, 42' | "
		      "as --32 -o s.o -");
	elf = open_file(folder, "s.o", &data);
	assert_false(elf.is_64);
	assert_int_equal(elf.machine, ELF_MACHINE_386);
	assert_ok(elf_section(&elf, ".one", &bytes, &err), err);
	assert_memory_equal(bytes.data, "first", 5);
	assert_ok(elf_symbols_open(&elf, &symbols, &err), err);
	assert_ok(elf_symbols_get(&symbols, symbols.count - 1, &symbol, &err), err);
	assert_string_equal(symbol.name, "sym");
	assert_int_equal(symbol.value, 42);
	assert_int_equal(symbol.section, ELF_SECTION_INDEX_ABSOLUTE);
}

/* Looks at everything there is; what it finds does not matter. */
static void look_at_all(const void *data, size_t size)
{
	_cleanup_elf_dynamic_ struct elf_dynamic dynamic = {};
	struct elf_symbols symbols;
	struct elf_bytes bytes;
	const char *interpreter;
	struct elf elf;

	if (elf_open(data, size, &elf, NULL) < 0)
		return;
	(void)elf_section(&elf, ".absent", &bytes, NULL);
	(void)elf_note(&elf, "GNU", 77, &bytes, NULL);
	(void)elf_interpreter(&elf, &interpreter, NULL);
	if (elf_dynamic(&elf, &dynamic, NULL) == 0 && dynamic.soname)
		assert_true(strlen(dynamic.soname) < size);
	if (elf_symbols_open(&elf, &symbols, NULL) < 0)
		return;
	for (size_t i = 0; i < symbols.count; i++) {
		struct elf_symbol symbol;

		if (elf_symbols_get(&symbols, i, &symbol, NULL) == 0)
			assert_true(strlen(symbol.name) < size);
	}
}

/* Run under AddressSanitizer this finds what is read outside of the file: each copy has just its own size. */
static void damaged_files_are_never_read_beyond_their_end(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ uint8_t *data = NULL;
	size_t size;

	(void)state;
	shell(folder, script);
	data = (uint8_t *)scratch_read(folder, "libx.so", &size);
	for (size_t length = 0; length < size; length += length < 1024 ? 1 : 97) {
		_cleanup_free_ void *copy = malloc(length ? length : 1);

		assert_non_null(copy);
		memcpy(copy, data, length);
		look_at_all(copy, length);
	}
	for (size_t at = 0; at < 1024; at++) {
		_cleanup_free_ uint8_t *copy = malloc(size);

		assert_non_null(copy);
		memcpy(copy, data, size);
		copy[at] ^= 0xff;
		look_at_all(copy, size);
	}
}

static void refuses_what_is_no_such_file(void **state)
{
	static const uint8_t big_endian[64] = {0x7f, 'E', 'L', 'F', 2, 2, 1};
	static const uint8_t no_class[64] = {0x7f, 'E', 'L', 'F', 3, 1, 1};
	static const uint8_t short_one[20] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
	_cleanup_error_ struct error *err = NULL;
	struct elf elf;

	(void)state;
	assert_error(elf_open("text that is long enough", 24, &elf, &err), -ENOEXEC, err, "not an ELF file");
	assert_error(
		elf_open(big_endian, sizeof(big_endian), &elf, &err), -ENOEXEC, err, "not little-endian");
	assert_error(elf_open(no_class, sizeof(no_class), &elf, &err), -ENOEXEC, err, "class 3");
	assert_error(elf_open(short_one, sizeof(short_one), &elf, &err), -EBADMSG, err, "within its header");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_a_library_says_of_itself),
		cmocka_unit_test(the_interpreter_is_the_one_that_readelf_shows),
		cmocka_unit_test(symbols_are_those_that_nm_shows),
		cmocka_unit_test(sections_are_found_by_name),
		cmocka_unit_test(reads_32_bit_files_as_well),
		cmocka_unit_test(damaged_files_are_never_read_beyond_their_end),
		cmocka_unit_test(refuses_what_is_no_such_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
