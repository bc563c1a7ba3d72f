/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small kernel's modules, assembled by as(1) in a scratch folder: real relocatable ELF files with the
 * sections and symbols that a kernel's build gives them, and no code.
 */
#pragma once

#include "build/overlay.h"
#include "format/tree.h"
#include "scratch.h"

#define MODULES "usr/lib/modules/6.1-test"

/*
 * mod FILE INFO EXPORTS IMPORTS: INFO is a list of .modinfo strings separated by "|", the others of symbols
 * by spaces. The symbol module_layout stands in __versions alone, as in the kernel's own modules.
 */
static const char module_script[] =
	"mod() {\n"
	"	mkdir -p \"$(dirname \"$1\")\"\n"
	"	{\n"
	"		echo '.section .modinfo,\"a\"'\n"
	"		echo \"$2\" | tr '|' '\\n' | sed 's/.*/.asciz \"&\"\\n.byte 0/'\n"
	"		for s in $3; do echo \".globl __crc_$s; .set __crc_$s, 0x1234\"; done\n"
	"		echo '.section __ksymtab_strings,\"a\"'\n"
	"		for s in $3; do echo \".asciz \\\"$s\\\"\"; done\n"
	"		echo '.data'\n"
	"		for s in $4; do echo \".quad $s\"; done\n"
	"		echo '.section __versions,\"a\"'\n"
	"		for s in module_layout $4; do echo \"1: .quad 7; .asciz \\\"$s\\\"; .skip "
	"64-(.-1b)\"; done\n"
	"	} | as -o \"$1\" -\n"
	"}\n"
	"m=" MODULES "\n"
	"ln -s usr/lib lib\n"
	"mod $m/kernel/lib/core-bus.ko 'alias=acpi*:BUS0:*|depends=|name=core_bus' 'bus_register bus_leave' "
	"''\n"
	"mod $m/kernel/drivers/block/disk-one.ko 'alias=virtio:d00000002v*|depends=core-bus|license=GPL' "
	"disk_probe 'printk bus_register'\n"
	"mod $m/kernel/fs/bigfs.ko 'alias=fs-bigfs|softdep=pre: crypto-sum post: "
	"helper|depends=disk-one,core-bus,built-in-fs' '' 'disk_probe bus_leave printk'\n"
	"mod $m/kernel/crypto/sum_fast.ko 'alias=crypto-sum|alias=sum|depends=' '' ''\n"
	"mod $m/kernel/crypto/sum_slow.ko 'alias=crypto-sum|depends=' '' ''\n"
	"mod $m/kernel/misc/helper.ko 'alias=char-major-10-200|alias=devname:net/helper|depends=' 'help' ''\n"
	"mod $m/kernel/misc/lonely.ko "
	"'alias=of:N*T[a-c]Cx-y|alias=bad]alias-1|weakdep=helper|softdep=sum|depends=' '' 'help printk'\n"
	"printf '%s\\n' kernel/fs/bigfs.ko kernel/misc/helper.ko kernel/crypto/sum_slow.ko "
	"kernel/drivers/block/disk-one.ko"
	" kernel/gone.ko kernel/lib/core-bus.ko kernel/crypto/sum_fast.ko > $m/modules.order\n"
	"printf '%s\\n' kernel/fs/built-in-fs.ko kernel/lib/zlib.ko > $m/modules.builtin\n"
	"printf '%s\\0' built_in_fs.alias=fs-built-in built_in_fs.license=GPL zlib.alias=z-lib zlib.alias=zl "
	"> $m/modules.builtin.modinfo\n";

static inline void make_modules(const char *folder, const char *more)
{
	_cleanup_free_ char *script = string_format("%s\n%s", module_script, more);

	assert_non_null(script);
	shell(folder, script);
}

static inline struct tree *tree_of_folder(const char *folder)
{
	_cleanup_error_ struct error *err = NULL;
	struct tree *tree = tree_new();

	assert_non_null(tree);
	assert_ok(overlay_add(tree, folder, NULL, 7, "test", &err), err);
	return tree;
}

/* The content of a file in the tree, which is there. */
static inline const struct content *tree_content(const struct tree *tree, const char *path)
{
	const struct tree_inode *inode = tree_lookup(tree, path);

	if (!inode || !S_ISREG(inode->mode))
		fail_msg("the tree has no file %s", path);
	return inode->content;
}

/* The file in the tree holds what the file *expected* in *folder* does. */
static inline void assert_same_content(
	const struct tree *tree, const char *path, const char *folder, const char *expected)
{
	const struct content *content = tree_content(tree, path);
	size_t size;
	_cleanup_free_ char *data = scratch_read(folder, expected, &size);

	if (size != content_size(content) || memcmp(data, content_data(content), size) != 0)
		fail_msg("%s differs from %s/%s", path, folder, expected);
}
