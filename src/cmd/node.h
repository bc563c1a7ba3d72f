/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verbs of `orlop-node`, the program on the node.
 */
#pragma once

#include "cmd/command.h"

int node_agent(int argc, char **argv, struct error **err);
int node_bless(int argc, char **argv, struct error **err);
int node_channel(int argc, char **argv, struct error **err);
int node_check(int argc, char **argv, struct error **err);
int node_health(int argc, char **argv, struct error **err);
int node_history(int argc, char **argv, struct error **err);
int node_pin(int argc, char **argv, struct error **err);
int node_rollback(int argc, char **argv, struct error **err);
int node_status(int argc, char **argv, struct error **err);
int node_tuf(int argc, char **argv, struct error **err);
int node_update(int argc, char **argv, struct error **err);
