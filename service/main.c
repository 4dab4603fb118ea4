/* SPDX-License-Identifier: Apache-2.0 */
#include "service/cli.h"
#include "common/no_core.h"

int main(int argc, char **argv)
{
    no_core();
    return service_main(argc, argv);
}
