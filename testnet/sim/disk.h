// What a node's durable rows answer to a load (dht/loads.h), and lose by an erasure, the way the real store does.
#pragma once

#include <map>

#include "dht/loads.h"

namespace weft::sim {

// `rows` by key, of every kind. Work grows with the number of values.
dht::Loaded answer(const std::map<Bytes, Bytes>& rows, const dht::Load& load);
// Erases a row, and with a namespace its entries, as the real store does.
void erase_row(std::map<Bytes, Bytes>& rows, const Bytes& key);
dht::HeldTotals held_totals(const std::map<Bytes, Bytes>& rows);

}  // namespace weft::sim
