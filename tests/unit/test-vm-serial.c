/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
#include "vm/serial.h"

static void feed(struct vm_serial *serial, const char *text)
{
	assert_int_equal(vm_serial_feed(serial, text, strlen(text)), 0);
}

static void assert_tail(const struct vm_serial *serial, size_t lines, const char *expected)
{
	_cleanup_free_ char *tail = vm_serial_tail(serial, lines);

	assert_non_null(tail);
	assert_string_equal(tail, expected);
}

static void keeps_the_last_lines_without_what_terminals_do_not_print(void **state)
{
	_cleanup_vm_serial_ struct vm_serial serial = {.fd = -1};

	(void)state;
	assert_tail(&serial, 3, "");
	feed(&serial, "one\r\n\r\n\033[2J\033[01;01Htwo\033[0m\r\nth\aree\n");
	assert_tail(&serial, 3, "one\ntwo\nthree");
	assert_tail(&serial, 2, "two\nthree");
	feed(&serial, "not compl\033[1");
	assert_tail(&serial, 2, "three\nnot compl");
	feed(&serial, "mete");
	assert_tail(&serial, 1, "not complete");
	assert_tail(&serial, 99, "one\ntwo\nthree\nnot complete");
}

static void the_tail_is_bounded(void **state)
{
	_cleanup_vm_serial_ struct vm_serial serial = {.fd = -1};
	char line[101];

	(void)state;
	memset(line, 'x', 99);
	line[99] = '\n';
	line[100] = 0;
	for (int i = 0; i < 10000; i++)
		feed(&serial, line);
	for (int i = 0; i < 10000; i++)
		feed(&serial, "no end of line");
	assert_true(serial.tail.size <= 64 * 1024);
	assert_true(serial.line.size <= 1024);
}

/* A machine that restarts after a panic may come up with another release. */
static void the_next_start_is_another_one(void **state)
{
	_cleanup_vm_serial_ struct vm_serial serial = {.fd = -1};

	(void)state;
	feed(&serial, "BdsDxe: starting Boot0001 \"disk\"\n[ 0.1] Kernel panic - not syncing: no memory\n");
	assert_non_null(serial.failure);
	feed(&serial, "Rebooting in 10 seconds..\nBdsDxe: starting Boot0001 \"disk\"\nhello\n");
	assert_null(serial.failure);
	feed(&serial, "orlop-init: cannot start: no disk\n");
	assert_string_equal(serial.failure, "orlop-init: cannot start: no disk");
}

static void finds_the_first_failure_once_its_line_is_complete(void **state)
{
	_cleanup_vm_serial_ struct vm_serial serial = {.fd = -1};

	(void)state;
	feed(&serial, "[    1.0] orlop-init: starts\n[    2.5] orlop-init: cannot ");
	assert_null(serial.failure);
	feed(&serial, "start: no usr partition; restarting\r");
	assert_null(serial.failure);
	feed(&serial, "\nKernel panic - not syncing: x\n");
	assert_string_equal(
		serial.failure, "[    2.5] orlop-init: cannot start: no usr partition; restarting");
}

static void reads_along_in_a_file(void **state)
{
	_cleanup_vm_serial_ struct vm_serial serial = {};
	_cleanup_close_ int fd = memfd_create("serial", 0);

	(void)state;
	serial.fd = fd;
	assert_int_equal(vm_serial_read(&serial), 0);
	assert_int_equal(write_full(fd, "BdsDxe: No bootable option ", 27), 0);
	assert_int_equal(vm_serial_read(&serial), 0);
	assert_int_equal(vm_serial_read(&serial), 0);
	assert_null(serial.failure);
	assert_int_equal(write_full(fd, "or device was found.\r\n", 22), 0);
	assert_int_equal(vm_serial_read(&serial), 0);
	assert_string_equal(serial.failure, "BdsDxe: No bootable option or device was found.");
	assert_int_equal(serial.offset, 49);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_last_lines_without_what_terminals_do_not_print),
		cmocka_unit_test(the_tail_is_bounded),
		cmocka_unit_test(the_next_start_is_another_one),
		cmocka_unit_test(finds_the_first_failure_once_its_line_is_complete),
		cmocka_unit_test(reads_along_in_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
