/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/cli.h"
#include "common/no_core.h"

int main(int argc, char **argv)
{
    no_core();
    return cli_main(argc, argv);
}
