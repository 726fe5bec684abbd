/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hooks.h"

const struct weir_hooks *weir_hooks;

#ifdef WEIR_PLANTED
enum weir_plant weir_plant_now;
#endif
