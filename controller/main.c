/* SPDX-License-Identifier: Apache-2.0 */
#include "common/no_core.h"
#include "controller/cli.h"

int main(int argc, char **argv)
{
    no_core();
    return cli_main(argc, argv);
}
