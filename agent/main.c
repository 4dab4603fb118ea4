/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli.h"
#include "common/no_core.h"

int main(int argc, char **argv)
{
    no_core();
    return agent_main(argc, argv);
}
