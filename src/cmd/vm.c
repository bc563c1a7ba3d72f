/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/command.h"

static const struct command commands[] = {
	{},
};

static const struct command_group vm = {
	.name = "orlop vm",
	.summary = "Starts images in virtual machines, with Secure Boot and a TPM, without root.",
	.commands = commands,
};

int cmd_vm(int argc, char **argv, struct error **err)
{
	return command_dispatch(&vm, argc, argv, err);
}
