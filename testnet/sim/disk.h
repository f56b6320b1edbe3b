// What a node's durable rows answer to a load (dht/loads.h), the way the real store does.
#pragma once

#include <map>

#include "dht/loads.h"

namespace weft::sim {

// `rows` by key, of every kind. Work grows with the number of values.
dht::Loaded answer(const std::map<Bytes, Bytes>& rows, const dht::Load& load);
dht::HeldTotals held_totals(const std::map<Bytes, Bytes>& rows);

}  // namespace weft::sim
