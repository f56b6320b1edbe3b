// SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash of 64 bits for short inputs, ten times cheaper than
// BLAKE2b. For sums that mean something to nobody who did not choose the key; never where a collision after the fact
// would matter.
#pragma once

#include "crypto/bytes.h"

namespace weft {

std::uint64_t siphash(const ByteArray<16>& key, ByteView bytes);

}  // namespace weft
