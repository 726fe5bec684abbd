/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/lane.h"
