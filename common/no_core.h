/* SPDX-License-Identifier: Apache-2.0 */
/* Keys are in our memory, and of our memory nothing is written anywhere. */
#ifndef P2PVPN_COMMON_NO_CORE_H
#define P2PVPN_COMMON_NO_CORE_H

/* From now on this process, and those that it forks, leave no core, wherever the kernel would send
 * it, and nobody without root's rights looks into them.  A program that is executed can leave one
 * again where cores go to a program, but not into a file. */
void no_core(void);

#endif
