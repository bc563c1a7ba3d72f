/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verbs of `orlop-node`, the program on the node.
 */
#pragma once

#include "cmd/command.h"

int node_health(int argc, char **argv, struct error **err);
int node_tuf(int argc, char **argv, struct error **err);
