/* SPDX-License-Identifier: Apache-2.0 */
#include "common/no_core.h"
#include "service/cli.h"

int main(int argc, char **argv)
{
    no_core();
    return service_main(argc, argv);
}
